"""A token whose term falls short of its slot's top by the bound's slack is in no override: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import each, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_of_each, sum_subtracted
from tokendemo_formal.theorems.bounds import bound, gain, slot_term, top
from tokendemo_formal.theorems.setting import m


def prove(p: Proof) -> None:
    p.say("The leaf bound holds with the terms themselves as tops.")
    itself = p.each(m, lambda i: slot_term(i) <= slot_term(i))
    tables = [p.assumption(name) for name in ("b_lo is at most b", "b_hi is at least b", "L is positive")]
    leaf = p.use("leaf_bound", functions={top: slot_term}, by=[*tables, itself])

    p.say("No term exceeds its top, so the sum of all shortfalls is at least that of any one slot.")
    short = p.each(m, lambda i: top(i) - slot_term(i) >= 0, [p.assumption("top is at least each slot's term")])
    shortfall = p.lemma(sum_subtracted, m, lambda i: top(i), slot_term)
    slack = total(m, lambda i: top(i) - slot_term(i))
    member = p.lemma(sum_of_each, m, lambda i: top(i) - slot_term(i))
    one = p.have(each(m, lambda i: top(i) - slot_term(i) <= slack), [short, member])
    each_slot = p.each(m, lambda i: gain <= bound - top(i) + slot_term(i), [one, leaf, shortfall])
    p.conclude([each_slot])


if __name__ == "__main__":
    main("filter_is_sound", prove)
