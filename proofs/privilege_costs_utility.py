"""Keeping a share for the system limits what the input can do: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Function, Numeric, Term, both, either, implies, real
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.attention import attention_at_least, attention_at_most, mass_positive
from tokendemo_formal.proving.lemmas.quotients import product_nonnegative
from tokendemo_formal.theorems.guarantees import E_W, a_W, high, low, m_W, margin_W, s_W
from tokendemo_formal.theorems.setting import (
    E_S,
    E_U,
    N_S,
    N_U,
    Z,
    a_S,
    a_U,
    k,
    m,
    margin,
    mass,
    rho,
    s_S,
    s_U,
    weighted,
)

E, U, W, P, A, B, R, i, j = (real(name) for name in "EUWPABRij")
N_W = weighted(m_W, s_W, a_W)
Z_W = E_S + E_W


def moved(p: Proof) -> Fact:
    """Two mixtures of the same part with different ones, as an inequality between numbers.

    (E + U) i = (E + W) j = 1, 0 <= P <= R E, 0 <= A <= R U, 0 <= B <= R W, rho <= E i, rho <= E j, i, j > 0 imply
    (P + A) i - (P + B) j <= (1 - rho) R.
    """
    given = [
        p.kernel.assume(t)
        for t in (
            ((E + U) * i).eq(1),
            ((E + W) * j).eq(1),
            both(0 <= P, P <= R * E),
            both(0 <= A, A <= R * U),
            both(0 <= B, B <= R * W),
            rho <= E * i,
            rho <= E * j,
            i > 0,
            j > 0,
        )
    ]
    whole_i, _, common, first, second, floor_i, floor_j, positive_i, positive_j = given
    part_i = p.have(A * i <= R * (U * i), [first, positive_i, p.lemma(product_nonnegative, R * U - A, i)])
    part_j = p.have(B * j >= 0, [second, positive_j, p.lemma(product_nonnegative, B, j)])
    p.say("The common part pulls for the mixture that gives it more, by at most R E times the difference.")
    pull = p.have(
        either(P * i - P * j <= 0, P * i - P * j <= R * (E * i) - R * (E * j)),
        [common, p.lemma(product_nonnegative, P, j - i), p.lemma(product_nonnegative, R * E - P, i - j)],
    )
    size = p.have(R * (E + U) >= 0, [common, first])
    range_ = p.have(R >= 0, [size, whole_i, positive_i, p.lemma(product_nonnegative, R * (E + U), i)])
    limit = p.have(
        both(R * rho <= R * (E * i), R * rho <= R * (E * j)),
        [
            range_,
            floor_i,
            floor_j,
            p.lemma(product_nonnegative, R, E * i - rho),
            p.lemma(product_nonnegative, R, E * j - rho),
        ],
    )
    rest = p.have(
        (R * (U * i)).eq(R - R * (E * i)), [whole_i, p.kernel.equal((E + U) * i, 1, lambda x: R * x)], "times R"
    )
    return p.have((P + A) * i - (P + B) * j <= (1 - rho) * R, [part_i, part_j, pull, limit, rest])


def prove(p: Proof) -> None:
    p.say("Both readouts, less low, are mixtures of one common part with parts of weight at most 1 - rho.")
    general = moved(p)

    def part(name: str, count: Numeric, scores: Function, readouts: Function) -> Fact:
        """low E <= N <= high E."""
        given = p.assumption(name)
        e, votes = mass(count, scores), weighted(count, scores, readouts)
        return p.have(
            both(0 <= votes - low * e, votes - low * e <= (high - low) * e),
            [
                p.each(count, lambda i: low <= readouts(i), [given]),
                p.each(count, lambda i: readouts(i) <= high, [given]),
                p.lemma(attention_at_least, count, scores, readouts, low),
                p.lemma(attention_at_most, count, scores, readouts, high),
            ],
            "a sum of weights times readouts in [low, high]",
        )

    system = part("the system's readouts lie in [low, high]", k, s_S, a_S)
    first = part("the first input's readouts lie in [low, high]", m, s_U, a_U)
    second = part("the second input's readouts lie in [low, high]", m_W, s_W, a_W)
    positive = p.have(
        both(Z > 0, Z_W > 0),
        [
            p.assumption("there is a token with each input"),
            p.lemma(mass_positive, k, s_S),
            p.lemma(mass_positive, m, s_U),
            p.lemma(mass_positive, m_W, s_W),
        ],
        "exp is positive",
    )

    def mixture(name: str, inputs: Term, votes: Term, readout: Term) -> list[Fact]:
        """What ``moved`` asks of one input's mixture, and that it is the readout, less low."""
        z, total_votes, x, y = E_S + inputs, N_S + votes, real("x"), real("y")
        inverse = 1 / z
        one = p.have((z * inverse).eq(1), [positive])
        above = p.have(inverse > 0, [positive, one])
        quotient = p.have(implies(y > 0, both((x * (1 / y)).eq(x / y), implies(rho * y <= x, rho <= x * (1 / y)))))
        floor = p.have(
            rho <= E_S * inverse,
            [
                p.assumption(f"the share is at least rho with the {name} input"),
                p.kernel.instantiate(quotient, {x: E_S, y: z}),
                positive,
            ],
        )
        same = p.have(
            (total_votes * inverse).eq(readout), [p.kernel.instantiate(quotient, {x: total_votes, y: z}), positive]
        )
        shifted = p.kernel.equal(z * inverse, 1, lambda x: low * x)
        less = p.have(
            ((N_S - low * E_S + (votes - low * inputs)) * inverse).eq(readout - low), [same, one, shifted], "expanded"
        )
        return [one, above, floor, less]

    one_U, above_U, floor_U, less_U = mixture("first", E_U, N_U, margin)
    one_W, above_W, floor_W, less_W = mixture("second", E_W, N_W, margin_W)

    p.say("Neither readout is above the other by more than (1 - rho) (high - low).")
    common = {E: E_S, P: N_S - low * E_S, R: high - low}
    of_U, of_W = (E_U, N_U - low * E_U, 1 / Z), (E_W, N_W - low * E_W, 1 / Z_W)
    bounds = []
    for difference, (left, right), facts in (
        (margin - margin_W, (of_U, of_W), (one_U, one_W, first, second, floor_U, floor_W, above_U, above_W)),
        (margin_W - margin, (of_W, of_U), (one_W, one_U, second, first, floor_W, floor_U, above_W, above_U)),
    ):
        values = {**common, **dict(zip((U, A, i), left, strict=True)), **dict(zip((W, B, j), right, strict=True))}
        apart = p.kernel.cut(p.kernel.instantiate(general, values), [system, *facts])
        bounds.append(p.have(difference <= (1 - rho) * (high - low), [apart, less_U, less_W]))
    p.conclude(bounds)


if __name__ == "__main__":
    main("privilege_costs_utility", prove)
