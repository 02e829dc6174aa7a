"""The largest sums over accepted sequences of candidates: paths of as many edges as slots, from an automaton's start to
an accepting state. The largest sum up to each state goes forward over the slots, that from each state on backward.
Without an automaton there is one state, and the largest sum is that of the slots' largest terms.

Nothing here comes from the rest of the package but the checker's other modules.

Main declaration: :class:`Bound`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from flint import arb

from tokendemo_formal.certificates.automaton import Paths
from tokendemo_formal.certificates.layer import Ball, Row, largest


class Bound:
    """The bound for one choice of w, where there is an accepted path.

    Args:
        paths: of the candidates.
        terms: for each slot S_w of each candidate.
        rest: the bound without them.
    """

    def __init__(self, paths: Paths, terms: list[Row], rest: Ball) -> None:
        self.terms, self._paths, self._rest = terms, paths, rest
        self._tops = [
            {kind: largest([row[place] for place in places]) for kind, places in groups.items()}
            for row, groups in zip(terms, paths.groups, strict=True)
        ]
        self._ways = [dict.fromkeys(paths.start, rest)]
        for layer, tops in zip(paths.layers, self._tops, strict=True):
            way = self._ways[-1]
            self._ways.append(_best((to, way[state] + tops[kind]) for state, kind, to in layer))

    @property
    def total(self) -> Ball:
        """bound_w(c)."""
        return largest([way for state, way in self._ways[-1].items() if state in self._paths.accepting])

    def leading(self, slot: int) -> list[bool]:
        """For each candidate of a slot whether its term may be the largest of its class; not for those on no path."""
        tops = self._spread(slot, self._tops[slot])
        return [top is not None and not x < top for x, top in zip(self.terms[slot], tops, strict=True)]

    @cached_property
    def _others(self) -> list[dict[int, Ball]]:
        """For each slot and class the largest bound without the slot's term."""
        found, after = list[dict[int, Ball]](), dict.fromkeys(self._paths.accepting, arb(0))
        for layer, tops, way in zip(
            reversed(self._paths.layers), reversed(self._tops), reversed(self._ways[:-1]), strict=True
        ):
            found.append(_best((kind, way[state] + after[to]) for state, kind, to in layer))
            after = _best((state, tops[kind] + after[to]) for state, kind, to in layer)
        return found[::-1]

    def limits(self, slot: int) -> list[Ball | None]:
        """For each candidate of a slot the term at which the bound with it would be 0; None for those on no path."""
        return self._spread(slot, {kind: -others for kind, others in self._others[slot].items()})

    def _spread(self, slot: int, values: Mapping[int, Ball]) -> list[Ball | None]:
        return [None if kind is None else values.get(kind) for kind in self._paths.kinds[slot]]


def _best(values: Iterable[tuple[int, Ball]]) -> dict[int, Ball]:
    """The largest value of each name."""
    found: dict[int, list[Ball]] = {}
    for name, value in values:
        found.setdefault(name, []).append(value)
    return {name: largest(balls) for name, balls in found.items()}
