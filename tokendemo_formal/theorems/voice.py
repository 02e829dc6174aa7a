"""Whether all tokens have an equal voice: what attention knows of a token besides its score and its value."""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import both, each, exp, function, iff, indices, larger, negation, real, total
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems.setting import mass, n
from tokendemo_formal.theorems.theorem import Theorem

# n tokens, the system's and the adversary's alike, in one order
s = function("s")
a = function("a")
b = function("b")
"""Bias of a slot: what is added to the score of whichever token stands there."""
g = function("g")
"""A mask: 1 where a token is visible, 0 where not."""
p = indices("p")
"""Which token stands in a slot after a rearrangement."""
c = real("c")
t = real("t")

Z = mass(n, s)

_TWO, _THREE = Log(Fraction(2)), Log(Fraction(3))

_ROTATED = Instance(
    {"n": 3, "s": [0, _TWO, _THREE], "a": [1, -1, 2], "p": [2, 0, 1], "b": [_TWO] * 3, "c": _TWO},
    "three tokens of weights 1, 2 and 3; the last comes first",
)

PERMUTATION_BLIND = Theorem(
    name="permutation_blind",
    entry=1,
    claims=("C1",),
    sentence="Without positions the margin does not change when the (key, value) pairs are rearranged in any way.",
    assumptions={
        "there is a token": n > 0,
        "the tokens stay the same n tokens": each(n, lambda i: p(i) < n),
        "no token is taken twice": each(n, lambda i: each(i, lambda j: negation(p(i).eq(p(j))))),
        "no slot is favoured: every slot's bias is the same": each(n, lambda i: b(i).eq(c)),
    },
    conclusion=(total(n, lambda i: exp(s(p(i)) + b(i)) * a(p(i))) / total(n, lambda i: exp(s(p(i)) + b(i)))).eq(
        total(n, lambda i: exp(s(i) + b(i)) * a(i)) / total(n, lambda i: exp(s(i) + b(i)))
    ),
    about=("s", "a", "p"),
    witness=_ROTATED,
    sharp={
        "there is a token": _ROTATED.but("no tokens, so no average", n=0),
        "the tokens stay the same n tokens": _ROTATED.but("a fourth token replaces one", n=2, p=[1, 2]),
        "no token is taken twice": _ROTATED.but("the last token is repeated, the first is lost", p=[2, 2, 1]),
        "no slot is favoured: every slot's bias is the same": Instance(
            {"n": 2, "s": [0, 0], "a": [0, 1], "p": [1, 0], "b": [Log(Fraction(1, 2)), 0], "c": 0},
            "ALiBi of slope log 2 on two tokens alike in score: 2/3 becomes 1/3 when they change places",
        ),
    },
    why="Nothing in attention itself marks a token as the system's instruction: where it stands and who wrote it are "
    "unknown unless scores, biases, masks or values carry it.",
    idea="A rearrangement meets every token exactly once: it meets each at most once, and n in all. So numerator and "
    "denominator are the same sums in another order.",
    limits="The query is fixed and so are the tokens' keys and values: with position embeddings, a causal mask in "
    "earlier layers, or biases by role or distance, a token that moves becomes another token.",
)

_EQUAL = Instance({"n": 3, "s": [_TWO] * 3}, "three tokens of weight 2")
_ONE_AND_THREE = Instance({"n": 2, "s": [0, _THREE]}, "two tokens of scores 0 and log 3")

EQUAL_VOICE = Theorem(
    name="equal_voice",
    entry=2,
    claims=("C1",),
    sentence="Every token has the same weight, 1/n.",
    assumptions={},
    conclusion=each(n, lambda i: (exp(s(i)) / Z).eq(1 / n)),
    about=("s", "n"),
    witness=_EQUAL,
    expected="refuted",
    refutation=_ONE_AND_THREE,
    why="'All tokens are equals' is false of their weights: attention is there to weigh tokens differently.",
    idea="Scores 0 and log 3 give weights 1/4 and 3/4.",
    limits="It holds exactly when all scores are equal (equal_voice_iff_equal_scores). What is equal in any case is "
    "the treatment: permutation_blind.",
)

EQUAL_VOICE_IFF_EQUAL_SCORES = Theorem(
    name="equal_voice_iff_equal_scores",
    entry=2,
    claims=("C1",),
    sentence="Every token has the same weight, 1/n, exactly if all scores are equal.",
    assumptions={},
    conclusion=iff(each(n, lambda i: (exp(s(i)) / Z).eq(1 / n)), each(n, lambda i: each(n, lambda j: s(i).eq(s(j))))),
    about=("s", "n"),
    witness=_EQUAL,
    probes=(_ONE_AND_THREE, _EQUAL.but("no tokens", n=0), _EQUAL.but("only one differs", s=[_TWO, 0, _TWO])),
    why="It says how far 'equal voice' goes: to layers that don't attend at all.",
    idea="Weights are equal exactly if exponentials are, and exp is increasing.",
    limits="Over the real numbers; in floating point unequal scores can have equal exponentials.",
)

WEIGHTS_POSITIVE = Theorem(
    name="weights_positive",
    entry=3,
    claims=("C1",),
    sentence="Under softmax with at least two tokens every token has a weight above 0 and below 1.",
    assumptions={"there are at least two tokens": n >= 2},
    conclusion=each(n, lambda i: both(0 < exp(s(i)) / Z, exp(s(i)) / Z < 1)),
    about=("s",),
    witness=_ONE_AND_THREE,
    sharp={"there are at least two tokens": _ONE_AND_THREE.but("a token alone has weight 1", n=1)},
    probes=(
        _ONE_AND_THREE.but("a weight close to 1", s=[0, Log(Fraction(999))]),
        _ONE_AND_THREE.but("a weight close to 0", s=[Log(Fraction(1, 999)), 0]),
    ),
    why="No token is silenced and none rules alone, however the scores come out: softmax can't enforce, it can only "
    "prefer.",
    idea="Exponentials are positive, so each is less than the sum of two or more.",
    limits="Over the real numbers. In floating point exp underflows: in single precision the weight of a score 104 "
    "below the largest is 0. Masks (weights_positive_under_a_mask) and sparsemax (weights_positive_under_sparsemax) "
    "give weight 0 on purpose.",
)

_mask = total(n, lambda i: g(i) * exp(s(i)))

WEIGHTS_POSITIVE_UNDER_A_MASK = Theorem(
    name="weights_positive_under_a_mask",
    entry=3,
    claims=("C1",),
    sentence="Under softmax with a mask every token has a weight above 0 and below 1.",
    assumptions={
        "there are at least two tokens": n >= 2,
        "a mask shows a token or hides it": each(n, lambda i: (g(i) * g(i)).eq(g(i))),
        "some token is visible": _mask > 0,
    },
    conclusion=each(n, lambda i: both(0 < g(i) * exp(s(i)) / _mask, g(i) * exp(s(i)) / _mask < 1)),
    about=("s", "g"),
    witness=_ONE_AND_THREE.but("both are visible", g=[1, 1]),
    expected="refuted",
    refutation=_ONE_AND_THREE.but("two tokens, the second is hidden", g=[1, 0]),
    why="A mask is what makes a constraint out of a preference; softmax alone can't.",
    idea="A hidden token has weight 0, and the only one left has weight 1.",
    limits="Masks in use today hide by position (causal, padding, sliding window), seldom by role.",
)

_kept = total(n, lambda i: larger(0, s(i) - t))

WEIGHTS_POSITIVE_UNDER_SPARSEMAX = Theorem(
    name="weights_positive_under_sparsemax",
    entry=3,
    claims=("C1",),
    sentence="Under sparsemax every token has a weight above 0 and below 1.",
    assumptions={
        "there are at least two tokens": n >= 2,
        "t is the threshold at which the weights max(0, s - t) add up to 1": _kept.eq(1),
    },
    conclusion=each(n, lambda i: both(0 < larger(0, s(i) - t), larger(0, s(i) - t) < 1)),
    about=("s", "t"),
    witness=Instance({"n": 2, "s": [0, Fraction(1, 2)], "t": Fraction(-1, 4)}, "weights 1/4 and 3/4"),
    expected="refuted",
    refutation=Instance({"n": 2, "s": [0, 2], "t": 1}, "two tokens of scores 0 and 2; the threshold is 1"),
    why="Sparsemax (Martins and Astudillo, 2016) can silence a token exactly: the system's as well as the adversary's.",
    idea="A token that is ahead by 1 takes all of the weight.",
    limits="Whose tokens are silenced depends on scores alone (sparse_floor, sparse_silence).",
)

THEOREMS = (
    PERMUTATION_BLIND,
    EQUAL_VOICE,
    EQUAL_VOICE_IFF_EQUAL_SCORES,
    WEIGHTS_POSITIVE,
    WEIGHTS_POSITIVE_UNDER_A_MASK,
    WEIGHTS_POSITIVE_UNDER_SPARSEMAX,
)
