"""One question's run: the lengths put together, engines asked, witnesses confirmed, verdicts said."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from tokendemo_formal.attention import Computation
from tokendemo_formal.errors import InputError, ScenarioError
from tokendemo_formal.numbers.balls import precision
from tokendemo_formal.numbers.enclosures import ENCLOSURES, Enclosure, Rows, Table
from tokendemo_formal.numbers.float64 import FLOAT64
from tokendemo_formal.override import brute_force, one_head, parallel
from tokendemo_formal.override.answer import Answer, Bounds
from tokendemo_formal.override.exact import PRECISIONS, ExactGain
from tokendemo_formal.override.many_heads import Search
from tokendemo_formal.override.outcome import Assignment, Limits, Outcome
from tokendemo_formal.override.proof import Exact, Section
from tokendemo_formal.override.question import Ask, Engine, Prompt, Question
from tokendemo_formal.override.reading import LinearReading, final_norm, norm_offset, plain_reading, tangent_reading
from tokendemo_formal.override.tables import FOLD_BITS, Enclosed, Floats, Rays, TableBuilder, assemble

LARGEST_READER_VOCABULARY = 2048
"""Tokens that are still tried one by one where the reader stands in a slot: each needs tables of its own."""

_ROW_CHUNK = 512


@dataclass(frozen=True)
class Progress:
    """How far a search is: ``bound`` and ``incumbent`` enclose what is still open, in float64."""

    slots: int
    bound: float
    incumbent: float
    open_nodes: int
    nodes: int
    seconds: float


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds = {"tables": 0.0, "search": 0.0}
        self.started = time.monotonic()

    def timed(self, phase: str, started: float) -> None:
        self.seconds[phase] += time.monotonic() - started


class Run:
    """One call of :func:`~tokendemo_formal.override.solve.solve`."""

    def __init__(
        self,
        question: Question,
        engine: Engine,
        limits: Limits,
        progress: Callable[[Progress], None] | None,
        certify: bool,
        executor: Executor | None = None,
        workers: int | None = None,
    ) -> None:
        self.question = question
        self.engine = engine
        self.limits = limits
        self.progress = progress
        self.executor = executor
        self.workers = workers
        self.exact = ExactGain(question)
        self.clock = _Clock()
        self.nodes = 0
        self.notes: list[str] = []
        self.certify = certify
        self.sections: list[Section] = []
        self.excluded: set[tuple[int, ...]] = set()
        self.reader_token: int | None = None
        self._builder: TableBuilder | None = None

    # The questions

    def exists(self) -> Answer:
        question = self.question
        prompt = question.prompt(question.slots)
        outcome = self.decide(prompt, 0.0)
        if outcome.kind == "found":
            return self.witnessed("exists", prompt, outcome.assignment)
        if outcome.kind == "refuted":
            return Answer("exists", "no-override", self.engine, question.slots, ruled_out=(question.slots,))
        return self.gave_up("exists", question.slots, outcome, ())

    def minimum(self) -> Answer:
        ruled_out: list[int] = []
        for slots in range(self.question.slots + 1):
            prompt = self.question.prompt(slots)
            outcome = self.decide(prompt, 0.0)
            if outcome.kind == "found":
                if slots == 0:
                    self.notes.append("Nothing to override: the margin is positive without any adversary token.")
                answer = self.witnessed("minimum", prompt, outcome.assignment)
                return replace(answer, minimum=slots, ruled_out=tuple(ruled_out))
            if outcome.kind == "gave-up":
                return self.gave_up("minimum", slots, outcome, tuple(ruled_out))
            ruled_out.append(slots)
        return Answer("minimum", "no-override", self.engine, self.question.slots, ruled_out=tuple(ruled_out))

    def maximum(self, tolerance: float) -> Answer:
        question = self.question
        prompt = question.prompt(question.slots)
        best = self.allowed(len(prompt.slots))
        if best is None:
            raise ScenarioError(
                f"constraints: no assignment of {len(prompt.slots)} tokens satisfies them, so none is the best; loosen "
                "them, or ask about fewer slots"
            )
        width = Fraction(tolerance) / 8  # a wider enclosure would let the best be found above itself, again and again
        gain = self.gain(prompt, best, width)
        while True:
            target = float(np.nextafter(float(gain.low + Fraction(tolerance) * Fraction(3, 4)), -np.inf))
            if Fraction(target) < gain.low:
                raise InputError(
                    f"tolerance: {tolerance} is below what float64 can tell apart at a margin of {target}; give a "
                    "larger one"
                )
            outcome = self.decide(prompt, target, best)
            if outcome.kind != "found":
                break
            assert outcome.assignment is not None
            best = outcome.assignment
            gain = self.gain(prompt, best, width)
        answer = replace(self.witnessed("maximum", prompt, best), margin=gain)
        if outcome.kind == "gave-up":
            self._note_undecided(outcome)
            return replace(answer, verdict="gave-up", upper=self._upper(outcome))
        return replace(answer, verdict="optimum", upper=Fraction(target))

    def allowed(self, slots: int) -> Assignment | None:
        """Any assignment to start from: the first decision is whether a better one exists."""
        return (0,) * slots

    # One decision

    def decide(self, prompt: Prompt, target: float, start: Assignment | None = None) -> Outcome:
        """Is some assignment's gain above the target? Assignments are columns of the vocabulary, one a slot.

        Args:
            prompt: with its slots empty.
            target: what the gain has to exceed.
            start: a known assignment, to begin near.
        """
        if not prompt.slots:
            verdict = self.above(prompt, (), target)
            if verdict is False and self.certify:
                self.sections.append(Section(0, target, self._linear(prompt, target, None), [Exact()]))
            kind = {True: "found", False: "refuted", None: "gave-up"}[verdict]
            return Outcome(kind, () if verdict else None, undecided=() if verdict is None else None)  # type: ignore[arg-type]
        if prompt.tokens[prompt.reader] is not None:
            return self._decide_read(prompt, prompt, target, lambda a: a, start)
        return self._decide_reader_token(prompt, target, start)

    def _decide_reader_token(self, prompt: Prompt, target: float, start: Assignment | None) -> Outcome:
        """The reader stands in a slot: its token fixes the query, so each gets a search of its own."""
        vocabulary = self.question.vocabulary
        if len(vocabulary) > LARGEST_READER_VOCABULARY:
            raise ScenarioError(
                f"template.reader: position {prompt.reader} is a slot, so each of the {len(vocabulary)} tokens needs a "
                f"search of its own; at most {LARGEST_READER_VOCABULARY} are tried. Move the reader out of the slots, "
                "or narrow adversary.vocabulary"
            )
        at = prompt.slots.index(prompt.reader)
        bound, undecided, gave_up = -math.inf, None, False
        for token, column in sorted(zip(vocabulary, range(len(vocabulary)), strict=True)):  # as certificates order them
            if self.limits.over:  # each token needs tables of its own, which no engine's own limit sees
                return Outcome("gave-up", undecided=undecided)
            tokens = list(prompt.tokens)
            tokens[prompt.reader] = token
            fixed = Prompt(tuple(tokens), prompt.reader)
            self.reader_token = token

            def whole(rest: Assignment, column: int = column) -> Assignment:
                return (*rest[:at], column, *rest[at:])

            rest = (*start[:at], *start[at + 1 :]) if start else None
            if fixed.slots:
                outcome = self._decide_read(fixed, prompt, target, whole, rest)
            else:
                verdict = self.above(prompt, (column,), target)
                if verdict is False and self.certify:
                    self.sections.append(Section(1, target, self._linear(fixed, target, None), [Exact()], token))
                outcome = Outcome("found", ()) if verdict else Outcome("gave-up" if verdict is None else "refuted")
            self.forget_tables()  # those of one reader token are of no use to the next
            if outcome.kind == "found":
                assert outcome.assignment is not None
                return replace(outcome, assignment=whole(outcome.assignment))
            gave_up |= outcome.kind == "gave-up"
            bound = max(bound, outcome.bound)
            undecided = whole(outcome.undecided) if outcome.undecided is not None else undecided
        return Outcome("gave-up" if gave_up else "refuted", bound=bound, undecided=undecided)

    def _decide_read(
        self,
        prompt: Prompt,
        asked: Prompt,
        target: float,
        whole: Callable[[Assignment], Assignment],
        start: Assignment | None,
    ) -> Outcome:
        """A decision whose reader is a fixed token of ``prompt``; ``whole`` turns assignments to ones of ``asked``."""
        began = time.monotonic()
        linear, enclosed = self.enclosed(prompt, target, start)
        self.clock.timed("tables", began)
        began = time.monotonic()

        def confirm(assignment: Assignment) -> bool | None:
            return self.above(asked, whole(assignment), target)

        try:
            if self.engine == "brute-force":
                outcome = brute_force.decide(enclosed, confirm, linear.target, self.limits)
            elif self.engine == "z3":
                from tokendemo_formal.override import z3_engine  # Z3 is slow to load, and seldom asked

                outcome = z3_engine.decide(enclosed, confirm, linear.target, self.limits)
            else:
                outcome = self._search(enclosed, confirm, linear, asked, target)
        finally:
            self.clock.timed("search", began)
        self.nodes += outcome.nodes
        return outcome

    def _search(
        self,
        enclosed: Enclosed,
        confirm: Callable[[Assignment], bool | None],
        linear: LinearReading,
        asked: Prompt,
        target: float,
    ) -> Outcome:
        problem = assemble(enclosed)
        slots = len(asked.slots)
        if problem.heads == 1 and not self.certify:  # certificates have one kind of proof, whatever the heads
            outcome = one_head.decide(problem, confirm, linear.target)
            if outcome is not None:
                return outcome
        search = Search(problem, confirm, linear.target, self.certify)
        watch = self._watch(slots)
        if self.executor is None:
            outcome = search.run(self.limits, watch)
        else:
            outcome = parallel.run(search, self.limits, self.executor, self.workers, watch)
        if outcome.kind == "refuted" and self.certify:
            reader_token = self.reader_token if asked.tokens[asked.reader] is None else None
            self.sections.append(Section(slots, target, linear, search.trace, reader_token))
        return outcome

    def _watch(self, slots: int) -> Callable[[Search], None] | None:
        report = self.progress
        if report is None:
            return None

        def watch(search: Search) -> None:
            now = time.monotonic()
            report(
                Progress(
                    slots, search.bound, search.best_value, search.open_nodes, search.nodes, now - self.clock.started
                )
            )

        return watch

    # Tables

    def enclosed(self, prompt: Prompt, target: float, start: Assignment | None) -> tuple[LinearReading, Enclosed]:
        linear, builder = self._tables(prompt, target, start)
        return linear, builder.enclosed(prompt)

    def rays(self, prompt: Prompt, start: Assignment) -> tuple[LinearReading, Rays]:
        """The numbers for any number of slots, compared with 0; ``prompt`` has one slot."""
        linear, builder = self._tables(prompt, 0.0, start)
        return linear, builder.rays(prompt)

    def _tables(self, prompt: Prompt, target: float, start: Assignment | None) -> tuple[LinearReading, TableBuilder]:
        linear = self._linear(prompt, target, start)
        if linear.kind in ("tangent", "deviation"):
            return linear, TableBuilder(self.question, linear, self.exact.computation(FOLD_BITS))
        if self._builder is None:
            self._builder = TableBuilder(self.question, linear, self.exact.computation(FOLD_BITS))
        return linear, self._builder

    def forget_tables(self) -> None:
        self._builder = None

    def _linear(self, prompt: Prompt, target: float, start: Assignment | None) -> LinearReading:
        with precision(FOLD_BITS):
            linear = plain_reading(self.question, target)
        if linear is not None:
            return linear
        self.notes[:] = [_NORM_NOTE]
        first = start if start is not None else (0,) * len(prompt.slots)
        above = norm_offset(self.question) > Fraction(target)
        deviation = self._largest_deviation(prompt) if above else math.inf
        with precision(FOLD_BITS):
            return tangent_reading(self.question, target, self._stream(prompt, first), deviation)

    def _stream(self, prompt: Prompt, assignment: Assignment) -> Floats:
        """(d,) the residual stream at the reader, in floats: only a place to be tangent at."""
        computation = Computation(self.question.layer, FLOAT64)
        tokens = prompt.filled(self._ids(assignment))
        raw = computation.rows(tokens, range(len(tokens)))
        identity = np.eye(self.question.layer.width)
        reading = computation.reading(raw[prompt.reader : prompt.reader + 1], prompt.reader, identity)
        _, stream = reading.attend(raw)
        return np.asarray(stream, dtype=np.float64)

    def _largest_deviation(self, prompt: Prompt) -> float:
        """An upper bound of the final norm's deviation over all assignments.

        The stream is the reader's own part plus, for each head, a mean of its tokens' outputs, so its length is at
        most the own part's plus the longest output of each head.
        """
        norm = final_norm(self.question)
        assert norm is not None
        layer = self.question.layer
        d = layer.width
        computation = Computation(layer, ENCLOSURES)
        centring = ENCLOSURES.constant(np.eye(d))
        if norm.centred:
            centring = centring - ENCLOSURES.constant(np.full((d, d), 1.0)) / float(d)
        token = prompt.tokens[prompt.reader]
        assert token is not None
        reading = computation.reading(computation.rows([token], [prompt.reader]), prompt.reader, centring)
        longest = np.zeros(layer.heads)
        for position, fixed in enumerate(prompt.tokens):
            if not layer.sees(prompt.reader, position):
                continue
            ids = self.question.vocabulary_array if fixed is None else np.array([fixed])
            for start in range(0, len(ids), _ROW_CHUNK):
                rows = np.asarray(layer.embedding[ids[start : start + _ROW_CHUNK]], dtype=np.float64)
                _, outputs = reading.votes(Rows(Table(rows), computation.shift(position)), position)
                longest = np.maximum(longest, _lengths(outputs).max(axis=0))
        own = reading.direct().reshape(1, 1, d)
        length = ENCLOSURES.constant(np.array([float(_lengths(own)[0, 0]), *longest.tolist()])).sum(0)
        variance = length * length / float(d) + ENCLOSURES.constant(norm.eps)
        return float(ENCLOSURES.sqrt(Enclosure(variance.upper)).upper)

    # Witnesses

    def _ids(self, assignment: Assignment) -> tuple[int, ...]:
        return tuple(self.question.vocabulary[column] for column in assignment)

    def above(self, prompt: Prompt, assignment: Assignment, target: float) -> bool | None:
        return self.exact.above(prompt.filled(self._ids(assignment)), prompt.reader, target)

    def gain(self, prompt: Prompt, assignment: Assignment, width: Fraction | None = None) -> Bounds:
        return Bounds(*self.exact.bounds(prompt.filled(self._ids(assignment)), prompt.reader, width))

    def witnessed(self, ask: Ask, prompt: Prompt, assignment: Assignment | None) -> Answer:
        assert assignment is not None
        return Answer(
            ask,
            "override",
            self.engine,
            len(prompt.slots),
            assignment=self._ids(assignment),
            prompt=prompt.filled(self._ids(assignment)),
            margin=self.gain(prompt, assignment),
        )

    def gave_up(self, ask: Ask, slots: int, outcome: Outcome, ruled_out: tuple[int, ...]) -> Answer:
        self._note_undecided(outcome)
        return Answer(ask, "gave-up", self.engine, slots, upper=self._upper(outcome), ruled_out=ruled_out)

    def _upper(self, outcome: Outcome) -> Fraction | None:
        """An engine's bound, where it bounds the margin itself (not only something of its sign) and covers all."""
        if final_norm(self.question) is not None or outcome.undecided is not None or not math.isfinite(outcome.bound):
            return None
        return Fraction(outcome.bound)

    def _note_undecided(self, outcome: Outcome) -> None:
        if outcome.undecided is not None:
            ids = list(self._ids(outcome.undecided))
            which = f"The token ids {ids} make" if ids else "Without added tokens"
            is_a = "the margin a tie" if ids else "the margin is a tie"
            self.notes.append(f"{which} {is_a}, or one so near that {PRECISIONS[-1]} bits can't tell.")


_NORM_NOTE = (
    "The readout goes through a final norm whose bias, or the threshold, leaves it without a linear equivalent: "
    "bounded by a tangent, and every assignment that the bound leaves open decided in balls."
)


def _lengths(x: Enclosure) -> Floats:
    """(n, H) upper bounds of the Euclidean lengths of (n, H, d) enclosed vectors."""
    n, heads, d = x.shape
    largest = ENCLOSURES.constant(x.largest.reshape(n * heads, d))
    squares = Enclosure((largest * largest).sum(1).upper)  # from above only: that of a zero vector reaches below 0
    return np.asarray(ENCLOSURES.sqrt(squares).upper.reshape(n, heads))
