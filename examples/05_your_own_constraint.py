"""Lesson 5: your own constraint. Run it: python examples/05_your_own_constraint.py

An adversary may be bound by more than the layer's arithmetic: words that may not repeat, a form that a filter lets
through. What is linear (at most so many of these tokens, a budget, no token twice) a question says itself, and refusals
then have certificates. Anything else that Z3 understands is a Python function: it gets one integer variable for each
slot (none at length 0), whose values are token ids, and returns what has to hold of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import z3

from tokendemo_formal import Answer, Constraints, load_model, read_scenario, solve

scenario = read_scenario(Path(__file__).with_name("guard_distinct.toml"))
tokenizer = load_model(scenario.source).tokenizer
assert tokenizer is not None
constrained = scenario.question()
free = replace(constrained, constraints=Constraints())


def words(answer: Answer) -> list[str]:
    """The witness's words."""
    return [tokenizer.token(token) for token in answer.assignment or ()]


# 1. Without constraints, and with one that the question says itself: no word twice.
shortest, distinct = solve(free, "minimum"), solve(constrained, "minimum")
print(f"1. Free:            {shortest.minimum} words, {' '.join(words(shortest))}")
print(f"   No word twice:   {distinct.minimum} words, {' '.join(words(distinct))}\n")
assert shortest.minimum == 6
assert distinct.minimum == 7
assert len(set(words(distinct))) == 7


# 2. A constraint that no sum of weights says: no word beside itself.
def no_stutter(slots: Sequence[z3.ArithRef]) -> z3.BoolRef:
    return z3.And([a != b for a, b in pairwise(slots)])


fluent = solve(free, "minimum", constraint=no_stutter)
print(f"2. No stutter:      {fluent.minimum} words, {' '.join(words(fluent))}")
assert fluent.minimum == 6
assert all(a != b for a, b in pairwise(words(fluent)))


# 3. A palindrome, word by word, whose half repeats no word.
def palindrome(slots: Sequence[z3.ArithRef]) -> z3.BoolRef:
    mirrored = [a == b for a, b in zip(slots, reversed(slots), strict=True)]
    return z3.And(*mirrored, *no_stutter_to_the_middle(slots))


def no_stutter_to_the_middle(slots: Sequence[z3.ArithRef]) -> list[z3.BoolRef]:
    half = slots[: (len(slots) + 1) // 2]
    return [z3.Distinct(*half)] if len(half) > 1 else []


mirror = solve(free, "minimum", constraint=palindrome)
print(f"3. A palindrome:    {mirror.minimum} words, {' '.join(words(mirror))}\n")
assert words(mirror) == words(mirror)[::-1]
assert mirror.minimum is not None
assert mirror.minimum >= 6  # no constraint makes an override shorter

# 4. What such an answer rests on: the words are checked as ever, the refusals of shorter ones trust Z3, too.
print(f"4. Rigour: {mirror.rigour}.")
