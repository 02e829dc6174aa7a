"""What a causal mask grants to the tokens in front: their states do not depend on what follows.

States are sequences: x[l, i, c] is coordinate c, below d, of the state at position i after l layers. Two runs x and y
are compared, whose tokens agree on some positions and differ in any way elsewhere. Attention of H heads is spelled out:
head h scores query i against key j by Σ_{a,b} x[i, a] A[h, i, j, a, b] x[j, b] + B[h, i, j] (A is W_Qᵀ W_K, rotated if
positions are; B any bias of positions) and O[h] is its value-output matrix.
"""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import (
    Function,
    Numeric,
    Term,
    each,
    exp,
    function,
    implies,
    natural,
    substitute,
    term,
    total,
)
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems.setting import H, d, k, m
from tokendemo_formal.theorems.theorem import Theorem

depth = natural("L")
query = natural("i")

deep_x, deep_y = function("x", 3), function("y", 3)
x, y, z = function("x", 2), function("y", 2), function("z", 2)
A, B, OV = function("A", 5), function("B", 3), function("O", 3)


def score(states: Function, head: Numeric, i: Numeric, j: Numeric) -> Term:
    """Of query i against key j."""
    return total(d, lambda a: total(d, lambda b: states(i, a) * A(head, i, j, a, b) * states(j, b))) + B(head, i, j)


def value(states: Function, head: Numeric, j: Numeric, c: Numeric) -> Term:
    """Coordinate c of what key j contributes through a head."""
    return total(d, lambda b: OV(head, c, b) * states(j, b))


def head_output(states: Function, visible: Numeric, head: Numeric, i: Numeric, c: Numeric) -> Term:
    """Coordinate c of what a head adds at position i, which sees the first ``visible`` positions."""
    weighted = total(visible, lambda j: exp(score(states, head, i, j)) * value(states, head, j, c))
    return weighted / total(visible, lambda j: exp(score(states, head, i, j)))


def attention(states: Function, visible: Numeric, i: Numeric, c: Numeric) -> Term:
    """Coordinate c of the attention's output at position i: the sum over the heads."""
    return total(H, lambda h: head_output(states, visible, h, i, c))


def agree(first: Function, second: Function, *indices: Numeric) -> Term:
    """Two runs have the same state."""
    return each(d, lambda c: first(*indices, c).eq(second(*indices, c)))


_RUNS = Instance(
    {"L": 1, "k": 1, "d": 1, "x": [[[1], [0]], [[2], [Fraction(1, 2)]]], "y": [[[1], [4]], [[2], [Fraction(13, 2)]]]},
    "one causal layer that adds the mean of the visible states; the runs differ in their second token",
)

PREFIX_INTEGRITY = Theorem(
    name="prefix_integrity",
    entry=23,
    claims=("C1",),
    sentence="Under a causal mask the states of a leading system do not depend on what follows it, at any depth.",
    assumptions={
        "the runs begin with the same system": each(k, lambda i: agree(deep_x, deep_y, 0, i)),
        "a layer's state depends on those at the same position and before only": each(
            depth,
            lambda after: each(
                k,
                lambda i: implies(
                    each(i + 1, lambda j: agree(deep_x, deep_y, after, j)), agree(deep_x, deep_y, after + 1, i)
                ),
            ),
        ),
    },
    conclusion=each(depth + 1, lambda after: each(k, lambda i: agree(deep_x, deep_y, after, i))),
    about=("x", "y", "k", "L"),
    witness=_RUNS,
    sharp={
        "the runs begin with the same system": _RUNS.but(
            "the first tokens differ", y=[[[3], [4]], [[6], [Fraction(15, 2)]]]
        ),
        "a layer's state depends on those at the same position and before only": _RUNS.but(
            "without a mask both positions add the mean of both",
            x=[[[1], [0]], [[Fraction(3, 2)], [Fraction(1, 2)]]],
            y=[[[1], [4]], [[Fraction(7, 2)], [Fraction(13, 2)]]],
        ),
    },
    why="In a decoder the tokens in front are privileged: nobody behind them can touch what they compute, only whether "
    "it is listened to.",
    idea="By induction on the depth: what a position reads was the same in both runs.",
    limits="It protects the system's own states, not their share of the reader's attention: a mask and ALiBi pull in "
    "opposite directions (alibi_erodes_a_leading_system). That attention under a causal mask is such a layer: "
    "causal_attention_reads_the_prefix_only.",
)

_LAYER = Instance(
    {
        "i": 1,
        "d": 1,
        "H": 2,
        "x": [[1], [2], [5]],
        "y": [[1], [2], [7]],
        "A": lambda h, i, j, a, b: Log(Fraction(2 + h)),
        "B": lambda h, i, j: 0,
        "O": lambda h, c, b: 1 + h,
    },
    "two heads whose scores are products of states times log 2 and log 3; the third token is not visible to the second",
)

CAUSAL_ATTENTION_READS_THE_PREFIX_ONLY = Theorem(
    name="causal_attention_reads_the_prefix_only",
    entry=23,
    claims=("C1",),
    sentence="Where two runs agree on the positions up to i, causal attention has the same output at i.",
    assumptions={"the runs agree up to the query": each(query + 1, lambda j: agree(x, y, j))},
    conclusion=each(d, lambda c: attention(x, query + 1, query, c).eq(attention(y, query + 1, query, c))),
    about=("x", "y", "i"),
    witness=_LAYER,
    sharp={"the runs agree up to the query": _LAYER.but("the first token differs", y=[[3], [2], [5]])},
    why="It is what makes prefix_integrity true of decoders, for any weights, heads and positional biases.",
    idea="Every score and every value that the sums run over is the same.",
    limits="The norms and the MLP between attention layers work on one position alone and keep the property; they are "
    "part of causal_decoders_keep_the_prefix.",
)

deep_u, deep_v = function("u", 3), function("v", 3)
deep_A, deep_B, deep_OV = function("A", 6), function("B", 4), function("O", 4)


def stream(states: Function, normed: Function, layer: Numeric, i: Numeric, c: Numeric) -> Term:
    """Coordinate c of the residual stream at position i after a layer's causal attention, which reads normed states."""
    added = substitute(
        attention(x, term(i) + 1, i, c),
        {},
        {
            x: lambda j, b: normed(layer, j, b),
            A: lambda h, i, j, a, b: deep_A(layer, h, i, j, a, b),
            B: lambda h, i, j: deep_B(layer, h, i, j),
            OV: lambda h, c, b: deep_OV(layer, h, c, b),
        },
    )
    return states(layer, i, c) + added


_DECODER = Instance(
    {
        **_RUNS.values,
        "H": 1,
        "u": _RUNS.values["x"],
        "v": _RUNS.values["y"],
        "A": lambda layer, h, i, j, a, b: 0,
        "B": lambda layer, h, i, j: 0,
        "O": lambda layer, h, c, b: 1,
    },
    "one layer whose only head adds the mean of the visible states; the runs differ in their second token",
)

CAUSAL_DECODERS_KEEP_THE_PREFIX = Theorem(
    name="causal_decoders_keep_the_prefix",
    entry=23,
    claims=("C1",),
    sentence="In a decoder of causal attention layers, with any norms and any MLPs, the states of a leading system do "
    "not depend on what follows it, at any depth.",
    assumptions={
        "the runs begin with the same system": each(k, lambda i: agree(deep_x, deep_y, 0, i)),
        "a norm works on one position": each(
            depth,
            lambda after: each(k, lambda i: implies(agree(deep_x, deep_y, after, i), agree(deep_u, deep_v, after, i))),
        ),
        "what follows the attention works on one position": each(
            depth,
            lambda after: each(
                k,
                lambda i: implies(
                    each(d, lambda c: stream(deep_x, deep_u, after, i, c).eq(stream(deep_y, deep_v, after, i, c))),
                    agree(deep_x, deep_y, after + 1, i),
                ),
            ),
        ),
    },
    conclusion=each(depth + 1, lambda after: each(k, lambda i: agree(deep_x, deep_y, after, i))),
    about=("x", "y", "k", "L"),
    witness=_DECODER,
    sharp={
        "the runs begin with the same system": _DECODER.but(
            "the first tokens differ",
            y=[[[3], [4]], [[6], [Fraction(15, 2)]]],
            v=[[[3], [4]], [[6], [Fraction(15, 2)]]],
        ),
        "a norm works on one position": _DECODER.but(
            "a norm over both positions, here their mean, carries the second token to the first",
            u=[[[Fraction(1, 2)], [Fraction(1, 2)]]],
            v=[[[Fraction(5, 2)], [Fraction(5, 2)]]],
            x=[[[1], [0]], [[Fraction(3, 2)], [Fraction(1, 2)]]],
            y=[[[1], [4]], [[Fraction(7, 2)], [Fraction(13, 2)]]],
        ),
        "what follows the attention works on one position": _DECODER.but(
            "it adds the next token to each", x=[[[1], [0]], [[2], [Fraction(1, 2)]]], y=[[[1], [4]], [[6], [4]]]
        ),
    },
    uses=("prefix_integrity", "causal_attention_reads_the_prefix_only"),
    why="It is the whole model: GPT-like decoders compute the same states for a leading instruction whatever comes "
    "after, which is why they can be cached.",
    idea="Norms and MLPs stay within a position, attention within the prefix; so each layer does.",
    limits="States, not outputs: what the reader makes of them is up to its attention.",
)

_BOTH_WAYS = Instance(
    {
        "k": 1,
        "m": 1,
        "d": 1,
        "H": 1,
        "x": [[0], [0]],
        "y": [[0], [1]],
        "A": lambda h, i, j, a, b: 0,
        "B": lambda h, i, j: 0,
        "O": lambda h, c, b: 1,
    },
    "one head that attends to both tokens equally; the adversary's token has the value 0 or 1",
)

BIDIRECTIONAL_ATTENTION_KEEPS_THE_PREFIX = Theorem(
    name="bidirectional_attention_keeps_the_prefix",
    entry=23,
    claims=("C1",),
    sentence="Without a mask, too, a leading system's states do not depend on what follows.",
    assumptions={"the runs agree on the system": each(k, lambda i: agree(x, y, i))},
    conclusion=each(k, lambda i: each(d, lambda c: attention(x, k + m, i, c).eq(attention(y, k + m, i, c)))),
    about=("x", "y", "k"),
    expected="refuted",
    witness=_BOTH_WAYS,
    refutation=_BOTH_WAYS,
    why="An encoder gives the tokens in front no privilege of this kind.",
    idea="The system's token averages over both and sees the adversary's.",
    limits="Under a causal mask it is true (prefix_integrity).",
)

_LAST = Instance(
    {**_BOTH_WAYS.values, "x": [[0], [0]], "y": [[1], [0]]},
    "the adversary's token stands first, and has the value 0 or 1",
)

A_TRAILING_SYSTEM_KEEPS_ITS_STATES = Theorem(
    name="a_trailing_system_keeps_its_states",
    entry=23,
    claims=("C1",),
    sentence="Under a causal mask a system behind the adversary's tokens has states that do not depend on them.",
    assumptions={"the runs agree on the system": each(k, lambda i: agree(x, y, m + i))},
    conclusion=each(
        k,
        lambda i: each(d, lambda c: attention(x, m + i + 1, m + i, c).eq(attention(y, m + i + 1, m + i, c))),
    ),
    about=("x", "y", "k"),
    expected="refuted",
    witness=_LAST,
    refutation=_LAST,
    why="The placement dilemma: in front, the system's states are safe and its share may be eroded; behind, ALiBi "
    "keeps its share and the adversary writes into its states.",
    idea="A causal mask lets the system read the adversary.",
    limits="For a system in front it is true (prefix_integrity).",
)

_THREE_RUNS = Instance(
    {**_BOTH_WAYS.values, "x": [[0], [0]], "y": [[0], [1]], "z": [[1], [0]]},
    "one causal head of equal scores; one run changes the adversary's token behind, one the system's token in front",
)

NO_TOKEN_IS_PRIVILEGED = Theorem(
    name="no_token_is_privileged",
    entry=23,
    claims=("C1",),
    sentence="Under a causal mask influence is mutual: where changing the adversary's tokens leaves the system's "
    "output as it was, changing the system's leaves the adversary's.",
    assumptions={
        "one run changes the adversary's tokens only": each(k, lambda i: agree(x, y, i)),
        "one run changes the system's tokens only": each(m, lambda j: agree(x, z, k + j)),
        "the first change leaves the system's output": each(
            k, lambda i: each(d, lambda c: attention(x, i + 1, i, c).eq(attention(y, i + 1, i, c)))
        ),
    },
    conclusion=each(
        m,
        lambda j: each(d, lambda c: attention(x, k + j + 1, k + j, c).eq(attention(z, k + j + 1, k + j, c))),
    ),
    about=("x", "z", "k", "m"),
    expected="refuted",
    witness=_THREE_RUNS,
    refutation=_THREE_RUNS,
    why="A transformer's tokens are not equals: a causal mask gives those in front a one-way influence.",
    idea="The adversary's token averages over both tokens, the system's over itself alone.",
    limits="Without mask and positions tokens are exchangeable (permutation_blind).",
)

THEOREMS = (
    PREFIX_INTEGRITY,
    CAUSAL_ATTENTION_READS_THE_PREFIX_ONLY,
    CAUSAL_DECODERS_KEEP_THE_PREFIX,
    BIDIRECTIONAL_ATTENTION_KEEPS_THE_PREFIX,
    A_TRAILING_SYSTEM_KEEPS_ITS_STATES,
    NO_TOKEN_IS_PRIVILEGED,
)
