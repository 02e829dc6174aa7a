"""Within one layer the system only adds a fixed bias to what the adversary says: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Variable, both, exp, natural, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.attention import mass_positive, mass_shifted, weighted_shifted
from tokendemo_formal.theorems.setting import E_S, E_U, N_U, a_U, k, m, mass, s_S, s_U, weighted
from tokendemo_formal.theorems.share import c, t_U


def prove(p: Proof) -> None:
    alike = p.assumption("the system shifts the adversary's scores alike")
    system = p.have(E_S > 0, [p.assumption("there is a system token"), p.lemma(mass_positive, k, s_S)])
    adversary = p.have(E_U > 0, [p.assumption("there is an adversary token"), p.lemma(mass_positive, m, s_U)])
    factor = p.have(exp(c) > 0, [p.axiom("exp_positive", c)])

    p.say("The shift c multiplies the adversary's weights, and so their sums, by e^c.")
    shifted = p.each(
        m,
        lambda j: exp(t_U(j)).eq(exp(s_U(j) + c)),
        lambda j: [alike, p.kernel.equal(t_U(j), s_U(j) + c, lambda t: exp(t))],
    )
    shifted_readouts = p.each(m, lambda j: (exp(t_U(j)) * a_U(j)).eq(exp(s_U(j) + c) * a_U(j)), [shifted])
    by_c = total(m, lambda j: exp(s_U(j) + c))
    readouts_by_c = total(m, lambda j: exp(s_U(j) + c) * a_U(j))
    E_beside, N_beside = mass(m, t_U), weighted(m, t_U, a_U)
    mass_beside = p.have(
        E_beside.eq(exp(c) * E_U), [p.kernel.same(E_beside, by_c, shifted), p.lemma(mass_shifted, m, s_U, c)]
    )
    weighted_beside = p.have(
        N_beside.eq(exp(c) * N_U),
        [p.kernel.same(N_beside, readouts_by_c, shifted_readouts), p.lemma(weighted_shifted, m, s_U, a_U, c)],
    )

    Z = E_S + E_beside
    everything = p.have(Z > 0, [mass_beside, system, adversary, factor])

    p.say("In a ratio of two of the adversary's weights e^c cancels, and so does the sum of all.")
    i, j = natural("i"), natural("j")
    ratio = p.have(
        ((exp(t_U(i)) / Z) / (exp(t_U(j)) / Z)).eq((exp(s_U(i)) / E_U) / (exp(s_U(j)) / E_U)),
        [shifted_weight(p, shifted, i), shifted_weight(p, shifted, j), everything, adversary, factor],
        "for any two of them",
    )
    of_i = p.kernel.each(ratio, j, m, "j")
    ratios = p.kernel_fact(p.kernel.each(of_i, i, m, "i"), "both were arbitrary", "rule of the kernel")

    p.say("The margin is a mean of the two outputs, weighted by the two shares; e^c cancels in the adversary's too.")
    p.conclude([ratios, weighted_beside, mass_beside, everything, system, adversary, factor])


def shifted_weight(p: Proof, shifted: Fact, j: Variable) -> Fact:
    """e^(score of j beside the system) = e^c e^(its score alone), and that is positive."""
    here = p.kernel.arithmetic(exp(t_U(j)).eq(exp(s_U(j) + c)), [p.kernel.at(shifted, j), p.kernel.assume(j < m)])
    return p.kernel.arithmetic(
        both(exp(t_U(j)).eq(exp(c) * exp(s_U(j))), exp(s_U(j)) > 0),
        [here, p.axiom("exp_sum", s_U(j), c), p.axiom("exp_positive", s_U(j))],
    )


if __name__ == "__main__":
    main("system_acts_as_a_fixed_bias", prove)
