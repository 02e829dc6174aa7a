"""A full sliding window has dropped a leading system: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import natural, some, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.counting import last_index
from tokendemo_formal.proving.lemmas.sums import sum_constant, sum_member
from tokendemo_formal.theorems.positions import WINDOWED_S, WINDOWED_U, W, r, windowed
from tokendemo_formal.theorems.setting import k, m, s_S, s_U


def prove(p: Proof) -> None:
    full = p.assumption("the tokens after the system fill the window")
    reaches = p.assumption("the window reaches the adversary")

    p.say("A key of the system is at the distance m + r or more, outside the window.")
    hidden = p.each(
        k,
        lambda i: windowed(i, s_S(i)).eq(0),
        lambda i: [full, p.kernel.discrete(i, k)],
        "its position is at most k - 1",
    )
    same = p.kernel.same(WINDOWED_S, total(k, lambda i: 0), hidden)
    nothing = p.have(WINDOWED_S.eq(0), [same, p.lemma(sum_constant, k, 0)], "so each of its weights is 0")

    p.say("The adversary's last token is in the window, so that the share is not 0 / 0.")
    weight = p.each(
        m,
        lambda j: windowed(k + j, s_U(j)) >= 0,
        lambda j: [p.axiom("exp_positive", s_U(j))],
        "weights are 0 or exponentials",
    )
    last = natural("l")
    found = [p.kernel.assume(last < m), p.kernel.assume((last + 1).eq(m))]
    member = p.lemma(sum_member, m, lambda j: windowed(k + j, s_U(j)), last)
    seen = p.have(
        WINDOWED_U > 0,
        [*found, weight, reaches, p.kernel.discrete(r, W), member, p.axiom("exp_positive", s_U(last))],
        "token l with l + 1 = m stands at the distance r < W",
    )
    nonempty = p.have(m > 0, [full, reaches])
    exists = p.have(some(m, lambda j: (j + 1).eq(m)), [nonempty, p.lemma(last_index, m)])
    positive = p.kernel_fact(p.kernel.choose(exists, last, seen), "there is such a token", "choosing it")
    p.conclude([nothing, positive])


if __name__ == "__main__":
    main("eviction", prove)
