"""A reserved share is a floor under the system's share: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, implies, real, term, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_scaled
from tokendemo_formal.theorems.defences import reserved_weight
from tokendemo_formal.theorems.setting import E_S, E_U, Z, k, m, rho, s_S, s_U, share


def prove(p: Proof) -> None:
    some_system = p.assumption("there is a system token")
    part = p.assumption("rho is at most 1")
    masses = p.have(
        both(E_S > 0, E_U >= 0), [p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U), some_system]
    )

    p.say("A system token's weight is e^s times rho / E_S + (1 - rho) / Z, the same factor for all.")
    x, w = real("x"), real("w")
    inverse = p.kernel.arithmetic(implies(x > 0, (w / x).eq(term(1) / x * w)))
    factor = rho * (term(1) / E_S) + (1 - rho) * (term(1) / Z)
    everybody = p.have(Z > 0, [masses])
    tokens = p.each(
        k,
        lambda i: (rho * (exp(s_S(i)) / E_S) + (1 - rho) * (exp(s_S(i)) / Z)).eq(factor * exp(s_S(i))),
        lambda i: [
            p.kernel.instantiate(inverse, {x: E_S, w: exp(s_S(i))}),
            p.kernel.instantiate(inverse, {x: Z, w: exp(s_S(i))}),
            masses,
            everybody,
        ],
    )
    sums = p.kernel.same(reserved_weight, total(k, lambda i: factor * exp(s_S(i))), tokens)
    weight = p.have(
        reserved_weight.eq(factor * E_S), [sums, p.lemma(sum_scaled, k, factor, lambda i: exp(s_S(i)))], "added up"
    )

    p.say("Times E_S that is rho + (1 - rho) M_S.")
    whole = p.have((term(1) / E_S * E_S).eq(1), [masses])
    part_of_all = p.have((term(1) / Z * E_S).eq(share), [p.kernel.instantiate(inverse, {x: Z, w: E_S}), everybody])
    total_share = p.have(reserved_weight.eq(rho + (1 - rho) * share), [weight, whole, part_of_all])
    sign = p.have(share >= 0, [masses, everybody])
    p.conclude([total_share, sign, part])


if __name__ == "__main__":
    main("reserved_share", prove)
