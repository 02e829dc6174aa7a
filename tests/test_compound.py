"""One assignment for several templates: the search against every assignment, certificates, and forgeries."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from tests.certificate_writer import all_gains
from tests.questions import every_gain, random_question
from tests.test_certify import certify, forged, stored
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.errors import InputError, ScenarioError
from tokendemo_formal.override import conjunction
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.float32 import float32_distance
from tokendemo_formal.override.question import Ask, Question, Template
from tokendemo_formal.override.solve import solve

Gains = dict[tuple[int, ...], float]


def least_gains(question: Question, slots: int) -> Gains:
    """The least margin of every assignment, in plain floats."""
    each = [every_gain(question.with_template(k), slots) for k in range(len(question.templates))]
    return {t: min(gains[t] for gains in each) for t in each[0]}


def several(
    rng: np.random.Generator, vocabulary: int, slots: int, *, final: bool = False, owned: bool = False
) -> Question:
    """A random question of two or three templates."""
    question = random_question(rng, int(rng.integers(1, 4)), vocabulary, slots, final=final)
    reader: Any = "last" if question.layer.causal else question.reader
    after = () if owned else question.after
    also = []
    for _ in range(int(rng.integers(1, 3))):
        before = tuple(int(t) for t in rng.integers(vocabulary, size=rng.integers(1, 4)))
        ending = tuple(int(t) for t in rng.integers(vocabulary, size=len(after)))  # another reader asks other things
        also.append(Template(before, ending, reader))
    if owned:
        reader = "last"
        also = [replace(other, reader="last") for other in also]
    return replace(question, after=after, reader=reader, also=tuple(also))


def near(question: Question, slots: int, offset: float) -> Question:
    """The threshold that far above the largest gain, as a part of what the gains span."""
    gains = least_gains(question, slots)
    best, worst = max(gains.values()), min(gains.values())
    threshold = question.readout.threshold + Fraction(best + offset * (best - worst))
    return replace(question, readout=replace(question.readout, threshold=threshold))


def agrees(question: Question, answer: Answer) -> None:
    """With every assignment of every length, in plain floats; thresholds are 1e-6 and more away from them."""
    best = {m: max(least_gains(question, m).values()) for m in range(question.slots + 1)}
    if answer.ask == "maximum":
        assert answer.verdict == "optimum"
        assert answer.margin is not None
        assert answer.upper is not None
        assert float(answer.margin.low) - 1e-9 <= best[question.slots] <= float(answer.upper) + 1e-9
        return
    lengths = range(question.slots + 1) if answer.ask == "minimum" else [question.slots]
    first = next((m for m in lengths if best[m] > 0), None)
    assert answer.verdict == ("no-override" if first is None else "override"), (answer, best)
    if first is not None:
        assert answer.slots == first
        assert answer.margin is not None
        assert answer.margin.low == min(margin.low for margin in answer.margins) > 0
        assert len(answer.prompts) == len(question.templates)


@pytest.mark.parametrize("case", ["plain", "final", "owned"])
def test_search_checker_and_brute_force_agree(case: str, tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    for seed in range(6 if case == "final" else 12):
        rng = np.random.default_rng(seed)
        question = several(rng, 5, 2, final=case == "final", owned=case == "owned")
        question = near(question, 2, float(rng.choice([-0.05, -1e-4, 1e-4, 0.02])))
        directory = tmp_path / str(seed)
        question = stored(question, directory)
        for ask in get_args(Ask):
            answer, path = certify(question, ask, directory)
            agrees(question, answer)
            verdict = check(path, directory)
            assert verdict.kind == "valid", (seed, ask, verdict)
            assert answer.verdict == "override" or f"least of {len(question.templates)} readings" in verdict.claim
            tally[answer.verdict] += 1
    assert tally["override"] >= 3
    assert tally["no-override"] >= 3


@pytest.mark.parametrize("exponent", [40, 200, 700])
def test_near_ties_are_decided(exponent: int) -> None:
    """The threshold 2^-exponent beside the largest of the least gains."""
    question = several(np.random.default_rng(5), 4, 1)
    gains = {t: low for t, (low, _) in all_gains(question, 1).items()}
    best = max(gains, key=lambda t: gains[t])
    from tokendemo_formal.numbers.balls import endpoints
    from tokendemo_formal.override.exact import ExactGain

    exact = []
    for k in range(len(question.templates)):
        one = question.with_template(k)
        prompt = one.prompt(1)
        exact.append(endpoints(ExactGain(one).gain(prompt.filled(best), prompt.reader, 4096))[0])
    for sign, verdict in ((1, "no-override"), (-1, "override")):
        threshold = Fraction(round((min(exact) + Fraction(sign, 2**exponent)) * 2**1200), 2**1200)
        asked = replace(question, readout=replace(question.readout, threshold=threshold))
        assert solve(asked).verdict == verdict


@pytest.mark.parametrize("seed", [15, 17, 20])
def test_templates_that_each_can_be_overridden_but_not_at_once(seed: int, tmp_path: Path) -> None:
    """A true conflict: each template has overrides of its own, none in common."""
    question = stored(near(several(np.random.default_rng(seed), 10, 3), 3, 1e-3), tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"
    assert check(path, tmp_path).kind == "valid"
    if seed == 17:  # closed by sums, too
        assert any(len(json.loads(line).get("of", [])) > 1 for line in path.read_text().splitlines())
    assert all(solve(question.with_template(k)).verdict == "override" for k in range(len(question.templates)))


def test_sums_save_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [near(several(np.random.default_rng(seed), 10, 3), 3, 1e-3) for seed in (20,)]
    with_sums = sum(solve(question).nodes for question in questions)
    monkeypatch.setattr(conjunction.Conjunction, "_weigh", lambda self, node: None)
    assert all(solve(question).verdict == "no-override" for question in questions)
    assert with_sums < sum(solve(question).nodes for question in questions)


@pytest.fixture
def refusal(tmp_path: Path) -> tuple[Question, Path]:
    question = stored(near(several(np.random.default_rng(7), 6, 2), 2, 1e-3), tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"
    assert check(path, tmp_path).kind == "valid"
    return question, path


@pytest.mark.parametrize(
    "forge",
    [
        lambda lines: lines.pop(),
        lambda lines: lines[1]["also"].clear(),
        lambda lines: lines[-1].pop("of"),
        lambda lines: lines[-1].update(of=[]),
        lambda lines: lines[-1]["of"][0].__setitem__(2, "-1"),
        lambda lines: lines[1].update(threshold=str(Fraction(lines[1]["threshold"]) - 1)),
    ],
)
def test_forgeries_are_refused(refusal: tuple[Question, Path], forge: Callable[[list[Any]], object]) -> None:
    assert forged(refusal[1], forge).kind in ("invalid", "malformed")


def test_a_witness_has_to_override_everywhere(tmp_path: Path) -> None:
    question = stored(near(several(np.random.default_rng(3), 5, 2), 2, -1e-4), tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "override"
    gains = [every_gain(question.with_template(k), 2) for k in range(len(question.templates))]
    others = [t for t in gains[0] if max(g[t] for g in gains) > 0 >= min(g[t] for g in gains)]
    assert others
    for other in others:

        def forge(lines: list[Any], other: tuple[int, ...] = other) -> None:
            best = max(g[other] for g in gains)
            lines[0] |= {"witness": list(other), "low": str(Fraction(best) / 2), "high": str(Fraction(best) * 2)}

        assert forged(path, forge).kind == "invalid"


def test_what_is_refused() -> None:
    question = several(np.random.default_rng(0), 4, 2)
    for engine in ("z3", "brute-force"):
        with pytest.raises(InputError, match=f"several templates is answered by engine search; found engine {engine}"):
            solve(question, engine=engine)  # type: ignore[arg-type]
    with pytest.raises(ScenarioError, match=r"template\[2\]: template.before: token id 99"):
        replace(question, also=(Template((99,), (1,), "last"),))
    free = replace(question, layer=replace(question.layer, causal=False), after=(), reader="last")
    mixed = replace(free, also=(Template((1,), (), 1),))
    with pytest.raises(ScenarioError, match="readers of several templates stand in different slots"):
        solve(mixed)


def test_giving_up_is_no_answer() -> None:
    question = near(several(np.random.default_rng(11), 8, 3), 3, 1e-3)
    answer = solve(question, node_limit=1)
    if answer.verdict == "gave-up":
        assert answer.upper is not None
        assert answer.upper >= Fraction(max(least_gains(question, 3).values()))
    assert solve(question, time_limit=1e-9).verdict == "gave-up"


def test_float32_runs_are_no_further_off_than_the_worst_template() -> None:
    question = several(np.random.default_rng(2), 4, 2)
    alone = [float32_distance(question.with_template(k), (0, 1)) for k in range(len(question.templates))]
    assert float32_distance(question, (0, 1)) == max(alone)
