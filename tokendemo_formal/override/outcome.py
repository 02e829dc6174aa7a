"""How an engine's decision ends, and what an engine is given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Assignment: TypeAlias = tuple[int, ...]
"""One column (index into the vocabulary) for each slot, in the order of positions."""

Confirm: TypeAlias = Callable[[Assignment], bool | None]
"""Is the exact gain of an assignment above the target? None: undecided at the highest precision."""


@dataclass(frozen=True)
class Outcome:
    """Whether some assignment is above the target.

    Attributes:
        kind: ``found`` (a confirmed one), ``refuted`` (none is) or ``gave-up``.
        assignment: the confirmed one.
        nodes: of this decision.
        bound: an upper bound of the linear reading over all assignments, where one is known.
        undecided: an assignment that no precision decided (a tie, or nearly), where the engine gave up on one.
    """

    kind: Literal["found", "refuted", "gave-up"]
    assignment: Assignment | None = None
    nodes: int = 0
    bound: float = math.inf
    undecided: Assignment | None = None


@dataclass(frozen=True)
class Limits:
    """When to give up.

    Args:
        nodes: search nodes, assignments or solver calls in all.
        deadline: of ``time.monotonic()``.
    """

    nodes: float = math.inf
    deadline: float = math.inf

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.deadline

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())
