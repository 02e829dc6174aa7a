"""The lessons run as a student would run them, and say what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

LESSONS = {
    "01_attention_is_an_election": ("margin 5/6: refuse", "margin -5/27: comply", "here: True"),
    "02_dilution": ("4096 tokens    0.00012", "from 12672 tokens on"),
    "03_a_claim_that_fails": ("share  = 1 / (1 + 1 + 1) = 1/3", "0 ≤ -1/3 is False"),
}


def run(lesson: str, *arguments: str) -> str:
    command = [sys.executable, "-X", "utf8", str(EXAMPLES / f"{lesson}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_lesson_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(LESSONS)


@pytest.mark.parametrize("lesson", LESSONS)
def test_lessons_run(lesson: str) -> None:
    printed = run(lesson)
    for line in LESSONS[lesson]:
        assert line in printed


def test_the_figure_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = tmp_path / "dilution.png"
    assert f"wrote {figure}" in run("02_dilution", "--png", str(figure))
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert figure.stat().st_size > 10_000
