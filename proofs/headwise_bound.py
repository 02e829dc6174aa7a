"""The heads' own minima add up to a lower bound: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_monotone
from tokendemo_formal.theorems.override import head, low
from tokendemo_formal.theorems.setting import H, n


def prove(p: Proof) -> None:
    p.say("Take any assignment x. Every head's vote is at least its low, so the sums compare likewise.")
    below = p.assumption("low is at most each head's margin")
    bound = p.each(
        n,
        lambda x: total(H, lambda h: low(h)) <= total(H, lambda h: head(h, x)),
        lambda x: [below, p.lemma(sum_monotone, H, lambda h: low(h), lambda h: head(h, x))],
    )
    p.conclude([bound])


if __name__ == "__main__":
    main("headwise_bound", prove)
