"""What an adversary can do who owns the query: any query, against fixed keys without biases.

Keys have d coordinates: k_S[i, c] and k_U[j, c]; a query q[c] scores a key by Σ_c q[c] k[c] (the scale is part of q).
"""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import (
    Function,
    Numeric,
    Term,
    both,
    each,
    either,
    exp,
    function,
    implies,
    log,
    real,
    some,
    total,
)
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems.setting import d, eps, k, m
from tokendemo_formal.theorems.theorem import Theorem

k_S, k_U = function("k_S", 2), function("k_U", 2)
q, g = function("q"), function("g")
point, u = function("p"), function("u")
weight = function("lambda", 2)
t, gamma, step = real("t"), real("gamma"), real("s")


def dot(direction: Function, keys: Function, i: Numeric, times: Numeric = 1) -> Term:
    """The score of a key for the query that is ``times`` the direction."""
    return total(d, lambda c: (direction(c) if times == 1 else times * direction(c)) * keys(i, c))


def owned_share(direction: Function, times: Numeric = 1) -> Term:
    """The system's share of attention for that query."""
    system = total(k, lambda i: exp(dot(direction, k_S, i, times)))
    adversary = total(m, lambda j: exp(dot(direction, k_U, j, times)))
    return system / (system + adversary)


_AHEAD = Instance(
    {
        "k": 2,
        "m": 2,
        "d": 2,
        "k_S": [[0, 0], [0, 1]],
        "k_U": [[1, 1], [-1, 0]],
        "g": [1, 0],
        "gamma": 1,
        "t": Log(Fraction(4)),
        "eps": Fraction(1, 3),
    },
    "keys in the plane; the adversary's first is ahead of the system's by 1 along the first axis; queries of length "
    "log 4",
)

QUERY_OWNERSHIP = Theorem(
    name="query_ownership",
    entry=24,
    claims=("C1", "C3"),
    sentence="Who owns the query, and has a key that a direction separates from all of the system's by gamma, drives "
    "the system's share below k / (k + e^(t gamma)) with the query t times the direction.",
    assumptions={
        "some key of the adversary's is ahead by gamma": some(
            m, lambda j: each(k, lambda i: dot(g, k_S, i) + gamma <= dot(g, k_U, j))
        ),
        "the query points that way": t >= 0,
    },
    conclusion=both(
        owned_share(g, t) <= k / (k + exp(t * gamma)),
        implies(
            both(k > 0, eps > 0, eps < 1, log(k * (1 - eps) / eps) <= t * gamma),
            owned_share(g, t) <= eps,
        ),
    ),
    about=("k_S", "k_U", "g", "t", "gamma"),
    witness=_AHEAD,
    sharp={
        "some key of the adversary's is ahead by gamma": _AHEAD.but(
            "the keys are too short", k_U=[[Fraction(1, 2), 0], [-1, 0]]
        ),
        "the query points that way": _AHEAD.but(
            "the query points the other way", t=Log(Fraction(1, 4)), k_U=[[2, 0], [2, 0]]
        ),
    },
    probes=(
        _AHEAD.but("both bounds are met", m=1, t=Log(Fraction(4)), k_U=[[1, 0]]),
        _AHEAD.but("the length needed for eps = 1/5", m=1, t=Log(Fraction(8)), k_U=[[1, 0]], eps=Fraction(1, 5)),
    ),
    why="The query is the adversary's own token, or one that it has written to: then any key of its own that sticks "
    "out of the system's is enough, at a fixed number of tokens.",
    idea="The separated key's score outgrows every system score at the rate gamma in the query's length.",
    limits="Needs queries of any length (QK-norm bounds them), keys that do not depend on the query, and no bias per "
    "key. Exactly the keys outside the hull of the system's are separated (nearest_point_separates); for keys inside "
    "see query_ownership_ends_at_the_hull.",
)

_INSIDE = Instance(
    {
        "k": 2,
        "m": 2,
        "d": 2,
        "k_S": [[0, 0], [2, 2]],
        "k_U": [[1, 1], [2, 2]],
        "lambda": [[Fraction(1, 2), Fraction(1, 2)], [0, 1]],
        "q": [Log(Fraction(2)), 0],
    },
    "the adversary's keys are the midpoint of the system's two, and one of them",
)

QUERY_OWNERSHIP_ENDS_AT_THE_HULL = Theorem(
    name="query_ownership_ends_at_the_hull",
    entry=24,
    claims=("C1", "C5"),
    sentence="Where each of the adversary's m keys is a convex combination of the system's, the system keeps a share "
    "of at least 1 / (1 + m) for every query.",
    assumptions={
        "the combinations' weights are not negative": each(m, lambda j: each(k, lambda i: weight(j, i) >= 0)),
        "they sum to 1": each(m, lambda j: total(k, lambda i: weight(j, i)).eq(1)),
        "the adversary's keys are the combinations": each(
            m, lambda j: each(d, lambda c: k_U(j, c).eq(total(k, lambda i: weight(j, i) * k_S(i, c))))
        ),
        "the system has a token": k > 0,
    },
    conclusion=owned_share(q) >= 1 / (1 + m),
    about=("k_S", "k_U", "q"),
    witness=_INSIDE,
    sharp={
        "the combinations' weights are not negative": _INSIDE.but(
            "the second key lies beyond the system's",
            k_U=[[1, 1], [6, 6]],
            **{"lambda": [[Fraction(1, 2)] * 2, [-2, 3]]},
        ),
        "they sum to 1": _INSIDE.but(
            "the second is twice the system's", k_U=[[1, 1], [8, 8]], **{"lambda": [[Fraction(1, 2)] * 2, [0, 4]]}
        ),
        "the adversary's keys are the combinations": _INSIDE.but("the second key is elsewhere", k_U=[[1, 1], [8, 0]]),
        "the system has a token": _INSIDE.but("nothing at all", k=0, m=0),
    },
    probes=(
        _INSIDE.but("met: all keys are the same", k=1, k_S=[[1, 1]], k_U=[[1, 1], [1, 1]], **{"lambda": [[1], [1]]}),
    ),
    why="A system whose keys surround the adversary's can't be silenced by a query, whatever it is.",
    idea="Scores are linear in the key, so no combination scores more than the best system key.",
    limits="At a fixed number m of tokens: the share may fall as m grows (dilution).",
)

_NEAREST = Instance(
    {"k": 2, "d": 2, "k_S": [[0, 0], [0, 2]], "u": [2, 1], "p": [0, 1], "s": Fraction(1, 2)},
    "the point (2, 1) is nearest to the segment from (0, 0) to (0, 2) at (0, 1)",
)


def _square(of: Function, less: Function) -> Term:
    return total(d, lambda c: (of(c) - less(c)) * (of(c) - less(c)))


def _towards(i: Numeric) -> Term:
    """The squared distance from u to the point at ``step`` on the way from p to a system key."""
    return total(
        d,
        lambda c: (u(c) - point(c) - step * (k_S(i, c) - point(c))) * (u(c) - point(c) - step * (k_S(i, c) - point(c))),
    )


SQUARE = _square(u, point)

NEAREST_POINT_SEPARATES = Theorem(
    name="nearest_point_separates",
    entry=24,
    claims=("C1",),
    sentence="If no small step from p towards a system key comes nearer to the key u, then the direction u - p "
    "separates u from all of the system's keys by half of |u - p|^2.",
    assumptions={
        "a step is positive": step > 0,
        "steps towards the system's keys are small": each(
            k, lambda i: step * total(d, lambda c: (k_S(i, c) - point(c)) * (k_S(i, c) - point(c))) <= SQUARE
        ),
        "none comes nearer": each(k, lambda i: SQUARE <= _towards(i)),
    },
    conclusion=each(
        k,
        lambda i: (
            total(d, lambda c: (u(c) - point(c)) * k_S(i, c)) + SQUARE / 2
            <= total(d, lambda c: (u(c) - point(c)) * u(c))
        ),
    ),
    about=("u", "p", "k_S"),
    witness=_NEAREST,
    sharp={
        "a step is positive": _NEAREST.but("no step at all", s=0, p=[0, 0], u=[0, 2]),
        "steps towards the system's keys are small": _NEAREST.but(
            "steps of 4 overshoot u, which is a system key", s=4, u=[0, 2], p=[0, 0]
        ),
        "none comes nearer": _NEAREST.but("p is a system key, and u another", p=[0, 0], u=[0, 2]),
    },
    probes=(_NEAREST.but("met", k=1, d=1, k_S=[[1]], p=[0], u=[2], s=4),),
    why="It closes the circle: the nearest point of the hull of the system's keys to a key outside gives the direction "
    "that query_ownership needs.",
    idea="The squared distance along the way from p to a key is a parabola that starts with the slope -2 (u - p)·(key "
    "- p); a positive inner product would make a small step an improvement.",
    limits="That a hull has a nearest point to any key is compactness (Boyd and Vandenberghe, Convex Optimization, "
    "2004, section 2.5.1), outside this theorem: it starts from the point.",
)

_BETWEEN = Instance(
    {"k": 2, "m": 1, "d": 1, "k_S": [[1], [-1]], "k_U": [[0]], "q": [Log(Fraction(2))]},
    "the adversary's key lies between the system's two",
)

OWNING_THE_QUERY_IS_ENOUGH = Theorem(
    name="owning_the_query_is_enough",
    entry=24,
    claims=("C1",),
    sentence="Whatever the keys, of two opposite queries one leaves the system at most an equal share, k / (k + m).",
    assumptions={"there is a token of each": both(k > 0, m > 0)},
    conclusion=either(owned_share(q) <= k / (k + m), owned_share(q, -1) <= k / (k + m)),
    about=("k_S", "k_U", "q"),
    expected="refuted",
    witness=_BETWEEN,
    refutation=_BETWEEN,
    why="Owning the query is no victory by itself: the keys have to stick out.",
    idea="A key between two others is never the best, and their exponentials are on average larger than its own.",
    limits="For a key outside the hull the share goes to 0 (query_ownership).",
)

THEOREMS = (
    QUERY_OWNERSHIP,
    QUERY_OWNERSHIP_ENDS_AT_THE_HULL,
    NEAREST_POINT_SEPARATES,
    OWNING_THE_QUERY_IS_ENOUGH,
)
