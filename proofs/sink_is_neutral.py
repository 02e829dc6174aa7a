"""A sink in softmax's denominator moves the threshold away from 0 and leaves 0 where it is: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, iff, implies, real
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.theorems.setting import N_S, N_U, Z, k, m, s_S, s_U, sink, tau


def prove(p: Proof) -> None:
    no_less = p.assumption("the sink's mass is not negative")
    some_token = p.assumption("there is a token")
    positive = p.have(
        Z > 0, [p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U), some_token], "weights are positive"
    )

    p.say("With N = N_S + N_U, f is N / Z without and N / (Z + sink) with the sink: multiply by the denominators.")
    x, z = real("x"), real("z")
    exact = p.have(
        implies(both(z > 0, sink >= 0), iff(x / (z + sink) < tau, x / z < tau + tau * sink / z)),
        because="both say N < tau (Z + sink)",
    )
    above = p.have(
        implies(both(z > 0, sink >= 0, tau >= 0, x / z < tau), x / (z + sink) < tau),
        because="at tau >= 0, N < tau Z is at most tau (Z + sink)",
    )
    below = p.have(
        implies(both(z > 0, sink >= 0, tau <= 0, x / (z + sink) < tau), x / z < tau),
        because="at tau <= 0 it is at least that",
    )
    here = {x: N_S + N_U, z: Z}
    p.conclude([*(p.kernel.instantiate(f, here) for f in (exact, above, below)), positive, no_less])


if __name__ == "__main__":
    main("sink_is_neutral", prove)
