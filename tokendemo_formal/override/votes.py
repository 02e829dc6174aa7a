"""What each token of a prompt contributes to the margin, head by head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokendemo_formal.override.exact import PRECISIONS, ExactGain
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
    """The votes in the question's prompt with these token ids in its slots (as many as the ids)."""
    prompt = question.prompt(len(assignment))
    tokens = prompt.filled(assignment)
    parts = ExactGain(question).decompose(tokens, prompt.reader, PRECISIONS[0])
    return Votes(
        tokens,
        tuple(p for p in range(len(tokens)) if question.layer.sees(prompt.reader, p)),
        tuple(tuple(float(w) for w in row) for row in parts.weights),
        tuple(tuple(float(c) for c in row) for row in parts.weights * parts.readouts),
        float(parts.direct),
        float(parts.gain),
    )
