"""The command line: ``tokendemo solve | demo | inspect | new``.

Exit codes: 0 answered, 2 bad input (one line on stderr), 3 gave up (the best bounds so far are printed all the same),
130 interrupted. An answer is written in one piece when it is complete, so an interruption leaves nothing half written.

Only what every command needs is imported here: ``--help`` loads neither NumPy nor a solver.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from tokendemo_formal import __version__
from tokendemo_formal.errors import InputError, TokenDemoError

if TYPE_CHECKING:
    from tokendemo_formal.override.solve import Progress

ANSWERED, BAD_INPUT, GAVE_UP, INTERRUPTED = 0, 2, 3, 130

_QUIET_SECONDS = 2.0
"""How long a command may take before it reports progress."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        argv: the arguments after the program's name; None: those of the process.
    """
    try:
        options = parser().parse_args(argv)
        code: int = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("tokendemo: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader (head, less) has gone; keep Python from complaining about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BAD_INPUT
    except (TokenDemoError, OSError) as error:
        print(f"tokendemo: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for all bad input."""
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; ``run`` of what it returns is the command's function."""
    root = _Parser(
        prog="tokendemo",
        description="Can adversarial tokens outweigh the safety instruction in one attention layer, and how few? "
        "Exact answers for stored weights.",
        epilog="Exit codes: 0 answered, 2 bad input, 3 gave up, 130 interrupted.",
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"tokendemo {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    solve = commands.add_parser("solve", help="answer the question in a TOML file", allow_abbrev=False)
    solve.add_argument(
        "scenario", metavar="SCENARIO.toml", help="the question; 'tokendemo new' writes one to start from"
    )
    solve.add_argument("--ask", choices=("exists", "minimum", "maximum"), help="instead of the file's ask")
    solve.add_argument("--slots", type=_natural, metavar="N", help="instead of the file's adversary.slots")
    solve.add_argument("--engine", choices=("search", "z3", "brute-force"), help="instead of the file's engine")
    solve.add_argument(
        "--tolerance", type=_positive, metavar="X", help="for maximum: how far apart the bounds may stay"
    )
    solve.add_argument("--time-limit", type=_positive, metavar="S", help="give up after S seconds of search")
    solve.add_argument("--node-limit", type=_counting, metavar="N", help="give up after N search nodes")
    solve.add_argument("--votes", action="store_true", help="show what each token contributes through each head")
    solve.add_argument(
        "--float32", action="store_true", help="bound how far float32 runs of the layer can be from the margin"
    )
    solve.add_argument("--json", action="store_true", help="print one JSON object")
    solve.add_argument("--certificate", metavar="FILE", help="write a proof that 'tokendemo check' checks")
    solve.set_defaults(run=_solve)

    check = commands.add_parser(
        "check",
        help="check a certificate, by code that shares nothing with the search",
        epilog="Exit codes: 0 valid, 1 invalid, 2 malformed, 3 unsupported or undecided.",
    )
    check.add_argument("certificate", metavar="CERT", help="what 'tokendemo solve --certificate' wrote")
    check.add_argument(
        "--model", metavar="MODEL", help="the model's directory, bundled:NAME or package:NAME; default: what CERT names"
    )
    check.set_defaults(run=_check)

    demo = commands.add_parser("demo", help="the shortest override of the trained layer that comes with the package")
    demo.set_defaults(run=_demo)

    inspect = commands.add_parser("inspect", help="what a model is, and what of it is supported")
    inspect.add_argument("model", metavar="MODEL", help="a directory, bundled:NAME or package:NAME")
    inspect.add_argument("--json", action="store_true", help="print one JSON object")
    inspect.set_defaults(run=_inspect)

    new = commands.add_parser("new", help="write a commented scenario to start from")
    new.add_argument("file", metavar="FILE", nargs="?", default="question.toml", help="default: question.toml")
    new.set_defaults(run=_new)
    return root


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, found {text!r}")
    return int(text)


def _counting(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, found {text!r}")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, found {text!r}")
    return number


def _solve(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    from tokendemo_formal.models import load_model
    from tokendemo_formal.override.solve import solve
    from tokendemo_formal.report import Report
    from tokendemo_formal.scenario import read_scenario

    scenario = read_scenario(options.scenario)
    given = {name: getattr(options, name) for name in ("ask", "slots", "engine", "tolerance")}
    scenario = dataclasses.replace(scenario, **{name: value for name, value in given.items() if value is not None})
    model = load_model(scenario.source)
    question = scenario.question(model)
    load_seconds = time.perf_counter() - start
    with _ProgressLine(sys.stderr, start) as progress:
        answer = solve(
            question,
            scenario.ask,
            engine=scenario.engine,
            tolerance=scenario.tolerance,
            time_limit=options.time_limit,
            node_limit=options.node_limit,
            progress=progress,
            certify=options.certificate is not None,
        )
        votes = _votes(question, answer) if options.votes else None
    written = None
    if options.certificate is not None and answer.verdict != "gave-up":
        from tokendemo_formal.certificates.writer import write_certificate

        tensors = model.tensors(scenario.layer)
        written = write_certificate(options.certificate, question, answer, model.files, tensors, scenario.source)
    runs = _float32(question, answer) if options.float32 else None
    report = Report(scenario, model, question, answer, load_seconds, votes, runs)
    if options.json:
        certificate = None if written is None else {"file": options.certificate, "bytes": written}
        _print(json.dumps({**report.to_json(), "certificate": certificate}, indent=2) + "\n")
    else:
        _print(report.to_text())
        if written is not None:
            _print(f"certificate {options.certificate}, {written:,} bytes; tokendemo check {options.certificate}\n")
    return GAVE_UP if answer.verdict == "gave-up" else ANSWERED


def _check(options: argparse.Namespace) -> int:
    from tokendemo_formal.certificates.checker import check
    from tokendemo_formal.models import model_directory

    if not Path(options.certificate).is_file():
        raise InputError(f"{options.certificate}: there is no such file")
    source = options.model or _named_source(options.certificate)
    verdict = check(options.certificate, model_directory(source) if source else None)
    _print(f"{verdict}\n")
    return verdict.exit_code


def _named_source(certificate: str) -> str | None:
    """Where a certificate says that its model is; what it really is about, the checker finds out by hashes."""
    try:
        with Path(certificate).open("rb") as file:
            source = json.loads(file.readline(1 << 20)).get("source")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return source if isinstance(source, str) else None


def _votes(question: Any, answer: Any) -> Any:
    """Of the witness; without one, of the template alone."""
    from tokendemo_formal.override.votes import votes

    assignment = answer.assignment or ()
    toward, against = answer.pairs[0] if answer.pairs else (question.toward[0], question.against[0])
    return votes(question.alone(0, toward, against).with_slots(len(assignment)), assignment)


def _float32(question: Any, answer: Any) -> Any:
    from tokendemo_formal.override.float32 import float32_runs

    return float32_runs(question, answer)


def _demo(options: argparse.Namespace) -> int:
    from tokendemo_formal.demo import demo

    with _ProgressLine(sys.stderr, time.perf_counter()) as progress:
        text = demo(progress)
    _print(text)
    return ANSWERED


def _inspect(options: argparse.Namespace) -> int:
    from tokendemo_formal.models import load_model
    from tokendemo_formal.report import description_text

    description = load_model(options.model).describe()
    _print(json.dumps(description, indent=2) + "\n" if options.json else description_text(description))
    return ANSWERED


def _new(options: argparse.Namespace) -> int:
    from tokendemo_formal.scenario import TEMPLATE

    path = Path(options.file)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise InputError(f"{path}: exists already, and is not overwritten; give another name") from None
    _print(f"Wrote {path}. Edit it, then ask: tokendemo solve {path}\n")
    return ANSWERED


def _print(text: str) -> None:
    """All of it at once; characters that the terminal's encoding lacks are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


class _ProgressLine:
    """One line on a terminal, rewritten a few times a second and cleared at the end; silent elsewhere."""

    def __init__(self, stream: TextIO, start: float) -> None:
        self.stream = stream
        self.silent = not stream.isatty()
        self.start = start
        self.last = 0.0

    def __enter__(self) -> _ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self.last:
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def __call__(self, progress: Progress) -> None:
        now = time.perf_counter()
        if self.silent or now - self.start < _QUIET_SECONDS or now - self.last < 0.2:
            return
        self.last = now
        self.stream.write(
            f"\r\x1b[Klength {progress.slots}: at most {progress.bound:.6g}, best found {progress.incumbent:.6g}, "
            f"{progress.open_nodes} open nodes of {progress.nodes}, {now - self.start:.0f} s"
        )
        self.stream.flush()
