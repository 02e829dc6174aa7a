"""A bias of log(psi / share), where the share is below psi, keeps it above psi / (1 + psi): proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, implies, log, real, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas import mass_positive, sum_scaled
from tokendemo_formal.theorems.defences import boosted, psi
from tokendemo_formal.theorems.setting import E_S, E_U, k, m, s_S, s_U, share


def prove(p: Proof) -> None:
    some_system = p.assumption("there is a system token")
    wanted = p.assumption("psi is positive")
    own, other = p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U)
    masses = p.have(both(E_S > 0, E_U >= 0), [own, other, some_system])
    x, y, z = real("x"), real("y"), real("z")

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

    p.say("Where share = x / (x + y), the raised mass x psi / share is psi (x + y), and so psi of psi (x + y) + y.")
    mass = p.have(boosted.eq(psi * (E_S + E_U)), [raised, masses, part])
    steering = p.kernel.arithmetic(
        implies(
            both(x > 0, y >= 0, psi > 0, z.eq(psi * (x + y))),
            both(
                z / (z + y) > psi / (1 + psi),
                (z / (z + y)).eq(psi / (1 + psi - x / (x + y))),
                implies(x / (x + y) < psi, z / (z + y) < psi),
            ),
        )
    )
    after = p.have(
        both(
            boosted / (boosted + E_U) > psi / (1 + psi),
            (boosted / (boosted + E_U)).eq(psi / (1 + psi - share)),
            implies(share < psi, boosted / (boosted + E_U) < psi),
        ),
        [p.kernel.instantiate(steering, {x: E_S, y: E_U, z: boosted}), mass, masses, wanted],
    )

    p.say("Where the share is at least psi already it is left alone, above psi / (1 + psi).")
    less = p.have(psi / (1 + psi) < psi, [wanted])
    p.conclude([after, less])


if __name__ == "__main__":
    main("spotlight_floor", prove)
