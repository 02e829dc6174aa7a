"""The command line, ``tokendemo COMMAND``: questions about a layer, and theorems about all layers.

Exit codes: 0 answered, 1 not as expected (``check``, ``prove``, ``explain``, ``replay``), 2 bad input (one line on
stderr), 3 gave up (what there is so far is printed all the same), 130 interrupted. An answer is written in one piece
when it is complete, so an interruption leaves nothing half written.

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
from typing import TYPE_CHECKING, Any, NoReturn, Self, TextIO

from tokendemo_formal import __version__
from tokendemo_formal.errors import InputError, TokenDemoError

if TYPE_CHECKING:
    from tokendemo_formal.override.run import Progress

ANSWERED, UNEXPECTED, BAD_INPUT, GAVE_UP, INTERRUPTED = 0, 1, 2, 3, 130

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
        "Exact answers for stored weights, and theorems with proofs.",
        epilog="Exit codes: 0 answered, 1 not as expected, 2 bad input, 3 gave up, 130 interrupted.",
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"tokendemo {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    solve = commands.add_parser("solve", help="answer the question in a TOML file", allow_abbrev=False)
    solve.add_argument(
        "scenario", metavar="SCENARIO.toml", help="the question; 'tokendemo new' writes one to start from"
    )
    solve.add_argument(
        "--ask", choices=("exists", "minimum", "maximum", "any-length"), help="instead of the file's ask"
    )
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

    prove = commands.add_parser(
        "prove",
        help="run the proofs of theorems, or of all, and tell what holds",
        epilog="Exit codes: 0 all verdicts are the expected ones, 1 one is not, 2 bad input, 3 a solver gave up.",
        allow_abbrev=False,
    )
    prove.add_argument("names", metavar="NAME", nargs="*", help="a theorem; default: all")
    prove.add_argument("--json", action="store_true", help="print one JSON object")
    _add_solver_options(prove)
    prove.add_argument("--jobs", type=_counting, metavar="N", help="processes; default: as many as there are cores")
    prove.set_defaults(run=_prove)

    explain = commands.add_parser("explain", help="what a theorem says, why, and where it stops", allow_abbrev=False)
    explain.add_argument("name", metavar="NAME", help="a theorem; 'tokendemo prove' lists them")
    _add_solver_options(explain)
    explain.set_defaults(run=_explain)

    export = commands.add_parser("export", help="a proof's arithmetic, for other solvers to decide", allow_abbrev=False)
    export.add_argument("name", metavar="NAME", help="a theorem; 'tokendemo prove' lists them")
    export.add_argument(
        "--smtlib", required=True, metavar="FILE.smt2|DIRECTORY", help="one file, or one for each question to a solver"
    )
    _add_solver_options(export)
    export.set_defaults(run=_export)

    mutants = commands.add_parser(
        "mutants", help="statements near a theorem's, and how many of them are refuted", allow_abbrev=False
    )
    mutants.add_argument("names", metavar="NAME", nargs="*", help="a theorem; default: all")
    mutants.set_defaults(run=_mutants)

    replay = commands.add_parser(
        "replay",
        help="theorems on the numbers of real layers: do they hold, how tightly",
        epilog="Exit codes: 0 all hold, 1 one is broken (the draw is printed), 2 bad input.",
        allow_abbrev=False,
    )
    replay.add_argument("names", metavar="NAME", nargs="*", help="a theorem; default: all")
    replay.add_argument(
        "--model", action="append", metavar="MODEL", help="a directory, bundled:NAME or package:NAME; may be repeated"
    )
    replay.add_argument("--draws", type=_counting, default=2, metavar="N", help="random prompts a layer; default: 2")
    replay.add_argument("--seed", type=_natural, default=0, metavar="N", help="of the random numbers; default: 0")
    replay.set_defaults(run=_replay)
    return root


def _add_solver_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--solver",
        choices=("z3", "cvc5", "both"),
        help="who decides arithmetic; default: both, where cvc5 is installed",
    )
    command.add_argument(
        "--timeout", type=_positive, default=10.0, metavar="S", help="for one question to a solver; default: 10 seconds"
    )


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

    if options.certificate is not None:
        _require_place("--certificate ", Path(options.certificate))
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
        elif options.certificate is not None:
            _print("certificate none: the question was not decided\n")
    return GAVE_UP if answer.verdict == "gave-up" else ANSWERED


def _require_place(name: str, path: Path) -> None:
    """A file can be written there; before a search that may be long."""
    if path.is_dir():
        raise InputError(f"{name}{path}: is a directory; give the name of a file")
    if not path.parent.is_dir():
        raise InputError(f"{name}{path}: there is no directory {path.parent}; make it, or give another place")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{name}{path}: {path.parent} can't be written to; give another place")


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

    return votes(question, answer.assignment or ())


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
    _require_place("", path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise InputError(f"{path}: exists already, and is not overwritten; give another name") from None
    _print(f"Wrote {path}. Edit it, then ask: tokendemo solve {path}\n")
    return ANSWERED


def _prove(options: argparse.Namespace) -> int:
    from tokendemo_formal.proving.library import prove_all
    from tokendemo_formal.proving.report import settled, summary, table, to_json
    from tokendemo_formal.theorems import chosen

    start = time.perf_counter()
    wanted = [of.name for of in chosen(options.names)]
    results = []
    with _Line(sys.stderr, start) as line:
        for result in prove_all(wanted, _solvers(options), options.timeout, options.jobs):
            results.append(result)
            line.write(f"{len(results)} of {len(wanted)} theorems")
    seconds = time.perf_counter() - start
    results.sort(key=lambda result: wanted.index(result.name))
    if options.json:
        content = {"theorems": [to_json(r) for r in results], "summary": summary(results, seconds)}
        _print(json.dumps(content, indent=2) + "\n")
    else:
        _print(table(results, seconds))
    unexpected = [r for r in results if not settled(r)]
    if any(r.verdict != "gave-up" for r in unexpected):
        return UNEXPECTED
    return GAVE_UP if unexpected else ANSWERED


def _explain(options: argparse.Namespace) -> int:
    from tokendemo_formal.proving.library import prove
    from tokendemo_formal.proving.report import explanation, settled
    from tokendemo_formal.theorems import theorem

    of = theorem(options.name)
    result = prove(of.name, _solvers(options), options.timeout)
    _print(explanation(of, result))
    return ANSWERED if settled(result) else GAVE_UP if result.verdict == "gave-up" else UNEXPECTED


def _export(options: argparse.Namespace) -> int:
    from tokendemo_formal.proving.export import write
    from tokendemo_formal.proving.library import prove
    from tokendemo_formal.theorems import theorem

    of = theorem(options.name)
    result = prove(of.name, _solvers(options), options.timeout)
    for path in write(of, result, Path(options.smtlib)):
        _print(f"{path}\n")
    return ANSWERED


def _mutants(options: argparse.Namespace) -> int:
    from tokendemo_formal.theorems import chosen
    from tokendemo_formal.theorems.scrutiny import report

    _print(report(chosen(options.names)))
    return ANSWERED


def _replay(options: argparse.Namespace) -> int:
    from random import Random

    from tokendemo_formal.models import load_model
    from tokendemo_formal.replay import Tally, draws, replay, table
    from tokendemo_formal.theorems import chosen

    random = Random(options.seed)
    tallies = [Tally(of) for of in chosen(options.names)]
    with _Line(sys.stderr, time.perf_counter()) as line:
        for source in options.model or ["bundled:guard"]:
            for layer in range(load_model(source).layers):
                for i, draw in enumerate(draws(source, options.draws, random, layer)):
                    line.write(f"{source}, layer {layer}, draw {i + 1} of {options.draws}")
                    replay(tallies, draw)
    _print(table(tallies))
    return UNEXPECTED if any(tally.wrong for tally in tallies) else ANSWERED


def _solvers(options: argparse.Namespace) -> tuple[Any, ...] | None:
    from tokendemo_formal.proving.solvers import required

    if options.solver is None:
        return None
    return tuple(required(name) for name in (("z3", "cvc5") if options.solver == "both" else (options.solver,)))


def _print(text: str) -> None:
    """All of it at once; characters that the terminal's encoding lacks are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


class _Line:
    """One line on a terminal, rewritten a few times a second and cleared at the end; silent elsewhere."""

    def __init__(self, stream: TextIO, start: float) -> None:
        self.stream = stream
        self.silent = not stream.isatty()
        self.start = start
        self.last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.last:
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def write(self, told: str) -> None:
        now = time.perf_counter()
        if self.silent or now - self.start < _QUIET_SECONDS or now - self.last < 0.2:
            return
        self.last = now
        self.stream.write(f"\r\x1b[K{told}, {now - self.start:.0f} s")
        self.stream.flush()


class _ProgressLine(_Line):
    """How far a search is."""

    def __call__(self, progress: Progress) -> None:
        self.write(
            f"length {progress.slots}: at most {progress.bound:.6g}, best found {progress.incumbent:.6g}, "
            f"{progress.open_nodes} open nodes of {progress.nodes}"
        )
