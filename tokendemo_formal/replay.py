"""Theorems on real layers: random prompts of stored models, their scores and readouts in balls, and every statement of
the catalogue that speaks of such numbers evaluated on them.

A draw is a prompt of random tokens, some of them the system's, the others the adversary's, seen from one reader; the
readout's direction is the difference of two random rows of the unembedding. Each head is an instance of its own for
statements about one head. Statements have further variables (eps, rho, …): :data:`FILLERS` proposes values, and those
that meet the assumptions are used.

A replay proves nothing; it would show a statement that is wrong, and it shows how tight one is: of ``a <= b`` the ratio
of the smaller to the larger side, 1 where it is met.

Main declarations: :func:`draws`, :func:`replay`, :func:`table`.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any, Literal, TypeAlias

import numpy as np

from tokendemo_formal.attention import Computation, Layer
from tokendemo_formal.errors import InputError
from tokendemo_formal.logic.printing import text
from tokendemo_formal.logic.terms import KNOWN, Term, free_variables, functions_of
from tokendemo_formal.logic.values import Instance, NoValueError, comparisons, holds, value
from tokendemo_formal.models import load_model
from tokendemo_formal.numbers.balls import BALLS, ball, endpoints, precision
from tokendemo_formal.numbers.base import Array, Log
from tokendemo_formal.theorems import Theorem

_BITS = 128
_COMBINATIONS = 24
"""How many values of the further variables are tried for one statement on one instance."""

Kind: TypeAlias = Literal["balls", "midpoints"]


@dataclass(frozen=True)
class Votes:
    """Scores and readouts of some tokens, (H, count) arrays of balls."""

    scores: Array
    readouts: Array


@dataclass(frozen=True)
class Draw:
    """A prompt of one layer, seen from one reader.

    Attributes:
        source, layer: which.
        prompt: token ids; the reader is the last.
        system: positions of the system's tokens, the reader among them; the others are the adversary's.
        toward, against: ids of the rows whose difference is read.
        votes: of the system's tokens (``S``), the adversary's (``U``), another adversary's in its place (``W``), and of
            a vocabulary that contains the adversary's tokens (``V``).
    """

    source: str
    layer: int
    prompt: tuple[int, ...]
    system: tuple[int, ...]
    toward: int
    against: int
    votes: Mapping[str, Votes]

    @property
    def heads(self) -> int:
        return int(self.votes["S"].scores.shape[0])

    def __str__(self) -> str:
        return (
            f"{self.source}, layer {self.layer}, prompt {list(self.prompt)}, system at {list(self.system)}, "
            f"reading token {self.toward} minus token {self.against}"
        )


def draws(source: str, count: int, random: Random, index: int = 0) -> Iterator[Draw]:
    """Random draws from one layer of a model.

    Args:
        source: a directory, ``bundled:NAME`` or ``package:NAME``.
        count: how many.
        random: where they come from.
        index: which layer.
    """
    layer = load_model(source).layer(index)
    with precision(_BITS):
        computation = Computation(layer, BALLS)
    longest = min(12, layer.context or 12)
    for _ in range(count):
        n = random.randint(min(2, longest), longest)
        prompt = tuple(random.randrange(layer.vocabulary) for _ in range(n))
        others = random.sample(range(n - 1), random.randint(0, max(0, n - 2)))
        toward, against = random.sample(range(layer.vocabulary), 2)
        system = (*sorted(others), n - 1)
        more = [tuple(random.randrange(layer.vocabulary) for _ in range(n)) for _ in range(2)]
        with precision(_BITS):
            votes = _votes(layer, computation, prompt, system, more, toward, against)
        yield Draw(source, index, prompt, system, toward, against, votes)


def _votes(
    layer: Layer,
    computation: Computation,
    prompt: Sequence[int],
    system: Sequence[int],
    more: Sequence[Sequence[int]],
    toward: int,
    against: int,
) -> dict[str, Votes]:
    n = len(prompt)
    rows = layer.embedding if layer.unembedding is None else layer.unembedding
    direction = (BALLS.constant(rows[toward]) - BALLS.constant(rows[against])).reshape(-1, 1)
    reading = computation.reading(computation.rows(prompt[-1:], [n - 1]), n - 1, direction)

    def votes(places: Sequence[tuple[int, int]]) -> Votes:
        """Of tokens at positions."""
        each = [reading.votes(computation.rows([token], [position]), position) for token, position in places]
        empty = np.empty((layer.heads, 0), dtype=object)
        scores = np.array([s[0] for s, _ in each], dtype=object).T if each else empty
        readouts = np.array([r[0, :, 0] for _, r in each], dtype=object).T if each else empty
        return Votes(scores, readouts)

    adversary = [p for p in range(n) if p not in system]
    used = [(prompt[p], p) for p in adversary]
    return {
        "S": votes([(prompt[p], p) for p in system]),
        "U": votes(used),
        "W": votes([(more[0][p], p) for p in adversary]),
        # the adversary's tokens where they stand, and others in their places: what is chosen from
        "V": votes([*used, *((more[1][p], p) for p in adversary or [0])]),
    }


# Instances ---------------------------------------------------------------------------------------------------------


def instance(draw: Draw, head: int, kind: Kind) -> dict[tuple[str, int], Any]:
    """Values by name and arity: of one head, and (arity 2: head, token) of all.

    Args:
        draw: where the numbers come from.
        head: whose scores and readouts the names without a head have.
        kind: ``"balls"``, which enclose the layer's own numbers; or their ``"midpoints"``, rationals within 2^-100 of
            them, of which it can be decided whether two are equal.
    """
    number: Callable[[Any], Any] = (lambda x: x) if kind == "balls" else middle
    values: dict[tuple[str, int], Any] = {}
    for who, votes in draw.votes.items():
        for name, array in (("s", votes.scores), ("a", votes.readouts)):
            rows = [[number(x) for x in row] for row in array]
            values[f"{name}_{who}", 1] = rows[head]
            values[f"{name}_{who}", 2] = values[f"{name}h_{who}", 2] = rows
    S, U, V, W = (len(values[f"s_{who}", 1]) for who in "SUVW")
    values |= {("k", 0): S, ("m", 0): U, ("V", 0): V, ("m_W", 0): W, ("H", 0): draw.heads}
    # everything but the adversary's first token, which is exchanged for another's
    for name in ("s", "a"):
        values[name, 1] = values[f"{name}_S", 1] + values[f"{name}_U", 1][1:]
        values[name, 2] = [x + y[1:] for x, y in zip(values[f"{name}_S", 2], values[f"{name}_U", 2], strict=True)]
        if U:
            values[f"{name}_x", 0], values[f"{name}_y", 0] = values[f"{name}_U", 1][0], values[f"{name}_W", 1][0]
    values["n", 0] = len(values["s", 1])
    if draw.heads > 1:
        other = (head + 1) % draw.heads
        for who in "SU":
            values[f"t_{who}", 1] = values[f"s_{who}", 2][other]
        values["t", 1] = values["s", 2][other]
    values["lo", 0], values["hi", 0] = span(values[f"s_{who}", 1] for who in "SUV")
    values["low", 0], values["high", 0] = span(values[f"a_{who}", 1] for who in "SUVW")
    return values


def middle(x: Any) -> Fraction:
    """The midpoint of a ball, exactly."""
    low, high = endpoints(x)
    return (low + high) / 2


def span(rows: Iterable[Sequence[Any]]) -> tuple[Fraction, Fraction]:
    """Rational bounds of all numbers in some rows, rounded outward."""
    ends = [endpoints(ball(x)) for row in rows for x in row]
    return min(low for low, _ in ends), max(high for _, high in ends)


class _Facts:
    """What fillers know of an instance: its values, and the share and margin of its head."""

    def __init__(self, values: Mapping[tuple[str, int], Any]) -> None:
        self.values = values
        with precision(_BITS):
            weights = [ball(x).exp() for who in "SU" for x in self.row("s", who)]
            readouts = [ball(x) for who in "SU" for x in self.row("a", who)]
            whole = sum(weights, ball(0))
            self.share = sum(weights[: self.count("k")], ball(0)) / whole
            self.margin = sum((w * a for w, a in zip(weights, readouts, strict=True)), ball(0)) / whole

    def row(self, name: str, who: str) -> list[Any]:
        row: list[Any] = self.values[f"{name}_{who}", 1]
        return row

    def least(self, name: str, who: str) -> Fraction:
        return span([self.row(name, who)])[0] if self.row(name, who) else Fraction(0)

    def most(self, name: str, who: str) -> Fraction:
        return span([self.row(name, who)])[1] if self.row(name, who) else Fraction(0)

    def count(self, name: str) -> int:
        return int(self.values[name, 0])


def _half(x: Fraction) -> Fraction:
    return x / 2


def _threshold(facts: _Facts) -> list[Any]:
    """Sparsemax's threshold, where the scores are rational."""
    scores = sorted(facts.row("s", "S") + facts.row("s", "U"), reverse=True)
    if not all(isinstance(x, Fraction) for x in scores):
        return []
    for count in range(len(scores), 0, -1):
        theta = (sum(scores[:count], Fraction(0)) - 1) / count
        if scores[count - 1] > theta:
            return [theta]
    return []


FILLERS: Mapping[str, Callable[[_Facts], list[Any]]] = {
    "tau": lambda f: [endpoints(f.margin)[0], endpoints(f.margin)[1], Fraction(0), f.least("a", "S")],
    "eps": lambda f: [Fraction(1, 2), endpoints(f.share)[1], Fraction(99, 100)],
    "rho": lambda f: [endpoints(f.share)[0], _half(endpoints(f.share)[0])],
    "cap": lambda f: [f.count("m"), f.count("m") + 2],
    "a": lambda f: [f.least("a", "S")],
    "A": lambda f: [-f.least("a", "U")],
    "R": lambda f: [max(abs(f.values["low", 0]), abs(f.values["high", 0])), f.values["high", 0] - f.values["low", 0]],
    "beta": lambda f: [Log(Fraction(2)), Fraction(1)],
    "r": lambda f: [2],
    "mu": lambda f: [Fraction(1, 2), Fraction(1, 50)],
    "W": lambda f: [f.count("m"), max(1, f.count("m") - 1)],
    "c": lambda f: [Fraction(1, 2), Fraction(2)],
    "x": lambda f: [f.values["hi", 0] - f.values["lo", 0] + 3, Fraction(2)],
    "sink": lambda f: [Fraction(1), Fraction(0)],
    "lam": lambda f: [Fraction(1, 2)],
    "B": lambda f: [Fraction(1)],
    "theta": _threshold,
    "g": lambda f: [f.most("s", "U"), f.least("s", "U")],
    "t": lambda f: [f.most("s", "S"), f.least("s", "S")],
    "sigma": lambda f: [Fraction(1), Fraction(1, 4)],
    "delta": lambda f: [_distance(f)] if ("t", 1) in f.values else [],
    "shift": lambda f: [Fraction(0)],
}
"""Values for variables that a draw has no number for, by name; more than one where several are worth trying."""


def _distance(facts: _Facts) -> Fraction:
    pairs = zip(facts.values["s", 1], facts.values["t", 1], strict=True)
    return max((max(abs(end) for end in endpoints(ball(x) - ball(y))) for x, y in pairs), default=Fraction(0))


# Replay ------------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What the draws said about one theorem.

    Attributes:
        theorem: which.
        met: instances that met all assumptions.
        held: of those, how many met the conclusion.
        broken: how many broke it. Of a theorem that was proved there can't be one.
        open: how many balls left open: equations, which they never decide, and bounds that are met.
        ratios: of each inequality, smaller to larger side.
        kinds: which numbers were used.
        witness: the first instance that broke the conclusion.
    """

    theorem: Theorem
    met: int = 0
    held: int = 0
    broken: int = 0
    open: int = 0
    ratios: list[float] = field(default_factory=list)
    kinds: set[Kind] = field(default_factory=set)
    witness: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Names that a draw has no value for; then nothing is evaluated."""
        return _missing(self.theorem)

    @property
    def wrong(self) -> bool:
        """Whether a theorem that is expected to be true is not."""
        return self.theorem.expected == "proved" and self.broken > 0


def replay(tallies: Iterable[Tally], draw: Draw) -> None:
    """Evaluates every statement on a draw, each head by itself, and counts.

    Args:
        tallies: one for each statement.
        draw: whose numbers.
    """
    wanted = [tally for tally in tallies if not tally.missing]
    for head in range(draw.heads):
        facts: dict[Kind, _Facts] = {"balls": _Facts(instance(draw, head, "balls"))}
        facts["midpoints"] = _Facts(instance(draw, head, "midpoints"))
        for tally in wanted:
            # what speaks of no single head says the same for each
            if head == 0 or _of_one_head(tally.theorem):
                _try(tally, facts, f"{draw}, head {head}")


def _terms(of: Theorem) -> tuple[Term, ...]:
    return (*of.assumptions.values(), of.conclusion)


def _names(of: Theorem) -> set[tuple[str, int]]:
    names = {(v.name, 0) for t in _terms(of) for v in free_variables(t)}
    return names | {(f.name, f.arity) for t in _terms(of) for f in functions_of(t) - KNOWN}


_MEASURED = {
    *((f"{name}_{who}", arity) for name in ("s", "a") for who in "SUVW" for arity in (1, 2)),
    *((f"{name}h_{who}", 2) for name in ("s", "a") for who in "SUVW"),
    *((name, arity) for name in ("s", "a") for arity in (1, 2)),
    *((name, 1) for name in ("t_S", "t_U", "t")),
    *((name, 0) for name in ("k", "m", "m_W", "V", "H", "n", "lo", "hi", "low", "high", "s_x", "s_y", "a_x", "a_y")),
}
"""Names and arities that every draw has a value for (those of a second head, where there is one)."""


def _missing(of: Theorem) -> tuple[str, ...]:
    """Names that neither a draw nor a filler has a value for; or, where a draw has nothing to do with it, all."""
    names = _names(of)
    if not {("s_S", 1), ("s_U", 1), ("s", 1), ("sh_S", 2), ("s_S", 2), ("s", 2)} & names:
        return tuple(sorted(name for name, _ in names))
    return tuple(sorted(name for name, arity in names - _MEASURED if arity or name not in FILLERS))


def _of_one_head(of: Theorem) -> bool:
    return any(arity == 1 for _, arity in _names(of))


def _try(tally: Tally, facts: Mapping[Kind, _Facts], where: str) -> None:
    for kind in ("balls", "midpoints"):
        decided = False
        for candidate in itertools.islice(_candidates(tally.theorem, facts[kind]), _COMBINATIONS):
            truths = _truths(tally.theorem.assumptions.values(), candidate)
            if False in truths:
                decided = True
            elif None not in truths:
                decided = True
                tally.kinds.add(kind)
                _evaluate(tally, candidate, where)
        if decided:  # balls are enough
            return


def _candidates(of: Theorem, facts: _Facts) -> Iterator[Instance]:
    names = _names(of)
    known = {name: facts.values[name, arity] for name, arity in names if (name, arity) in facts.values}
    free = sorted((name, arity) for name, arity in names if (name, arity) not in facts.values)
    if any(arity for _, arity in free):  # a second head's scores, where there is one head
        return
    choices = [FILLERS[name](facts) if name in FILLERS else [] for name, _ in free]
    for chosen in itertools.product(*choices):
        yield Instance({**known, **{name: x for (name, _), x in zip(free, chosen, strict=True)}})


def _truths(propositions: Iterable[Term], candidate: Instance) -> list[bool | None]:
    """Whether each holds, up to the first that does not."""
    found: list[bool | None] = []
    for proposition in propositions:
        try:
            found.append(holds(proposition, candidate))
        except NoValueError:
            found.append(False)
        except InputError:  # a choice that depends on a comparison of equal balls
            found.append(None)
        if found[-1] is False:
            break
    return found


def _evaluate(tally: Tally, candidate: Instance, where: str) -> None:
    tally.met += 1
    (truth,) = _truths([tally.theorem.conclusion], candidate)
    if truth is True:
        tally.held += 1
        tally.ratios += _ratios(tally.theorem.conclusion, candidate)
    elif truth is None:
        tally.open += 1
    else:
        tally.broken += 1
        if not tally.witness:
            values = "\n".join(f"  {name} = {_told(x)}" for name, x in sorted(candidate.values.items()))
            tally.witness = f"{tally.theorem.name} on {where}:\n{values}\n  {text(tally.theorem.conclusion)} is false"


def _ratios(conclusion: Term, candidate: Instance) -> Iterator[float]:
    """Of each inequality between numbers of one sign, the smaller magnitude to the larger."""
    for comparison in comparisons(conclusion, candidate):
        if comparison.operator != "=":
            left, right = (ball(value(side, candidate)) for side in comparison.arguments)
            if not right < left and ((left > 0 and right > 0) or (left < 0 and right < 0)):
                small, large = sorted((abs(float(left)), abs(float(right))))
                yield small / large


def _told(x: Any) -> str:
    if isinstance(x, (list, tuple)):
        return "(" + ", ".join(_told(y) for y in x) + ")"
    if isinstance(x, Fraction) and x.denominator > 10**6:
        return f"{float(x)!r} (to 53 bits)"
    return str(x)


def table(tallies: Sequence[Tally]) -> str:
    """What held, how often, and how tightly, as text."""
    width = max([len(t.theorem.name) for t in tallies], default=0)
    lines = [f"{'theorem':<{width}}  instances     held    open  broken  ratio of the sides: least  median  most"]
    for t in tallies:
        if t.missing:
            continue
        spread = (min(t.ratios), statistics.median(t.ratios), max(t.ratios)) if t.ratios else ()
        told = "  ".join(f"{x:.4f}" for x in spread) or "–"
        mark = " (false as told)" if t.theorem.expected == "refuted" else ""
        kinds = " midpoints" if "midpoints" in t.kinds else ""
        lines.append(
            f"{t.theorem.name:<{width}}  {t.met:>9}  {t.held:>7}  {t.open:>6}  {t.broken:>6}  {told}{kinds}{mark}"
        )
    left = [t.theorem.name for t in tallies if t.missing]
    if left:
        lines += ["", f"not about numbers that a draw has: {', '.join(left)}"]
    wrong = [t for t in tallies if t.wrong]
    lines += ["", *(f"{t.witness}\n" for t in wrong)]
    met = sum(t.met for t in tallies)
    lines.append(f"{met} instances; " + (f"{len(wrong)} theorems are broken" if wrong else "no theorem is broken"))
    return "\n".join(lines) + "\n"
