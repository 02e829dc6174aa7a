"""Terms: what theorems are stated in, independent of any solver.

A term is a number (real, or natural), or a proposition. Besides arithmetic there are sequences of any length
(:class:`Function` of natural arguments), sums over them, and "for each index below n"; so a statement for all
lengths is one term. Free variables are read as universally quantified.

    k = natural("k")
    s = function("s", 1)
    E = total(k, lambda i: exp(s(i)))
    each(k, lambda i: s(i) <= 1)

Two terms are equal, as Python objects, exactly when they differ in nothing but the names of bound indices: an index is
known by the height of its binder. Comparisons ``<``, ``<=``, ``>``, ``>=`` build propositions; ``a.eq(b)`` builds an
equation, since ``==`` compares terms.

Main declarations: :class:`Term`, :func:`total`, :func:`each`, :func:`some`, :func:`substitute`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, Literal, NoReturn, TypeAlias

from tokendemo_formal.errors import InputError


class Sort(Enum):
    """What a term denotes."""

    NATURAL = "natural"
    REAL = "real"
    PROPOSITION = "proposition"


@dataclass(frozen=True)
class Term:
    """Base of all terms; build them with operators and the functions of this module."""

    def __add__(self, other: Numeric) -> Term:
        return _arithmetic("+", self, other)

    def __radd__(self, other: Numeric) -> Term:
        return _arithmetic("+", other, self)

    def __sub__(self, other: Numeric) -> Term:
        return _arithmetic("-", self, other)

    def __rsub__(self, other: Numeric) -> Term:
        return _arithmetic("-", other, self)

    def __mul__(self, other: Numeric) -> Term:
        return _arithmetic("*", self, other)

    def __rmul__(self, other: Numeric) -> Term:
        return _arithmetic("*", other, self)

    def __truediv__(self, other: Numeric) -> Term:
        return _arithmetic("/", self, other)

    def __rtruediv__(self, other: Numeric) -> Term:
        return _arithmetic("/", other, self)

    def __neg__(self) -> Term:
        return _arithmetic("-", 0, self)

    def __lt__(self, other: Numeric) -> Term:
        return _comparison("<", self, other)

    def __le__(self, other: Numeric) -> Term:
        return _comparison("<=", self, other)

    def __gt__(self, other: Numeric) -> Term:
        return _comparison("<", other, self)

    def __ge__(self, other: Numeric) -> Term:
        return _comparison("<=", other, self)

    def eq(self, other: Numeric) -> Term:
        """The equation of two numbers."""
        return _comparison("=", self, other)

    def __bool__(self) -> NoReturn:
        raise InputError(f"the term {self} has no truth value; chain comparisons with both(a <= b, b <= c)")

    @property
    def sort(self) -> Sort:
        raise NotImplementedError

    @property
    def parts(self) -> tuple[Term, ...]:
        """The direct subterms."""
        return ()

    @cached_property
    def height(self) -> int:
        """How deep binders are nested inside."""
        return max((part.height for part in self.parts), default=0)

    def __str__(self) -> str:
        from tokendemo_formal.logic.printing import text

        return text(self)

    def __hash__(self) -> int:
        known = self.__dict__.get("_hash")
        if known is None:  # once a term: its parts would be hashed again and again
            kind: Any = type(self)
            known = hash((kind, *(getattr(self, name) for name in _compared(kind))))
            object.__setattr__(self, "_hash", known)
        result: int = known
        return result

    def __getstate__(self) -> dict[str, Any]:
        """Without what was computed: hashes differ between processes."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@cache
def _compared(of: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(of) if f.compare)


Numeric: TypeAlias = Term | int | Fraction


@dataclass(frozen=True)
class Variable(Term):
    """A number without a name of its own; a natural one is at least 0."""

    name: str
    of: Sort

    @property
    def sort(self) -> Sort:
        return self.of

    __str__ = Term.__str__
    __hash__ = Term.__hash__


@dataclass(frozen=True)
class Number(Term):
    """A rational number."""

    value: Fraction

    @property
    def sort(self) -> Sort:
        return Sort.NATURAL if self.value.denominator == 1 and self.value >= 0 else Sort.REAL

    __str__ = Term.__str__
    __hash__ = Term.__hash__


Operator: TypeAlias = Literal["+", "-", "*", "/", "<", "<=", "=", "and", "or", "not", "=>", "iff", "ite", "max", "min"]

_PROPOSITIONS = frozenset({"<", "<=", "=", "and", "or", "not", "=>", "iff"})


@dataclass(frozen=True)
class Operation(Term):
    """Arithmetic, a comparison, or a connective. Division by 0 has no value."""

    operator: Operator
    arguments: tuple[Term, ...]

    @property
    def sort(self) -> Sort:
        if self.operator in _PROPOSITIONS:
            return Sort.PROPOSITION
        numbers = self.arguments[1:] if self.operator == "ite" else self.arguments
        closed = self.operator in ("+", "*", "ite", "max", "min")
        return Sort.NATURAL if closed and all(a.sort is Sort.NATURAL for a in numbers) else Sort.REAL

    @property
    def parts(self) -> tuple[Term, ...]:
        return self.arguments

    __str__ = Term.__str__
    __hash__ = Term.__hash__


@dataclass(frozen=True)
class Function:
    """A function symbol: a sequence (of natural arguments), or one of the known real functions such as exp.

    Its values are real numbers, or natural ones where ``of`` says so: a sequence of indices.
    """

    name: str
    arity: int
    latex: str = field(default="", compare=False)
    of: Sort = Sort.REAL

    def __call__(self, *arguments: Numeric) -> Term:
        terms = tuple(term(a) for a in arguments)
        if len(terms) != self.arity:
            raise InputError(f"{self.name}: expected {self.arity} arguments, found {len(terms)}")
        if self not in KNOWN and any(t.sort is not Sort.NATURAL for t in terms):
            raise InputError(f"{self.name} is indexed by natural numbers; found {', '.join(map(str, terms))}")
        return Application(self, terms)


@dataclass(frozen=True)
class Application(Term):
    """A function's value."""

    function: Function
    arguments: tuple[Term, ...]

    @property
    def sort(self) -> Sort:
        return self.function.of

    @property
    def parts(self) -> tuple[Term, ...]:
        return self.arguments

    __str__ = Term.__str__
    __hash__ = Term.__hash__


@dataclass(frozen=True)
class Binder(Term):
    """Over all indices below ``count``: the sum of a number, or whether each, or some, makes a proposition true.

    ``index`` is named by height, so that terms which differ in names of indices only are equal; ``hint`` is the name
    that people see.
    """

    kind: Literal["sum", "each", "some"]
    count: Term
    index: Variable
    body: Term
    hint: str = field(default="i", compare=False)

    @property
    def sort(self) -> Sort:
        return Sort.REAL if self.kind == "sum" else Sort.PROPOSITION

    @property
    def parts(self) -> tuple[Term, ...]:
        return self.count, self.body

    @cached_property
    def height(self) -> int:
        return max(self.count.height, 1 + self.body.height)

    def at(self, index: Numeric) -> Term:
        """The body at one index."""
        index = term(index)
        if index.sort is not Sort.NATURAL:
            raise InputError(f"an index has to be a natural number; found {index}")
        return substitute(self.body, {self.index: index})

    __str__ = Term.__str__
    __hash__ = Term.__hash__


def term(value: Numeric) -> Term:
    """A term, or a rational number as one."""
    if isinstance(value, Term):
        return value
    if isinstance(value, (int, Fraction)):
        return Number(Fraction(value))
    raise InputError(f"expected a term, an int or a Fraction (floats are not exact), found {value!r}")


def natural(name: str) -> Variable:
    """A variable for a natural number (0 included)."""
    return Variable(_free_name(name), Sort.NATURAL)


def real(name: str) -> Variable:
    """A variable for a real number."""
    return Variable(_free_name(name), Sort.REAL)


def _free_name(name: str) -> str:
    if not name or name.startswith("_"):
        raise InputError(f"a variable's name can't be empty or start with _ (bound indices do), found {name!r}")
    return name


def function(name: str, arity: int = 1, latex: str = "") -> Function:
    """A sequence of real numbers, with any number of natural indices."""
    return Function(name, arity, latex)


def indices(name: str, arity: int = 1, latex: str = "") -> Function:
    """A sequence of natural numbers, such as where each of some tokens goes."""
    return Function(name, arity, latex, Sort.NATURAL)


exp = Function("exp", 1)
log = Function("log", 1)
sqrt = Function("sqrt", 1)
cos = Function("cos", 1)
sin = Function("sin", 1)

KNOWN = frozenset({exp, log, sqrt, cos, sin})
"""Functions of a real argument that have a meaning; all others are free."""

TRUE = Operation("and", ())
FALSE = Operation("or", ())


def both(*propositions: Term) -> Term:
    """Their conjunction."""
    return _connective("and", propositions)


def either(*propositions: Term) -> Term:
    """Their disjunction."""
    return _connective("or", propositions)


def negation(proposition: Term) -> Term:
    """It is false."""
    return _connective("not", (proposition,))


def implies(premise: Term, conclusion: Term) -> Term:
    """If the premise, then the conclusion."""
    return _connective("=>", (premise, conclusion))


def iff(left: Term, right: Term) -> Term:
    """Both or neither."""
    return _connective("iff", (left, right))


def ite(condition: Term, then: Numeric, otherwise: Numeric) -> Term:
    """One number if the condition holds, else the other."""
    _expect(condition, Sort.PROPOSITION)
    return Operation("ite", (condition, _number(then), _number(otherwise)))


def larger(*numbers: Numeric) -> Term:
    """The largest of some numbers."""
    return Operation("max", tuple(_number(n) for n in numbers))


def smaller(*numbers: Numeric) -> Term:
    """The smallest of some numbers."""
    return Operation("min", tuple(_number(n) for n in numbers))


def absolute(number: Numeric) -> Term:
    """|number|."""
    return larger(number, -term(number))


def between(low: Numeric, number: Numeric, high: Numeric) -> Term:
    """low <= number <= high."""
    return both(term(low) <= number, term(number) <= high)


def total(count: Numeric, body: Callable[[Variable], Numeric]) -> Term:
    """The sum of body(i) over i = 0 … count - 1."""
    return _bind("sum", count, body)


def each(count: Numeric, body: Callable[[Variable], Term]) -> Term:
    """body(i) holds for every i = 0 … count - 1."""
    return _bind("each", count, body)


def some(count: Numeric, body: Callable[[Variable], Term]) -> Term:
    """body(i) holds for some i = 0 … count - 1."""
    return _bind("some", count, body)


_fresh = itertools.count()


def fresh(like: str = "i") -> Variable:
    """A natural variable that no other term has."""
    return natural(f"{like}?{next(_fresh)}")


def _bind(kind: Literal["sum", "each", "some"], count: Numeric, body: Callable[[Variable], Numeric]) -> Term:
    code = getattr(body, "__code__", None)
    hint = code.co_varnames[0] if code is not None and code.co_argcount else "i"
    index = fresh()
    return bind(kind, count, index, term(body(index)), hint)


def bind(kind: Literal["sum", "each", "some"], count: Numeric, index: Variable, body: Term, hint: str = "i") -> Binder:
    """The binder over a body in which ``index`` is still free.

    Raises:
        InputError: where the body was taken out of another binder with that one's index still in it, and the new binder
            would capture it.
    """
    count = _number(count)
    if count.sort is not Sort.NATURAL:
        raise InputError(f"a sum's or a quantifier's length has to be a natural number; found {count}")
    _expect(body, Sort.PROPOSITION, no=kind == "sum")
    bound = Variable(f"_{body.height + 1}", Sort.NATURAL)
    if bound in free_variables(body):
        raise InputError(f"{body}: {bound.name} is another binder's index; open that binder with its method at")
    return Binder(kind, count, bound, substitute(body, {index: bound}), hint)


def substitute(
    of: Term, variables: Mapping[Variable, Term], functions: Mapping[Function, Callable[..., Term]] | None = None
) -> Term:
    """The term with variables, and functions, replaced; indices are renamed where they would clash."""
    functions = functions or {}
    known: dict[Term, Term] = {}

    def walk(t: Term) -> Term:
        if t in known:
            return known[t]
        result = step(t)
        known[t] = result
        return result

    def step(t: Term) -> Term:
        match t:
            case Variable():
                return variables.get(t, t)
            case Operation(operator, arguments):
                return Operation(operator, tuple(walk(a) for a in arguments))
            case Application(of, arguments):
                new = tuple(walk(a) for a in arguments)
                return functions[of](*new) if of in functions else Application(of, new)
            case Binder(kind, count, index, body, hint):
                if not (variables.keys() & free_variables(t) or functions.keys() & functions_of(t)):
                    return t
                opened = fresh()
                inner = substitute(body, {**variables, index: opened}, functions)
                return bind(kind, walk(count), opened, inner, hint)
            case _:
                return t

    return walk(of)


def subterms(of: Term) -> Iterator[Term]:
    """The term and everything inside; inside a binder its index is free."""
    yield of
    for part in of.parts:
        yield from subterms(part)


def free_variables(of: Term) -> frozenset[Variable]:
    """The variables that no binder binds."""
    known = of.__dict__.get("_free")
    if known is None:
        if isinstance(of, Variable):
            known = frozenset([of])
        elif isinstance(of, Binder):
            known = free_variables(of.count) | (free_variables(of.body) - {of.index})
        else:
            known = frozenset().union(*(free_variables(part) for part in of.parts))
        object.__setattr__(of, "_free", known)
    result: frozenset[Variable] = known
    return result


def functions_of(of: Term) -> frozenset[Function]:
    """All function symbols inside, the known ones included."""
    known = of.__dict__.get("_functions")
    if known is None:
        own = [of.function] if isinstance(of, Application) else []
        known = frozenset(own).union(*(functions_of(part) for part in of.parts))
        object.__setattr__(of, "_functions", known)
    result: frozenset[Function] = known
    return result


def _arithmetic(operator: Operator, left: Numeric, right: Numeric) -> Term:
    a, b = _number(left), _number(right)
    if isinstance(a, Number) and isinstance(b, Number) and not (operator == "/" and b.value == 0):
        x, y = a.value, b.value
        return Number({"+": x + y, "-": x - y, "*": x * y}[operator] if operator != "/" else x / y)
    return Operation(operator, (a, b))


def _comparison(operator: Operator, left: Numeric, right: Numeric) -> Term:
    return Operation(operator, (_number(left), _number(right)))


def _connective(operator: Operator, propositions: tuple[Term, ...]) -> Term:
    for proposition in propositions:
        _expect(proposition, Sort.PROPOSITION)
    if operator in ("and", "or") and len(propositions) == 1:
        return propositions[0]
    return Operation(operator, propositions)


def _number(value: Numeric) -> Term:
    result = term(value)
    _expect(result, Sort.PROPOSITION, no=True)
    return result


def _expect(of: Term, sort: Sort, no: bool = False) -> None:
    if (of.sort is sort) == no:
        raise InputError(f"expected {'a number' if no else 'a proposition'}, found {of} ({of.sort.value})")
