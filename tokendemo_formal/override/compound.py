"""Questions of several conditions at once: one assignment that overrides in every template, or a row that is to beat
many others.

The margin is the least over the templates of: the largest, over the rows toward, of the least lead over a row against.
Each lead is a plain question's margin, of one template and one pair of rows, which brings its tables, its linear
readings and its evaluation in balls; here they are put together. Where there are several rows toward, each choice of
one for every template is decided on its own.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tokendemo_formal.attention import Computation, fold, project
from tokendemo_formal.errors import InputError, ScenarioError
from tokendemo_formal.numbers.balls import BALLS, ball, precision
from tokendemo_formal.numbers.base import Array
from tokendemo_formal.numbers.enclosures import Enclosure
from tokendemo_formal.numbers.float64 import FLOAT64
from tokendemo_formal.override.answer import Answer, Bounds, lengths_text
from tokendemo_formal.override.conjunction import Conjunction, SideOf
from tokendemo_formal.override.constraints import Rule
from tokendemo_formal.override.outcome import Assignment, Limits, Outcome
from tokendemo_formal.override.paths import Paths
from tokendemo_formal.override.proof import Columns, Condition, Exact, Section
from tokendemo_formal.override.question import Ask, Engine, Prompt, Question
from tokendemo_formal.override.reading import LinearReading, final_norm
from tokendemo_formal.override.run import LARGEST_READER_VOCABULARY, Progress, Run
from tokendemo_formal.override.tables import FOLD_BITS, Enclosed, Floats, counted

if TYPE_CHECKING:
    from tokendemo_formal.override.side import Side, SideConstraint  # Z3 is slow to load, and seldom asked

LARGEST_CHOICE = 64
"""Choices of a row toward for every template that are still decided one by one."""

_FIRST_RIVALS = 2
"""Rows against that a search begins with, in each template."""

_ALLOWED_SECONDS = 1.0
"""For finding out whether the constraints allow anything, whatever the time limit."""

_SURVIVAL_NODES = 10_000
"""Nodes after which a search for any assignment that survives the tokenizer gives up."""

_CHUNK = 512

Choice: TypeAlias = tuple[int, ...]
"""For each template the row that is to win."""


class CompoundRun(Run):
    """One call of :func:`~tokendemo_formal.override.solve.solve` for a question of several conditions."""

    def __init__(
        self,
        question: Question,
        engine: Engine,
        limits: Limits,
        progress: Callable[[Progress], None] | None,
        certify: bool,
        constraint: SideConstraint | None = None,
    ) -> None:
        if engine != "search":
            raise InputError(
                f"engine {engine}: answers questions of one template, one row toward and one against, without "
                "constraints; use engine search"
            )
        super().__init__(question, engine, limits, progress, certify)
        self._runs: dict[tuple[int, int, int], Run] = {}
        self._templates = range(len(question.templates))
        count = len(question.toward) ** len(self._templates)
        if count > LARGEST_CHOICE:
            templates = "template" if len(self._templates) == 1 else "templates"
            raise ScenarioError(
                f"readout.toward: {len(question.toward)} rows in {len(self._templates)} {templates} are {count} "
                f"choices, each a search of its own; at most {LARGEST_CHOICE} are tried. Name fewer rows"
            )
        self._constraint = constraint
        self._sides: dict[int, Side] = {}
        self._choices: list[Choice] = [*itertools.product(question.toward, repeat=len(self._templates))]

    def run_of(self, template: int, toward: int, against: int) -> Run:
        """The run of one lead as a question of its own; it never decides, but has what decisions need."""
        key = template, toward, against
        if key not in self._runs:
            self._runs[key] = Run(self.question.alone(*key), self.engine, self.limits, None, False)
        return self._runs[key]

    def _prompts(self, slots: int) -> list[Prompt]:
        return [self.question.with_template(k).prompt(slots) for k in self._templates]

    def decide(self, prompt: Prompt, target: float, start: Assignment | None = None) -> Outcome:
        prompts = self._prompts(len(prompt.slots))
        owned = {p.slots.index(p.reader) for p in prompts if p.tokens[p.reader] is None}
        if not owned:
            return self._decide_each_choice(prompts, prompts, None, target, lambda a: a, start)
        if len(owned) > 1:
            raise ScenarioError(
                "template.reader: the readers of several templates stand in different slots; move the reader out of "
                "the slots, or to the same one in each"
            )
        return self._decide_each_token(prompts, owned.pop(), target, start)

    def _decide_each_token(self, prompts: list[Prompt], at: int, target: float, start: Assignment | None) -> Outcome:
        """The reader stands in a slot: its token fixes the query, so each gets a search of its own."""
        vocabulary = self.question.vocabulary
        if len(vocabulary) > LARGEST_READER_VOCABULARY:
            raise ScenarioError(
                f"template.reader: slot {at} holds the reader, so each of the {len(vocabulary)} tokens needs a search "
                f"of its own; at most {LARGEST_READER_VOCABULARY} are tried. Move the reader out of the slots, or "
                "narrow adversary.vocabulary"
            )
        outcomes: list[Outcome] = []
        for token, column in sorted(zip(vocabulary, range(len(vocabulary)), strict=True)):  # as certificates order them
            if self.limits.over:  # each token needs tables of its own, which no search's limit sees
                outcomes.append(Outcome("gave-up"))
                break
            fixed = [
                Prompt(tuple(token if p == prompt.slots[at] else t for p, t in enumerate(prompt.tokens)), prompt.reader)
                for prompt in prompts
            ]

            def whole(rest: Assignment, column: int = column) -> Assignment:
                return (*rest[:at], column, *rest[at:])

            rest = None if start is None else (*start[:at], *start[at + 1 :])
            outcomes.append(self._decide_each_choice(fixed, prompts, token, target, whole, rest))
            for run in self._runs.values():
                run.forget_tables()
            if outcomes[-1].kind == "found":
                break
        return _joined(outcomes)

    def _decide_each_choice(
        self,
        prompts: list[Prompt],
        asked: list[Prompt],
        reader_token: int | None,
        target: float,
        whole: Callable[[Assignment], Assignment],
        start: Assignment | None,
    ) -> Outcome:
        """A decision whose readers are fixed tokens; ``whole`` turns assignments to ones of ``asked``."""
        outcomes: list[Outcome] = []
        for choice in self._choices:
            if outcomes and self.limits.over:
                outcomes.append(Outcome("gave-up"))
                break
            if prompts[0].slots:
                outcome = self._decide(choice, prompts, asked, reader_token, target, whole, start)
            else:
                outcome = self._decide_single(choice, asked, reader_token, target, whole(()))
            if outcome.assignment is not None:
                outcome = replace(outcome, assignment=whole(outcome.assignment))
            if outcome.undecided is not None:
                outcome = replace(outcome, undecided=whole(outcome.undecided))
            outcomes.append(outcome)
            if outcome.kind == "found":
                break
        return _joined(outcomes)

    def _decide_single(
        self, choice: Choice, asked: list[Prompt], reader_token: int | None, target: float, assignment: Assignment
    ) -> Outcome:
        """No slot is left: one assignment."""
        verdict, condition = self._judge(choice, asked, assignment, target)
        if verdict is None:
            return Outcome("gave-up", undecided=())
        if verdict is False:
            self._record(len(assignment), choice, target, [Exact(((condition, 1.0),))], reader_token)
        return Outcome("found", ()) if verdict else Outcome("refuted", bound=target)

    def _record(
        self,
        slots: int,
        choice: Choice,
        target: float,
        trace: Any,
        reader_token: int | None,
        tangents: Sequence[tuple[float, ...]] = (),
    ) -> None:
        if self.certify:
            toward = choice if len(self.question.toward) > 1 else ()
            unused = (0.0,) * (self.question.layer.width + 1)
            points = tuple(point or unused for point in tangents) if any(tangents) else ()
            self.sections.append(Section(slots, target, None, trace, reader_token, points, toward))

    def _decide(
        self,
        choice: Choice,
        prompts: list[Prompt],
        asked: list[Prompt],
        reader_token: int | None,
        target: float,
        whole: Callable[[Assignment], Assignment],
        start: Assignment | None,
    ) -> Outcome:
        tangents: list[tuple[float, ...]] = [()] * len(prompts)
        known: dict[Condition, Enclosed] = {}

        def numbers(condition: Condition) -> Enclosed:
            if condition not in known:
                began = time.monotonic()
                if isinstance(condition, Rule):
                    known[condition] = self._counted(condition, len(prompts[0].slots), reader_token)
                    return known[condition]
                template, against = condition
                run = self.run_of(template, choice[template], against)
                linear, enclosed = run.enclosed(prompts[template], target, start)
                self.notes[:] = run.notes or self.notes
                tangents[template] = linear.point or tangents[template]
                known[condition] = _less_target(enclosed, linear)
                self.clock.timed("tables", began)
            return known[condition]

        began, tabled = time.monotonic(), self.clock.seconds["tables"]
        owned = next((p.slots.index(p.reader) for p in asked if p.reader in p.slots), None)  # the same of all such
        fixed = None if owned is None or reader_token is None else (owned, reader_token)
        search = Conjunction(
            numbers,
            self._first_conditions(choice, asked, whole(start or (0,) * len(prompts[0].slots))),
            lambda assignment: self._judge(choice, asked, whole(assignment), target),
            start,
            lambda assignment: self._broken(whole(assignment)),
            self._side(len(asked[0].slots), whole, owned),
            *self._asked(len(asked[0].slots), fixed),
        )
        outcome = search.run(self.limits, self._reported(len(asked[0].slots)))
        self.clock.timed("search", began)
        self.clock.seconds["search"] -= self.clock.seconds["tables"] - tabled
        self.nodes += outcome.nodes
        if outcome.kind == "refuted":
            self._record(len(asked[0].slots), choice, target, search.trace, reader_token, tangents)
        return replace(outcome, bound=float(np.nextafter(outcome.bound + target, np.inf)))

    def _reported(self, slots: int) -> Callable[[Conjunction], None] | None:
        report = self.progress
        if report is None:
            return None
        return lambda s: report(
            Progress(slots, s.bound, s.best_value, s.open_nodes, s.nodes, time.monotonic() - self.clock.started)
        )

    # Constraints

    def exists(self) -> Answer:
        return self._vacuity_told(super().exists())

    def minimum(self) -> Answer:
        return self._vacuity_told(super().minimum())

    def _vacuity_told(self, answer: Answer) -> Answer:
        """The same answer; a note says for which lengths nothing had to be refused."""
        kinds = {slots: self._allowed(slots).kind for slots in answer.ruled_out}
        for kind, told in (
            ("refuted", "No assignment of {} satisfies the constraints: {} nothing about the layer."),
            ("gave-up", "Whether any assignment of {} satisfies the constraints was not decided within the limits."),
        ):
            lengths = [slots for slots, found in kinds.items() if found == kind]
            if lengths:
                what = "that refusal says" if len(lengths) == 1 else "those refusals say"
                self.notes.append(told.format(lengths_text(lengths), what))
        return answer

    def allowed(self, slots: int) -> Assignment | None:
        outcome = self._allowed(slots)
        if outcome.kind == "gave-up":
            raise InputError(
                f"constraints: no assignment that satisfies them was found, nor ruled out, at {slots} slots; give more "
                "time or nodes, or simpler constraints"
            )
        return outcome.assignment

    def _allowed(self, slots: int) -> Outcome:
        """Is there an assignment that the constraints allow?"""
        constraints, lead, prompts = self.question.constraints, (0, self.question.against[0]), self._prompts(slots)
        if not slots and (allowed := self._is_allowed(prompts, ())) is not None:
            return Outcome("found", ()) if allowed else Outcome("refuted")
        if not constraints and self._constraint is None:
            return Outcome("found", (0,) * slots)

        def numbers(condition: Condition) -> Enclosed:
            if isinstance(condition, Rule):
                return self._counted(condition, slots, None)
            return counted(np.zeros(len(self.question.vocabulary)), 1, slots)  # a margin that is 1 everywhere

        def judge(assignment: Assignment) -> tuple[bool | None, Condition]:
            broken = self._broken(assignment)
            return self._is_allowed(prompts, assignment), broken[0] if broken else lead

        side = self._side(slots, lambda assignment: assignment, None)
        first: list[Condition] = [lead, *constraints.rules]
        # Often quick, so not refused where the time is up; but there is no bound on how many may fail to survive.
        limits = replace(self.limits, deadline=max(self.limits.deadline, time.monotonic() + _ALLOWED_SECONDS))
        if constraints.survives:
            limits = replace(limits, nodes=min(limits.nodes, _SURVIVAL_NODES))
        return Conjunction(numbers, first, judge, None, self._broken, side, *self._asked(slots, None)).run(limits)

    def _is_allowed(self, prompts: Sequence[Prompt], assignment: Assignment) -> bool | None:
        """Whether an assignment keeps all constraints; None where Z3 can't tell."""
        tokens = self._ids(assignment)
        if self._broken(assignment) or not self.question.constraints.accept(tokens):
            return False
        return self._meets(assignment) and self._survives(prompts, tokens)

    def _survives(self, prompts: Sequence[Prompt], tokens: tuple[int, ...]) -> bool:
        survives = self.question.constraints.survives
        return survives is None or all(survives(prompt.filled(tokens)) for prompt in prompts)

    def _asked(self, slots: int, fixed: tuple[int, int] | None) -> tuple[list[Columns], Paths | None]:
        """For each slot the columns that may stand there, and the paths of the automaton.

        Args:
            slots: of the whole prompt.
            fixed: the slot that the reader stands in, which is left out, and the token there.
        """
        constraints, ids = self.question.constraints, self.question.vocabulary_array
        sets = []
        for slot in range(slots):
            held = constraints.held(slot, slots)
            sets.append(np.arange(len(ids)) if held is None else np.flatnonzero(np.isin(ids, [*held])))
        if fixed is not None:
            at, token = fixed
            if not np.isin(token, ids[sets.pop(at)]):
                sets = [columns[:0] for columns in sets]
        if constraints.automaton is None:
            return sets, None
        return sets, Paths(constraints.automaton, self.question.vocabulary, len(sets), fixed)

    def _side(self, slots: int, whole: Callable[[Assignment], Assignment], owned: int | None) -> SideOf | None:
        """The user's constraint as a search sees it, which leaves out a slot that the reader's token fills."""
        return None if self._constraint is None else _Around(self._side_of(slots), self._ids, whole, owned)

    def _side_of(self, slots: int) -> Side:
        from tokendemo_formal.override.side import Side  # see above

        if slots not in self._sides:
            assert self._constraint is not None
            vocabulary = self.question.vocabulary
            self._sides[slots] = Side(self._constraint, self.question.constraints, vocabulary, slots, self.limits)
        return self._sides[slots]

    def _meets(self, assignment: Assignment) -> bool | None:
        """Whether an assignment meets the user's constraint; None where Z3 can't tell."""
        return self._constraint is None or self._side_of(len(assignment)).holds(self._ids(assignment))

    def _note_undecided(self, outcome: Outcome) -> None:
        if outcome.undecided is not None and self._meets(outcome.undecided) is None:
            ids = list(self._ids(outcome.undecided))
            self.notes.append(f"Z3 can't tell whether the constraint holds of the token ids {ids}.")
        else:
            super()._note_undecided(outcome)

    def _broken(self, assignment: Assignment) -> list[Rule]:
        return self.question.constraints.broken(self._ids(assignment))

    def _first_conditions(self, choice: Choice, asked: list[Prompt], assignment: Assignment) -> list[Condition]:
        """The rows that are hardest to beat at an assignment, and what the tokens have to keep."""
        found: list[Condition] = []
        for template in self._templates:
            order = self._order(template, asked[template].filled(self._ids(assignment)), asked[template].reader)
            found += [(template, against) for against in order[:_FIRST_RIVALS]]
        return [*found, *self.question.constraints.rules]

    def _counted(self, rule: Rule, slots: int, reader_token: int | None) -> Enclosed:
        """A rule for the tokens of the slots that are left beside a token in the reader's."""
        count = self.question.constraints.count(rule)
        used = 0 if reader_token is None else count.weight(reader_token)
        weights = np.array([count.weight(token) for token in self.question.vocabulary], dtype=np.float64)
        return counted(weights, count.limit - used, slots)

    # Witnesses

    def _order(self, template: int, tokens: Sequence[int], reader: int) -> list[int]:
        """The rows against, the one with the largest logit first, in plain floats."""
        against, contest = self.question.against, self.question.contest
        if contest is None or len(against) == 1:
            return list(against)
        question = self.question.with_template(template)
        computation, norm = Computation(question.layer, FLOAT64), final_norm(question)
        raw = computation.rows(tokens, range(len(tokens)))
        reading = computation.reading(raw[reader : reader + 1], reader, np.eye(question.layer.width))
        stream: Floats = np.asarray(reading.attend(raw)[1], dtype=np.float64).reshape(1, -1)
        if norm is not None:
            stream = np.asarray(project(FLOAT64, fold(FLOAT64, norm, np.eye(question.layer.width), None), stream))
        logits = np.asarray(contest.rows, dtype=np.float64)[list(against)] @ stream[0]
        if contest.biases is not None:
            logits = logits + np.asarray(contest.biases, dtype=np.float64)[list(against)]
        return [against[i] for i in np.argsort(-logits, kind="stable")]

    def _leads(self, template: int, toward: int, stream: Array) -> Iterator[tuple[int, Any]]:
        """The lead over each row against, in balls."""
        contest, threshold = self.question.contest, ball(self.question.row_readout.threshold)
        assert contest is not None
        against = self.question.against
        own, bias = BALLS.constant(contest.rows[toward]), ball(contest.bias(toward))
        for start in range(0, len(against), _CHUNK):
            rows = list(against[start : start + _CHUNK])
            products = (own.reshape(1, -1) - BALLS.constant(contest.rows[rows])) @ stream
            for row, product in zip(rows, products, strict=True):
                yield row, product + bias - ball(contest.bias(row)) - threshold

    def _judge(
        self, choice: Choice, prompts: list[Prompt], assignment: Assignment, target: float
    ) -> tuple[bool | None, Condition]:
        """Whether the chosen rows win in all templates and the rules are kept, and a condition that fails, or that is
        not decided."""
        tokens = self._ids(assignment)
        for rule in self._broken(assignment):
            return False, rule
        if not self.question.constraints.accept(tokens):
            return False, (0, self.question.against[0])
        met = self._meets(assignment)
        if not met:
            return met, (0, self.question.against[0])
        open_one: Condition | None = None
        for template, toward in enumerate(choice):
            verdict, against = self._beats(template, toward, prompts[template], assignment, target)
            if verdict is False:
                return False, (template, against)
            open_one = (template, against) if verdict is None else open_one
        if open_one is not None:
            return None, open_one
        if not self._survives(prompts, tokens):
            self.excluded.add(tokens)
            return False, (0, self.question.against[0])
        return True, (0, self.question.against[0])

    def _beats(
        self, template: int, toward: int, prompt: Prompt, assignment: Assignment, target: float
    ) -> tuple[bool | None, int]:
        """Whether a row beats all rows against, and one that it doesn't beat, or that is not decided."""
        tokens = prompt.filled(self._ids(assignment))
        first = self._order(template, tokens, prompt.reader)[0]
        run = self.run_of(template, toward, first)
        verdict = run.above(prompt, assignment, target)
        if verdict is False or len(self.question.against) == 1:
            return verdict, first
        undecided = None
        with precision(FOLD_BITS):
            leads = [*self._leads(template, toward, run.exact.stream(tokens, prompt.reader, FOLD_BITS))]
            near = [row for row, lead in leads if not lead > ball(target)]
        for row in near:
            verdict = self.run_of(template, toward, row).above(prompt, assignment, target)
            if verdict is False:
                return False, row
            undecided = row if verdict is None else undecided
        return (True, first) if undecided is None else (None, undecided)

    def gain(self, prompt: Prompt, assignment: Assignment, width: Fraction | None = None) -> Bounds:
        gains = [gain for gain, _ in self._gains(assignment, width)]
        return Bounds(min(g.low for g in gains), min(g.high for g in gains))

    def _gains(self, assignment: Assignment, width: Fraction | None = None) -> list[tuple[Bounds, tuple[int, int]]]:
        """The margin in each template, and the two rows between which it is closest."""
        found = []
        for template, prompt in enumerate(self._prompts(len(assignment))):
            each = [self._least_lead(template, toward, prompt, assignment, width) for toward in self.question.toward]
            best = max(each, key=lambda lead: lead[0].high)
            bounds = Bounds(max(lead.low for lead, _ in each), best[0].high)
            found.append((bounds, best[1]))
        return found

    def _least_lead(
        self, template: int, toward: int, prompt: Prompt, assignment: Assignment, width: Fraction | None
    ) -> tuple[Bounds, tuple[int, int]]:
        near = list(self.question.against)
        if len(near) > 1:
            tokens = prompt.filled(self._ids(assignment))
            with precision(FOLD_BITS):
                stream = self.run_of(template, toward, near[0]).exact.stream(tokens, prompt.reader, FOLD_BITS)
                leads = dict(self._leads(template, toward, stream))
                least = min(leads.values(), key=lambda lead: lead.upper())
                near = [row for row, lead in leads.items() if not lead > least]
        gains = {row: self.run_of(template, toward, row).gain(prompt, assignment, width) for row in near}
        closest = min(near, key=lambda row: gains[row].high)
        return Bounds(min(g.low for g in gains.values()), gains[closest].high), (toward, closest)

    def witnessed(self, ask: Ask, prompt: Prompt, assignment: Assignment | None) -> Answer:
        answer = super().witnessed(ask, prompt, assignment)
        assert assignment is not None
        gains = self._gains(assignment)
        return replace(
            answer,
            prompts=tuple(p.filled(self._ids(assignment)) for p in self._prompts(len(assignment))),
            margins=tuple(bounds for bounds, _ in gains),
            pairs=tuple(pair for _, pair in gains) if self.question.contest is not None else (),
        )


class _Around:
    """A constraint on all slots, for a search over those that the reader's token leaves."""

    def __init__(
        self,
        side: Side,
        ids: Callable[[Assignment], tuple[int, ...]],
        whole: Callable[[Assignment], Assignment],
        owned: int | None,
    ) -> None:
        self._around, self._ids, self._whole, self._owned = side, ids, whole, owned

    def holds(self, assignment: Assignment) -> bool | None:
        return self._around.holds(self._ids(self._whole(assignment)))

    def narrowed(self, sets: list[Columns]) -> list[Columns] | None:
        narrowed = self._around.narrowed(self._sets(sets))
        return None if narrowed is None else [s for i, s in enumerate(narrowed) if i != self._owned]

    def repaired(self, assignment: Assignment, sets: list[Columns]) -> Assignment | None:
        repaired = self._around.repaired(self._whole(assignment), self._sets(sets))
        return None if repaired is None else tuple(t for i, t in enumerate(repaired) if i != self._owned)

    def _sets(self, sets: list[Columns]) -> list[Columns]:
        if self._owned is None:
            return sets
        token = self._whole((0,) * len(sets))[self._owned]
        return [*sets[: self._owned], np.array([token]), *sets[self._owned :]]


def _joined(outcomes: Sequence[Outcome]) -> Outcome:
    """Of decisions on parts of what was asked: found in the last, or refuted in all."""
    if outcomes[-1].kind == "found":
        return outcomes[-1]
    undecided = next((o.undecided for o in outcomes if o.undecided is not None), None)
    kind = "gave-up" if any(o.kind == "gave-up" for o in outcomes) else "refuted"
    return Outcome(kind, nodes=0, bound=max(o.bound for o in outcomes), undecided=undecided)  # type: ignore[arg-type]


def _less_target(enclosed: Enclosed, linear: LinearReading) -> Enclosed:
    """The same function, to be compared with 0."""
    return replace(enclosed, direct=enclosed.direct - Enclosure(linear.target))
