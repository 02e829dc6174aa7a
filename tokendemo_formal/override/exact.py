"""The gain of one prompt from the stored weights, to any precision: what every witness and every near-tie rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import flint
import numpy as np

from tokendemo_formal.attention import Computation, Reading, fold, project
from tokendemo_formal.numbers.balls import BALLS, ball, endpoints, precision
from tokendemo_formal.numbers.base import Array
from tokendemo_formal.override.question import Question
from tokendemo_formal.override.reading import constant_of, final_norm, read, votes_of
from tokendemo_formal.override.ties import is_tie

PRECISIONS = (64, 128, 256, 512, 1024)
"""Bits tried in turn until the sign is decided."""


_NARROW = Fraction(1, 10**9)


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
        self._readings: dict[tuple[int, int, int, bool], Reading] = {}

    def computation(self, bits: int) -> Computation:
        """The layer in balls of that working precision."""
        exact = self.question.layer.embedding.dtype != object  # floats convert without rounding: they serve all
        return self._computations.setdefault(0 if exact else bits, Computation(self.question.layer, BALLS))

    def gain(self, prompt: Sequence[int], reader: int, bits: int) -> flint.arb:
        """A ball around the gain of a prompt of token ids, read at position ``reader``."""
        gain: flint.arb = self.decompose(prompt, reader, bits).gain
        return gain

    def bounds(self, prompt: Sequence[int], reader: int, width: Fraction | None = None) -> tuple[Fraction, Fraction]:
        """Rational bounds of the gain, narrow beside its own size and no further apart than ``width``, where that is
        given (or, at the highest precision, as they are)."""
        for bits in PRECISIONS:
            low, high = endpoints(self.gain(prompt, reader, bits))
            if high - low <= min(abs(low), abs(high)) * _NARROW and (width is None or high - low <= width):
                break
        return low, high

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

    def decompose(self, prompt: Sequence[int], reader: int, bits: int) -> Decomposition:
        """The gain and its parts, in balls of that working precision."""
        layer = self.question.layer
        with precision(bits):
            raw = self.computation(bits).rows(prompt, range(len(prompt)))
            visible = [p for p in range(len(prompt)) if layer.sees(reader, p)]
            reading = self._reading(prompt[reader], reader, bits, whole=False)
            scores, readouts = votes_of(self.question, reading, raw, visible)
            weights = layer.normaliser(BALLS, scores)
            direct = reading.direct()[0]
            norm = final_norm(self.question)
            if norm is None:
                constant = read(BALLS, self.question)[1]
                gain = direct + BALLS.sum((weights * readouts).reshape(-1), 0) + constant
                return Decomposition(weights, readouts, direct + constant, gain)
            readout, full = self.question.row_readout, self._reading(prompt[reader], reader, bits, whole=True)
            votes = [full.votes(raw[p : p + 1], p) for p in visible]
            stream = full.total(scores, BALLS.stack([r[0] for _, r in votes]))
            plain = (BALLS.constant(readout.toward) - BALLS.constant(readout.against)).reshape(-1, 1)
            gain = project(BALLS, fold(BALLS, norm, plain, None), stream.reshape(1, -1))[0, 0]
            return Decomposition(weights, readouts, direct, gain + constant_of(BALLS, readout))

    def shares(self, prompt: Sequence[int], reader: int) -> tuple[tuple[Fraction, Fraction], ...]:
        """Rational bounds of each head's share of attention, for a question of a share."""
        positions = [p for p in range(len(prompt)) if self.question.layer.sees(reader, p)]
        system = set(self.question.system(len(prompt)))
        rows = [i for i, position in enumerate(positions) if position in system]
        for bits in PRECISIONS:
            weights = self.decompose(prompt, reader, bits).weights
            with precision(bits):
                shares = tuple(map(endpoints, BALLS.sum(weights[rows], 0)))
            if all(high - low <= low * _NARROW for low, high in shares):
                break
        return shares

    def stream(self, prompt: Sequence[int], reader: int, bits: int) -> Array:
        """(d,) what the readout's rows are multiplied with: the residual stream, or the final norm of it."""
        layer, norm = self.question.layer, final_norm(self.question)
        with precision(bits):
            raw = self.computation(bits).rows(prompt, range(len(prompt)))
            full = self._reading(prompt[reader], reader, bits, whole=True)
            votes = [full.votes(raw[p : p + 1], p) for p in range(len(prompt)) if layer.sees(reader, p)]
            stream = full.total(BALLS.stack([s[0] for s, _ in votes]), BALLS.stack([r[0] for _, r in votes]))
            if norm is None:
                return stream
            identity = BALLS.constant(np.eye(layer.width))
            return project(BALLS, fold(BALLS, norm, identity, None), stream.reshape(1, -1))[0]

    def _reading(self, token: int, position: int, bits: int, whole: bool) -> Reading:
        """The layer as seen from a reader, in the margin's direction or (``whole``) in all."""
        key = (token, position, bits, whole)
        if key not in self._readings:
            computation = self.computation(bits)
            direction = BALLS.constant(np.eye(self.question.layer.width)) if whole else read(BALLS, self.question)[0]
            raw = computation.rows([token], [position])
            self._readings[key] = computation.reading(raw, position, direction)
        return self._readings[key]
