"""Where the sides vote a and -A, the share alone decides: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import attention_at_least, attention_at_most, mass_positive
from tokendemo_formal.theorems.setting import E_S, E_U, N_S, N_U, A, Z, a, a_S, a_U, k, m, margin, s_S, s_U, share


def prove(p: Proof) -> None:
    given = p.assumption("the system's readouts are a")
    system = p.have(
        N_S.eq(a * E_S),
        [
            p.each(k, lambda i: a_S(i) >= a, [given]),
            p.each(k, lambda i: a_S(i) <= a, [given]),
            p.lemma(attention_at_least, k, s_S, a_S, a),
            p.lemma(attention_at_most, k, s_S, a_S, a),
        ],
        "every system token votes a",
    )
    given = p.assumption("the adversary's readouts are -A")
    adversary = p.have(
        N_U.eq(-A * E_U),
        [
            p.each(m, lambda j: a_U(j) >= -A, [given]),
            p.each(m, lambda j: a_U(j) <= -A, [given]),
            p.lemma(attention_at_least, m, s_U, a_U, -A),
            p.lemma(attention_at_most, m, s_U, a_U, -A),
        ],
        "every adversary token votes -A",
    )
    positive = p.have(
        Z > 0,
        [
            p.assumption("there is a token"),
            p.lemma(mass_positive, k, s_S),
            p.lemma(mass_positive, m, s_U),
        ],
        "exp is positive",
    )
    exact = p.have(margin.eq(share * (a + A) - A), [system, adversary, positive], "the margin is M_S a - (1 - M_S) A")
    p.conclude([exact])


if __name__ == "__main__":
    main("majority_is_exact", prove)
