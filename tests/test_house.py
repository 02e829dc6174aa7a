"""What the README, the metadata and the import graph promise."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tokendemo_formal
from tokendemo_formal.cli import main, parser
from tokendemo_formal.scenario import parse_scenario, read_scenario

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# README ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("workplace")
def test_commands_of_the_readme_run(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("tokendemo ")]
    commands = [shlex.split(line, comments=True)[1:] for line in lines]
    assert {command[0] for command in commands} == {
        *("new", "inspect", "solve", "check"),
        *("prove", "explain", "export", "mutants", "replay"),
    }
    for command in commands:
        if command == ["prove"]:
            continue  # tests/test_theorems.py proves them all
        assert main(command) == 0, command
        captured = capsys.readouterr()
        assert captured.out
        assert captured.err == ""


def test_what_has_to_be_trusted_is_where_the_page_says() -> None:
    text = (ROOT / "TRUST.md").read_text(encoding="utf-8")
    paths = re.findall(r"`([\w/]+(?:\.py|\.md|/))`", text)
    assert len(paths) > 15
    for path in paths:
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m (benchmarks\.\w+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


@pytest.mark.usefixtures("workplace")
def test_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new"]) == 0
    programs = blocks("python")
    assert len(programs) == 2
    for program in programs:
        exec(compile(program, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].startswith("override ")
    assert re.fullmatch(r"\(.*\) \('.*', '.*'\) .*", printed[2])


def test_scenario_of_the_readme_is_one() -> None:
    (text,) = blocks("toml")
    question = parse_scenario(text).question()
    assert question.slots == 6
    assert 0 < len(question.vocabulary) < question.layer.vocabulary


def test_demo_prints_what_the_readme_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    printed = iter(capsys.readouterr().out.splitlines())
    (shown,) = blocks("text")
    lines = [line for line in shown.splitlines() if line.strip() not in ("", "…")]
    assert len(lines) > 20
    for line in lines:
        assert any(line == candidate for candidate in printed), f"not printed, or not in this order: {line}"


def test_readme_names_every_command_and_make_target() -> None:
    (commands,) = (action.choices for action in parser()._actions if action.choices)
    for command in commands:
        assert re.search(rf"tokendemo {command}|make {command}", README), command
    assert "make demo" in README.split("##")[0]
    assert "make test" in README.split("##")[0]


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_examples_are_scenarios(path: Path) -> None:
    scenario = read_scenario(path)
    if scenario.source.startswith("bundled:"):
        scenario.question()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_lessons_run(path: Path) -> None:
    """As scripts; what they claim on the way, they assert."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout
    assert done.stderr == ""
    assert "assert " in path.read_text(encoding="utf-8")
    assert f"(examples/{path.name})" in README


def test_the_page_of_questions_is_what_its_command_writes() -> None:
    from benchmarks import questions

    page = questions.PAGE.read_text(encoding="utf-8")
    assert page.startswith(questions.HEAD)
    assert re.findall(r"^## (.*)", page, re.MULTILINE) == [path.name for path in questions.examples()]
    for path in questions.examples():  # the headline; another witness may be as short
        headline = questions.section(path).partition("\n\ntokens")[0]
        assert headline in page


# Metadata ----------------------------------------------------------------------------------------------------------


def test_versions_agree() -> None:
    version = tokendemo_formal.__version__
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dynamic"] == ["version"]
    assert project["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_ci_runs_what_everyone_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o100
    assert script.read_text(encoding="utf-8").endswith("make test\n")
    planned = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest"):
        assert f".venv/bin/{tool}\n" in planned


# Imports -----------------------------------------------------------------------------------------------------------

HEAVY = {"cvc5", "flint", "numpy", "safetensors", "sympy", "tokenizers", "torch", "z3"}


def loaded(program: str) -> set[str]:
    """The heavy modules that a fresh interpreter has loaded after a program."""
    ending = "\nimport sys; print('loaded:', *sys.modules)"
    run = [sys.executable, "-W", "error", "-c", program + ending]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT)
    return HEAVY & set(done.stdout.rsplit("loaded:", 1)[1].split())


def test_import_and_help_load_nothing_heavy() -> None:
    program = "import tokendemo_formal\nfrom tokendemo_formal.cli import parser\nparser().format_help()"
    assert loaded(program) == set()


def test_theorems_are_registered_without_a_solver() -> None:
    program = "from tokendemo_formal.theorems import catalogue\nassert catalogue()"
    assert loaded(program) <= {"flint", "numpy"}
    assert loaded("import tokendemo_formal.proving.library, tokendemo_formal.proving.report") <= {"flint", "numpy"}


def test_an_answer_loads_no_solver_and_no_framework() -> None:
    program = "from tokendemo_formal.cli import main\nassert main(['solve', 'examples/guard_maximum.toml']) == 0"
    assert loaded(program) == {"flint", "numpy", "safetensors", "tokenizers"}


def test_names_at_the_top_are_documented() -> None:
    assert set(tokendemo_formal.__all__) == set(tokendemo_formal._HOME)
    for name in tokendemo_formal.__all__:
        value = getattr(tokendemo_formal, name)
        assert inspect.getdoc(value), name
        assert f"``{name}``" in str(tokendemo_formal.__doc__) or issubclass(value, tokendemo_formal.TokenDemoError), (
            name
        )
        assert name in dir(tokendemo_formal)
    with pytest.raises(AttributeError, match="has no attribute 'solver'"):
        tokendemo_formal.solver  # noqa: B018


def test_import_contracts_hold() -> None:
    lint_imports = shutil.which("lint-imports", path=Path(sys.executable).parent)
    if lint_imports is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
