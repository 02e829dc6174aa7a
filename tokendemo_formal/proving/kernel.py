"""The rules by which something counts as shown.

A :class:`Fact` says "these hypotheses imply this conclusion, for all values of the free variables and sequences". Facts
come from the methods of :class:`Kernel` only, each a rule whose soundness can be read off its docstring (the way of
LCF: R. Milner, 1972). What has no rule, and no solver's word, is not a fact.

Arithmetic is left to solvers: :meth:`Kernel.arithmetic` asks whether the premises imply the goal over the real numbers,
where everything that is not arithmetic (a sum, an exponential, "for each index") is a number or proposition without
properties. What holds for all numbers holds for these. The passage from n terms to n + 1 is :meth:`Kernel.induction`.

Main declarations: :class:`Fact`, :class:`Kernel`, :data:`AXIOMS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from tokendemo_formal.errors import InputError, TokenDemoError
from tokendemo_formal.logic.printing import smtlib, symbol, text
from tokendemo_formal.logic.terms import (
    TRUE,
    Application,
    Binder,
    Function,
    Number,
    Numeric,
    Operation,
    Sort,
    Term,
    Variable,
    bind,
    both,
    cos,
    exp,
    free_variables,
    fresh,
    functions_of,
    iff,
    implies,
    log,
    real,
    sin,
    sqrt,
    substitute,
    term,
)
from tokendemo_formal.logic.values import Instance, holds
from tokendemo_formal.proving.solvers import Reply, Response, SolverName, ask, default_solvers


class ProofError(TokenDemoError):
    """A step does not follow.

    Cause: a premise is missing, or the goal is false; the text has a countermodel where the solver gave one. Cure: name
    more facts in ``by``, or correct the goal.
    """


class GaveUpError(TokenDemoError):
    """A solver neither proved a step nor refuted it in its time.

    Cause: a nonlinear goal with many variables. Cure: smaller steps with fewer premises, or a longer timeout.
    """


@dataclass(frozen=True)
class Obligation:
    """What solvers were asked, and that they agreed: ``script`` is unsatisfiable.

    Attributes:
        script: SMT-LIB 2.
        logic: that it declares.
        replies: of every solver that was asked.
        goal: what follows, for people.
    """

    script: str
    logic: str
    replies: tuple[tuple[SolverName, Reply], ...]
    goal: str


@dataclass(frozen=True)
class Axiom:
    """An axiom of the real numbers' functions that was used, by its name in :data:`AXIOMS`."""

    name: str


@dataclass(frozen=True)
class ByHand:
    """A step that only a person checked, and the argument."""

    claim: str
    argument: str


@dataclass(frozen=True)
class Exactly:
    """A closed form or a computation in rational arithmetic."""

    claim: str


@dataclass(frozen=True)
class Used:
    """A theorem of the catalogue, shown elsewhere."""

    name: str


Ground: TypeAlias = Obligation | Axiom | ByHand | Exactly | Used
"""What a fact rests on."""

_KEY = object()


@dataclass(frozen=True, eq=False)
class Fact:
    """The hypotheses imply the conclusion. Only a :class:`Kernel` makes facts.

    Attributes:
        hypotheses: propositions.
        conclusion: a proposition.
        grounds: all that it rests on.
        axiom: whether it is an instance of an axiom itself.
    """

    hypotheses: frozenset[Term]
    conclusion: Term
    grounds: frozenset[Ground]
    axiom: bool = False
    key: InitVar[object] = None  # not kept, so that dataclasses.replace can't forge a fact from another

    def __post_init__(self, key: object) -> None:
        if key is not _KEY:
            raise ProofError("facts are made by the rules of a Kernel only")

    def __str__(self) -> str:
        left = ", ".join(sorted(text(h) for h in self.hypotheses))
        return f"{left} ⊢ {text(self.conclusion)}" if left else f"⊢ {text(self.conclusion)}"


def _x(a: Numeric) -> Term:
    return term(a)


AXIOMS: Mapping[str, Callable[..., Term]] = {
    "exp_positive": lambda x: exp(x) > 0,
    "exp_increasing": lambda x, y: iff(_x(x) < y, exp(x) < exp(y)),
    "exp_zero": lambda: exp(0).eq(1),
    "exp_sum": lambda x, y: exp(_x(x) + y).eq(exp(x) * exp(y)),
    "exp_tangent": lambda x: _x(x) + 1 <= exp(x),
    "exp_log": lambda x: implies(_x(x) > 0, exp(log(x)).eq(x)),
    "sqrt_squared": lambda x: implies(_x(x) >= 0, both(sqrt(x) >= 0, (sqrt(x) * sqrt(x)).eq(x))),
    "circle": lambda x: (cos(x) * cos(x) + sin(x) * sin(x)).eq(1),
    "cos_sum": lambda x, y: cos(_x(x) + y).eq(cos(x) * cos(y) - sin(x) * sin(y)),
    "sin_sum": lambda x, y: sin(_x(x) + y).eq(sin(x) * cos(y) + cos(x) * sin(y)),
    "cos_zero": lambda: cos(0).eq(1),
    "sin_zero": lambda: sin(0).eq(0),
    "sin_below_identity": lambda x: implies(_x(x) >= 0, sin(x) <= x),
}
"""The axioms about exp and its relatives; each is a true statement about the real functions, for all real arguments."""


class Kernel:
    """The rules.

    Args:
        solvers: who decides arithmetic. The first has to say yes; what the others say is recorded.
        seconds: the longest that a solver may take for one step.
    """

    def __init__(self, solvers: Sequence[SolverName] | None = None, seconds: float = 10.0) -> None:
        self.solvers = tuple(default_solvers() if solvers is None else solvers)
        self.seconds = seconds
        self.known: dict[Any, Fact] = {}
        """Lemmas and theorems that were shown with this kernel already, by kind and name."""
        self._unsatisfiable: set[tuple[SolverName, str]] = set()
        if not self.solvers:
            raise InputError("a kernel needs at least one solver")

    # Logic

    def assume(self, proposition: Term) -> Fact:
        """P ⊢ P."""
        return _fact(frozenset([_proposition(proposition)]), proposition)

    def discharge(self, fact: Fact, hypothesis: Term) -> Fact:
        """From Γ, P ⊢ C to Γ ⊢ P ⇒ C."""
        return _fact(fact.hypotheses - {hypothesis}, implies(hypothesis, fact.conclusion), fact.grounds)

    def cut(self, fact: Fact, by: Iterable[Fact]) -> Fact:
        """From Γ, P ⊢ C and Δ ⊢ P to Γ, Δ ⊢ C, for every fact whose conclusion is a hypothesis."""
        hypotheses, grounds = fact.hypotheses, fact.grounds
        for other in by:
            if other.conclusion in hypotheses:
                hypotheses = (hypotheses - {other.conclusion}) | other.hypotheses
                grounds |= other.grounds
        return _fact(hypotheses, fact.conclusion, grounds)

    def instantiate(
        self,
        fact: Fact,
        variables: Mapping[Variable, Numeric] | None = None,
        functions: Mapping[Function, Callable[..., Numeric]] | None = None,
    ) -> Fact:
        """The same for particular values of free variables, and of sequences (given as functions of their indices).

        Naturals have to be replaced by naturals, and the known functions keep their meaning.
        """
        new = {v: term(t) for v, t in (variables or {}).items()}
        for v, t in new.items():
            if v.sort is Sort.NATURAL and t.sort is not Sort.NATURAL:
                raise ProofError(f"{v} stands for natural numbers only, {t} need not be one")
            if t.sort is Sort.PROPOSITION:
                raise ProofError(f"{v} stands for numbers only, {t} is a proposition")
        calls = {}
        for f, body in (functions or {}).items():
            if f in (exp, log, sqrt, cos, sin):
                raise ProofError(f"{f.name} is not free to be replaced")
            calls[f] = _numeric(f, body)
        hypotheses = frozenset(substitute(h, new, calls) for h in fact.hypotheses)
        return _fact(hypotheses, substitute(fact.conclusion, new, calls), fact.grounds, fact.axiom)

    def each(self, fact: Fact, index: Variable, count: Numeric, hint: str = "i") -> Fact:
        """From Γ, i < n ⊢ P(i) to Γ ⊢ "P(i) for each i < n", where i is free in neither Γ nor n."""
        count = term(count)
        rest = fact.hypotheses - {index < count}
        if index.sort is not Sort.NATURAL or any(index in free_variables(t) for t in (*rest, count)):
            raise ProofError(f"{index} is not an arbitrary index below {count}: a hypothesis speaks about it")
        return _fact(rest, bind("each", count, index, fact.conclusion, hint), fact.grounds)

    def at(self, fact: Fact, index: Numeric) -> Fact:
        """From Γ ⊢ "P(i) for each i < n" to Γ ⊢ t < n ⇒ P(t)."""
        binder = _binder(fact.conclusion, "each")
        return _fact(fact.hypotheses, implies(term(index) < binder.count, binder.at(index)), fact.grounds)

    def exhibit(self, fact: Fact, proposition: Term, index: Numeric) -> Fact:
        """From Γ ⊢ t < n and P(t) to Γ ⊢ "P(i) for some i < n"."""
        binder = _binder(proposition, "some")
        if fact.conclusion != both(term(index) < binder.count, binder.at(index)):
            raise ProofError(
                f"to exhibit {index} takes a fact that says {both(term(index) < binder.count, binder.at(index))}"
            )
        return _fact(fact.hypotheses, binder, fact.grounds)

    def choose(self, fact: Fact, index: Variable, then: Fact) -> Fact:
        """From Γ ⊢ "P(i) for some i < n" and Δ, i < n, P(i) ⊢ C to Γ, Δ ⊢ C, where i is free in neither Δ nor C."""
        binder = _binder(fact.conclusion, "some")
        rest = then.hypotheses - {index < binder.count, binder.at(index)}
        if any(index in free_variables(t) for t in (*rest, then.conclusion, *fact.hypotheses, binder)):
            raise ProofError(f"{index} is not an arbitrary index: something else speaks about it")
        return _fact(rest | fact.hypotheses, then.conclusion, fact.grounds | then.grounds)

    def none(self, count: Numeric, body: Callable[[Variable], Term]) -> Fact:
        """⊢ not "P(i) for some i < n" ⇔ "not P(i) for each i < n"."""
        index = fresh()
        inside = body(index)
        some, no = bind("some", count, index, inside), bind("each", count, index, Operation("not", (inside,)))
        return _fact(frozenset(), iff(Operation("not", (some,)), no))

    def equal(self, left: Numeric, right: Numeric, of: Callable[[Term], Term]) -> Fact:
        """⊢ a = b ⇒ T(a) = T(b), or ⇔ where T is a proposition; T may be any term, a sequence's element say."""
        naturals = Sort.NATURAL is term(left).sort is term(right).sort
        hole = fresh() if naturals else real(fresh().name)
        a, b = (substitute(of(hole), {hole: term(t)}) for t in (left, right))
        same = iff(a, b) if a.sort is Sort.PROPOSITION else a.eq(b)
        return _fact(frozenset(), implies(term(left).eq(right), same))

    def same(self, left: Term, right: Term, by: Fact) -> Fact:
        """From Γ ⊢ "a(i) = b(i) for each i < n" to Γ ⊢ Σ_{i<n} a(i) = Σ_{i<n} b(i)."""
        a, b = _binder(left, "sum"), _binder(right, "sum")
        index = fresh()
        if a.count != b.count or by.conclusion != bind("each", a.count, index, a.at(index).eq(b.at(index))):
            raise ProofError(f"that the terms of {left} and {right} are equal does not follow from {by}")
        return _fact(by.hypotheses, a.eq(b), by.grounds)

    # Natural numbers

    def induction(self, index: Variable, proposition: Term, base: Fact, step: Fact) -> Fact:
        """From Γ ⊢ P(0) and Δ, P(n) ⊢ P(n + 1) to Γ, Δ ⊢ P(n), where n is free in neither Γ nor Δ."""
        zero, after = (substitute(proposition, {index: t}) for t in (term(0), index + 1))
        if index.sort is not Sort.NATURAL:
            raise ProofError(f"induction runs over natural numbers; {index} is real")
        if base.conclusion != zero:
            raise ProofError(f"the base has to say {zero}, it says {base.conclusion}")
        if step.conclusion != after:
            raise ProofError(f"the step has to say {after}, it says {step.conclusion}")
        rest = step.hypotheses - {proposition}
        if any(index in free_variables(t) for t in (*rest, *base.hypotheses)):
            raise ProofError(f"{index} is not arbitrary: a hypothesis speaks about it")
        return _fact(rest | base.hypotheses, proposition, base.grounds | step.grounds)

    def empty(self, of: Term) -> Fact:
        """⊢ Σ_{i<0} = 0; each i < 0 has any property; none has one."""
        binder = of if isinstance(of, Binder) else None
        if binder is None or binder.count != Number(Fraction(0)):
            raise ProofError(f"expected a sum or quantifier of length 0, found {of}")
        if binder.kind == "sum":
            return _fact(frozenset(), binder.eq(0))
        return _fact(frozenset(), binder if binder.kind == "each" else Operation("not", (binder,)))

    def last(self, of: Term) -> Fact:
        """⊢ Σ_{i<n+1} a(i) = Σ_{i<n} a(i) + a(n), and likewise for the quantifiers.

        The length has to be written ``n + 1``, ``m + (n + 1)`` or as a positive number.
        """
        if not isinstance(of, Binder):
            raise ProofError(f"expected a sum or quantifier, found {of}")
        before = predecessor(of.count)
        if before is None:
            raise ProofError(f"the length {of.count} is neither of the form n + 1 nor a positive number")
        shorter = Binder(of.kind, before, of.index, of.body, of.hint)
        if of.kind == "sum":
            return _fact(frozenset(), of.eq(shorter + of.at(before)))
        return _fact(frozenset(), iff(of, Operation("and" if of.kind == "each" else "or", (shorter, of.at(before)))))

    def discrete(self, left: Numeric, right: Numeric) -> Fact:
        """⊢ a < b ⇒ a + 1 <= b, for natural a and b."""
        a, b = term(left), term(right)
        if Sort.REAL in (a.sort, b.sort):
            raise ProofError(f"{a} and {b} have to be natural numbers")
        return _fact(frozenset(), implies(a < b, a + 1 <= b))

    # Numbers

    def axiom(self, name: str, *arguments: Numeric) -> Fact:
        """An instance of one of :data:`AXIOMS`."""
        if name not in AXIOMS:
            raise ProofError(f"there is no axiom {name!r}; there is {', '.join(AXIOMS)}")
        return _fact(frozenset(), AXIOMS[name](*arguments), frozenset([Axiom(name)]), axiom=True)

    def arithmetic(self, goal: Term, by: Iterable[Fact] = ()) -> Fact:
        """The conclusions of ``by`` imply the goal, as polynomial arithmetic over the real numbers.

        Axioms that turn out not to be needed are left out, so that what is recorded is what was used.

        Raises:
            ProofError: where a solver finds numbers that meet the premises and not the goal.
            GaveUpError: where it finds neither those nor a proof.
        """
        premises = list(dict.fromkeys(by))
        script = _script([f.conclusion for f in premises], _proposition(goal))
        response = self._asked(self.solvers[0], script[0], self.seconds)
        if response.reply == "sat":
            raise ProofError(f"{goal} does not follow: {response.model or 'a counterexample exists'}")
        if response.reply == "unknown":
            raise GaveUpError(f"{self.solvers[0]} gave up on {goal} after {self.seconds} s")
        for axiom in [f for f in premises if f.axiom]:
            fewer = [f for f in premises if f is not axiom]
            shorter = _script([f.conclusion for f in fewer], goal)
            if self._asked(self.solvers[0], shorter[0], min(1.0, self.seconds)).reply == "unsat":
                premises, script = fewer, shorter
        replies: list[tuple[SolverName, Reply]] = [(self.solvers[0], "unsat")]
        for other in self.solvers[1:]:
            reply = self._asked(other, script[0], self.seconds).reply
            if reply == "sat":
                raise ProofError(f"{other} denies what {self.solvers[0]} proved: {goal}")
            replies.append((other, reply))
        hypotheses = frozenset[Term]().union(*(f.hypotheses for f in premises))
        grounds = frozenset[Ground]().union(*(f.grounds for f in premises))
        return _fact(hypotheses, goal, grounds | {Obligation(*script, tuple(replies), _renumbered(text(goal)))})

    def _asked(self, solver: SolverName, script: str, seconds: float) -> Response:
        """What a solver says; a script that it found unsatisfiable is not put to it again."""
        if (solver, script) in self._unsatisfiable:
            return Response("unsat")
        response = ask(solver, script, seconds)
        if response.reply == "unsat":
            self._unsatisfiable.add((solver, script))
        return response

    def identity(self, equation: Term) -> Fact:
        """⊢ a = b for polynomials that expand to the same (SymPy; sums, exponentials and the like are symbols)."""
        import sympy

        if not (isinstance(equation, Operation) and equation.operator == "="):
            raise ProofError(f"expected an equation, found {equation}")
        symbols: dict[Term, Any] = {}

        def convert(t: Term) -> Any:
            if isinstance(t, Number):
                return sympy.Rational(t.value.numerator, t.value.denominator)
            if isinstance(t, Operation) and t.operator in ("+", "-", "*"):
                a, b = (convert(x) for x in t.arguments)
                return {"+": a + b, "-": a - b, "*": a * b}[t.operator]
            return symbols.setdefault(t, sympy.Symbol(f"x{len(symbols)}", real=True))

        left, right = (convert(t) for t in equation.arguments)
        if sympy.expand(left - right) != 0:
            raise ProofError(f"{equation} is no polynomial identity: the sides differ by {sympy.expand(left - right)}")
        return _fact(frozenset(), equation, frozenset([Exactly(text(equation))]))

    def evaluate(self, proposition: Term) -> Fact:
        """⊢ P, for a proposition without variables that is true in rational arithmetic (or in balls)."""
        unknown = {v.name for v in free_variables(proposition)} | {
            f.name for f in functions_of(proposition) if f not in (exp, log, sqrt, cos, sin)
        }
        if unknown:
            raise ProofError(f"{proposition} can't be evaluated: it has variables, {', '.join(sorted(unknown))}")
        result = holds(proposition, Instance({}))
        if result is None:
            raise GaveUpError(f"whether {proposition} holds was left open by the highest precision")
        if not result:
            raise ProofError(f"{proposition} is false")
        return _fact(frozenset(), proposition, frozenset([Exactly(text(proposition))]))

    # What no rule covers

    def by_hand(self, claim: Term, argument: str, by: Iterable[Fact] = ()) -> Fact:
        """A claim that only a person checked; it lowers the status of everything that rests on it."""
        if len(argument.split()) < 5:
            raise ProofError("a step by hand needs its argument in words")
        premises = list(by)
        hypotheses = frozenset[Term]().union(*(f.hypotheses for f in premises))
        grounds = frozenset[Ground]().union(*(f.grounds for f in premises))
        return _fact(hypotheses, claim, grounds | {ByHand(text(claim), argument)})

    def cite(self, name: str, hypotheses: Iterable[Term], conclusion: Term, proof: Fact) -> Fact:
        """A theorem of the catalogue, given a fact that shows it: what it rests on is then told by its name."""
        allowed = frozenset(hypotheses)
        if proof.conclusion != conclusion or not proof.hypotheses <= allowed:
            raise ProofError(f"what is shown is not the theorem {name}: {proof}")
        return _fact(allowed, conclusion, proof.grounds | {Used(name)})


def _fact(
    hypotheses: frozenset[Term], conclusion: Term, grounds: frozenset[Ground] = frozenset(), axiom: bool = False
) -> Fact:
    return Fact(hypotheses, conclusion, grounds, axiom, _KEY)


def _proposition(t: Term) -> Term:
    if t.sort is not Sort.PROPOSITION:
        raise ProofError(f"expected a proposition, found the number {t}")
    return t


def _binder(t: Term, kind: str) -> Binder:
    if not isinstance(t, Binder) or t.kind != kind:
        raise ProofError(f"expected a term of the kind {kind!r}, found {t}")
    return t


def _numeric(f: Function, body: Callable[..., Numeric]) -> Callable[..., Term]:
    """What a sequence is replaced by: one term with holes for the indices, so that equal indices give equal elements
    however they are written."""
    holes = [fresh() for _ in range(f.arity)]
    element = term(body(*holes))
    if element.sort is Sort.PROPOSITION:
        raise ProofError(f"a sequence has numbers as elements, {element} is a proposition")
    if f.of is Sort.NATURAL and element.sort is not Sort.NATURAL:
        raise ProofError(f"{f.name} has natural numbers as elements, {element} need not be one")
    return lambda *indices: substitute(element, dict(zip(holes, indices, strict=True)))


def predecessor(count: Term) -> Term | None:
    """n for n + 1, m + n for m + (n + 1), and for a positive number the one before; None for anything else."""
    if isinstance(count, Operation) and count.operator == "+" and count.sort is Sort.NATURAL:
        first, second = count.arguments
        if second == Number(Fraction(1)):
            return first
        before = predecessor(second)
        return None if before is None else first + before
    if isinstance(count, Number) and count.value >= 1:
        return Number(count.value - 1)
    return None


# Arithmetic as SMT-LIB


def _script(premises: Sequence[Term], goal: Term) -> tuple[str, str]:
    """The script that is unsatisfiable if the premises imply the goal, and its logic."""
    names: dict[Term, str] = {}
    taken: set[str] = set()
    divisions: dict[Term, tuple[Term, Term]] = {}
    nonlinear = False

    def name(t: Term) -> str:
        if t not in names:
            wanted = symbol(_ascii(text(t)))
            while wanted in taken:
                wanted = "|" + wanted.strip("|") + "'|"
            names[t] = wanted
            taken.add(wanted)
        return names[t]

    def leaf(t: Term) -> str | None:
        nonlocal nonlinear
        if isinstance(t, (Variable, Application, Binder)):
            return name(t)
        if isinstance(t, Operation) and t.operator == "/":
            a, b = t.arguments
            if isinstance(b, Number) and b.value != 0:
                return smtlib(Number(1 / b.value) * a, leaf)
            nonlinear = True
            divisions[t] = (a, b)
            return name(t)
        if isinstance(t, Operation) and t.operator == "*" and not any(isinstance(a, Number) for a in t.arguments):
            nonlinear = True
        return None

    asserted = [smtlib(p, leaf) for p in premises if p != TRUE]
    refused = smtlib(goal, leaf)
    quotients = []
    done: set[Term] = set()
    while len(done) < len(divisions):
        for t, (a, b) in list(divisions.items()):
            if t not in done:
                done.add(t)
                x, y = smtlib(a, leaf), smtlib(b, leaf)
                quotients.append(f"(assert (=> (not (= {y} 0.0)) (= (* {names[t]} {y}) {x})))")
    logic = "QF_NRA" if nonlinear else "QF_LRA"
    lines = [f"(set-logic {logic})", "(set-info :status unsat)"]
    for t, written in names.items():
        lines.append(f"(declare-const {written} {'Bool' if t.sort is Sort.PROPOSITION else 'Real'})")
    lines += [f"(assert (<= 0.0 {written}))" for t, written in names.items() if t.sort is Sort.NATURAL]
    lines += quotients
    lines += [f"(assert {a})" for a in asserted]
    return _renumbered("\n".join([*lines, f"(assert (not {refused}))", "(check-sat)", ""])), logic


def _renumbered(script: str) -> str:
    """Fresh indices counted from 0 in each script, so that the same question has the same text in every run."""
    numbers: dict[str, str] = {}
    return re.sub(r"\?\d+", lambda found: numbers.setdefault(found[0], f"?{len(numbers)}"), script)


_PLAIN = str.maketrans(
    {"Σ": "sum ", "∀": "each ", "∃": "some ", "≤": "<=", "⇒": "=>", "⇔": "<=>", "′": "'", "·": "*", "|": "!", "\\": "/"}
)


def _ascii(written: str) -> str:
    """Symbols of SMT-LIB are ASCII here, for all solvers to read."""
    plain = written.translate(_PLAIN)
    return "".join(c if c.isascii() else {"τ": "tau", "ε": "eps"}.get(c, f"u{ord(c):x}") for c in plain)
