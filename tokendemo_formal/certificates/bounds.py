"""The bounds that nodes of a certificate rest on, in balls.

For candidate sets C_i of the slots, B_h + Σ_i b_{h,i}(t_i) = D_h lies in [L_h, U_h], and with
N_h = A_h + Σ_i a_{h,i}(t_i), φ_h(x) = max(x/L_h, x/U_h) and any c

    r + Σ_h N_h/D_h = r + Σ_h c_h + Σ_h (N_h − c_h D_h)/D_h <= r + Σ_h c_h + Σ_h φ_h(A_h − c_h B_h) + Σ_i max_{C_i} T_i

where T_i(t) = Σ_h φ_h(a_{h,i}(t) − c_h b_{h,i}(t)), for φ_h is subadditive. The sums N_h − c_h D_h of some heads may be
multiplied as a whole instead, by w_h = 1/L_h or by w_h = 1/U_h (*joint* heads): with one of the two they are at least
(N_h − c_h D_h)/D_h, so the bound has to hold for every choice of w. A token for which the bound with its own term in
place of its slot's maximum is at most 0 for every w is in no assignment above 0.

Where D_h is limited to a range as well, L_h and U_h are those of both; and a *pull* p_h adds p_h (D_h − L_h)/B_h, which
is at least 0, or with p_h < 0 p_h (D_h − U_h)/B_h: a constant, and p_h b_{h,i}(t)/B_h to the term of each token.

Nothing here comes from the rest of the package but the checker's other modules.

Main declarations: :class:`Tables`, :class:`Candidates`, :class:`Multipliers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from operator import add, mul, sub
from typing import NamedTuple, TypeAlias

from flint import arb, fmpq

from tokendemo_formal.certificates.automaton import Paths
from tokendemo_formal.certificates.claim import Count
from tokendemo_formal.certificates.cone import Generators
from tokendemo_formal.certificates.layer import Ball, Reader, Row, largest, least
from tokendemo_formal.certificates.section import Lead, Of, Section
from tokendemo_formal.certificates.sums import Bound

Sets: TypeAlias = tuple[Sequence[int], ...]
"""The candidate tokens of each slot."""
Ranges: TypeAlias = "dict[int, tuple[fmpq | None, fmpq | None]]"
"""For heads whose D was split: between which multiples of B it lies, as far as it was limited."""
SLACK = fmpq(1, 2**20)
"""What a rule's function leaves where its limit is reached: any number above 0 and below 1 would do."""


class Node(NamedTuple):
    """What of a section's assignments a node is about."""

    sets: Sets
    ranges: Ranges


class Multipliers(NamedTuple):
    """What a leaf or a filter says: the functions added up, c and p of each head, and the joint heads."""

    of: Of
    c: list[fmpq]
    pull: list[fmpq]
    joint: list[int]


class Tables:
    """A weighted sum of functions in balls of one precision. Those of one template share its exponentials; the heads of
    several templates stand side by side. Rules, limit + SLACK - Σ weights, share one head more, whose b are all 1.

    Args:
        section: what to bound.
        of: the conditions and their weights.
        readers: for each lead the layer as its reader sees it, in its direction.
    """

    def __init__(self, section: Section, of: Of, readers: Mapping[Lead, Reader]) -> None:
        self.direct, self.fixed_b, self.fixed_a = arb(0), list[Ball](), list[Ball]()
        self._groups: list[tuple[list[int], list[tuple[Ball, Reader]]]] = []
        for index in dict.fromkeys(index for index, _ in of.leads):
            own = {k: weight for k, weight in of.leads.items() if k[0] == index}
            parts = [(arb(weight), readers[k]) for k, weight in own.items()]
            sums = [(arb(weight), section.reading(*k).fixed(readers[k])) for k, weight in own.items()]
            self.fixed_b += sums[0][1][0]
            self.fixed_a += _weighted([(weight, a) for weight, (_, a) in sums])
            self._groups.append((section.prompts[index].slots, parts))
        for (index, against), weight in of.leads.items():
            reader = readers[index, against]
            constant = section.reading(index, against).constant(reader.evaluation)
            self.direct += arb(weight) * (reader.direct + constant)
        self._rules, self._length = list[tuple[Count, fmpq]](), len(section.root)
        for (kind, which), weight in of.rules.items():
            rule = section.question.rule(kind, which)
            assert rule is not None, "nodes name rules of the question"
            left = rule.limit - (0 if section.token is None else rule.weight(section.token))
            self.direct += arb(weight * (left + SLACK))
            self._rules.append((rule, weight))
        if self._rules:
            self.fixed_b.append(arb(1))
            self.fixed_a.append(arb(0))
        self.heads, self._vocabulary = len(self.fixed_b), section.question.vocabulary

    @cached_property
    def generators(self) -> Generators:
        """The template and each token, in the first slot."""
        tokens = zip(*self._columns(0, self._vocabulary), strict=True)
        return Generators.of(self.direct, [[*self.fixed_b, *self.fixed_a], *tokens])

    def candidates(self, node: Node, paths: Paths) -> Candidates:
        """A node's candidates; none of its sets is empty."""
        return Candidates(self, node, paths, [self._columns(slot, tokens) for slot, tokens in enumerate(node.sets)])

    def _columns(self, slot: int, tokens: Sequence[int]) -> list[Sequence[Ball]]:
        """b of each head, then a of each head."""
        b, a = list[Sequence[Ball]](), list[Sequence[Ball]]()
        for slots, parts in self._groups:
            columns = [(weight, reader.columns(slots[slot], tokens)) for weight, reader in parts]
            heads = len(columns[0][1]) // 2
            b += columns[0][1][:heads]
            a += [_weighted([(weight, column[heads + h]) for weight, column in columns]) for h in range(heads)]
        if self._rules:
            b.append([arb(1)] * len(tokens))
            a.append([arb(-(self._length + 1) * self._price(token)) for token in tokens])
        return b + a

    def _price(self, token: int) -> fmpq:
        """What a token costs: its weights for the rules, times theirs in the sum."""
        return sum((weight * rule.weight(token) for rule, weight in self._rules), fmpq(0))


def _weighted(rows: Sequence[tuple[Ball, Sequence[Ball]]]) -> Row:
    """The weighted sum of rows."""
    total = [*map(mul, rows[0][1], repeat(rows[0][0]))]
    for weight, row in rows[1:]:
        total = [*map(add, total, map(mul, row, repeat(weight)))]
    return total


class Candidates:
    """The candidate sets of a node, with b and a of each, and the range of D over them.

    Args:
        tables: where they come from.
        node: whose sets they are, none of them empty, and what it limits D to.
        paths: the accepted ones over the sets, at least one.
        columns: for each slot b, then a, of each head over the candidates.

    Attributes:
        void: whether the ranges surely leave no assignment.
    """

    def __init__(self, tables: Tables, node: Node, paths: Paths, columns: list[list[Sequence[Ball]]]) -> None:
        self.tables, self.sets, self._paths, self._columns = tables, node.sets, paths, columns
        heads = range(tables.heads)
        self._ranges = [[(least(column[h]), largest(column[h])) for h in heads] for column in columns]
        lower = [sum((slot[h][0] for slot in self._ranges), tables.fixed_b[h]) for h in heads]
        upper = [sum((slot[h][1] for slot in self._ranges), tables.fixed_b[h]) for h in heads]
        for h, (low, high) in node.ranges.items():
            lower[h] = lower[h] if low is None else arb.max(lower[h], tables.fixed_b[h] * arb(low))
            upper[h] = upper[h] if high is None else arb.min(upper[h], tables.fixed_b[h] * arb(high))
        self.void = any(a > b for a, b in zip(lower, upper, strict=True))
        self._over, self._under = [1 / x for x in lower], [1 / x for x in upper]
        self._limits = lower, upper

    def bounds(self, by: Multipliers) -> Iterator[Bound]:
        """One bound for each choice of w for the joint heads."""
        tables, heads, joint, c = self.tables, self.tables.heads, by.joint, [arb(x) for x in by.c]
        own = [tables.fixed_a[h] - c[h] * tables.fixed_b[h] for h in range(heads)]
        gaps = [
            [[*map(sub, col[heads + h], map(mul, col[h], repeat(c[h])))] for h in range(heads)] for col in self._columns
        ]
        rest = tables.direct + sum(c, arb(0))
        terms: list[Row] = [[arb(0)] * len(tokens) for tokens in self.sets]
        for h in range(heads):
            if h not in joint:
                over, under = self._over[h], self._under[h]
                rest += arb.max(own[h] * over, own[h] * under)
                for i, gap in enumerate(gaps):
                    either = map(arb.max, map(mul, gap[h], repeat(over)), map(mul, gap[h], repeat(under)))
                    terms[i] = [*map(add, terms[i], either)]
        for h, p in enumerate(by.pull):
            if p != 0:
                each = arb(p) / tables.fixed_b[h]
                rest += arb(p) - each * self._limits[0 if p > 0 else 1][h]
                for i, col in enumerate(self._columns):
                    terms[i] = [*map(add, terms[i], map(mul, col[h], repeat(each)))]

        def choose(left: Sequence[int], rest: Ball, terms: list[Row]) -> Iterator[Bound]:
            if not left:
                yield Bound(self._paths, terms, rest)
                return
            h = left[0]
            for w in (self._over[h], self._under[h]):
                chosen = [[*map(add, t, map(mul, gap[h], repeat(w)))] for t, gap in zip(terms, gaps, strict=True)]
                yield from choose(left[1:], rest + own[h] * w, chosen)

        return choose(joint, rest, terms)

    def needed(self, by: Multipliers) -> list[set[int]]:
        """The candidates that matter to a more precise bound: a term may be its class's largest, a b an end."""
        found: list[set[int]] = [set() for _ in self.sets]
        for i, tokens in enumerate(self.sets):
            for column, (low, high) in zip(self._columns[i], self._ranges[i], strict=False):
                found[i] |= {t for t, b in zip(tokens, column, strict=True) if not low < b < high}
        for bound in self.bounds(by):
            for i, tokens in enumerate(self.sets):
                found[i] |= {t for t, leads in zip(tokens, bound.leading(i), strict=True) if leads}
        return found
