"""Attacks on statements: are they about something, can their assumptions be met, is each needed, is each bound tight?

* :func:`faults` lists what is wrong with a statement: a witness that does not meet the assumptions, an assumption
  without an instance that shows that it is needed, a conclusion that does not mention its object.
* :func:`mutants` are near statements that ought to be false: an assumption dropped, an inequality turned round or
  made strict, a bound strengthened by 1 %, lo and hi swapped. :func:`killer` finds an exact instance that refutes one.
  A mutant that survives is a sign of a statement weaker than it could be, or of one that says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tokendemo_formal.errors import InputError
from tokendemo_formal.logic.printing import text
from tokendemo_formal.logic.terms import (
    KNOWN,
    Binder,
    Number,
    Operation,
    Sort,
    Term,
    Variable,
    absolute,
    free_variables,
    functions_of,
    real,
    substitute,
    subterms,
)
from tokendemo_formal.logic.values import Instance, NoValueError, comparisons, holds, value
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems.theorem import Theorem


def faults(of: Theorem) -> list[str]:
    """What is wrong with a statement, in words; empty for a good one."""
    found = []
    found += _unmet(of, "witness", of.witness)
    for i, probe in enumerate(of.probes):
        found += _unmet(of, f"probe {i}", probe)
    if of.refutation is not None:
        found += [f for f in _unmet(of, "refutation", of.refutation) if "conclusion" not in f]
        if _truth(of.conclusion, of.refutation) is not False:
            found.append("the refutation does not break the conclusion")
        if of.sharp:
            found.append("a refuted statement's assumptions need not be sharp: leave sharp empty")
    else:
        found += [f"nothing shows that the assumption is needed: {a}" for a in of.assumptions if a not in of.sharp]
    for name, instance in of.sharp.items():
        for other, t in of.assumptions.items():
            if other != name and _truth(t, instance) is not True:
                found.append(f"sharp for {name!r}: does not meet the assumption {other!r}")
        if _truth(of.assumptions[name], instance) is not False:
            found.append(f"sharp for {name!r}: does not break that assumption")
        if broken(of.conclusion, instance) is not True:
            found.append(f"sharp for {name!r}: does not break the conclusion")
    mentioned = {v.name for v in free_variables(of.conclusion)} | {f.name for f in functions_of(of.conclusion)}
    found += [f"the conclusion does not mention {name}" for name in of.about if name not in mentioned]
    if not of.about:
        found.append("about is empty: what is the conclusion about?")
    for name, t in of.assumptions.items():
        rest = [of.conclusion, *(u for other, u in of.assumptions.items() if other != name)]
        others = frozenset[str]().union(*(_names(u) for u in rest))
        if not _names(t) & others:
            found.append(f"the assumption {name!r} speaks about nothing that occurs elsewhere")
        found += [f"the assumption {name!r} {told}" for told in _trivial(t)]
        if isinstance(t, Operation) and t.operator == "=" and any(isinstance(a, Number) for a in t.arguments):
            fixed = [a for a in t.arguments if isinstance(a, Variable)]
            found += [f"the assumption {name!r} makes {v} a constant: put the number in its place" for v in fixed]
    found += [f"the conclusion {told}" for told in _trivial(of.conclusion)]
    found += [
        f"the conclusion says the same whatever {name} is" for name in of.about if name in mentioned and _idle(of, name)
    ]
    if of.surviving:
        alive = {mutant.label for mutant in mutants(of) if killer(mutant, of) is None}
        found += [f"surviving names no surviving mutant: {label}" for label in of.surviving if label not in alive]
    found += [f"{field} is empty" for field in ("sentence", "why", "idea", "limits") if not getattr(of, field)]
    return found


def unused(of: Theorem, used: Iterable[str]) -> list[str]:
    """Assumptions that a proof did not use. Not counted are those without which the conclusion has no value: a proof
    may do without them, since it holds whatever a division by 0 is."""
    names = set(used)
    return [
        name for name in of.assumptions if name not in names and _truth(of.conclusion, of.sharp.get(name)) is not None
    ]


def _trivial(t: Term) -> Iterator[str]:
    """What makes a proposition's parts true or false, or its numbers constant, by the way it is written."""
    for part in dict.fromkeys(subterms(t)):
        match part:
            case Operation(operator=("<" | "<=" | "="), arguments=(a, b)):
                if a == b:
                    yield f"compares a number with itself: {text(part)}"
                elif not (free_variables(part) or functions_of(part) - KNOWN):
                    yield f"compares constants: {text(part)}"
                elif any(Number(Fraction(0)) in side.parts for side in (a, b) if _operator(side) == "*"):
                    yield f"multiplies by 0: {text(part)}"
            case Operation(operator=("and" | "or"), arguments=()):
                yield f"contains the constant {text(part)}"


def _operator(t: Term) -> str:
    return t.operator if isinstance(t, Operation) else ""


def _idle(of: Theorem, name: str) -> bool:
    """Whether none of the numbers that the conclusion compares changes when the value of a name does, anywhere."""
    for instance in of.instances:
        before = _measured(of.conclusion, instance)
        for changed in _changed(instance.values.get(name)):
            if before is not None and _measured(of.conclusion, instance.but(**{name: changed})) != before:
                return False
    return True


def _measured(t: Term, instance: Instance) -> list[str] | None:
    """The numbers that a proposition compares, and those that they are made of, as text; None where one has no value.

    A statement may say that a number stays the same whatever some name is: then its parts change.
    """
    try:
        parts = [part for c in comparisons(t, instance) for part in subterms(c) if part.sort is not Sort.PROPOSITION]
        closed = [part for part in parts if not any(v.name.startswith("_") for v in free_variables(part))]
        return [str(value(part, instance)) for part in closed]
    except InputError:
        return None


def _changed(x: Any) -> Iterator[Any]:
    """The value of a name, changed: a number a little, a sequence at each place."""
    if isinstance(x, (int, Fraction)):
        yield from (x + change for change in (Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-1, 2)))
    elif isinstance(x, Log):
        yield from (Log(x.of * change) for change in (Fraction(2), Fraction(1, 2)))
    elif isinstance(x, (list, tuple)):
        for i, y in enumerate(x):
            yield from ([*x[:i], z, *x[i + 1 :]] for z in _changed(y))
    elif callable(x):
        yield lambda *indices: _plus_one(x(*indices))


def _plus_one(x: Any) -> Any:
    return Log(x.of * 2) if isinstance(x, Log) else x + 1


def _names(t: Term) -> frozenset[str]:
    return frozenset({v.name for v in free_variables(t)} | {f.name for f in functions_of(t)})


def _unmet(of: Theorem, label: str, instance: Instance) -> list[str]:
    found = [
        f"{label}: does not meet the assumption {name!r}"
        for name, t in of.assumptions.items()
        if _truth(t, instance) is not True
    ]
    if of.refutation is None and _truth(of.conclusion, instance) is not True:
        found.append(f"{label}: the conclusion is not shown true")
    return found


def _truth(t: Term, instance: Instance | None) -> bool | None:
    """Whether it holds; None where that is open, or it has no value."""
    try:
        return None if instance is None else holds(t, instance)
    except NoValueError:
        return None


def broken(conclusion: Term, instance: Instance) -> bool:
    """Whether a conclusion is false on an instance, or says nothing there (a division by 0)."""
    try:
        return holds(conclusion, instance) is False
    except NoValueError:
        return True


def _false(conclusion: Term, instance: Instance) -> bool:
    return holds(conclusion, instance) is False


@dataclass(frozen=True)
class Mutant:
    """A statement near a theorem's.

    Attributes:
        kind: what was changed.
        where: the part that was.
        assumptions, conclusion: what is left.
    """

    kind: str
    where: str
    assumptions: tuple[Term, ...]
    conclusion: Term

    @property
    def label(self) -> str:
        """What :attr:`Theorem.surviving` knows it by."""
        return f"{self.kind}: {self.where}"


def mutants(of: Theorem) -> list[Mutant]:
    """All of a theorem that is expected to be proved; none of one that is to be refuted."""
    if of.expected == "refuted":
        return []
    given = tuple(of.assumptions.values())
    found = [
        Mutant(
            "assumption dropped", name, tuple(t for other, t in of.assumptions.items() if other != name), of.conclusion
        )
        for name in of.assumptions
    ]
    for old, new, kind in _changes(of.conclusion):
        conclusion = _replaced(of.conclusion, old, new)
        found.append(Mutant(kind, text(old), given, conclusion))
    lo, hi = real("lo"), real("hi")
    if {lo, hi} <= free_variables(of.conclusion):
        found.append(Mutant("lo and hi swapped", "conclusion", given, substitute(of.conclusion, {lo: hi, hi: lo})))
    return found


def _changes(conclusion: Term) -> Iterator[tuple[Term, Term, str]]:
    """Comparisons inside the conclusion, each with what it is changed to."""
    for t in dict.fromkeys(_comparisons(conclusion)):
        a, b = t.arguments
        if t.operator == "=":
            yield t, Operation("<", (a, b)), "equation made <"
            yield t, Operation("<", (b, a)), "equation made >"
            continue
        yield t, Operation(t.operator, (b, a)), "inequality turned round"
        if t.operator == "<=":
            yield t, Operation("<", (a, b)), "inequality made strict"
        # the side that is the bound has to be met more closely by 1 %; with a bound of 0 that says the same
        if Number(Fraction(0)) not in (a, b):
            yield t, Operation(t.operator, (a, b - absolute(b) * Fraction(1, 100))), "bound strengthened by 1 %"


def _comparisons(t: Term) -> Iterator[Operation]:
    """The conclusion's own comparisons: not those that say when something is the case (premises, conditions)."""
    match t:
        case Operation(operator=("<" | "<=" | "=")):
            yield t
        case Operation("=>", (_, then)):
            yield from _comparisons(then)
        case Operation(operator=("and" | "or" | "iff" | "not")):
            for a in t.arguments:
                yield from _comparisons(a)
        case Binder(kind=("each" | "some"), body=body):
            yield from _comparisons(body)


def _replaced(t: Term, old: Term, new: Term) -> Term:
    if t == old:
        return new
    match t:
        case Operation(operator, arguments):
            return Operation(operator, tuple(_replaced(a, old, new) for a in arguments))
        case Binder(kind, count, index, body, hint):
            # the change keeps the height of what is inside, so the index keeps its name
            return Binder(kind, count, index, _replaced(body, old, new), hint)
    return t


def killer(mutant: Mutant, of: Theorem) -> Instance | None:
    """An instance that meets the mutant's assumptions and makes its conclusion false, exactly; None if none was found.

    Where an assumption was dropped, a conclusion that has no value any more counts as false.
    """
    false = broken if mutant.kind == "assumption dropped" else _false
    for instance in _candidates(of):
        try:
            if all(holds(t, instance) is True for t in mutant.assumptions) and false(mutant.conclusion, instance):
                return instance
        except (NoValueError, InputError):
            continue
    return None


def _candidates(of: Theorem) -> Iterator[Instance]:
    """The theorem's own instances, and each with one of its numbers changed a little."""
    yield from of.instances
    for instance in of.instances:
        for name, x in instance.values.items():
            if isinstance(x, (int, Fraction)):
                for changed in _changed(x):
                    yield instance.but(**{name: changed})


def score(of: list[Theorem]) -> tuple[int, list[tuple[Theorem, Mutant]]]:
    """How many mutants there are of some theorems, and those that survive."""
    everything = [(t, mutant) for t in of for mutant in mutants(t)]
    return len(everything), [(t, mutant) for t, mutant in everything if killer(mutant, t) is None]


def report(of: list[Theorem]) -> str:
    """Faults, surviving mutants with the reasons why they do, and the mutation score, as text."""
    lines = [f"{t.name}: {fault}" for t in of for fault in faults(t)]
    count, survivors = score(of)
    for t, mutant in survivors:
        lines.append(f"{t.name}: survives: {mutant.label}")
        if mutant.label in t.surviving:
            lines.append(f"  reason: {t.surviving[mutant.label]}")
    explained = sum(mutant.label in t.surviving for t, mutant in survivors)
    killed = count - len(survivors)
    told = (
        f"mutation score {killed / count:.1%}: {killed} of {count} mutants refuted exactly" if count else "no mutants"
    )
    if survivors:
        told += f"; {len(survivors)} survive, {explained} of them true, for a reason that is given"
    return "\n".join([*lines, told, ""])


def main() -> None:
    """``python -m tokendemo_formal.theorems.scrutiny [NAME…]``: the same as ``tokendemo mutants``."""
    import sys

    from tokendemo_formal.theorems import chosen

    sys.stdout.write(report(chosen(sys.argv[1:])))


if __name__ == "__main__":
    main()
