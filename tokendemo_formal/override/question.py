"""What is asked of a layer, with every token resolved to its id."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from tokendemo_formal.attention import Layer, Weights
from tokendemo_formal.errors import ScenarioError
from tokendemo_formal.override.constraints import UNCONSTRAINED, Constraints

Ask: TypeAlias = Literal["exists", "minimum", "maximum", "any-length"]
Engine: TypeAlias = Literal["search", "z3", "brute-force"]
Verdict: TypeAlias = Literal["override", "no-override", "optimum", "never", "gave-up"]

MOST_SLOTS = 1_000_000
"""More are refused, where the layer's positions don't refuse them."""


@dataclass(frozen=True)
class Readout:
    """What the margin reads: <toward - against, residual stream> + toward_bias - against_bias - threshold.

    Args:
        toward, against: (d,) rows, kept apart since the difference of two floats need not be a float.
        toward_bias, against_bias: what the unembedding adds to the two logits.
        threshold: exact.
        final_norm: whether the layer's final norm stands between the stream and the rows.
        rows: which rows of the model's readout these are, (toward, against), where they are such; certificates name
            them.
    """

    toward: Weights
    against: Weights
    toward_bias: float = 0.0
    against_bias: float = 0.0
    threshold: Fraction = Fraction(0)
    final_norm: bool = False
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class Share:
    """What the margin reads in place of rows: ``below`` less the share of attention that the system's tokens get.

    A head's share is the sum of its attention weights on these tokens: above 0, and at most 1. An override pushes it
    below ``below``.

    Args:
        below: exact; above 0, where a share always is, and at most 1.
        head: whose share; None: the mean of all heads' shares.
        of: which tokens are the system's: those ``"before"`` the slots, those ``"after"`` them, the whole
            ``"template"``, or a list of indices into the template's tokens (``before``, then ``after``; no slots).
    """

    below: Fraction
    head: int | None = None
    of: Literal["before", "after", "template"] | tuple[int, ...] = "before"

    rows: ClassVar[tuple[int, int]] = (0, 0)
    """Of no model: the only condition of a template goes by row 0."""
    final_norm: ClassVar[bool] = False

    def tokens(self, before: int, after: int) -> Sequence[int]:
        """The system's tokens as indices into a template of that many tokens before and after the slots."""
        named = {"before": range(before), "after": range(before, before + after), "template": range(before + after)}
        return named[self.of] if isinstance(self.of, str) else self.of


@dataclass(frozen=True)
class Contest:
    """Rows of a model's readout, of which one has to beat several others, or one of several has to.

    Args:
        rows: (n, d) all rows.
        biases: (n,) what the unembedding adds to their logits, or None.
        toward: one of these has to beat
        against: all of these; none of them is in ``toward``.

    Raises:
        ScenarioError: for no rows, unknown ones, rows that are in both, or two rows in all.
    """

    rows: Weights
    biases: Weights | None
    toward: tuple[int, ...]
    against: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, ids in (("toward", self.toward), ("against", self.against)):
            if not ids or len(set(ids)) < len(ids) or not set(ids) <= set(range(len(self.rows))):
                raise ScenarioError(
                    f"readout.{name}: expected rows below {len(self.rows)}, each once; found {list(ids)}"
                )
        if both := set(self.toward) & set(self.against):
            raise ScenarioError(f"readout.against: row {min(both)} is in readout.toward, too; drop one of the two")
        if len(self.toward) == len(self.against) == 1:  # certificates of two rows are written another way
            raise ScenarioError("readout: found one row toward and one against; two rows are a Readout, not a Contest")

    def bias(self, row: int) -> float:
        return 0.0 if self.biases is None else float(self.biases[row])


@dataclass(frozen=True)
class Template:
    """The fixed part of a prompt: token ids around the slots, and where the reader stands."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    reader: Literal["first", "last"] | int


@dataclass(frozen=True)
class Prompt:
    """A prompt with holes: ``tokens[p]`` is the id at position p, None in a slot."""

    tokens: tuple[int | None, ...]
    reader: int

    @property
    def slots(self) -> tuple[int, ...]:
        """The positions of the slots, in order."""
        return tuple(p for p, token in enumerate(self.tokens) if token is None)

    def filled(self, assignment: Sequence[int]) -> tuple[int, ...]:
        """The ids with the assignment in the slots, in the order of their positions."""
        rest = iter(assignment)
        return tuple(next(rest) if token is None else token for token in self.tokens)


@dataclass(frozen=True)
class Question:
    """Can tokens from a vocabulary, in some slots of a template, make the margin positive?

    Args:
        layer: the layer.
        readout: what the margin reads: rows, or a share of attention.
        before, after: the template's token ids around the slots.
        reader: ``"first"``, ``"last"`` or a position of the whole prompt; negative ones count from its end.
        slots: how many slots (for the shortest override: the most to try; for any number of them it has no part).
        vocabulary: the ids that the adversary may use, without repeats.
        positions: where the slots stand in the whole prompt, if not between ``before`` and ``after``; a question with
            fewer slots uses the first of them.
        also: further templates that the same tokens have to override, too; the margin is then the least of all.
        contest: the rows that compete, where these are not just the readout's two: the margin is then the largest logit
            of those toward, less the largest of those against, less the threshold; rows of ``readout`` are not read.
        constraints: what the tokens in the slots have to satisfy besides: only such assignments are asked about.

    Raises:
        ScenarioError: for ids outside the layer's vocabulary, a reader outside the prompt, an empty vocabulary,
            a prompt longer than the context, slots that the reader can't see, readout rows that are not (d,) finite
            numbers, a share that no token can change or of tokens that there aren't.
    """

    layer: Layer
    readout: Readout | Share
    before: tuple[int, ...]
    after: tuple[int, ...]
    reader: Literal["first", "last"] | int
    slots: int
    vocabulary: tuple[int, ...]
    positions: tuple[int, ...] | None = None
    also: tuple[Template, ...] = ()
    contest: Contest | None = None
    constraints: Constraints = UNCONSTRAINED

    def __post_init__(self) -> None:
        size = self.layer.vocabulary
        for name, ids in (
            ("template.before", self.before),
            ("template.after", self.after),
            ("adversary.vocabulary", self.vocabulary),
            ("constraints", self.constraints.tokens),
        ):
            wrong = [i for i in ids if not 0 <= i < size]
            if wrong:
                raise ScenarioError(f"{name}: token id {wrong[0]} is outside the vocabulary of {size} tokens")
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise ScenarioError("adversary.vocabulary: a token id is listed twice")
        if not isinstance(self.slots, int) or self.slots < 0:
            raise ScenarioError(f"adversary.slots: expected 0 or more, found {self.slots!r}")
        if self.slots > MOST_SLOTS:  # before anything of that length is made
            raise ScenarioError(f"adversary.slots: found {self.slots}; at most {MOST_SLOTS:,} are tried")
        if self.reader not in ("first", "last") and not isinstance(self.reader, int):
            raise ScenarioError(f"template.reader: expected 'first', 'last' or a position; found {self.reader!r}")
        if isinstance(self.readout, Share):
            self._check_share(self.readout)
        else:
            self._check_rows(self.readout)
        if self.slots and not self.vocabulary:
            raise ScenarioError(
                "adversary.vocabulary: no token is left; widen vocabulary, pattern or include, or shorten exclude"
            )
        if self.positions is not None and (
            len(self.positions) < self.slots or any(a >= b for a, b in itertools.pairwise(self.positions))
        ):
            raise ScenarioError(
                f"adversary.positions: expected at least {self.slots} increasing numbers; found {list(self.positions)}"
            )
        self.prompt(self.slots)
        for number in range(1, len(self.also) + 1):
            try:
                self.with_template(number)
            except ScenarioError as error:
                raise ScenarioError(f"template[{number + 1}]: {error}") from error

    @property
    def templates(self) -> tuple[Template, ...]:
        """All templates that the same tokens have to override."""
        return (Template(self.before, self.after, self.reader), *self.also)

    def with_template(self, index: int) -> Question:
        """The question of one template alone."""
        template = self.templates[index]
        return replace(self, before=template.before, after=template.after, reader=template.reader, also=())

    def _check_share(self, share: Share) -> None:
        if self.contest is not None:
            raise ScenarioError("share: given beside rows that compete; drop one of the two")
        if not isinstance(share.below, int | Fraction):
            raise ScenarioError(
                f"share.below: found {share.below!r}; expected an exact number, such as Fraction('0.1')"
            )
        if not 0 < share.below <= 1:
            found = Decimal(share.below.numerator) / share.below.denominator
            raise ScenarioError(
                f"share.below: found {found:.9g}; expected a number above 0, which a share of attention never reaches, "
                "and at most 1, which it never exceeds"
            )
        if share.head is not None and not (isinstance(share.head, int) and 0 <= share.head < self.layer.heads):
            raise ScenarioError(f"share.head: found {share.head!r}; the layer has heads 0 to {self.layer.heads - 1}")
        size = len(self.before) + len(self.after)
        if isinstance(share.of, str) and share.of not in ("before", "after", "template"):
            raise ScenarioError(f"share.of: found {share.of!r}; expected 'before', 'after', 'template' or indices")
        tokens = share.tokens(len(self.before), len(self.after))
        if not tokens:
            of = share.of if isinstance(share.of, str) else list(share.of)
            raise ScenarioError(f"share.of: found {of!r}, which holds no token; name some of the template's")
        if len(set(tokens)) < len(tokens) or not set(tokens) <= set(range(size)):
            raise ScenarioError(
                f"share.of: expected indices of the template's {size} tokens, 0 to {size - 1}, each once; found "
                f"{list(tokens)}"
            )

    def _check_rows(self, readout: Readout) -> None:
        width = self.layer.width
        for name in ("toward", "against"):
            row = getattr(readout, name)
            if not isinstance(row, np.ndarray) or row.shape != (width,):
                found = f"shape {row.shape}" if isinstance(row, np.ndarray) else type(row).__name__
                raise ScenarioError(f"readout.{name}: expected an array of shape ({width},), found {found}")
            if row.dtype != object and not np.isfinite(row).all():
                raise ScenarioError(f"readout.{name}: expected finite numbers, found {row[~np.isfinite(row)][0]}")
        for name in ("toward_bias", "against_bias", "threshold"):
            value = getattr(readout, name)
            if not abs(value) <= sys.float_info.max:  # NaN, too
                found = f"{Decimal(value.numerator) / value.denominator:.1e}" if isinstance(value, Fraction) else value
                raise ScenarioError(
                    f"readout.{name}: expected a number of at most {sys.float_info.max:.1e} in size, found {found}"
                )

    @property
    def row_readout(self) -> Readout:
        """The readout of a question that reads rows."""
        assert isinstance(self.readout, Readout), "a share of attention reads no rows"
        return self.readout

    @property
    def several(self) -> bool:
        """Whether there are several conditions: of templates, of pairs of rows, or on the tokens themselves."""
        return bool(self.also) or self.contest is not None or bool(self.constraints)

    @property
    def toward(self) -> tuple[int, ...]:
        """Rows of which one has to win; of a readout that names no rows, 0 stands for its own."""
        pair = (0, 1) if self.readout.rows is None else self.readout.rows
        return (pair[0],) if self.contest is None else self.contest.toward

    @property
    def against(self) -> tuple[int, ...]:
        """Rows that have to be beaten, likewise."""
        pair = (0, 1) if self.readout.rows is None else self.readout.rows
        return (pair[1],) if self.contest is None else self.contest.against

    def alone(self, template: int, toward: int, against: int) -> Question:
        """The plain question of one template and one pair of rows, without constraints."""
        question, contest = replace(self.with_template(template), constraints=UNCONSTRAINED), self.contest
        if contest is None:
            return question
        readout = replace(
            self.row_readout,
            toward=contest.rows[toward],
            against=contest.rows[against],
            toward_bias=contest.bias(toward),
            against_bias=contest.bias(against),
            rows=(toward, against),
        )
        return replace(question, readout=readout, contest=None)

    @property
    def longest(self) -> int | None:
        """The most slots for which the layer has positions in every template; None: there is no end.

        Raises:
            ScenarioError: where the layer has no last position, and its numbers depend on them.
        """
        if self.layer.context is not None:
            return self.layer.context - max(len(t.before) + len(t.after) for t in self.templates)
        if self.layer.positions is not None:
            raise ScenarioError(
                f"ask: any-length needs a layer without positions, or with a last one; "
                f"{type(self.layer.positions).__name__} positions have no end. "
                'Ask "minimum", with adversary.slots the most tokens to try'
            )
        return None

    def with_slots(self, slots: int) -> Question:
        """The same question with another number of slots."""
        return replace(self, slots=slots)

    def prompt(self, slots: int) -> Prompt:
        """The prompt with that many slots.

        Raises:
            ScenarioError: where it can't be laid out or the reader can't see a slot.
        """
        length = len(self.before) + len(self.after) + slots
        limit = self.layer.context
        if limit is not None and length > limit:  # before anything of that length is made
            raise ScenarioError(f"template: {length} tokens with {slots} slots, but the layer has {limit} positions")
        holes = self._holes(slots)
        if any(not 0 <= p < length for p in holes):
            raise ScenarioError(
                f"adversary.positions: {list(holes)} don't lie in a prompt of {length} tokens (0 to {length - 1})"
            )
        rest = iter(self.before + self.after)
        taken = set(holes)
        tokens = tuple(None if p in taken else next(rest) for p in range(length))
        if not tokens:
            raise ScenarioError("template: the prompt is empty, so there is no reader; give before or after")
        named = {"first": 0, "last": length - 1}
        reader = named[self.reader] if isinstance(self.reader, str) else self.reader
        reader = reader + length if reader < 0 else reader
        if not 0 <= reader < length:
            raise ScenarioError(
                f"template.reader: {self.reader} is outside the prompt of {length} tokens ({-length} to {length - 1})"
            )
        unseen = [p for p in holes if not self.layer.sees(reader, p)]
        if unseen:
            raise ScenarioError(
                f"adversary.slots: the reader at position {reader} can't see the slot at position {unseen[0]} (causal "
                "mask); move the reader behind the slots"
            )
        if isinstance(self.readout, Share) and not any(self.layer.sees(reader, p) for p in self.system(length)):
            raise ScenarioError(
                f"share.of: the reader at position {reader} sees none of these tokens (causal mask), so their share is "
                "0 whatever the adversary does; name others, or move the reader"
            )
        return Prompt(tokens, reader)

    def _holes(self, slots: int) -> Sequence[int]:
        """The positions of that many slots."""
        first = len(self.before)
        return range(first, first + slots) if self.positions is None else self.positions[:slots]

    def system(self, length: int) -> tuple[int, ...]:
        """The positions of the tokens whose share is read, in a prompt of that many tokens."""
        assert isinstance(self.readout, Share), "rows are read of the residual stream, not of positions"
        taken = set(self._holes(length - len(self.before) - len(self.after)))
        fixed = [p for p in range(length) if p not in taken]
        return tuple(sorted(fixed[i] for i in self.readout.tokens(len(self.before), len(self.after))))

    @property
    def vocabulary_array(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array(self.vocabulary, dtype=np.int64)
