"""An adversary that owns the query and has a separated key silences the system: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Function, Variable, both, each, exp, implies, log, natural, real, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.sums import sum_at_most, sum_member, sum_nonnegative, sum_scaled
from tokendemo_formal.proving.tactics import equal_sums, exp_of_sum
from tokendemo_formal.theorems.query import dot, g, gamma, k_S, k_U, owned_share, t
from tokendemo_formal.theorems.setting import d, eps, k, m


def prove(p: Proof) -> None:
    somewhere = p.assumption("some key of the adversary's is ahead by gamma")
    forward = p.assumption("the query points that way")
    j = natural("j")
    below = p.kernel.assume(j < m)
    ahead = p.kernel.assume(each(k, lambda i: dot(g, k_S, i) + gamma <= dot(g, k_U, j)))

    def scaled(keys: Function, i: Variable) -> Fact:
        """The query's score is t times the direction's."""
        regrouped = equal_sums(p.kernel, d, lambda c: t * g(c) * keys(i, c), lambda c: t * (g(c) * keys(i, c)))
        return p.kernel.arithmetic(
            dot(g, keys, i, t).eq(t * dot(g, keys, i)),
            [regrouped, sum_scaled(p.kernel, d, t, lambda c: g(c) * keys(i, c))],
        )

    p.say("Let key j be the one ahead. A system token's score is at most t (g·key_j - gamma) for the query t g.")
    top, gap = t * dot(g, k_U, j) - t * gamma, t * gamma
    scores = p.each(
        k,
        lambda i: exp(dot(g, k_S, i, t)) <= exp(top),
        lambda i: [forward, ahead, scaled(k_S, i), p.axiom("exp_increasing", top, dot(g, k_S, i, t))],
        "scores are linear in the query",
    )
    E_S = total(k, lambda i: exp(dot(g, k_S, i, t)))
    E_U = total(m, lambda i: exp(dot(g, k_U, i, t)))
    upper = p.have(E_S <= k * exp(top), [scores, p.lemma(sum_at_most, k, lambda i: exp(dot(g, k_S, i, t)), exp(top))])

    p.say("Key j's own weight is e^(t gamma) times that.")
    own = p.have(
        exp(dot(g, k_U, j, t)).eq(exp(top) * exp(gap)),
        [
            scaled(k_U, j),
            exp_of_sum(p.kernel, t * dot(g, k_U, j), top, gap),
            p.kernel.equal(dot(g, k_U, j, t), t * dot(g, k_U, j), exp),
        ],
    )
    weights = p.each(m, lambda i: exp(dot(g, k_U, i, t)) >= 0, lambda i: [p.axiom("exp_positive", dot(g, k_U, i, t))])
    lower = p.have(
        E_U >= exp(top) * exp(gap), [below, own, weights, p.lemma(sum_member, m, lambda i: exp(dot(g, k_U, i, t)), j)]
    )
    system = p.each(k, lambda i: exp(dot(g, k_S, i, t)) >= 0, lambda i: [p.axiom("exp_positive", dot(g, k_S, i, t))])
    nonnegative = p.have(E_S >= 0, [system, p.lemma(sum_nonnegative, k, lambda i: exp(dot(g, k_S, i, t)))])

    p.say("The share x / (x + y) grows with x and falls with y.")
    x, y, a, b, n = (real(name) for name in ("x", "y", "a", "b", "n"))
    quotient = p.have(
        implies(both(x >= 0, n >= 0, a > 0, b > 0, x <= n * a, y >= a * b), x / (x + y) <= n / (n + b)),
    )
    here = p.kernel.instantiate(quotient, {x: E_S, y: E_U, a: exp(top), b: exp(gap), n: k})
    bound = p.have(
        owned_share(g, t) <= k / (k + exp(gap)),
        [here, upper, lower, nonnegative, p.axiom("exp_positive", top), p.axiom("exp_positive", gap)],
    )

    p.say("And e^(t gamma) >= k (1 - eps) / eps makes that at most eps.")
    need = k * (1 - eps) / eps
    enough = p.have(
        implies(both(k > 0, eps > 0, eps < 1, log(need) <= gap), need <= exp(gap)),
        [
            p.axiom("exp_log", need),
            p.axiom("exp_increasing", gap, log(need)),
            p.have(implies(both(k > 0, eps > 0, eps < 1), need > 0)),
        ],
        "exp is increasing",
    )
    small = p.have(implies(both(n > 0, eps > 0, n * (1 - eps) / eps <= b), n / (n + b) <= eps))
    shown = p.have(p.theorem.conclusion, [bound, enough, p.kernel.instantiate(small, {n: k, b: exp(gap)})])
    p.conclude([p.kernel_fact(p.kernel.choose(somewhere, j, shown), "there is such a key", "choosing it")])


if __name__ == "__main__":
    main("query_ownership", prove)
