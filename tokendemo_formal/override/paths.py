"""The search's bound over the assignments that an automaton accepts, by dynamic programming.

For every choice of w the bound of :mod:`tokendemo_formal.override.bound` is a sum of one term S_w(z_i(t_i)) a slot, so
its maximum over accepted sequences is one over paths of as many edges, from the automaton's start to an accepting
state: one pass forward over the slots gives for each state the best way to it, one backward the best way on, and the
best path through a token is the sum of the two and of the token's own term (R. Bellman, "On a routing problem", 1958).
It takes the place of Σ_i max S_w, which is the case of an automaton that accepts everything. Tokens of a class share
their edges, so only the best of each class counts.

Rounding: each path's sum is one of at most m + 2 floats, so enlarging by (m + 8) units of the sum of the slots' largest
terms, and of the rest's, outweighs it; a maximum of rounded sums is at least the rounded best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.numbers.enclosures import UNIT
from tokendemo_formal.override.automaton import Automaton
from tokendemo_formal.override.bound import Candidates, Scales
from tokendemo_formal.override.outcome import Assignment
from tokendemo_formal.override.proof import Columns
from tokendemo_formal.override.tables import Floats, Problem

Bools = NDArray[np.bool_]

_ROUNDS = 2
_STEPS = 15
_PATIENCE = 2
_SHRINK = 0.6
_FOREMOST = 12
"""Candidates of a class that steps look at."""


@dataclass(frozen=True)
class _Edges:
    """Edges of one slot: from states, over classes, to states."""

    source: Columns
    kind: Columns
    target: Columns

    @classmethod
    def of(cls, edges: Sequence[tuple[int, int, int]]) -> _Edges:
        return cls(*np.array(edges, dtype=np.int64).reshape(-1, 3).T)

    def only(self, mask: Bools) -> _Edges:
        return _Edges(self.source[mask], self.kind[mask], self.target[mask])


class Paths:
    """The sequences of an automaton with one token for each slot of a problem.

    Args:
        automaton: what has to accept.
        vocabulary: the token of each column.
        slots: how many slots the problem has.
        fixed: of a reader that stands in a slot of its own: which place of the whole sequence that is, and its token.

    Attributes:
        kinds: the class of each column; the number of classes for tokens in none.
    """

    def __init__(
        self, automaton: Automaton, vocabulary: Sequence[int], slots: int, fixed: tuple[int, int] | None = None
    ) -> None:
        self.states, self.classes = automaton.states, len(automaton.classes)
        self.kinds = np.array([automaton.class_of.get(token, self.classes) for token in vocabulary], dtype=np.int64)
        layers = [_Edges.of(automaton.edges)] * slots
        start: int | None = 0
        if fixed is not None:
            at, token = fixed
            if at == 0:
                start = automaton.step(0, token)
            else:  # the slot before leads two steps on
                both = [(s, k, automaton.step(to, token)) for s, k, to in automaton.edges]
                layers[at - 1] = _Edges.of([(s, k, to) for s, k, to in both if to is not None])
        self._start = np.zeros(self.states, dtype=bool)
        if start is not None:
            self._start[start] = True
        self._accepting = np.zeros(self.states, dtype=bool)
        self._accepting[list(automaton.accepting)] = True
        self._layers = self._connected(layers)
        self._last: Walk | None = None

    def _connected(self, layers: Sequence[_Edges]) -> list[_Edges]:
        """Without edges that are on no path from the start to acceptance."""
        ahead, behind = [*layers], self._start
        for i, edges in enumerate(layers):
            ahead[i] = edges.only(behind[edges.source])
            behind = np.zeros(self.states, dtype=bool)
            behind[ahead[i].target] = True
        after = self._accepting
        for i in reversed(range(len(ahead))):
            ahead[i] = ahead[i].only(after[ahead[i].target])
            after = np.zeros(self.states, dtype=bool)
            after[ahead[i].source] = True
        return ahead

    def over(self, sets: Sequence[Columns]) -> Walk:
        """The paths over candidate sets; those asked for last are remembered."""
        if self._last is not None and all(a is b for a, b in zip(self._last.candidates, sets, strict=True)):
            return self._last
        self._last = Walk(self, sets)
        return self._last

    def edges(self, sets: Sequence[Columns]) -> list[_Edges]:
        """For each slot the edges that are on an accepted path over candidate sets."""
        found = []
        for columns, layer in zip(sets, self._layers, strict=True):
            present = np.zeros(self.classes + 1, dtype=bool)
            present[self.kinds[columns]] = True
            found.append(layer.only(present[layer.kind]))
        return self._connected(found)

    def accept(self, assignment: Sequence[int]) -> bool:
        """Whether an assignment is an accepted sequence."""
        return self.over([np.array([column]) for column in assignment]).open

    def fitting(self, assignment: Sequence[int], slot: int, columns: Columns) -> Columns:
        """Which of the columns a slot may hold where the others hold those of an assignment."""
        sets = [columns if i == slot else np.array([column]) for i, column in enumerate(assignment)]
        return self.over(sets).sets[slot]


class Walk:
    """Accepted paths over the candidate sets of a node.

    Args:
        paths: all of them.
        sets: the candidates of each slot.

    Attributes:
        open: whether there is one.
        edges: how many, in all slots together.
        candidates: the candidate sets.
    """

    def __init__(self, paths: Paths, sets: Sequence[Columns]) -> None:
        layers = paths.edges(sets)
        self.open = all(len(edges.source) > 0 for edges in layers)
        self.edges = sum(len(edges.source) for edges in layers)
        self.candidates = sets
        self._slots = [_Slot(paths, columns, edges) for columns, edges in zip(sets, layers, strict=True)]
        self._start, self._accepting, self._states = paths._start, paths._accepting, paths.states

    @property
    def sets(self) -> list[Columns]:
        """The candidates that are on an accepted path."""
        return [columns[slot.used] for columns, slot in zip(self.candidates, self._slots, strict=True)]

    def totals(self, values: Sequence[Floats]) -> tuple[Floats, list[Floats]]:
        """The best paths' sums, and for each slot (W, states) the best way to each state before it.

        Args:
            values: for each slot (W, n_i) what each candidate adds.
        """
        count = len(values[0])
        ways = [np.where(self._start, 0.0, -np.inf)[None].repeat(count, axis=0)]
        for slot, terms_ in zip(self._slots, values, strict=True):
            tops = slot.tops(terms_)
            ways.append(slot.forward(ways[-1], tops, self._states))
        return np.where(self._accepting, ways[-1], -np.inf).max(axis=1), ways

    def best(self, values: Sequence[Floats], ways: Sequence[Floats], w: int) -> Assignment:
        """The columns of a best path, for one choice of w."""
        state = int(np.where(self._accepting, ways[-1][w], -np.inf).argmax())
        found = []
        for slot, columns, terms_, way in zip(
            reversed(self._slots), reversed(self.candidates), reversed(values), reversed(ways[:-1]), strict=True
        ):
            place, state = slot.back(way[w], slot.tops(terms_[w : w + 1])[0], terms_[w], state)
            found.append(int(columns[place]))
        return tuple(reversed(found))

    def foremost(self, values: Sequence[Floats]) -> list[Columns]:
        """For each slot the candidates with the largest values, (n_i,), of each class."""
        return [
            columns[slot.foremost(row)] for columns, slot, row in zip(self.candidates, self._slots, values, strict=True)
        ]

    def heaviest(self, values: Sequence[Floats]) -> Assignment:
        """The accepted assignment with the largest sum of one value, (n_i,), for each slot."""
        rows = [row[None] for row in values]
        return self.best(rows, self.totals(rows)[1], 0)

    def completions(self, values: Sequence[Floats], ways: Sequence[Floats]) -> list[Floats]:
        """For each slot (W, n_i) the sum of the best path through each candidate, -inf where there is none."""
        after = np.where(self._accepting, 0.0, -np.inf)[None].repeat(len(values[0]), axis=0)
        found = []
        for slot, terms_, way in zip(reversed(self._slots), reversed(values), reversed(ways[:-1]), strict=True):
            found.append(slot.through(way, after) + terms_)
            after = slot.backward(after, slot.tops(terms_), self._states)
        return found[::-1]


class _Slot:
    """One slot's candidates by class, and its edges in the orders that the passes need."""

    def __init__(self, paths: Paths, columns: Columns, edges: _Edges) -> None:
        kinds = paths.kinds[columns]
        self._present = np.unique(edges.kind)
        places = np.searchsorted(self._present, kinds)
        self._place = np.minimum(places, max(len(self._present) - 1, 0))
        self.used: Bools = np.isin(kinds, self._present)
        self._chosen = np.flatnonzero(self.used)
        self._chosen = self._chosen[np.argsort(kinds[self._chosen], kind="stable")]
        self._starts = np.searchsorted(kinds[self._chosen], self._present)
        self._edges = _Edges(edges.source, np.searchsorted(self._present, edges.kind), edges.target)
        self._groups = [_grouped(x) for x in (self._edges.source, self._edges.kind, self._edges.target)]

    def tops(self, values: Floats) -> Floats:
        """(W, classes) the largest value of each class."""
        return np.maximum.reduceat(values[:, self._chosen], self._starts, axis=1)

    def foremost(self, values: Floats) -> Columns:
        """The places of the candidates with the largest values of each class, increasing."""
        classes = np.split(self._chosen, self._starts[1:])
        largest = [
            places if len(places) <= _FOREMOST else places[np.argpartition(-values[places], _FOREMOST)[:_FOREMOST]]
            for places in classes
        ]
        return np.sort(np.concatenate(largest))

    def _most(self, group: int, sums: Floats, size: int) -> Floats:
        """(W, size) the largest of the edges' sums for each source (0), class (1) or target (2)."""
        order, starts, names = self._groups[group]
        most = np.full((len(sums), size), -np.inf)
        most[:, names] = np.maximum.reduceat(sums[:, order], starts, axis=1)
        return most

    def forward(self, way: Floats, tops: Floats, states: int) -> Floats:
        return self._most(2, way[:, self._edges.source] + tops[:, self._edges.kind], states)

    def backward(self, after: Floats, tops: Floats, states: int) -> Floats:
        return self._most(0, after[:, self._edges.target] + tops[:, self._edges.kind], states)

    def through(self, way: Floats, after: Floats) -> Floats:
        """(W, n) the best of a path besides each candidate."""
        sums = way[:, self._edges.source] + after[:, self._edges.target]
        most = self._most(1, sums, len(self._present))
        return np.where(self.used, most[:, self._place], -np.inf)

    def back(self, way: Floats, tops: Floats, values: Floats, state: int) -> tuple[int, int]:
        """The place of the candidate that leads best to a state, and the state before it."""
        edges = np.flatnonzero(self._edges.target == state)
        edge = edges[(way[self._edges.source[edges]] + tops[self._edges.kind[edges]]).argmax()]
        members = np.flatnonzero(self.used & (self._place == self._edges.kind[edge]))
        return int(members[values[members].argmax()]), int(self._edges.source[edge])


def _grouped(names: Columns) -> tuple[Columns, Columns, Columns]:
    """An order that sorts the names, where each begins in it, and the names, each once."""
    order = np.argsort(names, kind="stable")
    found, starts = np.unique(names[order], return_index=True)
    return order, starts, found


@dataclass(frozen=True)
class PathBound:
    """A bound over the accepted assignments of candidate sets.

    Attributes:
        c, joint: the multipliers, and the heads bounded jointly.
        total: at least f of every accepted assignment; -inf where there is none, +inf where nothing is known.
        best: the tokens that attain it.
        factors: (1 + m, H) what z was multiplied by there.
    """

    c: Floats
    joint: tuple[int, ...]
    total: float
    best: Assignment
    factors: Floats
    _walk: Walk
    _values: list[Floats]
    _ways: list[Floats]
    _rest: Floats
    _slack: Floats

    @property
    def foremost(self) -> tuple[Columns, ...]:
        """For each slot a few candidates of each class: those with the largest terms."""
        return tuple(self._walk.foremost([values.max(axis=0) for values in self._values]))

    def completions(self) -> list[Floats]:
        """For each slot, (n_i,): at least f of every accepted assignment with that token there."""
        if self.total == math.inf:
            return [np.full(values.shape[1], math.inf) for values in self._values]
        found = self._walk.completions(self._values, self._ways)
        return [np.nextafter((x + (self._rest + 2 * self._slack)[:, None]).max(axis=0), np.inf) for x in found]


def evaluate(problem: Problem, candidates: Candidates, walk: Walk, c: Floats, joint: tuple[int, ...] = ()) -> PathBound:
    """The bound at one c, over accepted paths; there has to be one.

    Args:
        problem, candidates, c, joint: as for the bound over all assignments.
        walk: the paths over these candidate sets.
    """
    scales = Scales.of(candidates, joint, np.zeros(problem.heads))
    rest, size = scales.rest(problem, c)
    values = [
        scales.sums(table, columns, c, scales.weights)
        for table, columns in zip(problem.slots, candidates.sets, strict=True)
    ]
    for terms_ in values:
        size = size + np.abs(terms_).max(axis=1)
    slack = (len(values) + 8) * UNIT * size
    most, ways = walk.totals(values)
    totals = most + rest + 2 * slack
    if not np.isfinite(totals).all():  # a lost denominator; see the bound over all assignments
        totals = np.full_like(totals, np.inf)
        values = [np.zeros_like(terms_) for terms_ in values]
        _, ways = walk.totals(values)
    w = int(totals.argmax())
    best = walk.best(values, ways, w)
    highest = math.nextafter(float(totals[w]), math.inf)
    return PathBound(c, joint, highest, best, scales.factors(problem, c, best, w), walk, values, ways, rest, slack)


def descend(
    problem: Problem,
    candidates: Candidates,
    paths: Paths,
    c: Floats,
    joint: tuple[int, ...],
    goal: float,
) -> PathBound:
    """A better bound, from c on; as in :mod:`tokendemo_formal.override.multipliers`, but over paths.

    Polyak steps look at a few candidates of each class alone, those with the largest terms; then the bound is over all.

    Args:
        problem, candidates, joint: as for :func:`evaluate`.
        paths: there has to be one over these candidates.
        c: (H,) to start from.
        goal: a bound at or below it is good enough; what the steps aim at.
    """
    walk = paths.over(candidates.sets)
    best = bound = evaluate(problem, candidates, walk, c, joint)
    for _ in range(_ROUNDS):
        if not goal < best.total < math.inf:
            break
        few = replace(candidates, sets=bound.foremost)
        c = _stepped(problem, few, Walk(paths, few.sets), best.c, joint, goal)
        bound = evaluate(problem, candidates, walk, c, joint)
        best = bound if bound.total < best.total else best
    return best


def _stepped(
    problem: Problem, candidates: Candidates, walk: Walk, c: Floats, joint: tuple[int, ...], goal: float
) -> Floats:
    """The best of a few c, over some of a node's candidates."""
    best, best_c, factor, stale = math.inf, c, 1.0, 0
    for _ in range(_STEPS):
        bound = evaluate(problem, candidates, walk, c, joint)
        if bound.total < best:
            best, best_c, stale = bound.total, c, 0
        else:
            stale += 1
            factor *= _SHRINK if stale > _PATIENCE else 1.0
        b = np.stack([problem.template.b[:, 0], *(s.b[:, t] for s, t in zip(problem.slots, bound.best, strict=True))])
        slope = 1 - (bound.factors * b).sum(axis=0)
        square = float(slope @ slope)
        if not goal < bound.total < math.inf or not square > 1e-30:
            break
        c = np.clip(c - factor * (bound.total - goal) / square * slope, -problem.limit, problem.limit)
    return best_c
