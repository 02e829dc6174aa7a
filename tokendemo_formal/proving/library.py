"""Where the proof scripts are, and running many of them."""

from __future__ import annotations

import importlib.util
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing import Pipe, get_all_start_methods, get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic
from typing import Any

from tokendemo_formal.errors import InputError
from tokendemo_formal.proving.kernel import Kernel
from tokendemo_formal.proving.proof import Proof, Result, run, unproved
from tokendemo_formal.proving.solvers import SolverName, default_solvers
from tokendemo_formal.theorems import theorem


def directory() -> Path:
    """The folder of proof scripts: beside the package in its repository, inside it where it was installed.

    Raises:
        InputError: where neither is there.
    """
    package = Path(__file__).resolve().parent.parent
    for place in (package.parent / "proofs", package / "proofs"):
        if place.is_dir():
            return place
    raise InputError(f"no folder 'proofs' beside or in {package}; reinstall the package")


@cache
def script(name: str) -> Callable[[Proof], None]:
    """The function ``prove`` of ``proofs/NAME.py``.

    Raises:
        InputError: where there is no such script, or it defines no ``prove``.
    """
    path = directory() / f"{name}.py"
    if not path.is_file():
        raise InputError(f"{name}: there is no proof script {path}")
    spec = importlib.util.spec_from_file_location(f"tokendemo_proofs.{name}", path)
    assert spec is not None, f"{path} is a Python file"
    assert spec.loader is not None, f"{path} is a Python file"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    prove: Callable[[Proof], None] | None = getattr(module, "prove", None)
    if prove is None:
        raise InputError(f"{path} defines no function prove(p)")
    return prove


@cache
def _kernel(solvers: tuple[SolverName, ...], seconds: float) -> Kernel:
    """One kernel for all proofs of a process, so that each lemma is shown once."""
    return Kernel(solvers, seconds)


def prove(name: str, solvers: Sequence[SolverName] | None = None, seconds: float = 10.0) -> Result:
    """Runs one theorem's proof script in this process.

    Args:
        name: of the theorem.
        solvers: who decides arithmetic; None: Z3, and cvc5 if it is installed.
        seconds: the longest that a solver may take for one step.
    """
    of = theorem(name)
    if not (directory() / f"{name}.py").is_file():
        return unproved(of)
    return run(name, script(name), _kernel(tuple(solvers or default_solvers()), seconds), script)


def prove_all(
    names: Iterable[str], solvers: Sequence[SolverName] | None = None, seconds: float = 10.0, workers: int | None = None
) -> Iterator[Result]:
    """Runs many in processes of their own, and yields each result as soon as it is there.

    A script that breaks off with an error that no proof raises, or whose process dies, has failed; one that takes six
    times what a solver may take for one step (and a minute at least: not all solvers keep to their time) gave up. The
    others go on.

    Args:
        names: of theorems.
        solvers, seconds: as for :func:`prove`.
        workers: how many processes; None: as many as there are cores.
    """
    waiting = list(dict.fromkeys(names))[::-1]
    limit = max(_PATIENCE, 6 * seconds)
    team: dict[Connection, _Worker] = {}
    try:
        while waiting or team:
            while waiting and len(team) < (workers or os.cpu_count() or 1):
                worker = _Worker(solvers, seconds)
                team[worker.connection] = worker
                worker.give(waiting.pop())
            for connection in wait(list(team), min(worker.began for worker in team.values()) + limit - monotonic()):
                worker = team[connection]  # type: ignore[index]
                try:
                    result = worker.connection.recv()
                except (EOFError, OSError):
                    yield unproved(theorem(worker.name), "the process that ran the proof script died")
                    team.pop(worker.connection).end()
                    continue
                if waiting:
                    worker.give(waiting.pop())
                else:
                    team.pop(worker.connection).end()
                yield result
            for worker in [w for w in team.values() if monotonic() - w.began > limit]:
                team.pop(worker.connection).end()
                yield unproved(theorem(worker.name), f"it was stopped after {limit:.0f} s", "gave-up")
    finally:
        for worker in team.values():
            worker.end()


_PATIENCE = 60.0
"""Seconds that every script may take."""


class _Worker:
    """A process that runs one proof script at a time."""

    def __init__(self, solvers: Sequence[SolverName] | None, seconds: float) -> None:
        # not fork: solvers have threads
        context: Any = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
        self.connection, theirs = Pipe()
        self.process = context.Process(target=_work, args=(theirs, solvers, seconds), daemon=True)
        self.process.start()
        theirs.close()
        self.name, self.began = "", monotonic()

    def give(self, name: str) -> None:
        self.name, self.began = name, monotonic()
        with suppress(OSError):  # a dead process shows when its answer is waited for
            self.connection.send(name)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _work(connection: Connection, solvers: Sequence[SolverName] | None, seconds: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    while True:
        connection.send(_attempt(connection.recv(), solvers, seconds))


def _attempt(name: str, solvers: Sequence[SolverName] | None, seconds: float) -> Result:
    try:
        return prove(name, solvers, seconds)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return unproved(theorem(name), f"{type(error).__name__} in {where.filename}, line {where.lineno}: {error}")
