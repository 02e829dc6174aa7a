"""Where the proof scripts are, and running many of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

from tokendemo_formal.errors import InputError
from tokendemo_formal.proving.kernel import Kernel
from tokendemo_formal.proving.proof import Proof, Result, Status, run, unproved
from tokendemo_formal.proving.solvers import SolverName
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
    return run(name, script(name), Kernel(solvers, seconds), script)


def prove_all(
    names: Iterable[str], solvers: Sequence[SolverName] | None = None, seconds: float = 10.0, workers: int | None = None
) -> Iterator[Result]:
    """Runs many, each in one of some processes, in the order given. ``workers`` None: as many as there are cores."""
    wanted = list(names)
    if workers == 1 or len(wanted) == 1:
        yield from (prove(name, solvers, seconds) for name in wanted)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(prove, wanted, [solvers] * len(wanted), [seconds] * len(wanted))


def settled(result: Result) -> bool:
    """Whether the verdict is the expected one and the status is a proof's or a refutation's."""
    return result.verdict == theorem(result.name).expected and result.status.rank <= Status.SMT.rank
