"""Questions of several conditions at once: one assignment that overrides in every template.

The margin of such a question is the least of its conditions'. Each condition is a plain question of its own, which
brings its tables, its linear readings and its evaluation in balls; here they are put together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tokendemo_formal.errors import InputError, ScenarioError
from tokendemo_formal.numbers.enclosures import Enclosure
from tokendemo_formal.override.answer import Answer, Bounds
from tokendemo_formal.override.conjunction import Conjunction
from tokendemo_formal.override.outcome import Assignment, Limits, Outcome
from tokendemo_formal.override.proof import Condition, Exact, Section
from tokendemo_formal.override.question import Ask, Engine, Prompt, Question
from tokendemo_formal.override.reading import LinearReading
from tokendemo_formal.override.solve import LARGEST_READER_VOCABULARY, Progress, Run
from tokendemo_formal.override.tables import Enclosed


class CompoundRun(Run):
    """One call of :func:`~tokendemo_formal.override.solve.solve` for a question of several conditions."""

    def __init__(
        self,
        question: Question,
        engine: Engine,
        limits: Limits,
        progress: Callable[[Progress], None] | None,
        certify: bool,
    ) -> None:
        if engine != "search":
            raise InputError(f"a question of several templates is answered by engine search; found engine {engine}")
        super().__init__(question, engine, limits, progress, certify)
        self._runs: dict[Condition, Run] = {}
        self.conditions: list[Condition] = [
            (index, self._against(question.with_template(index))) for index in range(len(question.templates))
        ]

    @staticmethod
    def _against(question: Question) -> int:
        rows = question.readout.rows
        return 0 if rows is None else rows[1]

    def run_of(self, condition: Condition) -> Run:
        """The run of one condition as a question of its own; it never decides, but has what decisions need."""
        if condition not in self._runs:
            question = self.question.with_template(condition[0])
            self._runs[condition] = Run(question, self.engine, self.limits, None, False)
        return self._runs[condition]

    def decide(self, prompt: Prompt, target: float, start: Assignment | None = None) -> Outcome:
        slots = len(prompt.slots)
        prompts = [self.question.with_template(k).prompt(slots) for k in range(len(self.question.templates))]
        if not slots:
            verdict, condition = self._judge(prompts, (), target)
            if verdict is False and self.certify:
                self.sections.append(Section(0, target, None, [Exact(((condition, 1.0),))]))
            if verdict is None:
                return Outcome("gave-up", undecided=())
            return Outcome("found", ()) if verdict else Outcome("refuted")
        owned = {p.slots.index(p.reader) for p in prompts if p.tokens[p.reader] is None}
        if not owned:
            return self._decide(prompts, prompts, None, target, lambda a: a, start)
        if len(owned) > 1:
            raise ScenarioError(
                "template.reader: the readers of several templates stand in different slots; move the reader out of "
                "the slots, or to the same one in each"
            )
        return self._decide_each_reader_token(prompts, owned.pop(), target, start)

    def _decide_each_reader_token(
        self, prompts: list[Prompt], at: int, target: float, start: Assignment | None
    ) -> Outcome:
        vocabulary = self.question.vocabulary
        if len(vocabulary) > LARGEST_READER_VOCABULARY:
            raise ScenarioError(
                f"template.reader: slot {at} holds the reader, so each of the {len(vocabulary)} tokens needs a search "
                f"of its own; at most {LARGEST_READER_VOCABULARY} are tried. Move the reader out of the slots, or "
                "narrow adversary.vocabulary"
            )
        undecided, gave_up = None, False
        for column, token in enumerate(vocabulary):
            fixed = [
                Prompt(tuple(token if p == prompt.slots[at] else t for p, t in enumerate(prompt.tokens)), prompt.reader)
                for prompt in prompts
            ]

            def whole(rest: Assignment, column: int = column) -> Assignment:
                return (*rest[:at], column, *rest[at:])

            if len(prompts[0].slots) == 1:
                verdict, condition = self._judge(prompts, (column,), target)
                if verdict is False and self.certify:
                    self.sections.append(Section(1, target, None, [Exact(((condition, 1.0),))], token))
                outcome = Outcome("found", ()) if verdict else Outcome("gave-up" if verdict is None else "refuted")
                outcome = replace(outcome, undecided=() if verdict is None else None)
            else:
                rest = None if start is None else (*start[:at], *start[at + 1 :])
                outcome = self._decide(fixed, prompts, token, target, whole, rest)
            for run in self._runs.values():
                run.forget_tables()
            if outcome.kind == "found":
                assert outcome.assignment is not None
                return replace(outcome, assignment=whole(outcome.assignment))
            gave_up |= outcome.kind == "gave-up"
            undecided = whole(outcome.undecided) if outcome.undecided is not None else undecided
        return Outcome("gave-up" if gave_up else "refuted", undecided=undecided)

    def _decide(
        self,
        prompts: list[Prompt],
        asked: list[Prompt],
        reader_token: int | None,
        target: float,
        whole: Callable[[Assignment], Assignment],
        start: Assignment | None,
    ) -> Outcome:
        """A decision whose readers are fixed tokens; ``whole`` turns assignments to ones of ``asked``."""
        tangents: list[tuple[float, ...]] = [()] * len(prompts)

        def numbers(condition: Condition) -> Enclosed:
            began = time.monotonic()
            linear, enclosed = self.run_of(condition).enclosed(prompts[condition[0]], target, start)
            tangents[condition[0]] = linear.point or tangents[condition[0]]
            self.clock.timed("tables", began)
            return _less_target(enclosed, linear)

        known: dict[Condition, Enclosed] = {}

        def remembered(condition: Condition) -> Enclosed:
            if condition not in known:
                known[condition] = numbers(condition)
            return known[condition]

        began, tabled = time.monotonic(), self.clock.seconds["tables"]
        search = Conjunction(
            remembered, self.conditions, lambda assignment: self._judge(asked, whole(assignment), target), start
        )
        outcome = search.run(self.limits, self._reported(len(asked[0].slots)))
        self.clock.timed("search", began)
        self.clock.seconds["search"] -= self.clock.seconds["tables"] - tabled
        self.nodes += outcome.nodes
        if outcome.kind == "refuted" and self.certify:
            slots = len(asked[0].slots)
            points = tuple(tangents) if any(tangents) else ()
            self.sections.append(Section(slots, target, None, search.trace, reader_token, points))
        for run in self._runs.values():
            self.notes[:] = run.notes or self.notes
        return replace(outcome, bound=outcome.bound + target)

    def _reported(self, slots: int) -> Callable[[Conjunction], None] | None:
        report = self.progress
        if report is None:
            return None
        return lambda s: report(
            Progress(slots, s.bound, s.best_value, s.open_nodes, s.nodes, time.monotonic() - self.clock.started)
        )

    # Witnesses

    def _judge(self, prompts: list[Prompt], assignment: Assignment, target: float) -> tuple[bool | None, Condition]:
        """Whether all conditions hold, and one that doesn't, or that is not decided."""
        open_one: Condition | None = None
        for condition in self.conditions:
            verdict = self.run_of(condition).above(prompts[condition[0]], assignment, target)
            if verdict is False:
                return False, condition
            open_one = condition if verdict is None else open_one
        return (True, self.conditions[0]) if open_one is None else (None, open_one)

    def gain(self, prompt: Prompt, assignment: Assignment) -> Bounds:
        gains = self._gains(assignment)
        return Bounds(min(g.low for g in gains), min(g.high for g in gains))

    def _gains(self, assignment: Assignment) -> list[Bounds]:
        """The margin in each template."""
        runs = [self.run_of(condition) for condition in self.conditions]
        return [run.gain(run.question.prompt(len(assignment)), assignment) for run in runs]

    def _witnessed(self, ask: Ask, prompt: Prompt, assignment: Assignment | None) -> Answer:
        answer = super()._witnessed(ask, prompt, assignment)
        assert assignment is not None
        assert answer.assignment is not None
        prompts = [self.question.with_template(k).prompt(len(assignment)) for k in range(len(self.question.templates))]
        return replace(
            answer,
            prompts=tuple(p.filled(answer.assignment) for p in prompts),
            margins=tuple(self._gains(assignment)),
        )


def _less_target(enclosed: Enclosed, linear: LinearReading) -> Enclosed:
    """The same function, to be compared with 0."""
    return replace(enclosed, direct=enclosed.direct - Enclosure(linear.target))
