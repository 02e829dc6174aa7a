"""A reserved share below (A + tau) / (a + A) is overridden by enough copies of the worst token: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, iff, implies, real
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_constant
from tokendemo_formal.theorems.defences import reserved_worst, s, worst, worst_mass
from tokendemo_formal.theorems.setting import E_S, N_S, A, a, k, m, rho, s_S, tau


def prove(p: Proof) -> None:
    some_system = p.assumption("there is a system token")
    own = p.assumption("the system's own margin is a")
    outbids = p.assumption("the system outbids the adversary")
    little = p.assumption("rho is too small")
    mass = p.have(E_S > 0, [p.lemma(mass_positive, k, s_S), some_system])

    p.say("The copies weigh m e^s and contribute -A m e^s.")
    copies = [p.lemma(sum_constant, m, exp(s)), p.lemma(sum_constant, m, exp(s) * -A)]
    gap_term = A + tau - rho * (a + A)
    gap = p.have(gap_term > 0, [little, outbids])

    p.say("f < tau, times E_S + m e^s, is N_S - tau E_S < m e^s (A + tau - rho (a + A)).")
    x, y, u = real("x"), real("y"), real("u")
    mixture = rho * a + (1 - rho) * ((a * x + m * (y * -A)) / (x + m * y))
    exceeds = a * x - tau * x < m * (y * gap_term)
    crossing = p.kernel.arithmetic(implies(both(x > 0, y > 0), iff(mixture < tau, exceeds)))
    crossed = p.have(
        iff(
            rho * a + (1 - rho) * ((a * E_S + m * (exp(s) * -A)) / (E_S + m * exp(s))) < tau,
            N_S - tau * E_S < m * (exp(s) * gap_term),
        ),
        [p.kernel.instantiate(crossing, {x: E_S, y: exp(s)}), mass, own, p.axiom("exp_positive", s)],
    )

    p.say("Here the system's own margin N_S / E_S is a, and the sums over copies are products.")
    alone = p.have((N_S / E_S).eq(a), [own, mass])
    numerator = p.have((N_S + worst).eq(a * E_S + m * (exp(s) * -A)), [own, copies[1]])
    denominator = p.have((E_S + worst_mass).eq(E_S + m * exp(s)), [copies[0]])
    margins = p.have(
        reserved_worst.eq(rho * a + (1 - rho) * ((a * E_S + m * (exp(s) * -A)) / (E_S + m * exp(s)))),
        [
            alone,
            numerator,
            denominator,
            p.kernel.equal(N_S + worst, a * E_S + m * (exp(s) * -A), lambda t: t / (E_S + worst_mass)),
            p.kernel.equal(E_S + worst_mass, E_S + m * exp(s), lambda t: (a * E_S + m * (exp(s) * -A)) / t),
            p.kernel.equal(N_S / E_S, a, lambda t: rho * t),
        ],
    )

    p.say("Divide by e^s (A + tau - rho (a + A)), which is positive.")
    weight = p.have(exp(s) * gap_term > 0, [gap, p.axiom("exp_positive", s)])
    dividing = p.kernel.arithmetic(implies(u > 0, iff(x / u < m, x < m * u)))
    divided = p.kernel.instantiate(dividing, {x: N_S - tau * E_S, u: exp(s) * gap_term})
    p.conclude([crossed, margins, divided, weight])


if __name__ == "__main__":
    main("too_small_a_reserved_share_is_overridden", prove)
