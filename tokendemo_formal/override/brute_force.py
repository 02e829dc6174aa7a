"""Every assignment, one by one, in enclosures; what these leave open is decided in balls."""

from __future__ import annotations

import itertools
import math

import numpy as np

from tokendemo_formal.errors import InputError
from tokendemo_formal.numbers.enclosures import Enclosure
from tokendemo_formal.override.outcome import Confirm, Limits, Outcome
from tokendemo_formal.override.tables import Enclosed

LARGEST = 50_000_000
"""Assignments that are still tried one by one."""

_CHUNK = 1 << 16


def decide(enclosed: Enclosed, confirm: Confirm, target: float, limits: Limits) -> Outcome:
    """Whether some assignment is above the target.

    Raises:
        InputError: for more than ``LARGEST`` assignments.
    """
    sizes = [slot.a.shape[0] for slot in enclosed.slots]
    count = math.prod(sizes)
    if count > LARGEST:
        raise InputError(f"engine brute-force: {count:.1e} assignments are more than {LARGEST:.0e}; use engine search")
    undecided = None
    bound = -math.inf
    for start in range(0, count, _CHUNK):
        if limits.over or start >= limits.nodes:
            return Outcome("gave-up", nodes=start, undecided=undecided)
        numbers = np.arange(start, min(start + _CHUNK, count))
        columns = np.array(np.unravel_index(numbers, sizes)).reshape(len(sizes), -1)
        low, high = _gains(enclosed, columns)
        bound = max(bound, float(high.max()))
        for index in itertools.chain(np.flatnonzero(low > target)[:1], np.flatnonzero(high > target)):
            assignment = tuple(int(j) for j in columns[:, index])
            verdict = confirm(assignment)
            if verdict:
                return Outcome("found", assignment, nodes=start + int(index) + 1)
            if verdict is None:
                undecided = assignment
    return Outcome("refuted" if undecided is None else "gave-up", nodes=count, bound=bound, undecided=undecided)


def _gains(
    enclosed: Enclosed, columns: np.ndarray[tuple[int, int], np.dtype[np.int64]]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Lower and upper bounds of the linear reading of each assignment (a column of ``columns``)."""
    n = enclosed.template.a.sum(0).reshape(1, -1)
    d = enclosed.template.b.sum(0).reshape(1, -1)
    for slot, chosen in zip(enclosed.slots, columns, strict=True):
        n = n + slot.a[chosen]
        d = d + slot.b[chosen]
    safe = d.lower > 0
    if not safe.all():  # denominators lost to underflow: nothing is known, the balls decide
        d = Enclosure(np.where(safe, d.mid, 1.0), np.where(safe, np.broadcast_to(d.rad, d.shape), 0.0))
    gains = (n / d).sum(1) + enclosed.direct
    known = safe.all(axis=1)
    return np.where(known, gains.lower, -np.inf), np.where(known, gains.upper, np.inf)
