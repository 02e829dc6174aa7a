"""Exact ties: whether a gain equals its target, where no precision can tell.

Without norms, and with positions that leave the rationals alone, the gain minus the target is, times its denominators,
a sum of rationals times e to algebraic powers. By the theorem of Lindemann and Weierstrass (A. Baker, "Transcendental
Number Theory", 1975, theorem 1.4) such a sum is 0 exactly where the coefficients of each distinct power add up to 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeAlias

from tokendemo_formal.attention import Alibi, Computation, Layer, Learned, softmax
from tokendemo_formal.override.question import Question
from tokendemo_formal.override.reading import final_norm, read, votes_of

_LARGEST_EXPANSION = 100_000

_Power: TypeAlias = tuple[Fraction, Fraction]
"""An exponent x + y sqrt(scale_squared); y is 0 where the root is rational."""

_Sum: TypeAlias = dict[_Power, Fraction]
"""Σ coefficient * e^power."""


def is_tie(question: Question, prompt: Sequence[int], reader: int, target: Fraction) -> bool:
    """Whether the gain of a prompt is proved to equal the target; False also where this method does not apply."""
    layer = question.layer
    visible = [p for p in range(len(prompt)) if layer.sees(reader, p)]
    if not _applies(question) or len(visible) ** layer.heads > _LARGEST_EXPANSION:
        return False
    from tokendemo_formal.numbers.symbolic import SYMBOLIC  # slow to load, and few questions come here

    # scores = content * sqrt(scale_squared) / temperature + bias, with rational content and bias
    plain = replace(layer, scale_squared=Fraction(1), temperature=1.0, positions=_added_rows(layer), score_bias=None)
    computation = Computation(plain, SYMBOLIC)
    raw = computation.rows(prompt, range(len(prompt)))
    direction, constant = read(SYMBOLIC, question)
    reading = computation.reading(raw[reader : reader + 1], reader, direction)
    contents, readouts = votes_of(question, reading, raw, visible)
    biases = [_biases(layer, reader, position) for position in visible]
    rest = _fraction(reading.direct()[0] + constant) - target
    numerators: list[_Sum] = []
    denominators: list[_Sum] = []
    for h in range(layer.heads):
        powers = [_power(layer, _fraction(c[h]), b[h]) for c, b in zip(contents, biases, strict=True)]
        numerators.append(_collect(zip(powers, (_fraction(r[h]) for r in readouts), strict=True)))
        denominators.append(_collect((p, Fraction(1)) for p in powers))
    # rest * Π D + Σ_h N_h Π_{g != h} D_g
    total = _product([{(Fraction(0), Fraction(0)): rest}, *denominators])
    for h in range(layer.heads):
        addend = _product([numerators[h], *denominators[:h], *denominators[h + 1 :]])
        total = _collect(itertools.chain(total.items(), addend.items()))
    return all(coefficient == 0 for coefficient in total.values())


def _applies(question: Question) -> bool:
    layer = question.layer
    norms = [layer.embedding_norm, layer.pre_norm, layer.query_norm, layer.key_norm, final_norm(question)]
    return (
        all(norm is None for norm in norms)
        and layer.normaliser is softmax
        and (layer.positions is None or isinstance(layer.positions, (Learned, Alibi)))
        and all(array.dtype != object for array in layer.arrays.values())
    )


def _added_rows(layer: Layer) -> Learned | None:
    return layer.positions if isinstance(layer.positions, Learned) else None


def _biases(layer: Layer, reader: int, position: int) -> list[Fraction]:
    """What :meth:`Reading.bias` adds to the scores, as rationals."""
    biases = [Fraction(0)] * layer.heads
    if isinstance(layer.positions, Alibi):
        distance = abs(reader - position)
        biases = [b - Fraction(float(s)) * distance for b, s in zip(biases, layer.positions.slopes, strict=True)]
    if layer.score_bias is not None:
        biases = [b + Fraction(float(x)) for b, x in zip(biases, layer.score_bias[:, reader, position], strict=True)]
    return biases


def _power(layer: Layer, content: Fraction, bias: Fraction) -> _Power:
    square = Fraction(1, layer.wq.shape[2]) if layer.scale_squared is None else layer.scale_squared
    content /= Fraction(layer.temperature)
    root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
    return (bias + content * root, Fraction(0)) if root * root == square else (bias, content)


def _collect(terms: Iterable[tuple[_Power, Fraction]]) -> _Sum:
    total: _Sum = {}
    for power, coefficient in terms:
        total[power] = total.get(power, Fraction(0)) + coefficient
    return total


def _product(factors: Sequence[_Sum]) -> _Sum:
    result: _Sum = {(Fraction(0), Fraction(0)): Fraction(1)}
    for factor in factors:
        result = _collect(
            ((p[0] + q[0], p[1] + q[1]), a * b) for (p, a), (q, b) in itertools.product(result.items(), factor.items())
        )
    return result


def _fraction(expression: Any) -> Fraction:
    return Fraction(int(expression.p), int(expression.q))
