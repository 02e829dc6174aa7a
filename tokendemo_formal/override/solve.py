"""Questions to answers: what is asked is checked, and the kind of run chosen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, get_args

from tokendemo_formal.attention import softmax
from tokendemo_formal.errors import InputError, UnsupportedError
from tokendemo_formal.override import any_length
from tokendemo_formal.override.answer import Answer, Bounds
from tokendemo_formal.override.compound import CompoundRun
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.outcome import Limits
from tokendemo_formal.override.question import Ask, Engine, Question, Share
from tokendemo_formal.override.reading import attention_alone
from tokendemo_formal.override.run import Progress, Run

if TYPE_CHECKING:
    from tokendemo_formal.override.side import SideConstraint  # Z3 is slow to load, and seldom asked


def solve(
    question: Question,
    ask: Ask = "exists",
    *,
    engine: Engine = "search",
    tolerance: float = 1e-6,
    time_limit: float | None = None,
    node_limit: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    certify: bool = False,
    executor: Executor | None = None,
    workers: int | None = None,
    constraint: SideConstraint | None = None,
) -> Answer:
    """Answer a question about one attention layer.

    Args:
        question: the layer, the template, the vocabulary, the readout, the number of slots.
        ask: ``"exists"``: can exactly that many tokens make the gain positive? ``"minimum"``: how few can, up to that
            many? ``"maximum"``: the largest gain with exactly that many. ``"any-length"``: how few can, if any number
            of tokens can at all? The question's ``slots`` has no part in it.
        engine: ``"search"`` (any size), ``"z3"`` (small), ``"brute-force"`` (small).
        tolerance: of ``"maximum"``: the proved upper bound is at most this far above the witness.
        time_limit: seconds, for all lengths together; None: no limit.
        node_limit: search nodes (solver calls, assignments) for each decision; None: no limit.
        progress: called after every node of a search.
        certify: keep what a certificate is written from, in ``Answer.proof``; for the engine ``"search"``.
        executor: over whose workers the search's subtrees are spread, such as a ``ProcessPoolExecutor``; the verdict
            is the same with any number of workers.
        workers: subtrees searched at a time; as many as this machine has processors, if not given.
        constraint: what the tokens in the slots have to meet besides, for Z3 to decide: called with one integer
            variable for each slot, whose values are token ids, it returns a formula of them. ``"minimum"`` begins
            with no slots, so with none. Refusals then trust Z3, and have no certificates.

    Returns:
        The answer. ``override`` always comes with a witness, confirmed in ball arithmetic from the stored weights.

    Raises:
        InputError: for an unknown ask or engine, limits that are not positive, a problem too large for the engine.
        UnsupportedError: for a normaliser other than softmax, for token rows that are not floats, and for any length
            with constraints.
        ScenarioError: where the reader stands in a slot and the vocabulary is too large to try its tokens.
    """
    for name, value, choices in (("ask", ask, get_args(Ask)), ("engine", engine, get_args(Engine))):
        if value not in choices:
            raise InputError(f"{name}: expected one of {', '.join(choices)}; found {value!r}")
    for name, number in (("tolerance", tolerance), ("time_limit", time_limit), ("node_limit", node_limit)):
        if number is not None and not (isinstance(number, Real) and number > 0):
            raise InputError(f"{name}: expected a positive number, found {number!r}")
    if not tolerance < math.inf:
        raise InputError(f"tolerance: expected a finite number, found {tolerance}")
    if question.layer.normaliser is not softmax:
        raise UnsupportedError("layer.normaliser: every engine knows softmax only; ask about a layer with softmax")
    if question.layer.embedding.dtype == object:  # float tables of these would be rounded
        raise UnsupportedError("layer.embedding: found an array of objects; engines take rows of floats only")
    limits = Limits(
        nodes=math.inf if node_limit is None else node_limit,
        deadline=math.inf if time_limit is None else time.monotonic() + time_limit,
    )
    if workers is not None and workers < 1:
        raise InputError(f"workers: expected at least 1, found {workers}")
    if certify and engine != "search":
        raise InputError(f"certificates come from engine search; found engine {engine}")
    if constraint is not None and not callable(constraint):
        raise InputError(
            f"constraint: found {constraint!r}; expected a function from the slots' variables to a formula"
        )
    if certify and constraint is not None:
        raise InputError("certificates can't say what a constraint in Python allows; use the question's constraints")
    asked = question
    if isinstance(question.readout, Share):
        question = attention_alone(question)
    if ask == "any-length":
        question = any_length.prepared(question, engine, constraint is not None)
    several = question.several or constraint is not None
    if several and executor is not None:
        raise InputError(
            "executor: a question of several templates or readouts, or with constraints, has one processor"
        )
    if several:
        run: Run = CompoundRun(question, engine, limits, progress, certify, constraint)
    else:
        run = Run(question, engine, limits, progress, certify, executor, workers)
    if ask == "exists":
        answer = run.exists()
    elif ask == "minimum":
        answer = run.minimum()
    elif ask == "any-length":
        answer = any_length.answer(run)
    else:
        answer = run.maximum(tolerance)
    return replace(
        answer,
        shares=_shares(asked, answer),
        seconds=run.clock.seconds,
        nodes=run.nodes,
        rigour=_RIGOUR[engine] + (_TRUSTS_Z3 if constraint is not None else ""),
        notes=tuple(run.notes),
        proof=tuple(run.sections),
        excluded=tuple(sorted(run.excluded, key=lambda tokens: (len(tokens), tokens))),
    )


def _shares(question: Question, answer: Answer) -> tuple[tuple[Bounds, ...], ...]:
    """Each head's share of attention in each of the witness's prompts, for a question of a share."""
    if not isinstance(question.readout, Share) or answer.prompt is None:
        return ()
    found = []
    for k, tokens in enumerate(answer.prompts or (answer.prompt,)):
        one = question.with_template(k)
        shares = ExactGain(one).shares(tokens, one.prompt(answer.slots).reader)
        found.append(tuple(Bounds(*ends) for ends in shares))
    return tuple(found)


_RIGOUR = {
    "search": "refusals: float64 bounds with every rounding enclosed; witnesses: Arb balls",
    "z3": "refusals: trusts Z3's unsat on rational enclosures of the tables; witnesses: Arb balls",
    "brute-force": "refusals: every assignment in float64 enclosures, near-ties in Arb balls; witnesses: Arb balls",
}


_TRUSTS_Z3 = "; refusals trust Z3 for the side constraint, and Z3 evaluates it for witnesses"
