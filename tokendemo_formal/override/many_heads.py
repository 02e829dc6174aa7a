"""Exact search over several heads: bound, filter, branch.

The bound is that of :mod:`tokendemo_formal.override.bound`, at multipliers from
:mod:`tokendemo_formal.override.multipliers`. Tokens that it puts out of reach of the target are dropped (filter): sets
collapse, the denominators' ranges tighten, and so on; what stays open is split in two (branch), the most promising
first. The split is the one that takes most from the bound where it is attained: at its best assignment, head h is
overestimated by Σ z_h (factor_h - 1/D_h), for its D_h is far from the end of [L_h, U_h] that was assumed. A slot's set
is split by its b of that head; or, where many slots are open, the range of D_h itself is, of which each slot's b is
then but a small part. Limits on D keep mixtures of a slot's tokens, which no assignment reaches; by Shapley's and
Folkman's lemma these gain about what one slot for each head can make up (R. Starr, "Quasi-equilibria in markets with
non-convex preferences", 1969). So ranges are split only while more slots are open than that.

"Refuted" is a proof: all bounds hold with their rounding. A candidate above the target is only a proposal, which the
caller confirms in balls.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.override.bound import Bound, Candidates, evaluate, gather, terms
from tokendemo_formal.override.multipliers import descend, joint_heads
from tokendemo_formal.override.outcome import Assignment, Confirm, Limits, Outcome
from tokendemo_formal.override.proof import Columns, Exact, Filter, Halve, Leaf, Split, Trace
from tokendemo_formal.override.tables import Floats, Problem

_PASSES, _ROOT_PASSES = 3, 8
"""Passes over all candidates for one bound, at multipliers that the tokens found by the last one improve."""

_CLOSE = 0.2
"""A pass is the last where it exceeds what was expected by less than this part of its distance to the target."""

_ACTIVE = 24
"""Tokens a slot that a node's multipliers are first fitted to."""

_BLOCK = 1024
_RESTARTS = 12
JOINT_BUDGET = 2**14
"""Sums that one bound may cost: contenders times choices of w."""

CHECKED_BUDGET = 2**18
"""The same where a checker has to repeat it, which looks at all candidates."""

_ASCENTS = 16
"""Nodes whose candidates are improved by ascent; later only every sixteenth's are."""
SPARE_SLOTS = 2
"""Slots, beside one for each head, from which on ranges of denominators are split."""

_WIDE, _TOO_WIDE = 4.0, 1e6
"""Ranges are split while their ends' ratio lies between these: in wider ones single tokens make up most of D."""

_WORTH_A_ROUND = 0.8
"""Another round of bounding is worth its while where a filter left less than this part of the candidates."""


@dataclass
class Node:
    """What is still open.

    Attributes:
        sets: candidates of each slot, increasing.
        active: the candidates that shaped the bound last, increasing.
        c: (H,) the multipliers to start from.
        bound: a proved upper bound.
        trace: where its proof goes.
        rivals: tokens that contend for being a slot's best, in all slots together; about.
        candidates: the sets, gathered, or those of the parent.
        ranges: (2, H) multiples of the template's part of D between which D lies; None: none were set.
        pull: (H,) the pulls to start from, where there are ranges.
    """

    sets: list[Columns]
    active: list[Columns]
    c: Floats
    bound: float
    trace: Trace
    rivals: int
    candidates: Candidates | None = None
    ranges: Floats | None = None
    pull: Floats | None = None


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
        certify: keep to what a checker can afford, which has no bounds to begin with: fewer joint heads.
        nodes: to search these alone, parts of another search; otherwise all assignments.

    Attributes:
        trace: how the root was closed; complete once the outcome is "refuted".
    """

    def __init__(
        self,
        problem: Problem,
        confirm: Confirm,
        target: float = 0.0,
        certify: bool = False,
        nodes: list[Node] | None = None,
    ) -> None:
        self.certify = certify
        self.problem = problem
        self.confirm = confirm
        self.target = target
        self.nodes = 0
        self.best_value = -math.inf
        self.best_assignment: Assignment | None = None
        self.undecided: Assignment | None = None
        self.known: dict[Assignment, bool | None] = {}
        self.trace: Trace = []
        self._order = itertools.count()
        self._open: list[tuple[float, int, Node]] = []
        if nodes is not None:
            self.give_back(nodes)
            return
        sets = [np.arange(slot.a.shape[1]) for slot in problem.slots]
        with _quiet():
            start = self._first_guess(sets)
            active = [np.array([j]) for j in start]
            n, d = self._sums(start)
            c = np.nan_to_num(n / np.maximum(d, 1e-300))
            self._push(Node(sets, active, c, math.inf, self.trace, sum(map(len, sets))))

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
                return self.outcome("gave-up")
            _, _, node = heapq.heappop(self._open)
            self.nodes += 1
            found = self._expand(node)
            if watch:
                watch(self)
            if found is not None:
                self._push(node)
                return self.outcome("found", found)
        return self.outcome("refuted" if self.undecided is None else "gave-up")

    def outcome(self, kind: Literal["found", "refuted", "gave-up"], assignment: Assignment | None = None) -> Outcome:
        return Outcome(kind, assignment, self.nodes, self.bound, self.undecided)

    def take(self, count: int) -> list[Node]:
        """The most promising open nodes, to be searched elsewhere; this search goes on without them."""
        nodes = [heapq.heappop(self._open)[2] for _ in range(min(count, len(self._open)))]
        for node in nodes:
            node.candidates = None
        return nodes

    def give_back(self, nodes: list[Node]) -> None:
        """Open nodes, to be searched here."""
        for node in nodes:
            self._push(node)

    def _push(self, node: Node) -> None:
        heapq.heappush(self._open, (-node.bound, next(self._order), node))

    def _expand(self, node: Node) -> Assignment | None:
        """Bound and filter the node, then push its children; a confirmed assignment above the target ends it early."""
        root = not node.trace and node.trace is self.trace
        while True:
            candidates = gather(self.problem, node.sets, node.candidates, node.ranges)
            node.candidates = candidates
            if candidates.void:
                node.trace.append(Leaf(node.c, ()))
                return None
            bound = self._bounded(node, candidates)
            node.bound = min(node.bound, bound.total)
            found = self._propose(node.sets, bound.best, self.nodes < _ASCENTS or self.nodes % 16 == 0)
            if found is not None:
                return found
            sets = self._filtered(candidates, bound)
            if bound.total <= self.target or any(len(s) == 0 for s in sets):
                node.trace.append(Leaf(bound.c, bound.joint, pull=self._named(bound)))
                return None
            if candidates.count == len(node.sets):
                return self._single(node)
            after = sum(map(len, sets))
            if after < candidates.count:
                node.trace.append(Filter(bound.c, bound.joint, pull=self._named(bound)))
                node.sets = [s if len(s) < len(old) else old for s, old in zip(sets, node.sets, strict=True)]
                node.active = within(node.active, node.sets)
            if after > len(sets) and after > _WORTH_A_ROUND * candidates.count:
                break
        if root:
            found = self._restart(node.sets)
            if found is not None:
                return found
        self._branch(node, bound)
        return None

    def _named(self, bound: Bound) -> Floats | None:
        """The pulls as a certificate has them, for each multiple of the template's part of D; None where they are 0."""
        return bound.pull * self.problem.template.b[:, 0] if bound.pull.any() else None

    def _branch(self, node: Node, bound: Bound) -> None:
        node.candidates = gather(self.problem, node.sets, node.candidates, node.ranges)
        if sum(len(columns) > 1 for columns in node.sets) >= self.problem.heads + SPARE_SLOTS:
            halves = self._halves(node, bound)
            if halves is not None:
                self._halve(node, *halves)
                return
        slot, inside = self._split(node, bound)
        columns = node.sets[slot]
        split = Split(slot, columns[inside], [], [])
        node.trace.append(split)
        active = self._most_active(node)
        for half, trace in ((columns[inside], split.first), (columns[~inside], split.second)):
            sets = [*node.sets[:slot], half, *node.sets[slot + 1 :]]
            self._push(replace(node, sets=sets, active=within(active, sets), trace=trace))

    def _halves(self, node: Node, bound: Bound) -> tuple[int, float] | None:
        """The head to blame for most of the bound's excess where it is attained, and the multiple of the template's
        part at which to split the range of its denominator; None where that is narrow."""
        problem, candidates = self.problem, node.candidates
        assert candidates is not None
        lower, upper = candidates.lower, candidates.upper
        z = terms(problem, bound.c, bound.best)
        b = sum(slot.b[:, t] for slot, t in zip(problem.slots, bound.best, strict=True))
        d = np.clip(problem.template.b[:, 0] + b, lower, upper)
        excess = np.nan_to_num((z * (bound.factors - 1 / d)).sum(axis=0))
        h = int(excess.argmax())
        own = problem.template.b[h, 0]
        if not (excess[h] > 0 and own > 0 and _WIDE * lower[h] < upper[h] < _TOO_WIDE * lower[h]):
            return None
        assumed = lower[h] if z[:, h].sum() > 0 else upper[h]
        middle = math.sqrt(lower[h]) * math.sqrt(upper[h])
        at = math.sqrt((d[h] + assumed) / 2 / own) * math.sqrt(middle / own)
        return (h, at) if math.isfinite(at) else None

    def _halve(self, node: Node, head: int, at: float) -> None:
        halve = Halve(head, at, [], [])
        node.trace.append(halve)
        active = self._most_active(node)
        ranges = np.array([np.zeros(self.problem.heads), np.full(self.problem.heads, np.inf)])
        ranges = ranges if node.ranges is None else node.ranges
        pull = np.zeros(self.problem.heads) if node.pull is None else node.pull
        for end, trace in ((1, halve.first), (0, halve.second)):
            narrowed = ranges.copy()
            narrowed[end, head] = at
            self._push(replace(node, active=active, ranges=narrowed, pull=pull, trace=trace))

    def _bounded(self, node: Node, candidates: Candidates) -> Bound:
        """The bound at good multipliers; leaves these, and the tokens that shape it, in the node."""
        best: Bound | None = None
        for _ in range(_ROOT_PASSES if node.trace is self.trace else _PASSES):
            rivals = min(node.rivals, candidates.count)
            most = CHECKED_BUDGET // candidates.count if self.certify else JOINT_BUDGET // rivals
            joint = joint_heads(self.problem, candidates, node.active, node.c, most)
            c, pull, expected = descend(
                self.problem, candidates, node.active, node.c, joint, self.target, self.best_value, node.pull
            )
            bound = evaluate(self.problem, candidates, c, joint, pull)
            node.rivals = sum(map(len, bound.contenders))
            node.active = [np.union1d(old, new) for old, new in zip(node.active, bound.contenders, strict=True)]
            if best is None or bound.total < best.total:
                best, node.c, node.pull = bound, c, pull
            if bound.total - expected <= _CLOSE * (bound.total - self.target):
                break
        assert best is not None
        return best

    def _most_active(self, node: Node) -> list[Columns]:
        """At most _ACTIVE of the active tokens a slot: those with the largest terms."""
        assert node.candidates is not None
        over, under = node.candidates.inverse
        kept = []
        for slot, active in zip(self.problem.slots, node.active, strict=True):
            if len(active) > _ACTIVE:
                z = slot.a[:, active] - node.c[:, None] * slot.b[:, active]
                values = np.maximum(z * over[:, None], z * under[:, None]).sum(axis=0)
                active = np.sort(active[np.argpartition(-values, _ACTIVE)[:_ACTIVE]])
            kept.append(active)
        return kept

    def _filtered(self, candidates: Candidates, bound: Bound) -> list[Columns]:
        """Without the tokens that the bound puts out of reach of the target."""
        completions = bound.completions(self.problem, candidates, self.target)
        return [s[reached > self.target] for s, reached in zip(candidates.sets, completions, strict=True)]

    def _split(self, node: Node, bound: Bound) -> tuple[int, NDArray[np.bool_]]:
        """A slot, and a mask that parts its set in two by b of one head.

        The head and slot are those to blame for most of the bound's excess at the assignment that attains it, where
        that can still be one.
        """
        problem, candidates = self.problem, node.candidates
        assert candidates is not None
        assignment = bound.best
        z = terms(problem, bound.c, assignment)
        b = np.stack([slot.b[:, t] for slot, t in zip(problem.slots, assignment, strict=True)])
        excess = (z * (bound.factors - 1 / (problem.template.b[:, 0] + b.sum(axis=0)))).sum(axis=0)
        least, most = (np.stack([ends[k] for ends in candidates.ends]) for k in (0, 1))
        positive = z.sum(axis=0) > 0  # 1/L was assumed, or else 1/U
        far = np.where(positive, b - least, most - b)
        blame = np.nan_to_num(excess * far**2 / np.maximum((far**2).sum(axis=0), 1e-300))
        blame[np.array([len(s) == 1 for s in node.sets])] = -np.inf
        slot, head = divmod(int(blame.argmax()), problem.heads)
        columns = problem.slots[slot].b[head, node.sets[slot]]
        low, high = least[slot, head], most[slot, head]
        middle = (b[slot, head] + (low if positive[head] else high)) / 2
        upper = columns > (middle + math.sqrt(low) * math.sqrt(high)) / 2
        if not 0 < int(upper.sum()) < len(columns):
            upper = np.zeros(len(columns), dtype=bool)
            upper[np.argsort(columns, kind="stable")[len(columns) // 2 :]] = True
        return slot, upper if 2 * int(upper.sum()) <= len(columns) else ~upper

    def _single(self, node: Node) -> Assignment | None:
        """A node of one assignment that the bound could not refute: decide it exactly."""
        assignment = tuple(int(s[0]) for s in node.sets)
        verdict = self.confirmed(assignment)
        if verdict:
            return assignment
        if verdict is None:
            self.undecided = assignment
        node.trace.append(Exact())
        return None

    def confirmed(self, assignment: Assignment) -> bool | None:
        """Whether an assignment is above the target, exactly; remembered in ``known``."""
        if assignment not in self.known:
            self.known[assignment] = self.confirm(assignment)
        return self.known[assignment]

    # Candidates: plain floats, confirmed in balls before they count.

    def _sums(self, assignment: Assignment) -> tuple[Floats, Floats]:
        """(H,) N and D."""
        n, d = self.problem.template.a[:, 0].copy(), self.problem.template.b[:, 0].copy()
        for slot, column in zip(self.problem.slots, assignment, strict=True):
            n += slot.a[:, column]
            d += slot.b[:, column]
        return n, d

    def _value(self, assignment: Assignment) -> float:
        n, d = self._sums(assignment)
        return float(self.problem.direct + (n / np.maximum(d, 1e-300)).sum())

    def _propose(self, sets: list[Columns], assignment: Assignment, improve: bool) -> Assignment | None:
        value = self._value(assignment)
        if improve or value > self.target:
            assignment, value = self._ascend(assignment, value, sets)
        if value > self.best_value:
            self.best_value, self.best_assignment = value, assignment
        return assignment if value > self.target and self.confirmed(assignment) else None

    def _ascend(self, assignment: Assignment, value: float, sets: list[Columns]) -> tuple[Assignment, float]:
        """Coordinate ascent: each slot in turn takes its best token, until none changes."""
        problem = self.problem
        chosen = list(assignment)
        n, d = self._sums(assignment)
        stale = 0
        for i in itertools.cycle(range(len(chosen))):
            if stale == len(chosen):
                break
            stale += 1
            slot = problem.slots[i]
            n_rest, d_rest = n - slot.a[:, chosen[i]], d - slot.b[:, chosen[i]]
            j, best = self._best_token(i, sets[i], n_rest, d_rest)
            if best > value + 1e-12 * abs(value):
                value, chosen[i], stale = best, j, 0
                n, d = n_rest + slot.a[:, j], d_rest + slot.b[:, j]
        return tuple(chosen), value

    def _best_token(self, i: int, columns: Columns, n: Floats, d: Floats) -> tuple[int, float]:
        """The best of a slot's candidates, and f with it, where the rest adds up to N and D."""
        slot = self.problem.slots[i]
        values = np.empty(len(columns))
        for start in range(0, len(columns), _BLOCK):
            block = slice(start, start + _BLOCK)
            chosen: slice | Columns = block if len(columns) == slot.a.shape[1] else columns[block]
            bottom = slot.b[:, chosen] + d[:, None]
            np.maximum(bottom, 1e-300, out=bottom)
            values[block] = np.divide(slot.a[:, chosen] + n[:, None], bottom, out=bottom).sum(axis=0)
        place = int(values.argmax())
        return int(columns[place]), float(values[place] + self.problem.direct)

    def _restart(self, sets: list[Columns]) -> Assignment | None:
        """Ascents from random assignments of the root's survivors (fixed seed: the same search every time)."""
        rng = np.random.default_rng(0)
        for _ in range(_RESTARTS):
            found = self._propose(sets, tuple(int(rng.choice(s)) for s in sets), improve=True)
            if found is not None:
                return found
        return None

    def _first_guess(self, sets: list[Columns]) -> Assignment:
        """A locally best assignment."""
        start = tuple(int(slot.a.sum(axis=0).argmax()) for slot in self.problem.slots)
        start, self.best_value = self._ascend(start, self._value(start), sets)
        self.best_assignment = start
        return start


def within(active: list[Columns], sets: list[Columns]) -> list[Columns]:
    """The active tokens that are still candidates; where none is, some candidate."""
    kept = []
    for tokens, candidates in zip(active, sets, strict=True):
        places = np.minimum(np.searchsorted(candidates, tokens), len(candidates) - 1)
        inside = tokens[candidates[places] == tokens]
        kept.append(inside if len(inside) else candidates[:1])
    return kept
