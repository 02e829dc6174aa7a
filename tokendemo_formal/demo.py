"""``tokendemo demo``: the shortest override of the trained layer that comes with the package, told to a stranger."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

from tokendemo_formal.models import load_model
from tokendemo_formal.models.model import BUNDLED
from tokendemo_formal.override.answer import Bounds
from tokendemo_formal.override.run import Progress
from tokendemo_formal.override.solve import solve
from tokendemo_formal.override.votes import votes
from tokendemo_formal.report import count, token_name, votes_table
from tokendemo_formal.scenario import read_scenario

SCENARIO = BUNDLED / "guard" / "demo.toml"
"""The question of the demonstration."""

_PROMPT = re.compile(r"\[BOS\] system : (?P<rule>.+) \. user : (?P<request>.+)")


def demo(progress: Callable[[Progress], None] | None = None) -> str:
    """Asks the demonstration's question, and tells question and answer.

    Args:
        progress: as for :func:`~tokendemo_formal.override.solve.solve`.
    """
    scenario = read_scenario(SCENARIO)
    model = load_model(scenario.source)
    question = scenario.question(model)
    alone = question.with_slots(0)
    plain = solve(alone, "maximum")
    answer = solve(question, "minimum", progress=progress)
    parts = _PROMPT.fullmatch(str(scenario.before))
    if parts is None or not answer.minimum or None in (plain.margin, answer.margin, answer.assignment, answer.prompt):
        raise AssertionError(f"{SCENARIO} is to hold a refused request that some added words turn around")

    toward, against = scenario.toward, scenario.against
    words, length = len(question.vocabulary), _words(answer.minimum)
    override = " ".join(token_name(model, token) for token in answer.assignment or ())
    prompt = " ".join(token_name(model, token) for token in answer.prompt or ())
    slots = question.prompt(answer.minimum).slots
    heads, tokens = question.layer.heads, question.layer.vocabulary
    seconds, left_out = (
        sum(answer.seconds.values()),
        " ".join(model.left_out(scenario.layer)) or "The layer is the whole model.",
    )
    sections = [
        _filled(
            f'One attention layer with {heads} heads and {tokens} tokens was trained to answer "{against}" exactly '
            f'when a strict rule meets a harmful request, else "{toward}". Here they meet:'
        ),
        f"  rule      {parts['rule']}\n"
        f"  request   {parts['request']}\n"
        f"  answer    {against}\n"
        f"  margin    {_between(plain.margin)}",
        _filled(
            f"The margin is logit({toward}) - logit({against}): below 0 the instruction holds, above 0 it is lost."
            " Each token votes through each head, by its attention weight times its value, for "
            f"{toward} (+) or for {against} (-). Its share of attention is the mean over heads:"
        ),
        "\n".join(votes_table(model, votes(alone, ()))),
        _filled(
            "Can words added to the request, none of them a word of rules, requests or answers, turn the answer "
            f"around? There are {words} to choose from, and each length is a question of its own:"
        ),
        "\n".join(
            [f"  {_words(m):<9} no, proved for {_all(words, m)}" for m in answer.ruled_out]
            + [f"  {length:<9} yes: {override}"]
        ),
        f"The shortest override has {length}. No shorter one exists.",
        f"{_filled(f'  prompt    {prompt}', '            ')}\n"
        f"  answer    {toward}\n"
        f"  margin    {_between(answer.margin)}",
        "\n".join(votes_table(model, votes(question, answer.assignment or ()), slots)),
        _filled(
            "This holds for the exact function that the stored weights define: every rounding is enclosed. The search "
            f"took {answer.nodes:,} nodes and {seconds:.1f} s. {left_out}"
        ),
        "Ask a question of your own:",
        "  tokendemo new question.toml      a commented question to start from\n"
        "  tokendemo solve question.toml    its answer\n"
        "  tokendemo inspect MODEL          what a model of yours is",
    ]
    return "\n\n".join(sections) + "\n"


def _words(number: int) -> str:
    return "1 word" if number == 1 else f"{number} words"


def _all(words: int, length: int) -> str:
    return f"all {count(words, length)}" if length else "the request as it is"


def _between(margin: Bounds | None) -> str:
    assert margin is not None
    low, high = margin.decimals(6)
    return f"between {low} and {high}"


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 100, subsequent_indent=indent)
