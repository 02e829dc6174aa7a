"""Search, Z3, brute force and plain evaluation against each other, on thousands of random layers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.questions import near_best, random_question, tied_question, truth
from tokendemo_formal.override import multipliers
from tokendemo_formal.override.question import Question
from tokendemo_formal.override.solve import solve

NAMES = {True: "override", False: "no-override"}


def _draw(
    seed: int, heads: tuple[int, int], vocabulary: tuple[int, int], slots: tuple[int, int]
) -> tuple[Question, int]:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(slots[0], slots[1] + 1))
    question = random_question(
        rng,
        int(rng.integers(heads[0], heads[1] + 1)),
        int(rng.integers(vocabulary[0], vocabulary[1] + 1)),
        count,
        gain=float(rng.choice([0.3, 1.5, 4.0])),
    )
    # Thresholds close to the best gain on either side: easy questions decide nothing about a bound.
    return near_best(question, count, float(rng.choice([-0.2, -0.01, -1e-5, 1e-5, 0.01, 0.05]))), count


def _agree(question: Question, slots: int, engines: tuple[str, ...], tally: Counter[str]) -> None:
    expected, best = truth(question, slots)
    for engine in engines:
        answer = solve(question, engine=engine)  # type: ignore[arg-type]
        tally[f"{engine} {answer.verdict}"] += 1
        tally[f"{engine} branched"] += answer.nodes > 1
        if answer.verdict == "gave-up":
            continue
        assert answer.verdict == NAMES[bool(expected)], (engine, answer, expected, best)
        if answer.verdict == "override":
            assert answer.margin is not None
            assert 0 < answer.margin.low <= answer.margin.high
            assert float(answer.margin.high) <= best + 1e-7


def _report(tally: Counter[str], runs: int, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n  {runs} layers: " + ", ".join(f"{name} {count}" for name, count in sorted(tally.items())))


def _campaign(
    runs: int,
    shape: tuple[tuple[int, int], tuple[int, int], tuple[int, int]],
    engines: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> Counter[str]:
    tally: Counter[str] = Counter()

    @settings(
        max_examples=runs, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(st.integers(0, 2**63 - 1))
    def run(seed: int) -> None:
        question, slots = _draw(seed, *shape)
        _agree(question, slots, engines, tally)

    run()
    _report(tally, runs, capsys)
    return tally


@pytest.fixture(params=["joint", "separate"])
def bounded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Heads bounded jointly, as the search does, which leaves little to branch on; and each on its own."""
    if request.param == "separate":
        monkeypatch.setattr(multipliers, "MOST_JOINT", 0)
    return str(request.param)


@pytest.mark.slow
def test_small_layers_by_all_engines(capsys: pytest.CaptureFixture[str]) -> None:
    runs = 1200
    tally = _campaign(runs, ((1, 2), (2, 6), (1, 3)), ("search", "z3", "brute-force"), capsys)
    for engine in ("search", "z3", "brute-force"):
        total = sum(tally[f"{engine} {v}"] for v in ("override", "no-override", "gave-up"))
        decided = total - tally[f"{engine} gave-up"]
        assert decided >= 0.95 * total
        assert tally[f"{engine} override"] >= 0.2 * total
        assert tally[f"{engine} no-override"] >= 0.2 * total


@pytest.mark.slow
def test_larger_layers_by_search_and_brute_force(bounded: str, capsys: pytest.CaptureFixture[str]) -> None:
    runs = 600
    tally = _campaign(runs, ((2, 5), (6, 9), (2, 3)), ("search", "brute-force"), capsys)
    total = sum(tally[f"search {v}"] for v in ("override", "no-override", "gave-up"))
    assert tally["search gave-up"] <= 0.01 * total
    assert tally["search override"] >= 0.2 * total
    assert tally["search no-override"] >= 0.2 * total
    assert bounded == "joint" or tally["search branched"] >= 0.1 * total


@pytest.mark.parametrize("engine", ["search", "z3", "brute-force"])
@pytest.mark.parametrize("heads", [1, 2, 3])
@pytest.mark.parametrize("slots", [1, 2])
def test_a_planted_tie_is_no_override(engine: str, heads: int, slots: int) -> None:
    rng = np.random.default_rng(heads * 10 + slots)
    question = tied_question(rng, heads, slots)
    expected, best = truth(question, slots)
    assert expected is False
    assert abs(best) < 1e-12
    assert solve(question, engine=engine).verdict == "no-override"  # type: ignore[arg-type]
