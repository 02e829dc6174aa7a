"""Finite automata over token ids: which sequences an adversary may use, compiled from rules that people write.

An automaton is deterministic and partial: where a state has no edge for a token, the sequence is not accepted. Tokens
that no state tells apart form a class, and edges are about classes: a rule about texts has few of them, however large
the vocabulary. Whatever builds one reduces it: only states on the way from the start to acceptance are kept, states
that accept the same continuations are one (E. Moore, "Gedanken-experiments on sequential machines", 1956), and so are
classes with the same edges.

Main declarations: :class:`Automaton`, :func:`of_bigrams`, :func:`of_regex`, :func:`product`.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TypeAlias, TypeVar

from tokendemo_formal.errors import InputError, ScenarioError
from tokendemo_formal.override.regex import Regex

S = TypeVar("S", bound=Hashable)

Edge: TypeAlias = tuple[int, int, int]
"""A state, a class of tokens, and the state that a token of that class leads to."""

MOST_STATES = 20_000
"""States that are still built; reduction may leave far fewer."""

MOST_EDGES = 1_000_000


@dataclass(frozen=True)
class Automaton:
    """A deterministic automaton that reads token ids, starting in state 0.

    Args:
        accepting: states in which a sequence may end, increasing.
        classes: token ids that no state tells apart, increasing; no id is in two of them, and ids in none of them are
            in no accepted sequence.
        edges: (state, class, next state), increasing, at most one for each state and class.

    Raises:
        InputError: for classes that overlap, and edges that are ambiguous or name no class.
    """

    accepting: tuple[int, ...]
    classes: tuple[tuple[int, ...], ...]
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        tokens = [*itertools.chain.from_iterable(self.classes)]
        if len(set(tokens)) < len(tokens):
            raise InputError("automaton.classes: a token id is in two of them, or twice in one; expected it once")
        if len(self._targets) < len(self.edges):
            raise InputError("automaton.edges: a state has two edges for one class; expected one at most")
        if any(not 0 <= kind < len(self.classes) or min(source, to) < 0 for source, kind, to in self.edges):
            raise InputError(f"automaton.edges: expected states from 0 and classes below {len(self.classes)}")

    @cached_property
    def states(self) -> int:
        """One more than the largest state."""
        return 1 + max(itertools.chain((0,), self.accepting, *((source, to) for source, _, to in self.edges)))

    @cached_property
    def class_of(self) -> Mapping[int, int]:
        """The class of each token that has one."""
        return {token: kind for kind, tokens in enumerate(self.classes) for token in tokens}

    @cached_property
    def _targets(self) -> Mapping[tuple[int, int], int]:
        return {(source, kind): to for source, kind, to in self.edges}

    def step(self, state: int | None, token: int) -> int | None:
        """Where a token leads; None: nowhere."""
        kind = self.class_of.get(token)
        return None if state is None or kind is None else self._targets.get((state, kind))

    def accepts(self, tokens: Iterable[int]) -> bool:
        """Whether a whole sequence is accepted."""
        state: int | None = 0
        for token in tokens:
            state = self.step(state, token)
        return state in self.accepting


def of_bigrams(
    pairs: Iterable[tuple[int, int]], vocabulary: Sequence[int], joined: Sequence[bool] | None = None
) -> Automaton:
    """Sequences in which every pair of neighbours is one of those given; a single token has no neighbour.

    Args:
        pairs: token ids that may follow each other.
        vocabulary: all tokens that the adversary may use.
        joined: for each slot but the first, whether it stands right behind the slot before; None: all do. Those that
            don't are no neighbours. Longer sequences than this tells of are not accepted.
    """
    known = set(vocabulary)
    followers: dict[int, set[int]] = defaultdict(set)
    for first, second in pairs:
        if first in known and second in known:
            followers[first].add(second)
    after = {token: frozenset(followers[token]) for token in vocabulary}
    anything = frozenset(vocabulary)
    places = None if joined is None else len(joined) + 1

    def steps(state: tuple[int, frozenset[int]]) -> Iterable[tuple[int, tuple[int, frozenset[int]]]]:
        place, allowed = state
        if place == places:
            return
        place += places is not None
        apart = joined is not None and place < len(joined) + 1 and not joined[place - 1]
        for token in allowed:
            yield token, (place, anything if apart else after[token])

    return _explored((0, anything), lambda _: True, steps)


def of_regex(pattern: str, pieces: Mapping[int, tuple[str, str]]) -> Automaton:
    """Sequences whose text matches a regular expression as a whole.

    Args:
        pattern: in the syntax of Python's ``re``, less what is not regular.
        pieces: for each token what it adds to the text: as the first one, and after others.

    Raises:
        ScenarioError: for a pattern with features that no automaton has, or one with too many states.
    """
    regex = Regex(pattern)
    start: tuple[bool, frozenset[int]] = (True, regex.start)

    def steps(state: tuple[bool, frozenset[int]]) -> Iterable[tuple[int, tuple[bool, frozenset[int]]]]:
        first, places = state
        known: dict[str, frozenset[int]] = {}
        for token, texts in pieces.items():
            text = texts[0 if first else 1]
            if text not in known:
                known[text] = reduce(regex.step, text, places)
            if known[text]:
                yield token, (False, known[text])

    return _explored(start, lambda state: regex.accepts(state[1]), steps)


def product(automata: Sequence[Automaton]) -> Automaton:
    """The sequences that all of them accept; at least one automaton is given."""
    shared = set.intersection(*(set(automaton.class_of) for automaton in automata))
    together: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for token in sorted(shared):
        together[tuple(automaton.class_of[token] for automaton in automata)].append(token)
    classes = [*together.values()]

    def steps(state: tuple[int, ...]) -> Iterable[tuple[int, tuple[int, ...]]]:
        for kind, (token, *_) in enumerate(classes):
            found = [automaton.step(s, token) for automaton, s in zip(automata, state, strict=True)]
            following = tuple(s for s in found if s is not None)
            if len(following) == len(automata):
                yield kind, following

    def accepting(state: tuple[int, ...]) -> bool:
        return all(s in automaton.accepting for automaton, s in zip(automata, state, strict=True))

    found = _explored((0,) * len(automata), accepting, steps)
    merged = tuple(tuple(sorted(token for kind in kinds for token in classes[kind])) for kinds in found.classes)
    return Automaton(found.accepting, merged, found.edges)


def _explored(
    start: S,
    accepting: Callable[[S], bool],
    steps: Callable[[S], Iterable[tuple[int, S]]],
) -> Automaton:
    """The reduced automaton of all that can be reached from a start.

    Args:
        start: a state of any kind.
        accepting: whether a sequence may end in a state.
        steps: the symbols that a state reads, each with where it leads.

    Raises:
        ScenarioError: for more states or edges than the limits.
    """
    numbers, waiting, ends = {start: 0}, [start], [0] if accepting(start) else []
    columns: dict[int, list[tuple[int, int]]] = defaultdict(list)
    count = 0
    while waiting:
        state = waiting.pop()
        for symbol, to in steps(state):
            if to not in numbers:
                numbers[to] = len(numbers)
                waiting.append(to)
                if accepting(to):
                    ends.append(numbers[to])
            columns[symbol].append((numbers[state], numbers[to]))
            count += 1
        if len(numbers) > MOST_STATES or count > MOST_EDGES:
            raise ScenarioError(
                f"the automaton has more than {MOST_STATES:,} states or {MOST_EDGES:,} steps; simplify the rule, or "
                "narrow adversary.vocabulary"
            )
    classes: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
    for symbol, column in columns.items():
        classes[tuple(sorted(column))].append(symbol)
    edges = [(source, kind, to) for kind, column in enumerate(classes) for source, to in column]
    return _reduced(ends, [*classes.values()], edges)


def _reduced(ends: Iterable[int], classes: Sequence[Sequence[int]], edges: Sequence[Edge]) -> Automaton:
    """The least automaton that accepts the same; every state can be reached from state 0."""
    useful = _leading_to(ends, edges)
    edges = [edge for edge in edges if edge[0] in useful and edge[2] in useful]
    if 0 not in useful:
        return Automaton((), (), ())
    # Moore: blocks of states are parted until their states agree on where each class leads.
    outgoing: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for source, kind, to in sorted(edges, key=lambda edge: edge[1]):
        outgoing[source].append((kind, to))
    accepting = set(ends)
    block = {state: int(state in accepting) for state in sorted(useful)}
    count = 0
    while count < (count := len(set(block.values()))):
        names: dict[Hashable, int] = {}
        block = {
            state: names.setdefault((own, tuple((kind, block[to]) for kind, to in outgoing[state])), len(names))
            for state, own in block.items()
        }
    # State 0 comes first, so its block has the number 0.
    columns: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for source, kind, to in edges:
        columns[kind].add((block[source], block[to]))
    merged: dict[frozenset[tuple[int, int]], list[int]] = defaultdict(list)
    for kind, column in columns.items():
        merged[frozenset(column)] += classes[kind]
    ordered = sorted((sorted(symbols), column) for column, symbols in merged.items())
    return Automaton(
        tuple(sorted({block[state] for state in accepting & useful})),
        tuple(tuple(symbols) for symbols, _ in ordered),
        tuple(sorted((source, kind, to) for kind, (_, column) in enumerate(ordered) for source, to in column)),
    )


def _leading_to(ends: Iterable[int], edges: Iterable[Edge]) -> set[int]:
    """The states from which one of the ends can be reached."""
    before: dict[int, list[int]] = defaultdict(list)
    for source, _, to in edges:
        before[to].append(source)
    found, waiting = set[int](), [*ends]
    while waiting:
        state = waiting.pop()
        if state not in found:
            found.add(state)
            waiting += before[state]
    return found
