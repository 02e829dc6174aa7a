"""Questions about sequences that an automaton accepts: against every assignment, and what bounds over paths say."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.questions import random_question
from tests.test_certify import certify
from tests.test_compound import Gains, contest, least_gains, saved, several
from tests.test_constraints import keeps, random_constraints
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.errors import ScenarioError
from tokendemo_formal.override import paths as over_paths
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.automaton import Automaton, of_bigrams, of_regex, product
from tokendemo_formal.override.bound import evaluate, gather
from tokendemo_formal.override.constraints import UNCONSTRAINED, Constraints
from tokendemo_formal.override.paths import Paths
from tokendemo_formal.override.question import Ask, Question
from tokendemo_formal.override.reading import plain_reading
from tokendemo_formal.override.solve import solve
from tokendemo_formal.override.tables import Problem, TableBuilder, assemble

WORDS = ("a", "b", "ab", "c", "ca", "bc")
PATTERNS = ("[ab ]+", "(a|b|c| )*", "(.* )?b.*", "(a|ab) .*|c", "a? ?(b|c)*( [abc]+)*", "c", ".{3,5}", "[^ab]*")


@dataclass(frozen=True)
class Rules:
    """Constraints as a user writes them."""

    pairs: frozenset[tuple[int, int]] | None = None
    pattern: str | None = None
    places: tuple[tuple[int, tuple[int, ...]], ...] = ()

    def fit(self, tokens: tuple[int, ...]) -> bool:
        places = all(tokens[place] in allowed for place, allowed in self.places if -len(tokens) <= place < len(tokens))
        pairs = self.pairs is None or all(pair in self.pairs for pair in itertools.pairwise(tokens))
        text = " ".join(WORDS[token] for token in tokens)
        return places and pairs and (self.pattern is None or re.fullmatch(self.pattern, text) is not None)

    def constraints(self, vocabulary: tuple[int, ...]) -> Constraints:
        parts: list[Automaton] = []
        if self.pairs is not None:
            parts.append(of_bigrams(self.pairs, vocabulary))
        if self.pattern is not None:
            parts.append(of_regex(self.pattern, {token: (WORDS[token], " " + WORDS[token]) for token in vocabulary}))
        return Constraints(places=self.places, automaton=product(parts) if parts else None)


def random_rules(rng: np.random.Generator, vocabulary: int, slots: int) -> Rules:
    while True:
        pairs, pattern, places = None, None, []
        if rng.random() < 0.6:
            every = [*itertools.product(range(vocabulary), repeat=2)]
            pairs = frozenset(pair for pair in every if rng.random() < rng.choice([0.3, 0.6]))
        if rng.random() < 0.5:
            pattern = str(rng.choice(PATTERNS))
        for place in range(-slots, slots):
            if rng.random() < 0.15:
                size = int(rng.integers(1, vocabulary))
                places.append((place, tuple(sorted(rng.choice(vocabulary, size, replace=False).tolist()))))
        if pairs is not None or pattern is not None or places:
            return Rules(pairs, pattern, tuple(places))


@dataclass(frozen=True)
class Case:
    question: Question
    fits: Callable[[tuple[int, ...]], bool]

    def gains(self, slots: int) -> Gains:
        return {t: gain for t, gain in least_gains(self.free, slots).items() if self.fits(t)}

    @property
    def free(self) -> Question:
        return replace(self.question, constraints=UNCONSTRAINED)

    def agrees(self, answer: Answer) -> None:
        """With every assignment of every length."""
        question = self.question
        best = {m: max(self.gains(m).values(), default=-np.inf) for m in range(question.slots + 1)}
        assert answer.assignment is None or self.fits(answer.assignment)
        if answer.ask == "maximum":
            assert answer.verdict == "optimum"
            assert answer.margin is not None
            assert answer.upper is not None
            assert float(answer.margin.low) - 1e-9 <= best[question.slots] <= float(answer.upper) + 1e-9
            return
        lengths = range(question.slots + 1) if answer.ask == "minimum" else [question.slots]
        first = next((m for m in lengths if best[m] > 0), None)
        assert answer.verdict == ("no-override" if first is None else "override"), (answer, best)
        assert answer.ruled_out == tuple(m for m in lengths if first is None or m < first)
        vacuous = [m for m in answer.ruled_out if not self.gains(m)]
        assert any("satisfies the constraints" in note for note in answer.notes) == bool(vacuous)


def near(question: Question, fits: Callable[[tuple[int, ...]], bool], offset: float) -> Case:
    """The threshold that far above the largest gain of those that fit, as a part of what the gains span."""
    gains = Case(question, fits).gains(question.slots) or {(): 0.0}
    best, worst = max(gains.values()), min(gains.values())
    threshold = question.readout.threshold + Fraction(best + offset * (best - worst + 1e-3))
    return Case(replace(question, readout=replace(question.readout, threshold=threshold)), fits)


def constrained(seed: int, kind: str = "plain") -> Case:
    rng = np.random.default_rng(seed)
    if kind == "plain":
        question = random_question(rng, int(rng.integers(1, 4)), 6, 3)
    else:
        question = several(rng, 5, 2, final="final" in kind, owned="owned" in kind)
        if "templates" not in kind:
            question = replace(question, also=())
        if "rows" in kind:
            question = contest(rng, question)
    rules = random_rules(rng, len(question.vocabulary), question.slots)
    constraints, fits = rules.constraints(question.vocabulary), rules.fit
    if "counts" in kind:
        counted = random_constraints(rng, len(question.vocabulary), question.slots)
        constraints = replace(constraints, counts=counted.counts, distinct=counted.distinct)
        fits = lambda tokens: rules.fit(tokens) and keeps(counted, tokens)  # noqa: E731
    return near(replace(question, constraints=constraints), fits, float(rng.choice([-0.05, -1e-4, 1e-4, 0.02])))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(get_args(Ask)))
@example(0, "maximum")
def test_every_assignment_agrees(seed: int, ask: Ask) -> None:
    case = constrained(seed)
    if ask == "maximum" and not case.gains(case.question.slots):
        with pytest.raises(ScenarioError, match="constraints: no assignment of 3 tokens satisfies them"):
            solve(case.question, ask)
        return
    case.agrees(solve(case.question, ask))


@pytest.mark.parametrize(
    "kind", ["plain", "final", "owned", "rows", "templates", "templates, owned", "counts", "counts, templates"]
)
def test_automata_go_with_all_else_and_the_checker_agrees(kind: str, tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    for seed in range(12 if kind in ("plain", "counts") else 3 if "final" in kind else 6):
        case = constrained(seed, kind)
        question = saved(case.question, tmp_path / str(seed))
        for ask in get_args(Ask):
            if ask != "maximum" or case.gains(question.slots):
                answer, path = certify(question, ask, tmp_path / str(seed))
                case.agrees(answer)
                verdict = check(path, tmp_path / str(seed))
                assert verdict.kind == "valid", (seed, ask, verdict)
                assert "Constraints on the tokens" in verdict.claim
                tally[answer.verdict] += 1
    assert min(tally[verdict] for verdict in ("override", "no-override", "optimum")) >= 1, tally


# Bounds ------------------------------------------------------------------------------------------------------------


def a_problem(seed: int) -> tuple[Case, Problem, Paths]:
    case = constrained(seed)
    question = case.question
    reading = plain_reading(question, 0.0)
    assert reading is not None
    problem = assemble(TableBuilder(question, reading).enclosed(question.prompt(question.slots)))
    assert question.constraints.automaton is not None
    return case, problem, Paths(question.constraints.automaton, question.vocabulary, question.slots)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_bounds_over_paths_hold_and_are_no_larger(seed: int) -> None:
    """For random candidate sets, multipliers and joint heads: above every accepted gain, below the bound over all."""
    if constrained(seed).question.constraints.automaton is None:
        return
    case, problem, paths = a_problem(seed)
    rng = np.random.default_rng(seed)
    sets = [np.flatnonzero(rng.random(6) < 0.8) for _ in problem.slots]
    accepts = case.question.constraints.automaton.accepts
    gains = {t: g for t, g in least_gains(case.free, 3).items() if all(x in s for x, s in zip(t, sets, strict=True))}
    inside = {t: g for t, g in gains.items() if accepts(t)}
    walk = paths.over(sets)
    assert walk.open == bool(inside)
    for slot, columns in enumerate(walk.sets):
        assert set(columns.tolist()) == {t[slot] for t in inside}
    for tokens in itertools.islice(inside, 5):
        slot = int(rng.integers(3))
        fitting = {t[slot] for t in inside if (*t[:slot], *t[slot + 1 :]) == (*tokens[:slot], *tokens[slot + 1 :])}
        assert set(paths.fitting(tokens, slot, sets[slot]).tolist()) == fitting
    if not inside:
        return
    candidates = gather(problem, sets)
    c = rng.uniform(-1, 1, problem.heads) * problem.limit
    joint = tuple(h for h in range(problem.heads) if rng.random() < 0.5)
    bound = over_paths.evaluate(problem, candidates, walk, c, joint)
    assert bound.best in inside
    assert max(inside.values()) <= bound.total + 1e-9
    over_all = evaluate(problem, candidates, c, joint).total
    assert bound.total <= over_all + 1e-9 * (1 + abs(over_all))
    for slot, (columns, reached) in enumerate(zip(sets, bound.completions(), strict=True)):
        for column, most in zip(columns.tolist(), reached.tolist(), strict=True):
            with_it = [gain for t, gain in inside.items() if t[slot] == column]
            assert max(with_it, default=-np.inf) <= most + 1e-9
            assert with_it or most < -1e300
    better = over_paths.descend(problem, candidates, walk, c, joint, max(inside.values()))
    assert max(inside.values()) <= better.total + 1e-9
    assert better.total <= bound.total


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_the_heaviest_path(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rules = random_rules(rng, 6, 3)
    automaton = replace(rules, places=(), pattern=rules.pattern or "[a-c ]*").constraints(tuple(range(6))).automaton
    assert automaton is not None
    walk = Paths(automaton, range(6), 3).over([np.arange(6)] * 3)
    values = rng.standard_normal((3, 6))
    sums = {t: sum(v[x] for v, x in zip(values, t, strict=True)) for t in itertools.product(range(6), repeat=3)}
    accepted = {t: total for t, total in sums.items() if automaton.accepts(t)}
    assert walk.open == bool(accepted)
    if accepted:
        assert walk.heaviest([*values]) == max(accepted, key=lambda t: accepted[t])
