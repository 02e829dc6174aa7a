"""The same question for Z3: one Boolean for each slot and token.

Multiplied by the denominators, which are positive, the gain above a target is a polynomial in these Booleans:

    (direct - target) Π_h D_h + Σ_h N_h Π_{g != h} D_g  >  0

Each slot holds one token, so a product of Booleans names at most one token a slot; each product becomes a
conjunction, and the whole is linear arithmetic over conjunctions. Coefficients are rational upper bounds of the
real ones (the exponentials enclosed), so "unsat" means that no assignment is above the target; a model is only
a proposal, confirmed in balls, and excluded where the balls deny it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias

import z3

from tokendemo_formal.errors import InputError
from tokendemo_formal.override.outcome import Assignment, Confirm, Limits, Outcome
from tokendemo_formal.override.tables import Enclosed

LARGEST = 20_000
"""Monomials of the polynomial that are still handed over."""

_BITS = 60

_Monomial: TypeAlias = frozenset[tuple[int, int]]
"""(slot, column) pairs, one for each slot that it names."""

_Interval: TypeAlias = tuple[Fraction, Fraction]

_Polynomial: TypeAlias = dict[_Monomial, _Interval]


def decide(enclosed: Enclosed, confirm: Confirm, target: float, limits: Limits) -> Outcome:
    """Whether some assignment is above the target.

    Raises:
        InputError: where the polynomial has more than ``LARGEST`` monomials.
    """
    sizes = [slot.a.shape[0] for slot in enclosed.slots]
    coefficients = {m: _rounded_up(high) for m, (_, high) in _cleared(enclosed, target).items()}
    solver = z3.Solver()
    chosen = [[z3.Bool(f"slot{i}_token{j}") for j in range(size)] for i, size in enumerate(sizes)]
    for row in chosen:
        solver.add(z3.PbEq([(b, 1) for b in row], 1))
    solver.add(
        z3.Sum(
            [
                z3.If(z3.And([chosen[i][j] for i, j in sorted(monomial)]), _literal(c), z3.RealVal(0))
                for monomial, c in coefficients.items()
                if c != 0
            ]
        )
        > 0
    )
    undecided: Assignment | None = None
    calls = 0
    while True:
        if limits.over or calls >= limits.nodes:
            return Outcome("gave-up", nodes=calls, undecided=undecided)
        if limits.seconds_left < 4e6:
            solver.set("timeout", max(1, int(limits.seconds_left * 1000)))
        calls += 1
        result = solver.check()
        if result == z3.unsat:
            return Outcome("refuted" if undecided is None else "gave-up", nodes=calls, undecided=undecided)
        if result != z3.sat:
            if solver.reason_unknown() == "interrupted from keyboard":  # Z3 takes Ctrl-C for itself
                raise KeyboardInterrupt
            return Outcome("gave-up", nodes=calls, undecided=undecided)
        model = solver.model()
        picks = [next(j for j, b in enumerate(row) if z3.is_true(model.eval(b, True))) for row in chosen]
        assignment = tuple(picks)
        verdict = confirm(assignment)
        if verdict:
            return Outcome("found", assignment, nodes=calls)
        if verdict is None:
            undecided = assignment
        solver.add(z3.Or([z3.Not(chosen[i][j]) for i, j in enumerate(assignment)]))


def _cleared(enclosed: Enclosed, target: float) -> _Polynomial:
    heads = enclosed.template.a.shape[1]
    numerators = [_sum(enclosed, h, "a") for h in range(heads)]
    denominators = [_sum(enclosed, h, "b") for h in range(heads)]
    low, high = Fraction(float(enclosed.direct.lower)), Fraction(float(enclosed.direct.upper))
    total: _Polynomial = {frozenset(): (low - Fraction(target), high - Fraction(target))}
    for d in denominators:
        total = _times(total, d)
    for h in range(heads):
        addend = numerators[h]
        for g in range(heads):
            if g != h:
                addend = _times(addend, denominators[g])
        for monomial, (a, b) in addend.items():
            x, y = total.get(monomial, (Fraction(0), Fraction(0)))
            total[monomial] = (x + a, y + b)
    return total


def _sum(enclosed: Enclosed, head: int, part: str) -> _Polynomial:
    own = getattr(enclosed.template, part).sum(0)
    polynomial: _Polynomial = {frozenset(): (_fraction(own.lower[head]), _fraction(own.upper[head]))}
    for i, slot in enumerate(enclosed.slots):
        values = getattr(slot, part)
        for j in range(values.shape[0]):
            low, high = _fraction(values.lower[j, head]), _fraction(values.upper[j, head])
            polynomial[frozenset([(i, j)])] = (low, high)
    if part == "b":  # exponentials are positive, also where their enclosure reaches below 0
        polynomial = {m: (max(low, Fraction(0)), high) for m, (low, high) in polynomial.items()}
    return polynomial


def _times(p: _Polynomial, q: _Polynomial) -> _Polynomial:
    product: _Polynomial = {}
    for m, (a, b) in p.items():
        for n, (c, d) in q.items():
            union = m | n
            if len({i for i, _ in union}) < len(union):
                continue  # two tokens in one slot
            corners = (a * c, a * d, b * c, b * d)
            x, y = product.get(union, (Fraction(0), Fraction(0)))
            product[union] = (x + min(corners), y + max(corners))
            if len(product) > LARGEST:
                raise InputError(
                    f"engine z3: more than {LARGEST} products of token choices; use fewer heads, slots or tokens, or "
                    "engine search"
                )
    return product


def _fraction(x: float) -> Fraction:
    return Fraction(float(x))


def _rounded_up(x: Fraction) -> Fraction:
    """The next rational of few bits, so that Z3 has short numbers to work with."""
    if x == 0:
        return x
    exponent = x.numerator.bit_length() - x.denominator.bit_length() - _BITS
    unit = Fraction(2) ** exponent
    return -((-x) // unit) * unit


def _literal(x: Fraction) -> z3.RatNumRef:
    return z3.Q(x.numerator, x.denominator)
