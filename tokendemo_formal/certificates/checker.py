"""The checker of certificates: it trusts neither their writer nor any other part of this package.

    python -m tokendemo_formal.certificates.checker CERTIFICATE --model DIRECTORY

The format and its rules are in docs/certificates.md. The layer's numbers come from
:mod:`~tokendemo_formal.certificates.layer`, as balls; here are the claims, the cover of all assignments by a tree of
splits, filters and leaves, and the witness. For candidate sets C_i of the slots, B_h + Σ_i b_{h,i}(t_i) = D_h lies in
[L_h, U_h], and with N_h = A_h + Σ_i a_{h,i}(t_i), φ_h(x) = max(x/L_h, x/U_h) and any c

    r + Σ_h N_h/D_h = r + Σ_h c_h + Σ_h (N_h − c_h D_h)/D_h <= r + Σ_h c_h + Σ_h φ_h(A_h − c_h B_h) + Σ_i max_{C_i} T_i

where T_i(t) = Σ_h φ_h(a_{h,i}(t) − c_h b_{h,i}(t)), for φ_h is subadditive. A token of slot i for which this bound,
with T_i(t) in place of the maximum, is at most 0 is in no assignment above 0. Every comparison is one of balls: it
counts when it holds for all numbers in them, and is repeated at higher precision while it is open.

Main declarations: :func:`check`, :class:`Verdict`, :class:`Limits`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """The bound of a node's sets, and its parts.

    Attributes:
        sets: the candidates.
        columns: for each slot b, then a, of each head over the candidates.
        terms: for each slot T of each candidate.
        tops: for each slot the largest of them.
        rest: the bound without them.
        ranges: for each slot and head the least and the largest b.
    """

    sets: Sets
    columns: list[list[tuple[Ball, ...]]]
    terms: list[Row]
    tops: Row
    rest: Ball
    ranges: list[list[tuple[Ball, Ball]]]

    @property
    def total(self) -> Ball:
        """bound(c)."""
        return sum(self.tops, self.rest)

    def others(self, slot: int) -> Ball:
        """The bound without the largest term of a slot."""
        return sum((top for i, top in enumerate(self.tops) if i != slot), self.rest)

    def needed(self) -> list[set[int]]:
        """The candidates that matter to a more precise bound: they may have the largest term, or the ends of b."""
        found = []
        for i, tokens in enumerate(self.sets):
            found.append({t for t, term in zip(tokens, self.terms[i], strict=True) if not term < self.tops[i]})
            for column, (low, high) in zip(self.columns[i], self.ranges[i], strict=False):
                found[i] |= {t for t, b in zip(tokens, column, strict=True) if not low < b < high}
        return found


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

    def bound(self, sets: Sets, c: Row) -> Bound:
        """bound(c) over candidate sets, none of them empty."""
        heads, again = range(self.heads), itertools.repeat
        columns = [self.reader.columns(place, tokens) for place, tokens in zip(self.slots, sets, strict=True)]
        ranges = [[(least(column[h]), largest(column[h])) for h in heads] for column in columns]
        over = [1 / sum((slot[h][0] for slot in ranges), self.fixed_b[h]) for h in heads]
        under = [1 / sum((slot[h][1] for slot in ranges), self.fixed_b[h]) for h in heads]
        rest = self.direct + sum(c, arb(0))
        for h in heads:
            x = self.fixed_a[h] - c[h] * self.fixed_b[h]
            rest += arb.max(x * over[h], x * under[h])
        terms = []
        for column in columns:
            total: Row = [arb(0)] * len(column[0])
            for h in heads:
                xs = [*map(sub, column[self.heads + h], map(mul, column[h], again(c[h])))]
                total = [*map(add, total, map(arb.max, map(mul, xs, again(over[h])), map(mul, xs, again(under[h]))))]
            terms.append(total)
        return Bound(sets, columns, terms, [*map(largest, terms)], rest, ranges)


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
                continue
            keys(line, {"node", "c"})
            entries, heads = line["c"], self.question.layer.heads
            if not isinstance(entries, list) or len(entries) != heads:
                malformed(f"c: expected a list of {heads} numbers")
            c = [rational(entry, "c") for entry in entries]
            if kind == "filter":
                waiting.append(self._filter(section, sets, c))
            elif kind == "leaf":
                self._leaf(section, sets, c)
            else:
                malformed("node: expected 'leaf', 'filter' or 'split'")

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

    def _bound(self, section: Section, sets: Sets, c: list[fmpq], bits: int) -> Bound:
        self._spend(sum(map(len, sets)) * self.question.layer.heads)
        return self._at(section, bits).bound(sets, [arb(x) for x in c])

    def _leaf(self, section: Section, sets: Sets, c: list[fmpq]) -> None:
        """The node is closed: it holds no assignment, or its bound is at most 0, or the gain of its only one is."""
        if not all(sets):
            return
        only = self._only(section, sets)
        for bits in self.precisions:
            with ctx.workprec(bits):
                if only:
                    value = gain(self.question, self._evaluations[bits], only, section.prompt.reader)
                    value, what = value - arb(section.bound), "gain above the section's bound"
                else:
                    bound = self._bound(section, sets, c, bits)
                    value, what = bound.total, "bound"
                if value <= 0:
                    return
                found = f"leaf: its {what} is {value.str(10)}"
                if value > 0:
                    if self._open:
                        raise RefusedError("undecided", f"{found}, but the filter of line {self._open} was not decided")
                    raise RefusedError("invalid", f"{found}; it has to be at most 0")
                if not only:
                    sets = tuple([*needed] for needed in bound.needed())
        raise RefusedError("undecided", f"{found} at {bits} bits, which does not decide")

    def _only(self, section: Section, sets: Sets) -> list[int]:
        """The prompt of a node of a single assignment, where the reading is only a bound of the gain's sign."""
        if section.reading not in ("tangent", "deviation") or any(len(tokens) > 1 for tokens in sets):
            return []
        self._spend(len(section.prompt.tokens) * self.question.layer.width**2)
        rest = (tokens[0] for tokens in sets)
        return [next(rest) if token is None else token for token in section.prompt.tokens]

    def _filter(self, section: Section, sets: Sets, c: list[fmpq]) -> Sets:
        """The sets without the tokens that are in no assignment above 0; a token that stays open is kept."""
        if not all(sets):
            return sets
        waiting, dropped, rest = [set(tokens) for tokens in sets], [set[int]() for _ in sets], sets
        for bits in self.precisions:
            with ctx.workprec(bits):
                bound = self._bound(section, rest, c, bits)
                for i, tokens in enumerate(rest):
                    others = bound.others(i)
                    values = [(t, term + others) for t, term in zip(tokens, bound.terms[i], strict=True)]
                    dropped[i] |= waiting[i] & {t for t, value in values if value <= 0}
                    waiting[i] -= {t for t, value in values if value <= 0 or value > 0}
                if not any(waiting):
                    break
                rest = tuple([*(needed | still)] for needed, still in zip(bound.needed(), waiting, strict=True))
        if any(waiting) and self._open is None:
            self._open = self.lines.number
        return tuple([t for t in tokens if t not in out] for tokens, out in zip(sets, dropped, strict=True))


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
