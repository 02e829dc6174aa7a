"""Exact search over several heads: bound, filter, branch.

The bound is that of :mod:`tokendemo_formal.override.bound`. It is convex in c, and its c is found by a few Polyak steps
(B. Polyak, "Minimization of unsmooth functionals", 1969). Tokens that the bound puts out of reach of the target are
dropped (filter): sets collapse, the denominators' ranges tighten, and so on; what stays open is split in two (branch),
the most promising first.

"Refuted" is a proof: all bounds hold with their rounding. A candidate above the target is only a proposal, which the
caller confirms in balls.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.override.bound import MOST_JOINT, Bound, Candidates, evaluate, gather, looseness
from tokendemo_formal.override.outcome import Assignment, Confirm, Limits, Outcome
from tokendemo_formal.override.proof import Columns, Exact, Filter, Leaf, Split, Trace
from tokendemo_formal.override.tables import Floats, Problem

_ROOT_STEPS = 16
_NODE_STEPS = 8
_RESTARTS = 12
_JOINT_BUDGET = 2**18
"""Sums that one bound may cost: candidates times choices of w."""

_ASCENTS = 16
"""Nodes whose candidates are improved by ascent; later only every sixteenth's are."""
_WORTH_A_ROUND = 0.8
"""Another round of bounding is worth its while where a filter left less than this part of the candidates."""


@dataclass
class _Node:
    sets: list[Columns]
    c: Floats
    bound: float
    trace: Trace


def _quiet() -> np.errstate:
    """Scores that span more than float64's exponents leave denominators of 0: the bounds are then infinite, which is
    sound, and candidates senseless, which is harmless."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


class Search:
    """Best-first search for an assignment above a target.

    Args:
        problem: the tables.
        confirm: decides candidates exactly, against ``target``.
        target: what f has to exceed.

    Attributes:
        trace: how the root was closed; complete once the outcome is "refuted".
    """

    def __init__(self, problem: Problem, confirm: Confirm, target: float = 0.0) -> None:
        self.problem = problem
        self.confirm = confirm
        self.target = target
        self.nodes = 0
        self.best_value = -math.inf
        self.best_assignment: Assignment | None = None
        self._undecided: Assignment | None = None
        self._verdicts: dict[Assignment, bool | None] = {}
        self.trace: Trace = []
        self._order = itertools.count()
        self._open: list[tuple[float, int, _Node]] = []
        sets = [np.arange(slot.a.shape[1]) for slot in problem.slots]
        with _quiet():
            self._push(_Node(sets, self._first_guess(sets), math.inf, self.trace))

    @property
    def open_nodes(self) -> int:
        return len(self._open)

    @property
    def bound(self) -> float:
        """A proved upper bound of f over all that is still open, or the target where nothing is."""
        return max(-self._open[0][0], self.target) if self._open else self.target

    def run(self, limits: Limits, watch: Callable[[Search], None] | None = None) -> Outcome:
        """Search until an assignment above the target is confirmed, all is refuted, or a limit is reached.

        Args:
            limits: when to give up; a later call goes on where this one stopped.
            watch: called after every node.
        """
        with _quiet():
            return self._run(limits, watch)

    def _run(self, limits: Limits, watch: Callable[[Search], None] | None) -> Outcome:
        while self._open:
            if self.nodes >= limits.nodes or limits.over:
                return self._outcome("gave-up")
            _, _, node = heapq.heappop(self._open)
            self.nodes += 1
            found = self._expand(node)
            if watch:
                watch(self)
            if found is not None:
                return self._outcome("found", found)
        return self._outcome("refuted" if self._undecided is None else "gave-up")

    def _outcome(self, kind: Literal["found", "refuted", "gave-up"], assignment: Assignment | None = None) -> Outcome:
        return Outcome(kind, assignment, self.nodes, self.bound, self._undecided)

    def _push(self, node: _Node) -> None:
        heapq.heappush(self._open, (-node.bound, next(self._order), node))

    def _expand(self, node: _Node) -> Assignment | None:
        """Bound and filter the node, then push its children; a confirmed assignment above the target ends it early."""
        steps = _ROOT_STEPS if self.nodes == 1 else _NODE_STEPS
        while True:
            before = sum(len(s) for s in node.sets)
            bound, found = self._minimise(node, gather(self.problem, node.sets), steps)
            if found is not None:
                return found
            node.bound = min(node.bound, bound.total)
            sets = self._filtered(node.sets, bound)
            if bound.total <= self.target or any(len(s) == 0 for s in sets):
                node.trace.append(Leaf(bound.c, bound.joint))
                return None
            if before == len(node.sets):
                return self._single(node)
            after = sum(len(s) for s in sets)
            if after < before:
                node.trace.append(Filter(bound.c, bound.joint))
                node.sets = sets
            if after > len(sets) and after > _WORTH_A_ROUND * before:
                break
        if self.nodes == 1:
            found = self._restart(node.sets)
            if found is not None:
                return found
        self._branch(node)
        return None

    def _branch(self, node: _Node) -> None:
        slot, inside = self._split(node.sets)
        columns = node.sets[slot]
        split = Split(slot, columns[inside], [], [])
        node.trace.append(split)
        for half, trace in ((columns[inside], split.first), (columns[~inside], split.second)):
            sets = [*node.sets[:slot], half, *node.sets[slot + 1 :]]
            self._push(_Node(sets, node.c, node.bound, trace))

    def _minimise(self, node: _Node, candidates: Candidates, steps: int) -> tuple[Bound, Assignment | None]:
        """Polyak steps on the convex bound from the node's c; leaves the best c in the node.

        Each step's maximisers are an assignment: it is improved, and tried where it looks good enough.
        """
        limit = self.problem.limit
        c = np.clip(node.c, -limit, limit)
        best: Bound | None = None
        joint = self._joint(candidates, c)
        factor = 1.0
        for step in range(steps):
            bound = evaluate(self.problem, candidates, c, joint)
            if best is None or bound.total < best.total:
                best, node.c = bound, c
                if bound.total <= self.target:
                    break
            elif step > 4:
                factor *= 0.7
            found = self._propose(
                node.sets, bound.best, improve=step % 8 == 0 and (self.nodes < _ASCENTS or self.nodes % 16 == 0)
            )
            if found is not None:
                return best, found
            square = float(bound.slope @ bound.slope)
            if not math.isfinite(bound.total) or square < 1e-30:
                break
            goal = max(self.target, min(self.best_value, bound.total))
            size = factor * (bound.total - goal) / square
            if size * math.sqrt(square) < 1e-13 * (1 + float(np.abs(c).max())):
                break
            c = np.clip(c - size * bound.slope, -limit, limit)
        assert best is not None
        return best, None

    def _joint(self, candidates: Candidates, c: Floats) -> tuple[int, ...]:
        """The heads worth bounding jointly, as many as the candidates' number leaves affordable."""
        size = sum(table.a.shape[1] for table in candidates.tables)
        count = min(int(math.log2(max(_JOINT_BUDGET / size, 1))), MOST_JOINT, self.problem.heads)
        order = np.argsort(-looseness(self.problem, candidates, c), kind="stable")
        return tuple(sorted(int(h) for h in order[:count]))

    def _filtered(self, sets: list[Columns], bound: Bound) -> list[Columns]:
        """Without the tokens that the bound puts out of reach of the target."""
        return [s[reached > self.target] for s, reached in zip(sets, bound.completions, strict=True)]

    def _split(self, sets: list[Columns]) -> tuple[int, NDArray[np.bool_]]:
        """The slot whose denominators vary most, in the head where they do; a mask of its smaller half."""
        problem = self.problem
        candidates = gather(problem, sets)
        lower = np.maximum(candidates.lower, 1e-300)
        best, choice = -1.0, (0, 0)
        for i, table in enumerate(candidates.tables):
            if len(sets[i]) > 1:
                spread = (table.b.max(axis=1) - table.b.min(axis=1)) / lower
                head = int(spread.argmax())
                if spread[head] > best:
                    best, choice = float(spread[head]), (i, head)
        i, head = choice
        b = problem.slots[i].b[head, sets[i]]
        low, high = max(float(b.min()), 1e-300), max(float(b.max()), 1e-300)
        upper = b > math.sqrt(low) * math.sqrt(high)
        if not 0 < int(upper.sum()) < len(b):
            order = np.argsort(b, kind="stable")
            upper = np.zeros(len(b), dtype=bool)
            upper[order[len(b) // 2 :]] = True
        return i, upper if 2 * int(upper.sum()) <= len(b) else ~upper

    def _single(self, node: _Node) -> Assignment | None:
        """A node of one assignment that the bound could not refute: decide it exactly."""
        node.trace.append(Exact())
        assignment = tuple(int(s[0]) for s in node.sets)
        verdict = self._confirmed(assignment)
        if verdict is None:
            self._undecided = assignment
        return assignment if verdict else None

    def _confirmed(self, assignment: Assignment) -> bool | None:
        if assignment not in self._verdicts:
            self._verdicts[assignment] = self.confirm(assignment)
        return self._verdicts[assignment]

    # Candidates: plain floats, confirmed in balls before they count.

    def _value(self, assignment: Assignment) -> float:
        n, d = self.problem.template.a[:, 0].copy(), self.problem.template.b[:, 0].copy()
        for slot, column in zip(self.problem.slots, assignment, strict=True):
            n += slot.a[:, column]
            d += slot.b[:, column]
        return float(self.problem.direct + (n / np.maximum(d, 1e-300)).sum())

    def _propose(self, sets: list[Columns], local: Assignment, improve: bool) -> Assignment | None:
        assignment = tuple(int(s[j]) for s, j in zip(sets, local, strict=True))
        value = self._value(assignment)
        if improve:
            assignment, value = self._ascend(assignment, value, sets)
        if value > self.best_value:
            self.best_value, self.best_assignment = value, assignment
        return assignment if value > self.target and self._confirmed(assignment) else None

    def _ascend(self, assignment: Assignment, value: float, sets: list[Columns]) -> tuple[Assignment, float]:
        """Coordinate ascent: each slot in turn takes its best token, until none changes."""
        problem = self.problem
        chosen = list(assignment)
        n = problem.template.a[:, 0] + sum(s.a[:, j] for s, j in zip(problem.slots, chosen, strict=True))
        d = problem.template.b[:, 0] + sum(s.b[:, j] for s, j in zip(problem.slots, chosen, strict=True))
        stale = 0
        for i in itertools.cycle(range(len(chosen))):
            if stale == len(chosen):
                break
            stale += 1
            slot, columns = problem.slots[i], sets[i]
            a = slot.a if len(columns) == slot.a.shape[1] else slot.a[:, columns]
            b = slot.b if len(columns) == slot.b.shape[1] else slot.b[:, columns]
            n_rest, d_rest = n - slot.a[:, chosen[i]], d - slot.b[:, chosen[i]]
            values = ((n_rest[:, None] + a) / np.maximum(d_rest[:, None] + b, 1e-300)).sum(axis=0) + problem.direct
            j = int(values.argmax())
            if values[j] > value + 1e-12 * abs(value):
                value, chosen[i], stale = float(values[j]), int(columns[j]), 0
                n, d = n_rest + slot.a[:, chosen[i]], d_rest + slot.b[:, chosen[i]]
        return tuple(chosen), value

    def _restart(self, sets: list[Columns]) -> Assignment | None:
        """Ascents from random assignments of the root's survivors (fixed seed: the same search every time)."""
        rng = np.random.default_rng(0)
        for _ in range(_RESTARTS):
            found = self._propose(sets, tuple(int(rng.integers(len(s))) for s in sets), improve=True)
            if found is not None:
                return found
        return None

    def _first_guess(self, sets: list[Columns]) -> Floats:
        """The ratios N/D of a locally best assignment."""
        problem = self.problem
        start = tuple(int(slot.a.sum(axis=0).argmax()) for slot in problem.slots)
        if start:
            start, self.best_value = self._ascend(start, self._value(start), sets)
            self.best_assignment = start
        n = problem.template.a[:, 0] + sum(s.a[:, j] for s, j in zip(problem.slots, start, strict=True))
        d = problem.template.b[:, 0] + sum(s.b[:, j] for s, j in zip(problem.slots, start, strict=True))
        return np.nan_to_num(n / np.maximum(d, 1e-300))
