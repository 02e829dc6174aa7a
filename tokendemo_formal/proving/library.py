"""Where the proof scripts are, and running many of them."""

from __future__ import annotations

import importlib.util
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import active_children, get_all_start_methods, get_context
from pathlib import Path

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
    """Runs many, and yields each result as soon as it is there.

    A script that breaks off with an error that no proof raises, or that takes its process with it, has failed; the
    others go on.

    Args:
        names: of theorems.
        solvers, seconds: as for :func:`prove`.
        workers: how many processes; None: as many as there are cores. With 1, no other process is started.
    """
    wanted = list(dict.fromkeys(names))
    workers = min(workers or os.cpu_count() or 1, len(wanted))
    if workers <= 1:
        yield from (_attempt(name, solvers, seconds) for name in wanted)
        return
    lost = []
    for name, result in _in_processes(wanted, solvers, seconds, workers):
        if result is None:
            lost.append(name)
        else:
            yield result
    # whoever was at work when a process died is tried again, each on its own: so it shows who did it
    for one in lost:
        for _, result in _in_processes([one], solvers, seconds, 1):
            yield result or unproved(theorem(one), "the process that ran the proof script died")


def _in_processes(
    names: Sequence[str], solvers: Sequence[SolverName] | None, seconds: float, workers: int
) -> Iterator[tuple[str, Result | None]]:
    """Results by name, as they come; None where the process was lost."""
    # not fork: solvers have threads
    context = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
    others = set(active_children())
    pool = ProcessPoolExecutor(workers, context, _leave_interrupts_to_the_parent)
    try:
        futures = {pool.submit(_attempt, name, solvers, seconds): name for name in names}
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                yield futures[future], None
    except BaseException:
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _attempt(name: str, solvers: Sequence[SolverName] | None, seconds: float) -> Result:
    try:
        return prove(name, solvers, seconds)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return unproved(theorem(name), f"{type(error).__name__} in {where.filename}, line {where.lineno}: {error}")
