"""The filter with limits of the denominators, and pulls: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import each, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_of_each, sum_subtracted
from tokendemo_formal.theorems.bounds import gain, pulled_bound, pulled_slot_term, top
from tokendemo_formal.theorems.setting import m


def prove(p: Proof) -> None:
    p.say("The pulled leaf bound holds with the terms themselves as tops.")
    itself = p.each(m, lambda i: pulled_slot_term(i) <= pulled_slot_term(i))
    given = [fact for fact in p.assumptions if fact != p.assumption("top is at least each slot's term")]
    leaf = p.use("pulled_leaf_bound", functions={top: pulled_slot_term}, by=[*given, itself])

    p.say("No term exceeds its top, so the sum of all shortfalls is at least that of any one slot.")
    short = p.each(m, lambda i: top(i) - pulled_slot_term(i) >= 0, [p.assumption("top is at least each slot's term")])
    shortfall = p.lemma(sum_subtracted, m, lambda i: top(i), pulled_slot_term)
    slack = total(m, lambda i: top(i) - pulled_slot_term(i))
    member = p.lemma(sum_of_each, m, lambda i: top(i) - pulled_slot_term(i))
    one = p.have(each(m, lambda i: top(i) - pulled_slot_term(i) <= slack), [short, member])
    each_slot = p.each(m, lambda i: gain <= pulled_bound - top(i) + pulled_slot_term(i), [one, leaf, shortfall])
    p.conclude([each_slot])


if __name__ == "__main__":
    main("pulled_filter_is_sound", prove)
