"""Which sequences of tokens a question is about: those that an automaton accepts, and their paths over candidates.

Nothing here comes from the rest of the package but the reader of files beside it.

Main declarations: :class:`Automaton`, :class:`Paths`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

from tokendemo_formal.certificates.stored import integers, keys, malformed

Edge: TypeAlias = tuple[int, int, int]
"""A state, a class of tokens, and the state that these lead to."""


class Automaton:
    """A deterministic automaton over token ids; it starts in state 0.

    Args:
        accepting: states in which a sequence may end.
        kinds: the class of each token that has one; None: every token has class 0.
        edges: at most one for each state and class.
    """

    def __init__(self, accepting: Iterable[int], kinds: Mapping[int, int] | None, edges: Sequence[Edge]) -> None:
        self.accepting, self._kinds, self.edges = frozenset(accepting), kinds, edges
        self._targets = {(state, kind): to for state, kind, to in edges}

    @classmethod
    def of(cls, line: object, vocabulary: int) -> Automaton:
        """What a question says of it."""
        if not isinstance(line, dict):
            malformed("automaton: expected an object")
        keys(line, {"accepting", "classes", "edges"})
        accepting, runs, ends = (integers(line[key], f"automaton.{key}") for key in ("accepting", "classes", "edges"))
        if len(runs) % 3 or len(ends) % 3:
            malformed("automaton: expected classes and edges in groups of three")
        kinds: dict[int, int] = {}
        for kind, start, stop in zip(runs[::3], runs[1::3], runs[2::3], strict=True):
            if not start < stop <= vocabulary or not kinds.keys().isdisjoint(range(start, stop)):
                malformed(f"automaton.classes: expected ranges up to {vocabulary} that don't meet")
            kinds |= dict.fromkeys(range(start, stop), kind)
        found = cls(accepting, kinds, [*zip(ends[::3], ends[1::3], ends[2::3], strict=True)])
        if len(found._targets) < len(found.edges):
            malformed("automaton.edges: two of one state for one class")
        return found

    def kind(self, token: int) -> int | None:
        """The class of a token; None: it is in no accepted sequence."""
        return 0 if self._kinds is None else self._kinds.get(token)

    def step(self, state: int | None, token: int) -> int | None:
        """Where a token leads; None: nowhere."""
        kind = self.kind(token)
        return None if state is None or kind is None else self._targets.get((state, kind))

    def accepts(self, tokens: Sequence[int]) -> bool:
        """Whether a whole sequence is accepted."""
        state: int | None = 0
        for token in tokens:
            state = self.step(state, token)
        return state in self.accepting

    def words(self) -> str:
        """What the claim says of it."""
        states = {0, *self.accepting, *(state for edge in self.edges for state in (edge[0], edge[2]))}
        return (
            f"accepted by the question's automaton of {len(states)} states and {len(self.edges)} edges over "
            f"{len({kind for _, kind, _ in self.edges})} classes of tokens"
        )


EVERYTHING = Automaton([0], None, [(0, 0, 0)])


class Paths:
    """Accepted sequences of candidates.

    Args:
        automaton: what accepts.
        sets: the candidates of each slot, at least one slot.
        fixed: where the reader's own slot is none of these: its number, and its token.

    Attributes:
        kinds: the class of each candidate.
        layers: for each slot the edges that are on an accepted path.
        open: whether there is one.
    """

    def __init__(self, automaton: Automaton, sets: Sequence[Sequence[int]], fixed: tuple[int, int] | None) -> None:
        self.kinds = [[automaton.kind(token) for token in tokens] for tokens in sets]
        self.layers, start = [automaton.edges] * len(sets), {0}
        if fixed is not None:
            at, token = fixed
            if at == 0:
                start = _states([automaton.step(0, token)])
            else:
                leads = ((state, kind, automaton.step(to, token)) for state, kind, to in automaton.edges)
                self.layers[at - 1] = [(state, kind, to) for state, kind, to in leads if to is not None]
        self.start, self.accepting = start, automaton.accepting
        for i, kinds in enumerate(self.kinds):
            present = {*kinds}
            self.layers[i] = [edge for edge in self.layers[i] if edge[0] in start and edge[1] in present]
            start = {edge[2] for edge in self.layers[i]}
        ends = self.accepting
        for i in reversed(range(len(sets))):
            self.layers[i] = [edge for edge in self.layers[i] if edge[2] in ends]
            ends = frozenset(edge[0] for edge in self.layers[i])
        self.open = not ends.isdisjoint(self.start)

    @property
    def size(self) -> int:
        """Edges of all slots."""
        return sum(map(len, self.layers))

    @cached_property
    def groups(self) -> list[dict[int, list[int]]]:
        """For each slot and class on a path the places of its candidates."""
        found: list[dict[int, list[int]]] = []
        for kinds, layer in zip(self.kinds, self.layers, strict=True):
            places: dict[int, list[int]] = {kind: [] for _, kind, _ in layer}
            for place, kind in enumerate(kinds):
                if kind is not None and kind in places:
                    places[kind].append(place)
            found.append(places)
        return found


def _states(found: Iterable[int | None]) -> set[int]:
    return {state for state in found if state is not None}
