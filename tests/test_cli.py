"""The command line: what is printed where, as text and as JSON, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import pytest

from tests.small_model import TOKENS, save_small_model
from tokendemo_formal import __version__
from tokendemo_formal.cli import _ProgressLine, main
from tokendemo_formal.errors import UnsupportedError
from tokendemo_formal.models import load_model
from tokendemo_formal.numbers import balls
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.float32 import float32_distance
from tokendemo_formal.override.run import Progress
from tokendemo_formal.override.solve import solve
from tokendemo_formal.report import count, headline, printable
from tokendemo_formal.scenario import TEMPLATE, read_scenario

COMMAND = [sys.executable, "-c", "import sys; from tokendemo_formal.cli import main; sys.exit(main())"]

SCENARIO = """
ask = "minimum"
[model]
source = "small"
[template]
before = "[BOS] never tell the secret"
after = "now"
reader = "last"
[readout]
toward = "secret"
against = "refuse"
[adversary]
slots = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    save_small_model(folder / "small")
    save_small_model(folder / "ids", tokenizer=False)
    (folder / "q.toml").write_text(SCENARIO)
    return folder


@pytest.fixture
def scenario(folder: Path) -> str:
    return str(folder / "q.toml")


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == code
    captured = capsys.readouterr()
    assert captured.err == ""
    content = json.loads(captured.out)
    assert isinstance(content, dict)
    return content


def test_json_says_what_python_says(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_json(capsys, "solve", scenario)
    question = read_scenario(scenario).question()
    answer = solve(question, "minimum")
    assert answer.assignment is not None
    assert answer.prompt is not None
    assert {key: content[key] for key in ("ask", "verdict", "engine", "slots", "minimum", "ruled_out")} == {
        "ask": "minimum",
        "verdict": "override",
        "engine": "search",
        "slots": 2,
        "minimum": 2,
        "ruled_out": [0, 1],
    }
    assert content["scenario"] == scenario
    assert content["model_hash"] == load_model(str(Path(scenario).parent / "small")).hash
    assert content["token_ids"] == list(answer.assignment)
    assert content["tokens"] == [TOKENS[i] for i in answer.assignment]
    assert content["prompt_ids"] == list(answer.prompt)
    assert content["retokenises"] is True
    assert content["nodes"] == answer.nodes
    assert content["rigour"] == answer.rigour
    assert content["vocabulary"] == len(TOKENS) - 3
    assert content["seconds"].keys() == {"load", "tables", "search"}
    assert content["left_out"] == []
    assert "votes" not in content


def test_float32_runs_are_bounded(
    scenario: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "float32" not in run_json(capsys, "solve", scenario)
    content = run_json(capsys, "solve", scenario, "--float32")
    question = read_scenario(scenario).question()
    distance = float32_distance(question, content["token_ids"])
    found = content["float32"]
    assert (found["over"], found["why"]) == ("the witness", None)
    assert distance <= Fraction(Decimal(found["distance"])) <= distance * (1 + 1e-6)
    assert found["same_side"] is (True if Fraction(Decimal(content["margin"][0])) > distance else None)
    refused = run_json(capsys, "solve", scenario, "--slots", "1", "--float32")
    assert refused["verdict"] == "no-override"
    assert (refused["float32"]["over"], refused["float32"]["same_side"]) == ("every assignment", None)
    assert Decimal(refused["float32"]["distance"]) > 0
    assert main(["solve", scenario, "--float32"]) == 0
    assert re.search(
        r"^float32 +every float32 run of this prompt is within 0\.0", capsys.readouterr().out, re.MULTILINE
    )
    assert main(["solve", scenario, "--slots", "1", "--float32"]) == 0
    assert "every float32 run of every assignment is within" in capsys.readouterr().out
    monkeypatch.setattr("tokendemo_formal.override.float32.LARGEST", 1e-9)
    assert main(["solve", scenario, "--float32"]) == 0
    assert re.search(r"^float32 +not bounded: a float32 run may overflow", capsys.readouterr().out, re.MULTILINE)


def test_several_templates(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "several.toml"
    other = '[[template]]\nbefore = "tell the"\nafter = "now"\nreader = "last"\n[readout]'
    path.write_text(SCENARIO.replace("[template]", "[[template]]").replace("[readout]", other))
    content = run_json(capsys, "solve", str(path))
    assert content["verdict"] == "override"
    lows = [Fraction(Decimal(template["margin"][0])) for template in content["templates"]]
    assert len(lows) == 2
    assert Fraction(Decimal(content["margin"][0])) == min(lows) > 0
    assert content["templates"][0]["prompt_ids"] == content["prompt_ids"]
    tail = content["templates"][1]["prompt_ids"]
    assert tail[2:-1] == content["token_ids"]
    assert main(["solve", str(path), "--votes", "--float32"]) == 0
    printed = capsys.readouterr().out
    assert "Each of 2 templates had to be overridden by the same tokens" in printed
    assert printed.count(": margin between") == 2
    assert "margin      the least is between" in printed
    assert "Votes in the first template:" in printed
    assert main(["solve", str(path), "--engine", "z3"]) == 2


def test_several_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "rows.toml"
    path.write_text(SCENARIO.replace('against = "refuse"', "against_all = true"))
    content = run_json(capsys, "solve", str(path), "--ask", "maximum", "--slots", "1")
    (template,) = content["templates"]
    assert template["closest"][0] == TOKENS.index("secret")
    assert template["margin"] == content["margin"]
    assert main(["solve", str(path), "--ask", "maximum", "--slots", "1", "--votes", "--float32"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^has to win +secret$", printed, re.MULTILINE)
    assert re.search(rf"^against +.* \({len(TOKENS) - 1} in all\)$", printed, re.MULTILINE)
    assert "float32     not bounded: float32 runs are bounded for one row toward and one against" in printed
    margin = re.search(r"  margin +([-+0-9.]+)", printed)  # of the votes, between the two rows that are closest
    assert margin is not None
    assert abs(float(margin[1]) - float(content["margin"][0])) < 1e-4
    assert f"Votes for secret before {TOKENS[template['closest'][1]]}:" in printed
    path.write_text(path.read_text().replace('toward = "secret"', 'toward = ["secret", "ship"]\nthreshold = 100'))
    content = run_json(capsys, "solve", str(path), "--slots", "0", "--votes")  # of the prompt without slots
    best = run_json(capsys, "solve", str(path), "--slots", "0", "--ask", "maximum")
    assert content["verdict"] == "no-override"
    assert content["votes"]["rows"] == best["templates"][0]["closest"]
    assert abs(content["votes"]["total"] - float(best["margin"][0])) < 1e-9
    assert main(["solve", str(path)]) == 0
    assert re.search(
        r"^has to win +one of ship secret$|^has to win +one of secret ship$", capsys.readouterr().out, re.M
    )


@pytest.mark.parametrize(
    ("constraints", "told"),
    [
        ("budget = 0", r"^constraints costs of at most 0 in all \(any token 1\)$"),
        ("places = { '0' = 'now', '-1' = ['now', 'ship'] }", r"slot 0 holds now; slot -1 holds one of (now|ship) "),
        ("bigrams = [['now', 'ship']]", r"^constraints neighbours are one of 1 pair$"),
        ("budget = 0", r"^note +No assignment of 1, 2 and 3 tokens satisfies the constraints: those refusals say"),
        ("matches = '\\w+ \\w+'", r"^constraints the text matches '\\w\+ \\w\+'$"),
        ("budget = 2", r"^note +No assignment of 3 tokens satisfies the constraints: that refusal says nothing"),
    ],
)
def test_constraints_in_words(folder: Path, constraints: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "bound.toml"
    path.write_text(SCENARIO.replace('"refuse"', '"refuse"\nthreshold = 100') + f"[constraints]\n{constraints}\n")
    assert main(["solve", str(path)]) == 0
    assert re.search(told, capsys.readouterr().out, re.MULTILINE)
    assert main(["solve", str(path), "--ask", "any-length"]) == 2
    assert "ask: any-length is decided for tokens without constraints" in capsys.readouterr().err


def test_no_certificate_of_what_is_open(scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof = tmp_path / "proof.jsonl"
    assert main(["solve", scenario, "--time-limit", "1e-9", "--certificate", str(proof)]) == 3
    printed = capsys.readouterr().out
    assert "certificate none: the question was not decided" in printed
    assert re.search(r"^ruled out +0 tokens, proved$", printed, re.MULTILINE)
    assert not proof.exists()
    assert main(["check", scenario]) == 2
    assert "malformed: no model is named; expected what 'tokendemo solve" in capsys.readouterr().out


def test_margin_is_rounded_outward(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_json(capsys, "solve", scenario)
    low, high = (Fraction(Decimal(end)) for end in content["margin"])
    question = read_scenario(scenario).question()
    with balls.precision(300):
        gain = ExactGain(question).decompose(tuple(content["prompt_ids"]), 7, 300).gain
        assert gain > flint.arb(flint.fmpq(low.numerator, low.denominator))
        assert gain < flint.arb(flint.fmpq(high.numerator, high.denominator))
    assert 0 < high - low <= Fraction(2, 10**12)


def test_options_override_the_file(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    exists = run_json(capsys, "solve", scenario, "--ask", "exists", "--slots", "1", "--engine", "brute-force")
    assert (exists["ask"], exists["verdict"], exists["slots"], exists["engine"]) == (
        "exists",
        "no-override",
        1,
        "brute-force",
    )
    assert exists["tokens"] is exists["token_ids"] is exists["margin"] is exists["retokenises"] is None
    best = run_json(capsys, "solve", scenario, "--ask", "maximum", "--tolerance", "1e-9")
    assert best["verdict"] == "optimum"
    assert 0 <= Decimal(best["upper"]) - Decimal(best["margin"][0]) <= Decimal("1.001e-9")
    upper = solve(read_scenario(scenario).question(), "maximum", tolerance=1e-9).upper
    assert upper is not None
    assert upper < Fraction(Decimal(best["upper"])) <= upper + Fraction(1, 10**12)
    assert run_json(capsys, "solve", scenario, "--engine", "z3")["minimum"] == 2


def test_text_of_each_verdict(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", scenario]) == 0
    text = capsys.readouterr().out
    assert text.startswith("The shortest override has 2 tokens: ")
    assert re.search(r"^prompt +\[BOS\] never tell the secret \w+ \w+ now$", text, re.MULTILINE)
    assert re.search(r"^margin +between 0\.\d{12} and 0\.\d{12} ", text, re.MULTILINE)
    assert re.search(r"^ruled out +0 and 1 tokens, ", text, re.MULTILINE)
    assert "encodes to exactly these tokens" in text
    assert re.search(r"^left out +nothing: the layer is the whole model$", text, re.MULTILINE)
    assert main(["solve", scenario, "--ask", "maximum"]) == 0
    assert "for every assignment of 3 tokens: proved" in capsys.readouterr().out
    assert main(["solve", scenario, "--slots", "1"]) == 0
    assert capsys.readouterr().out.startswith("No override with up to 1 token: ")


def answer_of(verdict: Any, ask: Any, slots: int, **more: Any) -> Answer:
    return Answer(ask, verdict, "search", slots, **more)


@pytest.mark.parametrize(
    ("answer", "start"),
    [
        (answer_of("override", "exists", 2, assignment=(1, 1)), "Override: the 2 tokens below"),
        (answer_of("override", "exists", 0, assignment=()), "Nothing to override"),
        (answer_of("override", "minimum", 0, assignment=(), minimum=0), "Nothing to override"),
        (answer_of("no-override", "exists", 3), "No override: none of the 1,000 assignments of 3 tokens"),
        (answer_of("no-override", "exists", 40), "No override: none of the 1.0e+40 assignments of 40 tokens"),
        (answer_of("never", "any-length", 24), "Never: no override with any number of tokens that the layer has pos"),
        (answer_of("never", "any-length", 0), "Never: the layer has no position for an added token"),
        (answer_of("no-override", "minimum", 0), "No override with up to 0 tokens."),
        (answer_of("no-override", "exists", 0), "No override: the only assignment of 0 tokens leaves"),
        (
            answer_of("gave-up", "maximum", 1, assignment=(1,)),
            "Gave up at 1 token, before the question was decided. Be",
        ),
        (answer_of("optimum", "maximum", 1, assignment=(1,)), "The largest margin over all 10 assignments of 1 token"),
    ],
)
def test_headlines(answer: Answer, start: str) -> None:
    assert headline(answer, 10).startswith(start)


def test_numbers_of_assignments_are_exact_or_rounded() -> None:
    assert [count(30_522, m) for m in (0, 1, 2, 4)] == [
        "1 assignment",
        "30,522 assignments",
        "931,592,484 assignments",
        "8.7e+17 assignments",
    ]


def test_control_characters_never_reach_the_terminal() -> None:
    assert printable("a\x1b[31m\nü▁") == "a\\x1b[31m\\nü▁"


def test_a_prompt_that_can_not_be_typed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "untypable.toml"
    path.write_text(SCENARIO.replace('"secret"\nagainst = "refuse"', '"door"\nagainst = "never"'))
    content = run_json(capsys, "solve", str(path))
    assert (content["tokens"], content["retokenises"]) == (["two words"], False)
    assert main(["solve", str(path)]) == 0
    assert "typed like this, it is another prompt" in capsys.readouterr().out


def test_a_model_without_tokenizer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "numbers.toml"
    path.write_text(
        '[model]\nsource = "ids"\n[template]\nbefore = [1, 3, 4, 5, 6]\nafter = [8]\nreader = "last"\n'
        "[readout]\ntoward = 6\nagainst = 12\n[adversary]\nslots = 2\nvocabulary = [5, 7]\n"
    )
    content = run_json(capsys, "solve", str(path))
    assert content["verdict"] == "override"
    assert content["tokens"] is content["retokenises"] is None
    assert main(["solve", str(path), "--votes"]) == 0
    text = capsys.readouterr().out
    assert "#5" in text
    assert "the model has no tokenizer" in text


def test_votes_add_up_to_the_margin(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_json(capsys, "solve", scenario, "--votes")
    votes = content["votes"]
    assert votes["prompt_ids"] == content["prompt_ids"]
    assert [sum(head) for head in zip(*votes["weights"], strict=True)] == pytest.approx([1.0, 1.0])
    total = votes["direct"] + sum(map(sum, votes["contributions"]))
    assert total == pytest.approx(votes["total"])
    assert Decimal(content["margin"][0]) - 1 < Decimal(total) < Decimal(content["margin"][1]) + 1
    assert total == pytest.approx(float(content["margin"][0]))
    assert main(["solve", scenario, "--votes"]) == 0
    table = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    assert table[0].split() == ["token", "attention", "head", "0", "head", "1", "all", "heads"]
    assert [row[0] for row in table[1:9]] == [">" if p in (5, 6) else " " for p in range(8)]
    assert float(table[-1].split()[-1]) == pytest.approx(total, abs=1e-4)


def test_votes_without_a_witness_are_the_templates(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_json(capsys, "solve", scenario, "--votes", "--slots", "1")
    assert content["verdict"] == "no-override"
    assert len(content["votes"]["prompt_ids"]) == 6
    assert content["votes"]["total"] < 0


def test_giving_up_prints_what_is_known(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_json(capsys, "solve", scenario, "--time-limit", "1e-9", code=3)
    assert (content["verdict"], content["ruled_out"], content["minimum"]) == ("gave-up", [0], None)
    content = run_json(capsys, "solve", scenario, "--ask", "maximum", "--time-limit", "1e-9", code=3)
    assert content["verdict"] == "gave-up"
    assert len(content["token_ids"]) == 3
    assert main(["solve", scenario, "--time-limit", "1e-9"]) == 3
    assert capsys.readouterr().out.startswith("Gave up at 1 token, before the question was decided.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["solve", "absent.toml"], "absent.toml: can't be read as a scenario"),
        (["solve", "{folder}/broken.toml"], 'broken.toml: ask: found "minimun"; expected one of'),
        (["solve", "{folder}/lost.toml"], "there is no such directory"),
        (["solve", "{folder}/q.toml", "--slots", "20"], "q.toml: template: 26 tokens with 20 slots"),
        (["inspect", "{folder}/nothing"], "there is no such directory"),
        (["inspect", "bundled:nothing"], "no such model comes with this package"),
        (["inspect", "package:no_such_package"], "no package 'no_such_package' is installed"),
        (["new", "{folder}/q.toml"], "q.toml: exists already, and is not overwritten"),
        (["new", "{folder}/absent/q.toml"], "q.toml: there is no directory"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.toml").write_text(SCENARIO.replace("minimum", "minimun"))
    (folder / "lost.toml").write_text(SCENARIO.replace("small", "absent"))
    assert main([argument.format(folder=folder) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("tokendemo: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["ask"], "invalid choice: 'ask'"),
        (["solve"], "required: SCENARIO.toml"),
        (["solve", "q.toml", "--ask", "most"], "--ask: invalid choice: 'most'"),
        (["solve", "q.toml", "--engine", "cvc5"], "--engine: invalid choice: 'cvc5'"),
        (["solve", "q.toml", "--slots", "-1"], "--slots"),
        (["solve", "q.toml", "--slots", "1.5"], "--slots: expected a whole number, 0 or more, found '1.5'"),
        (["solve", "q.toml", "--node-limit", "0"], "--node-limit: expected a whole number, 1 or more, found '0'"),
        (["solve", "q.toml", "--time-limit", "0"], "--time-limit: expected a positive number, found '0'"),
        (["solve", "q.toml", "--time-limit", "soon"], "--time-limit: expected a positive number, found 'soon'"),
        (["solve", "q.toml", "--tolerance", "nan"], "--tolerance: expected a positive number, found 'nan'"),
        (["solve", "q.toml", "--tolerance", "inf"], "--tolerance: expected a positive number, found 'inf'"),
        (["solve", "q.toml", "--verbose"], "unrecognized arguments: --verbose"),
        (["solve", "q.toml", "--engin", "z3"], "unrecognized arguments: --engin"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_what_can_not_be_done_is_bad_input_too(
    scenario: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UnsupportedError("two\nlines")

    monkeypatch.setattr("tokendemo_formal.override.solve.solve", refuse)
    assert main(["solve", scenario]) == 2
    assert capsys.readouterr().err == "tokendemo: two lines\n"


def test_new_writes_the_template_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    assert main(["new", str(path)]) == 0
    assert f"tokendemo solve {path}" in capsys.readouterr().out
    assert path.read_text(encoding="utf-8") == TEMPLATE
    path.write_text("mine")
    assert main(["new", str(path)]) == 2
    assert path.read_text() == "mine"


def test_new_has_a_default_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new"]) == 0
    assert (tmp_path / "question.toml").exists()


def test_inspect(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_json(capsys, "inspect", str(folder / "small"))
    assert content == load_model(str(folder / "small")).describe()
    assert main(["inspect", str(folder / "small")]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^heads +2$", text, re.MULTILINE)
    assert re.search(r"^causal +yes$", text, re.MULTILINE)
    assert re.search(r"^unsupported +none$", text, re.MULTILINE)
    assert re.search(rf"^hash +{content['hash']}$", text, re.MULTILINE)


def test_inspect_a_real_model(shared_models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_json(capsys, "inspect", str(shared_models / "stories260k-llama-hf"))
    assert (content["family"], content["heads"], content["key_value_heads"], content["layers"]) == ("Llama", 8, 4, 5)
    assert any("MLP" in sentence for sentence in content["left_out_of_layer_0"])


def test_what_is_left_out_is_said(shared_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "names.toml"
    path.write_text(
        f'[model]\nsource = "{shared_models / "makemore-names-gpt2-hf"}"\nlayer = 1\n'
        '[template]\nbefore = "<|startstop|>em"\nreader = -2\nafter = "ma"\n'
        '[readout]\ntoward = "a"\nagainst = "e"\n[adversary]\nslots = 1\n'
    )
    content = run_json(capsys, "solve", str(path))
    assert content["verdict"] in ("override", "no-override")
    assert len(content["left_out"]) == 4
    assert main(["solve", str(path), "--votes"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(sentence in text for sentence in content["left_out"])
    assert "after the norm" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"tokendemo {__version__}\n"


# Progress and interruptions ----------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


PROGRESS = Progress(slots=4, bound=0.25, incumbent=-0.5, open_nodes=7, nodes=12, seconds=3.0)


def test_progress_is_one_line_that_is_cleared() -> None:
    terminal = Terminal()
    with _ProgressLine(terminal, time.perf_counter() - 60) as line:
        line(PROGRESS)
        line(PROGRESS)
    first, last = terminal.getvalue().split("\r\x1b[K")[1:]
    assert re.fullmatch(r"length 4: at most 0.25, best found -0.5, 7 open nodes of 12, 60 s", first)
    assert last == ""


def test_progress_is_silent_at_first_and_elsewhere_than_on_a_terminal() -> None:
    terminal, file = Terminal(), io.StringIO()
    with _ProgressLine(terminal, time.perf_counter()) as line:
        line(PROGRESS)
    with _ProgressLine(file, time.perf_counter() - 60) as line:
        line(PROGRESS)
    assert terminal.getvalue() == file.getvalue() == ""


@pytest.mark.usefixtures("encoder_directory")
def interruptible() -> None:
    """A process started in a shell's background would ignore interruptions, and its children too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def at_work(pid: int, seconds: float) -> None:
    """Waits until a process has had so many seconds of a processor: on a busy machine its start takes long."""
    stat = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.2)
        if not stat.exists():  # not Linux: wait and hope
            time.sleep(seconds)
            return
        fields = stat.read_text().rpartition(")")[2].split()
        if (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") >= seconds:
            return


def test_interrupted_answers_leave_nothing_behind() -> None:
    example = Path(__file__).parents[1] / "examples" / "encoder_minimum.toml"
    with subprocess.Popen(
        [*COMMAND, "solve", str(example), "--ask", "maximum", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    ) as process:
        at_work(process.pid, 3.0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "tokendemo: interrupted\n")


def test_a_closed_pipe_is_no_traceback(folder: Path) -> None:
    reader = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    assert reader.stdin is not None
    reader.wait()
    done = subprocess.run(
        [*COMMAND, "inspect", str(folder / "small")],
        stdout=reader.stdin.fileno(),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    reader.stdin.close()
    assert done.stderr == ""


def test_a_certificate_that_has_no_place_is_noticed_before_the_search(
    scenario: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokendemo_formal.override.solve.solve", lambda *_, **__: pytest.fail("searched all the same"))
    for path, problem in ((folder, "is a directory"), (folder / "nowhere" / "x.jsonl", "there is no directory")):
        assert main(["solve", scenario, "--certificate", str(path)]) == 2
        assert problem in capsys.readouterr().err
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert main(["solve", scenario, "--certificate", str(folder / "x.jsonl")]) == 2
    assert "can't be written to" in capsys.readouterr().err
