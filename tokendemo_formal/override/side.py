"""A constraint on the adversary's tokens that the user writes for Z3, beside the bounds of the search.

Z3 has one integer variable for each slot, whose values are token ids. At a node of the search it says whether the
candidates that are left can meet the constraint at all, and which tokens of a slot occur in no assignment that does;
and it turns assignments that don't meet it into ones that do. It never says more than it proved: what it does not know
leaves a node open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import z3

from tokendemo_formal.errors import InputError
from tokendemo_formal.override.constraints import Constraints
from tokendemo_formal.override.outcome import Assignment, Limits
from tokendemo_formal.override.proof import Columns

SideConstraint: TypeAlias = Callable[[Sequence[z3.ArithRef]], "z3.BoolRef | bool"]
"""From the slots' variables, whose values are token ids, to what has to hold of them."""

_MOST_RANGES = 4096
"""Ranges of ids, in all slots together, that Z3 is still told of."""

_MOST_VALUES = 12
"""Tokens of a slot that are looked for before the others are left as they are."""

_SECONDS = 2.0
"""For one question to Z3."""


class Side:
    """A constraint for one number of slots.

    Args:
        constraint: what the user gave.
        constraints: what else the tokens have to keep, so that what Z3 proposes does.
        vocabulary: token ids; columns are places in it.
        slots: how many.
        limits: when to stop asking.

    Raises:
        InputError: where the function returns something else than a formula.
    """

    def __init__(
        self,
        constraint: SideConstraint,
        constraints: Constraints,
        vocabulary: Sequence[int],
        slots: int,
        limits: Limits,
    ) -> None:
        self._ids, self._limits = np.array(vocabulary, dtype=np.int64), limits
        self._columns = {token: column for column, token in enumerate(vocabulary)}
        self._variables = [z3.FreshInt("slot") for _ in range(slots)]
        formula = constraint(tuple(self._variables))
        if not isinstance(formula, (bool, z3.BoolRef)):
            raise InputError(
                f"constraint: returned {type(formula).__name__} for {slots} slots; expected a formula of Z3"
            )
        self._formula = z3.BoolVal(formula) if isinstance(formula, bool) else formula
        self._solver = z3.Solver()
        self._solver.add(self._formula, *_rules(constraints, self._variables))
        self._known: dict[tuple[int, ...], bool | None] = {}

    def holds(self, tokens: Sequence[int]) -> bool | None:
        """Whether the constraint holds of token ids, one a slot; None where Z3 can't tell."""
        tokens = tuple(tokens)
        if tokens not in self._known:
            values = zip(self._variables, map(z3.IntVal, tokens), strict=True)
            left = z3.simplify(z3.substitute(self._formula, *values))
            if z3.is_true(left) or z3.is_false(left):
                self._known[tokens] = z3.is_true(left)
            else:  # variables of the user's own are left
                alone = z3.Solver()
                alone.add(left)
                verdict = self._asked(alone)
                self._known[tokens] = None if verdict == z3.unknown else verdict == z3.sat
        return self._known[tokens]

    def narrowed(self, sets: Sequence[Columns]) -> list[Columns] | None:
        """The candidates without some that are in no assignment that meets the constraint; None: no assignment does."""
        domains = [_ranges(self._ids[columns]) for columns in sets]
        if sum(map(len, domains)) > _MOST_RANGES:
            return [*sets]
        self._solver.push()
        try:
            for variable, ranges in zip(self._variables, domains, strict=True):
                self._solver.add(_within(variable, ranges))
            verdict = self._asked(self._solver)
            if verdict == z3.unsat:
                return None
            if verdict != z3.sat:
                return [*sets]
            models = [self._model()]
            return [self._supported(i, columns, models) for i, columns in enumerate(sets)]
        finally:
            self._solver.pop()

    def _supported(self, slot: int, columns: Columns, models: list[Assignment]) -> Columns:
        """A slot's candidates; fewer where only a few of them occur in an assignment that meets the constraint."""
        found = {model[slot] for model in models}
        while len(found) < len(columns):
            if len(found) > _MOST_VALUES:
                return columns
            others = [self._variables[slot] != int(self._ids[column]) for column in found]
            self._solver.push()
            self._solver.add(*others)
            verdict = self._asked(self._solver)
            if verdict == z3.sat:
                models.append(self._model())
                found.add(models[-1][slot])
            self._solver.pop()
            if verdict == z3.unsat:
                return np.array(sorted(found), dtype=np.int64)
            if verdict != z3.sat:
                return columns
        return columns

    def repaired(self, assignment: Assignment, sets: Sequence[Columns]) -> Assignment | None:
        """An assignment of the candidates that meets the constraint, near the one given; None: none was found."""
        if self.holds([int(self._ids[column]) for column in assignment]):
            return assignment
        domains = [_ranges(self._ids[columns]) for columns in sets]
        if sum(map(len, domains)) > _MOST_RANGES:
            return None
        kept = {z3.FreshBool("keep"): i for i in range(len(assignment))}
        places = {str(mark): i for mark, i in kept.items()}
        self._solver.push()
        try:
            for (mark, i), ranges in zip(kept.items(), domains, strict=True):
                same = self._variables[i] == int(self._ids[assignment[i]])
                self._solver.add(_within(self._variables[i], ranges), z3.Implies(mark, same))
            while True:
                verdict = self._asked(self._solver, *kept)
                if verdict == z3.sat:
                    return self._model()
                core = [] if verdict != z3.unsat else [places[str(mark)] for mark in self._solver.unsat_core()]
                if not core:
                    return None
                kept = {mark: i for mark, i in kept.items() if i != max(core)}
        finally:
            self._solver.pop()

    def _asked(self, solver: z3.Solver, *assumptions: z3.BoolRef) -> z3.CheckSatResult:
        seconds = min(_SECONDS, self._limits.seconds_left)
        solver.set("timeout", max(1, int(seconds * 1000)))
        verdict = solver.check(*assumptions)
        if verdict == z3.unknown and solver.reason_unknown() == "interrupted from keyboard":
            raise KeyboardInterrupt  # Z3 takes Ctrl-C for itself
        return verdict

    def _model(self) -> Assignment:
        model = self._solver.model()
        return tuple(self._columns[model.eval(variable, True).as_long()] for variable in self._variables)


def _rules(constraints: Constraints, slots: Sequence[z3.ArithRef]) -> list[z3.BoolRef]:
    """The constraints as formulas."""
    rules = [z3.Distinct(*slots)] if constraints.distinct and len(slots) > 1 else []
    for count in constraints.counts:
        weights = []
        for slot in slots:
            weight: z3.ArithRef = z3.IntVal(count.default)
            for token, of in count.weights:
                weight = z3.If(slot == token, z3.IntVal(of), weight)
            weights.append(weight)
        rules.append(z3.Sum([z3.IntVal(0), *weights]) <= count.limit)
    return rules


def _ranges(ids: Columns) -> list[tuple[int, int]]:
    """Ids as ranges, ends included."""
    ordered = np.sort(ids)
    cuts = np.flatnonzero(np.diff(ordered) > 1)
    starts, ends = [0, *(cuts + 1)], [*cuts, len(ordered) - 1]
    return [(int(ordered[a]), int(ordered[b])) for a, b in zip(starts, ends, strict=True)]


def _within(variable: z3.ArithRef, ranges: Sequence[tuple[int, int]]) -> z3.BoolRef:
    return z3.Or([z3.And(low <= variable, variable <= high) for low, high in ranges])
