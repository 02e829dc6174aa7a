"""Constraints on the adversary's tokens: counts and distinctness, against every assignment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
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
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.errors import ScenarioError
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.constraints import UNCONSTRAINED, Constraints, Count
from tokendemo_formal.override.question import Ask, Question
from tokendemo_formal.override.solve import solve


def keeps(constraints: Constraints, tokens: Sequence[int]) -> bool:
    """Whether tokens satisfy them, by the words of the documentation."""
    if constraints.distinct and any(times > 1 for times in Counter(tokens).values()):
        return False
    for count in constraints.counts:
        prices = dict(count.weights)
        if sum(prices.get(token, count.default) for token in tokens) > count.limit:
            return False
    return True


def allowed_gains(question: Question, slots: int) -> Gains:
    gains = least_gains(replace(question, constraints=UNCONSTRAINED), slots)
    return {t: gain for t, gain in gains.items() if keeps(question.constraints, t)}


def random_constraints(rng: np.random.Generator, vocabulary: int, slots: int) -> Constraints:
    """Some that most often exclude much, but not all."""
    counts = []
    for _ in range(int(rng.integers(0, 3))):
        scale = int(rng.choice([1, 3, 1000]))
        tokens = sorted(int(t) for t in rng.choice(vocabulary, int(rng.integers(1, vocabulary + 1)), replace=False))
        weights = tuple((t, int(rng.integers(0, scale + 1))) for t in tokens)
        default = int(rng.integers(0, scale + 1))
        counts.append(Count(weights, default, int(rng.integers(0, slots * scale))))
    return Constraints(tuple(counts), distinct=bool(rng.random() < 0.5))


def agrees(question: Question, answer: Answer) -> None:
    """With every assignment of every length."""
    best = {m: max(allowed_gains(question, m).values(), default=-np.inf) for m in range(question.slots + 1)}
    if answer.assignment is not None:
        assert keeps(question.constraints, answer.assignment)
    if answer.ask == "maximum":
        assert answer.verdict == "optimum"
        assert answer.margin is not None
        assert answer.upper is not None
        assert float(answer.margin.low) - 1e-9 <= best[question.slots] <= float(answer.upper) + 1e-9
        return
    lengths = range(question.slots + 1) if answer.ask == "minimum" else [question.slots]
    first = next((m for m in lengths if best[m] > 0), None)
    assert answer.verdict == ("no-override" if first is None else "override"), (answer, best)
    vacuous = [m for m in answer.ruled_out if not allowed_gains(question, m)]
    assert any("satisfies the constraints" in note for note in answer.notes) == bool(vacuous)
    if first is not None:
        assert (answer.slots, answer.ruled_out) == (first, tuple(lengths[: lengths.index(first)]))
        assert answer.margin is not None
        assert answer.margin.low > 0


def near(question: Question, offset: float) -> Question:
    """The threshold that far above the largest gain that is allowed, as a part of what the gains span."""
    gains = allowed_gains(question, question.slots) or {(): 0.0}
    best, worst = max(gains.values()), min(gains.values())
    threshold = question.readout.threshold + Fraction(best + offset * (best - worst + 1e-3))
    return replace(question, readout=replace(question.readout, threshold=threshold))


def constrained(seed: int, kind: str = "plain") -> Question:
    rng = np.random.default_rng(seed)
    if kind == "plain":
        question = random_question(rng, int(rng.integers(1, 4)), 6, 3)
    else:
        question = several(rng, 5, 2, final="final" in kind, owned="owned" in kind)
        if "templates" not in kind:
            question = replace(question, also=())
        if "rows" in kind:
            question = contest(rng, question)
    question = replace(question, constraints=random_constraints(rng, len(question.vocabulary), question.slots))
    return near(question, float(rng.choice([-0.05, -1e-4, 1e-4, 0.02])))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(get_args(Ask)))
@example(0, "maximum")
def test_every_assignment_agrees(seed: int, ask: Ask) -> None:
    question = constrained(seed)
    if ask == "maximum" and not allowed_gains(question, question.slots):
        with pytest.raises(ScenarioError, match="constraints: no assignment of 3 tokens satisfies them"):
            solve(question, ask)
        return
    agrees(question, solve(question, ask))


@pytest.mark.parametrize(
    "kind", ["plain", "final", "owned", "rows", "rows, templates", "templates, owned", "final, templates"]
)
def test_constraints_go_with_all_else_and_the_checker_agrees(kind: str, tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    for seed in range(3 if "final" in kind else 6):
        question = saved(constrained(seed, kind), tmp_path / str(seed))
        for ask in get_args(Ask):
            if ask != "maximum" or allowed_gains(question, question.slots):
                answer, path = certify(question, ask, tmp_path / str(seed))
                agrees(question, answer)
                verdict = check(path, tmp_path / str(seed))
                assert verdict.kind == "valid", (seed, ask, verdict)
                assert ("Constraints on the tokens" in verdict.claim) == bool(question.constraints)
                tally[answer.verdict] += 1
    assert min(tally[verdict] for verdict in ("override", "no-override", "optimum")) >= 2
