"""The soundness campaign, in short; and that it notices what is wrong."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest

from benchmarks import soundness
from tests.strategies import cases
from tokendemo_formal.certificates.checker import Verdict
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.question import Question, Readout


@pytest.mark.slow
def test_search_and_checker_agree_with_brute_force(capsys: pytest.CaptureFixture[str]) -> None:
    """Its shares are goals of every run, too."""
    code = soundness.main(["--instances", "400", "--jobs", "1", "--seed", "1"])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "400 instances of 100 layers, 0 disagreements" in printed


def test_a_layer_can_be_repeated_alone() -> None:
    assert soundness.layer(0, 5) == soundness.layer(0, 5)


def noticed(capsys: pytest.CaptureFixture[str]) -> str:
    """What three layers print; each is to disagree."""
    assert soundness.main(["--instances", "12", "--jobs", "1", "--seed", "2"]) == 1
    printed = capsys.readouterr().out
    assert "python -m benchmarks.soundness --seed 2 --layer 0" in printed
    return printed


def test_a_checker_that_accepts_everything_is_noticed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundness, "check", lambda *_: Verdict("valid", "", "", 0))
    assert "a false claim is valid" in noticed(capsys)


def test_a_checker_that_rejects_what_holds_is_noticed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundness, "check", lambda *_: Verdict("invalid", "", "a leaf", 4))
    assert "the certificate is invalid" in noticed(capsys)


@pytest.mark.parametrize("change", [Fraction(1, 10**6), -Fraction(1, 10**6)])
def test_a_search_of_another_threshold_is_noticed(change: Fraction, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moved by a millionth: noticed where some gain lies between, and in every witness's margin."""
    solve = soundness.solve

    def off(question: Question, *arguments: Any, **options: Any) -> Any:
        readout = replace(question.readout, threshold=question.readout.threshold + change)
        return solve(replace(question, readout=readout), *arguments, **options)

    monkeypatch.setattr(soundness, "solve", off)
    found = [soundness.attempt((3, index)) for index in range(6)]
    assert sum(bool(why) for _, _, why in found) >= 4


@pytest.mark.parametrize("final", [False, True])
def test_the_campaigns_evaluation_agrees_with_the_packages(final: bool) -> None:
    """Two implementations of every feature: to 30 digits."""
    for index, (name, layer) in enumerate(cases()):
        rows = np.random.default_rng(index).standard_normal((2, layer.width))
        readout = Readout(rows[0], rows[1], final_norm=final and layer.final_norm is not None)
        question = Question(layer, readout, (1, 2), (3,), "last", 2, (0, 4))
        with flint.ctx.workprec(128):
            gains = soundness.Evaluation(layer).gains(question, 2)
        prompt, exact = question.prompt(2), ExactGain(question)
        for assignment in ((0, 4), (4, 4)):
            difference = gains[assignment] - exact.gain(prompt.filled(assignment), prompt.reader, 128)
            assert abs(difference) < 1e-28, name
        assert set(gains) == {(0, 0), (0, 4), (4, 0), (4, 4)}


def test_mirrored_layers_tie() -> None:
    tied = 0
    for index in range(150):
        drawn = soundness.draw(np.random.default_rng(index))
        if drawn.mirrored:
            truth, question = soundness.Truth(drawn.question), drawn.question
            assert truth.above(question.slots, Fraction(0)) is None
            low, high = truth.best(question.slots, soundness.PRECISIONS[-1])
            assert -Fraction(1, 2**3900) < low < 0 < high < Fraction(1, 2**3900)
            assert truth.above(question.slots, -Fraction(1, 2**3000)) is True
            tied += 1
    assert tied >= 3
