"""What a section of a certificate bounds: linear functions of the residual stream z that stand in for the gain.

Nothing here comes from the rest of the package but the checker's other modules.

Main declarations: :class:`Section`, :class:`Reading`, :class:`Of`, :func:`lead`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from operator import mul
from typing import Any, NamedTuple, TypeAlias

from flint import arb, ctx, fmpq

from tokendemo_formal.certificates.automaton import Paths
from tokendemo_formal.certificates.claim import Prompt, Question, Readout
from tokendemo_formal.certificates.layer import Ball, Evaluation, Reader, Row, centred, dot, root
from tokendemo_formal.certificates.stored import RefusedError, integers, keys, malformed, rational

KINDS = ("folded", "tangent", "deviation")
Lead: TypeAlias = tuple[int, int]
"""A template, and the row that is to be beaten there."""


class Of(NamedTuple):
    """Conditions with the weights of their functions in a sum: leads, and rules that the tokens have to keep."""

    leads: dict[Lead, fmpq]
    rules: dict[tuple[str, int], fmpq]

    @classmethod
    def of(cls, line: Mapping[str, Any], question: Question, required: set[str], optional: Sequence[str] = ()) -> Of:
        """What a node says of it, whose other keys are given; all weights are above 0."""
        leads, rules = dict[Lead, fmpq](), dict[tuple[str, int], fmpq]()
        keys(line, required | ({"of"} if question.several else set()), optional)
        triples = line.get("of", [[0, question.against[0], "1"]])
        if not isinstance(triples, list) or not all(
            isinstance(triple, list) and len(triple) == 3 for triple in triples
        ):
            malformed("of: expected a list of [template, row of against, weight]")
        for first, second, number in triples:
            weight, (which,) = rational(number, "of"), integers([second], "of")
            if isinstance(first, str):
                if question.rule(first, which) is None:
                    malformed(f"of: the question has no rule [{first!r:.20}, {which}]")
                rules[first, which] = weight
            else:
                (index,) = integers([first], "of")
                if index >= len(question.templates) or which not in question.against:
                    malformed("of: expected a template and a row of against")
                leads[index, which] = weight
            if not weight > 0:
                malformed("of: expected a weight above 0")
        if not triples or len(leads) + len(rules) < len(triples):
            malformed("of: expected at least one condition, and each once")
        return cls(leads, rules)


def direction(question: Question, readout: Readout) -> Row:
    """u, or with a final norm P(gain · u), so that N(z) is its product with z."""
    row = [arb(x) for x in readout.difference]
    if question.norm is not None:
        row = [*map(mul, row, question.norm.gain.balls())]
        row = centred(row) if question.norm.centred else row
    return row


def lead(question: Question, readout: Readout, z: Row) -> Ball:
    """What toward has more than against and the threshold, given the residual stream."""
    value = dot(direction(question, readout), z)
    if question.norm is not None:
        z = centred(z) if question.norm.centred else z
        value *= (dot(z, z) / len(z) + arb(question.norm.eps)).rsqrt()
    return value + arb(readout.beta)


def shortfall(question: Question, shares: Row) -> Ball:
    """What the share lacks of ``below``, given that of each head."""
    assert question.share is not None
    return arb(question.share.below) - sum((shares[h] for h in question.heads), arb(0)) / len(question.heads)


class Section:
    """One length (and, where the adversary owns the reader, one reader token): a bound of the gain to be proved.

    Attributes:
        toward: for each template the row that is to win; where there are several to choose from, each choice has a
            section.
        prompts: each template's prompt with its slots; a reader token stands in them.
        token: as below.
        root: the candidates of each slot.

    Args:
        line: of the certificate.
        question: what is asked.
        length: of the assignments; None: any, of a layer without positions, for which the prompts have one slot.
        token: the reader's, where it is the adversary's.
        toward: as above.
        bound: of the gain.
    """

    def __init__(
        self,
        line: Mapping[str, Any],
        question: Question,
        length: int | None,
        token: int | None,
        toward: tuple[int, ...],
        bound: fmpq,
    ) -> None:
        chosen = len(question.toward) > 1
        required = (
            {"section", "bound"} | (set() if question.several else {"reading"}) | ({"toward"} if chosen else set())
        )
        keys(line, required, ["tangent"] if token is None else ["tangent", "reader_token"])
        found = (line["section"], line.get("reader_token"), rational(line["bound"], "bound"))
        needed = ("all" if length is None else length, token, bound)
        same = line.get("toward", [*toward]) == [*toward]
        if found != needed or type(found[0]) is not type(needed[0]) or type(found[1]) is not type(token) or not same:
            raise RefusedError(
                "invalid",
                f"a section of (length, reader token, bound) = {found}; the claim needs {needed}"
                + (f", toward the rows {[*toward]}" if chosen else ""),
            )
        self.question, self.bound, self.toward, self.prompts = question, bound, toward, list[Prompt]()
        self.token = token
        slots = 1 if length is None else length
        owned = question.owned(slots)
        for index in range(len(question.templates)):
            prompt = question.prompt(slots, index)
            at = None if owned is None else prompt.slots[owned]
            tokens = tuple(token if p == at else t for p, t in enumerate(prompt.tokens))
            self.prompts.append(Prompt(tokens, prompt.reader))
        self._fixed = None if owned is None or token is None else (owned, token)
        held = [question.held(slot, slots) for slot in range(slots)]
        self._allowed = self._fixed is None or self._fixed[1] in held.pop(self._fixed[0])
        self.root: tuple[Sequence[int], ...] = tuple(held)
        self._readings: dict[tuple[int, int], Reading] = {}
        if not question.several:
            reading = self.reading(0, question.against[0])
            if line["reading"] != reading.kind:
                malformed(f"reading: this section is one of the reading {reading.kind!r}")
            if ("tangent" in line) != (reading.kind == "tangent"):
                malformed("tangent: expected with the reading 'tangent', and with no other")
        elif "tangent" in line and question.norm is None:
            malformed("tangent: expected with a final norm only")
        self.tangents = [self._tangent(line["tangent"], i) for i in range(len(self.prompts)) if "tangent" in line]

    def _tangent(self, entries: object, index: int) -> list[fmpq]:
        """That of a template: they stand one after the other."""
        size = self.question.layer.width + 1
        if not isinstance(entries, list) or len(entries) != size * len(self.prompts):
            malformed(f"tangent: expected a list of {size * len(self.prompts)} numbers")
        tangent = [rational(entry, "tangent") for entry in entries[size * index : size * (index + 1)]]
        with ctx.workprec(4096):
            if not sum((arb(e) ** 2 for e in tangent), arb(0)) <= 1:
                raise RefusedError("invalid", "tangent: the sum of its squares is not at most 1")
        return tangent

    def paths(self, sets: Sequence[Sequence[int]]) -> Paths:
        """The sequences of candidates that are asked about."""
        return Paths(self.question.automaton, sets, self._fixed)

    def some(self, sets: Sequence[Sequence[int]]) -> bool:
        """Whether there is one, but for rules."""
        return self._allowed and all(sets) and self.paths(sets).open

    def assignment(self, tokens: Sequence[int]) -> list[int]:
        """The tokens of all slots, the reader's own among them, given those of the others."""
        whole = [*tokens]
        if self._fixed is not None:
            whole.insert(*self._fixed)
        return whole

    def reading(self, index: int, against: int) -> Reading:
        """The linear function that stands in for the lead over one row in one template."""
        if (index, against) not in self._readings:
            if self.question.share is None:
                reading = Reading(self, index, self.question.readout(self.toward[index], against))
            else:
                reading = ShareReading(self, index, Readout([fmpq(0)] * self.question.layer.width, fmpq(0)))
            self._readings[index, against] = reading
        return self._readings[index, against]

    def held(self, index: int) -> dict[int, Sequence[int]]:
        """What each position that a template's reader sees may hold."""
        tokens, reader = self.prompts[index]
        visible = self.question.layer.visible(reader, len(tokens))
        return {j: self.question.vocabulary if (token := tokens[j]) is None else [token] for j in visible}


class Reading:
    """⟨direction, z⟩ + constant, which is above 0 wherever the lead is above the section's bound.

    Attributes:
        kind: ``plain``, ``folded``, ``tangent`` or ``deviation``.
    """

    def __init__(self, section: Section, index: int, readout: Readout) -> None:
        self._section, self._index, self._readout = section, index, readout
        self._norm, self._kappa = section.question.norm, section.bound - readout.beta
        sign = 0 if self._kappa == 0 else 1 if self._kappa > 0 else 2
        self.kind = "plain" if self._norm is None else KINDS[sign]

    @cached_property
    def _tangent(self) -> list[fmpq]:
        if not self._section.tangents:
            malformed("tangent: missing in the section; a node below bounds a function that needs it")
        return self._section.tangents[self._index]

    def direction(self) -> Row:
        """What z is read in."""
        row = direction(self._section.question, self._readout)
        if self.kind == "tangent":
            assert self._norm is not None
            e: Row = [arb(x) for x in self._tangent[:-1]]
            factor = arb(self._kappa) / arb(len(e)).sqrt()
            row = [x - factor * y for x, y in zip(row, centred(e) if self._norm.centred else e, strict=True)]
        return row

    def constant(self, evaluation: Evaluation) -> Ball:
        """What is added to the product with z."""
        norm, kappa = self._norm, arb(self._kappa)
        if norm is None:
            return -kappa
        if self.kind == "tangent":
            return -kappa * arb(self._tangent[-1]) * arb(norm.eps).sqrt()
        return -kappa * self._largest_deviation(evaluation) if self.kind == "deviation" else arb(0)

    def fixed(self, reader: Reader) -> tuple[Row, Row]:
        """The sums B and A over what the template holds."""
        return reader.fixed(self._held())

    def _held(self) -> dict[int, int]:
        """The token of each visible position that is no slot."""
        prompt, held = self._section.prompts[self._index], self._section.held(self._index)
        return {j: tokens[0] for j, tokens in held.items() if prompt.tokens[j] is not None}

    def _largest_deviation(self, evaluation: Evaluation) -> Ball:
        """σ̂: z is its own part and for each head a mean of outputs, so no longer than they are."""
        norm, reader, held = self._norm, self._section.prompts[self._index].reader, self._section.held(self._index)
        assert norm is not None
        own = evaluation.direct(held[reader][0], reader)
        own = centred(own) if norm.centred else own
        length = root(dot(own, own)) + evaluation.farthest(held, norm.centred)
        return (length * length / len(own) + arb(norm.eps)).sqrt()


class ShareReading(Reading):
    """``below`` less the share less the section's bound: nothing is read of z, and −1/n of the attention that each of n
    heads gives to a system token, so that a = 0 in every slot."""

    def __init__(self, section: Section, index: int, readout: Readout) -> None:
        super().__init__(section, index, readout)
        self.kind = "share"

    def constant(self, evaluation: Evaluation) -> Ball:
        """What is added to the reading of the attention."""
        share = self._section.question.share
        assert share is not None
        return arb(share.below - self._section.bound)

    def fixed(self, reader: Reader) -> tuple[Row, Row]:
        """The sums B and A over what the template holds."""
        question, held = self._section.question, self._held()
        system = question.system(len(self._section.prompts[self._index].tokens), self._index)
        ours, _ = reader.fixed({j: token for j, token in held.items() if j in system})
        return reader.fixed(held)[0], [-b / len(question.heads) for b in ours]
