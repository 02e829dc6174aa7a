"""Weights that are not negative and sum to 1 keep the output in the hull of the values: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import weighted_at_least, weighted_at_most
from tokendemo_formal.theorems.guarantees import high, low, readout, weight
from tokendemo_formal.theorems.setting import n


def prove(p: Proof) -> None:
    weights = p.assumption("no weight is negative")
    readouts = p.assumption("the readouts lie in [low, high]")
    least = p.each(n, lambda i: both(weight(i) >= 0, low <= readout(i)), [weights, readouts])
    most = p.each(n, lambda i: both(weight(i) >= 0, readout(i) <= high), [weights, readouts])
    p.say("The output lies between low and high, each times the sum of the weights, which is 1.")
    p.conclude(
        [
            least,
            most,
            p.lemma(weighted_at_least, n, weight, readout, low),
            p.lemma(weighted_at_most, n, weight, readout, high),
            p.assumption("the weights sum to 1"),
        ]
    )


if __name__ == "__main__":
    main("output_stays_in_the_hull", prove)
