"""Other ways from scores to weights: a bias that grows with log n, a sink, sparsemax, scalable softmax.

n = k + m is the number of tokens, and n^c is written e^(c log n).
"""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import (
    Numeric,
    Term,
    both,
    each,
    exp,
    iff,
    implies,
    larger,
    log,
    real,
    smaller,
    some,
    total,
)
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.theorems.setting import E_U, N_S, N_U, Z, eps, hi, k, lo, log_of, m, margin, s_S, s_U, sink, tau
from tokendemo_formal.theorems.theorem import Theorem

c = real("c")
x = real("x")
g = real("g")
t = real("t")
sigma = real("sigma")
theta = real("theta")

n = k + m
log_n = log(n)

# c log n on the system's scores


def biased(power: Numeric) -> Term:
    """Σ e^(score + power log n) over the system."""
    return total(k, lambda i: exp(s_S(i) + power * log_n))


biased_share = biased(c) / (biased(c) + E_U)

_BIASED = Instance(
    {
        "k": 1,
        "m": 3,
        "lo": 0,
        "hi": 0,
        "s_S": [0],
        "s_U": [0, 0, 0],
        "c": Fraction(1, 2),
        "x": log_of(2),
        "eps": Fraction(1, 2),
    },
    "one system token against three, all of score 0, n = 4: the bias makes 4^(1/2) = 2 of its weight; share 2/5",
)

LOG_LENGTH_BIAS_BELOW_ONE = Theorem(
    name="log_length_bias_below_one_is_diluted",
    entry=25,
    claims=("C2", "C5"),
    sentence="With c log n added to the system's scores, c < 1, the system's share is at most eps at every length "
    "n >= e^(x / (1 - c)), where e^x = k (k + 1) e^(hi - lo) (1 - eps) / eps.",
    assumptions={
        "the system's scores are at most hi": each(k, lambda i: s_S(i) <= hi),
        "the adversary's scores are at least lo": each(m, lambda j: lo <= s_U(j)),
        "the bias grows more slowly than log n": c < 1,
        "there is an adversary token": m > 0,
        "e^x is at least the odds to overcome": k * (k + 1) * exp(hi - lo) * (1 - eps) <= eps * exp(x),
        "the length is at least e^(x / (1 - c))": exp(x / (1 - c)) <= n,
    },
    conclusion=biased_share <= eps,
    about=("s_S", "s_U", "c"),
    witness=_BIASED,
    sharp={
        "the system's scores are at most hi": _BIASED.but("a system token of weight 100", s_S=[log_of(100)]),
        "the adversary's scores are at least lo": _BIASED.but("of weight 1/100 each", s_U=[log_of(1, 100)] * 3),
        "the bias grows more slowly than log n": _BIASED.but(
            "c = 2: 3 tokens give the one of the system weight 9 against 2", m=2, c=2, x=0, eps=Fraction(2, 3)
        ),
        "there is an adversary token": _BIASED.but("a system alone has share 1", m=0, x=0, eps=Fraction(2, 3)),
        "e^x is at least the odds to overcome": _BIASED.but("a share of 1/10 takes longer", eps=Fraction(1, 10)),
        "the length is at least e^(x / (1 - c))": _BIASED.but(
            "a share of 1/3 takes n = 16, not 4", x=log_of(4), eps=Fraction(1, 3)
        ),
    },
    probes=(_BIASED.but("equal weights, one against one: share eps exactly", m=1, c=0),),
    why="A bias that grows, but more slowly than log n, is lost to length like none at all: only later.",
    idea="The system weighs at most k e^hi n^c and the adversary at least m e^lo >= n e^lo / (k + 1); their ratio "
    "falls like n^(c - 1).",
    limits="Scores between lo and hi. The length grows like eps to the power -1 / (1 - c): for c near 1 it is beyond "
    "any context window.",
)

floor = k * exp(lo) / (k * exp(lo) + exp(hi))
"""What a bias of log n guarantees."""

extreme = total(k, lambda i: exp(lo + log_n)) / (total(k, lambda i: exp(lo + log_n)) + total(m, lambda j: exp(hi)))
"""The share where the system's scores are all lo and the adversary's all hi."""

_LOG_N = Instance(
    {"k": 1, "m": 3, "lo": 0, "hi": log_of(2), "s_S": [0], "s_U": [log_of(2), 0, 0]},
    "one system token of weight 1, times n = 4, against weights 2, 1, 1: share 1/2, floor 1/3",
)

log_n_mass = total(k, lambda i: exp(s_S(i) + log_n))

LOG_LENGTH_BIAS_IS_CRITICAL = Theorem(
    name="log_length_bias_is_critical_at_one",
    entry=25,
    claims=("C2", "C5"),
    sentence="With log n added to the system's scores its share is above k e^lo / (k e^lo + e^hi) at every length, and "
    "no better floor holds: at scores lo against hi the share comes as near as (1 - floor) k / n.",
    assumptions={
        "the system's scores are at least lo": each(k, lambda i: lo <= s_S(i)),
        "the adversary's scores are at most hi": each(m, lambda j: s_U(j) <= hi),
        "there is a system token": k > 0,
    },
    conclusion=both(floor < log_n_mass / (log_n_mass + E_U), extreme <= floor + (1 - floor) * k / n),
    about=("s_S", "s_U", "lo", "hi"),
    witness=_LOG_N,
    sharp={
        "the system's scores are at least lo": _LOG_N.but("weight 1/10, below e^lo = 1", s_S=[log_of(1, 10)]),
        "the adversary's scores are at most hi": _LOG_N.but("weights 100, beyond e^hi = 2", s_U=[log_of(100)] * 3),
        "there is a system token": _LOG_N.but("without a system its share is 0, as is the floor", k=0),
    },
    probes=(
        _LOG_N.but("the floor is almost met", m=399, s_U=lambda j: log_of(2)),
        _LOG_N.but("without an adversary both sides of the rate are 1", m=0),
    ),
    why="A bias of log n is a defence at any length: the first that is not merely a matter of a longer prompt.",
    idea="log n multiplies the system's weight by n, and the adversary has fewer than n tokens.",
    limits="A floor on the share, not on the margin (a share can be outvoted). Scores between lo and hi.",
)

_ABOVE = _BIASED.but("n = 4 and c = 3/2: weight 8 against 3", c=Fraction(3, 2), eps=Fraction(1, 3))

LOG_LENGTH_BIAS_ABOVE_ONE = Theorem(
    name="log_length_bias_above_one_wins",
    entry=25,
    claims=("C2", "C5"),
    sentence="With c log n added to the system's scores, c > 1, the system's share is at least 1 - eps at every length "
    "n >= e^(x / (c - 1)), where e^x = e^(hi - lo) (1 - eps) / (eps k).",
    assumptions={
        "the system's scores are at least lo": each(k, lambda i: lo <= s_S(i)),
        "the adversary's scores are at most hi": each(m, lambda j: s_U(j) <= hi),
        "the bias grows faster than log n": c > 1,
        "e^x is at least the odds to overcome": exp(hi - lo) * (1 - eps) <= eps * k * exp(x),
        "the length is at least e^(x / (c - 1))": exp(x / (c - 1)) <= n,
    },
    conclusion=1 - eps <= biased_share,
    about=("s_S", "s_U", "c"),
    witness=_ABOVE,
    sharp={
        "the system's scores are at least lo": _ABOVE.but("weight 1/100, below e^lo = 1", s_S=[log_of(1, 100)]),
        "the adversary's scores are at most hi": _ABOVE.but("weights 100, beyond e^hi = 1", s_U=[log_of(100)] * 3),
        "the bias grows faster than log n": _ABOVE.but("no bias: 1 against 3", c=0, x=0, eps=Fraction(1, 2)),
        "e^x is at least the odds to overcome": _ABOVE.but("a share of 9/10 takes longer", eps=Fraction(1, 10)),
        "the length is at least e^(x / (c - 1))": _ABOVE.but(
            "a share of 4/5 takes n = 16, not 4", x=log_of(4), eps=Fraction(1, 5)
        ),
    },
    probes=(
        _ABOVE.but(
            "almost met: 1024 against 255", m=255, s_U=lambda j: 0, c=Fraction(5, 4), x=log_of(4), eps=Fraction(1, 5)
        ),
        _ABOVE.but("no system, and nothing claimed: share 0 = 1 - eps", k=0, x=0, eps=1),
    ),
    why="Just above log n the bias hands the system everything as the text grows, and the user's text nothing.",
    idea="The system weighs at least k e^lo n^c, the adversary at most n e^hi; their ratio grows like n^(c - 1).",
    limits="Protection bought with utility: with a share near 1 the user's own text counts for nothing either.",
)

# A sink: softmax-off-by-one and its like

sunk = (N_S + N_U) / (Z + sink)
"""The margin with a sink's mass in the denominator; softmax-off-by-one has sink = 1."""

_SINK = Instance(
    {"k": 1, "m": 1, "s_S": [0], "s_U": [0], "a_S": [2], "a_U": [0], "sink": 1, "tau": Fraction(67, 100)},
    "f = 1 and with the sink 2/3, against 67/100",
)

SINK_IS_NEUTRAL = Theorem(
    name="sink_is_neutral",
    entry=26,
    claims=("C5",),
    sentence="In one head a sink in softmax's denominator moves the threshold from tau to tau + tau sink / Z: at "
    "tau = 0 it changes nothing, at tau > 0 no override is prevented.",
    assumptions={"the sink's mass is not negative": sink >= 0, "there is a token": k + m > 0},
    conclusion=both(
        iff(sunk < tau, margin < tau + tau * sink / Z),
        implies(tau >= 0, implies(margin < tau, sunk < tau)),
        implies(tau <= 0, implies(sunk < tau, margin < tau)),
    ),
    about=("a_S", "a_U", "s_S", "s_U", "tau"),
    witness=_SINK,
    sharp={
        "the sink's mass is not negative": _SINK.but(
            "a mass below -Z turns every sign", sink=-3, a_S=[1], tau=Fraction(1, 4)
        ),
        "there is a token": _SINK.but("no token, no margin", k=0, m=0),
    },
    probes=(
        _SINK.but("f = 1 and with the sink almost 1", sink=Fraction(1, 1000), tau=Fraction(1001, 1000)),
        _SINK.but("f = -1 and with the sink almost -1", sink=Fraction(1, 1000), a_S=[-2], tau=Fraction(-999, 1000)),
        _SINK.but("at tau = 0: overridden either way", a_S=[-2], tau=0),
        _SINK.but("at tau < 0 the sink helps", a_S=[-2], tau=Fraction(-7, 10)),
    ),
    why="Letting a head attend to nothing is sold as a remedy; for one head's decision it is none.",
    idea="The sink divides f by 1 + sink / Z, which is at least 1: the sign stays and the size shrinks.",
    limits="One head, and nothing added to its output: a residual r moves tau to tau - r, where the sink may help. "
    "Several heads are rescaled each by its own Z (sink_is_neutral_for_several_heads).",
)

# Sparsemax (A. Martins and R. Astudillo, "From softmax to sparsemax", 2016): weights (s_i - theta)_+ that add up to 1

sparse_S = total(k, lambda i: larger(s_S(i) - theta, 0))
sparse_U = total(m, lambda j: larger(s_U(j) - theta, 0))
is_threshold = (sparse_S + sparse_U).eq(1)
lead = total(k, lambda i: larger(s_S(i) - g, 0))
"""By how much the system's scores exceed g, added up."""

_SPARSE = Instance(
    {"k": 1, "m": 1, "s_S": [Fraction(1, 2)], "s_U": [0], "theta": Fraction(-1, 4), "g": 0},
    "scores 1/2 and 0: weights 3/4 and 1/4",
)

SPARSE_FLOOR = Theorem(
    name="sparse_floor",
    entry=27,
    claims=("C5",),
    sentence="Under sparsemax the system's share is at least min(1, Σ_S (s_i - max s_U)_+), whatever the length.",
    assumptions={
        "theta is sparsemax's threshold": is_threshold,
        "the adversary's scores are at most g": each(m, lambda j: s_U(j) <= g),
    },
    conclusion=smaller(1, lead) <= sparse_S,
    about=("s_S", "g"),
    witness=_SPARSE,
    sharp={
        "theta is sparsemax's threshold": _SPARSE.but("above all scores: weights 0 and 0", theta=10),
        "the adversary's scores are at most g": _SPARSE.but(
            "the adversary's score is 0", s_S=[Fraction(-1, 2)], s_U=[0], theta=Fraction(-3, 4), g=-2
        ),
    },
    probes=(
        _SPARSE.but("a lead of 1 takes all", s_S=[1], theta=0),
        _SPARSE.but("almost met: weights 201/400 and 199 times 1/400", m=199, s_U=lambda j: 0, theta=Fraction(-1, 400)),
    ),
    why="Sparsemax can't be diluted below the system's lead in score: length alone buys nothing.",
    idea="Either theta is at most g, and the system's weights reach its lead; or the adversary has no weight at all.",
    limits="It says nothing once a token scores as high as the system: see sparse_silence.",
)

SPARSE_SILENCE = Theorem(
    name="sparse_silence",
    entry=27,
    claims=("C3", "C5"),
    sentence="Under sparsemax one adversary token that is ahead of all the system's scores by 1 takes all weight from "
    "the system: its share is exactly 0.",
    assumptions={
        "theta is sparsemax's threshold": is_threshold,
        "an adversary token is ahead by 1": some(m, lambda j: each(k, lambda i: s_S(i) + 1 <= s_U(j))),
    },
    conclusion=sparse_S.eq(0),
    about=("s_S",),
    witness=_SPARSE.but("scores -1 and 0: weights 0 and 1", s_S=[-1], theta=-1),
    sharp={
        "theta is sparsemax's threshold": _SPARSE.but("below all scores: everybody has weight", s_S=[-1], theta=-2),
        "an adversary token is ahead by 1": _SPARSE.but(
            "ahead by 1/2: weights 1/4 and 3/4", s_S=[Fraction(-1, 2)], theta=Fraction(-3, 4)
        ),
    },
    probes=(
        _SPARSE.but(
            "three system tokens against one and a bystander",
            k=3,
            m=2,
            s_S=[0, 1, -2],
            s_U=[2, Fraction(3, 2)],
            theta=Fraction(5, 4),
        ),
    ),
    why="What sparsemax can't be diluted of it can be deprived of at one stroke, which softmax rules out.",
    idea="No weight exceeds 1, so the threshold is at least that token's score less 1.",
    limits="Scores bounded within less than 1 of each other rule such a token out.",
)

# Scalable softmax (K. Nakanishi, "Scalable-Softmax is superior for attention", 2025): scores times sigma log n

scaled_S = total(k, lambda i: exp(sigma * log_n * s_S(i)))
scaled_U = total(m, lambda j: exp(sigma * log_n * s_U(j)))
scaled_share = scaled_S / (scaled_S + scaled_U)

_SCALED = Instance(
    {"k": 1, "m": 3, "sigma": 1, "s_S": [1], "s_U": [0, 0, -1]},
    "n = 4: weights 4 against 1, 1 and 1/4",
)

SSMAX_FLOOR = Theorem(
    name="ssmax_keeps_a_floor",
    entry=28,
    claims=("C5",),
    sentence="Under scalable softmax a system token that leads every adversary token by at least 1 / sigma in score "
    "keeps the system's share at (k + m) / (k + 2 m) or more, so above 1/2, at any length.",
    assumptions={
        "a system token leads by 1 / sigma": some(k, lambda i: each(m, lambda j: sigma * (s_S(i) - s_U(j)) >= 1)),
    },
    conclusion=both(n / (k + 2 * m) <= scaled_share, scaled_share > Fraction(1, 2)),
    about=("s_S", "s_U", "sigma"),
    witness=_SCALED,
    sharp={"a system token leads by 1 / sigma": _SCALED.but("no lead: 1 against 3", s_S=[0], s_U=[0, 0, 0])},
    probes=(
        _SCALED.but("a lead of 1 exactly: 4 against 3", s_U=[0, 0, 0]),
        _SCALED.but("almost 1/2: 100 against 99", m=99, s_U=lambda j: 0),
        _SCALED.but("no adversary", m=0),
    ),
    why="Scores that grow with log n turn a lead in score into a defence at any length, if the lead is long enough.",
    idea="That token weighs n times as much as any of the adversary's, which number fewer than n.",
    limits="The lead has to hold over the adversary's whole vocabulary: one stronger token undoes it "
    "(ssmax_padding_lets_one_stronger_token_win).",
)

_NEAR = Instance(
    {
        "k": 1,
        "m": 3,
        "sigma": Fraction(1, 2),
        "s_S": [1],
        "s_U": [0, 0, 0],
        "t": 1,
        "g": 0,
        "x": log_of(2),
        "eps": Fraction(1, 2),
    },
    "n = 4, a lead of half what is needed: 4^(1/2) = 2 against 3",
)

SSMAX_IS_DILUTED = Theorem(
    name="ssmax_below_the_threshold_is_diluted",
    entry=28,
    claims=("C2", "C5"),
    sentence="Under scalable softmax, where sigma times the system's lead is below 1, the adversary's best token "
    "repeated brings the system's share to eps at every length n >= e^(x / (1 - sigma lead)), where "
    "e^x = k (k + 1) (1 - eps) / eps.",
    assumptions={
        "the system's scores are at most t": each(k, lambda i: s_S(i) <= t),
        "the adversary's scores are at least g": each(m, lambda j: g <= s_U(j)),
        "sigma is not negative": sigma >= 0,
        "the lead t - g is below 1 / sigma": sigma * (t - g) < 1,
        "there is an adversary token": m > 0,
        "e^x is at least the odds to overcome": k * (k + 1) * (1 - eps) <= eps * exp(x),
        "the length is at least e^(x / (1 - sigma lead))": exp(x / (1 - sigma * (t - g))) <= n,
    },
    conclusion=scaled_share <= eps,
    about=("s_S", "s_U", "sigma"),
    witness=_NEAR,
    sharp={
        "the system's scores are at most t": _NEAR.but("a lead of 10", s_S=[10]),
        "the adversary's scores are at least g": _NEAR.but("weights of 1/1024 each", s_U=[-10] * 3),
        "sigma is not negative": _NEAR.but(
            "turned round, the system's score -10 wins", m=1, sigma=-1, s_S=[-10], t=0, x=log_of(2)
        ),
        "the lead t - g is below 1 / sigma": _NEAR.but(
            "twice what is needed: 9 against 2", m=2, sigma=1, s_S=[2], t=2, x=0, eps=Fraction(2, 3)
        ),
        "there is an adversary token": _NEAR.but("a system alone has share 1", m=0, x=0, eps=Fraction(2, 3)),
        "e^x is at least the odds to overcome": _NEAR.but("a share of 1/10 takes longer", eps=Fraction(1, 10)),
        "the length is at least e^(x / (1 - sigma lead))": _NEAR.but(
            "a share of 1/3 takes n = 16, not 4", x=log_of(4), eps=Fraction(1, 3)
        ),
    },
    probes=(_NEAR.but("no lead, one against one: share eps exactly", m=1, sigma=1, s_S=[0], t=0),),
    why="Below the threshold scalable softmax is diluted like softmax: the threshold is where the defence begins.",
    idea="The system weighs at most k n^(sigma t), the adversary at least m n^(sigma g): what counts is n^(sigma lead) "
    "against n, as with a bias of c log n.",
    limits="The adversary has to repeat a token that comes near enough.",
)

_STRONGER = Instance(
    {"k": 1, "m": 3, "sigma": 1, "s_S": [0], "s_U": [-5, 1, -5], "t": 0, "g": 1, "x": log_of(4), "eps": Fraction(1, 5)},
    "n = 4: weight 1 against one of 4 and two of 4^-5",
)

SSMAX_PADDING = Theorem(
    name="ssmax_padding_lets_one_stronger_token_win",
    entry=28,
    claims=("C3", "C5"),
    sentence="Under scalable softmax one adversary token stronger than all the system's brings the system's share to "
    "eps at every length n >= e^(x / (sigma (g - t))), where e^x = k (1 - eps) / eps: whatever the other tokens are.",
    assumptions={
        "the system's scores are at most t": each(k, lambda i: s_S(i) <= t),
        "an adversary token has score g or more": some(m, lambda j: g <= s_U(j)),
        "it is stronger": t < g,
        "sigma is positive": sigma > 0,
        "e^x is at least the odds to overcome": k * (1 - eps) <= eps * exp(x),
        "the length is at least e^(x / (sigma (g - t)))": exp(x / (sigma * (g - t))) <= n,
    },
    conclusion=scaled_share <= eps,
    about=("s_S", "s_U", "sigma"),
    witness=_STRONGER,
    sharp={
        "the system's scores are at most t": _STRONGER.but("a score of 2", s_S=[2]),
        "an adversary token has score g or more": _STRONGER.but("none has", s_U=[-5, 0, -5]),
        "it is stronger": _STRONGER.but("weaker by 1", s_S=[1], s_U=[-5, 0, -5], t=1, g=0, x=0, eps=Fraction(1, 2)),
        "sigma is positive": _STRONGER.but(
            "turned round, the system's score -10 wins", m=1, sigma=-1, s_S=[-10], s_U=[1], x=0, eps=Fraction(1, 2)
        ),
        "e^x is at least the odds to overcome": _STRONGER.but("a share of 1/10 takes longer", eps=Fraction(1, 10)),
        "the length is at least e^(x / (sigma (g - t)))": _STRONGER.but(
            "a share of 1/10 takes n = 9, not 4", x=log_of(9), eps=Fraction(1, 10)
        ),
    },
    probes=(_STRONGER.but("1 against 2: share eps exactly", m=1, s_U=[1], x=log_of(2), eps=Fraction(1, 3)),),
    why="Scalable softmax sharpens whatever is ahead: padding, harmless by itself, makes one strong token decisive.",
    idea="That token weighs n^(sigma (g - t)) times as much as any system token, and n is the adversary's choice.",
    limits="It takes a token that is stronger than every system token for this query.",
)

THEOREMS = (
    LOG_LENGTH_BIAS_BELOW_ONE,
    LOG_LENGTH_BIAS_IS_CRITICAL,
    LOG_LENGTH_BIAS_ABOVE_ONE,
    SINK_IS_NEUTRAL,
    SPARSE_FLOOR,
    SPARSE_SILENCE,
    SSMAX_FLOOR,
    SSMAX_IS_DILUTED,
    SSMAX_PADDING,
)
