"""Exact search over several heads: bound, filter, branch.

For candidate sets C_i, any c in R^H, L_h <= D_h <= U_h over them and φ_h(z) = max(z / L_h, z / U_h):

    f <= direct + Σ_h c_h + Σ_h φ_h(A_h - c_h B_h)
         + Σ_i max_{t in C_i} Σ_h φ_h(a_{h,i}(t) - c_h b_{h,i}(t))                                      (leaf bound)

because N_h / D_h = c_h + (N_h - c_h D_h) / D_h. It is convex in c, separable over slots, and exact where every C_i is
a single token. A token whose own term lies so far below its slot's largest that the whole bound falls to the target
can't be in any assignment above the target: it is dropped (filter). Sets collapse, L and U tighten, and so on; what
stays open is split in two (branch).

Every bound is an upper bound of the exact one, rounding included (:mod:`tokendemo_formal.override.tables` says how), so
"refuted" is a proof. A candidate above the target is only a proposal: the caller confirms it in balls.
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

from tokendemo_formal.numbers.enclosures import UNIT
from tokendemo_formal.override.outcome import Assignment, Confirm, Limits, Outcome
from tokendemo_formal.override.proof import Columns, Exact, Filter, Leaf, Split, Trace
from tokendemo_formal.override.tables import Floats, Problem, SlotTable

_UNDERFLOW = 2.0**-1000
"""Added to every bound: far more than all underflows of its evaluation, in the search's range, can lose."""

_ROOT_STEPS = 16
_NODE_STEPS = 12
_RESTARTS = 12
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


@dataclass
class _Slots:
    """The tables of a node's candidate sets, and the denominators' range over them."""

    tables: list[SlotTable]
    lower: Floats
    upper: Floats

    @property
    def inverse(self) -> tuple[Floats, Floats]:
        """1/L rounded up and 1/U rounded down."""
        return np.nextafter(1.0 / self.lower, np.inf), np.nextafter(1.0 / self.upper, 0.0)


@dataclass
class _Bound:
    c: Floats
    total: float
    terms: list[Floats]
    largest: list[float]
    best: Assignment
    slope: Floats


def _sum_up(parts: list[float]) -> float:
    """At least the exact sum; infinity where a part is infinite or not a number."""
    if not all(map(math.isfinite, parts)):
        return math.inf
    try:
        return math.nextafter(math.fsum(parts), math.inf)
    except OverflowError:
        return math.inf


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
            bound, found = self._minimise(node, self._gather(node.sets), steps)
            if found is not None:
                return found
            node.bound = min(node.bound, bound.total)
            sets = self._filtered(node.sets, bound)
            if bound.total <= self.target or any(len(s) == 0 for s in sets):
                node.trace.append(Leaf(bound.c))
                return None
            if before == len(node.sets):
                return self._single(node)
            after = sum(len(s) for s in sets)
            if after < before:
                node.trace.append(Filter(bound.c))
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

    def _gather(self, sets: list[Columns]) -> _Slots:
        problem = self.problem
        tables = []
        lower = problem.template.b[:, 0].copy()
        upper = lower.copy()
        for slot, columns in zip(problem.slots, sets, strict=True):
            whole = len(columns) == slot.a.shape[1]
            table = slot if whole else SlotTable(slot.a[:, columns], slot.b[:, columns])
            tables.append(table)
            lower += table.b.min(axis=1)
            upper += table.b.max(axis=1)
        # Each sum of m + 1 positive midpoints is off by its rounding and by the midpoints' own errors.
        count = len(sets) + 1
        slack = problem.relative + 2 * (count + 2) * UNIT
        lower = np.maximum(lower * (1 - 2 * slack) - 2 * count * problem.absolute, 0.0)
        upper = upper * (1 + 2 * slack) + 2 * count * problem.absolute
        return _Slots(tables, lower, upper)

    def _evaluate(self, slots: _Slots, c: Floats) -> _Bound:
        over, under = slots.inverse
        problem = self.problem
        minus = -c[:, None]
        z = problem.template.a[:, 0] - c * problem.template.b[:, 0]
        weights = np.where(z > 0, over, under)
        parts = [problem.direct, _UNDERFLOW, *c.tolist(), *(z * weights).tolist()]
        slope = 1.0 - weights * problem.template.b[:, 0]
        terms, largest, best = [], [], []
        for table in slots.tables:
            gaps = table.b * minus
            gaps += table.a
            scaled = gaps * over[:, None]
            gaps *= under[:, None]
            np.maximum(scaled, gaps, out=scaled)
            term = scaled.sum(axis=0)
            column = int(term.argmax())
            terms.append(term)
            largest.append(float(term[column]))
            best.append(column)
            z = table.a[:, column] - c * table.b[:, column]
            slope = slope - np.where(z > 0, over, under) * table.b[:, column]
        return _Bound(c, _sum_up(parts + largest), terms, largest, tuple(best), slope)

    def _minimise(self, node: _Node, slots: _Slots, steps: int) -> tuple[_Bound, Assignment | None]:
        """Polyak steps on the convex bound from the node's c; leaves the best c in the node.

        Each step's maximisers are an assignment: it is improved, and tried where it looks good enough.
        """
        limit = self.problem.limit
        c = np.clip(node.c, -limit, limit)
        best: _Bound | None = None
        factor = 1.0
        for step in range(steps):
            bound = self._evaluate(slots, c)
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

    def _filtered(self, sets: list[Columns], bound: _Bound) -> list[Columns]:
        """Without the tokens whose best completion stays at or below the target."""
        if not math.isfinite(bound.total):
            return sets
        rest = bound.total  # >= direct + Σ c + template + Σ largest, all exact
        out = []
        for columns, term, largest in zip(sets, bound.terms, bound.largest, strict=True):
            # term + (rest - largest) <= target, with the right side rounded down twice
            others = math.nextafter(rest - largest, math.inf)
            allowed = math.nextafter(self.target - others, -math.inf)
            out.append(columns[term > allowed])
        return out

    def _split(self, sets: list[Columns]) -> tuple[int, NDArray[np.bool_]]:
        """The slot whose denominators vary most, in the head where they do; a mask of its smaller half."""
        problem = self.problem
        slots = self._gather(sets)
        lower = np.maximum(slots.lower, 1e-300)
        best, choice = -1.0, (0, 0)
        for i, table in enumerate(slots.tables):
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
