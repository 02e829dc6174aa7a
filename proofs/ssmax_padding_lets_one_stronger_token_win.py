"""Under scalable softmax one stronger token takes all attention as padding is added: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Binder, exp, fresh
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_at_most, mass_positive
from tokendemo_formal.proving.lemmas.quotients import quotient_at_most, scaled
from tokendemo_formal.proving.lemmas.sums import sum_member
from tokendemo_formal.proving.tactics import exp_of_sum
from tokendemo_formal.theorems.normalisers import g, log_n, n, scaled_S, scaled_U, sigma, t, x
from tokendemo_formal.theorems.setting import eps, k, m, s_S, s_U


def prove(p: Proof) -> None:
    system = p.assumption("the system's scores are at most t")
    strong = p.assumption("an adversary token has score g or more")
    ahead = p.assumption("it is stronger")
    positive = p.assumption("sigma is positive")
    odds = p.assumption("e^x is at least the odds to overcome")
    long = p.assumption("the length is at least e^(x / (sigma (g - t)))")
    assert isinstance(strong.conclusion, Binder)
    j = fresh("j")
    there, has = p.kernel.assume(j < m), p.kernel.assume(strong.conclusion.at(j))

    p.say("The length makes n^(sigma (g - t)) at least e^x.")
    some_token = p.have(n > 0, [there])
    is_n = p.have(exp(log_n).eq(n), [p.axiom("exp_log", n), some_token])
    first = p.have(n >= 1, [p.kernel.discrete(0, n), some_token])
    grows = p.have(log_n >= 0, [is_n, first, p.axiom("exp_zero"), p.axiom("exp_increasing", log_n, 0)])
    steep = p.have(sigma * log_n >= 0, [positive, grows])
    c = sigma * (g - t)
    rate = p.have(c > 0, [positive, ahead])
    gained = sigma * log_n * (g - t)
    reached = p.have(x / c <= log_n, [long, is_n, p.axiom("exp_increasing", log_n, x / c)], "exp increases")
    power = p.have(x <= gained, [reached, rate])
    enough = p.have(exp(x) <= exp(gained), [power, p.axiom("exp_increasing", gained, x)])

    p.say("The system weighs at most k n^(sigma t), the strong token alone n^(sigma t) n^(sigma (g - t)) or more.")
    best, strongest = sigma * log_n * t, sigma * log_n * g
    at_most = p.each(
        k,
        lambda i: sigma * log_n * s_S(i) <= best,
        lambda i: [system, steep, p.lemma(scaled, sigma * log_n, s_S(i), t)],
    )
    upper = p.have(
        scaled_S <= k * exp(best), [at_most, p.lemma(mass_at_most, k, lambda i: sigma * log_n * s_S(i), best)]
    )
    mass = p.lemma(mass_positive, k, lambda i: sigma * log_n * s_S(i))
    weights = p.each(
        m, lambda a: exp(sigma * log_n * s_U(a)) >= 0, lambda a: [p.axiom("exp_positive", sigma * log_n * s_U(a))]
    )
    member = p.lemma(sum_member, m, lambda a: exp(sigma * log_n * s_U(a)), j)
    score = p.have(strongest <= sigma * log_n * s_U(j), [has, steep, p.lemma(scaled, sigma * log_n, g, s_U(j))])
    weight = p.have(
        exp(strongest) <= exp(sigma * log_n * s_U(j)),
        [score, p.axiom("exp_increasing", sigma * log_n * s_U(j), strongest)],
    )
    lower = p.have(exp(strongest) <= scaled_U, [weights, member, there, weight])

    p.say("So the system's odds are at most k / e^x.")
    signs = [p.axiom("exp_positive", a) for a in (gained, best, strongest)]
    sign = p.have(eps >= 0, [odds, p.axiom("exp_positive", x)], "a negative eps would need more than all")
    met = p.have(k * (1 - eps) <= eps * exp(gained), [odds, enough, sign])
    times = p.lemma(scaled, exp(best), k * (1 - eps), eps * exp(gained))
    factors = exp_of_sum(p.kernel, strongest, gained, best)
    bound = p.have(k * exp(best) * (1 - eps) <= eps * exp(strongest), [times, met, signs[1], factors])
    against = p.have(
        scaled_S * (1 - eps) <= eps * scaled_U,
        [bound, sign, upper, lower, mass, signs[2]],
        "if eps > 1 the left side is negative",
    )
    short = p.lemma(quotient_at_most, scaled_S, scaled_S + scaled_U, eps)
    shown = p.have(p.theorem.conclusion, [against, mass, lower, signs[2], short])
    p.conclude([p.kernel.choose(strong, j, shown)])


if __name__ == "__main__":
    main("ssmax_padding_lets_one_stronger_token_win", prove)
