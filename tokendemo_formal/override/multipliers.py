"""Good multipliers c for the bound, found on a few tokens.

The bound is convex in c, and only its maximisers shape it. So it is minimised over *active* tokens alone, by Polyak
steps (B. Polyak, "Minimization of unsmooth functionals", 1969), which cost next to nothing beside one pass over all
candidates; tokens that a pass then finds above the active ones join them (column generation). Nothing here has to be
right: whatever c comes out, the bound at it holds.

Rules that the tokens have to keep (Σ_i weight(t_i) <= limit) may have a price each: what an assignment leaves of a
limit, times its price, is added to f. Then the bound is convex in c and the prices together, and the same steps serve
(Lagrange's relaxation; M. Held and R. Karp, "The traveling-salesman problem and minimum spanning trees II", 1971).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.override.bound import MOST_JOINT, Candidates, choices
from tokendemo_formal.override.proof import Columns
from tokendemo_formal.override.tables import Floats, Problem

_STEPS = 15
_PATIENCE = 3
"""Steps without progress before they shrink."""

_SHRINK = 0.7
_CHOICES = 256
"""Choices of w that are looked at after the first step: those with the largest bounds."""


@dataclass
class Prices:
    """What rules cost.

    Attributes:
        weights: (k, n) of each token for each rule.
        limits: (k,) what they may add up to.
        at: (k,) the prices; improved in place of those given.
    """

    weights: Floats
    limits: Floats
    at: Floats


def descend(
    problem: Problem,
    candidates: Candidates,
    active: list[Columns],
    c: Floats,
    joint: tuple[int, ...],
    goal: float,
    incumbent: float,
    pull: Floats | None = None,
    prices: Prices | None = None,
    steps: int = _STEPS,
) -> tuple[Floats, Floats | None, float]:
    """Better multipliers and pulls for a node, with the bound over the active tokens at them.

    Args:
        problem: the tables.
        candidates: the node's; L and U are taken from here.
        active: some candidates of each slot, at least one.
        c: (H,) to start from.
        joint: heads bounded jointly.
        goal: a bound at or below it is good enough.
        incumbent: a value of f known to be reached: no bound lies below it.
        pull: (H,) to start from; None: no head is limited, so none is pulled.
        prices: of rules, to be improved, too; those of the best bound are left there.
        steps: how many at most.
    """
    over, under = candidates.inverse
    inside = list(joint)
    outside = [h for h in range(problem.heads) if h not in joint]
    weights = choices(len(inside), over[inside], under[inside])
    a, b = tables(problem, active)
    own_a, own_b = problem.template.a[:, 0], problem.template.b[:, 0]
    over_out, under_out = over[outside], under[outside]
    slots = np.arange(len(active))
    # Pulls are sought in units of the middle of D's range, so that their slopes are as large as those of c.
    middle = (candidates.lower + candidates.upper) / 2
    used, limits, at = _priced(prices, active)
    best, best_c, best_pull, best_at, factor, stale = math.inf, c, pull, at, 1.0, 0
    shrink = _SHRINK ** (_STEPS / steps)
    for step in range(steps):
        z, own = a - c[:, None, None] * b, own_a - c * own_b
        apart = z[outside]
        sums = np.maximum(apart * over_out[:, None, None], apart * under_out[:, None, None]).sum(axis=0)[None]
        if len(at):
            sums = sums - np.tensordot(at, used, 1)
        fixed = problem.direct + c.sum() + np.maximum(own[outside] * over_out, own[outside] * under_out).sum()
        fixed += at @ limits
        if inside:
            sums = sums + (weights @ z[inside].reshape(len(inside), -1)).reshape(-1, *z.shape[1:])
        if pull is not None:
            sums = sums + (pull @ b.reshape(len(pull), -1)).reshape(1, *b.shape[1:])
            fixed += pull @ (own_b - np.where(pull > 0, candidates.lower, candidates.upper))
        places = sums.argmax(axis=2)
        totals = (
            fixed + weights @ own[inside] + np.take_along_axis(sums, places[:, :, None], axis=2)[:, :, 0].sum(axis=1)
        )
        w = int(totals.argmax())
        total = float(totals[w])
        if total < best:
            best, best_c, best_pull, best_at = total, c, pull, at
        else:
            stale += 1
            factor *= shrink if stale > _PATIENCE else 1.0
        if total <= goal or not math.isfinite(total):
            break
        chosen, short = places[w], 0.0
        if len(at):
            chosen, short = _spread(sums[w], chosen, used, limits, factor * (total - goal) / 2)
        gaps = z[:, slots, chosen]
        factors = np.where(gaps > 0, over[:, None], under[:, None])
        own_factors = np.where(own > 0, over, under)
        factors[inside], own_factors[inside] = weights[w][:, None], weights[w]
        slope = 1 - own_factors * own_b - (factors * b[:, slots, chosen]).sum(axis=1)
        square = float(slope @ slope)
        if len(at):
            left = limits - used[:, slots, chosen].sum(axis=1)
            left[(at <= 0) & (left > 0)] = 0.0
            square += float(left @ left)
        if pull is not None:
            d = own_b + b[:, slots, chosen].sum(axis=1)
            below, above = d - candidates.lower, d - candidates.upper
            # At p = 0 the slopes from `above` to `below` all do; 0 is one of them unless D is out of range.
            turn = np.where(pull > 0, below, np.where(pull < 0, above, np.minimum(below, 0) + np.maximum(above, 0)))
            turn = turn / middle
            square += float(turn @ turn)
        if not square > 1e-30:
            break
        if step == 0 and len(weights) > _CHOICES:
            weights = weights[np.argpartition(-totals, _CHOICES)[:_CHOICES]]
        aim = max(goal, min(incumbent, total))
        length = factor * max(total - short - aim, 0.0) / square
        c = np.clip(c - length * slope, -problem.limit, problem.limit)
        if len(at):
            at = np.maximum(at - length * left, 0.0)
        if pull is not None:
            moved = pull - length * turn / middle
            pull = np.where(moved * pull < 0, 0.0, moved)
    if prices is not None:
        prices.at = best_at / _sizes(prices)
    return best_c, best_pull, best


def _priced(prices: Prices | None, active: list[Columns]) -> tuple[Floats, Floats, Floats]:
    """What active tokens weigh, (k, m, n), the limits and the prices, in units in which all rules weigh alike."""
    if prices is None:
        return np.empty((0, len(active), 0)), np.empty(0), np.empty(0)
    sizes, widest = _sizes(prices), max(map(len, active))
    used = np.stack([prices.weights[:, np.resize(tokens, widest)] for tokens in active], axis=1)
    return used / sizes[:, None, None], prices.limits / sizes, prices.at * sizes


def _spread(
    sums: Floats, best: NDArray[np.int64], used: Floats, limits: Floats, slack: float
) -> tuple[NDArray[np.int64], float]:
    """Tokens close to the best of each slot, that together break rules less than these do, and what they fall short.

    At good prices many tokens tie. Steps that follow one of them at a time go back and forth between them.

    Args:
        sums: (m, n) terms of active tokens, less their prices.
        best: (m,) places of the largest.
        used: (k, m, n) what tokens weigh.
        limits: (k,) of the rules.
        slack: what all slots together may fall short.
    """
    chosen, spent = best.copy(), np.zeros(len(limits))
    for i, row in enumerate(sums):
        near = np.flatnonzero(row >= row[best[i]] - slack / len(best))
        if len(near) > 1:
            over = np.maximum(spent[:, None] + used[:, i, near] - limits[:, None], 0).sum(axis=0)
            chosen[i] = near[np.lexsort((-row[near], over))[0]]
        spent += used[:, i, chosen[i]]
    slots = np.arange(len(best))
    return chosen, float((sums[slots, best] - sums[slots, chosen]).sum())


def _sizes(prices: Prices) -> Floats:
    return np.asarray(prices.weights.max(axis=1, initial=1.0))


def joint_heads(
    problem: Problem, candidates: Candidates, active: list[Columns], c: Floats, most: int
) -> tuple[int, ...]:
    """The heads worth bounding jointly, with at most that many choices of w.

    What a head can gain is roughly its terms' size times the range of 1/D.
    """
    over, under = candidates.inverse
    count = min(int(math.log2(max(most, 1))), MOST_JOINT, problem.heads)
    a, b = tables(problem, active)
    size = np.abs(problem.template.a[:, 0] - c * problem.template.b[:, 0])
    size = size + np.abs(a - c[:, None, None] * b).max(axis=2).sum(axis=1)
    gain = np.nan_to_num(size * (over - under), posinf=np.inf)
    return tuple(sorted(int(h) for h in np.argsort(-gain, kind="stable")[:count]))


def tables(problem: Problem, active: list[Columns]) -> tuple[Floats, Floats]:
    """a and b of the active tokens, (H, m, k) each: slots with fewer than k repeat some."""
    widest = max(map(len, active))
    columns = [np.resize(tokens, widest) for tokens in active]
    a = np.stack([slot.a[:, t] for slot, t in zip(problem.slots, columns, strict=True)], axis=1)
    b = np.stack([slot.b[:, t] for slot, t in zip(problem.slots, columns, strict=True)], axis=1)
    return a, b
