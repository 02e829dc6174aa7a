"""Answers to certificates to verdicts: what the search writes, the checker accepts, and forgeries it doesn't."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.questions import every_gain, near_best, random_question
from tokendemo_formal.certificates.checker import Verdict, check
from tokendemo_formal.certificates.writer import write_certificate
from tokendemo_formal.cli import main
from tokendemo_formal.errors import InputError, UnsupportedError
from tokendemo_formal.models import load_model, save
from tokendemo_formal.numbers.balls import endpoints
from tokendemo_formal.override import multipliers
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.question import Ask, Question
from tokendemo_formal.override.solve import solve
from tokendemo_formal.scenario import read_scenario

Node = dict[str, Any]
EXAMPLES = Path(__file__).parents[1] / "examples"


def stored(question: Question, directory: Path) -> Question:
    """The same question with its readout among the layer's rows, and the layer in files."""
    rows = np.stack([question.readout.toward, question.readout.against])
    layer = replace(question.layer, unembedding=rows)
    save(layer, directory)
    return replace(question, layer=layer, readout=replace(question.readout, rows=(0, 1)))


def certify(question: Question, ask: Ask, directory: Path) -> tuple[Answer, Path]:
    answer = solve(question, ask, certify=True)
    model, path = load_model(str(directory)), directory / "proof.jsonl"
    write_certificate(path, question, answer, model.files, model.tensors(0))
    return answer, path


def forged(path: Path, forge: Callable[[list[Node]], None]) -> Verdict:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    forge(lines)
    other = path.with_name("forged.jsonl")
    other.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    return check(other, path.parent)


@pytest.mark.parametrize("bounded", ["joint", "separate"])
def test_the_checker_accepts_what_the_search_proves(
    bounded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bounded == "separate":
        monkeypatch.setattr(multipliers, "MOST_JOINT", 0)
    claims = set()
    for seed in range(24):
        rng = np.random.default_rng(seed)
        final = seed % 3 == 0
        slots = int(rng.integers(1, 4))
        question = random_question(rng, int(rng.integers(1, 4)), 5, slots, final=final)
        if seed % 4 == 1:  # the reader in a slot: a section for each of its tokens
            question = replace(question, after=(), reader="last", layer=replace(question.layer, causal=True))
        question = near_best(question, slots, float(rng.choice([-0.02, 0.01])))
        directory = tmp_path / str(seed)
        question = stored(question, directory)
        for ask in ("exists", "minimum", "maximum"):
            answer, path = certify(question, ask, directory)
            verdict = check(path, directory)
            assert verdict.kind == "valid", (seed, ask, verdict)
            claims.add((ask, answer.verdict))
    assert len(claims) == 5


def test_a_vocabulary_in_any_order(tmp_path: Path) -> None:
    """The reader in a slot: sections are in the order of its tokens' ids."""
    question = random_question(np.random.default_rng(0), 2, 5, 2)
    layer = replace(question.layer, causal=True)
    question = replace(question, layer=layer, after=(), reader="last", vocabulary=(4, 0, 3))
    question = stored(near_best(question, 2, 0.01), tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"
    assert check(path, tmp_path).kind == "valid"


@pytest.fixture
def refusal(tmp_path: Path) -> tuple[Question, Path]:
    """A tight refusal whose proof branches."""
    question = stored(near_best(random_question(np.random.default_rng(3), 3, 9, 3), 3, 1e-4), tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multipliers, "MOST_JOINT", 1)
        answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"
    assert check(path, tmp_path).kind == "valid"
    return question, path


def test_a_dropped_child_is_noticed(refusal: tuple[Question, Path]) -> None:
    _, path = refusal

    def forge(lines: list[Node]) -> None:
        assert any(line.get("node") == "split" for line in lines)
        assert lines.pop()["node"] in ("leaf", "exact")

    verdict = forged(path, forge)
    assert verdict.kind in ("invalid", "malformed")
    assert verdict.line > 3


def test_a_flipped_multiplier_is_noticed(refusal: tuple[Question, Path]) -> None:
    """On each node in turn: a filter with other multipliers drops less, and some leaf below then fails."""
    _, path = refusal
    count = len(path.read_text().splitlines())
    failed = 0
    for number in range(3, count):

        def forge(lines: list[Node], number: int = number) -> None:
            if "c" in lines[number]:
                lines[number]["c"] = [c[1:] if c[0] == "-" else f"-{c}" for c in lines[number]["c"]]

        verdict = forged(path, forge)
        assert verdict.kind in ("valid", "invalid", "undecided")
        failed += verdict.kind != "valid"
        if verdict.kind == "invalid":
            assert verdict.line > 3
    assert failed > 0


def test_a_lower_bound_is_refused(tmp_path: Path) -> None:
    """A claim that is false by brute force: the optimum's bound moved below the true maximum."""
    question = stored(random_question(np.random.default_rng(5), 2, 6, 2), tmp_path)
    _, path = certify(question, "maximum", tmp_path)
    best = max(every_gain(question, 2).values())

    def forge(lines: list[Node]) -> None:
        lower = (Fraction(best) - Fraction(1, 10**5)).limit_denominator(10**12)
        lines[0]["high"] = str(lower)
        lines[2]["bound"] = str(lower)

    assert forged(path, forge).kind == "invalid"


def test_a_changed_witness_is_refused(tmp_path: Path) -> None:
    question = stored(near_best(random_question(np.random.default_rng(7), 2, 6, 2), 2, -1e-6), tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "override"
    for place in range(2):

        def forge(lines: list[Node], place: int = place) -> None:
            lines[0]["witness"][place] = (lines[0]["witness"][place] + 1) % 6

        assert forged(path, forge).kind == "invalid"


@pytest.mark.parametrize("exponent", [40, 300, 900])
def test_a_witness_beside_the_threshold(exponent: int, tmp_path: Path) -> None:
    """The checker's balls are not the writer's: the bounds of the witness's gain leave room for both."""
    question = stored(random_question(np.random.default_rng(8), 2, 4, 1), tmp_path)
    gain, prompt = ExactGain(question), question.prompt(1)
    best = max((gain.gain(prompt.filled((t,)), prompt.reader, 4096) for t in question.vocabulary), key=float)
    threshold = endpoints(best)[0] - Fraction(1, 2**exponent)
    threshold = Fraction(round(threshold * 2**1000), 2**1000)
    asked = replace(question, readout=replace(question.readout, threshold=threshold))
    answer, path = certify(asked, "exists", tmp_path)
    assert answer.verdict == "override"
    assert answer.margin is not None
    assert answer.margin.high < Fraction(2, 2**exponent)
    header = json.loads(path.read_text().splitlines()[0])
    assert 0 < Fraction(header["low"]) < answer.margin.low <= answer.margin.high < Fraction(header["high"])
    assert check(path, tmp_path).kind == "valid"


def test_other_weights_are_noticed(tmp_path: Path) -> None:
    question = stored(near_best(random_question(np.random.default_rng(1), 2, 5, 2), 2, 0.1), tmp_path)
    _, path = certify(question, "exists", tmp_path)
    save(replace(question.layer, wq=question.layer.wq * 2), tmp_path)
    verdict = check(path, tmp_path)
    assert verdict.kind == "invalid"
    assert "model.safetensors" in str(verdict)


def test_what_has_no_certificate(tmp_path: Path) -> None:
    question = near_best(random_question(np.random.default_rng(1), 2, 5, 2), 2, 0.1)
    path = tmp_path / "proof.jsonl"
    with pytest.raises(InputError, match="without its proof"):
        write_certificate(
            path, replace(question, readout=replace(question.readout, rows=(0, 1))), solve(question), {}, {}
        )
    with pytest.raises(UnsupportedError, match="no rows of a model"):
        write_certificate(path, question, solve(question, certify=True), {}, {})
    with pytest.raises(InputError, match="engine search; found engine z3"):
        solve(question, engine="z3", certify=True)
    gave_up = solve(question, certify=True, time_limit=1e-9)
    with pytest.raises(InputError, match="gave up"):
        write_certificate(path, question, gave_up, {}, {})
    assert list(tmp_path.iterdir()) == []


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = load_model("bundled:guard").directory / "demo.toml"
    path = tmp_path / "proof.jsonl"
    assert main(["solve", str(scenario), "--certificate", str(path)]) == 0
    assert str(path) in capsys.readouterr().out
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out.startswith("valid")
    assert main(["check", str(path), "--model", "bundled:guard"]) == 0
    path.write_text(path.read_text().replace('"minimum"', '"no-override"'))
    assert main(["check", str(path)]) == 2
    assert main(["check", str(tmp_path / "none")]) == 2


@pytest.fixture(scope="module")
def guard_proof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the demonstration's answer: lengths 0 to 5 refused, a witness of 6."""
    path = tmp_path_factory.mktemp("guard") / "proof.jsonl"
    scenario = load_model("bundled:guard").directory / "demo.toml"
    done = run("solve", str(scenario), "--certificate", str(path))
    assert done.returncode == 0, done.stderr
    return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "tokendemo_formal", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])


def flipped(line: Node) -> Node:
    return {**line, "c": [c[1:] if c[0] == "-" else f"-{c}" for c in line["c"]]}


FORGERIES: dict[str, tuple[int, str]] = {
    "nothing": (0, "valid: 8 nodes"),
    "a dropped child": (1, "invalid: line 16: "),
    "a changed witness token": (1, "invalid: line 2: witness"),
    "the first filter flipped": (1, "invalid: line 16: leaf: its bound"),
    "the leaf of 4 tokens flipped": (1, "invalid: line 12: leaf: its bound"),
    "a length less": (2, "malformed: line 1: lengths"),
    "a later version": (3, "unsupported: line 1: version 2"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_the_guards_certificate_and_forgeries_in_fresh_processes(
    forgery: str, guard_proof: Path, tmp_path: Path
) -> None:
    lines: list[Node] = [json.loads(line) for line in guard_proof.read_text().splitlines()]
    assert [line["node"] for line in lines[-2:]] == ["filter", "leaf"]
    if forgery == "a dropped child":
        lines.pop()
    elif forgery == "a changed witness token":
        lines[0]["witness"][0] = lines[0]["witness"][1]
    elif forgery == "the first filter flipped":  # without it the leaf below does not hold
        lines[-3] = flipped(lines[-3])
    elif forgery == "the leaf of 4 tokens flipped":  # the last leaf's sets are single tokens: any c will do there
        lines[-5] = flipped(lines[-5])
    elif forgery == "a length less":
        lines[0]["lengths"].pop()
    elif forgery == "a later version":
        lines[0]["version"] = 2
    path = tmp_path / "forged.jsonl"
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    code, begin = FORGERIES[forgery]
    done = run("check", str(path))
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith(begin), done.stdout


@pytest.mark.slow
def test_the_encoder_benchmark_up_to_four_slots(encoder_directory: Path, tmp_path: Path) -> None:
    scenario = replace(read_scenario(EXAMPLES / "encoder_minimum.toml"), slots=4)
    model = load_model(str(encoder_directory))
    question, path = scenario.question(model), tmp_path / "proof.jsonl"
    answer = solve(question, "minimum", certify=True)
    assert answer.ruled_out == (0, 1, 2, 3, 4)
    assert write_certificate(path, question, answer, model.files, model.tensors(0)) < 5_000_000
    assert check(path, encoder_directory).kind == "valid"
