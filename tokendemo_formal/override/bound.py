"""The bound that the search rests on, with its rounding.

For candidate sets C_i, any c in R^H, L_h <= D_h <= U_h over them, and any set J of heads: for each assignment

    f = direct + Σ_h c_h + Σ_h G_h / D_h,   G_h = N_h - c_h D_h = Σ of one term z_h for the template and each slot.

G_h / D_h is at most w_h G_h with w_h = 1/L_h where G_h >= 0 and w_h = 1/U_h where G_h < 0. For heads outside J each
term is bounded on its own instead, by φ_h(z) = max(z / L_h, z / U_h), which is looser, but needs no choice of w. So

    f <= max over w in Π_{h in J} {1/L_h, 1/U_h} of
         direct + Σ_h c_h + S_w(template) + Σ_i max_{t in C_i} S_w(z_i(t)),
    S_w(z) = Σ_{h in J} w_h z_h + Σ_{h not in J} φ_h(z_h)

It is convex in c, separable over slots for each w, and exact where every C_i is a single token. With the same sums a
token t of slot i is out of reach of a target if for every w the bound with t in place of slot i's best stays at or
below it (`joint_leaf_bound` and `joint_filter_is_sound` in the catalogue of theorems, and `leaf_bound` and
`filter_is_sound` for no joint heads).

Where a node limits D_h to a range narrower than its candidates' own, *pulls* p_h keep to it what is bounded (Lagrange's
relaxation): p_h (D_h - L_h) where p_h > 0, and p_h (D_h - U_h) where p_h < 0, are at least 0 on all assignments of the
node, and are added to the bound. So Σ_h p_h b_h of the template and of each token joins S_w (`pulled_leaf_bound` and
`pulled_filter_is_sound`); a range is split with `range_covers`.

Rounding. The tables' entries are inflated (:mod:`tokendemo_formal.override.tables`) so that the float64 value of a sum
S_w is at least the exact one: joint heads multiply by the same floats w, which are themselves at least 1/L or at most
1/U. Sums of these sums are enlarged by their own rounding errors here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.numbers.enclosures import UNIT
from tokendemo_formal.override.outcome import Assignment
from tokendemo_formal.override.proof import Columns
from tokendemo_formal.override.tables import Floats, Problem, SlotTable

MOST_JOINT = 12
"""Heads that are bounded jointly at most: the bound is a maximum over 2^|J| choices."""

_FEW = 32
"""Tokens of a slot, those with the largest terms, that tell how large a slot's best is at least."""

_LIKELY = (2, 16)
"""Choices of w that keep most tokens above a target, those with the largest rests: looked at before all others."""

_BLOCK = 1024
"""Columns at a time: what is computed on the way stays in the cache."""

_NOWHERE = -float(np.finfo(np.float64).max)
"""Below every sum, and finite: what no w lifts stays below the target, whatever is added for rounding."""

UNDERFLOW = 2.0**-1000
"""Added to every bound: far more than all underflows of its evaluation, in the search's range, can lose."""


@dataclass(frozen=True)
class Candidates:
    """A node's candidate sets, and the denominators' range over them.

    Attributes:
        sets: columns of the problem's tables, one array a slot.
        ends: for each slot (2, H): its least and its largest b.
        lower, upper: (H,) L and U, rounded outward; a lower above its upper: no assignment is left.
    """

    sets: tuple[Columns, ...]
    ends: tuple[Floats, ...]
    lower: Floats
    upper: Floats

    @property
    def count(self) -> int:
        """Tokens in all slots together."""
        return sum(map(len, self.sets))

    @property
    def void(self) -> bool:
        """Whether the limits leave no assignment."""
        return bool((self.lower > self.upper).any())

    @property
    def inverse(self) -> tuple[Floats, Floats]:
        """1/L rounded up and 1/U rounded down."""
        return np.nextafter(1.0 / self.lower, np.inf), np.nextafter(1.0 / self.upper, 0.0)


@dataclass(frozen=True)
class Bound:
    """A bound over candidate sets.

    Attributes:
        c: (H,) the multipliers.
        joint: the heads in J.
        pull: (H,) what is added for each unit of D_h.
        total: at least f of every assignment; infinite where nothing is known.
        best: the tokens that attain it, as columns.
        factors: (1 + m, H): what z was multiplied by there, for the template and each slot.
        contenders: for each slot the columns that were looked at for every w: no other is the best for any.
    """

    c: Floats
    joint: tuple[int, ...]
    pull: Floats
    total: float
    best: Assignment
    factors: Floats
    contenders: tuple[Columns, ...]
    _scales: Scales
    _totals: Floats
    _largest: tuple[Floats, ...]
    _apart: tuple[Floats, ...]

    def completions(self, problem: Problem, candidates: Candidates, target: float = -math.inf) -> tuple[Floats, ...]:
        """For each slot, (n_i,): at least f of every assignment with that token there, if that is above the target.

        Tokens are first bounded by Σ φ; those that this leaves above the target are looked at for the w that are
        likely to keep them there, and what these don't keep, for all.

        Args:
            problem, candidates: what was evaluated.
            target: values at or below it need not be told apart.
        """
        live = self._totals > target
        if self.total == math.inf or not live.any():
            nothing = math.inf if live.any() else -math.inf
            return tuple(np.full(len(columns), nothing) for columns in candidates.sets)
        totals, weights = self._totals[live], self._scales.weights[live]
        completions = []
        for table, columns, largest, apart in zip(
            problem.slots, candidates.sets, self._largest, self._apart, strict=True
        ):
            others = totals - largest[live]
            others += 4 * UNIT * (np.abs(totals) + np.abs(largest[live]))
            reached = apart + others.max()
            reached += 4 * UNIT * np.abs(reached)
            if self.joint:
                self._refine(reached, table, columns, weights, others, apart, target)
            completions.append(reached)
        return tuple(completions)

    def _refine(
        self,
        reached: Floats,
        table: SlotTable,
        columns: Columns,
        weights: Floats,
        others: Floats,
        apart: Floats,
        target: float,
    ) -> None:
        """Lower what Σ φ reaches above the target to what S_w reaches, for the tokens that no likely w keeps there."""
        order = np.argsort(-others, kind="stable")
        unsure = np.flatnonzero(reached > target)
        for count in (*_LIKELY, len(order)):
            if not len(unsure):
                return
            # In a w that even the largest Σ φ does not lift above the target, no token is.
            lifted = others[order[:count]] + apart[unsure].max()
            few = order[:count][lifted + 4 * UNIT * np.abs(lifted) > target]
            found = np.empty(len(unsure))
            for start in range(0, len(unsure), _BLOCK):
                block = slice(start, start + _BLOCK)
                sums = self._scales.sums(table, columns[unsure[block]], self.c, weights[few])
                sums += others[few, None]
                found[block] = sums.max(axis=0, initial=_NOWHERE)
            found += 4 * UNIT * np.abs(found)
            if count >= len(order):
                reached[unsure] = np.minimum(reached[unsure], found)
            unsure = unsure[found <= target]


def gather(
    problem: Problem, sets: Sequence[Columns], known: Candidates | None = None, ranges: Floats | None = None
) -> Candidates:
    """The candidate sets with the denominators' range over them.

    Args:
        problem: the tables.
        sets: columns of the tables, one array a slot.
        known: of other sets; where a slot has the same array, its ends are taken from there.
        ranges: (2, H) multiples of the template's part B between which D lies, if it is limited.
    """
    ends = []
    for i, (slot, columns) in enumerate(zip(problem.slots, sets, strict=True)):
        if known is not None and known.sets[i] is columns:
            ends.append(known.ends[i])
        else:
            b = slot.b if len(columns) == slot.b.shape[1] else slot.b[:, columns]
            ends.append(np.stack([b.min(axis=1), b.max(axis=1)]))
    lower = problem.template.b[:, 0] + sum(e[0] for e in ends)
    upper = problem.template.b[:, 0] + sum(e[1] for e in ends)
    # Each sum of m + 1 positive midpoints is off by its rounding and by the midpoints' own errors.
    count = len(ends) + 1
    slack = problem.relative + 2 * (count + 2) * UNIT
    lower = np.maximum(lower * (1 - 2 * slack) - 2 * count * problem.absolute, 0.0)
    upper = upper * (1 + 2 * slack) + 2 * count * problem.absolute
    if ranges is not None:
        own, spread = problem.template.b[:, 0], 2 * problem.relative + 8 * UNIT
        low = ranges[0] * own * (1 - spread) - (2 + 4 * ranges[0]) * problem.absolute
        most = np.where(np.isfinite(ranges[1]), ranges[1], 0.0)
        high = np.where(np.isfinite(ranges[1]), most * own * (1 + spread) + (2 + 4 * most) * problem.absolute, np.inf)
        lower, upper = np.maximum(lower, low), np.minimum(upper, high)
    return Candidates(tuple(sets), tuple(ends), lower, upper)


def evaluate(
    problem: Problem, candidates: Candidates, c: Floats, joint: tuple[int, ...] = (), pull: Floats | None = None
) -> Bound:
    """The bound at one c.

    Args:
        problem: the tables.
        candidates: what :func:`gather` makes of the candidate sets.
        c: (H,) with ``abs(c) <= problem.limit``.
        joint: heads of J, at most ``MOST_JOINT``.
        pull: (H,) p; 0, if not given.
    """
    pull = np.zeros(len(c)) if pull is None else pull
    scales = Scales.of(candidates, joint, pull)
    total, size = scales.rest(problem, c, _pulled(problem, candidates, pull) if pull.any() else ())
    apart, largest, best, contenders = [], [], [], []
    for table, columns in zip(problem.slots, candidates.sets, strict=True):
        apart.append(scales.apart(table, columns, c))
        rivals, most, places = _largest(scales, table, columns, c, apart[-1])
        contenders.append(columns[rivals])
        best.append(columns[places])
        largest.append(most)
        total = total + most
        size = size + np.abs(most)
    total += (len(apart) + 8) * UNIT * size
    if not np.isfinite(total).all():  # scores that span more than float64's exponents lost a denominator
        total = np.full_like(total, np.inf)
    w = int(total.argmax())
    attained = tuple(int(row[w]) for row in best)
    factors = scales.factors(problem, c, attained, w)
    highest = math.nextafter(float(total[w]), math.inf)
    return Bound(
        c, joint, pull, highest, attained, factors, tuple(contenders), scales, total, tuple(largest), tuple(apart)
    )


def _pulled(problem: Problem, candidates: Candidates, pull: Floats) -> list[float]:
    """What pulls add beside the tokens' parts: the template's part less the limit, and room for rounding.

    Errors of b, of the products and of their sums are each a few units beside |p| U; p itself stands for the number
    whose product with the exact B is what a certificate says.
    """
    own = problem.template.b[:, 0]
    limits = np.where(pull > 0, candidates.lower, candidates.upper)
    terms = len(candidates.sets) + problem.heads
    room = candidates.upper * (4 * problem.relative + (8 * terms + 64) * UNIT) + 4 * (terms + 1) * problem.absolute
    return [*(pull * (own - limits)).tolist(), *(np.abs(pull) * room).tolist()]


@dataclass(frozen=True)
class Scales:
    """What terms are multiplied by.

    Attributes:
        over, under: (H,) 1/L and 1/U.
        inside, outside: the heads in J, the others.
        weights: (2^|J|, |J|) the choices of w.
        pull: (H,) p.
    """

    over: Floats
    under: Floats
    inside: list[int]
    outside: list[int]
    weights: Floats
    pull: Floats

    @classmethod
    def of(cls, candidates: Candidates, joint: tuple[int, ...], pull: Floats) -> Scales:
        over, under = candidates.inverse
        inside = list(joint)
        outside = [h for h in range(len(over)) if h not in joint]
        return cls(over, under, inside, outside, choices(len(inside), over[inside], under[inside]), pull)

    def rest(self, problem: Problem, c: Floats, added: Sequence[float] = ()) -> tuple[Floats, Floats]:
        """(2^|J|,) for each w the bound without the slots, and the sum of its terms' sizes."""
        own = problem.template.a[:, 0] - c * problem.template.b[:, 0]
        apart = np.maximum(own * self.over, own * self.under)[self.outside]
        template = self.weights @ own[self.inside] + apart.sum()
        fixed = [problem.direct, UNDERFLOW, *c.tolist(), *added]
        return template + math.fsum(fixed), np.abs(template) + math.fsum(abs(x) for x in fixed)

    def factors(self, problem: Problem, c: Floats, assignment: Assignment, w: int) -> Floats:
        """(1 + m, H): what the terms of the template and of an assignment are multiplied by, for one w."""
        factors = np.where(terms(problem, c, assignment) > 0, self.over, self.under)
        factors[:, self.inside] = self.weights[w]
        return factors

    def apart(self, table: SlotTable, columns: Columns, c: Floats) -> Floats:
        """(n,) Σ_h φ_h over all heads: at least S_w for every w."""
        values = np.empty(len(columns))
        for start in range(0, len(columns), _BLOCK):
            block = slice(start, start + _BLOCK)
            # Views where all tokens are candidates, copies that stay in the cache elsewhere.
            chosen: slice | Columns = block if len(columns) == table.a.shape[1] else columns[block]
            gaps = table.b[:, chosen] * -c[:, None]
            gaps += table.a[:, chosen]
            values[block] = _separately(gaps, self.over, self.under)
        if self.pull.any():
            values += self._pulls(table, columns)
        return values

    def _pulls(self, table: SlotTable, columns: Columns) -> Floats:
        """(n,) Σ_h p_h b_h."""
        b = table.b if len(columns) == table.b.shape[1] else table.b[:, columns]
        return np.asarray(self.pull @ b)

    def sums(self, table: SlotTable, columns: Columns, c: Floats, weights: Floats) -> Floats:
        """(len(weights), n) S_w for some choices of w."""
        gaps = table.b[:, columns] * -c[:, None]
        gaps += table.a[:, columns]
        base = _separately(gaps[self.outside], self.over[self.outside], self.under[self.outside])
        if self.pull.any():
            base += self._pulls(table, columns)
        return np.asarray(weights @ gaps[self.inside] + base)


def _largest(
    scales: Scales, table: SlotTable, columns: Columns, c: Floats, apart: Floats
) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """The places of the contenders, and for each w the largest S_w and its place.

    A token whose Σ φ is at most the least over w of the largest S_w of a few others is no larger than these for any w.
    """
    few = np.argpartition(-apart, _FEW)[:_FEW] if len(apart) > _FEW else np.arange(len(apart))
    if not scales.inside:
        place = np.array([apart.argmax()])
        return few, apart[place], place
    sums = scales.sums(table, columns[few], c, scales.weights)
    floor = sums.max(axis=1).min()
    if len(apart) > _FEW:
        few = np.union1d(few, np.flatnonzero(~(apart <= floor)))
        sums = np.empty((len(scales.weights), len(few)))
        for start in range(0, len(few), _BLOCK):
            block = slice(start, start + _BLOCK)
            sums[:, block] = scales.sums(table, columns[few[block]], c, scales.weights)
    places = sums.argmax(axis=1)
    return few, sums[np.arange(len(places)), places], few[places]


def terms(problem: Problem, c: Floats, assignment: Assignment) -> Floats:
    """(1 + m, H) z = a - c b of the template and of each slot's token."""
    rows = [problem.template.a[:, 0] - c * problem.template.b[:, 0]]
    rows += [slot.a[:, t] - c * slot.b[:, t] for slot, t in zip(problem.slots, assignment, strict=True)]
    return np.stack(rows)


def choices(count: int, over: Floats, under: Floats) -> Floats:
    """(2^count, count): all choices of w for that many heads."""
    return np.where(_choices(count), over, under)


def _separately(gaps: Floats, over: Floats, under: Floats) -> Floats:
    """(n,) Σ_h φ_h down the columns of (k, n)."""
    scaled = gaps * over[:, None]
    gaps *= under[:, None]
    return np.asarray(np.maximum(scaled, gaps, out=scaled).sum(axis=0))


@cache
def _choices(count: int) -> NDArray[np.bool_]:
    """(2^count, count): all choices of two."""
    return (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)
