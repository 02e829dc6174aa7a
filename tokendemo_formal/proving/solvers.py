"""SMT solvers, asked with the text of an SMT-LIB 2 script: Z3, and cvc5 where it is installed.

Z3: L. de Moura and N. Bjørner, "Z3: an efficient SMT solver", 2008. cvc5: H. Barbosa et al., 2022.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

from tokendemo_formal.errors import InputError

SolverName: TypeAlias = Literal["z3", "cvc5"]
Reply: TypeAlias = Literal["sat", "unsat", "unknown"]


@cache
def available(solver: SolverName) -> bool:
    """Whether the solver's package is installed."""
    return find_spec(solver) is not None


def default_solvers() -> tuple[SolverName, ...]:
    """Z3, and cvc5 if it is there."""
    return ("z3", "cvc5") if available("cvc5") else ("z3",)


def required(solver: SolverName) -> SolverName:
    """The solver itself.

    Raises:
        InputError: where it is not installed.
    """
    if not available(solver):
        raise InputError(
            f"the solver {solver} is not installed; pip install {'z3-solver' if solver == 'z3' else solver}"
        )
    return solver


@dataclass(frozen=True)
class Response:
    """What a solver said; ``model`` is one for "sat", as text."""

    reply: Reply
    model: str = ""


def ask(solver: SolverName, script: str, seconds: float) -> Response:
    """Runs a script that ends in (check-sat).

    Args:
        solver: which one.
        script: SMT-LIB 2.
        seconds: after which the reply is "unknown"; less than the millisecond that solvers count in is no time at all.

    Raises:
        InputError: where the solver is not installed.
    """
    if required(solver) and seconds < 0.001:
        return Response("unknown")
    return _z3(script, seconds) if solver == "z3" else _cvc5(script, seconds)


_thread = threading.local()


def _z3_context() -> Any:
    """Each thread's own, made once: making one takes longer than most questions asked here."""
    if not hasattr(_thread, "context"):
        import z3

        _thread.context = z3.Context()
    return _thread.context


def _z3(script: str, seconds: float) -> Response:
    import z3

    context = _z3_context()
    # nlsat first, which decides most of what is asked here; then whatever Z3 chooses
    for tactic in ("qfnra-nlsat", None):
        solver: Any = z3.Tactic(tactic, ctx=context).solver() if tactic else z3.Solver(ctx=context)
        solver.set("timeout", max(1, int(seconds * 500)))
        solver.from_string(script)
        try:
            reply = solver.check()
        except z3.Z3Exception:
            continue
        if reply == z3.unsat:
            return Response("unsat")
        if reply == z3.sat:
            return Response(
                "sat", ", ".join(sorted(f"{d.name()} = {solver.model()[d]}" for d in solver.model().decls()))
            )
        if "interrupted from keyboard" in solver.reason_unknown():  # Z3 takes Ctrl-C for itself
            del _thread.context
            raise KeyboardInterrupt
    return Response("unknown")


def _cvc5(script: str, seconds: float) -> Response:
    import cvc5

    manager = cvc5.TermManager()
    solver = cvc5.Solver(manager)
    solver.setOption("tlimit-per", str(max(1, int(seconds * 1000))))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, "obligation")
    symbols = parser.getSymbolManager()
    printed = ""
    while True:
        command = parser.nextCommand()
        if command.isNull():
            break
        printed += str(command.invoke(solver, symbols))
    reply = printed.strip().splitlines()[-1:]
    if reply == ["unsat"]:
        return Response("unsat")
    return Response("sat" if reply == ["sat"] else "unknown")
