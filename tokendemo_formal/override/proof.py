"""What a search leaves behind as proof: how each node was closed. Certificates are written from this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.override.constraints import Rule
from tokendemo_formal.override.reading import LinearReading

Columns: TypeAlias = NDArray[np.int64]
"""Indices into a question's vocabulary."""

Condition: TypeAlias = tuple[int, int] | Rule
"""One of the conditions of a question: the template's index, and the row (of ``against``) that is to be beaten; or a
rule that the tokens have to keep."""

Combination: TypeAlias = tuple[tuple[Condition, float], ...]
"""Conditions with weights above 0: what is bounded is the weighted sum of their margins. Where a question has one
condition, empty."""


@dataclass(frozen=True)
class Leaf:
    """The bound with this c, these joint heads and these pulls (none: all 0) is at or below the target."""

    c: NDArray[np.float64]
    joint: tuple[int, ...]
    of: Combination = ()
    pull: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Filter:
    """The tokens that the filter drops with this c, these joint heads and these pulls are gone."""

    c: NDArray[np.float64]
    joint: tuple[int, ...]
    of: Combination = ()
    pull: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Exact:
    """One assignment is left; it was decided in balls, by the condition given where there are several."""

    of: Combination = ()


@dataclass(frozen=True)
class Split:
    """A slot's set was split into the columns given and the others."""

    slot: int
    columns: Columns
    first: Trace
    second: Trace


@dataclass(frozen=True)
class Cone:
    """With these multipliers no token and not the template brings the gain of any mixture in the box above 0."""

    c: NDArray[np.float64]
    k: NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """The ratio of a head's denominator to the first head's is at most the one given, or at least that."""

    head: int
    ratio: float
    first: Trace
    second: Trace


@dataclass(frozen=True)
class Halve:
    """The range of a head's denominator was split: D <= at · B and D >= at · B, B being the template's part of it."""

    head: int
    at: float
    first: Trace
    second: Trace


Trace: TypeAlias = "list[Leaf | Filter | Exact | Split | Halve | Cone | Box]"
"""How a node was closed: filters, then a leaf, an exact decision or a split of either kind; for all lengths at once a
cone or a box."""


@dataclass(frozen=True)
class Section:
    """A proof that no assignment of one length, or of any, has a gain above a bound.

    Attributes:
        slots: the length; None: all lengths at once.
        bound: the bound.
        reading: the linear reading that was bounded; None where there are several conditions.
        trace: how the root was closed.
        reader_token: the id that was tried in the reader's slot, where the reader stands in one.
        tangents: where there are several conditions, for each template the point of its tangents, if any were used;
            zeros where it used none.
        toward: where there are several rows to choose from, for each template the row that does not win.
    """

    slots: int | None
    bound: float
    reading: LinearReading | None
    trace: Trace
    reader_token: int | None = None
    tangents: tuple[tuple[float, ...], ...] = ()
    toward: tuple[int, ...] = ()
