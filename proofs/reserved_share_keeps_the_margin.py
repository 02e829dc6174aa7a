"""A reserved share of (A + tau) / (a + A) keeps the margin at least tau at any length: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, implies, real
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import attention_at_least, mass_positive
from tokendemo_formal.theorems.setting import E_S, E_U, N_S, N_U, A, a, a_U, k, m, margin, rho, s_S, s_U, share, tau


def prove(p: Proof) -> None:
    some_system = p.assumption("there is a system token")
    part = p.assumption("rho is at most 1")
    own = p.assumption("the system's own margin is a")
    adversary = p.assumption("the adversary's readouts are at least -A")
    outbids = p.assumption("the system outbids the adversary")
    enough = p.assumption("rho is enough")
    masses = p.have(
        both(E_S > 0, E_U >= 0), [p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U), some_system]
    )

    p.say("The adversary's tokens contribute at least -A E_U, so f_all >= M a - (1 - M) A, M the system's share.")
    least = p.have(-A * E_U <= N_U, [adversary, p.lemma(attention_at_least, m, s_U, a_U, -A)])
    x, y, u, w = real("x"), real("y"), real("u"), real("w")
    plain = p.kernel.arithmetic(
        implies(
            both(x > 0, y >= 0, -A * y <= u),
            both(x / (x + y) * (a + A) - A <= (a * x + u) / (x + y), x / (x + y) >= 0),
        )
    )
    bound = p.have(
        both(share * (a + A) - A <= (a * E_S + N_U) / (E_S + E_U), share >= 0),
        [p.kernel.instantiate(plain, {x: E_S, y: E_U, u: N_U}), masses, least],
    )
    same = p.kernel.equal(N_S, a * E_S, lambda t: (t + N_U) / (E_S + E_U))
    everybody = p.have(share * (a + A) - A <= margin, [bound, same, own])
    alone = p.have((N_S / E_S).eq(a), [own, masses])

    p.say("So f >= rho a + (1 - rho) (M (a + A) - A) >= rho (a + A) - A, which is at least tau.")
    needed = p.have(A + tau <= rho * (a + A), [enough, outbids])
    mixing = p.kernel.arithmetic(
        implies(both(rho <= 1, w >= 0, a + A > 0, w * (a + A) - A <= u), rho * (a + A) - A <= rho * a + (1 - rho) * u)
    )
    mixed = p.have(
        rho * (a + A) - A <= rho * a + (1 - rho) * margin,
        [p.kernel.instantiate(mixing, {w: share, u: margin}), part, bound, outbids, everybody],
    )
    replaced = p.kernel.equal(N_S / E_S, a, lambda t: rho * t + (1 - rho) * margin)
    p.conclude([mixed, needed, replaced, alone])


if __name__ == "__main__":
    main("reserved_share_keeps_the_margin", prove)
