"""The exact search beside other ways to the same answer, in one run and one table.

Provers get the rungs of benchmarks/ladder.py, whose refusals are tight: brute force, Z3 and cvc5 (N_h = y_h D_h in
nonlinear real arithmetic, tokens one-hot), HiGHS (the same with y_h x_t linearised exactly, McCormick on a binary being
exact) and CP-SAT (integers, scaled). Every one reads the same float64 tables; only the search encloses their rounding,
so a peer's "refused" is one up to its tolerance. What a peer says against the search's verdict is marked with "!".

Attackers (random search; greedy coordinate gradient with its published defaults, 256 candidates a slot and batches of
512; the same tuned: all of the vocabulary tried in a random slot, only improvements taken, restarted where stuck) get
as much time as the search took to prove the maximum to 1e-6, and are asked how often, of 20 seeds, they miss it.

Needs: pip install -r benchmarks/requirements.txt. Run: python benchmarks/peers.py
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import cvc5.pythonic
import highspy
import numpy as np
import z3
from ladder import rung, tight
from ortools.sat.python import cp_model

from tokendemo_formal.override.brute_force import LARGEST
from tokendemo_formal.override.question import Question
from tokendemo_formal.override.reading import plain_reading
from tokendemo_formal.override.solve import solve
from tokendemo_formal.override.tables import Problem, SlotTable, TableBuilder, assemble

Prover: TypeAlias = Callable[[Question, Problem, float], str]

RUNGS = ((8, 2, 2), (32, 3, 2), (256, 4, 2), (32, 4, 4), (256, 4, 4), (1024, 4, 4))
DIGITS = 10**6
NAMES = {"no-override": "refused", "override": "found", "gave-up": "undecided", "optimum": "optimum"}


def scaled(problem: Problem) -> Problem:
    """The same f: each head's a and b divided by the template's b, so that peers get numbers of moderate size."""
    unit = problem.template.b

    def divided(table: SlotTable) -> SlotTable:
        return SlotTable(table.a / unit, table.b / unit)

    return replace(problem, template=divided(problem.template), slots=tuple(map(divided, problem.slots)))


# Provers -----------------------------------------------------------------------------------------------------------


def search(question: Question, _: Problem, limit: float) -> str:
    return NAMES[solve(question, time_limit=limit).verdict]


def brute_force(question: Question, _: Problem, limit: float) -> str:
    if len(question.vocabulary) ** question.slots > LARGEST:
        return "too large"
    return NAMES[solve(question, engine="brute-force", time_limit=limit).verdict]


def nonlinear(solver_module: Any) -> Prover:
    """Z3, or cvc5 by the same interface."""

    def prove(_: Question, problem: Problem, limit: float) -> str:
        s = solver_module
        solver = s.SolverFor("QF_NRA") if s is cvc5.pythonic else s.Solver()
        solver.set(**({"tlimit-per": int(limit * 1000)} if s is cvc5.pythonic else {"timeout": int(limit * 1000)}))

        def number(x: float) -> Any:
            return s.RealVal("{}/{}".format(*float(x).as_integer_ratio()))

        one = [[s.Bool(f"x{i}_{t}") for t in range(slot.a.shape[1])] for i, slot in enumerate(problem.slots)]
        for row in one:
            solver.add(s.Or(*row))
            solver.add(*[s.Or(s.Not(p), s.Not(q)) for k, p in enumerate(row) for q in row[:k]])
        ratios = []
        for h in range(problem.heads):
            top, bottom = number(problem.template.a[h, 0]), number(problem.template.b[h, 0])
            for slot, row, i in zip(problem.slots, one, range(len(one)), strict=True):
                a, b = s.Real(f"a{h}_{i}"), s.Real(f"b{h}_{i}")
                for t, x in enumerate(row):
                    solver.add(s.Implies(x, s.And(a == number(slot.a[h, t]), b == number(slot.b[h, t]))))
                top, bottom = top + a, bottom + b
            ratio = s.Real(f"y{h}")
            solver.add(ratio * bottom == top)
            ratios.append(ratio)
        solver.add(number(problem.direct) + s.Sum(ratios) > 0)
        result = str(solver.check())
        return {"unsat": "refused", "sat": "found"}.get(result, "undecided")

    return prove


def ranges(problem: Problem) -> list[tuple[float, float]]:
    """Of each head's ratio: readouts' least and largest."""
    out = []
    for h in range(problem.heads):
        tables = (problem.template, *problem.slots)
        values = np.concatenate([table.a[h] / table.b[h] for table in tables])
        out.append((float(values.min()), float(values.max())))
    return out


def highs(_: Question, problem: Problem, limit: float) -> str:
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("time_limit", limit)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("small_matrix_value", 1e-12)
    one = [[solver.addBinary() for _ in range(slot.a.shape[1])] for slot in problem.slots]
    for row in one:
        solver.addConstr(sum(row) == 1)
    ratios = []
    for h, (low, high) in enumerate(ranges(problem)):
        y = solver.addVariable(low, high)
        balance = y * float(problem.template.b[h, 0]) - float(problem.template.a[h, 0])
        for slot, row in zip(problem.slots, one, strict=True):
            products = [solver.addVariable(min(low, 0.0), max(high, 0.0)) for _ in row]
            for x, w in zip(row, products, strict=True):
                solver.addConstr(w - low * x >= 0)
                solver.addConstr(w - high * x <= 0)
            solver.addConstr(sum(products) - y == 0)
            for x, w, a, b in zip(row, products, slot.a[h].tolist(), slot.b[h].tolist(), strict=True):
                balance += b * w - a * x
        solver.addConstr(balance == 0)
        ratios.append(y)
    solver.maximize(sum(ratios))
    info = solver.getInfo()
    optimal = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    if problem.direct + info.mip_dual_bound <= 0:
        return "refused"
    reached = math.isfinite(info.objective_function_value) and problem.direct + info.objective_function_value > 0
    return "found" if reached and (optimal or info.primal_solution_status == 2) else "undecided"


def highs_if_it_can(question: Question, problem: Problem, limit: float) -> str:
    try:
        return highs(question, problem, limit)
    except highspy.HighsStatusError:  # coefficients that it would drop as too small
        return "numbers too far apart"


def cp_sat(_: Question, problem: Problem, limit: float) -> str:
    model = cp_model.CpModel()
    one = [[model.new_bool_var("") for _ in range(slot.a.shape[1])] for slot in problem.slots]
    for row in one:
        model.add_exactly_one(row)
    ratios = []
    for h, (low, high) in enumerate(ranges(problem)):
        unit = DIGITS / max(float(np.max(slot.b[h])) for slot in problem.slots)
        y = model.new_int_var(math.floor(low * DIGITS), math.ceil(high * DIGITS), "")
        sizes = [round(float(problem.template.b[h, 0]) * unit), round(float(problem.template.a[h, 0]) * unit)]
        bottom: Any = sizes[0]
        top: Any = sizes[1]
        least, most, extent = sizes[0], sizes[0], abs(sizes[1])
        for slot, row in zip(problem.slots, one, strict=True):
            b = [round(v) for v in (slot.b[h] * unit).tolist()]
            a = [round(v) for v in (slot.a[h] * unit).tolist()]
            bottom += sum(v * x for v, x in zip(b, row, strict=True))
            top += sum(v * x for v, x in zip(a, row, strict=True))
            least, most, extent = least + min(b), most + max(b), extent + max(map(abs, a))
        denominator = model.new_int_var(max(least, 1), max(most, 1), "")
        model.add(denominator == bottom)
        product = model.new_int_var(-extent * DIGITS - most, extent * DIGITS + most, "")
        model.add_multiplication_equality(product, [y, denominator])
        model.add(product <= top * DIGITS + denominator)  # rounded up
        ratios.append(y)
    model.add(sum(ratios) > -math.floor(problem.direct * DIGITS))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limit
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    return {cp_model.INFEASIBLE: "refused", cp_model.OPTIMAL: "found", cp_model.FEASIBLE: "found"}.get(
        status, "undecided"
    )


PROVERS: dict[str, tuple[Prover, int]] = {  # with the largest vocabulary that it is given
    "search": (search, 10**9),
    "brute force": (brute_force, 10**9),
    "Z3": (nonlinear(z3), 256),
    "cvc5": (nonlinear(cvc5.pythonic), 256),
    "HiGHS": (highs_if_it_can, 1024),
    "CP-SAT": (cp_sat, 1024),
}


# Attackers ---------------------------------------------------------------------------------------------------------


class Gain:
    """f and its gradient on the tables."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.a = np.stack([slot.a for slot in problem.slots])  # (m, H, n)
        self.b = np.stack([slot.b for slot in problem.slots])
        self.slots, _, self.tokens = self.a.shape

    def sums(self, assignments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(self.slots)
        template = self.problem.template
        return (
            template.a[:, 0] + self.a[rows, :, assignments].sum(axis=1),
            template.b[:, 0] + self.b[rows, :, assignments].sum(axis=1),
        )

    def values(self, assignments: np.ndarray) -> np.ndarray:
        n, d = self.sums(assignments)
        return np.asarray(self.problem.direct + (n / d).sum(axis=1))

    def one_hot_gradient(self, assignment: np.ndarray) -> np.ndarray:
        n, d = (x[0][None, :, None] for x in self.sums(assignment[None]))
        return np.asarray((self.a / d - self.b * n / d**2).sum(axis=1))  # (m, n)


def random_search(gain: Gain, rng: np.random.Generator, deadline: float) -> float:
    best = -math.inf
    while time.process_time() < deadline:
        best = max(best, float(gain.values(rng.integers(gain.tokens, size=(512, gain.slots))).max()))
    return best


def coordinate_gradient(gain: Gain, rng: np.random.Generator, deadline: float, steps: int = 500) -> float:
    """Zou et al., "Universal and transferable adversarial attacks on aligned language models", 2023, algorithm 1."""
    best = -math.inf
    width = min(256, gain.tokens)
    while time.process_time() < deadline:
        current = rng.integers(gain.tokens, size=gain.slots)
        for _ in range(steps):
            if time.process_time() >= deadline:
                break
            top = np.argpartition(-gain.one_hot_gradient(current), width - 1, axis=1)[:, :width]
            batch = np.repeat(current[None], 512, axis=0)
            places = rng.integers(gain.slots, size=512)
            batch[np.arange(512), places] = top[places, rng.integers(width, size=512)]
            values = gain.values(batch)
            current = batch[values.argmax()]
            best = max(best, float(values.max()))
    return best


def tuned(gain: Gain, rng: np.random.Generator, deadline: float) -> float:
    best = -math.inf
    while time.process_time() < deadline:
        current, value, stale = rng.integers(gain.tokens, size=gain.slots), -math.inf, 0
        while stale < gain.slots and time.process_time() < deadline:
            for place in rng.permutation(gain.slots):
                batch = np.repeat(current[None], gain.tokens, axis=0)
                batch[:, place] = np.arange(gain.tokens)
                values = gain.values(batch)
                stale += 1
                if values.max() > value + 1e-12:
                    current, value, stale = batch[values.argmax()], float(values.max()), 0
        best = max(best, value)
    return best


ATTACKERS = {"random search": random_search, "GCG, defaults": coordinate_gradient, "GCG, tuned": tuned}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=20.0, help="seconds on the clock for each decision")
    parser.add_argument("--seeds", type=int, default=20, help="of each attacker")
    parser.add_argument("--layers", type=int, default=2, help="of each rung")
    arguments = parser.parse_args()
    print(f"| vocabulary × slots × heads, layer | {' | '.join(PROVERS)} | {' | '.join(ATTACKERS)} |")
    print("|---" * (1 + len(PROVERS) + len(ATTACKERS)) + "|")
    for vocabulary, slots, heads in RUNGS:
        for layer in range(arguments.layers):
            question = tight(rung(vocabulary, slots, heads, layer), 200)
            linear = plain_reading(question, 0.0)
            assert linear is not None
            problem = scaled(assemble(TableBuilder(question, linear).enclosed(question.prompt(slots))))
            cells, reference = [], None
            for prove, largest in PROVERS.values():
                if vocabulary > largest:
                    cells.append("not tried")
                    continue
                began = time.process_time()
                said = prove(question, problem, arguments.limit)
                seconds = time.process_time() - began
                reference = reference or said
                odd = "!" if {said, reference} == {"refused", "found"} else ""
                cells.append(f"{said}{odd} {seconds:.2f} s")
            began = time.process_time()
            best = solve(question, "maximum", time_limit=10 * arguments.limit)
            spent = time.process_time() - began
            assert best.margin is not None
            for attack in ATTACKERS.values():
                if best.verdict != "optimum":
                    cells.append("no optimum known")
                    continue
                reached = [
                    attack(Gain(problem), np.random.default_rng(seed), time.process_time() + spent)
                    for seed in range(arguments.seeds)
                ]
                misses = sum(value < float(best.margin.low) - 1e-6 for value in reached)
                cells.append(f"misses {misses} of {arguments.seeds} in {spent:.2f} s")
            print(f"| {vocabulary} × {slots} × {heads}, {layer} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
