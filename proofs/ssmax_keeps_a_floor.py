"""Scalable softmax keeps the system's share above 1/2 where it leads by 1 / sigma: proof."""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import Binder, both, exp, fresh, implies, real
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_at_most, mass_positive
from tokendemo_formal.proving.lemmas.quotients import scaled
from tokendemo_formal.proving.lemmas.sums import sum_member
from tokendemo_formal.proving.tactics import exp_of_sum
from tokendemo_formal.theorems.normalisers import log_n, n, scaled_S, scaled_share, scaled_U, sigma
from tokendemo_formal.theorems.setting import k, m, s_S, s_U


def prove(p: Proof) -> None:
    leads = p.assumption("a system token leads by 1 / sigma")
    assert isinstance(leads.conclusion, Binder)
    i = fresh("i")
    there, ahead = p.kernel.assume(i < k), p.kernel.assume(leads.conclusion.at(i))
    some_token = p.have(n > 0, [there])
    is_n = p.have(exp(log_n).eq(n), [p.axiom("exp_log", n), some_token])
    first = p.have(n >= 1, [p.kernel.discrete(0, n), some_token])
    grows = p.have(log_n >= 0, [is_n, first, p.axiom("exp_zero"), p.axiom("exp_increasing", log_n, 0)])

    p.say("Let i be the token that leads. Each adversary token weighs at most 1/n of it.")
    own = sigma * log_n * s_S(i)
    at_most = p.each(
        m,
        lambda j: sigma * log_n * s_U(j) <= own - log_n,
        lambda j: [p.kernel.at(ahead, j), grows, p.lemma(scaled, log_n, 1, sigma * (s_S(i) - s_U(j)))],
    )
    upper = p.have(
        scaled_U <= m * exp(own - log_n),
        [at_most, p.lemma(mass_at_most, m, lambda j: sigma * log_n * s_U(j), own - log_n)],
    )
    nth = p.have((n * exp(own - log_n)).eq(exp(own)), [exp_of_sum(p.kernel, own, own - log_n, log_n), is_n])

    p.say("So the system's odds are at least n : m.")
    positive = p.each(
        k, lambda a: exp(sigma * log_n * s_S(a)) >= 0, lambda a: [p.axiom("exp_positive", sigma * log_n * s_S(a))]
    )
    member = p.lemma(sum_member, k, lambda a: exp(sigma * log_n * s_S(a)), i)
    lower = p.have(exp(own) <= scaled_S, [positive, member, there])
    mass = p.lemma(mass_positive, m, lambda j: sigma * log_n * s_U(j))
    x, y, z = real("x"), real("y"), real("z")
    odds = p.kernel.arithmetic(
        implies(both(z > 0, n > 0, (k + m) * z <= x, y >= 0, y <= m * z), n / (k + 2 * m) <= x / (x + y))
    )
    here = {x: scaled_S, y: scaled_U, z: exp(own - log_n)}
    share = p.have(
        n / (k + 2 * m) <= scaled_share,
        [p.kernel.instantiate(odds, here), lower, nth, upper, mass, some_token, p.axiom("exp_positive", own - log_n)],
    )
    half = p.have(n / (k + 2 * m) > Fraction(1, 2), [there], "as k > 0")
    both_hold = p.have(p.theorem.conclusion, [share, half])
    p.conclude([p.kernel.choose(leads, i, both_hold)])


if __name__ == "__main__":
    main("ssmax_keeps_a_floor", prove)
