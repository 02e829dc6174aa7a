"""A proof's obligations, and the statement itself, as SMT-LIB 2 for any other solver to run."""

from __future__ import annotations

from pathlib import Path

from tokendemo_formal.errors import InputError
from tokendemo_formal.logic.printing import smtlib_statement, text
from tokendemo_formal.proving.proof import Result
from tokendemo_formal.theorems import Theorem


def write(of: Theorem, result: Result, to: Path) -> list[Path]:
    """Writes the obligations and, in a file of its own, the statement; existing files are replaced.

    Args:
        of: the theorem.
        result: of its proof script.
        to: a file for all obligations (its name ends in .smt2; the statement goes beside it), or a directory, which
            gets one file for each.

    Raises:
        InputError: where the proof was not finished, or ``to`` can be neither.
    """
    if result.verdict not in ("proved", "refuted"):
        raise InputError(f"{of.name}: there is nothing to export, the proof script {result.verdict}: {result.problem}")
    if to.suffix == ".smt2" and not to.is_dir():
        files = {to.with_name(f"{to.stem}.statement.smt2"): statement(of)}
        if result.obligations:
            files[to] = together(of, result)
    elif to.suffix and not to.is_dir():
        raise InputError(f"{to}: expected a name that ends in .smt2, or a directory")
    else:
        to.mkdir(parents=True, exist_ok=True)
        files = {to / f"{of.name}.statement.smt2": statement(of)}
        for i, script in enumerate(obligations(of, result), 1):
            files[to / f"{of.name}.{i:02}.smt2"] = script
    for path, content in files.items():
        path.write_text(content, encoding="utf-8")
    return sorted(files)


def obligations(of: Theorem, result: Result) -> list[str]:
    """One script each, all expected to be unsatisfiable."""
    count = len(result.obligations)
    return [
        "\n".join(
            [
                f"; {of.name}: step {i} of {count} that its proof leaves to solvers",
                f"; to show: {o.goal}",
                "; expected: unsat, since no numbers meet the premises and not the goal. Whatever is not arithmetic (a",
                "; sum, an exponential, a statement for each index) is a number or proposition, named by what it is",
                f"; told so by: {', '.join(s for s, reply in o.replies if reply == 'unsat')}",
                o.script,
            ]
        )
        for i, o in enumerate(result.obligations, 1)
    ]


def together(of: Theorem, result: Result) -> str:
    """All obligations in one script: each (check-sat) is to answer unsat, and (reset) stands between them."""
    top = [
        f"; {of.name}: {of.sentence}",
        f"; {len(result.obligations)} steps of its proof, each with a (check-sat) that is to answer unsat;",
        "; what turns them into the theorem (induction, and rules for sums) is told by: tokendemo explain " + of.name,
        "",
    ]
    return "\n".join(top) + "\n(reset)\n".join(obligations(of, result))


def statement(of: Theorem) -> str:
    """The whole statement: unsatisfiable if it is true. Few solvers decide it."""
    comments = [
        f"{of.name}: {of.sentence}",
        *(f"assumed, {name}: {text(t)}" for name, t in of.assumptions.items()),
        f"claimed: {text(of.conclusion)}",
        "The statement as a whole; sums of any length are recursive functions, so few solvers decide it.",
    ]
    return smtlib_statement(of.assumptions, of.conclusion, comments, "sat" if of.expected == "refuted" else "unsat")
