"""What proof scripts have shown, as a table, as JSON, and as an explanation for a student.

Main declarations: :func:`table`, :func:`to_json`, :func:`explanation`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint

from tokendemo_formal.logic.printing import text
from tokendemo_formal.logic.terms import Operation, Term, free_variables, functions_of
from tokendemo_formal.logic.values import Instance, NoValueError, comparisons, holds, value
from tokendemo_formal.proving.proof import Result, Status, shown
from tokendemo_formal.theorems import CLAIMS, Theorem, theorem

_WIDTH = 110


def settled(result: Result) -> bool:
    """Whether the verdict is the expected one."""
    return result.verdict == theorem(result.name).expected


def table(results: Sequence[Result], seconds: float) -> str:
    """By claim; a theorem that speaks to several stands under each. A summary closes it.

    Args:
        results: of proof scripts.
        seconds: how long they took together.
    """
    entries = sorted(((theorem(r.name), r) for r in results), key=lambda entry: (entry[0].entry, entry[0].name))
    width = max([len(of.name) for of, _ in entries], default=0)
    lines = []
    for claim, told in [*CLAIMS.items(), ("other", "speaks to no claim of the abstract")]:
        rows = [(of, r) for of, r in entries if claim in (of.claims or ("other",))]
        if rows:
            lines += [f"{claim}  {told}", *(line for of, r in rows for line in _row(of, r, width)), ""]
    return "\n".join([*lines, summary(results, seconds), ""])


def _row(of: Theorem, result: Result, width: int) -> list[str]:
    mark = " " if settled(result) else "!"
    head = f"{mark} {of.name:<{width}}  {result.verdict:<7}  {result.status.value:<22}  {result.seconds:5.2f} s  "
    space = " " * len(head)
    lines = textwrap.wrap("; ".join(assumptions(of, result)) or "–", max(_WIDTH - len(head), 40))
    lines = [head + lines[0], *(space + line for line in lines[1:])]
    if result.problem:
        lines.append(textwrap.fill(f"problem: {' '.join(result.problem.split())}", _WIDTH, initial_indent="    ",
                                   subsequent_indent="    ", break_long_words=False, max_lines=6))  # fmt: skip
    return lines


def assumptions(of: Theorem, result: Result) -> list[str]:
    """Names of the assumptions that a proof used; of a statement that was not proved, all of them."""
    return list(result.assumptions if result.verdict == "proved" else of.assumptions)


def summary(results: Sequence[Result], seconds: float) -> str:
    """One line: how many, with which verdicts, and whether they are the expected ones."""
    counts = [(v, sum(r.verdict == v for r in results)) for v in ("proved", "refuted", "gave-up", "failed")]
    told = ", ".join(f"{n} {verdict}" for verdict, n in counts if n)
    unexpected = sum(not settled(r) for r in results)
    by_hand = sum(r.status is Status.BY_HAND for r in results)
    parts = [
        f"{len(results)} theorem{'s' * (len(results) != 1)}: {told}",
        f"{unexpected} not as expected (!)" if unexpected else "all as expected",
        *([f"{by_hand} with steps by hand"] if by_hand else []),
        f"{seconds:.1f} s",
    ]
    return "; ".join(parts)


def to_json(result: Result) -> dict[str, Any]:
    """A result as strings, numbers, and lists and objects of them."""
    of = theorem(result.name)
    return {
        "name": of.name,
        "entry": of.entry,
        "claims": list(of.claims),
        "sentence": of.sentence,
        "verdict": result.verdict,
        "expected": of.expected,
        "status": result.status.value,
        "seconds": round(result.seconds, 4),
        "problem": result.problem or None,
        "evidence": {
            "assumptions": assumptions(of, result),
            "steps": [{"claim": s.claim or None, "because": s.because, "how": s.how} for s in result.steps],
            "axioms": list(result.axioms),
            "uses": list(result.uses),
            "by_hand": [{"claim": h.claim, "argument": h.argument} for h in result.by_hand],
            "obligations": {
                "count": len(result.obligations),
                "logics": sorted({o.logic for o in result.obligations}),
                "each": [{"goal": o.goal, "logic": o.logic, "replies": dict(o.replies)} for o in result.obligations],
            },
        },
    }


# Explanations


def explanation(of: Theorem, result: Result) -> str:
    """What a theorem says, why it matters, why it holds, what breaks it, and where it stops.

    Args:
        of: the theorem.
        result: of its proof script, run just now.
    """
    claims = ", ".join(f"{c} ({CLAIMS[c]})" for c in of.claims) or "none of the abstract's claims"
    parts = [
        f"{of.name}\n{_filled(of.sentence)}",
        f"Why it matters\n{_filled(of.why)}\n{_filled(f'It speaks to {claims}.')}",
        f"The statement\n{_statement(of)}",
        f"{'Why it holds' if of.expected == 'proved' else 'Why it fails'}\n{_filled(of.idea)}",
    ]
    if of.refutation is not None:
        parts.append(f"The counterexample\n{_told(of, of.refutation)}")
    parts += [f"Without the assumption that {name}\n{_told(of, instance)}" for name, instance in of.sharp.items()]
    if of.refutation is None:
        parts.append(f"Where it does hold, in numbers\n{_told(of, of.witness)}")
    parts += [f"Where it stops\n{_filled(of.limits)}", f"What was shown just now\n{_evidence(result)}"]
    return "\n\n".join(parts) + "\n"


def _filled(words: str, indent: str = "  ") -> str:
    return textwrap.fill(words, _WIDTH - 10, initial_indent=indent, subsequent_indent=indent)


def _statement(of: Theorem) -> str:
    lines = [f"  if    {name}:\n          {text(t)}" for name, t in of.assumptions.items()]
    return "\n".join([*lines, f"  then  {text(of.conclusion)}"])


def needed_values(of: Theorem, instance: Instance) -> list[tuple[str, str]]:
    """The names that a statement mentions, with their values as text."""
    terms = (*of.assumptions.values(), of.conclusion)
    names = {v.name for t in terms for v in free_variables(t)} | {f.name for t in terms for f in functions_of(t)}
    return [(name, shown(x)) for name, x in instance.values.items() if name in names]


def _told(of: Theorem, instance: Instance) -> str:
    lines = [_filled(instance.note)] if instance.note else []
    lines += [f"    {name} = {x}" for name, x in needed_values(of, instance)]
    return "\n".join([*lines, *(f"    {line}" for line in compared(of.conclusion, instance))])


def _evidence(result: Result) -> str:
    lines = [f"  {result.verdict}, status: {result.status.value}, {result.seconds:.2f} s"]
    if result.problem:
        lines.append(_filled(f"problem: {result.problem}"))
    if result.obligations:
        solvers = sorted({s for o in result.obligations for s, reply in o.replies if reply == "unsat"})
        lines.append(f"  {len(result.obligations)} steps of arithmetic, decided by {' and '.join(solvers)}")
    if result.axioms:
        lines.append(f"  axioms about the real functions: {', '.join(result.axioms)}")
    if result.uses:
        lines.append(f"  rests on {', '.join(result.uses)}")
    lines += [_filled(f"by hand: {h.claim}: {h.argument}") for h in result.by_hand]
    return "\n".join([*lines, f"  every step: python proofs/{result.name}.py"])


_SHOWN = 4
"""How many comparisons at most are shown of a statement for each index."""


def compared(proposition: Term, instance: Instance) -> list[str]:
    """The comparisons that a proposition comes down to, with the numbers on both sides, as lines; false ones first."""
    try:
        told = [(t, *_compared(t, instance)) for t in dict.fromkeys(comparisons(proposition, instance))]
    except NoValueError as error:
        return [f"{text(proposition)}:  has no value ({error})"]
    told.sort(key=lambda part: part[2] is not False)
    lines = [numbers if t == proposition else f"{text(t)}:  {numbers}" for t, numbers, _ in told[:_SHOWN]]
    return [*lines, *([f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else [])]


def _compared(t: Operation, instance: Instance) -> tuple[str, bool | None]:
    a, b = t.arguments
    sign = {"<": "<", "<=": "≤", "=": "="}[t.operator]
    try:
        truth = holds(t, instance)
        told = {True: "true", False: "false", None: "left open"}[truth]
        return f"{number(value(a, instance))} {sign} {number(value(b, instance))} is {told}", truth
    except NoValueError as error:
        return f"has no value ({error})", False


def number(x: Any) -> str:
    """A value as text: exactly, with decimals where that is a fraction of some length; a ball by its midpoint."""
    if isinstance(x, flint.arb):
        return f"{x.str(8, radius=False)}…"
    if isinstance(x, Fraction) and x.denominator > 1:
        decimal = f"{float(x):.6g}"
        return f"{x} ≈ {decimal}" if len(str(x)) <= 24 else f"{decimal}…"
    if isinstance(x, (int, Fraction)) or x is None:
        return str(x)
    return shown(x)
