"""What each token of a prompt contributes to the margin, head by head."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tokendemo_formal.errors import UnsupportedError
from tokendemo_formal.override.exact import PRECISIONS, Decomposition, ExactGain
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
    """

    prompt: tuple[int, ...]
    visible: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]
    contributions: tuple[tuple[float, ...], ...]
    direct: float
    total: float


def votes(question: Question, assignment: Sequence[int]) -> Votes:
    """The votes in the question's prompt with these token ids in its slots (as many as the ids).

    Args:
        question: its ``slots`` plays no part.
        assignment: token ids for the slots, in the order of their positions.

    Raises:
        InputError: for an id outside the vocabulary; ScenarioError for more of them than fit.
        UnsupportedError: where a number is not finite in float64.
    """
    prompt = question.prompt(len(assignment))
    tokens = prompt.filled(assignment)
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
    )


def _numbers(parts: Decomposition) -> Iterator[Any]:
    yield from parts.weights.ravel()
    yield from (parts.weights * parts.readouts).ravel()
    yield from (parts.direct, parts.gain)
