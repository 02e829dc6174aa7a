"""One head: exact in one pass over the tables.

With c = target - direct, f > target ⇔ N > c D ⇔ (A - cB) + Σ_i (a_i(t_i) - c b_i(t_i)) > 0: separable, so each slot
takes its own maximum (`override_is_linear` in the catalogue of theorems).
"""

from __future__ import annotations

import math

import numpy as np

from tokendemo_formal.override.outcome import Confirm, Outcome
from tokendemo_formal.override.tables import Floats, Problem, SlotTable


def decide(problem: Problem, confirm: Confirm, target: float) -> Outcome | None:
    """Found or refuted, or None where only the bounds' own width stands between the two.

    Args:
        problem: of one head.
        confirm: decides an assignment exactly, against the target.
        target: what f has to exceed.
    """
    # c from below: a smaller c makes each a - c b larger, since b > 0
    c = math.nextafter(target - problem.direct, -math.inf)
    if abs(c) > problem.limit[0]:
        return None  # beyond every readout: the general search sees that at once
    best = tuple(int(_gap(slot, c).argmax()) for slot in problem.slots)
    largest = [float(_gap(slot, c)[j]) for slot, j in zip(problem.slots, best, strict=True)]
    total = math.fsum([float(_gap(problem.template, c)[0]), *largest])
    if math.nextafter(total, math.inf) <= 0:
        return Outcome("refuted", nodes=1, bound=target)
    if confirm(best):
        return Outcome("found", best, nodes=1)
    return None


def _gap(table: SlotTable, c: float) -> Floats:
    """(n,) at least a - c b, by the tables' inflation."""
    return np.asarray(table.a[0] - c * table.b[0])
