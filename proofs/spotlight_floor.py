"""A bias of log(psi / share), where the share is below psi, keeps it above psi / (1 + psi): proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, implies, log, real, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_scaled
from tokendemo_formal.theorems.defences import boosted, psi
from tokendemo_formal.theorems.setting import E_S, E_U, Z, k, m, s_S, s_U, share


def prove(p: Proof) -> None:
    some_system = p.assumption("there is a system token")
    wanted = p.assumption("psi is positive")
    own, other = p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U)
    masses = p.have(both(E_S > 0, E_U >= 0), [own, other, some_system])

    p.say("The bias multiplies each system weight by psi / share.")
    factor = psi / share
    part = p.have(share > 0, [masses])
    positive = p.have(factor > 0, [part, wanted])
    scales = p.have(exp(log(factor)).eq(factor), [p.axiom("exp_log", factor), positive])
    tokens = p.each(
        k,
        lambda i: exp(s_S(i) + log(factor)).eq(factor * exp(s_S(i))),
        lambda i: [p.axiom("exp_sum", s_S(i), log(factor)), scales],
    )
    sums = p.kernel.same(boosted, total(k, lambda i: factor * exp(s_S(i))), tokens)
    raised = p.have(
        boosted.eq(factor * E_S), [sums, p.lemma(sum_scaled, k, factor, lambda i: exp(s_S(i)))], "and so their sum"
    )

    p.say("With Z the mass before, the system now weighs psi Z and the adversary (1 - share) Z: divide by Z.")
    mass = p.have(both(boosted.eq(psi * Z), E_U.eq((1 - share) * Z)), [raised, masses, part])
    whole = p.have(both(Z > 0, share <= 1), [masses])
    z, c = real("z"), real("c")
    dividing = p.kernel.arithmetic(
        implies(both(z > 0, psi > 0, c <= 1), (psi * z / (psi * z + (1 - c) * z)).eq(psi / (1 + psi - c)))
    )
    here = p.kernel.instantiate(dividing, {z: Z, c: share})
    joined = p.have((boosted + E_U).eq(psi * Z + (1 - share) * Z), [mass])
    after = p.have(
        (boosted / (boosted + E_U)).eq(psi / (1 + psi - share)),
        [
            here,
            whole,
            wanted,
            joined,
            mass,
            p.kernel.equal(boosted + E_U, psi * Z + (1 - share) * Z, lambda t: boosted / t),
            p.kernel.equal(boosted, psi * Z, lambda t: t / (psi * Z + (1 - share) * Z)),
        ],
    )
    above = p.kernel.arithmetic(implies(both(psi > 0, c > 0, c <= 1), psi / (1 + psi - c) > psi / (1 + psi)))
    below = p.kernel.arithmetic(implies(both(psi > 0, c <= 1, c < psi), psi / (1 + psi - c) < psi))
    bounds = p.have(
        both(psi / (1 + psi - share) > psi / (1 + psi), implies(share < psi, psi / (1 + psi - share) < psi)),
        [p.kernel.instantiate(above, {c: share}), p.kernel.instantiate(below, {c: share}), wanted, part, whole],
    )

    p.say("Where the share is at least psi already it is left alone, above psi / (1 + psi).")
    less = p.have(psi / (1 + psi) < psi, [wanted])
    p.conclude([after, bounds, less])


if __name__ == "__main__":
    main("spotlight_floor", prove)
