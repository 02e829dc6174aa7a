"""The checker of certificates: it trusts neither their writer nor any other part of this package.

    python -m tokendemo_formal.certificates.checker CERTIFICATE --model DIRECTORY

The format and its rules are in docs/certificates.md. The layer's numbers come from
:mod:`~tokendemo_formal.certificates.layer`, as balls; here are the claims, the cover of all assignments by a tree of
splits, filters and leaves, and the witness. For candidate sets C_i of the slots, B_h + Σ_i b_{h,i}(t_i) = D_h lies in
[L_h, U_h], and with N_h = A_h + Σ_i a_{h,i}(t_i), φ_h(x) = max(x/L_h, x/U_h) and any c

    r + Σ_h N_h/D_h = r + Σ_h c_h + Σ_h (N_h − c_h D_h)/D_h <= r + Σ_h c_h + Σ_h φ_h(A_h − c_h B_h) + Σ_i max_{C_i} T_i

where T_i(t) = Σ_h φ_h(a_{h,i}(t) − c_h b_{h,i}(t)), for φ_h is subadditive. The sums N_h − c_h D_h of some heads may be
multiplied as a whole instead, by w_h = 1/L_h or by w_h = 1/U_h (*joint* heads): with one of the two they are at least
(N_h − c_h D_h)/D_h, so the bound has to hold for every choice of w. A token for which the bound with its own term in
place of its slot's maximum is at most 0 for every w is in no assignment above 0. Every comparison is one of balls: it
counts when it holds for all numbers in them, and is repeated at higher precision while it is open.

Main declarations: :func:`check`, :class:`Verdict`, :class:`Limits`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import add, mul, sub
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flint import arb, ctx, fmpq

from tokendemo_formal.certificates.claim import Header, Prompt, Question
from tokendemo_formal.certificates.layer import Ball, Evaluation, Reader, Row, centred, dot, largest, least, root
from tokendemo_formal.certificates.stored import Files, Lines, RefusedError, integers, keys, malformed, rational

Kind: TypeAlias = Literal["valid", "invalid", "malformed", "unsupported", "undecided"]
Sets: TypeAlias = tuple[Sequence[int], ...]
"""The candidate tokens of each slot."""

EXIT = {"valid": 0, "invalid": 1, "malformed": 2, "unsupported": 3, "undecided": 3}
LOWEST_BITS = 128
MOST_JOINT = 12


@dataclass(frozen=True)
class Limits:
    """What a check may cost; beyond, it ends as unsupported.

    Attributes:
        line: bytes of one line.
        prompt: tokens of one prompt.
        entries: pairs (a, b) kept: tokens × slots × heads.
        work: pairs bounded, over all nodes, and what making them costs in the same unit, about half a microsecond.
    """

    line: int = 2**23
    prompt: int = 4096
    entries: int = 5_000_000
    work: int = 4_000_000_000


@dataclass(frozen=True)
class Verdict:
    """What a check came to.

    Attributes:
        kind: ``valid``, ``invalid``, ``malformed``, ``unsupported`` or ``undecided``.
        claim: what a valid certificate proves, in the checker's own words; empty otherwise.
        message: what was checked, or what failed first.
        line: the line of the file that it failed at, from 1; 0 where no line is to blame.
    """

    kind: Kind
    claim: str
    message: str
    line: int

    @property
    def exit_code(self) -> int:
        """0 valid, 1 invalid, 2 malformed, 3 unsupported or undecided."""
        return EXIT[self.kind]

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{self.kind}: {place}{self.message}" + (f"\n{self.claim}" if self.claim else "")


def check(
    path: str | Path, model_directory: str | Path | None = None, *, max_bits: int = 1024, limits: Limits | None = None
) -> Verdict:
    """Check a certificate against the files of the model that it is about.

    Args:
        path: the certificate.
        model_directory: holds the files that the header lists.
        max_bits: the highest precision to try before a node is left undecided.
        limits: on size and work.

    Returns:
        The verdict; no certificate, however made, raises an exception.
    """
    lines: Lines | None = None
    try:
        if model_directory is None:
            raise RefusedError("malformed", "a certificate names no place; give the model's directory (--model)")
        limits = limits or Limits()
        with Path(path).open("rb") as file:
            lines = Lines(file, limits.line)
            return Check(lines, Path(model_directory), max_bits, limits).run()
    except RefusedError as refusal:
        kind: Any = refusal.kind
        return Verdict(kind, "", str(refusal), lines.number if lines else 0)
    except OSError as error:
        return Verdict("malformed", "", f"{error.filename or path}: can't be read ({error.strerror})", 0)
    except MemoryError:
        return Verdict("unsupported", "", "the memory does not suffice", lines.number if lines else 0)


# Readings ----------------------------------------------------------------------------------------------------------


def direction(question: Question) -> Row:
    """u, or with a final norm P(gain · u), so that N(z) is its product with z."""
    row = [arb(x) for x in question.difference]
    if question.norm is not None:
        row = [*map(mul, row, question.norm.gain.balls())]
        row = centred(row) if question.norm.centred else row
    return row


def gain(question: Question, evaluation: Evaluation, tokens: Sequence[int], reader: int) -> Ball:
    """toward − against − threshold of a whole prompt."""
    z = evaluation.stream(tokens, reader)
    value = dot(direction(question), z)
    if question.norm is not None:
        z = centred(z) if question.norm.centred else z
        value *= (dot(z, z) / len(z) + arb(question.norm.eps)).rsqrt()
    return value + arb(question.beta)


class Section:
    """One length (and, where the adversary owns the reader, one reader token): a linear function of z to be bounded.

    Attributes:
        prompt: the prompt with its slots; a reader token stands in it.
        root: the candidates of each slot.
    """

    def __init__(
        self, line: Mapping[str, Any], question: Question, length: int, token: int | None, bound: fmpq
    ) -> None:
        optional = [key for key, wanted in (("reader_token", token is not None), ("tangent", True)) if wanted]
        keys(line, {"section", "bound", "reading"}, optional)
        prompt = question.prompt(length)
        found = (line["section"], line.get("reader_token"), rational(line["bound"], "bound"))
        if found != (length, token, bound) or type(found[0]) is not int or type(found[1]) is not type(token):
            raise RefusedError(
                "invalid",
                f"a section of (length, reader token, bound) = {found}; the claim needs {(length, token, bound)}",
            )
        self.question, self.bound = question, bound
        tokens = tuple(token if p == prompt.reader and token is not None else t for p, t in enumerate(prompt.tokens))
        self.prompt = Prompt(tokens, prompt.reader)
        self.root: Sets = (question.vocabulary,) * len(self.prompt.slots)
        self.kappa = bound - question.beta
        kinds = ("folded", "tangent", "deviation")
        sign = 0 if self.kappa == 0 else 1 if self.kappa > 0 else 2
        reading = "plain" if question.norm is None else kinds[sign]
        if line["reading"] != reading:
            malformed(f"reading: this section is one of the reading {reading!r}")
        if ("tangent" in line) != (reading == "tangent"):
            malformed("tangent: expected with the reading 'tangent', and with no other")
        self.reading, self.tangent = reading, []
        if reading == "tangent":
            entries = line["tangent"]
            if not isinstance(entries, list) or len(entries) != question.layer.width + 1:
                malformed(f"tangent: expected a list of {question.layer.width + 1} numbers")
            self.tangent = [rational(entry, "tangent") for entry in entries]
            with ctx.workprec(4096):
                if not sum((arb(e) ** 2 for e in self.tangent), arb(0)) <= 1:
                    raise RefusedError("invalid", "tangent: the sum of its squares is not at most 1")

    def direction(self) -> Row:
        """What z is read in."""
        question, row = self.question, direction(self.question)
        if self.reading == "tangent":
            assert question.norm is not None
            d = question.layer.width
            e: Row = [arb(x) for x in self.tangent[:d]]
            factor = arb(self.kappa) / arb(d).sqrt()
            row = [x - factor * y for x, y in zip(row, centred(e) if question.norm.centred else e, strict=True)]
        return row

    def constant(self, evaluation: Evaluation) -> Ball:
        """What is added to the product with z."""
        norm, kappa = self.question.norm, arb(self.kappa)
        if norm is None:
            return -kappa
        if self.reading == "tangent":
            return -kappa * arb(self.tangent[-1]) * arb(norm.eps).sqrt()
        return -kappa * self._largest_deviation(evaluation) if self.reading == "deviation" else arb(0)

    def _largest_deviation(self, evaluation: Evaluation) -> Ball:
        """σ̂: z is its own part and for each head a mean of outputs, so no longer than they are."""
        norm, (tokens, reader) = self.question.norm, self.prompt
        assert norm is not None
        held: dict[int, list[int]] = {}
        for j in self.question.layer.visible(reader, len(tokens)):
            token = tokens[j]
            held[j] = self.question.vocabulary if token is None else [token]
        own = evaluation.direct(held[reader][0], reader)
        own = centred(own) if norm.centred else own
        length = root(dot(own, own)) + evaluation.farthest(held, norm.centred)
        return (length * length / len(own) + arb(norm.eps)).sqrt()


@dataclass(frozen=True)
class Bound:
    """The bound for one choice of w.

    Attributes:
        terms: for each slot S_w of each candidate.
        tops: for each slot the largest of them.
        rest: the bound without them.
    """

    terms: list[Row]
    tops: Row
    rest: Ball

    @property
    def total(self) -> Ball:
        """bound_w(c)."""
        return sum(self.tops, self.rest)

    def others(self, slot: int) -> Ball:
        """The bound without the largest term of a slot."""
        return sum((top for i, top in enumerate(self.tops) if i != slot), self.rest)


class Tables:
    """A section's function in balls of one precision.

    Args:
        section: what to bound.
        reader: the layer as its reader sees it.
    """

    def __init__(self, section: Section, reader: Reader) -> None:
        evaluation, (tokens, position) = reader.evaluation, section.prompt
        self.reader, self.slots, self.heads = reader, section.prompt.slots, evaluation.layer.heads
        self.direct = reader.direct + section.constant(evaluation)
        visible = evaluation.layer.visible(position, len(tokens))
        fixed = {j: token for j in visible if (token := tokens[j]) is not None}
        self.fixed_b, self.fixed_a = reader.fixed(fixed)

    def candidates(self, sets: Sets) -> Candidates:
        """A node's sets, none of them empty."""
        columns = [self.reader.columns(place, tokens) for place, tokens in zip(self.slots, sets, strict=True)]
        return Candidates(self, sets, columns)


class Candidates:
    """The candidate sets of a node, with b and a of each, and the range of D over them.

    Args:
        tables: where they come from.
        sets: none of them empty.
        columns: for each slot b, then a, of each head over the candidates.
    """

    def __init__(self, tables: Tables, sets: Sets, columns: list[list[tuple[Ball, ...]]]) -> None:
        self.tables, self.sets, self._columns = tables, sets, columns
        heads = range(tables.heads)
        self._ranges = [[(least(column[h]), largest(column[h])) for h in heads] for column in columns]
        self._over = [1 / sum((slot[h][0] for slot in self._ranges), tables.fixed_b[h]) for h in heads]
        self._under = [1 / sum((slot[h][1] for slot in self._ranges), tables.fixed_b[h]) for h in heads]

    def bounds(self, c: Row, joint: Sequence[int]) -> Iterator[Bound]:
        """One bound for each choice of w for the joint heads."""
        tables, heads = self.tables, self.tables.heads
        own = [tables.fixed_a[h] - c[h] * tables.fixed_b[h] for h in range(heads)]
        gaps = [
            [[*map(sub, col[heads + h], map(mul, col[h], repeat(c[h])))] for h in range(heads)] for col in self._columns
        ]
        rest = tables.direct + sum(c, arb(0))
        terms: list[Row] = [[arb(0)] * len(tokens) for tokens in self.sets]
        for h in range(heads):
            if h not in joint:
                over, under = self._over[h], self._under[h]
                rest += arb.max(own[h] * over, own[h] * under)
                for i, gap in enumerate(gaps):
                    either = map(arb.max, map(mul, gap[h], repeat(over)), map(mul, gap[h], repeat(under)))
                    terms[i] = [*map(add, terms[i], either)]

        def choose(left: Sequence[int], rest: Ball, terms: list[Row]) -> Iterator[Bound]:
            if not left:
                yield Bound(terms, [*map(largest, terms)], rest)
                return
            h = left[0]
            for w in (self._over[h], self._under[h]):
                chosen = [[*map(add, t, map(mul, gap[h], repeat(w)))] for t, gap in zip(terms, gaps, strict=True)]
                yield from choose(left[1:], rest + own[h] * w, chosen)

        return choose(joint, rest, terms)

    def needed(self, c: Row, joint: Sequence[int]) -> list[set[int]]:
        """The candidates that matter to a more precise bound: they may have the largest term, or the ends of b."""
        found: list[set[int]] = [set() for _ in self.sets]
        for i, tokens in enumerate(self.sets):
            for column, (low, high) in zip(self._columns[i], self._ranges[i], strict=False):
                found[i] |= {t for t, b in zip(tokens, column, strict=True) if not low < b < high}
        for bound in self.bounds(c, joint):
            for i, (tokens, term) in enumerate(zip(self.sets, bound.terms, strict=True)):
                found[i] |= {t for t, value in zip(tokens, term, strict=True) if not value < bound.tops[i]}
        return found


# The check ---------------------------------------------------------------------------------------------------------


class Check:
    """One check of one certificate.

    Args:
        lines: of the certificate.
        directory: of the model.
        max_bits: the highest precision.
        limits: on size and work.
    """

    def __init__(self, lines: Lines, directory: Path, max_bits: int, limits: Limits) -> None:
        self.lines, self.limits, self.work, self.nodes = lines, limits, 0, 0
        self.precisions = [bits for k in range(20) if (bits := LOWEST_BITS << k) <= max(max_bits, LOWEST_BITS)]
        first = lines.next()
        self.header = Header(first if first is not None else malformed("the file is empty"))
        files = Files(directory, self.header.files)
        second = lines.next()
        if second is None:
            malformed("the file ends where the question was expected")
        self.header.verify(lines.raw)
        self.question = Question(second, files, limits.prompt)
        self._evaluations = {bits: Evaluation(self.question.layer) for bits in self.precisions}
        self._readers: dict[int, Reader] = {}
        self._seen_from: object = None
        self._tables: dict[int, Tables] = {}
        self._open: int | None = None

    def run(self) -> Verdict:
        """The verdict; RefusedError for any but valid."""
        header = self.header
        size = max(header.lengths, default=0) * len(self.question.vocabulary) * self.question.layer.heads
        if size > self.limits.entries:
            raise RefusedError("unsupported", f"tables of {size} pairs (a, b); the limit is {self.limits.entries}")
        if header.claim != "no-override":
            self._witness()
        for length in header.lengths:
            prompt = self.question.prompt(length)
            owned = prompt.tokens[prompt.reader] is None
            for token in self.question.vocabulary if owned else [None]:
                self._section(length, token)
        if self.lines.next() is not None:
            raise RefusedError("invalid", "a line after the last section is complete")
        message = f"{self.nodes} nodes checked, of {self.lines.number - 1} lines"
        return Verdict("valid", self._claim(), message, 0)

    def _claim(self) -> str:
        header, lengths = self.header, self.header.lengths
        best, most = f"gain of at least {_decimal(header.low)}", _decimal(header.high, up=True)
        some = f"slots filled with the tokens {header.witness}" if header.witness else "prompt without slots"
        witness = f"The {some} has a gain above 0, between {_decimal(header.low)} and {most}."
        none = f"No assignment of exactly {', '.join(map(str, lengths))} tokens has a gain above 0."
        sentences = {
            "override": witness,
            "no-override": none,
            "minimum": f"{witness} {none}" if lengths else witness,
            "optimum": f"The {some} has a {best}, and no assignment of as many has one above {most}.",
        }
        return f"{sentences[header.claim]}\n{self.question.words()}\nHash of weights and question: {header.hash}"

    def _witness(self) -> None:
        header, question = self.header, self.question
        if not set(header.witness) <= set(question.vocabulary):
            raise RefusedError("invalid", "witness: a token that the adversary may not use")
        prompt = question.prompt(len(header.witness))
        fill = iter(header.witness)
        tokens = [next(fill) if token is None else token for token in prompt.tokens]
        above = header.claim != "optimum"
        for bits in self.precisions:
            with ctx.workprec(bits):
                value = gain(question, self._evaluations[bits], tokens, prompt.reader)
                low, high = value - arb(header.low), arb(header.high) - value
                if low >= 0 and high >= 0 and (value > 0 or not above):
                    return
                if low < 0 or high < 0 or (value <= 0 and above):
                    expected = f"{header.low} to {header.high}{', above 0' if above else ''}"
                    raise RefusedError("invalid", f"witness: its gain is {value.str(10)}, claimed was {expected}")
        raise RefusedError("undecided", f"witness: its gain is {value.str(10)} at {bits} bits, which does not decide")

    def _spend(self, work: int) -> None:
        self.work += work
        if self.work > self.limits.work:
            raise RefusedError("unsupported", f"more work than the limit of {self.limits.work} bounded pairs")

    def _section(self, length: int, token: int | None) -> None:
        line = self.lines.next()
        if line is None or "section" not in line:
            which = f"length {length}" + (f" with the reader token {token}" if token is not None else "")
            raise RefusedError("invalid", f"expected the section of {which}, found {'a node' if line else 'the end'}")
        section = Section(line, self.question, length, token, self.header.bound)
        self._tables, self._open = {}, None
        self._tree(section)

    def _at(self, section: Section, bits: int) -> Tables:
        """The section's tables, at the context's precision; readers are kept while sections share them."""
        if bits not in self._tables:
            token, position = section.prompt.tokens[section.prompt.reader], section.prompt.reader
            assert token is not None, "a reader in a slot has its token fixed"
            # The direction is the same in all sections, but for tangents.
            seen_from = (token, position, section if section.tangent else None)
            if self._seen_from != seen_from:
                self._readers, self._seen_from = {}, seen_from
            if bits not in self._readers:
                places, layer, columns = self._places(position), self.question.layer, 2 * self.question.layer.heads
                columns += layer.groups * layer.head_width if "key_norm" in layer.norms else 0
                columns += layer.groups * layer.value_width if section.reading == "deviation" else 0
                self._spend(len(self.question.vocabulary) * layer.width * (columns // 16 + 1))
                self._spend(len(section.prompt.tokens) * layer.width * (columns + layer.width // 8))
                self._readers[bits] = Reader(self._evaluations[bits], token, position, section.direction(), places)
            self._tables[bits] = Tables(section, self._readers[bits])
        return self._tables[bits]

    def _places(self, position: int) -> list[int]:
        """The slots of all lengths whose reader stands at this position: those of the longest."""
        longest = max(length for length in self.header.lengths if self.question.reader_at(length) == position)
        return [place for place in self.question.prompt(longest).slots if place != position]

    def _tree(self, section: Section) -> None:
        """The nodes of a section, in preorder: each takes the sets that its parent left for it."""
        waiting = [section.root]
        while waiting:
            line = self.lines.next()
            if line is None or "node" not in line:
                end = "the file ends" if line is None else "a section starts"
                raise RefusedError("invalid", f"{end} where {len(waiting)} nodes are still to come: a child is missing")
            self.nodes += 1
            sets, kind = waiting.pop(), line["node"]
            if kind == "split":
                waiting += self._split(line, sets)
            elif kind == "exact":
                keys(line, {"node"})
                if all(sets):
                    self._exact(section, sets)
            elif kind in ("leaf", "filter"):
                c, joint = self._multipliers(line)
                if kind == "filter":
                    waiting.append(self._filter(section, sets, c, joint) if all(sets) else sets)
                elif all(sets):
                    self._leaf(section, sets, c, joint)
            else:
                malformed("node: expected 'leaf', 'filter', 'exact' or 'split'")

    def _multipliers(self, line: Mapping[str, Any]) -> tuple[list[fmpq], list[int]]:
        """c and the joint heads."""
        keys(line, {"node", "c"}, ["joint"])
        entries, joint, heads = line["c"], integers(line.get("joint", []), "joint"), self.question.layer.heads
        if not isinstance(entries, list) or len(entries) != heads:
            malformed(f"c: expected a list of {heads} numbers")
        if len(joint) > MOST_JOINT or len(set(joint)) < len(joint) or any(h >= heads for h in joint):
            malformed(f"joint: expected at most {MOST_JOINT} different heads below {heads}")
        return [rational(entry, "c") for entry in entries], joint

    def _split(self, line: Mapping[str, Any], sets: Sets) -> tuple[Sets, Sets]:
        """The second child, then the first: the one to come next is the last."""
        keys(line, {"node", "slot", "tokens"})
        slot, chosen = line["slot"], set(integers(line["tokens"], "tokens"))
        if type(slot) is not int or not 0 <= slot < len(sets):
            malformed(f"slot: expected a number from 0 to {len(sets) - 1}")
        self._spend(len(sets[slot]))
        inside = [t for t in sets[slot] if t in chosen]
        outside = [t for t in sets[slot] if t not in chosen]
        return (*sets[:slot], outside, *sets[slot + 1 :]), (*sets[:slot], inside, *sets[slot + 1 :])

    def _candidates(self, section: Section, sets: Sets, joint: Sequence[int], bits: int) -> Candidates:
        self._spend(sum(map(len, sets)) * (2 * self.question.layer.heads + 2 ** len(joint)))
        return self._at(section, bits).candidates(sets)

    def _leaf(self, section: Section, sets: Sets, c: list[fmpq], joint: Sequence[int]) -> None:
        """The bound is at most 0 for every w."""
        for bits in self.precisions:
            with ctx.workprec(bits):
                candidates, balls = self._candidates(section, sets, joint, bits), [arb(x) for x in c]
                totals = [bound.total for bound in candidates.bounds(balls, joint)]
                if all(total <= 0 for total in totals):
                    return
                self._not_above("leaf: its bound", [total for total in totals if not total <= 0])
                sets = tuple([*needed] for needed in candidates.needed(balls, joint))
        raise RefusedError("undecided", f"leaf: its bound is not decided at {bits} bits")

    def _exact(self, section: Section, sets: Sets) -> None:
        """The only assignment that is left has a gain of at most the section's bound."""
        if any(len(tokens) > 1 for tokens in sets):
            kind = "invalid" if self._open is None else "undecided"
            raise RefusedError(
                kind, f"exact: {[*map(len, sets)]} candidates are left in the slots; expected one in each"
            )
        rest = (tokens[0] for tokens in sets)
        prompt = [next(rest) if token is None else token for token in section.prompt.tokens]
        self._spend(len(prompt) * self.question.layer.width**2)
        for bits in self.precisions:
            with ctx.workprec(bits):
                above = gain(self.question, self._evaluations[bits], prompt, section.prompt.reader) - arb(section.bound)
                if above <= 0:
                    return
                self._not_above("exact: the gain less the section's bound", [above])
        raise RefusedError("undecided", f"exact: the gain less the section's bound is {above.str(10)} at {bits} bits")

    def _not_above(self, what: str, values: Row) -> None:
        """Refuse where one of the values is above 0 for certain."""
        for value in values:
            if value > 0 and self._open is not None:
                why = f"the filter of line {self._open} left tokens undecided"
                raise RefusedError("undecided", f"{what} is {value.str(10)}, but {why}")
            if value > 0:
                raise RefusedError("invalid", f"{what} is {value.str(10)}; it has to be at most 0")

    def _filter(self, section: Section, sets: Sets, c: list[fmpq], joint: Sequence[int]) -> Sets:
        """The sets without the tokens that are in no assignment above 0; a token that stays open is kept."""
        waiting, kept, rest = [set(tokens) for tokens in sets], [set[int]() for _ in sets], sets
        for bits in self.precisions:
            with ctx.workprec(bits):
                candidates, balls = self._candidates(section, rest, joint, bits), [arb(x) for x in c]
                unsure: list[set[int]] = [set() for _ in sets]
                for bound in candidates.bounds(balls, joint):
                    for i, tokens in enumerate(rest):
                        limit = -bound.others(i)
                        reached = [(t, x) for t, x in zip(tokens, bound.terms[i], strict=True) if not x <= limit]
                        kept[i] |= waiting[i] & {t for t, x in reached if x > limit}
                        unsure[i] |= {t for t, _ in reached}
                waiting = [(w & u) - k for w, u, k in zip(waiting, unsure, kept, strict=True)]
                if not any(waiting):
                    break
                rest = tuple([*(w | n)] for w, n in zip(waiting, candidates.needed(balls, joint), strict=True))
        if any(waiting) and self._open is None:
            self._open = self.lines.number
        return tuple([t for t in s if t in k or t in w] for s, k, w in zip(sets, kept, waiting, strict=True))


def _decimal(x: fmpq, digits: int = 12, *, up: bool = False) -> str:
    """The number in decimals, rounded down or up."""
    above, below = int(x.p) * 10**digits, int(x.q)
    scaled = -(-above // below) if up else above // below
    text = str(abs(scaled)).rjust(digits + 1, "0")
    return f"{'-' if scaled < 0 else ''}{text[:-digits]}.{text[-digits:]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a certificate from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="checker", description="Check a certificate: 0 valid, 1 invalid, 2 malformed, 3 unsupported or undecided."
    )
    parser.add_argument("certificate", type=Path)
    parser.add_argument("--model", type=Path, metavar="DIRECTORY", help="holds the files that the certificate is about")
    parser.add_argument("--max-bits", type=int, default=1024, help="the highest precision to try")
    given = parser.parse_args(arguments)
    verdict = check(given.certificate, given.model, max_bits=given.max_bits)
    encoding = sys.stdout.encoding or "ascii"
    print(str(verdict).encode(encoding, "backslashreplace").decode(encoding))
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
