"""Can any number of tokens override, and how few?

Where places matter, there are only as many lengths as the layer has positions, and each is decided. Where they don't,
lengths are decided one after the other, from 0 on, and between them a proof that no length overrides is looked for
(:mod:`~tokendemo_formal.override.cone`), until one of the two ends. A mixture with a gain above 0 ends the latter: some
length overrides then, and it is left to find the first.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from tokendemo_formal.errors import InputError, ScenarioError, UnsupportedError
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.cone import ConeSearch
from tokendemo_formal.override.outcome import Assignment
from tokendemo_formal.override.proof import Section
from tokendemo_formal.override.question import Engine, Question
from tokendemo_formal.override.run import Progress, Run

MOST_LENGTHS = 256
"""Lengths that are decided one by one, where it is known that some length overrides; else"""

_UNPROMISING = 64
"""this many."""

_FIRST_BOXES = 250
"""Boxes looked at after length 0; after each further length twice as many as before."""


def prepared(question: Question, engine: Engine, constrained: bool = False) -> Question:
    """The question with as many slots as are to be tried.

    Raises:
        ScenarioError: for slots at given positions, no tokens, positions without an end, and, where there is no end of
            lengths, a reader that is not a token of the template.
        UnsupportedError, InputError: for constraints; for several conditions, or another engine, where there is no end
            of lengths.
    """
    if question.positions is not None:
        raise ScenarioError(
            'adversary.positions: any-length asks about any number of tokens between before and after; ask "minimum" '
            "for slots at given positions"
        )
    if question.constraints or constrained:
        raise UnsupportedError(
            'ask: any-length is decided for tokens without constraints; ask "minimum", with adversary.slots the most '
            "tokens to try"
        )
    if not question.vocabulary:
        raise ScenarioError(
            "adversary.vocabulary: no token is left; widen vocabulary, pattern or include, or shorten exclude"
        )
    longest = question.longest
    if longest is not None:
        return question.with_slots(longest)
    if question.several:
        raise UnsupportedError(
            "ask: any-length of a layer without positions is decided for one template, one row toward and one against; "
            'ask "minimum", with adversary.slots the most tokens to try'
        )
    if engine != "search":
        raise InputError(f"engine {engine}: decides one length at a time; any-length of a layer without positions "
                         "has no last one: use engine search")  # fmt: skip
    reader, before, after = question.reader, len(question.before), len(question.after)
    in_slots = {"first": before == 0, "last": after == 0}
    if in_slots[reader] if isinstance(reader, str) else not -after <= reader < before:
        raise ScenarioError(
            f"template.reader: {reader!r} is not the same token of the template at every length; any-length of a layer "
            "without positions needs one that is: count from the start to a token of before, or from the end to one "
            "of after"
        )
    return question.with_slots(1)


def answer(run: Run) -> Answer:
    """The answer to a prepared question."""
    if run.question.longest is not None:
        found = run.minimum()
        return replace(found, ask="any-length", verdict="never" if found.verdict == "no-override" else found.verdict)
    return _AnyNumber(run).answer()


class _AnyNumber:
    """The search over all lengths, of a layer in which places don't matter."""

    def __init__(self, run: Run) -> None:
        self.run = run
        began = time.monotonic()
        self.linear, rays = run.rays(run.question.prompt(1), (0,))
        run.clock.timed("tables", began)
        self.cone = ConeSearch(rays)
        self._one_head = run.question.layer.heads == 1 and self.linear.kind in ("plain", "share", "folded")
        self._nodes = 0
        self.known: Assignment | None = None

    def answer(self) -> Answer:
        run, ruled_out, boxes = self.run, list[int](), _FIRST_BOXES
        for slots in itertools.chain([0, 1], self._further(ruled_out)):
            prompt = run.question.prompt(slots)
            outcome = run.decide(prompt, 0.0)
            if outcome.kind == "found" and slots > len(ruled_out):
                self.known = outcome.assignment
                continue
            if outcome.kind == "found":
                found = run.witnessed("any-length", prompt, outcome.assignment)
                return replace(found, minimum=slots, ruled_out=tuple(ruled_out))
            if outcome.kind == "gave-up":
                return self._gave_up(run.gave_up("any-length", slots, outcome, tuple(ruled_out)))
            ruled_out += range(len(ruled_out), slots + 1)
            self._look_at_all(slots, boxes)
            boxes *= 2
            if self.cone.refuted:
                run.sections[:] = [Section(None, 0.0, self.linear, self.cone.trace)] if run.certify else []
                return Answer("any-length", "never", run.engine, 0, unlimited=True)
            if run.limits.over:
                break
        return self._gave_up(Answer("any-length", "gave-up", run.engine, slots, ruled_out=tuple(ruled_out)))

    def _further(self, ruled_out: Sequence[int]) -> Iterator[int]:
        """The lengths from 2 on, as far as they are to be tried.

        With one head, the largest gain at length m has the sign of rB + A + m max_t (a + rb)(t): where it is at most 0
        at lengths 0 and m, it is so between them. So the first above 0 is found by halving what lies between those
        that are ruled out and a known override's; but a certificate has a proof for each.
        """
        while self.known is not None and self._one_head and not self.run.certify:
            yield (len(ruled_out) + len(self.known)) // 2
        slots = 2
        while slots <= (_UNPROMISING if self.known is None else MOST_LENGTHS):
            yield slots
            slots += 1

    def _gave_up(self, given: Answer) -> Answer:
        """With a bound of all lengths, and an override met at a longer length."""
        run, upper = self.run, None
        self.cone.run(_FIRST_BOXES, run.limits, to_the_end=True)
        if self.linear.kind in ("plain", "share") and math.isfinite(self.cone.bound):
            upper = Fraction(self.cone.bound)
        if self.known is not None:
            best = run.witnessed("any-length", run.question.prompt(len(self.known)), self.known)
            given = replace(best, verdict="gave-up", ruled_out=given.ruled_out)
        return replace(given, upper=upper, unlimited=upper is not None)

    def _look_at_all(self, slots: int, boxes: int) -> None:
        """Go on with the proof; where a mixture has a gain above 0, look for numbers of tokens that have one, too."""
        run, cone, began, before = self.run, self.cone, time.monotonic(), self._nodes
        cone.run(boxes, run.limits)
        self._nodes = cone.nodes
        run.nodes += cone.nodes - before
        if cone.best > 0 and self.known is None:
            for counts in sorted(cone.counts(), key=lambda counts: counts.sum()):
                assignment = tuple(itertools.chain.from_iterable([t] * int(n) for t, n in enumerate(counts) if n))
                if run.above(run.question.prompt(len(assignment)), assignment, 0.0):
                    self.known = assignment
                    break
        run.clock.timed("search", began)
        if run.progress is not None:
            spent = time.monotonic() - run.clock.started
            run.progress(Progress(slots, cone.bound, cone.best, cone.open_nodes, cone.nodes, spent))
