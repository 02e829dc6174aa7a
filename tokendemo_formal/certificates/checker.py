"""The checker of certificates: it trusts neither their writer nor any other part of this package.

    python -m tokendemo_formal.certificates.checker CERTIFICATE --model DIRECTORY

The format and its rules are in docs/certificates.md. The layer's numbers come from
:mod:`~tokendemo_formal.certificates.layer`, as balls, the functions to be bounded from
:mod:`~tokendemo_formal.certificates.section`, their bounds from :mod:`~tokendemo_formal.certificates.bounds`; here are
the claims, the cover of all assignments by a tree of splits, filters and leaves, and the witness. Every comparison is
one of balls: it counts when it holds for all numbers in them, and is repeated at higher precision while it is open.

Main declarations: :func:`check`, :class:`Verdict`, :class:`Limits`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flint import arb, ctx, fmpq

from tokendemo_formal.certificates.bounds import Candidates, Multipliers, Node, Sets, Tables
from tokendemo_formal.certificates.claim import WITNESSED, Header, Prompt, Question, decimal
from tokendemo_formal.certificates.cone import Box, Factors, cover
from tokendemo_formal.certificates.layer import Ball, Evaluation, Reader, Row, largest, least
from tokendemo_formal.certificates.section import Of, Section, lead, shortfall
from tokendemo_formal.certificates.stored import Files, Lines, RefusedError, integers, keys, malformed, rational

Kind: TypeAlias = Literal["valid", "invalid", "malformed", "unsupported", "undecided"]

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
            told = "no model is named; expected what 'tokendemo solve --certificate' wrote, or --model with the model's"
            raise RefusedError("malformed", f"{told} directory")
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
        self._readers: dict[tuple[int, int, int], tuple[object, dict[int, Reader]]] = {}
        self._tables: dict[object, Tables] = {}
        self._some: dict[int, bool] = {}
        self._open: int | None = None

    def run(self) -> Verdict:
        """The verdict; RefusedError for any but valid."""
        header, lengths = self.header, self.question.lengths(self.header)
        self._slots = [1 if length is None else length for length in lengths]
        size = max(self._slots, default=0) * len(self.question.vocabulary) * self.question.layer.heads
        if size > self.limits.entries:
            raise RefusedError("unsupported", f"tables of {size} pairs (a, b); the limit is {self.limits.entries}")
        self._size = size
        if header.claim in WITNESSED:
            self._witness()
        for length, slots in zip(lengths, self._slots, strict=True):
            owned = self.question.owned(slots)
            choices = product(self.question.toward, repeat=len(self.question.templates))
            for token, toward in product([None] if owned is None else self.question.vocabulary, choices):
                self._section(length, token, toward)
        if self.lines.next() is not None:
            raise RefusedError("invalid", "a line after the last section is complete")
        message = f"{self.nodes} nodes checked, of {self.lines.number - 1} lines"
        return Verdict("valid", self._claim(), message, 0)

    def _claim(self) -> str:
        header, lengths = self.header, self.header.lengths
        best, most = f"gain of at least {decimal(header.low)}", decimal(header.high, up=True)
        some = f"prompt with the tokens {header.witness} in its slots" if header.witness else "prompt without slots"
        witness = f"The {some} has a gain above 0, between {decimal(header.low)} and {most}."
        keeping = " that keeps the constraints" if self.question.constrained else ""
        none = f"No assignment of exactly {_either(lengths)}{keeping} has a gain above 0."
        if keeping:
            none += " Whether any keeps them is not claimed."
        if empty := [length for length in lengths if not self._some[length]]:
            none += f" There is none of {_either(empty)} at all that may stand there and is accepted."
        limit = f" from 0 to {lengths[-1]}, the most that the layer has positions for," if lengths else ""
        sentences = {
            "override": witness,
            "no-override": none,
            "minimum": f"{witness} {none}" if lengths else witness,
            "optimum": f"The {some} has a {best}, and no assignment of as many{keeping} has one above {most}.",
            "never": f"No number of tokens{limit} has a gain above 0.",
        }
        return f"{sentences[header.claim]}\n{self.question.words()}\nHash of weights and question: {header.hash}"

    def _witness(self) -> None:
        header, question = self.header, self.question
        if not set(header.witness) <= set(question.vocabulary):
            raise RefusedError("invalid", "witness: a token that the adversary may not use")
        if not question.keeps(header.witness):
            raise RefusedError("invalid", "witness: its tokens don't keep the constraints")
        prompts = [question.prompt(len(header.witness), index) for index in range(len(question.templates))]
        above = header.claim != "optimum"
        for bits in self.precisions:
            with ctx.workprec(bits):
                rows = question.toward, question.against
                value = least([self._gain(k, prompt, header.witness, *rows, bits) for k, prompt in enumerate(prompts)])
                low, high = value - arb(header.low), arb(header.high) - value
                if low >= 0 and high >= 0 and (value > 0 or not above):
                    return
                if low < 0 or high < 0 or (value <= 0 and above):
                    expected = f"{header.low} to {header.high}{', above 0' if above else ''}"
                    raise RefusedError("invalid", f"witness: its gain is {value.str(10)}, claimed was {expected}")
        raise RefusedError("undecided", f"witness: its gain is {value.str(10)} at {bits} bits, which does not decide")

    def _gain(
        self,
        index: int,
        prompt: Prompt,
        tokens: Sequence[int],
        toward: Sequence[int],
        against: Sequence[int],
        bits: int,
    ) -> Ball:
        """In a template's prompt with these tokens in its slots: of the best row of toward, its lead over the best of
        against; or what a share lacks."""
        question, evaluation, rest = self.question, self._evaluations[bits], iter(tokens)
        filled = [next(rest) if token is None else token for token in prompt.tokens]
        self._spend(len(filled) * question.layer.width**2)
        if question.share is not None:
            return shortfall(question, evaluation.shares(filled, prompt.reader, question.system(len(filled), index)))
        z = evaluation.stream(filled, prompt.reader)
        self._spend(len(toward) * len(against) * len(z))
        return largest(
            [least([lead(question, question.readout(row, other), z) for other in against]) for row in toward]
        )

    def _spend(self, work: int) -> None:
        self.work += work
        if self.work > self.limits.work:
            raise RefusedError("unsupported", f"more work than the limit of {self.limits.work} bounded pairs")

    def _section(self, length: int | None, token: int | None, toward: tuple[int, ...]) -> None:
        line = self.lines.next()
        if line is None or "section" not in line:
            which = f"length {length}" + (f" with the reader token {token}" if token is not None else "")
            raise RefusedError("invalid", f"expected the section of {which}, found {'a node' if line else 'the end'}")
        section = Section(line, self.question, length, token, toward, self.header.bound)
        self._tables, self._open = {}, None
        if length is None:
            cover(self._node, len(self.question.heads), lambda box, of: self._cone(section, box, of))
        else:
            self._some[length] = section.some(section.root) or self._some.get(length, False)
            self._tree(section)

    def _cone(self, section: Section, box: Box, of: Factors) -> None:
        """Neither the template nor a token is above 0."""
        rows: Sequence[int] = range(len(self.question.vocabulary) + 1)
        for bits in self.precisions:
            with ctx.workprec(bits):
                self._spend(4 * len(rows) * len(self.question.heads))
                tables = self._at(section, Of({(0, self.question.against[0]): fmpq(1)}, {}), bits)
                values = tables.generators.values(box, of, rows)
                self._not_above("cone: its bound", values)
                rows = [row for row, value in zip(rows, values, strict=True) if not value <= 0]
                if not rows:
                    return
        raise RefusedError("undecided", f"cone: its bound is not decided at {bits} bits")

    def _at(self, section: Section, of: Of, bits: int) -> Tables:
        """The tables of a weighted sum, at the context's precision."""
        key = bits, *((condition, str(weight)) for part in of for condition, weight in part.items())
        if key not in self._tables:
            self._tables[key] = Tables(section, of, {k: self._reader(section, *k, bits) for k in of.leads})
        return self._tables[key]

    def _reader(self, section: Section, index: int, against: int, bits: int) -> Reader:
        """A condition's reader, at the context's precision; kept while sections share it."""
        tokens, position = section.prompts[index]
        token, reading, condition = (
            tokens[position],
            section.reading(index, against),
            (index, section.toward[index], against),
        )
        assert token is not None, "a reader in a slot has its token fixed"
        # The direction is the same in all sections, but for tangents.
        seen_from = (token, position, section if reading.kind == "tangent" else None)
        if self._readers.get(condition, (None,))[0] != seen_from:
            self._readers[condition] = seen_from, {}
            if len(self._readers) * self._size > self.limits.entries:
                raise RefusedError("unsupported", f"{len(self._readers)} tables of {self._size} pairs (a, b)")
        readers = self._readers[condition][1]
        if bits not in readers:
            layer, columns = self.question.layer, 2 * self.question.layer.heads
            columns += layer.groups * layer.head_width if "key_norm" in layer.norms else 0
            columns += layer.groups * layer.value_width if reading.kind == "deviation" else 0
            self._spend(len(self.question.vocabulary) * layer.width * (columns // 16 + 1))
            self._spend(len(tokens) * layer.width * (columns + layer.width // 8))
            places, heads = self._places[index, position], self.question.heads
            readers[bits] = Reader(self._evaluations[bits], token, position, reading.direction(), places, heads)
        return readers[bits]

    @cached_property
    def _places(self) -> dict[tuple[int, int], list[int]]:
        """For each template, and position where its reader stands, the slots of all lengths that have it there."""
        found: dict[tuple[int, int], set[int]] = {}
        for length in self._slots:
            owned = self.question.owned(length)
            for index in range(len(self.question.templates)):
                prompt = self.question.prompt(length, index)
                places = found.setdefault((index, prompt.reader), set())
                places.update(place for slot, place in enumerate(prompt.slots) if slot != owned)
        return {key: sorted(places) for key, places in found.items()}

    def _node(self, waiting: int) -> dict[str, Any]:
        """The next line, where that many nodes are still to come."""
        line = self.lines.next()
        if line is None or "node" not in line:
            end = "the file ends" if line is None else "a section starts"
            raise RefusedError("invalid", f"{end} where {waiting} nodes are still to come: a child is missing")
        self.nodes += 1
        return line

    def _tree(self, section: Section) -> None:
        """The nodes of a section, in preorder: each takes what its parent left for it."""
        waiting = [Node(section.root, {})]
        while waiting:
            line = self._node(len(waiting))
            node, kind = waiting.pop(), line["node"]
            some = section.some(node.sets)
            if kind == "split":
                waiting += self._split(line, node)
            elif kind == "range":
                waiting += self._range(line, node)
            elif kind == "exact":
                of = Of.of(line, self.question, {"node"})
                if some:
                    self._exact(section, node.sets, of)
            elif kind in ("leaf", "filter"):
                by = self._multipliers(line)
                if kind == "filter":
                    waiting.append(self._filter(section, node, by) if some else node)
                elif some:
                    self._leaf(section, node, by)
            else:
                malformed("node: expected 'leaf', 'filter', 'exact', 'split' or 'range'")

    def _multipliers(self, line: Mapping[str, Any]) -> Multipliers:
        of = Of.of(line, self.question, {"node", "c"}, ["joint", "pull"])
        joint = integers(line.get("joint", []), "joint")
        heads = len(self.question.heads) * len({index for index, _ in of.leads}) + bool(of.rules)
        numbers = {"c": line["c"], "pull": line.get("pull", ["0"] * heads)}
        for name, entries in numbers.items():
            if not isinstance(entries, list) or len(entries) != heads:
                malformed(f"{name}: expected a list of {heads} numbers")
        if len(joint) > MOST_JOINT or len(set(joint)) < len(joint) or any(h >= heads for h in joint):
            malformed(f"joint: expected at most {MOST_JOINT} different heads below {heads}")
        c, pull = ([rational(entry, name) for entry in entries] for name, entries in numbers.items())
        return Multipliers(of, c, pull, joint)

    def _range(self, line: Mapping[str, Any], node: Node) -> tuple[Node, Node]:
        """D >= at B, then D <= at B: the one to come next is the last."""
        keys(line, {"node", "head", "at"})
        head, at = line["head"], rational(line["at"], "at")
        if type(head) is not int or not 0 <= head < len(self.question.heads) or self.question.several:
            malformed("range: expected a head, in a question of one template and one pair of rows")
        low, high = node.ranges.get(head, (None, None))
        least = at if low is None else max(low, at)
        most = at if high is None else min(high, at)
        return (
            Node(node.sets, node.ranges | {head: (least, high)}),
            Node(node.sets, node.ranges | {head: (low, most)}),
        )

    def _split(self, line: Mapping[str, Any], node: Node) -> tuple[Node, Node]:
        """The second child, then the first: the one to come next is the last."""
        keys(line, {"node", "slot", "tokens"})
        sets = node.sets
        slot, chosen = line["slot"], set(integers(line["tokens"], "tokens"))
        if type(slot) is not int or not 0 <= slot < len(sets):
            malformed(f"slot: expected a number from 0 to {len(sets) - 1}")
        self._spend(len(sets[slot]))
        inside = [t for t in sets[slot] if t in chosen]
        outside = [t for t in sets[slot] if t not in chosen]
        first, second = ((*sets[:slot], part, *sets[slot + 1 :]) for part in (inside, outside))
        return node._replace(sets=second), node._replace(sets=first)

    def _candidates(self, section: Section, node: Node, by: Multipliers, bits: int) -> Candidates:
        paths = section.paths(node.sets)
        each = 2 * self.question.layer.heads * len(by.of.leads) + len(by.of.rules) + 2 ** len(by.joint)
        self._spend(sum(map(len, node.sets)) * each + paths.size * 2 ** (len(by.joint) + 1))
        return self._at(section, by.of, bits).candidates(node, paths)

    def _leaf(self, section: Section, node: Node, by: Multipliers) -> None:
        """The bound is at most 0 for every w, or D can't lie in the node's ranges."""
        for bits in self.precisions:
            with ctx.workprec(bits):
                candidates = self._candidates(section, node, by, bits)
                totals = [bound.total for bound in candidates.bounds(by)]
                if candidates.void or all(total <= 0 for total in totals):
                    return
                self._not_above("leaf: its bound", [total for total in totals if not total <= 0])
                node = node._replace(sets=tuple([*needed] for needed in candidates.needed(by)))
        raise RefusedError("undecided", f"leaf: its bound is not decided at {bits} bits")

    def _exact(self, section: Section, sets: Sets, of: Of) -> None:
        """The only assignment left has a lead of at most the section's bound, breaks a rule, or is not asked about."""
        if len(of.leads) + len(of.rules) > 1:
            malformed("exact: expected one condition in 'of'")
        if any(len(tokens) > 1 for tokens in sets):
            kind = "invalid" if self._open is None else "undecided"
            raise RefusedError(
                kind, f"exact: {[*map(len, sets)]} candidates are left in the slots; expected one in each"
            )
        assignment = section.assignment([tokens[0] for tokens in sets])
        if not self.question.accepts(assignment):
            return
        for kind, which in of.rules:
            rule = self.question.rule(kind, which)
            assert rule is not None, "nodes name rules of the question"
            if rule.keeps(assignment):
                raise RefusedError("invalid", f"exact: the assignment that is left keeps the rule [{kind!r}, {which}]")
            return
        ((index, against),) = of.leads
        for bits in self.precisions:
            with ctx.workprec(bits):
                tokens, rows = [tokens[0] for tokens in sets], ([section.toward[index]], [against])
                above = self._gain(index, section.prompts[index], tokens, *rows, bits) - arb(section.bound)
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

    def _filter(self, section: Section, node: Node, by: Multipliers) -> Node:
        """The sets without the tokens that are in no assignment above 0; a token that stays open is kept."""
        sets, rest = node.sets, node.sets
        waiting, kept = [set(tokens) for tokens in sets], [set[int]() for _ in sets]
        for bits in self.precisions:
            with ctx.workprec(bits):
                candidates = self._candidates(section, node._replace(sets=rest), by, bits)
                unsure: list[set[int]] = [set() for _ in sets]
                for bound in candidates.bounds(by):
                    for i, tokens in enumerate(rest):
                        both = zip(tokens, bound.terms[i], bound.limits(i), strict=True)
                        reached = [(t, x, limit) for t, x, limit in both if limit is not None and not x <= limit]
                        kept[i] |= waiting[i] & {t for t, x, limit in reached if x > limit}
                        unsure[i] |= {t for t, *_ in reached}
                waiting = [(w & u) - k for w, u, k in zip(waiting, unsure, kept, strict=True)]
                if not any(waiting):
                    break
                rest = tuple([*(w | n)] for w, n in zip(waiting, candidates.needed(by), strict=True))
        if any(waiting) and self._open is None:
            self._open = self.lines.number
        left = ([t for t in s if t in k or t in w] for s, k, w in zip(sets, kept, waiting, strict=True))
        return node._replace(sets=tuple(left))


def _either(lengths: Sequence[int]) -> str:
    """Numbers of tokens in words, as in ``0, 1 or 2 tokens``."""
    *some, last = map(str, lengths or [0])
    return f"{', '.join(some)}{' or ' if some else ''}{last} {'token' if (some, last) == ([], '1') else 'tokens'}"


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
