"""Norms bound the scores: by numbers that the weights alone determine, at any depth and for any content.

A head reads two states of d coordinates, the query's and the key's, each after its norm. With the norm's gain and
shift folded into the head's weights, the query has d_head coordinates Σ_c W_Q[e, c] u[c] + b_Q[e], the key likewise;
the content score is ``scale`` times their inner product (scale = 1/√d_head as a rule).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from tokendemo_formal.logic.terms import (
    Function,
    Numeric,
    Term,
    absolute,
    both,
    cos,
    each,
    exp,
    function,
    natural,
    real,
    sin,
    sqrt,
    term,
    total,
)
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.theorems.setting import d, k, m
from tokendemo_formal.theorems.theorem import Theorem

d_head = natural("d_head")
scale = real("scale")
W_Q, W_K = function("W_Q", 2), function("W_K", 2)
b_Q, b_K = function("b_Q"), function("b_K")
u, v = function("u"), function("v")
x, y = function("x"), function("y")
x_S, x_U = function("x_S", 2), function("x_U", 2)
g_Q, g_K = function("g_Q"), function("g_K")
phi, planes = function("phi"), natural("planes")
delta = real("delta")
gain = real("G")

State = Callable[[Numeric], Term]
"""A state by its coordinates."""


def row(weights: Function, bias: Function, state: State, e: Numeric) -> Term:
    """Coordinate e of a head's query or key."""
    return total(d, lambda c: weights(e, c) * state(c)) + bias(e)


def row_bound(weights: Function, bias: Function, e: Numeric) -> Term:
    """What it can be at most, in absolute value, for states of a length of at most √d."""
    return sqrt(d) * sqrt(total(d, lambda c: weights(e, c) * weights(e, c))) + absolute(bias(e))


def score(query: State, key: State) -> Term:
    """The content score of two normed states."""
    return scale * total(d_head, lambda e: row(W_Q, b_Q, query, e) * row(W_K, b_K, key, e))


BOUND = absolute(scale) * total(d_head, lambda e: row_bound(W_Q, b_Q, e) * row_bound(W_K, b_K, e))
"""The number computed from the weights."""


def square_sum(state: State) -> Term:
    """The squared length of a state."""
    return total(d, lambda c: state(c) * state(c))


def centred(state: State) -> State:
    """The state less its mean."""
    mean = total(d, state) / d
    return lambda c: state(c) - mean


def layernorm(state: State) -> State:
    """The centred state by the root of its variance plus delta."""
    return rmsnorm(centred(state))


def rmsnorm(state: State) -> State:
    """The state by the root of its mean square plus delta."""
    return lambda c: state(c) / sqrt(square_sum(state) / d + delta)


_HEAD = {
    "d": 4,
    "d_head": 2,
    "scale": Fraction(1, 2),
    "W_Q": [[1, 1, 1, 1], [2, 0, 0, 0]],
    "W_K": [[1, -1, 1, -1], [0, 0, 0, 0]],
    "b_Q": [1, 0],
    "b_K": [0, -3],
}
_NORMED = Instance({**_HEAD, "u": [1, 1, -1, 1], "v": [1, 0, 1, 0]}, "a head of two coordinates, states of four")
_MET = {**_HEAD, "d_head": 1, "W_Q": [[1, 1, 1, 1]], "W_K": [[1, -1, 1, -1]], "b_Q": [2], "b_K": [-1]}

NORMED_STATES_BOUND_THE_SCORES = Theorem(
    name="normed_states_bound_the_scores",
    entry=35,
    claims=("C5",),
    sentence="A head that reads states of a squared length of at most d has content scores bounded by a number that "
    "its weights determine.",
    assumptions={
        "the query's state is short": square_sum(u) <= d,
        "the key's state is short": square_sum(v) <= d,
    },
    conclusion=absolute(score(u, v)) <= BOUND,
    about=("W_Q", "W_K", "u", "v"),
    witness=_NORMED,
    sharp={
        "the query's state is short": _NORMED.but("a query state of length 200", u=[100] * 4, v=[1, -1, 1, -1]),
        "the key's state is short": _NORMED.but("a key state of length 200", u=[1] * 4, v=[100, -100, 100, -100]),
    },
    probes=(Instance({**_MET, "u": [1, 1, 1, 1], "v": [-1, 1, -1, 1]}, "met: states along the weights"),),
    why="Bounded scores are what every floor of the system's share rests on.",
    idea="Each coordinate of query and key is an inner product, bounded by the product of the lengths "
    "(Cauchy-Schwarz).",
    limits="The sum over coordinates is bounded term by term: a head whose coordinates can't all be large at once has "
    "a smaller range.",
)

_LAYER = Instance(
    {**_HEAD, "x": [5, -3, 5, -3], "y": [0, 8, 0, 8], "delta": 9}, "two states of the variance 16; 16 + 9 = 5²"
)
_NEARLY = {
    **_MET,
    "x": [999, 999, 999, 999],
    "y": [-999, 999, -999, 999],
    "delta": 1000**2 - 999**2,
}
_NEARLY_CENTRED = {**_NEARLY, "W_Q": [[1, -1, 1, -1]], "x": [999, -999, 999, -999]}
_BIASES = {**_MET, "W_Q": [[0] * 4], "W_K": [[0] * 4]}

LAYERNORM_BOUNDS_THE_SCORES = Theorem(
    name="layernorm_bounds_the_scores",
    entry=35,
    claims=("C5",),
    sentence="A head behind LayerNorm has content scores bounded by a number that its weights determine, at any depth "
    "and for any content.",
    assumptions={"the norm's delta is positive": delta > 0},
    conclusion=absolute(score(layernorm(x), layernorm(y))) <= BOUND,
    about=("W_Q", "W_K", "x", "y"),
    witness=_LAYER,
    sharp={
        "the norm's delta is positive": _LAYER.but("a constant state has no LayerNorm without it", delta=0, x=[1] * 4)
    },
    probes=(
        Instance(_NEARLY_CENTRED, "nearly met: large states along the weights"),
        Instance({**_BIASES, "x": [5, -3, 5, -3], "y": [0, 8, 0, 8], "delta": 9}, "met: the biases alone"),
    ),
    uses=("normed_states_bound_the_scores",),
    why="In a deep model with norms nobody, whatever they write, gets scores beyond that number: so shares of "
    "attention have floors up to any length.",
    idea="LayerNorm's output has a squared length below d, whatever comes in.",
    limits="The number is often so large that the floor means nothing; biases of positions come on top.",
)

RMSNORM_BOUNDS_THE_SCORES = Theorem(
    name="rmsnorm_bounds_the_scores",
    entry=35,
    claims=("C5",),
    sentence="A head behind RMSNorm has content scores bounded by a number that its weights determine, at any depth "
    "and for any content.",
    assumptions={"the norm's delta is positive": delta > 0},
    conclusion=absolute(score(rmsnorm(x), rmsnorm(y))) <= BOUND,
    about=("W_Q", "W_K", "x", "y"),
    witness=_LAYER.but("two states of the mean squares 16 and 16", x=[4, -4, 4, 4], y=[4] * 4),
    sharp={"the norm's delta is positive": _LAYER.but("the state 0 has no RMSNorm without it", delta=0, x=[0] * 4)},
    probes=(
        Instance(_NEARLY, "nearly met: large states along the weights"),
        Instance({**_BIASES, "x": [4, -4, 4, 4], "y": [4] * 4, "delta": 9}, "met: the biases alone"),
    ),
    uses=("normed_states_bound_the_scores",),
    why="What LayerNorm does for GPT-2, RMSNorm does for Llama.",
    idea="RMSNorm's output has a squared length below d, whatever comes in.",
    limits="Rotary positions come after the norm: with them see normed_states_bound_rotary_scores.",
)


def plane_bound(weights: Function, bias: Function, i: Numeric) -> Term:
    """The most that coordinates 2 i and 2 i + 1 of a query or key can be together, as a length."""
    first, second = row_bound(weights, bias, 2 * term(i)), row_bound(weights, bias, 2 * term(i) + 1)
    return sqrt(first * first + second * second)


def plane_score(query: State, key: State, i: Numeric) -> Term:
    """The inner product in plane i, coordinates 2 i and 2 i + 1, after the key is turned by phi[i] against the "
    "query."""
    first, second = 2 * term(i), 2 * term(i) + 1
    q_1, q_2 = row(W_Q, b_Q, query, first), row(W_Q, b_Q, query, second)
    k_1, k_2 = row(W_K, b_K, key, first), row(W_K, b_K, key, second)
    return (q_1 * k_1 + q_2 * k_2) * cos(phi(i)) + (q_1 * k_2 - q_2 * k_1) * sin(phi(i))


ROTARY_BOUND = absolute(scale) * total(planes, lambda i: plane_bound(W_Q, b_Q, i) * plane_bound(W_K, b_K, i))

_PLANE = Instance({**_HEAD, "planes": 1, "u": [1, 1, -1, 1], "v": [1, 0, 1, 0], "phi": [0]}, "one plane, not turned")
_TURNED = Instance(
    {**_MET, "W_Q": [[1, 1, 1, 1], [0] * 4], "b_Q": [2, 0], "W_K": [[1, -1, 1, -1], [0] * 4], "b_K": [-1, 0],
     "planes": 1, "u": [1, 1, 1, 1], "v": [-1, 1, -1, 1], "phi": [0]},
    "met: states along the weights, not turned",
)  # fmt: skip

NORMED_STATES_BOUND_ROTARY_SCORES = Theorem(
    name="normed_states_bound_rotary_scores",
    entry=35,
    claims=("C4", "C5"),
    sentence="With rotary positions, too, a head that reads states of a squared length of at most d has scores bounded "
    "by a number that its weights determine, at any distance.",
    assumptions={
        "the query's state is short": square_sum(u) <= d,
        "the key's state is short": square_sum(v) <= d,
    },
    conclusion=absolute(scale * total(planes, lambda i: plane_score(u, v, i))) <= ROTARY_BOUND,
    about=("W_Q", "W_K", "u", "v", "phi"),
    witness=_PLANE,
    sharp={
        "the query's state is short": _TURNED.but("a query state of length 200", u=[100] * 4),
        "the key's state is short": _TURNED.but("a key state of length 200", v=[-100, 100, -100, 100]),
    },
    probes=(_TURNED,),
    why="RMSNorm with rotary positions is how Llama reads: the bound holds wherever the tokens stand.",
    idea="Turning a plane keeps lengths, so in each plane the inner product is at most the product of the lengths.",
    limits="Coordinates are paired as neighbours; other pairings are the same after renaming.",
)


def qk_normed(state: Function, gains: Function, e: Numeric) -> Term:
    """Coordinate e of a query or key after QK-norm."""
    mean_square = total(d_head, lambda c: state(c) * state(c)) / d_head
    return gains(e) * (state(e) / sqrt(mean_square + delta))


_QK = Instance(
    {
        "d_head": 4,
        "scale": Fraction(1, 2),
        "delta": 9,
        "x": [4, -4, 4, 4],
        "y": [4, 4, 4, 4],
        "g_Q": [1, 2, 1, 1],
        "g_K": [1, 1, -2, 1],
        "G": 2,
    },
    "a query and a key of the mean square 16, gains of 1 and 2",
)

QK_NORM_BOUNDS_THE_SCORES = Theorem(
    name="qk_norm_bounds_the_scores",
    entry=35,
    claims=("C5",),
    sentence="QK-norm bounds a head's content scores by the scale times d_head times the largest product of gains, "
    "whatever the query and the key.",
    assumptions={
        "products of gains are at most G": each(d_head, lambda e: absolute(g_Q(e) * g_K(e)) <= gain),
        "the norm's delta is positive": delta > 0,
    },
    conclusion=absolute(scale * total(d_head, lambda e: qk_normed(x, g_Q, e) * qk_normed(y, g_K, e)))
    <= absolute(scale) * gain * d_head,
    about=("x", "y", "g_Q", "g_K"),
    witness=_QK,
    sharp={
        "products of gains are at most G": _QK.but("gains of 10", g_Q=[10] * 4, g_K=[10] * 4, x=[4] * 4),
        "the norm's delta is positive": _QK.but("the query 0", x=[0] * 4, delta=0),
    },
    probes=(
        _QK.but("nearly met", x=[999] * 4, y=[999] * 4, delta=1000**2 - 999**2, g_Q=[1] * 4, g_K=[2] * 4),
        _QK.but("met: a head without coordinates", d_head=0),
    ),
    why="With QK-norm an adversary that owns the query, too, has bounded scores.",
    idea="Both vectors have a squared length of at most d_head after the norm; Cauchy-Schwarz.",
    limits="It bounds the content score; positions come after the norm.",
)


def normed_score(key: State) -> Term:
    """The content score of a key's state for the query state x, both behind LayerNorm."""
    return score(layernorm(x), layernorm(key))


SYSTEM_MASS = total(k, lambda i: exp(normed_score(lambda c: x_S(i, c))))
ADVERSARY_MASS = total(m, lambda j: exp(normed_score(lambda c: x_U(j, c))))
NORMED_SHARE = SYSTEM_MASS / (SYSTEM_MASS + ADVERSARY_MASS)

_SHARE = Instance(
    {**_BIASES, "k": 2, "m": 3, "delta": 9, "b_Q": [0], "x": [5, -3, 5, -3], "x_S": [[0, 8, 0, 8], [5, -3, 5, -3]],
     "x_U": [[0, 8, 0, 8]] * 3},
    "a head that scores everything 0: both bounds are the share 2/5",
)  # fmt: skip
_LOUD = Instance(
    {
        **_SHARE.values,
        "W_Q": [[Fraction(1, 4), Fraction(-1, 4), Fraction(1, 4), Fraction(-1, 4)]],
        "W_K": [[1, -1, 1, -1]],
        "b_K": [0],
        "scale": 1,
    },
    "scores that vary",
)

LAYERNORM_BOUNDS_THE_SHARE = Theorem(
    name="layernorm_bounds_the_share",
    entry=35,
    claims=("C2", "C5"),
    sentence="For every head behind LayerNorm, at any depth, the system's positions have a share of attention between "
    "a floor and a ceiling that the head's weights and the two lengths determine.",
    assumptions={"the norm's delta is positive": delta > 0, "there is a token": k + m > 0},
    conclusion=both(
        k * exp(-BOUND) / (k * exp(-BOUND) + m * exp(BOUND)) <= NORMED_SHARE,
        NORMED_SHARE <= k * exp(BOUND) / (k * exp(BOUND) + m * exp(-BOUND)),
    ),
    about=("W_Q", "W_K", "x", "x_S", "x_U"),
    witness=_LOUD,
    sharp={
        "the norm's delta is positive": _SHARE.but("a constant state has no LayerNorm without it", delta=0, x=[1] * 4),
        "there is a token": _SHARE.but("nothing at all", k=0, m=0),
    },
    probes=(_SHARE,),
    uses=("layernorm_bounds_the_scores", "dilution"),
    why="Dilution and its floor hold with D twice the number, for any content: the floor falls with the length m, and "
    "with nothing else.",
    idea="Put -B and B for lo and hi.",
    limits="At depth the system's positions may carry what the adversary wrote into their states. Without biases of "
    "positions.",
)

THEOREMS = (
    NORMED_STATES_BOUND_THE_SCORES,
    LAYERNORM_BOUNDS_THE_SCORES,
    RMSNORM_BOUNDS_THE_SCORES,
    NORMED_STATES_BOUND_ROTARY_SCORES,
    QK_NORM_BOUNDS_THE_SCORES,
    LAYERNORM_BOUNDS_THE_SHARE,
)
