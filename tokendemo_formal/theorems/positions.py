"""What position does to the system's share of attention: ALiBi, sliding windows, rotary embeddings, causal masks.

The prompt has k + m tokens, the system's block and the adversary's, one after the other; the reader's position is r
past that of the prompt's last token (r = 0: it is that token). A key at position t then is at the distance
k + m - 1 + r - t from the reader. ALiBi adds -mu · distance to the content score (Press, Smith and Lewis, 2022).
"""

from __future__ import annotations

from fractions import Fraction

import flint

from tokendemo_formal.logic.terms import (
    Numeric,
    Term,
    absolute,
    both,
    cos,
    each,
    exp,
    function,
    ite,
    log,
    natural,
    real,
    sin,
    some,
    term,
    total,
)
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems.setting import E_S, E_U, eps, hi, k, lo, m, s_S, s_U, share
from tokendemo_formal.theorems.theorem import Theorem

mu = real("mu")
r = natural("r")


def distance(position: Numeric) -> Term:
    """From the reader to a key."""
    return k + m - 1 + r - term(position)


LEADING_S = total(k, lambda i: exp(s_S(i) - mu * distance(i)))
LEADING_U = total(m, lambda j: exp(s_U(j) - mu * distance(k + j)))
TRAILING_S = total(k, lambda i: exp(s_S(i) - mu * distance(m + i)))
TRAILING_U = total(m, lambda j: exp(s_U(j) - mu * distance(j)))

_TWO, _FOUR = Log(Fraction(2)), Log(Fraction(4))

_LEADING = Instance(
    {"k": 2, "m": 3, "r": 1, "mu": _TWO, "lo": 0, "hi": _FOUR, "s_S": [_FOUR, _TWO], "s_U": [0, _TWO, 0]},
    "slope log 2: the five keys' biases are the factors 1/32, 1/16, …, 1/2",
)

ALIBI_ERODES_A_LEADING_SYSTEM = Theorem(
    name="alibi_erodes_a_leading_system",
    entry=20,
    claims=("C4",),
    sentence="Under ALiBi a system in front of the adversary's tokens has odds of attention that fall exponentially "
    "with their number m, however long it is.",
    assumptions={
        "the system's scores are at most hi": each(k, lambda i: s_S(i) <= hi),
        "the adversary's scores are at least lo": each(m, lambda j: lo <= s_U(j)),
        "the slope is positive": mu > 0,
        "the adversary has a token": m > 0,
    },
    conclusion=both(
        LEADING_S / LEADING_U <= exp(hi - lo - mu * m) * (1 - exp(-(mu * k))) / (1 - exp(-(mu * m))),
        LEADING_S / LEADING_U < exp(hi - lo - mu * m) / (1 - exp(-mu)),
    ),
    about=("s_S", "s_U", "mu"),
    witness=_LEADING,
    sharp={
        "the system's scores are at most hi": _LEADING.but(
            "a weight of 100 is beyond e^hi", s_S=[Log(Fraction(100))] * 2
        ),
        "the adversary's scores are at least lo": _LEADING.but(
            "weights of 1/100 are below e^lo", s_S=[_FOUR, _FOUR], s_U=[Log(Fraction(1, 100))] * 3
        ),
        "the slope is positive": _LEADING.but(
            "the slope -log 2: attention grows with distance", mu=Log(Fraction(1, 2))
        ),
        "the adversary has a token": _LEADING.but("no adversary", m=0, s_U=[]),
    },
    probes=(
        _LEADING.but("the first bound is met", s_S=[_FOUR, _FOUR], s_U=[0, 0, 0]),
        _LEADING.but("both are, nearly: a long system, one token", k=8, m=1, r=0, s_S=[_FOUR] * 8, s_U=[0]),
    ),
    why="ALiBi's bias is a preference for what is near: a system prompt at the front is forgotten as the text grows, "
    "and making it longer does not help.",
    idea="Weights decay geometrically with distance, so both blocks are geometric sums; the system's starts m tokens "
    "further away.",
    limits="Only for a system in front whose tokens do not include the reader: behind the adversary it keeps a share "
    "(alibi_protects_a_trailing_system), and a reader that counts as a system token sits at distance 0 "
    "(alibi_erodes_a_system_that_holds_the_reader).",
)

_READER = Instance(
    {"k": 1, "m": 2, "r": 1, "mu": _TWO, "lo": 0, "hi": 0, "s_S": [0], "s_U": [0, 0], "s": 0},
    "all scores equal, slope log 2; the reader's own key, at distance 0, is a system token",
)

_own = real("s")
HELD_S = LEADING_S + exp(_own)

ALIBI_ERODES_A_SYSTEM_THAT_HOLDS_THE_READER = Theorem(
    name="alibi_erodes_a_system_that_holds_the_reader",
    entry=20,
    claims=("C4",),
    sentence="Under ALiBi the odds of a leading system fall exponentially also where the reader, which attends to "
    "itself, counts as one of its tokens.",
    assumptions={
        "the system's scores are at most hi": both(_own <= hi, each(k, lambda i: s_S(i) <= hi)),
        "the adversary's scores are at least lo": each(m, lambda j: lo <= s_U(j)),
        "the slope is positive": mu > 0,
        "the adversary has a token": m > 0,
        "the reader comes after the adversary": r > 0,
    },
    conclusion=HELD_S / LEADING_U <= exp(hi - lo - mu * m) * (1 - exp(-(mu * (k + 1)))) / (1 - exp(-(mu * m))),
    about=("s_S", "s_U", "mu"),
    expected="refuted",
    witness=_READER,
    refutation=_READER,
    why="Who counts the reader's own token to the system gets the opposite answer: a token at distance 0 is never "
    "pushed away.",
    idea="The reader's own weight is not decayed, whatever m is.",
    limits="The system's other tokens are eroded all the same (alibi_erodes_a_leading_system).",
)

_TRAILING = Instance(
    {"k": 2, "m": 3, "r": 0, "mu": _TWO, "lo": 0, "hi": _FOUR, "s_S": [_TWO, _FOUR], "s_U": [_FOUR, 0, _TWO]},
    "slope log 2; the system stands last and its last token is the reader",
)
_FLOOR = (exp(mu * k) - 1) / (exp(mu * k) - 1 + exp(hi - lo))

ALIBI_PROTECTS_A_TRAILING_SYSTEM = Theorem(
    name="alibi_protects_a_trailing_system",
    entry=21,
    claims=("C4", "C5"),
    sentence="Under ALiBi a system behind the adversary's tokens keeps more than a fixed share of attention, however "
    "many there are.",
    assumptions={
        "the system's scores are at least lo": each(k, lambda i: lo <= s_S(i)),
        "the adversary's scores are at most hi": each(m, lambda j: s_U(j) <= hi),
        "the slope is not negative": mu >= 0,
        "the system has a token": k > 0,
    },
    conclusion=TRAILING_S / (TRAILING_S + TRAILING_U) > _FLOOR,
    about=("s_S", "s_U", "mu"),
    witness=_TRAILING,
    sharp={
        "the system's scores are at least lo": _TRAILING.but(
            "system weights of 1/100 are below e^lo", s_S=[Log(Fraction(1, 100))] * 2
        ),
        "the adversary's scores are at most hi": _TRAILING.but(
            "adversary weights of 100 are beyond e^hi", s_U=[Log(Fraction(100))] * 3
        ),
        "the slope is not negative": _TRAILING.but(
            "the slope -log 2, and system scores above the adversary's: D = -log 8",
            k=1,
            mu=Log(Fraction(1, 2)),
            lo=Log(Fraction(8)),
            hi=0,
            s_S=[Log(Fraction(8))],
            s_U=[0, 0, 0],
        ),
        "the system has a token": _TRAILING.but("no system", k=0, s_S=[]),
    },
    probes=(
        _TRAILING.but("nearly met by a long adversary", k=1, m=10, hi=0, s_S=[0], s_U=[0] * 10),
        _TRAILING.but("slope 0: the floor is 0", mu=0, m=300, hi=0, s_S=[0, 0], s_U=[0] * 300),
    ),
    why="The same bias that erodes a leading system protects a trailing one: where the instruction stands decides.",
    idea="The adversary's block is a geometric sum, bounded at any length, that starts behind the system's k tokens.",
    limits="A share floor (level L1), no margin: with a share of less than half the adversary can still win "
    "(share_floor_is_not_enough). At slope 0 the floor is 0.",
)

_NEAR = Instance({"k": 1, "m": 1, "r": 0, "mu": _TWO, "s_S": [0], "s_U": [0]}, "two tokens of equal score, slope log 2")

POSITION_ONLY_ERODES = Theorem(
    name="position_only_erodes",
    entry=21,
    claims=("C4",),
    sentence="Wherever the system stands, ALiBi's positions never raise its share above what it has without positions.",
    assumptions={"the slope is positive": mu > 0, "there is a system token": k > 0},
    conclusion=both(LEADING_S / (LEADING_S + LEADING_U) <= share, TRAILING_S / (TRAILING_S + TRAILING_U) <= share),
    about=("s_S", "s_U", "mu"),
    expected="refuted",
    witness=_NEAR,
    refutation=_NEAR,
    why="Position is not an enemy of the instruction by itself: it favours whoever stands near the reader.",
    idea="With one token each, the nearer one has twice the weight of the other.",
    limits="For a system in front the claim holds in the long run (alibi_erodes_a_leading_system).",
)

W = natural("W")


def windowed(position: Numeric, score: Term) -> Term:
    """The key's unnormalised weight where the reader sees the last W positions, its own included."""
    return ite(distance(position) <= W - 1, exp(score), 0)


WINDOWED_S = total(k, lambda i: windowed(i, s_S(i)))
WINDOWED_U = total(m, lambda j: windowed(k + j, s_U(j)))

_WINDOW = Instance(
    {"k": 1, "m": 3, "r": 1, "W": 3, "lo": 0, "hi": _TWO, "s_S": [_TWO], "s_U": [_TWO, 0, _TWO]},
    "a window of 3, which holds the reader and the adversary's last two tokens",
)

EVICTION = Theorem(
    name="eviction",
    entry=34,
    claims=("C4",),
    sentence="A sliding window that the adversary's tokens, and those up to the reader, fill gives a leading system no "
    "attention at all.",
    assumptions={"the tokens after the system fill the window": W <= m + r, "the window reaches the adversary": r < W},
    conclusion=(WINDOWED_S / (WINDOWED_S + WINDOWED_U)).eq(0),
    about=("s_S", "s_U", "W"),
    witness=_WINDOW,
    sharp={
        "the tokens after the system fill the window": _WINDOW.but("a window of 5 reaches the system", W=5),
        "the window reaches the adversary": _WINDOW.but("a window of 1 holds the reader only", W=1),
    },
    probes=(_WINDOW.but("the reader is the last token", r=0, W=2),),
    why="In such a model the safety instruction is not outvoted: it is gone, at a length that everybody knows.",
    idea="A key of the system is at least m + r positions away, and the window ends before.",
    limits="One layer: at depth the states in the window may have read the system before it left. A pinned prefix "
    "keeps a share (pinned_prefix_keeps_a_share).",
)

_PINNED = Instance(
    {"k": 2, "m": 5, "r": 0, "W": 3, "lo": 0, "hi": _TWO, "s_S": [0, _TWO], "s_U": [0, 0, _TWO, 0, _TWO]},
    "a window of 3 and two pinned tokens",
)
PINNED_SHARE = E_S / (E_S + WINDOWED_U)

PINNED_PREFIX_KEEPS_A_SHARE = Theorem(
    name="pinned_prefix_keeps_a_share",
    entry=34,
    claims=("C4", "C5"),
    sentence="A sliding window of W tokens and a system prefix that stays visible give the system at least the share "
    "k e^lo / (k e^lo + W e^hi) at any length.",
    assumptions={
        "the system's scores are at least lo": each(k, lambda i: lo <= s_S(i)),
        "the adversary's scores are at most hi": each(m, lambda j: s_U(j) <= hi),
        "the system has a token": k > 0,
    },
    conclusion=PINNED_SHARE >= k * exp(lo) / (k * exp(lo) + W * exp(hi)),
    about=("s_S", "s_U", "W"),
    witness=_PINNED,
    sharp={
        "the system's scores are at least lo": _PINNED.but("weights of 1/100", s_S=[Log(Fraction(1, 100))] * 2),
        "the adversary's scores are at most hi": _PINNED.but("weights of 100", s_U=[Log(Fraction(100))] * 5),
        "the system has a token": _PINNED.but("nothing is pinned, and no window", k=0, W=0, s_S=[]),
    },
    probes=(_PINNED.but("the bound is met", s_S=[0, 0], s_U=[_TWO] * 5),),
    why="Pinning the instruction in the cache is a defence with a floor that no length undercuts.",
    idea="At most W of the adversary's tokens are in sight, whatever m is.",
    limits="A share floor (level L1), no margin. At W = 0 nothing but the prefix is seen.",
)

d, C, M, T = natural("d"), natural("C"), natural("M"), natural("T")
t = natural("t")
alpha, beta, theta = function("alpha"), function("beta"), function("theta")


def rotary(distance: Numeric) -> Term:
    """RoPE's score at a distance: the query's and the key's parts in plane c turn against each other by theta[c].

    alpha[c] is their inner product in the plane, beta[c] their cross product (Su et al., 2021).
    """
    return total(d, lambda c: alpha(c) * cos(theta(c) * distance) + beta(c) * sin(theta(c) * distance))


CELLS = 2 * log(C + 1)
"""The logarithm of the number of cells to a plane: a grid of C + 1 steps for its cosine and for its sine."""

_TURNING = Instance(
    {"d": 1, "C": 8, "M": 81, "T": 3, "eps": Fraction(1, 2), "alpha": [1], "beta": [0], "theta": [1]},
    "one plane that turns by 1 a position: the score is the cosine of the distance",
)

_RETURNS = some(M, lambda j: absolute(rotary((j + 1) * T) - total(d, lambda c: alpha(c))) <= eps)

ROTARY_DOES_NOT_DECAY = Theorem(
    name="rotary_does_not_decay",
    entry=22,
    claims=("C4",),
    sentence="RoPE's score comes back as near as one likes to what it is at distance 0, the sum of alpha: among the "
    "first M multiples of any distance T, if there are as many as a fine grid has cells.",
    assumptions={
        "the grid has a step": C > 0,
        "the grid is fine": 4 * total(d, lambda c: absolute(alpha(c)) + absolute(beta(c))) <= C * eps,
        "there are as many multiples as cells": exp(CELLS * d) <= M,
    },
    conclusion=_RETURNS,
    about=("alpha", "beta", "theta", "T"),
    witness=_TURNING,
    sharp={
        "the grid has a step": _TURNING.but("a score of 0, to be met within -1", C=0, alpha=[0], eps=-1),
        "the grid is fine": _TURNING.but("within 1/10^9 takes more than 81 multiples", eps=Fraction(1, 10**9)),
        "there are as many multiples as cells": _TURNING.but("cos 3 is far from 1", M=1),
    },
    probes=(
        _TURNING.but("a score of 0 is met exactly", alpha=[0], eps=0),
        _TURNING.but("and never missed", alpha=[0], eps=1),
        _TURNING.but("two planes, and a part out of phase", d=2, C=16, M=83521, T=1, eps=1, alpha=[1, 1], beta=[1, -1],
                     theta=[1, Fraction(1, 100)]),
    ),
    surviving={
        f"bound strengthened by 1 %: {_RETURNS.parts[1]}": "true besides: sin and 1 - cos of the angle between two "
        "points of a cell are at most their chord, 2 sqrt 2 / C, where the proof makes do with 4 / C",
    },
    why="A rotary model does not forget what is far away by its positions alone: at infinitely many distances a query "
    "scores a key as if they stood side by side.",
    idea="Pigeonhole (Dirichlet, 1842): of M + 1 multiples two turn all planes almost alike, so their difference turns "
    "them almost not at all.",
    limits="The 4 is not the best number, only one that is easy to show. The distances can be far beyond any context: "
    "the number of cells grows exponentially with the planes. Sums "
    "of many planes do fall off on average over nearby distances.",
)  # fmt: skip

_ROTARY_MODEL = Instance(
    {
        "d": 32,
        "t": 305,
        "r": 15,
        "alpha": lambda c: 1,
        "beta": lambda c: 0,
        "theta": lambda c: (flint.arb(10000).log() * flint.arb(-c) / 32).exp(),
    },
    "32 planes with the usual frequencies 10000^(-c/32); query and key alike in all of them",
)

ROTARY_ERODES = Theorem(
    name="rotary_erodes",
    entry=22,
    claims=("C4",),
    sentence="Under RoPE a key that agrees with the query scores less the further away it is.",
    assumptions={
        "query and key agree in every plane": each(d, lambda c: both(alpha(c) > 0, beta(c).eq(0))),
        "frequencies lie between 0 and 1": each(d, lambda c: both(theta(c) > 0, theta(c) <= 1)),
        "it moves away": r > 0,
    },
    conclusion=rotary(t + r) <= rotary(t),
    about=("alpha", "beta", "theta"),
    expected="refuted",
    witness=_ROTARY_MODEL,
    refutation=_ROTARY_MODEL,
    why="That positions erode a prompt's effect is not a law for the models most in use.",
    idea="Planes turn all the way round at their own pace: at distance 320 many of them are back in phase.",
    limits="Averaged over a stretch of distances the score of such a pair does fall.",
)

_ANYWHERE = Instance({"k": 1, "m": 1, "s_S": [0], "s_U": [0]}, "two tokens of equal score")

SHIFT_ERODES_WITHOUT_POSITIONS = Theorem(
    name="shift_erodes_without_positions",
    entry=22,
    claims=("C4",),
    sentence="Without positions, too, a system in front of the adversary's tokens has less attention than one behind.",
    assumptions={"there is a token of each": both(k > 0, m > 0)},
    conclusion=E_S / (E_S + E_U) < E_S / (E_U + E_S),
    about=("s_S", "s_U"),
    expected="refuted",
    witness=_ANYWHERE,
    refutation=_ANYWHERE,
    why="Only positions can make order matter.",
    idea="A sum does not depend on the order of its terms.",
    limits="The length does matter (dilution).",
)

THEOREMS = (
    ALIBI_ERODES_A_LEADING_SYSTEM,
    ALIBI_ERODES_A_SYSTEM_THAT_HOLDS_THE_READER,
    ALIBI_PROTECTS_A_TRAILING_SYSTEM,
    POSITION_ONLY_ERODES,
    EVICTION,
    PINNED_PREFIX_KEEPS_A_SHARE,
    ROTARY_DOES_NOT_DECAY,
    ROTARY_ERODES,
    SHIFT_ERODES_WITHOUT_POSITIONS,
)
