"""Splits of a denominator's range: where they are made, all answers and certificates are as without them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ladder import rung, tight
from tests.questions import every_gain, near_best, random_question, truth
from tests.test_certify import Node, certify, forged, stored
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.override import many_heads, multipliers
from tokendemo_formal.override.question import Ask, Question
from tokendemo_formal.override.solve import solve


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges are split wherever they can be, and weaker bounds leave more to split."""
    monkeypatch.setattr(many_heads, "SPARE_SLOTS", -100)
    monkeypatch.setattr(many_heads, "_WIDE", 1.5)
    monkeypatch.setattr(multipliers, "MOST_JOINT", 0)


def drawn(seed: int) -> tuple[Question, int]:
    rng = np.random.default_rng(seed)
    slots = int(rng.integers(1, 4))
    question = random_question(rng, int(rng.integers(1, 4)), 5, slots, final=seed % 3 == 0)
    if seed % 4 == 1:
        question = replace(question, after=(), reader="last", layer=replace(question.layer, causal=True))
    return near_best(question, slots, float(rng.choice([-0.02, 1e-5, 0.01]))), slots


@pytest.mark.usefixtures("eager")
def test_answers_and_certificates(tmp_path: Path) -> None:
    kinds: Counter[str] = Counter()
    asks: tuple[Ask, ...] = ("exists", "maximum")
    for seed in range(24):
        question, slots = drawn(seed)
        question = stored(question, tmp_path / str(seed))
        expected, best = truth(question, slots)
        for ask in asks:
            answer, path = certify(question, ask, tmp_path / str(seed))
            if ask == "exists":
                assert answer.verdict == {True: "override", False: "no-override"}[bool(expected)]
            else:
                assert answer.upper is not None
                assert float(answer.upper) >= best
            found = check(path, path.parent)
            assert found.kind == "valid", found
            kinds.update(json.loads(line).get("node", "") for line in path.read_text().splitlines())
            kinds["pulls"] += path.read_text().count("pull")
    assert kinds["range"] > 10
    assert kinds["split"] > 10
    assert kinds["pulls"] > 10


def refusal(directory: Path) -> tuple[Question, Path]:
    """A certificate of a refusal with a range node and a pull."""
    for seed in range(24):
        question, slots = drawn(seed)
        if truth(question, slots)[0]:
            continue
        question = stored(question, directory / str(seed))
        _, path = certify(question, "exists", directory / str(seed))
        if '"range"' in path.read_text() and '"pull"' in path.read_text():
            return question, path
    raise AssertionError("no refusal splits a range and pulls")


def first(lines: list[Node], key: str, value: str | None = None) -> Node:
    return next(line for line in lines if key in line and value in (None, line[key]))


def _without_child(lines: list[Node]) -> None:
    del lines[-1]


def _another_head(lines: list[Node]) -> None:
    first(lines, "node", "range")["head"] = 99


def _no_number(lines: list[Node]) -> None:
    first(lines, "node", "range")["at"] = "much"


def _extra_key(lines: list[Node]) -> None:
    first(lines, "node", "range")["slot"] = 0


def _short_pull(lines: list[Node]) -> None:
    first(lines, "pull")["pull"] = []


def _strong_pulls(lines: list[Node]) -> None:
    """Pulls that are at least 0 only in a range that no node above limits D to."""
    for line in lines:
        if line.get("node") in ("leaf", "filter"):
            line["pull"] = ["1000"] * len(line["c"])


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("forge", "kind"),
    [
        (_without_child, "invalid"),
        (_another_head, "malformed"),
        (_no_number, "malformed"),
        (_extra_key, "malformed"),
        (_short_pull, "malformed"),
        (_strong_pulls, "invalid"),
    ],
)
def test_forgeries(forge: Callable[[list[Node]], None], kind: str, tmp_path: Path) -> None:
    _, path = refusal(tmp_path)
    assert check(path, path.parent).kind == "valid"
    assert forged(path, forge).kind == kind


@pytest.mark.usefixtures("eager")
def test_a_false_claim_is_never_valid_whatever_the_ranges(tmp_path: Path) -> None:
    """With the threshold below a reachable gain, no choice of ranges and pulls makes the certificate valid."""
    question, path = refusal(tmp_path)
    low = Fraction(max(every_gain(question, question.slots).values()))
    assert low < 0
    rng = np.random.default_rng(0)
    for _ in range(60):

        def forge(lines: list[Node]) -> None:
            lines[1]["threshold"] = str(question.readout.threshold + low - abs(low) / 2**10)
            for line in lines:
                if line.get("node") == "range" and rng.random() < 0.7:
                    line["at"] = str(rng.choice(["0", "1", "1/2", "3/2", "1000", "-1"]))
                if line.get("node") in ("leaf", "filter") and rng.random() < 0.7:
                    line["pull"] = [float(x).hex() for x in rng.standard_normal(len(line["c"])) * 10]

        assert forged(path, forge).kind != "valid"


def test_many_slots_need_few_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tight refusal with more slots than heads: splits of slots alone take many times as many nodes."""
    question = tight(rung(64, 8, 6, 0), 100)
    answer = solve(question)
    monkeypatch.setattr(many_heads, "SPARE_SLOTS", 100)
    other = solve(question, node_limit=10 * answer.nodes)
    assert answer.verdict == "no-override"
    assert other.verdict in ("no-override", "gave-up")
    assert other.nodes > 3 * answer.nodes
