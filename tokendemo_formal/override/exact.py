"""The gain of one prompt from the stored weights, to any precision: what every witness and every near-tie rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import flint
import numpy as np

from tokendemo_formal.attention import Computation, fold, project
from tokendemo_formal.numbers.balls import BALLS, ball, endpoints, precision
from tokendemo_formal.numbers.base import Array
from tokendemo_formal.override.question import Question
from tokendemo_formal.override.reading import constant_of, read, votes_of
from tokendemo_formal.override.ties import is_tie

PRECISIONS = (64, 128, 256, 512, 1024)
"""Bits tried in turn until the sign is decided."""


@dataclass(frozen=True)
class Decomposition:
    """The gain of a prompt, taken apart; arrays of one kind of number.

    Attributes:
        weights: (n, H) attention weights of the positions that the reader sees.
        readouts: (n, H) what each of them, by each head, adds to the margin per unit of weight. With a final norm
            this is before its division by the deviation.
        direct: what reaches the margin without attention.
        gain: toward - against - threshold.
    """

    weights: Array
    readouts: Array
    direct: Array
    gain: Array


class ExactGain:
    """Evaluates prompts of one question in balls.

    Args:
        question: what is asked; its ``slots`` plays no part.
    """

    def __init__(self, question: Question) -> None:
        self.question = question
        self._computations: dict[int, Computation] = {}

    def gain(self, prompt: Sequence[int], reader: int, bits: int) -> flint.arb:
        """A ball around the gain of a prompt of token ids, read at position ``reader``."""
        gain: flint.arb = self.decompose(prompt, reader, bits).gain
        return gain

    def bounds(self, prompt: Sequence[int], reader: int, bits: int = PRECISIONS[0]) -> tuple[Fraction, Fraction]:
        """Rational bounds of the gain."""
        return endpoints(self.gain(prompt, reader, bits))

    def decompose(self, prompt: Sequence[int], reader: int, bits: int) -> Decomposition:
        """The gain and its parts, in balls of that working precision."""
        with precision(bits):
            if bits not in self._computations:
                self._computations[bits] = Computation(self.question.layer, BALLS)
            return decompose(self._computations[bits], self.question, prompt, reader)

    def above(self, prompt: Sequence[int], reader: int, target: float = 0.0) -> bool | None:
        """Is the gain greater than the target? None: not decided at the highest precision (a tie, or nearly one)."""
        for bits in PRECISIONS:
            difference = self.gain(prompt, reader, bits)
            with precision(bits):
                difference -= ball(target)
                if difference > 0:
                    return True
                if difference <= 0:
                    return False
        return False if is_tie(self.question, prompt, reader, Fraction(target)) else None


def decompose(computation: Computation, question: Question, prompt: Sequence[int], reader: int) -> Decomposition:
    """The gain of a prompt in any kind of number that can evaluate the layer."""
    numbers, layer = computation.numbers, computation.layer
    raw = computation.rows(prompt, range(len(prompt)))
    direction, constant = read(numbers, question)
    reading = computation.reading(raw[reader : reader + 1], reader, direction)
    visible = [p for p in range(len(prompt)) if layer.sees(reader, p)]
    scores, readouts = votes_of(reading, raw, visible)
    weights = layer.normaliser(numbers, scores)
    direct = reading.direct()[0]
    total = direct + numbers.sum(numbers.sum(weights * readouts, 0), 0)
    norm = layer.final_norm
    if question.readout.final_norm and norm is not None:
        identity = numbers.constant(np.eye(layer.width))
        full = computation.reading(raw[reader : reader + 1], reader, identity)
        votes = [full.votes(raw[p : p + 1], p) for p in visible]
        stream = full.total(numbers.stack([s[0] for s, _ in votes]), numbers.stack([r[0] for _, r in votes]))
        plain = (numbers.constant(question.readout.toward) - numbers.constant(question.readout.against)).reshape(-1, 1)
        gain = project(numbers, fold(numbers, norm, plain, None), stream.reshape(1, -1))[0, 0]
        return Decomposition(weights, readouts, direct, gain + constant_of(numbers, question.readout))
    return Decomposition(weights, readouts, direct + constant, total + constant)
