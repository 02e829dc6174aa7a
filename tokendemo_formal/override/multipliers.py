"""Good multipliers c for the bound, found on a few tokens.

The bound is convex in c, and only its maximisers shape it. So it is minimised over *active* tokens alone, by Polyak
steps (B. Polyak, "Minimization of unsmooth functionals", 1969), which cost next to nothing beside one pass over all
candidates; tokens that a pass then finds above the active ones join them (column generation). Nothing here has to be
right: whatever c comes out, the bound at it holds.
"""

from __future__ import annotations

import math

import numpy as np

from tokendemo_formal.override.bound import MOST_JOINT, Candidates, choices
from tokendemo_formal.override.proof import Columns
from tokendemo_formal.override.tables import Floats, Problem

_STEPS = 15
_PATIENCE = 3
"""Steps without progress before they shrink."""

_SHRINK = 0.7
_CHOICES = 256
"""Choices of w that are looked at after the first step: those with the largest bounds."""


def descend(
    problem: Problem,
    candidates: Candidates,
    active: list[Columns],
    c: Floats,
    joint: tuple[int, ...],
    goal: float,
    incumbent: float,
    pull: Floats | None = None,
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
    best, best_c, best_pull, factor, stale = math.inf, c, pull, 1.0, 0
    for step in range(_STEPS):
        z, own = a - c[:, None, None] * b, own_a - c * own_b
        apart = z[outside]
        sums = np.maximum(apart * over_out[:, None, None], apart * under_out[:, None, None]).sum(axis=0)[None]
        fixed = problem.direct + c.sum() + np.maximum(own[outside] * over_out, own[outside] * under_out).sum()
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
            best, best_c, best_pull = total, c, pull
        else:
            stale += 1
            factor *= _SHRINK if stale > _PATIENCE else 1.0
        if total <= goal or not math.isfinite(total):
            break
        chosen = places[w]
        gaps = z[:, slots, chosen]
        factors = np.where(gaps > 0, over[:, None], under[:, None])
        own_factors = np.where(own > 0, over, under)
        factors[inside], own_factors[inside] = weights[w][:, None], weights[w]
        slope = 1 - own_factors * own_b - (factors * b[:, slots, chosen]).sum(axis=1)
        square = float(slope @ slope)
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
        length = factor * (total - aim) / square
        c = np.clip(c - length * slope, -problem.limit, problem.limit)
        if pull is not None:
            moved = pull - length * turn / middle
            pull = np.where(moved * pull < 0, 0.0, moved)
    return best_c, best_pull, best


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
