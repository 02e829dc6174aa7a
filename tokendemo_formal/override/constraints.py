"""What an adversary's tokens have to satisfy besides, whatever the layer makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from tokendemo_formal.errors import ScenarioError
from tokendemo_formal.override.automaton import Automaton

LARGEST_NUMBER = 1_000_000
"""Weights and limits of a count: sums of these are exact in float64, with much room below 1."""


@dataclass(frozen=True)
class Count:
    """Σ_i weight(t_i) <= limit over the tokens in the slots.

    Args:
        weights: (token id, weight) of the tokens whose weight is not ``default``, each once.
        default: the weight of all others.
        limit: the most that the weights may add up to. All are natural numbers.

    Raises:
        ScenarioError: for numbers that are not natural, or too large, and ids that come twice.
    """

    weights: tuple[tuple[int, int], ...]
    default: int
    limit: int

    def __post_init__(self) -> None:
        for number in (self.default, self.limit, *(weight for _, weight in self.weights)):
            if type(number) is not int or not 0 <= number <= LARGEST_NUMBER:
                raise ScenarioError(f"constraints: found {number!r}; expected a whole number, 0 to {LARGEST_NUMBER:,}")
        if len(self._weights) < len(self.weights):
            twice = Counter(token for token, _ in self.weights).most_common(1)[0][0]
            raise ScenarioError(f"constraints: token id {twice} has two weights; give it one")

    @cached_property
    def _weights(self) -> dict[int, int]:
        return dict(self.weights)

    def weight(self, token: int) -> int:
        """What a token adds to the sum."""
        return self._weights.get(token, self.default)

    def allows(self, tokens: Sequence[int]) -> bool:
        """Whether the tokens' weights stay within the limit."""
        return sum(map(self.weight, tokens)) <= self.limit


class Rule(NamedTuple):
    """One of the conditions that constraints consist of.

    Attributes:
        kind: ``count``, or ``once``: a token may stand in one slot at most.
        which: the count's index, or the token's id.
    """

    kind: Literal["count", "once"]
    which: int


@dataclass(frozen=True)
class Constraints:
    """Conditions on the tokens in the slots, all of which have to hold.

    Args:
        counts: weights that may add up to so much.
        distinct: whether no token may stand in two slots.
        places: slots by their number, negative ones from the end, with the token ids that they may hold; where there
            are fewer slots, those that are not there are not asked about.
        automaton: what has to accept the tokens in the order of the slots, or None.
        survives: whether a whole prompt's ids are what its text is read as, for every template; None: not asked. It is
            no property of tokens and their order alone: assignments that fail it are left out one by one.
    """

    counts: tuple[Count, ...] = ()
    distinct: bool = False
    places: tuple[tuple[int, tuple[int, ...]], ...] = ()
    automaton: Automaton | None = None
    survives: Callable[[tuple[int, ...]], bool] | None = None

    def __bool__(self) -> bool:
        """Whether anything is asked."""
        return self != UNCONSTRAINED

    @property
    def tokens(self) -> tuple[int, ...]:
        """All ids that are named."""
        counted = (token for count in self.counts for token, _ in count.weights)
        held = (token for _, tokens in self.places for token in tokens)
        return (*counted, *held, *(() if self.automaton is None else self.automaton.class_of))

    def held(self, slot: int, slots: int) -> frozenset[int] | None:
        """What a slot of so many may hold; None: any token."""
        asked = [frozenset(tokens) for place, tokens in self.places if slot == (place + slots if place < 0 else place)]
        return frozenset.intersection(*asked) if asked else None

    def accept(self, tokens: Sequence[int]) -> bool:
        """Whether each of these tokens may stand where it does, and the automaton accepts them all."""
        held = (self.held(slot, len(tokens)) for slot in range(len(tokens)))
        return all(allowed is None or token in allowed for token, allowed in zip(tokens, held, strict=True)) and (
            self.automaton is None or self.automaton.accepts(tokens)
        )

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Those that are worth knowing from the start: all but one for each token that may repeat."""
        return tuple(Rule("count", k) for k in range(len(self.counts)))

    def count(self, rule: Rule) -> Count:
        """A rule as a count."""
        return self.counts[rule.which] if rule.kind == "count" else Count(((rule.which, 1),), 0, 1)

    def broken(self, tokens: Sequence[int]) -> list[Rule]:
        """The rules that tokens, in the order of the slots, break."""
        broken = [rule for rule in self.rules if not self.count(rule).allows(tokens)]
        if self.distinct:
            broken += [Rule("once", token) for token, times in Counter(tokens).items() if times > 1]
        return broken


UNCONSTRAINED = Constraints()
"""Nothing is asked."""
