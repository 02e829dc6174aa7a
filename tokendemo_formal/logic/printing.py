"""Terms as text, as LaTeX and as SMT-LIB 2."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Literal

from tokendemo_formal.errors import InputError
from tokendemo_formal.logic.terms import (
    KNOWN,
    Application,
    Binder,
    Function,
    Number,
    Operation,
    Sort,
    Term,
    Variable,
    free_variables,
    functions_of,
)

# How tightly operators bind, loosest first.
_LEVEL = {"iff": 1, "=>": 2, "or": 3, "and": 4, "not": 5, "<": 6, "<=": 6, "=": 6, "+": 7, "-": 7, "*": 8, "/": 8}
_ATOM = 10

_TEXT = {"iff": " ⇔ ", "=>": " ⇒ ", "or": " or ", "and": " and ", "<": " < ", "<=": " ≤ ", "=": " = "}
_TEXT |= {"+": " + ", "-": " - ", "*": " ", "/": " / "}
_LATEX = {"iff": r" \iff ", "=>": r" \implies ", "or": r" \lor ", "and": r" \land ", "<": " < ", "<=": r" \le "}
_LATEX |= {"=": " = ", "+": " + ", "-": " - ", "*": r" \, "}

_GREEK = (
    "alpha",
    "beta",
    "gamma",
    "delta",
    "eps",
    "theta",
    "kappa",
    "lambda",
    "mu",
    "rho",
    "sigma",
    "tau",
    "phi",
    "psi",
)
_GREEK_TEXT = dict(zip(_GREEK, "αβγδεθκλμρστφψ", strict=True))


def text(of: Term) -> str:
    """On one line, for people."""
    written: str | None = of.__dict__.get("_text")
    if written is None:
        written = _Text().write(of, 0, {})
        object.__setattr__(of, "_text", written)
    return written


def latex(of: Term) -> str:
    """For a formula in mathematics mode."""
    return _Latex().write(of, 0, {})


class _Writer:
    """What both formats for people share: brackets by precedence, names of bound indices."""

    names: Mapping[str, str]

    def write(self, t: Term, level: int, names: Mapping[Variable, str]) -> str:
        written, own = self.step(t, names)
        return self.bracket(written) if own < level else written

    def step(self, t: Term, names: Mapping[Variable, str]) -> tuple[str, int]:
        match t:
            case Variable(name):
                return names.get(t) or self.name(name), _ATOM
            case Number(value):
                return self.number(value)
            case Application(function, arguments):
                return self.application(function, [self.write(a, 0, names) for a in arguments]), _ATOM
            case Binder(kind, count, index, body, hint):
                shown = hint
                while shown in names.values() or _names_something(shown, t):
                    shown += "′"
                inner = {**names, index: shown}
                # a sum binds like a product's left side; a quantifier reaches as far as it can
                inside, own = (_LEVEL["*"], _LEVEL["+"]) if kind == "sum" else (0, 0)
                return self.binder(
                    kind, shown, self.write(count, _LEVEL["*"], names), self.write(body, inside, inner)
                ), own
            case Operation(operator, arguments):
                return self.operation(operator, arguments, names)
        raise InputError(f"not a term: {t!r}")

    def operation(self, operator: str, arguments: tuple[Term, ...], names: Mapping[Variable, str]) -> tuple[str, int]:
        write = self.write
        if operator in ("max", "min"):
            if operator == "max" and len(arguments) == 2 and arguments[1] == -arguments[0]:
                return self.absolute(write(arguments[0], 0, names)), _ATOM
            return self.call(operator, [write(a, 0, names) for a in arguments]), _ATOM
        if operator == "ite":
            return self.choice(*(write(a, 0, names) for a in arguments)), _ATOM
        level = _LEVEL[operator]
        if operator == "not":
            return self.sign("not") + write(arguments[0], level + 1, names), level
        if not arguments:
            return self.sign("true" if operator == "and" else "false"), _ATOM
        if operator == "-" and arguments[0] == Number(Fraction(0)):
            return "-" + write(arguments[1], level + 1, names), level
        if operator in ("and", "or", "+"):
            flat = [write(a, level, names) for a in arguments]
        elif operator == "*":
            # (1 / x) y keeps its brackets: 1 / x y could be read as 1 / (x y)
            divided = isinstance(arguments[0], Operation) and arguments[0].operator == "/"
            flat = [write(arguments[0], level + divided, names), write(arguments[1], level + 1, names)]
        elif operator in ("=>", "<", "<=", "=", "iff"):
            flat = [write(a, level + 1, names) for a in arguments]
        else:
            flat = [write(arguments[0], level, names), write(arguments[1], level + 1, names)]
        return self.join(operator, flat), level

    def name(self, name: str) -> str:
        raise NotImplementedError

    def number(self, value: Fraction) -> tuple[str, int]:
        raise NotImplementedError

    def application(self, function: Function, arguments: list[str]) -> str:
        raise NotImplementedError

    def binder(self, kind: str, index: str, count: str, body: str) -> str:
        raise NotImplementedError

    def bracket(self, written: str) -> str:
        raise NotImplementedError

    def call(self, operator: str, arguments: list[str]) -> str:
        raise NotImplementedError

    def absolute(self, argument: str) -> str:
        raise NotImplementedError

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        raise NotImplementedError

    def sign(self, of: str) -> str:
        raise NotImplementedError

    def join(self, operator: str, arguments: list[str]) -> str:
        raise NotImplementedError


def _names_something(shown: str, t: Term) -> bool:
    """Whether a free variable has the name already."""
    return any(v.name == shown for v in free_variables(t))


class _Text(_Writer):
    def name(self, name: str) -> str:
        head, _, tail = name.partition("_")
        return _GREEK_TEXT.get(head, head) + (f"_{tail}" if tail else "")

    def number(self, value: Fraction) -> tuple[str, int]:
        return str(value), (_LEVEL["+"] if value < 0 else _LEVEL["/"] if value.denominator > 1 else _ATOM)

    def application(self, function: Function, arguments: list[str]) -> str:
        if function in KNOWN:
            return f"{function.name}({', '.join(arguments)})"
        return f"{self.name(function.name)}[{', '.join(arguments)}]"

    def binder(self, kind: str, index: str, count: str, body: str) -> str:
        return f"{ {'sum': 'Σ', 'each': '∀', 'some': '∃'}[kind] }{index}<{count}: {body}"

    def bracket(self, written: str) -> str:
        return f"({written})"

    def call(self, operator: str, arguments: list[str]) -> str:
        return f"{operator}({', '.join(arguments)})"

    def absolute(self, argument: str) -> str:
        return f"|{argument}|"

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        return f"(if {condition} then {then} else {otherwise})"

    def sign(self, of: str) -> str:
        return "not " if of == "not" else of

    def join(self, operator: str, arguments: list[str]) -> str:
        return _TEXT[operator].join(arguments)


class _Latex(_Writer):
    def name(self, name: str) -> str:
        name = name.replace("?", "")
        head, _, tail = name.partition("_")
        head = r"\varepsilon" if head == "eps" else f"\\{head}" if head in _GREEK else head
        head = head if len(head) == 1 or head.startswith("\\") else rf"\mathit{{{head}}}"
        return head + (rf"_{{{tail}}}" if tail else "")

    def number(self, value: Fraction) -> tuple[str, int]:
        if value.denominator == 1:
            return str(value), (_LEVEL["+"] if value < 0 else _ATOM)
        sign = "-" if value < 0 else ""
        return rf"{sign}\tfrac{{{abs(value.numerator)}}}{{{value.denominator}}}", (_LEVEL["+"] if sign else _ATOM)

    def application(self, function: Function, arguments: list[str]) -> str:
        if function.name == "exp":
            return f"e^{{{arguments[0]}}}"
        if function.name == "sqrt":
            return rf"\sqrt{{{arguments[0]}}}"
        if function in KNOWN:
            return rf"\{function.name}\left({arguments[0]}\right)"
        if function.latex:
            return f"{function.latex}_{{{','.join(arguments)}}}"
        head, _, tail = function.name.partition("_")
        return self.name(head) + (f"^{{{tail}}}" if tail else "") + f"_{{{','.join(arguments)}}}"

    def binder(self, kind: str, index: str, count: str, body: str) -> str:
        if kind == "sum":
            return rf"\sum_{{{index}<{count}}} {body}"
        return rf"{ {'each': chr(92) + 'forall', 'some': chr(92) + 'exists'}[kind] } {index}{{<}}{count}\colon {body}"

    def bracket(self, written: str) -> str:
        return rf"\left({written}\right)"

    def call(self, operator: str, arguments: list[str]) -> str:
        return rf"\{operator}\left({', '.join(arguments)}\right)"

    def absolute(self, argument: str) -> str:
        return rf"\left|{argument}\right|"

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        return rf"\begin{{cases}}{then} & {condition}\\{otherwise} & \text{{otherwise}}\end{{cases}}"

    def sign(self, of: str) -> str:
        return {"not": r"\lnot ", "true": r"\top", "false": r"\bot"}[of]

    def join(self, operator: str, arguments: list[str]) -> str:
        if operator == "/":
            return rf"\frac{{{arguments[0]}}}{{{arguments[1]}}}"
        return _LATEX[operator].join(arguments)

    def operation(self, operator: str, arguments: tuple[Term, ...], names: Mapping[Variable, str]) -> tuple[str, int]:
        if operator == "/":  # a fraction needs no brackets
            return self.join("/", [self.write(a, 0, names) for a in arguments]), _ATOM
        return super().operation(operator, arguments, names)


# SMT-LIB


_RESERVED = frozenset(
    {"and", "as", "assert", "distinct", "exists", "false", "forall", "ite", "lambda"}
    | {"let", "match", "not", "or", "par", "true", "xor"}
)
"""Words that SMT-LIB, or a solver's dialect of it, keeps for itself, quoted or not."""


def symbol(name: str) -> str:
    """A name as an SMT-LIB symbol, quoted where it has to be."""
    if name in _RESERVED:
        return f"{name}_"
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return name
    return "|" + name.replace("|", "!").replace("\\", "/") + "|"


def rational(value: Fraction) -> str:
    """A rational number as an SMT-LIB term of sort Real."""
    magnitude = f"{abs(value.numerator)}.0"
    if value.denominator != 1:
        magnitude = f"(/ {magnitude} {value.denominator}.0)"
    return f"(- {magnitude})" if value < 0 else magnitude


def smtlib(of: Term, leaf: Callable[[Term], str | None]) -> str:
    """A term over the reals.

    Args:
        of: the term.
        leaf: how a subterm is written, or None to write its parts. Variables, applications, binders and divisions have
            no writing of their own here.
    """
    written = leaf(of)
    if written is not None:
        return written
    if isinstance(of, Number):
        return rational(of.value)
    assert isinstance(of, Operation), f"nothing says how to write {of}"
    operator = {"iff": "="}.get(of.operator, of.operator)
    arguments = [smtlib(a, leaf) for a in of.arguments]
    if operator in ("max", "min"):
        relation = ">=" if operator == "max" else "<="
        result = arguments[0]
        for a in arguments[1:]:
            result = f"(ite ({relation} {result} {a}) {result} {a})"
        return result
    if operator in ("and", "or") and not arguments:
        return "true" if operator == "and" else "false"
    if operator == "-" and of.arguments[0] == Number(Fraction(0)):
        return f"(- {arguments[1]})"
    return f"({operator} {' '.join(arguments)})"


def smtlib_statement(
    assumptions: Mapping[str, Term],
    conclusion: Term,
    comments: Sequence[str] = (),
    status: Literal["sat", "unsat"] = "unsat",
) -> str:
    """A whole statement as one SMT-LIB script that is unsatisfiable exactly if the statement is true.

    Naturals are integers of at least 0, sequences are functions, sums are recursive functions, and the known real
    functions come with axioms. Solvers seldom decide it: it is the statement's meaning, not its proof.

    Args:
        assumptions: by name.
        conclusion: what they are to imply.
        comments: lines for the top.
        status: the declared one; "sat" for a statement that is false.
    """
    everything = [*assumptions.values(), conclusion]
    script = _Script()
    lines = [script.write(t, {}) for t in everything]
    used = frozenset[Function]().union(*(functions_of(t) for t in everything))
    head = [f"; {c}" for c in comments] + ["(set-logic ALL)", f"(set-info :status {status})"]
    variables = sorted(frozenset[Variable]().union(*(free_variables(t) for t in everything)), key=lambda v: v.name)
    for v in variables:
        head.append(f"(declare-const {symbol(v.name)} {'Int' if v.sort is Sort.NATURAL else 'Real'})")
        if v.sort is Sort.NATURAL:
            head.append(f"(assert (<= 0 {symbol(v.name)}))")
    free = sorted(used - KNOWN, key=lambda f: f.name)
    for f in free:
        natural = f.of is Sort.NATURAL
        head.append(f"(declare-fun {symbol(f.name)} ({' '.join(['Int'] * f.arity)}) {'Int' if natural else 'Real'})")
        if natural:
            places = [f"i{place}" for place in range(f.arity)]
            bound = " ".join(f"({place} Int)" for place in places)
            head.append(f"(assert (forall ({bound}) (<= 0 ({symbol(f.name)} {' '.join(places)}))))")
    known = sorted({name for f in used & KNOWN for name in (f.name, *_MENTIONED.get(f.name, ()))})
    head += [f"(declare-fun {_OURS}{name} (Real) Real)" for name in known]
    head += [f"(assert {axiom})" for name in known for axiom in _AXIOMS[name]]
    body = [f"; {name}\n(assert {line})" for name, line in zip(assumptions, lines, strict=False)]
    return "\n".join([*head, *script.definitions, *body, f"(assert (not {lines[-1]}))", "(check-sat)", ""])


_OURS = "real_"
"""Put before the known functions' names: some solvers have an exp or a sin of their own."""

_AXIOMS = {
    "exp": (
        "(forall ((x Real)) (> (real_exp x) 0.0))",
        "(forall ((x Real) (y Real)) (=> (< x y) (< (real_exp x) (real_exp y))))",
        "(= (real_exp 0.0) 1.0)",
        "(forall ((x Real) (y Real)) (= (real_exp (+ x y)) (* (real_exp x) (real_exp y))))",
        "(forall ((x Real)) (>= (real_exp x) (+ 1.0 x)))",
    ),
    "sqrt": ("(forall ((x Real)) (=> (<= 0.0 x) (and (<= 0.0 (real_sqrt x)) (= (* (real_sqrt x) (real_sqrt x)) x))))",),
    "log": ("(forall ((x Real)) (=> (< 0.0 x) (= (real_exp (real_log x)) x)))",),
    "cos": (
        "(= (real_cos 0.0) 1.0)",
        "(forall ((x Real)) (= (+ (* (real_cos x) (real_cos x)) (* (real_sin x) (real_sin x))) 1.0))",
        "(forall ((x Real) (y Real))"
        " (= (real_cos (+ x y)) (- (* (real_cos x) (real_cos y)) (* (real_sin x) (real_sin y)))))",
    ),
    "sin": (
        "(= (real_sin 0.0) 0.0)",
        "(forall ((x Real) (y Real))"
        " (= (real_sin (+ x y)) (+ (* (real_sin x) (real_cos y)) (* (real_cos x) (real_sin y)))))",
        "(forall ((x Real)) (=> (<= 0.0 x) (<= (real_sin x) x)))",
    ),
}
_MENTIONED = {"log": ("exp",), "cos": ("sin",), "sin": ("cos",)}
"""Functions that the axioms of others speak about."""


class _Script:
    """Writes terms with integer indices; collects the recursive functions that sums become."""

    def __init__(self) -> None:
        self.definitions: list[str] = []
        self.known: dict[tuple[Term, tuple[Variable, ...]], str] = {}

    def write(self, t: Term, names: Mapping[Variable, str]) -> str:
        return smtlib(t, lambda part: self.leaf(part, names))

    def leaf(self, t: Term, names: Mapping[Variable, str]) -> str | None:
        match t:
            case Variable(name):
                written = names.get(t) or symbol(name)
                return f"(to_real {written})" if t.sort is Sort.NATURAL else written
            case Application(function, arguments):
                if function in KNOWN:
                    return f"({_OURS}{function.name} {self.write(arguments[0], names)})"
                written = f"({symbol(function.name)} {' '.join(self.index(a, names) for a in arguments)})"
                return f"(to_real {written})" if t.sort is Sort.NATURAL else written
            case Binder(kind="sum"):
                return self.sum(t, names)
            case Binder(kind, count, index, body):
                name = f"i{index.name}"
                inside = self.write(body, {**names, index: name})
                limits = f"(<= 0 {name}) (< {name} {self.index(count, names)})"
                if kind == "each":
                    return f"(forall (({name} Int)) (=> (and {limits}) {inside}))"
                return f"(exists (({name} Int)) (and {limits} {inside}))"
        return None

    def index(self, t: Term, names: Mapping[Variable, str]) -> str:
        """A natural number as an integer."""
        match t:
            case Variable(name):
                return names.get(t) or symbol(name)
            case Number(value):
                return str(value.numerator)
            case Operation(operator, arguments) if operator in ("+", "*"):
                return f"({operator} {' '.join(self.index(a, names) for a in arguments)})"
            case Application(function, arguments) if t.sort is Sort.NATURAL:
                return f"({symbol(function.name)} {' '.join(self.index(a, names) for a in arguments)})"
        return f"(to_int {self.write(t, names)})"

    def sum(self, t: Binder, names: Mapping[Variable, str]) -> str:
        outer = tuple(sorted((v for v in free_variables(t) if v in names), key=lambda v: v.name))
        key = (Binder("sum", Number(Fraction(0)), t.index, t.body), outer)
        if key not in self.known:
            inner = {v: f"x{v.name}" for v in outer}
            parameters = " ".join(["(n Int)", *(f"({name} Int)" for name in inner.values())])
            written = self.write(t.body, {**inner, t.index: "(- n 1)"})  # defines the sums inside first
            name = f"sum_{len(self.known) + 1}"
            self.known[key] = name
            again = " ".join([name, "(- n 1)", *inner.values()])
            self.definitions.append(
                f"(define-fun-rec {name} ({parameters}) Real (ite (<= n 0) 0.0 (+ ({again}) {written})))"
            )
        return f"({self.known[key]} {' '.join([self.index(t.count, names), *(names[v] for v in outer)])})"
