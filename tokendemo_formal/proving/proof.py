"""Proof scripts: steps with reasons, in the order in which a person would argue, each checked by the kernel.

A script ``proofs/NAME.py`` defines ``prove(p: Proof)`` and ends with ``main(NAME, prove)``. What it shows becomes a
:class:`Result`, whose verdict and status are computed from what the kernel has recorded, and from nothing else.

Main declarations: :class:`Proof`, :class:`Result`, :func:`run`, :func:`main`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

from tokendemo_formal.errors import InputError
from tokendemo_formal.logic.printing import text
from tokendemo_formal.logic.terms import Function, Numeric, Term, Variable, term
from tokendemo_formal.logic.values import Instance, holds, value
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.proving import tactics
from tokendemo_formal.proving.kernel import (
    Axiom,
    ByHand,
    Exactly,
    Fact,
    GaveUpError,
    Ground,
    Kernel,
    Obligation,
    ProofError,
    Used,
)
from tokendemo_formal.theorems import Theorem, theorem

Verdict: TypeAlias = Literal["proved", "refuted", "gave-up", "failed"]


Scripts: TypeAlias = "Callable[[str], Callable[[Proof], None]]"
"""From a theorem's name to what proves it."""


class Status(Enum):
    """How well a theorem is established, best first."""

    REFUTED = "refuted"
    SMT_TWICE = "proved: smt×2"
    EXACT = "proved: exact"
    SMT = "proved: smt"
    BY_HAND = "partly: steps by hand"
    TESTED = "tested"
    STATED = "stated"

    @property
    def rank(self) -> int:
        """0 is best; ``REFUTED``, ``SMT_TWICE`` and ``EXACT`` are equally good."""
        return {"refuted": 0, "proved: smt×2": 0, "proved: exact": 0}.get(self.value, list(Status).index(self))


@dataclass(frozen=True)
class Step:
    """One line of a proof: what holds, why, and how it was checked."""

    claim: str
    because: str
    how: str


@dataclass(frozen=True)
class Result:
    """What running a proof script has shown.

    Attributes:
        name: of the theorem.
        verdict: ``proved`` or ``refuted`` where the kernel has it, ``gave-up`` where a solver or a precision did, else
            ``failed``.
        status: computed from the grounds.
        assumptions: names of those that the proof used.
        steps: the proof as a person reads it.
        axioms: names of the axioms about exp and its relatives that were needed.
        uses: theorems of the catalogue that it rests on.
        by_hand: claims that only a person checked, with the argument.
        obligations: what solvers were asked.
        problem: why it failed or gave up.
        seconds: spent, imports excluded.
    """

    name: str
    verdict: Verdict
    status: Status
    assumptions: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    axioms: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    by_hand: tuple[ByHand, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    problem: str = ""
    seconds: float = 0.0


class Proof:
    """A proof in the making.

    Args:
        of: the theorem.
        kernel: checks every step.
        proofs: finds the proof scripts of theorems that are used.
    """

    def __init__(self, of: Theorem, kernel: Kernel, proofs: Scripts | None = None) -> None:
        self.theorem = of
        self.kernel = kernel
        self.steps: list[Step] = []
        self.shown: Fact | None = None
        self.used: set[str] = set()
        self._proofs = proofs

    def say(self, words: str) -> None:
        """A sentence of the argument that claims nothing by itself."""
        self.steps.append(Step("", words, ""))

    def assumption(self, name: str) -> Fact:
        """An assumption of the theorem, by name."""
        if name not in self.theorem.assumptions:
            raise ProofError(f"{self.theorem.name} assumes {', '.join(self.theorem.assumptions)}, not {name!r}")
        return self.kernel.assume(self.theorem.assumptions[name])

    @property
    def assumptions(self) -> list[Fact]:
        """All assumptions of the theorem."""
        return [self.assumption(name) for name in self.theorem.assumptions]

    def axiom(self, name: str, *arguments: Numeric) -> Fact:
        """An axiom about exp and its relatives, for these arguments."""
        return self.kernel.axiom(name, *arguments)

    def lemma(self, lemma: Callable[..., Fact], *arguments: Any) -> Fact:
        """One of :mod:`tokendemo_formal.proving.lemmas`, for these arguments (after the kernel)."""
        return self.kernel_fact(lemma(self.kernel, *arguments), lemma.__name__.replace("_", " "), "general lemma")

    def have(self, goal: Term, by: Iterable[Fact] = (), because: str = "") -> Fact:
        """The goal follows from these facts by arithmetic over the reals."""
        return self.kernel_fact(self.kernel.arithmetic(goal, by), because, "smt")

    def identity(self, equation: Term, because: str = "") -> Fact:
        """Both sides expand to the same polynomial."""
        return self.kernel_fact(self.kernel.identity(equation), because, "exact")

    def evaluate(self, proposition: Term, because: str = "") -> Fact:
        """A proposition without variables, computed."""
        return self.kernel_fact(self.kernel.evaluate(proposition), because, "exact")

    def each(
        self,
        count: Numeric,
        goal: Callable[[Variable], Term],
        by: Iterable[Fact] | Callable[[Variable], Iterable[Fact]] = (),
        because: str = "",
    ) -> Fact:
        """goal(i) for each i < count, see :func:`tactics.for_each`."""
        return self.kernel_fact(tactics.for_each(self.kernel, count, goal, by), because, "smt, for an arbitrary index")

    def each_choice(
        self,
        choice: Fact,
        goal: Callable[[Variable], Term],
        by: Callable[[Variable, Variable], Iterable[Fact]],
        because: str = "",
    ) -> Fact:
        """goal(i) for each i, from what is chosen for it, see :func:`tactics.for_each_choice`."""
        fact = tactics.for_each_choice(self.kernel, choice, goal, by)
        return self.kernel_fact(fact, because, "smt, for an arbitrary index and its choice")

    def induction(
        self,
        index: Variable,
        proposition: Term,
        base: Iterable[Fact] = (),
        step: Iterable[Fact] = (),
        because: str = "",
    ) -> Fact:
        """P(n) for every n, see :func:`tactics.by_induction`."""
        fact = tactics.by_induction(self.kernel, index, proposition, base, step)
        return self.kernel_fact(fact, because, f"induction on {index}: base and step by smt")

    def by_hand(self, claim: Term, argument: str, by: Iterable[Fact] = ()) -> Fact:
        """A claim that only a person checked: lowers the status."""
        return self.kernel_fact(self.kernel.by_hand(claim, argument, by), argument, "BY HAND")

    def kernel_fact(self, fact: Fact, because: str, how: str) -> Fact:
        """Records a fact that a rule of the kernel gave as a step."""
        self.steps.append(Step(text(fact.conclusion), because, how))
        return fact

    def use(
        self,
        name: str,
        variables: Mapping[Variable, Numeric] | None = None,
        functions: Mapping[Function, Callable[..., Numeric]] | None = None,
        by: Iterable[Fact] = (),
        because: str = "",
    ) -> Fact:
        """Another theorem of the catalogue, for these values; its assumptions are met by facts that say just that."""
        if name not in self.theorem.uses:
            raise ProofError(f"{self.theorem.name} does not say in its uses that it rests on {name}")
        other = theorem(name)
        key = ("theorem", name)
        if key not in self.kernel.known:
            if self._proofs is None:
                raise ProofError(f"where the proof of {name} is, is not known")
            inner = Proof(other, self.kernel, self._proofs)
            self._proofs(name)(inner)
            if inner.shown is None:
                raise ProofError(f"{name} is used, but its script does not prove it")
            self.kernel.known[key] = inner.shown
        cited = self.kernel.cite(name, other.assumptions.values(), other.conclusion, self.kernel.known[key])
        fact = self.kernel.cut(self.kernel.instantiate(cited, variables, functions), by)
        self.used |= {ground.name for ground in fact.grounds if isinstance(ground, Used)}
        return self.kernel_fact(fact, because or other.sentence, f"theorem {name}")

    def conclude(self, by: Iterable[Fact], because: str = "") -> None:
        """The theorem's conclusion follows from these facts, which rest on its assumptions only."""
        conclusion = self.theorem.conclusion
        given = list(by)
        exactly = [f for f in given if f.conclusion == conclusion]
        fact = exactly[0] if exactly else self.kernel.arithmetic(conclusion, given)
        problem = _other_than_stated(self.theorem, fact)
        if problem:
            raise ProofError(problem)
        self.shown = self.kernel_fact(fact, because, "as shown" if exactly else "smt")

    def refute(self, shows: Mapping[str, Numeric] | None = None, because: str = "") -> None:
        """The theorem's ``refutation`` meets all assumptions and breaks the conclusion, evaluated exactly.

        Args:
            shows: numbers to print, by label, so that a reader can redo them.
            because: what goes wrong.
        """
        instance = self.theorem.refutation
        if instance is None:
            raise ProofError(f"{self.theorem.name} comes without a refutation")
        self.steps.append(Step("", instance.note or "an instance", "given"))
        for name, given in instance.values.items():
            self.steps.append(Step(f"{name} = {shown(given)}", "", "given"))
        for label, number in (shows or {}).items():
            self.steps.append(Step(f"{label} = {shown(value(term(number), instance))}", "", "exact"))
        for name, assumption in self.theorem.assumptions.items():
            self._decided(assumption, instance, True, f"assumption met: {name}")
        self._decided(self.theorem.conclusion, instance, False, because or "the conclusion is false")

    def _decided(self, proposition: Term, instance: Instance, expected: bool, because: str) -> None:
        result = holds(proposition, instance)
        if result is None:
            raise GaveUpError(f"{text(proposition)} is left open by the highest precision")
        if result is not expected:
            raise ProofError(f"the refutation fails: {text(proposition)} is {str(result).lower()}")
        self.steps.append(Step(f"{text(proposition)} is {str(result).lower()}", because, "exact"))


def shown(x: Any) -> str:
    """A value of an instance as text."""
    if isinstance(x, Log):
        return f"log {x.of}" if x.of.denominator == 1 else f"log({x.of})"
    if isinstance(x, (list, tuple)):
        return "(" + ", ".join(shown(y) for y in x) + ")"
    return "a function of the index" if callable(x) else str(x)


def run(
    name: str,
    prove: Callable[[Proof], None],
    kernel: Kernel | None = None,
    proofs: Scripts | None = None,
) -> Result:
    """Runs a proof script's function. Whatever a script raises on purpose becomes a verdict; nothing else is caught."""
    kernel = Kernel() if kernel is None else kernel
    began = time.perf_counter()
    proof = Proof(theorem(name), kernel, proofs)
    problem, gave_up = "", False
    try:
        prove(proof)
    except GaveUpError as error:
        problem, gave_up = str(error), True
    except ProofError as error:
        problem = str(error)
    seconds = time.perf_counter() - began
    fact = proof.shown
    if not problem and fact is None and _is_refuted(proof.theorem):
        uses = tuple(sorted(proof.used))
        return Result(name, "refuted", Status.REFUTED, steps=tuple(proof.steps), uses=uses, seconds=seconds)
    if not problem and fact is not None:
        # what a script left here is looked at again, so that only the kernel's word counts
        problem = _other_than_stated(proof.theorem, fact)
    if fact is None or problem:
        verdict: Verdict = "gave-up" if gave_up else "failed"
        return Result(
            name, verdict, _untold(proof.theorem), steps=tuple(proof.steps), problem=problem or "nothing was concluded",
            seconds=seconds,
        )  # fmt: skip
    used = [label for label, a in proof.theorem.assumptions.items() if a in fact.hypotheses]
    return Result(
        name,
        "proved",
        status_of(fact.grounds),
        tuple(used),
        tuple(proof.steps),
        tuple(sorted({g.name for g in fact.grounds if isinstance(g, Axiom)})),
        tuple(sorted({g.name for g in fact.grounds if isinstance(g, Used)})),
        tuple(g for g in fact.grounds if isinstance(g, ByHand)),
        tuple(sorted((g for g in fact.grounds if isinstance(g, Obligation)), key=lambda g: g.script)),
        seconds=seconds,
    )


def status_of(grounds: Iterable[Ground]) -> Status:
    """The worst of what a fact rests on; what it uses is among its grounds."""
    worst = Status.EXACT
    for ground in grounds:
        match ground:
            case ByHand():
                own = Status.BY_HAND
            case Obligation(replies=replies):
                own = Status.SMT_TWICE if sum(reply == "unsat" for _, reply in replies) >= 2 else Status.SMT
            case Axiom() | Exactly() | Used():
                continue
        if own.rank > worst.rank or worst is Status.EXACT:
            worst = own
    return worst


def _is_refuted(of: Theorem) -> bool:
    """Whether a theorem's refutation meets its assumptions and breaks its conclusion."""
    instance = of.refutation
    return (
        instance is not None
        and all(holds(t, instance) is True for t in of.assumptions.values())
        and holds(of.conclusion, instance) is False
    )


def _other_than_stated(of: Theorem, fact: Fact) -> str:
    if fact.conclusion != of.conclusion:
        return f"what was shown is not the theorem's conclusion: {text(fact.conclusion)}"
    extra = fact.hypotheses - set(of.assumptions.values())
    return f"what was shown assumes more than the theorem: {', '.join(map(str, extra))}" if extra else ""


def unproved(
    of: Theorem, problem: str = "there is no proof script", verdict: Literal["failed", "gave-up"] = "failed"
) -> Result:
    """The result for a theorem whose proof script is not there, or broke off."""
    return Result(of.name, verdict, _untold(of), problem=problem)


def _untold(of: Theorem) -> Status:
    """Without a proof: whether all its instances bear it out."""
    good = [of.witness, *of.probes]
    try:
        met = all(holds(t, i) for i in good for t in (*of.assumptions.values(), of.conclusion))
    except InputError:  # an instance on which the statement has no value says nothing for it
        met = False
    return Status.TESTED if met and of.expected == "proved" else Status.STATED


def written(of: Theorem, result: Result) -> str:
    """A proof as text: what was assumed, what was shown, by what."""
    lines = [f"{of.name}  (entry {of.entry})", "", f"  {of.sentence}", ""]
    if of.assumptions:
        lines += ["assumed:", *(f"  {name}: {text(t)}" for name, t in of.assumptions.items()), ""]
    lines += ["to show:" if of.expected == "proved" else "claimed:", f"  {text(of.conclusion)}", ""]
    number = 0
    for step in result.steps:
        if not step.claim:
            lines.append(f"     {step.because}")
            continue
        number += 1
        lines.append(f"{number:3}. {step.claim}")
        reason = "; ".join(part for part in (step.because, step.how) if part)
        lines += [f"       {reason}"] if reason else []
    lines += ["", f"{result.verdict}: {of.name}", f"  status   {result.status.value}"]
    if result.problem:
        lines.append(f"  problem  {result.problem}")
    if result.verdict == "proved":
        solvers = sorted({s for o in result.obligations for s, reply in o.replies if reply == "unsat"})
        lines.append(f"  by       {len(result.obligations)} obligations ({', '.join(solvers) or 'no solver needed'})")
        lines.append(f"  axioms   {', '.join(result.axioms) or 'none beyond arithmetic and induction'}")
        if result.uses:
            lines.append(f"  uses     {', '.join(result.uses)}")
        lines += [f"  by hand  {h.claim}: {h.argument}" for h in result.by_hand]
    lines.append(f"  seconds  {result.seconds:.2f}")
    return "\n".join(lines) + "\n"


def main(name: str, prove: Callable[[Proof], None], argv: Sequence[str] | None = None) -> None:
    """What a proof script does when it is run: proves, prints, and exits with 0 if the verdict is the expected one."""
    from tokendemo_formal.proving.library import script

    result = run(name, prove, proofs=script)
    sys.stdout.write(written(theorem(name), result))
    sys.exit(0 if result.verdict == theorem(name).expected else 3 if result.verdict == "gave-up" else 1)
