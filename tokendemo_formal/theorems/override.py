"""When adversary tokens override the system: one head in closed form, several heads only bounded."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from tokendemo_formal.logic.terms import (
    Numeric,
    Term,
    both,
    each,
    exp,
    function,
    iff,
    implies,
    real,
    some,
    total,
)
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems.setting import (
    E_S,
    N_S,
    H,
    V,
    a_U,
    a_V,
    ah_S,
    ah_U,
    ah_V,
    from_vocabulary,
    k,
    m,
    margin,
    n,
    s_U,
    s_V,
    sh_S,
    sh_U,
    sh_V,
    surplus,
    tau,
    votes,
)
from tokendemo_formal.theorems.theorem import Theorem

g = real("g")


def vote(v: Numeric) -> Term:
    """What one copy of the vocabulary's token v takes from the system's surplus."""
    return exp(s_V(v)) * (tau - a_V(v))


def copies(count: Numeric, v: Numeric) -> Term:
    """The margin where the adversary's tokens are so many copies of v."""
    return (N_S + total(count, lambda j: exp(s_V(v)) * a_V(v))) / (E_S + total(count, lambda j: exp(s_V(v))))


_LINEAR = Instance(
    {
        "k": 2,
        "m": 3,
        "tau": Fraction(1, 4),
        "s_S": [Log(Fraction(4)), Log(Fraction(2))],
        "a_S": [1, Fraction(1, 2)],
        "s_U": [0, 0, Log(Fraction(3))],
        "a_U": [-1, 0, -2],
    },
    "margin -2/11: system tokens of weight 4 and 2, adversary tokens of weight 1, 1 and 3",
)

OVERRIDE_IS_LINEAR = Theorem(
    name="override_is_linear",
    entry=4,
    claims=("C3",),
    sentence="With one head, the adversary overrides exactly if its votes e^s (tau - a) add up to more than the "
    "system's surplus of e^s (a - tau).",
    assumptions={"there is a token": k + m > 0},
    conclusion=iff(margin < tau, surplus < votes),
    about=("s_S", "a_S", "s_U", "a_U", "tau"),
    witness=_LINEAR,
    sharp={"there is a token": _LINEAR.but("no attention without tokens", k=0, m=0)},
    probes=(
        _LINEAR.but("a tie is not an override", tau=Fraction(-2, 11)),
        _LINEAR.but("just overridden", tau=Fraction(-2, 11) + Fraction(1, 1000)),
        _LINEAR.but("the system holds", tau=Fraction(-1, 2)),
    ),
    why="Softmax is not linear, yet whether it crosses a threshold is a count of votes: no search is needed.",
    idea="Multiply f < tau by the denominator Z, which is positive, and sort by token.",
    limits="One head and a readout that is linear in the values. Scores may depend on positions in any way: s_S and "
    "s_U are then the scores where the tokens stand.",
)

s_C = function("s_C", 2)
a_C = function("a_C", 2)
top = function("top")

_TWO_SLOTS = Instance(
    {
        "k": 1,
        "m": 2,
        "V": 2,
        "tau": Fraction(1, 2),
        "s_S": [Log(Fraction(4))],
        "a_S": [1],
        "s_C": [[0, Log(Fraction(2))], [Log(Fraction(3)), 0]],
        "a_C": [[-1, 0], [0, 1]],
        "top": [Fraction(3, 2), Fraction(3, 2)],
        "s_U": [0, Log(Fraction(3))],
        "a_U": [-1, 0],
    },
    "surplus 2 against the slots' largest votes 3/2 and 3/2",
)

OVERRIDE_SEPARATES_BY_SLOT = Theorem(
    name="override_separates_by_slot",
    entry=4,
    claims=("C3", "C4"),
    sentence="With one head and any positions, some assignment overrides exactly if each slot's own best token does: "
    "the largest votes of the slots add up to more than the system's surplus.",
    assumptions={
        "there is a token": k + m > 0,
        "each slot takes one of the vocabulary's tokens": each(
            m, lambda j: some(V, lambda v: both(s_U(j).eq(s_C(j, v)), a_U(j).eq(a_C(j, v))))
        ),
        "no token's vote exceeds its slot's largest": each(
            m, lambda j: each(V, lambda v: exp(s_C(j, v)) * (tau - a_C(j, v)) <= top(j))
        ),
    },
    conclusion=both(
        implies(margin < tau, surplus < total(m, lambda j: top(j))),
        implies(
            both(
                each(m, lambda j: (exp(s_U(j)) * (tau - a_U(j))).eq(top(j))),
                surplus < total(m, lambda j: top(j)),
            ),
            margin < tau,
        ),
    ),
    about=("s_S", "a_S", "top"),
    witness=_TWO_SLOTS,
    sharp={
        "there is a token": _TWO_SLOTS.but("no attention without tokens", k=0, m=0),
        "each slot takes one of the vocabulary's tokens": _TWO_SLOTS.but(
            "a token of weight 100 that is not in the vocabulary",
            a_S=[2],
            s_U=[Log(Fraction(100)), 0],
        ),
        "no token's vote exceeds its slot's largest": _TWO_SLOTS.but("tops below the truth", top=[0, 0]),
    },
    probes=(
        _TWO_SLOTS.but("just overridden", a_S=[Fraction(5, 4) - Fraction(1, 1000)]),
        _TWO_SLOTS.but("a tie", a_S=[Fraction(5, 4)]),
    ),
    uses=("override_is_linear",),
    why="Positions make a token's score and value depend on the slot, but they do not make one head harder: m separate "
    "maxima over the vocabulary, linear time.",
    idea="The votes are a sum over slots, and each slot's token enters one term only.",
    limits="One head. With several, a slot's best token depends on the other slots (one_repeated_token_is_enough).",
)

_BY_REPETITION = Instance(
    {
        "k": 2,
        "m": 3,
        "n": 3,
        "V": 2,
        "tau": Fraction(1, 2),
        "g": Fraction(1, 2),
        "s_S": [Log(Fraction(3)), Log(Fraction(2))],
        "a_S": [1, Fraction(1, 2)],
        "s_V": [0, Log(Fraction(3))],
        "a_V": [0, 1],
        "s_U": [0, Log(Fraction(3)), 0],
        "a_U": [0, 1, 0],
    },
    "surplus 3/2, largest vote 1/2: three copies tie, four override",
)

MINIMUM_OVERRIDE_LENGTH = Theorem(
    name="minimum_override_length",
    entry=5,
    claims=("C3",),
    sentence="In plain attention with one head, surplus P and largest vote g, the shortest override has 0 tokens if "
    "P < 0, does not exist if P >= 0 and g <= 0, and else has floor(P/g) + 1 tokens, all the same.",
    assumptions={
        "there is a token": k + m > 0,
        "the adversary's tokens are the vocabulary's": from_vocabulary(),
        "no token's vote exceeds g": each(V, lambda v: vote(v) <= g),
        "some token's vote is g": some(V, lambda v: vote(v).eq(g)),
    },
    conclusion=both(
        implies(surplus < 0, N_S / E_S < tau),
        implies(both(surplus >= 0, g <= 0), margin >= tau),
        implies(m * g <= surplus, margin >= tau),
        implies(surplus < m * g, some(V, lambda v: copies(m, v) < tau)),
        # n is the floor of P/g
        implies(
            both(g > 0, n * g <= surplus, surplus < (n + 1) * g),
            both(implies(m <= n, margin >= tau), implies(n < m, some(V, lambda v: copies(m, v) < tau))),
        ),
    ),
    about=("s_S", "a_S", "s_U", "a_U", "s_V", "a_V", "m"),
    witness=_BY_REPETITION,
    sharp={
        "there is a token": _BY_REPETITION.but("no attention without tokens", k=0, m=0),
        "the adversary's tokens are the vocabulary's": _BY_REPETITION.but(
            "three tokens of readout -1, which no token of the vocabulary has", s_U=[0, 0, 0], a_U=[-1, -1, -1]
        ),
        "no token's vote exceeds g": _BY_REPETITION.but(
            "g is the smaller vote: the other is 3/2",
            g=Fraction(-3, 2),
            a_V=[-1, 1],
            s_U=[0, 0, 0],
            a_U=[-1, -1, -1],
        ),
        "some token's vote is g": _BY_REPETITION.but("g is larger than all votes", g=1, n=1),
    },
    probes=(
        _BY_REPETITION.but("three copies tie", s_U=[0, 0, 0], a_U=[0, 0, 0]),
        _BY_REPETITION.but("four copies override", m=4, s_U=[0, 0, 0, 0], a_U=[0, 0, 0, 0]),
        _BY_REPETITION.but(
            "one copy, just",
            m=1,
            n=0,
            a_V=[-1 - Fraction(1, 100), 1],
            g=Fraction(151, 100),
            s_U=[0],
            a_U=[-1 - Fraction(1, 100)],
        ),
        _BY_REPETITION.but(
            "the system alone is below the threshold, just",
            m=0,
            tau=Fraction(801, 1000),
            g=Fraction(801, 1000),
            s_U=[],
            a_U=[],
        ),
        _BY_REPETITION.but(
            "nobody votes against", V=1, g=0, a_V=[Fraction(1, 2)], s_U=[0, 0, 0], a_U=[Fraction(1, 2)] * 3
        ),
    ),
    uses=("override_is_linear",),
    why="How many tokens an attack takes is one division, once the prompt's surplus and the strongest vote are known.",
    idea="m tokens' votes are at most m g, and m copies of the token that votes g reach that.",
    limits="One head, no positions. Several heads: one_repeated_token_is_enough is false there.",
)

_TIE_OF_ONE = Instance(
    {
        "k": 1,
        "m": 1,
        "V": 1,
        "tau": 1,
        "s_S": [0],
        "a_S": [1 + Fraction(1, 1000)],
        "s_V": [0],
        "a_V": [1 - Fraction(1, 200)],
        "s_U": [0],
        "a_U": [1 - Fraction(1, 200)],
    },
    "one token that is just below the threshold",
)

OVERRIDE_NEEDS_A_DISSENTER = Theorem(
    name="override_needs_a_dissenter",
    entry=6,
    claims=("C3", "C5"),
    sentence="In plain attention with one head, a prompt that is safe alone can be overridden at some length exactly "
    "if the vocabulary has a token whose readout is below the threshold; then every m > P/vote copies of it do.",
    assumptions={
        "the system alone is safe": both(k > 0, N_S / E_S >= tau),
        "the adversary's tokens are the vocabulary's": from_vocabulary(),
    },
    conclusion=both(
        implies(margin < tau, some(V, lambda v: a_V(v) < tau)),
        each(V, lambda v: implies(both(a_V(v) < tau, surplus < m * vote(v)), copies(m, v) < tau)),
    ),
    about=("s_S", "a_S", "a_U", "a_V", "tau"),
    witness=_TIE_OF_ONE,
    sharp={
        "the system alone is safe": _TIE_OF_ONE.but("the system overrides itself", a_S=[0], a_V=[2], a_U=[2], m=0),
        "the adversary's tokens are the vocabulary's": _TIE_OF_ONE.but("a dissenter from elsewhere", a_V=[2], a_U=[-2]),
    },
    probes=(_TIE_OF_ONE.but("nobody dissents", a_V=[1], a_U=[1]),),
    uses=("override_is_linear",),
    why="Attack length is no obstacle in principle, but attack direction is: the vocabulary must be able to disagree.",
    idea="Without a dissenter every vote is at most 0; with one, copies outvote any surplus.",
    limits="At unbounded length, one head, no positions: each can take the dissenter's chance away.",
)

_CHORUS = Instance(
    {
        "k": 1,
        "m": 1,
        "n": 100,
        "V": 2,
        "tau": 0,
        "s_S": [0],
        "a_S": [1],
        "s_V": [0, Log(Fraction(9))],
        "a_V": [Fraction(1, 2), 0],
    },
    "no token of the vocabulary has a readout below 0",
)

ALWAYS_OVERRIDABLE = Theorem(
    name="always_overridable",
    entry=6,
    claims=("C3",),
    sentence="Enough tokens override any prompt: some number of copies, up to any large number n, of some token do.",
    assumptions={
        "the system alone is safe": both(k > 0, N_S / E_S >= tau),
        "the vocabulary is not empty": V > 0,
        "n is large": n >= 100 * E_S,
    },
    conclusion=some(n + 1, lambda length: some(V, lambda v: copies(length, v) < tau)),
    about=("s_S", "s_V", "a_V"),
    witness=_CHORUS,
    expected="refuted",
    refutation=_CHORUS,
    uses=("override_needs_a_dissenter",),
    why="The blanket form of the claim that adversarial input can outweigh any instruction is false.",
    idea="A vocabulary all of whose readouts are at least the threshold can dilute the system, not contradict it.",
    limits="True wherever the vocabulary has a dissenter, one head, no positions (override_needs_a_dissenter).",
)

sx_U = function("sx_U", 3, "s^{U}")
ax_U = function("ax_U", 3, "a^{U}")
low = function("low")


def head(h: Numeric, x: Numeric) -> Term:
    """f_h of assignment x: the vote of one head, whose tokens' scores are sx_U[x, h, j]."""
    top_line = total(k, lambda i: exp(sh_S(h, i)) * ah_S(h, i)) + total(m, lambda j: exp(sx_U(x, h, j)) * ax_U(x, h, j))
    return top_line / (total(k, lambda i: exp(sh_S(h, i))) + total(m, lambda j: exp(sx_U(x, h, j))))


_OPPOSED = Instance(
    {
        "H": 2,
        "k": 1,
        "m": 1,
        "n": 2,
        "sh_S": [[0], [0]],
        "ah_S": [[1], [1]],
        "sx_U": [[[Log(Fraction(3))], [0]], [[0], [Log(Fraction(3))]]],
        "ax_U": [[[-1], [1]], [[1], [-1]]],
        "low": [Fraction(-1, 2), Fraction(-1, 2)],
    },
    "two heads, two assignments: each makes one head vote -1/2 and the other 1",
)

HEADWISE_BOUND = Theorem(
    name="headwise_bound",
    entry=8,
    claims=("C3",),
    sentence="The margin of several heads is at least the sum of the heads' own minima.",
    assumptions={"low is at most each head's margin": each(n, lambda x: each(H, lambda h: low(h) <= head(h, x)))},
    conclusion=each(n, lambda x: total(H, lambda h: low(h)) <= total(H, lambda h: head(h, x))),
    about=("low", "sh_S", "ah_S", "sx_U", "ax_U"),
    witness=_OPPOSED,
    sharp={"low is at most each head's margin": _OPPOSED.but("lows above the truth", low=[1, 1])},
    probes=(_OPPOSED.but("one head: met", H=1),),
    why="Each head's minimum is cheap (override_separates_by_slot), so a first lower bound is cheap too.",
    idea="A sum is at least the sum of lower bounds of its terms.",
    limits="Not tight: headwise_bound_is_tight is false. The searches use leaf_bound.",
)

HEADWISE_BOUND_IS_TIGHT = Theorem(
    name="headwise_bound_is_tight",
    entry=8,
    claims=("C3",),
    sentence="Some assignment brings all heads to their minima at once.",
    assumptions={
        "low is at most each head's margin": each(n, lambda x: each(H, lambda h: low(h) <= head(h, x))),
        "each head reaches its low": each(H, lambda h: some(n, lambda x: head(h, x).eq(low(h)))),
        "there is an assignment": n > 0,
    },
    conclusion=some(n, lambda x: total(H, lambda h: head(h, x)) <= total(H, lambda h: low(h))),
    about=("low", "sh_S", "ah_S", "sx_U", "ax_U"),
    witness=_OPPOSED,
    expected="refuted",
    refutation=_OPPOSED,
    why="Heads can want different tokens; what each could do alone overstates what an adversary can do to all of them.",
    idea="One token draws the first head to a dissent and not the second, another the other way round.",
    limits="With one head it is true.",
)


def heads(scores: Callable[[Term, Term], Term], readouts: Callable[[Term, Term], Term]) -> Term:
    """Σ_h f_h, for m adversary tokens whose scores and readouts are functions of head and slot."""

    def one(h: Term) -> Term:
        mass = total(k, lambda i: exp(sh_S(h, i))) + total(m, lambda j: exp(scores(h, j)))
        return (
            total(k, lambda i: exp(sh_S(h, i)) * ah_S(h, i)) + total(m, lambda j: exp(scores(h, j)) * readouts(h, j))
        ) / mass

    return total(H, one)


_MIXTURE = Instance(
    {
        "H": 2,
        "k": 1,
        "m": 2,
        "V": 2,
        "tau": 0,
        "sh_S": [[0], [0]],
        "ah_S": [[1], [1]],
        "sh_V": [[Log(Fraction(10)), 0], [0, Log(Fraction(10))]],
        "ah_V": [[-1, 1], [1, -1]],
        "sh_U": [[Log(Fraction(10)), 0], [0, Log(Fraction(10))]],
        "ah_U": [[-1, 1], [1, -1]],
    },
    "two heads and two tokens; each token draws one head to -1 and leaves the other at 1",
)

ONE_REPEATED_TOKEN_IS_ENOUGH = Theorem(
    name="one_repeated_token_is_enough",
    entry=5,
    claims=("C3",),
    sentence="With several heads, where some tokens override, as many copies of one token do.",
    assumptions={
        "the adversary's tokens are the vocabulary's": each(
            m,
            lambda j: some(
                V,
                lambda v: each(H, lambda h: both(sh_U(h, j).eq(sh_V(h, v)), ah_U(h, j).eq(ah_V(h, v)))),
            ),
        ),
        "they override": heads(sh_U, ah_U) < tau,
    },
    conclusion=some(V, lambda v: heads(lambda h, j: sh_V(h, v), lambda h, j: ah_V(h, v)) < tau),
    about=("sh_S", "ah_S", "sh_V", "ah_V", "tau"),
    witness=_MIXTURE,
    expected="refuted",
    refutation=_MIXTURE,
    why="It is true for one head (minimum_override_length), and is what makes one head easy.",
    idea="One token for each head: a mixture brings both heads below 0; copies of one token bring one head towards -1 "
    "and leave the other at 1.",
    limits="In the instance no number of copies of one token overrides, not only two.",
)

THEOREMS = (
    OVERRIDE_IS_LINEAR,
    OVERRIDE_SEPARATES_BY_SLOT,
    MINIMUM_OVERRIDE_LENGTH,
    OVERRIDE_NEEDS_A_DISSENTER,
    ALWAYS_OVERRIDABLE,
    HEADWISE_BOUND,
    HEADWISE_BOUND_IS_TIGHT,
    ONE_REPEATED_TOKEN_IS_ENOUGH,
)
