"""What comes back from a question."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tokendemo_formal.override.proof import Section
from tokendemo_formal.override.question import Ask, Engine, Verdict


@dataclass(frozen=True)
class Bounds:
    """A real number enclosed by two rationals, ends included."""

    low: Fraction
    high: Fraction

    def decimals(self, digits: int = 12) -> tuple[str, str]:
        """Both ends as decimal strings, rounded outward to that many digits after the point.

        More digits where fewer would round an end that is not 0 to 0: the sign is the verdict. Beyond 1,000 of them
        the ends have exponents instead: ``1.2e-13028``.
        """
        ends = [end for end in (self.low, self.high) if end != 0]
        if any(end.denominator >> 3300 > abs(end.numerator) for end in ends):  # below 2^-3300 < 10^-990
            return _scientific(self.low, -1), _scientific(self.high, 1)
        for end in ends:
            digits = max(digits, len(str(end.denominator // abs(end.numerator))) + 1)
        scale = 10**digits
        low = self.low.numerator * scale // self.low.denominator
        high = -(-self.high.numerator * scale // self.high.denominator)
        return _decimal(low, digits), _decimal(high, digits)


def _decimal(scaled: int, digits: int) -> str:
    sign, text = ("-" if scaled < 0 else ""), str(abs(scaled)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"


def _scientific(x: Fraction, towards: int) -> str:
    """``x`` with four digits and an exponent, rounded up (``towards`` 1) or down (-1)."""
    if x == 0:
        return "0.0"
    bits = abs(x.numerator).bit_length() - x.denominator.bit_length()
    exponent = math.floor((bits - 1) * math.log10(2)) - 3  # so that four or five digits stand before the point
    scaled = x / Fraction(10) ** exponent
    digits = math.ceil(scaled) if towards > 0 else math.floor(scaled)
    return f"{digits}e{exponent}"


def lengths_text(lengths: Sequence[int]) -> str:
    """Numbers of tokens in words, as in ``0, 1 and 2 tokens``."""
    if len(lengths) > 24 and lengths[-1] - lengths[0] == len(lengths) - 1:
        return f"all from {lengths[0]} to {lengths[-1]} tokens"
    listed = [str(length) for length in lengths]
    text = listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
    return f"{text} {'token' if text == '1' else 'tokens'}"


@dataclass(frozen=True)
class Answer:
    """The answer to a question.

    Attributes:
        ask: what was asked.
        verdict: ``override`` (a witness is given), ``no-override``, ``optimum`` (both bounds within the tolerance),
            ``never`` (no number of tokens overrides) or ``gave-up``.
        engine: what decided.
        slots: the number of slots of the witness; without one, the most that were asked for.
        assignment: the witness's token ids for the slots in the order of their positions, or None.
        prompt: the ids of the whole prompt (of the first template) with the witness in it, or None.
        margin: of the witness, enclosed in balls from the weights, or None; with several templates the least.
        prompts, margins: with several templates or rows, of each template.
        pairs: likewise, the two rows between which it is closest: the best toward, and the best against.
        shares: for a question of a share, each head's share of attention in the prompt of each template.
        upper: a proved upper bound of the margin over all assignments with ``slots`` slots, where one was proved.
        unlimited: whether ``never``, or ``upper``, is about every number of slots, however large.
        ruled_out: the lengths for which it is proved that no assignment overrides.
        excluded: assignments (of any length) that would override, but for their text, which encodes to other tokens;
            what is proved is about all others.
        minimum: the length of the shortest override, where that is proved.
        nodes: search nodes visited (assignments, for brute force; solver calls, for Z3).
        seconds: by phase: ``tables``, ``search``.
        rigour: what a reader has to trust.
        notes: sentences to be read with the answer.
        proof: where asked for, what a certificate of the refusals is written from.
    """

    ask: Ask
    verdict: Verdict
    engine: Engine
    slots: int
    assignment: tuple[int, ...] | None = None
    prompt: tuple[int, ...] | None = None
    margin: Bounds | None = None
    prompts: tuple[tuple[int, ...], ...] = ()
    margins: tuple[Bounds, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    shares: tuple[tuple[Bounds, ...], ...] = ()
    upper: Fraction | None = None
    unlimited: bool = False
    ruled_out: tuple[int, ...] = ()
    excluded: tuple[tuple[int, ...], ...] = ()
    minimum: int | None = None
    nodes: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    rigour: str = ""
    notes: tuple[str, ...] = ()
    proof: tuple[Section, ...] = field(default=(), repr=False)
