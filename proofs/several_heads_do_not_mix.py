"""Two heads that weigh two words differently don't reach the mixtures of the words' outputs: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, real
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import n_A, n_B, vote_share, x_A, y_A


def prove(p: Proof) -> None:
    p.say("Let a and b be the counts, u and v what a word A weighs in the two heads, f and g their votes, and")
    p.say("c = (u - v) / u. Then f D = a u and g E = a v for the masses D = a u + b and E = a v + b = D - a c u.")
    a, b, u, v, f, g, c = (real(name) for name in "abuvfgc")
    given = [
        p.kernel.assume(t)
        for t in (
            both(a >= 0, b >= 0, a + b > 0),
            u > 0,
            v > 0,
            (f * (a * u + b)).eq(a * u),
            (g * (a * v + b)).eq(a * v),
            (c * u).eq(u - v),
        )
    ]
    p.say(
        "(f - g) E = c f (1 - f) D, and D is E and a c u more; so f - g is c f (1 - f) and c² f (1 - f) a u / E more."
    )
    general = p.have(c * (f * (1 - f)) <= f - g, given, "c² f (1 - f) a u is not negative")

    p.say("Put in the counts and the weights e^x and e^y.")
    some = p.assumption("there is a word")
    x, y = exp(x_A), exp(y_A)
    values = {
        a: n_A, b: n_B, u: x, v: y, f: vote_share(x_A), g: vote_share(y_A), c: (x - y) / x,
    }  # fmt: skip
    positive = [p.have(e > 0, [p.axiom("exp_positive", at)]) for e, at in ((x, x_A), (y, y_A))]
    mass = p.have(both(n_A * x + n_B > 0, n_A * y + n_B > 0), [some, *positive])
    facts = [
        p.have(both(n_A >= 0, n_B >= 0, n_A + n_B > 0), [some]),
        *positive,
        p.have((vote_share(x_A) * (n_A * x + n_B)).eq(n_A * x), [mass]),
        p.have((vote_share(y_A) * (n_A * y + n_B)).eq(n_A * y), [mass]),
        p.have(((x - y) / x * x).eq(x - y), positive),
    ]
    p.conclude([p.kernel.cut(p.kernel.instantiate(general, values), facts)])


if __name__ == "__main__":
    main("several_heads_do_not_mix", prove)
