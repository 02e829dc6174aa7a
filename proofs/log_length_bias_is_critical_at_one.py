"""A bias of log n on the system's scores keeps its share above a floor, and above no better one: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, implies, real
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_at_least, mass_at_most, mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_constant
from tokendemo_formal.theorems.normalisers import extreme, floor, log_n, log_n_mass, n
from tokendemo_formal.theorems.setting import E_U, hi, k, lo, m, s_S, s_U


def prove(p: Proof) -> None:
    system = p.assumption("the system's scores are at least lo")
    adversary = p.assumption("the adversary's scores are at most hi")
    some_system = p.assumption("there is a system token")
    is_n = p.have(exp(log_n).eq(n), [p.axiom("exp_log", n), some_system])
    times_n = p.have(exp(lo + log_n).eq(n * exp(lo)), [is_n, p.axiom("exp_sum", lo, log_n)])
    signs = [p.axiom("exp_positive", lo), p.axiom("exp_positive", hi)]
    x, y, b, u = (real(name) for name in ("x", "y", "b", "u"))

    p.say("The system weighs at least n k e^lo, the adversary at most m e^hi, less than n e^hi.")
    at_least = p.each(k, lambda i: lo + log_n <= s_S(i) + log_n, [system])
    lower = p.have(
        k * (n * exp(lo)) <= log_n_mass,
        [at_least, times_n, p.lemma(mass_at_least, k, lambda i: s_S(i) + log_n, lo + log_n)],
    )
    upper = p.have(E_U <= m * exp(hi), [adversary, p.lemma(mass_at_most, m, s_U, hi)])
    mass = p.lemma(mass_positive, m, s_U)

    p.say("So its odds are above k e^lo : e^hi, and the share grows with the odds.")
    x_0, y_0 = k * exp(lo), exp(hi)
    weight = p.have(both(x_0 > 0, y_0 > 0), [some_system, *signs])
    beaten = p.kernel.arithmetic(
        implies(both(x > 0, y > 0, k > 0, (k + m) * x <= b, u <= m * y), both(x * u < b * y, b > 0))
    )
    odds = p.have(
        both(x_0 * E_U < log_n_mass * y_0, log_n_mass > 0),
        [p.kernel.instantiate(beaten, {x: x_0, y: y_0, b: log_n_mass, u: E_U}), weight, lower, upper, some_system],
    )
    order = p.kernel.arithmetic(implies(both(x > 0, y > 0, b > 0, u >= 0, x * u < b * y), x / (x + y) < b / (b + u)))
    held = p.have(
        floor < log_n_mass / (log_n_mass + E_U),
        [p.kernel.instantiate(order, {x: x_0, y: y_0, b: log_n_mass, u: E_U}), odds, mass, weight],
    )

    p.say("With all scores at lo and hi the masses are n k e^lo and m e^hi, and the share is x / (x + y m / n).")
    own = p.lemma(sum_constant, k, exp(lo + log_n))
    other = p.lemma(sum_constant, m, exp(hi))
    share_there = p.have(
        extreme.eq((k + m) * x_0 / ((k + m) * x_0 + m * y_0)), [own, other, times_n, weight, some_system]
    )
    rate = p.kernel.arithmetic(
        implies(
            both(x > 0, y > 0, k > 0),
            (k + m) * x / ((k + m) * x + m * y) <= x / (x + y) + (1 - x / (x + y)) * k / (k + m),
        )
    )
    near = p.have(
        extreme <= floor + (1 - floor) * k / n,
        [p.kernel.instantiate(rate, {x: x_0, y: y_0}), share_there, weight, some_system],
    )
    p.conclude([held, near])


if __name__ == "__main__":
    main("log_length_bias_is_critical_at_one", prove)
