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
below it (`leaf_bound` and `filter_is_sound` in the catalogue of theorems are the case of no joint heads).

Rounding. The tables' entries are inflated (:mod:`tokendemo_formal.override.tables`) so that the float64 value of a sum
S_w is at least the exact one: joint heads multiply by the same floats w, which are themselves at least 1/L or at most
1/U. Sums of these sums are enlarged by their own rounding errors here.
"""

from __future__ import annotations

import math
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

UNDERFLOW = 2.0**-1000
"""Added to every bound: far more than all underflows of its evaluation, in the search's range, can lose."""


@dataclass(frozen=True)
class Candidates:
    """The tables of a node's candidate sets, and the denominators' range over them.

    Attributes:
        tables: one a slot, (H, n_i).
        lower, upper: (H,) L and U, rounded outward.
    """

    tables: tuple[SlotTable, ...]
    lower: Floats
    upper: Floats

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
        total: at least f of every assignment; infinite where nothing is known.
        completions: for each slot, (n_i,): at least f of every assignment with that token there.
        best: the tokens that attain the bound, as places in the candidate sets.
        slope: (H,) a subgradient of the bound in c.
    """

    c: Floats
    joint: tuple[int, ...]
    total: float
    completions: tuple[Floats, ...]
    best: Assignment
    slope: Floats


def gather(problem: Problem, sets: list[Columns]) -> Candidates:
    """The tables of candidate sets (columns of the problem's tables, one array a slot)."""
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
    return Candidates(tuple(tables), lower, upper)


def evaluate(problem: Problem, candidates: Candidates, c: Floats, joint: tuple[int, ...] = ()) -> Bound:
    """The bound at one c.

    Args:
        problem: the tables.
        candidates: what :func:`gather` makes of the candidate sets.
        c: (H,) with ``abs(c) <= problem.limit``.
        joint: heads of J, at most ``MOST_JOINT``.
    """
    over, under = candidates.inverse
    own = problem.template.a[:, 0] - c * problem.template.b[:, 0]
    inside = list(joint)
    outside = [h for h in range(len(c)) if h not in joint]
    weights = np.where(_choices(len(inside)), over[inside], under[inside])  # (2^|J|, |J|)
    template = weights @ own[inside] + np.maximum(own[outside] * over[outside], own[outside] * under[outside]).sum()
    fixed = [problem.direct, UNDERFLOW, *c.tolist()]
    total = template + math.fsum(fixed)
    size = np.abs(template) + math.fsum(abs(x) for x in fixed)
    sums, best_of = [], []
    for table in candidates.tables:
        gaps = table.b * -c[:, None]
        gaps += table.a
        base = _separately(gaps[outside], over[outside], under[outside])
        sum_w = weights @ gaps[inside] + base if inside else base[None, :]  # (2^|J|, n)
        best = sum_w.argmax(axis=1)
        largest = sum_w[np.arange(len(best)), best]
        sums.append((sum_w, largest))
        best_of.append(best)
        total = total + largest
        size = size + np.abs(largest)
    total += (len(sums) + 8) * UNIT * size
    if not np.isfinite(total).all():
        return _unknown(candidates, c, joint)
    completions = []
    for sum_w, largest in sums:
        others = total - largest
        others += 4 * UNIT * (np.abs(total) + np.abs(largest))
        reached = (sum_w + others[:, None]).max(axis=0)
        completions.append(reached + 4 * UNIT * np.abs(reached))
    w = int(total.argmax())
    chosen = tuple(int(best[w]) for best in best_of)
    slope = np.ones(len(c)) - _divided_by(own, over, under, inside, weights[w]) * problem.template.b[:, 0]
    for table, column in zip(candidates.tables, chosen, strict=True):
        z = table.a[:, column] - c * table.b[:, column]
        slope -= _divided_by(z, over, under, inside, weights[w]) * table.b[:, column]
    return Bound(c, joint, math.nextafter(float(total[w]), math.inf), tuple(completions), chosen, slope)


def looseness(problem: Problem, candidates: Candidates, c: Floats) -> Floats:
    """(H,) how much each head can gain from being bounded jointly, roughly: its terms' size times the range of 1/D."""
    over, under = candidates.inverse
    size = np.abs(problem.template.a[:, 0] - c * problem.template.b[:, 0])
    for table in candidates.tables:
        size = size + np.abs(table.a - c[:, None] * table.b).max(axis=1)
    return np.nan_to_num(size * (over - under), posinf=np.inf)


def _separately(gaps: Floats, over: Floats, under: Floats) -> Floats:
    """(n,) Σ_h φ_h down the columns of (k, n)."""
    scaled = gaps * over[:, None]
    gaps = gaps * under[:, None]
    return np.asarray(np.maximum(scaled, gaps, out=scaled).sum(axis=0))


def _divided_by(z: Floats, over: Floats, under: Floats, inside: list[int], weights: Floats) -> Floats:
    """(H,) the factor that each head's term was multiplied by."""
    factors = np.where(z > 0, over, under)
    factors[inside] = weights
    return factors


@cache
def _choices(count: int) -> NDArray[np.bool_]:
    """(2^count, count): all choices of two."""
    return (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)


def _unknown(candidates: Candidates, c: Floats, joint: tuple[int, ...]) -> Bound:
    """Scores that span more than float64's exponents lost a denominator: nothing is known here, which is sound."""
    unknown = tuple(np.full(table.a.shape[1], np.inf) for table in candidates.tables)
    return Bound(c, joint, math.inf, unknown, (0,) * len(unknown), np.zeros(len(c)))
