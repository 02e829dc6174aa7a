"""Exact search for one assignment that is above several targets at once: f_1 > 0, …, f_n > 0.

Each f is a function of the kind that :mod:`tokendemo_formal.override.tables` makes, over the same slots and tokens. A
node is closed where one of them is at most 0 on all its assignments, and a token is dropped where one of them is with
it: so all rules of the search for one condition serve, each time for one of several. A sum of the conditions with
weights above 0 is a function of that kind, too, with the heads of all (Lagrange's relaxation): where it is at most 0,
some condition is. That refutes what no condition refutes alone, for tokens that serve one cost the other.

Conditions may be many (a token that is to beat all others), and few of them matter. A search begins with some, and
asks for another where an assignment satisfies all it has and yet is refused.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from tokendemo_formal.override.bound import Bound, evaluate, gather
from tokendemo_formal.override.many_heads import CHECKED_BUDGET, Node, Search, within
from tokendemo_formal.override.multipliers import descend, joint_heads
from tokendemo_formal.override.outcome import Assignment, Limits, Outcome
from tokendemo_formal.override.proof import Columns, Combination, Condition, Exact, Filter, Leaf, Split, Trace
from tokendemo_formal.override.tables import Enclosed, Floats, assemble, combine

Judge: TypeAlias = "Callable[[Assignment], tuple[bool | None, Condition]]"
"""Are all conditions' exact margins above the target? The second part is a condition that isn't, or that is open."""

_PASSES = 2
_WEIGHINGS = 24
"""Steps that look for the weights of the conditions."""
_LARGEST_COMBINATION = 2**22
"""Table entries of the weighted sum that are still affordable to make anew at each of these steps."""
_RESTARTS = 12
_ASCENTS = 16
_TRIED = 3
"""Conditions whose multipliers are improved at a node; the others are bounded at the last ones known."""
_WORTH_A_ROUND = 0.8


class Part(Search):
    """One function to be bounded over the nodes of a search that is not its own.

    Args:
        enclosed: the function's numbers.
        of: the conditions that it adds up.
    """

    def __init__(self, enclosed: Enclosed, of: Combination) -> None:
        super().__init__(assemble(enclosed), lambda _: False)
        self.of = of
        self._active = self._open[0][2].active

    @property
    def guess(self) -> Floats:
        """Multipliers to begin with."""
        return self._open[0][2].c

    def bounded(self, sets: list[Columns], c: Floats, passes: int) -> Bounded:
        """The bound over candidate sets, at the c given (no passes) or a better one."""
        node = self._node(sets, c)
        candidates = gather(self.problem, sets)
        best: Bound | None = None
        for _ in range(max(passes, 1)):
            joint = joint_heads(self.problem, candidates, node.active, node.c, CHECKED_BUDGET // candidates.count)
            if passes:
                node.c, _, _ = descend(self.problem, candidates, node.active, node.c, joint, 0.0, self.best_value)
            bound = evaluate(self.problem, candidates, node.c, joint)
            best = bound if best is None or bound.total < best.total else best
            if best.total <= 0 or not math.isfinite(bound.total):
                break
            node.active = [np.union1d(old, new) for old, new in zip(node.active, bound.contenders, strict=True)]
        assert best is not None
        self._active = node.active
        completions = best.completions(self.problem, candidates, 0.0)
        kept = [s[reached > 0] for s, reached in zip(sets, completions, strict=True)]
        return Bounded(sets, best.total, best.c, best.joint, kept, best.best)

    def _node(self, sets: list[Columns], c: Floats) -> Node:
        c = np.clip(c, -self.problem.limit, self.problem.limit)
        return Node(sets, within(self._active, sets), c, math.inf, [], sum(map(len, sets)))

    def share(self, total: float) -> float:
        """What a bound of the sum leaves to the least of its conditions."""
        return float(np.nextafter(total / np.nextafter(sum(weight for _, weight in self.of), 0.0), np.inf))

    def parted(self, sets: list[Columns], c: Floats) -> tuple[int, Columns, Columns]:
        """A slot, and its candidates in two parts."""
        node = self._node(sets, c)
        node.candidates = gather(self.problem, sets)
        slot, inside = self._split(node, evaluate(self.problem, node.candidates, node.c))
        return slot, sets[slot][inside], sets[slot][~inside]

    def values(self, assignments: Sequence[Columns]) -> Floats:
        """f of assignments, one array of columns a slot, in plain floats."""
        n, d = self.problem.template.a, self.problem.template.b
        for slot, columns in zip(self.problem.slots, assignments, strict=True):
            n, d = n + slot.a[:, columns], d + slot.b[:, columns]
        return np.asarray(self.problem.direct + (n / np.maximum(d, 1e-300)).sum(axis=0))


@dataclass(frozen=True)
class Bounded:
    """A bound of one part over a node.

    Attributes:
        sets: the node's candidates.
        total: the bound; above 0 where nothing is closed.
        c, joint: how it was found.
        kept: the candidates that it does not put out of reach.
        assignment: one that attains it.
    """

    sets: list[Columns]
    total: float
    c: Floats
    joint: tuple[int, ...]
    kept: list[Columns]
    assignment: Assignment


@dataclass
class _Node:
    sets: list[Columns]
    bound: float
    trace: Trace
    c: dict[Combination, Floats]


class Conjunction:
    """Best-first search for an assignment that satisfies all conditions.

    Args:
        numbers: the function of a condition, less its target.
        conditions: those to begin with, at least one.
        judge: decides candidates exactly.
        start: a known assignment, to begin near.

    Attributes:
        trace: how the root was closed; complete once the outcome is "refuted".
        best_value: the best assignment's least margin, in floats.
    """

    def __init__(
        self,
        numbers: Callable[[Condition], Enclosed],
        conditions: Sequence[Condition],
        judge: Judge,
        start: Assignment | None = None,
    ) -> None:
        self._numbers, self._judge = numbers, judge
        self.parts: dict[Condition, Part] = {}
        self.sums: list[Part] = []
        self.trace: Trace = []
        self.nodes = 0
        self._weighed = 0
        self.best_value = -math.inf
        self._undecided: Assignment | None = None
        self._verdicts: dict[Assignment, tuple[bool | None, Condition]] = {}
        self._found: Assignment | None = None
        self._order = itertools.count()
        for condition in conditions:
            self._add(condition)
        slots = self._any.problem.slots
        root = _Node([np.arange(slot.a.shape[1]) for slot in slots], math.inf, self.trace, {})
        self._open = [(-math.inf, next(self._order), root)]
        with _quiet():
            self._begin(root.sets, start)

    @property
    def open_nodes(self) -> int:
        return len(self._open)

    @property
    def bound(self) -> float:
        """A proved upper bound of the least margin over all that is still open, or 0 where nothing is."""
        return max(-self._open[0][0], 0.0) if self._open else 0.0

    @property
    def _any(self) -> Part:
        return next(iter(self.parts.values()))

    def run(self, limits: Limits, watch: Callable[[Conjunction], None] | None = None) -> Outcome:
        """Search until an assignment is confirmed, all are refuted, or a limit is reached; see :meth:`Search.run`."""
        with _quiet():
            while self._open and self._found is None:
                if self.nodes >= limits.nodes or limits.over:
                    return self._outcome("gave-up")
                _, _, node = heapq.heappop(self._open)
                self.nodes += 1
                self._expand(node)
                if watch:
                    watch(self)
        if self._found is not None:
            return self._outcome("found")
        return self._outcome("refuted" if self._undecided is None else "gave-up")

    def _outcome(self, kind: Literal["found", "refuted", "gave-up"]) -> Outcome:
        return Outcome(kind, self._found, self.nodes, self.bound, self._undecided)

    # Bounds

    def _expand(self, node: _Node) -> None:
        while True:
            before = sum(map(len, node.sets))
            part = self._pruned(node)
            if self._found is not None or part is None:
                return
            if before == len(node.sets):
                self._single(node)
                return
            after = sum(map(len, node.sets))
            if after > len(node.sets) and after > _WORTH_A_ROUND * before:
                break
        if self._weighed < len(self.parts):
            self._weigh(node)
        if self.nodes == 1:
            self._restart(node.sets)
            if self._found is not None:
                return
        slot, first, second = part.parted(node.sets, node.c[part.of])
        split = Split(slot, first, [], [])
        node.trace.append(split)
        for half, trace in ((first, split.first), (second, split.second)):
            sets = [*node.sets[:slot], half, *node.sets[slot + 1 :]]
            child = _Node(sets, node.bound, trace, dict(node.c))
            heapq.heappush(self._open, (-child.bound, next(self._order), child))

    def _pruned(self, node: _Node) -> Part | None:
        """Bound and filter by every part in turn, the most promising first.

        Returns:
            The part with the least bound; None where the node is closed.
        """
        parts = [*self.sums, *self.parts.values()]
        quick = [part.bounded(node.sets, node.c.get(part.of, part.guess), 0) for part in parts]
        order = sorted(range(len(parts)), key=lambda k: parts[k].share(quick[k].total))
        least: tuple[Part, Bounded] | None = None
        for rank, k in enumerate(order):
            part = parts[k]
            passes = _PASSES if rank < _TRIED or part in self.sums else 0
            known = quick[k]
            bounded = known if not passes and known.sets is node.sets else part.bounded(node.sets, known.c, passes)
            node.c[part.of] = bounded.c
            node.bound = min(node.bound, part.share(bounded.total))
            if bounded.total <= 0 or any(len(s) == 0 for s in bounded.kept):
                node.trace.append(Leaf(bounded.c, bounded.joint, part.of))
                return None
            if least is None or part.share(bounded.total) < least[0].share(least[1].total):
                least = part, bounded
            if sum(map(len, bounded.kept)) < sum(map(len, node.sets)):
                node.trace.append(Filter(bounded.c, bounded.joint, part.of))
                node.sets = bounded.kept
            inside = all(t in s for t, s in zip(bounded.assignment, node.sets, strict=True))
            if inside and passes:
                self._propose(node.sets, bounded.assignment, self.nodes < _ASCENTS or self.nodes % 16 == 0)
                if self._found is not None:
                    break
        assert least is not None
        return least[0]

    def _weigh(self, node: _Node) -> None:
        """Add the weighted sum of the conditions whose bound is smallest, roughly, by multiplicative updates."""
        conditions = [*self.parts]
        self._weighed = len(conditions)
        heads = sum(self.parts[k].problem.heads for k in conditions)
        if len(conditions) < 2 or heads * sum(map(len, node.sets)) > _LARGEST_COMBINATION:
            return
        logs = np.zeros(len(conditions))
        best: tuple[float, Part] | None = None
        c: Floats | None = None
        for step in range(_WEIGHINGS):
            weights = np.exp2(np.round(8 * (logs - logs.max())) / 8)
            weights = np.round(weights * 256) / 256
            chosen = [k for k in range(len(conditions)) if weights[k] > 0]
            of = tuple((conditions[k], float(weights[k])) for k in chosen)
            part = self._sum(of)
            bounded = part.bounded(node.sets, part.guess if c is None or len(c) != len(part.guess) else c, _PASSES)
            c = bounded.c
            bound = bounded.total / weights.sum()
            if best is None or bound < best[0]:
                best = bound, part
            if bound <= 0:
                break
            # Where the sum attains its bound, the conditions that hold least need more weight.
            found = np.array([self.parts[k].values(_columns(bounded.assignment))[0] for k in conditions])
            scale = float(np.abs(found).max()) or 1.0
            logs -= 2.0 / math.sqrt(step + 1) * found / scale
        assert best is not None
        if len(best[1].of) > 1:
            self.sums = [best[1]]

    def _sum(self, of: Combination) -> Part:
        return Part(combine([(k[0], self._numbers(k), weight) for k, weight in of]), of)

    def _single(self, node: _Node) -> None:
        """One assignment, which no bound refuted: decide it exactly."""
        assignment = tuple(int(s[0]) for s in node.sets)
        verdict, condition = self._judged(assignment)
        node.trace.append(Exact(((condition, 1.0),)))
        if verdict:
            self._found = assignment
        elif verdict is None:
            self._undecided = assignment

    def _judged(self, assignment: Assignment) -> tuple[bool | None, Condition]:
        if assignment not in self._verdicts:
            self._verdicts[assignment] = self._judge(assignment)
        return self._verdicts[assignment]

    def _add(self, condition: Condition) -> None:
        self.parts[condition] = Part(self._numbers(condition), ((condition, 1.0),))

    # Candidates: plain floats, decided exactly before they count.

    def _begin(self, sets: list[Columns], start: Assignment | None) -> None:
        starts = [start] if start is not None else []
        starts += [part.best_assignment for part in self.parts.values() if part.best_assignment is not None]
        for assignment in starts:
            if self._found is None:
                self._propose(sets, assignment, improve=True)

    def _restart(self, sets: list[Columns]) -> None:
        rng = np.random.default_rng(0)
        for _ in range(_RESTARTS):
            if self._found is None:
                self._propose(sets, tuple(int(rng.choice(s)) for s in sets), improve=True)

    def _least(self, assignments: Sequence[Columns]) -> Floats:
        """The least margin of assignments, one array of columns a slot."""
        return np.asarray(np.min([part.values(assignments) for part in self.parts.values()], axis=0))

    def _propose(self, sets: list[Columns], assignment: Assignment, improve: bool) -> None:
        value = float(self._least(_columns(assignment))[0])
        if improve:
            assignment, value = self._ascend(assignment, value, sets)
        self.best_value = max(self.best_value, value)
        while value > 0:
            verdict, condition = self._judged(assignment)
            if verdict:
                self._found = assignment
            if verdict is not False or condition in self.parts:
                return
            self._add(condition)  # one that did not matter so far
            assignment, value = self._ascend(assignment, float(self._least(_columns(assignment))[0]), sets)

    def _ascend(self, assignment: Assignment, value: float, sets: list[Columns]) -> tuple[Assignment, float]:
        """Coordinate ascent: each slot in turn takes its best token, until none changes."""
        chosen = list(assignment)
        stale = 0
        for i in itertools.cycle(range(len(chosen))):
            if stale == len(chosen):
                break
            stale += 1
            tried = [sets[k] if k == i else np.full(1, t) for k, t in enumerate(chosen)]
            values = self._least(tried)
            j = int(values.argmax())
            if values[j] > value + 1e-12 * abs(value):
                value, chosen[i], stale = float(values[j]), int(sets[i][j]), 0
        return tuple(chosen), value


def _columns(assignment: Assignment) -> list[Columns]:
    return [np.array([t]) for t in assignment]


def _quiet() -> np.errstate:
    """As in the search for one condition: lost denominators make bounds infinite, which is sound."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")
