"""Why certificates prove what they claim: bounds of the gain over many assignments at once, and the rules on them.

The gain of an assignment to m slots is r + Σ_h N_h/D_h, with N_h = A[h] + Σ_i a[h, i] and D_h = B[h] + Σ_i b[h, i]:
A and B are the template's part, a[h, i] and b[h, i] what the token in slot i adds in head h. A certificate's node has
a set of candidates for each slot; b_lo[h, i] and b_hi[h, i] are bounds of b over it, so L_h <= D_h <= U_h. A node may
limit D_h to a range besides; then L_h and U_h are any limits that D_h keeps to. Theorems speak about any one
assignment: what they assume of its slots holds where every candidate meets it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from tokendemo_formal.logic.terms import (
    Function,
    Numeric,
    Term,
    both,
    each,
    either,
    function,
    implies,
    ite,
    larger,
    natural,
    real,
    smaller,
    some,
    sqrt,
    term,
    total,
)
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.theorems.setting import H, V, d, eps, m, n
from tokendemo_formal.theorems.theorem import Theorem

A = function("A")
B = function("B")
a = function("a", 2)
b = function("b", 2)
b_lo = function("b_lo", 2)
b_hi = function("b_hi", 2)
c = function("c")
top = function("top")
joint = function("joint")
w = function("w")
L = function("L")
U = function("U")
pull = function("p")
r = real("r")
q = natural("q")


Limit: TypeAlias = Callable[[Numeric], Term]
"""What D_h is not below, or not above."""


def numerator(h: Numeric) -> Term:
    """N_h, the numerator of head h's vote."""
    return A(h) + total(m, lambda i: a(h, i))


def denominator(h: Numeric) -> Term:
    """D_h, the denominator of head h's vote."""
    return B(h) + total(m, lambda i: b(h, i))


def least(h: Numeric) -> Term:
    """The least that D_h can be."""
    return B(h) + total(m, lambda i: b_lo(h, i))


def most(h: Numeric) -> Term:
    """The most that D_h can be."""
    return B(h) + total(m, lambda i: b_hi(h, i))


def phi(h: Numeric, x: Numeric, low: Limit = least, high: Limit = most) -> Term:
    """φ_h(x), the most that x/D_h can be."""
    return larger(term(x) / low(h), term(x) / high(h))


def spread(h: Numeric, x: Numeric, low: Limit = least, high: Limit = most) -> Term:
    """x times w[h] in a head that is bounded jointly, φ_h(x) in any other."""
    return ite(joint(h) > 0, w(h) * x, phi(h, x, low, high))


def fixed(h: Numeric) -> Term:
    """What the template's part of head h exceeds its share c[h] by."""
    return A(h) - c(h) * B(h)


def own(h: Numeric, i: Numeric) -> Term:
    """What slot i's part of head h exceeds its share c[h] by."""
    return a(h, i) - c(h) * b(h, i)


gain = r + total(H, lambda h: numerator(h) / denominator(h))


def slot_term(i: Numeric) -> Term:
    """T_i: what the token in slot i adds to the bound."""
    return total(H, lambda h: phi(h, own(h, i)))


def joint_slot_term(i: Numeric) -> Term:
    """S_w of slot i: what its token adds to the bound with joint heads."""
    return total(H, lambda h: spread(h, own(h, i)))


def pull_end(h: Numeric) -> Term:
    """E_h: the end of D_h's range from which head h is pulled, so that p_h (D_h - E_h) >= 0."""
    return ite(pull(h) >= 0, L(h), U(h))


def pulled_slot_term(i: Numeric) -> Term:
    """What slot i's token adds to the bound with joint heads and pulls, in the limits L and U."""
    return total(H, lambda h: spread(h, own(h, i), L, U) + pull(h) * b(h, i))


tops = total(m, lambda i: top(i))
bound = r + total(H, lambda h: c(h)) + total(H, lambda h: phi(h, fixed(h))) + tops
joint_bound = r + total(H, lambda h: c(h)) + total(H, lambda h: spread(h, fixed(h))) + tops
pulls = total(H, lambda h: pull(h) * (B(h) - pull_end(h)))
pulled_bound = r + total(H, lambda h: c(h)) + total(H, lambda h: spread(h, fixed(h), L, U)) + pulls + tops

_TABLES: dict[str, Term] = {
    "b_lo is at most b": each(H, lambda h: each(m, lambda i: b_lo(h, i) <= b(h, i))),
    "b_hi is at least b": each(H, lambda h: each(m, lambda i: b(h, i) <= b_hi(h, i))),
    "L is positive": each(H, lambda h: least(h) > 0),
}
_TOP = "top is at least each slot's term"
_SIGNS = "w of a joint head is 1/L where N > c D, and 1/U elsewhere"


def fitting(h: Numeric, low: Limit = least, high: Limit = most) -> Term:
    """w[h] is the choice that fits the sign of N_h - c_h D_h, if head h is bounded jointly."""
    fits = w(h).eq(ite(c(h) * denominator(h) < numerator(h), 1 / low(h), 1 / high(h)))
    return implies(joint(h) > 0, fits)


_TWO_HEADS = Instance(
    {
        "H": 2,
        "m": 2,
        "r": Fraction(-1, 2),
        "A": [1, -1],
        "B": [1, 1],
        "a": [[1, -2], [2, 0]],
        "b": [[1, 2], [2, 1]],
        "b_lo": [[1, 1], [1, 1]],
        "b_hi": [[2, 2], [2, 3]],
        "c": [0, Fraction(1, 2)],
        "top": [2, 0],
    },
    "two heads of votes 0 and 1/4, two slots",
)
_EXACT = _TWO_HEADS.but(
    "one candidate a slot: the bound is met",
    b_lo=[[1, 2], [2, 1]],
    b_hi=[[1, 2], [2, 1]],
    top=[Fraction(1, 2), Fraction(-5, 8)],
)

_SHARP = {
    "b_lo is at most b": _EXACT.but(
        "L = U = 19, where D = 4",
        b_lo=[[9, 9], [9, 9]],
        b_hi=[[9, 9], [9, 9]],
        c=[-1, Fraction(-1, 2)],
        top=[Fraction(5, 19), Fraction(1, 38)],
    ),
    "b_hi is at least b": _EXACT.but(
        "L = U = 1, where D = 4", b_lo=[[0, 0]] * 2, b_hi=[[0, 0]] * 2, c=[1, 1], top=[0, -5]
    ),
    "L is positive": Instance(
        {
            "H": 1,
            "m": 1,
            "r": 0,
            "A": [0],
            "B": [0],
            "a": [[-4]],
            "b": [[-1]],
            "b_lo": [[-2]],
            "b_hi": [[1]],
            "c": [0],
            "top": [2],
        },
        "D = -1 lies between L = -2 and U = 1",
    ),
}

LEAF_BOUND = Theorem(
    name="leaf_bound",
    entry=37,
    claims=(),
    sentence="The gain is at most r + Σ c_h + Σ φ_h(A_h - c_h B_h) + Σ_i top_i, where top_i bounds slot i's terms "
    "Σ_h φ_h(a_h - c_h b_h): a sum over slots, whatever c is.",
    assumptions={**_TABLES, _TOP: each(m, lambda i: slot_term(i) <= top(i))},
    conclusion=gain <= bound,
    about=("A", "B", "a", "b", "c", "top", "r"),
    witness=_TWO_HEADS,
    sharp={
        **_SHARP,
        _TOP: _EXACT.but("tops below the truth", top=[-1, -1]),
    },
    probes=(_EXACT,),
    why="One vector c bounds all assignments of a node at once, at the price of a table look-up; refusals are trees of "
    "such bounds.",
    idea="N/D = c + (N - c D)/D, and each part x of N - c D gives x/D <= φ(x), since L <= D <= U. Then sort by slot.",
    limits="How good it is depends on c and on how far U is from L; c is searched for, the bound holds for any.",
)

FILTER_IS_SOUND = Theorem(
    name="filter_is_sound",
    entry=37,
    claims=(),
    sentence="The gain is at most the leaf bound with any one slot's top replaced by the term of the token in that "
    "slot: where that is at most 0, no assignment with a token of such a term in that slot overrides.",
    assumptions={**_TABLES, _TOP: each(m, lambda i: slot_term(i) <= top(i))},
    conclusion=each(m, lambda i: gain <= bound - top(i) + slot_term(i)),
    about=("A", "B", "a", "b", "c", "top", "r"),
    witness=_TWO_HEADS,
    sharp={**_SHARP, _TOP: _EXACT.but("tops below the truth", top=[-1, -1])},
    probes=(_EXACT,),
    uses=("leaf_bound",),
    why="Dropping tokens that can't be in any override makes the candidate sets collapse and the bounds tight. All "
    "slots' tokens can be dropped at once, since each was shown to be in no override.",
    idea="The leaf bound holds with each top replaced by the term itself; put the tops back in all slots but one.",
    limits="The terms, the tops, L and U have to be those of one c and of the same candidate sets.",
)

_JOINT = _TWO_HEADS.but(
    "head 0 is bounded jointly, N > c D there, so w = 1/L",
    joint=[1, 0],
    c=[Fraction(-1, 2), Fraction(1, 2)],
    w=[Fraction(1, 3), 0],
    top=[1, 0],
)
_JOINT_EXACT = _JOINT.but(
    "one candidate a slot: the bound is met",
    b_lo=[[1, 2], [2, 1]],
    b_hi=[[1, 2], [2, 1]],
    w=[Fraction(1, 4), 0],
    top=[Fraction(5, 8), Fraction(-3, 8)],
)
_JOINT_SHARP = {
    **{name: instance.but(joint=[0, 0], w=[0, 0]) for name, instance in _SHARP.items()},
    _SIGNS: _JOINT_EXACT.but("w = -10", w=[-10, 0], top=[-14, 10]),
}
_JOINT_ASSUMPTIONS = {
    **_TABLES,
    _SIGNS: each(H, lambda h: fitting(h)),
    _TOP: each(m, lambda i: joint_slot_term(i) <= top(i)),
}

JOINT_LEAF_BOUND = Theorem(
    name="joint_leaf_bound",
    entry=37,
    claims=(),
    sentence="With some heads bounded jointly, the gain is at most the bound for one of the choices of w_h in "
    "{1/L_h, 1/U_h} for these heads, the one that fits the signs of N_h - c_h D_h; so it is at most the largest.",
    assumptions=_JOINT_ASSUMPTIONS,
    conclusion=gain <= joint_bound,
    about=("A", "B", "a", "b", "c", "w", "joint", "top", "r"),
    witness=_JOINT,
    sharp={**_JOINT_SHARP, _TOP: _JOINT_EXACT.but("tops below the truth", top=[-1, -1])},
    probes=(_JOINT_EXACT, _JOINT_EXACT.but("no head is joint", joint=[0, 0])),
    uses=("pulled_leaf_bound",),
    why="Within a head the positive and the negative parts of N - c D then meet the same denominator, which makes the "
    "bound tighter where parts cancel, for 2^J sums instead of one.",
    idea="It is the pulled bound in the candidates' own range, with no pull: (N - c D)/D is at most (N - c D)/L where "
    "N > c D, and at most (N - c D)/U elsewhere.",
    limits="The choices are 2 to the number of joint heads; the theorem speaks about the one that an assignment fits.",
)

JOINT_FILTER_IS_SOUND = Theorem(
    name="joint_filter_is_sound",
    entry=37,
    claims=(),
    sentence="With joint heads, the gain is at most the bound for the w that fits the signs, with any one slot's top "
    "replaced by the term of the token in that slot: where that is at most 0 for every w, the token is in no override.",
    assumptions=_JOINT_ASSUMPTIONS,
    conclusion=each(m, lambda i: gain <= joint_bound - top(i) + joint_slot_term(i)),
    about=("A", "B", "a", "b", "c", "w", "joint", "top", "r"),
    witness=_JOINT,
    sharp={**_JOINT_SHARP, _TOP: _JOINT_EXACT.but("tops below the truth", top=[-1, -1])},
    probes=(_JOINT_EXACT, _JOINT_EXACT.but("no head is joint", joint=[0, 0])),
    uses=("joint_leaf_bound",),
    why="Filters of certificates may bound heads jointly, too.",
    idea="The joint bound holds with each top replaced by the term itself; put the tops back in all slots but one.",
    limits="A token has to fail for every w, since which one fits is not known before the assignment is.",
)

_WITHIN = {
    "D is at least L": each(H, lambda h: L(h) <= denominator(h)),
    "D is at most U": each(H, lambda h: denominator(h) <= U(h)),
}
_PULLED_ASSUMPTIONS = {
    **_WITHIN,
    "L is positive": each(H, lambda h: L(h) > 0),
    _SIGNS: each(H, lambda h: fitting(h, L, U)),
    _TOP: each(m, lambda i: pulled_slot_term(i) <= top(i)),
}

_PULLED = Instance(
    {
        "H": 2,
        "m": 2,
        "r": Fraction(-1, 2),
        "A": [1, -1],
        "B": [1, 1],
        "a": [[1, -2], [2, 0]],
        "b": [[1, 2], [2, 1]],
        "L": [3, 3],
        "U": [5, 4],
        "c": [Fraction(-1, 2), Fraction(1, 2)],
        "p": [Fraction(1, 8), Fraction(-1, 8)],
        "joint": [1, 0],
        "w": [Fraction(1, 3), 0],
        "top": [1, 0],
    },
    "head 0 is bounded jointly and pulled from L, head 1 from U; D = 4 in both",
)
_PULLED_EXACT = _PULLED.but(
    "the limits leave D one value: the bound is met",
    L=[4, 4],
    U=[4, 4],
    w=[Fraction(1, 4), 0],
    top=[Fraction(1, 2), Fraction(-1, 4)],
)
_UNPULLED = _PULLED_EXACT.but(
    "no head is joint, none is pulled", joint=[0, 0], p=[0, 0], top=[Fraction(5, 8), Fraction(-3, 8)]
)
_PULLED_ENDS = _PULLED.but(
    "all votes are c, D is at the end it is pulled from: the bound is met",
    A=[1, -1],
    a=[[1, 2], [-2, -1]],
    L=[4, 3],
    c=[1, -1],
    joint=[0, 0],
    top=[Fraction(-1, 8), Fraction(1, 8)],
)
_PULLED_SHARP = {
    "D is at least L": _UNPULLED.but(
        "head 0 is pulled from L = 19, where D = 4", L=[19, 4], U=[19, 4], p=[1, 0], top=[2, 2]
    ),
    "D is at most U": _UNPULLED.but(
        "head 0 is pulled from U = 1, where D = 4", L=[1, 4], U=[1, 4], p=[-1, 0], c=[0, Fraction(1, 2)], top=[1, -3]
    ),
    "L is positive": Instance(
        {
            "H": 1,
            "m": 1,
            "r": 0,
            "A": [0],
            "B": [0],
            "a": [[-4]],
            "b": [[-1]],
            "L": [-2],
            "U": [1],
            "c": [0],
            "p": [0],
            "joint": [0],
            "w": [0],
            "top": [2],
        },
        "D = -1 lies between L = -2 and U = 1",
    ),
    _SIGNS: _PULLED_EXACT.but("w = -10", w=[-10, 0], top=[-14, 11]),
    _TOP: _PULLED_EXACT.but("tops below the truth", top=[-1, -1]),
}
_PULLED_ABOUT = ("A", "B", "a", "b", "c", "w", "joint", "L", "U", "p", "top", "r")

PULLED_LEAF_BOUND = Theorem(
    name="pulled_leaf_bound",
    entry=37,
    claims=(),
    sentence="Where L_h <= D_h <= U_h, by candidates or by a node's ranges, the gain is at most the bound with joint "
    "heads in these limits, with Σ_h p_h (D_h - E_h) added part by part, whatever the pulls p are: E_h is L_h where "
    "p_h >= 0, and U_h elsewhere.",
    assumptions=_PULLED_ASSUMPTIONS,
    conclusion=gain <= pulled_bound,
    about=_PULLED_ABOUT,
    witness=_PULLED,
    sharp=_PULLED_SHARP,
    probes=(_PULLED_EXACT, _PULLED_ENDS, _UNPULLED),
    why="Each slot's best token is taken by itself, and so the tokens that the bound takes together may leave a node's "
    "range; a pull charges them for it.",
    idea="(N - c D)/D is at most (N - c D)/L where N > c D, and at most (N - c D)/U elsewhere. Since L <= D <= U, each "
    "p (D - E) is at least 0; it is p (B - E) and p b of each slot, so it joins the sums.",
    limits="How good it is depends on p; p is searched for, the bound holds for any. Where L and U are the candidates' "
    "own ends, no pull lowers it.",
)

PULLED_FILTER_IS_SOUND = Theorem(
    name="pulled_filter_is_sound",
    entry=37,
    claims=(),
    sentence="With pulls, the gain is at most the bound for the w that fits the signs, with any one slot's top "
    "replaced by the term of the token in that slot: where that is at most 0 for every w, no assignment within the "
    "limits has the token there and overrides.",
    assumptions=_PULLED_ASSUMPTIONS,
    conclusion=each(m, lambda i: gain <= pulled_bound - top(i) + pulled_slot_term(i)),
    about=_PULLED_ABOUT,
    witness=_PULLED,
    sharp=_PULLED_SHARP,
    probes=(_PULLED_EXACT, _PULLED_ENDS, _UNPULLED),
    uses=("pulled_leaf_bound",),
    why="In a narrow range of D many tokens are in no override that are in one elsewhere.",
    idea="The pulled bound holds with each top replaced by the term itself; put the tops back in all slots but one.",
    limits="The token is dropped in this node alone: outside its ranges it may be in an override.",
)

at = real("at")


def below(h: Numeric) -> Term:
    """D_h keeps to its limits, and in head q to at most at B_q."""
    return both(L(h) <= denominator(h), denominator(h) <= ite(term(h).eq(q), smaller(U(h), at * B(h)), U(h)))


def above(h: Numeric) -> Term:
    """D_h keeps to its limits, and in head q to at least at B_q."""
    return both(ite(term(h).eq(q), larger(L(h), at * B(h)), L(h)) <= denominator(h), denominator(h) <= U(h))


_RANGE = Instance(
    {
        "H": 2,
        "m": 1,
        "q": 0,
        "B": [1, 1],
        "b": [[2], [3]],
        "L": [2, 4],
        "U": [6, 4],
        "at": 4,
    },
    "head 0's range from 2 to 6 is split at 4, and D = 3; head 1's is one value",
)

RANGE_COVERS = Theorem(
    name="range_covers",
    entry=37,
    claims=(),
    sentence="An assignment within a node's limits of D is within its first child's, where D_q is at most a multiple "
    "of B_q besides, or within its second child's, where it is at least that.",
    assumptions=_WITHIN,
    conclusion=either(each(H, lambda h: below(h)), each(H, lambda h: above(h))),
    about=("B", "b", "L", "U", "at"),
    witness=_RANGE,
    sharp={
        "D is at least L": _RANGE.but("D = 3 is below 5", L=[5, 4]),
        "D is at most U": _RANGE.but("D = 3 is above 2", U=[2, 4]),
    },
    probes=(_RANGE.but("the other side", b=[[4], [3]]),),
    why="So ranges can be split as candidates can, and a bound for both children is one for the node.",
    idea="D_q is at most a number or at least that; the other heads' limits stay as they are.",
    limits="None: D_q may be on both sides, and a side that no assignment is on does no harm.",
)

member = function("member", 2)
first = function("first")
second = function("second")
x = function("x")


def holds(i: Numeric, v: Numeric) -> Term:
    """Slot i holds the token v, which is one of its candidates."""
    return both(x(i).eq(v), member(i, v).eq(1))


def kept(side: Function, i: Numeric, v: Numeric) -> Term:
    """It does, and in slot q the token is of one side."""
    return both(holds(i, v), implies(term(i).eq(q), side(v).eq(1)))


def child(side: Function) -> Term:
    """The assignment is one of a child's, where slot q keeps the tokens of one side only."""
    return each(m, lambda i: some(V, lambda v: kept(side, i, v)))


_SPLIT = Instance(
    {
        "m": 2,
        "V": 3,
        "q": 1,
        "member": [[1, 1, 0], [0, 1, 1]],
        "first": [0, 1, 0],
        "second": [1, 0, 1],
        "x": [0, 2],
    },
    "slot 1 is split into token 1 and the rest, which is token 2",
)

SPLIT_COVERS = Theorem(
    name="split_covers",
    entry=37,
    claims=(),
    sentence="An assignment of a node's candidates is one of its first child's or of its second child's, where slot q "
    "keeps the tokens of one side only and the other slots all.",
    assumptions={
        "each slot holds one of its candidates": each(m, lambda i: some(V, lambda v: holds(i, v))),
        "each token is on one side": each(V, lambda v: either(first(v).eq(1), second(v).eq(1))),
    },
    conclusion=either(child(first), child(second)),
    about=("x", "member", "first", "second"),
    witness=_SPLIT,
    sharp={
        "each slot holds one of its candidates": _SPLIT.but("slot 0 holds no candidate", x=[2, 2]),
        "each token is on one side": _SPLIT.but("token 2 is on neither", second=[1, 0, 0]),
    },
    probes=(_SPLIT.but("the other side", x=[1, 1]),),
    why="So a bound for both children is one for the node: the tree's leaves together speak about all assignments.",
    idea="The token in slot q is on one side or the other; the other slots stay as they are.",
    limits="None: tokens of a side that are not candidates do no harm.",
)

y = function("y")
e = function("e")
e_eps = real("e_eps")
N_z = real("N_z")
beta = real("beta")
high = real("high")

sigma = sqrt(total(d, lambda j: y(j) * y(j)) / d + eps)
"""σ(z), what the final norm divides by; y = Pz is the residual stream, centred where the norm centres."""

tangent = total(d, lambda j: e(j) * y(j)) / sqrt(d) + e_eps * sqrt(eps)

_NORM = Instance(
    {
        "d": 1,
        "eps": 16,
        "y": [3],
        "e": [Fraction(3, 5)],
        "e_eps": Fraction(4, 5),
        "N_z": 10,
        "beta": 1,
        "high": 3,
    },
    "σ = 5, and e points where (y, √eps) does: the tangent is 5 as well; gain 3 meets its bound",
)

TANGENT_BOUND = Theorem(
    name="tangent_bound",
    entry=37,
    claims=(),
    sentence="With a final norm and κ = bound - β >= 0, replacing σ(z) by a tangent ⟨e, Pz⟩/√d + e' √eps, with (e, e') "
    "of length at most 1, is safe: where N(z) - κ tangent <= 0, the gain N(z)/σ(z) + β is at most the bound.",
    assumptions={
        "eps is at least 0": eps >= 0,
        "the norm divides by something": total(d, lambda j: y(j) * y(j)) + d * eps > 0,
        "e is of length at most 1": total(d, lambda j: e(j) * e(j)) + e_eps * e_eps <= 1,
        "kappa is at least 0": beta <= high,
    },
    conclusion=both(
        tangent <= sigma,
        implies(N_z - (high - beta) * tangent <= 0, N_z / sigma + beta <= high),
    ),
    about=("y", "e", "eps", "N_z", "beta", "high"),
    witness=_NORM,
    sharp={
        "eps is at least 0": _NORM.but("a root of -5", eps=-5),
        "the norm divides by something": _NORM.but("0/0", y=[0], eps=0, N_z=0),
        "e is of length at most 1": _NORM.but("length √2", e=[1], e_eps=1),
        "kappa is at least 0": _NORM.but("a tangent of 0 instead of σ", e=[0], e_eps=0, N_z=-5, high=-1),
    },
    probes=(_NORM.but("far from the tangent", e=[0], e_eps=0, N_z=0),),
    why="The gain through a norm is no sum over slots; the tangent's is, so leaves and filters work on it.",
    idea="Cauchy-Schwarz: 2 σ ⟨e, x⟩ <= σ² |e|² + |x|² term by term, with x = (Pz/√d, √eps) of length σ.",
    limits="It is good where the stream points along e; for κ < 0 the inequality is turned round (deviation_bound).",
)

z_own = function("z_own")
z = function("z", 3)
weight = function("weight", 2)
R_own = real("R_own")
R = function("R")


def head_part(h: Numeric, j: Numeric) -> Term:
    """Coordinate j of what head h adds to the stream: its n tokens' parts z[h, i, j], by weight."""
    return total(n, lambda i: weight(h, i) * z(h, i, j))


def stream(j: Numeric) -> Term:
    """Coordinate j of the centred residual stream Pz: the reader's own part and the heads'."""
    return z_own(j) + total(H, lambda h: head_part(h, j))


reach = R_own + total(H, lambda h: R(h))
stream_sigma = sqrt(total(d, lambda j: stream(j) * stream(j)) / d + eps)
sigma_hat = sqrt(reach * reach / d + eps)

_ALIGNED = Instance(
    {
        "d": 1,
        "eps": 16,
        "H": 1,
        "n": 2,
        "z_own": [1],
        "z": [[[2], [2]]],
        "weight": [[Fraction(1, 2), Fraction(1, 2)]],
        "R_own": 1,
        "R": [2],
        "N_z": -10,
        "beta": 1,
        "high": -1,
    },
    "all parts point one way: σ = σ̂ = 5; gain -1 meets its bound",
)

DEVIATION_BOUND = Theorem(
    name="deviation_bound",
    entry=37,
    claims=(),
    sentence="With a final norm and κ = bound - β <= 0, replacing σ(z) by the σ̂ of the longest stream that can be is "
    "safe: σ(z) <= σ̂, and where N(z) - κ σ̂ <= 0, the gain N(z)/σ(z) + β is at most the bound.",
    assumptions={
        "the norm divides by something": total(d, lambda j: stream(j) * stream(j)) + d * eps > 0,
        "weights are at least 0 and add up to at most 1": each(
            H, lambda h: both(each(n, lambda i: weight(h, i) >= 0), total(n, lambda i: weight(h, i)) <= 1)
        ),
        "the reader's own part is of length at most R_own": both(
            R_own >= 0, total(d, lambda j: z_own(j) * z_own(j)) <= R_own * R_own
        ),
        "a token's part of head h is of length at most R[h]": each(
            H,
            lambda h: both(R(h) >= 0, each(n, lambda i: total(d, lambda j: z(h, i, j) * z(h, i, j)) <= R(h) * R(h))),
        ),
        "kappa is at most 0": high <= beta,
    },
    conclusion=both(
        stream_sigma <= sigma_hat,
        implies(N_z - (high - beta) * sigma_hat <= 0, N_z / stream_sigma + beta <= high),
    ),
    about=("z_own", "z", "weight", "R", "eps", "N_z", "beta", "high"),
    witness=_ALIGNED,
    sharp={
        "the norm divides by something": _ALIGNED.but("0/0", z_own=[-2], R_own=2, eps=0),
        "weights are at least 0 and add up to at most 1": _ALIGNED.but("weights 1 and 1", weight=[[1, 1]]),
        "the reader's own part is of length at most R_own": _ALIGNED.but("own part 2", z_own=[2]),
        "a token's part of head h is of length at most R[h]": _ALIGNED.but("parts of length 4", z=[[[4], [4]]]),
        "kappa is at most 0": _ALIGNED.but("a longer σ̂ for κ > 0", R=[9], N_z=15, high=3),
    },
    probes=(_ALIGNED.but("far from it", z=[[[-2], [2]]], N_z=-20),),
    why="A bound below what the norm's bias gives asks how large σ may be, not how small.",
    idea="A weighted mean of vectors is no longer than the longest, a sum no longer than the lengths' sum.",
    limits="σ̂ is the same for all assignments, so the bound is loose where streams differ much in length.",
)

k = function("k")
l_lo = function("l")
l_hi = function("u")


def psi(h: Numeric, x: Numeric) -> Term:
    """The most that x D_0/D_h can be, where D_h/D_0 is between l and u."""
    return larger(term(x) / l_lo(h), term(x) / l_hi(h))


def corner(h: Numeric) -> Term:
    """The least that k D_h/D_0 can be."""
    return smaller(k(h) * l_lo(h), k(h) * l_hi(h))


def slot_part(h: Numeric, i: Numeric) -> Term:
    """What head h adds to the value of the token in slot i."""
    return psi(h, own(h, i)) + k(h) * b(h, i)


def template_part(h: Numeric) -> Term:
    """What head h adds to the template's value."""
    return psi(h, fixed(h)) + k(h) * B(h)


level = r + total(H, lambda h: c(h) - corner(h))


def slot_value(i: Numeric) -> Term:
    """q of the token in slot i."""
    return b(0, i) * level + total(H, lambda h: slot_part(h, i))


template_value = B(0) * level + total(H, lambda h: template_part(h))

_FIRST = "the first head's denominator is positive"
_BOX = "the ratios are in the box"
_SLOTS = "no token's value is above 0"
_OWN = "the template's value is not above 0"

_MIXED = Instance(
    {
        "H": 2,
        "m": 1,
        "r": Fraction(-1, 2),
        "A": [0, 0],
        "B": [1, 1],
        "a": [[1], [-1]],
        "b": [[1], [1]],
        "c": [0, 0],
        "k": [0, 0],
        "l": [1, 1],
        "u": [1, 1],
    },
    "one token of votes 1 and -1, and both heads' denominators the same",
)

CONE_BOUND = Theorem(
    name="cone_bound",
    entry=37,
    claims=(),
    sentence="Where each ratio D_h/D_0 lies between l_h and u_h, and for some c and k the value b_0 (r + Σ_h [c_h - "
    "min(k_h l_h, k_h u_h)]) + Σ_h [max(z_h/l_h, z_h/u_h) + k_h b_h], with z_h = a_h - c_h b_h, is at most 0 for the "
    "template and for the token in each slot, the gain is at most 0: whatever the number of slots.",
    assumptions={
        _FIRST: denominator(0) > 0,
        _BOX: each(
            H,
            lambda h: both(
                l_lo(h) > 0,
                l_lo(h) * denominator(0) <= denominator(h),
                denominator(h) <= l_hi(h) * denominator(0),
            ),
        ),
        _SLOTS: each(m, lambda i: slot_value(i) <= 0),
        _OWN: template_value <= 0,
    },
    conclusion=gain <= 0,
    about=("A", "B", "a", "b", "r"),
    witness=_MIXED,
    sharp={
        _FIRST: Instance(
            {
                "H": 1,
                "m": 1,
                "r": 1,
                "A": [0],
                "B": [-1],
                "a": [[0]],
                "b": [[0]],
                "c": [0],
                "k": [0],
                "l": [1],
                "u": [1],
            },
            "D_0 = -1 turns the values' signs around",
        ),
        _BOX: _MIXED.but(
            "the ratio is 1/10, not 1/1000",
            a=[[10], [Fraction(-1, 10)]],
            b=[[10], [Fraction(1, 10)]],
            l=[1, Fraction(1, 1000)],
            u=[1, Fraction(1, 1000)],
        ),
        _SLOTS: _MIXED.but("a token of votes 2 and 0", a=[[2], [0]]),
        _OWN: _MIXED.but("a template of votes 4 and 0", A=[4, 0]),
    },
    probes=(_MIXED.but("a wide box, and k", r=-1, k=[0, Fraction(1, 4)], l=[1, Fraction(1, 2)], u=[1, 2]),),
    why="Without positions a token's value is the same in every slot, so finitely many values rule out overrides of "
    "every length: boxes that cover all ratios prove that no number of tokens overrides.",
    idea="D_0 times the gain is at most the sum of the values: x D_0/D_h is at most max(x/l, x/u), and k D_h at least "
    "min(k l, k u) D_0.",
    limits="It needs numbers that don't depend on the slot. Where a box is a point, the best c and k give the largest "
    "gain of all mixtures with these ratios; in wide boxes the bound is loose.",
)

THEOREMS = (
    LEAF_BOUND,
    FILTER_IS_SOUND,
    JOINT_LEAF_BOUND,
    JOINT_FILTER_IS_SOUND,
    PULLED_LEAF_BOUND,
    PULLED_FILTER_IS_SOUND,
    RANGE_COVERS,
    SPLIT_COVERS,
    TANGENT_BOUND,
    DEVIATION_BOUND,
    CONE_BOUND,
)
