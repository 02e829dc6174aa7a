"""What each token of a prompt contributes to the margin, head by head."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tokendemo_formal.errors import UnsupportedError
from tokendemo_formal.override.constraints import UNCONSTRAINED
from tokendemo_formal.override.exact import PRECISIONS, Decomposition, ExactGain
from tokendemo_formal.override.outcome import Limits
from tokendemo_formal.override.question import Question


@dataclass(frozen=True)
class Votes:
    """A prompt's margin, taken apart. Floats nearest to the midpoints of balls: for people to read, not to rely on.

    Attributes:
        prompt: (n,) token ids.
        visible: the positions that the reader sees; the next two have a row for each.
        weights: attention weights, a tuple of H a position; each head's add up to 1.
        contributions: weight * readout, likewise.
        direct: what reaches the readout without attention: the reader's own row, biases, minus the threshold.
        total: the margin. Without a final norm, direct + all contributions; with one, that, divided by the norm's
            deviation, plus what the norm's bias and the threshold add.
        rows: where rows compete, the two between which it is closest: the one toward, and the one against.
    """

    prompt: tuple[int, ...]
    visible: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]
    contributions: tuple[tuple[float, ...], ...]
    direct: float
    total: float
    rows: tuple[int, int] | None = None


def votes(question: Question, assignment: Sequence[int]) -> Votes:
    """The votes in the question's prompt, of its first template, with these token ids in as many slots.

    Args:
        question: its ``slots`` plays no part.
        assignment: token ids for the slots, in the order of their positions.

    Raises:
        InputError: for an id outside the vocabulary; ScenarioError for more of them than fit.
        UnsupportedError: where a number is not finite in float64.
    """
    prompt = question.prompt(len(assignment))
    tokens = prompt.filled(assignment)
    rows = None if question.contest is None else _closest(question, tokens, prompt.reader)
    if rows is not None:
        question = question.alone(0, *rows)
    exact = ExactGain(question)
    for bits in PRECISIONS:
        parts = exact.decompose(tokens, prompt.reader, bits)
        if all(x.rel_accuracy_bits() > 53 or abs(x) < 1e-300 for x in _numbers(parts)):
            break
    if not all(math.isfinite(float(x)) for x in _numbers(parts)):
        raise UnsupportedError("votes: a number is not finite in float64, such as one that a norm with eps 0 divides")
    return Votes(
        tokens,
        tuple(p for p in range(len(tokens)) if question.layer.sees(prompt.reader, p)),
        tuple(tuple(float(w) for w in row) for row in parts.weights),
        tuple(tuple(float(c) for c in row) for row in parts.weights * parts.readouts),
        float(parts.direct),
        float(parts.gain),
        rows,
    )


def _closest(question: Question, tokens: tuple[int, ...], reader: int) -> tuple[int, int]:
    """Of rows that compete, the two that decide a prompt's margin."""
    from tokendemo_formal.override.compound import CompoundRun  # only where rows compete

    alone = replace(
        question, before=tokens, after=(), reader=reader, slots=0, positions=None, also=(), constraints=UNCONSTRAINED
    )
    run = CompoundRun(alone, "search", Limits(math.inf, math.inf), None, certify=False)
    return run.witnessed("exists", alone.prompt(0), ()).pairs[0]


def _numbers(parts: Decomposition) -> Iterator[Any]:
    yield from parts.weights.ravel()
    yield from (parts.weights * parts.readouts).ravel()
    yield from (parts.direct, parts.gain)
