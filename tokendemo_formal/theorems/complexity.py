"""How hard it is to find an override: with several heads as hard as SET COVER."""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import Term, each, either, function, iff, implies, ite, negation, some, term, total
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.theorems.setting import H, m
from tokendemo_formal.theorems.theorem import Theorem

b = function("b", 2)
has = function("has", 2)

covered = each(H, lambda h: some(m, lambda i: has(h, i).eq(1)))
"""Each of H elements is in one of the m sets; has[h, i] = 1 says that element h is in the set of slot i."""


def denominator(h: Term) -> Term:
    """D_h: the template's token weighs 1, the token in slot i b[h, i]."""
    return 1 + total(m, lambda i: b(h, i))


gain = -total(H, lambda h: 1 / denominator(h))
"""The template's token has readout -1 in every head, the others 0."""

half = term(Fraction(-1, 2))

_COVER = Instance(
    {
        "H": 3,
        "m": 2,
        "has": [[1, 0], [1, 1], [0, 1]],
        "b": [[6, Fraction(1, 2)], [6, 6], [Fraction(1, 2), 6]],
    },
    "elements 0, 1, 2 covered by {0, 1} and {1, 2}",
)
_GAP = _COVER.but(
    "element 2 is in neither set",
    has=[[1, 0], [1, 1], [0, 0]],
    b=[[6, Fraction(1, 2)], [6, 6], [Fraction(1, 2), Fraction(1, 2)]],
)

SET_COVER_IS_AN_OVERRIDE = Theorem(
    name="set_cover_is_an_override",
    entry=7,
    claims=("C3",),
    sentence="Give each element a head, and let a set's token weigh at least 2H in the heads of its elements and at "
    "most 1/m in the others: then m sets cover all elements exactly if their tokens bring the gain above -1/2.",
    assumptions={
        "no weight is negative": each(H, lambda h: each(m, lambda i: b(h, i) >= 0)),
        "a set weighs at least 2H in the heads of its elements": each(
            H, lambda h: each(m, lambda i: implies(has(h, i).eq(1), b(h, i) >= 2 * H))
        ),
        "a set weighs at most 1/m in all other heads": each(
            H, lambda h: each(m, lambda i: implies(negation(has(h, i).eq(1)), m * b(h, i) <= 1))
        ),
    },
    conclusion=iff(covered, gain > half),
    about=("has", "b"),
    witness=_COVER,
    sharp={
        "no weight is negative": _GAP.but(
            "1 + Σ b < 0 in a head makes its vote positive",
            b=[[6, Fraction(1, 2)], [6, 6], [-2, -2]],
        ),
        "a set weighs at least 2H in the heads of its elements": _COVER.but(
            "all weights are 1/2", b=[[Fraction(1, 2)] * 2] * 3
        ),
        "a set weighs at most 1/m in all other heads": _GAP.but("all weights are 6", b=[[6, 6]] * 3),
    },
    probes=(
        _GAP,
        Instance({"H": 1, "m": 1, "has": [[0]], "b": [[1]]}, "one element, not covered: gain -1/2 exactly"),
        Instance({"H": 1, "m": 1, "has": [[0]], "b": [[Fraction(99, 100)]]}, "just below"),
        Instance(
            {"H": 200, "m": 1, "has": lambda h, i: 1, "b": lambda h, i: 400}, "200 elements in one set: just above -1/2"
        ),
    ),
    why="An adversary who has to persuade several heads at once can be made to solve any covering problem.",
    idea="A covered head votes at least -1/(1 + 2H), and H of these are more than -1/2. One head that is not covered "
    "votes at most -1/2 by itself.",
    limits="The inequalities leave room for weights that are rounded, as in stored layers.",
)


def table(h: Term, i: Term) -> Term:
    """The reduction's weights: 2H in the heads of a set's elements, 1/m in the others."""
    return ite(has(h, i).eq(0), 1 / m, 2 * H)


table_gain = -total(H, lambda h: 1 / (1 + total(m, lambda i: table(h, i))))

_TWO_SETS = Instance({"H": 3, "m": 2, "has": [[1, 0], [1, 1], [0, 1]]}, "{0, 1} and {1, 2} cover 0, 1, 2")

MULTIHEAD_OVERRIDE_IS_NP_COMPLETE = Theorem(
    name="multihead_override_is_np_complete",
    entry=7,
    claims=("C3",),
    sentence="Whether m tokens of a vocabulary bring the gain of several heads above a threshold is NP-complete, for "
    "rational tables, with the heads in the input and m in unary: m sets cover all elements exactly if the gain with "
    "weights 2H and 1/m exceeds -1/2.",
    assumptions={
        "an element is in a set or not": each(H, lambda h: each(m, lambda i: either(has(h, i).eq(0), has(h, i).eq(1))))
    },
    conclusion=iff(covered, table_gain > half),
    about=("has",),
    witness=_TWO_SETS,
    sharp={"an element is in a set or not": _TWO_SETS.but("half in", has=[[1, 0], [1, 1], [0, Fraction(1, 2)]])},
    probes=(
        _TWO_SETS.but("element 2 is in neither", has=[[1, 0], [1, 1], [0, 0]]),
        Instance({"H": 1, "m": 1, "has": [[0]]}, "one element, not covered: gain -1/2 exactly"),
        Instance({"H": 200, "m": 1, "has": lambda h, i: 1}, "200 elements in one set: just above -1/2"),
    ),
    uses=("set_cover_is_an_override",),
    why="No method is fast on all layers unless P = NP: searches have to be clever on the layers that there are, and a "
    "certificate of refusal may be long.",
    idea="SET COVER (R. Karp, 1972) with one head per element, one token per set and one slot per set to be chosen.",
    limits="For one head it takes linear time (override_separates_by_slot). The step from the equivalence, which is "
    "checked, to the class NP is by hand, and so is Karp's theorem.",
)

THEOREMS = (SET_COVER_IS_AN_OVERRIDE, MULTIHEAD_OVERRIDE_IS_NP_COMPLETE)
