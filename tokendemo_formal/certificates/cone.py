"""All lengths at once: that no mixture of tokens brings the gain above 0, of a layer without positions.

Nothing here comes from the rest of the package but the checker's other modules.

Without positions N_h and D_h are sums over g of x_g a_h(g) and x_g b_h(g), where g is the template with x_g = 1, or a
token with x_g slots that hold it, and b_h(g) > 0. A box says that l_h <= D_h/D_0 <= u_h for the heads h; at the root
these are the least and the largest b_h(g)/b_0(g). For any c and k, with φ_h(z) = max(z/l_h, z/u_h),

    D_0 (r + Σ_h N_h/D_h) = D_0 (r + Σ_h c_h) + Σ_h D_0/D_h Σ_g x_g (a_h(g) − c_h b_h(g)) <= Σ_g x_g q(g),
    q(g) = b_0(g) (r + Σ_h c_h) + Σ_h [φ_h(a_h(g) − c_h b_h(g)) + k_h b_h(g) − min(k_h l_h, k_h u_h) b_0(g)]

since 1/u_h <= D_0/D_h <= 1/l_h, and Σ_g x_g k_h b_h(g) = k_h D_h >= min(k_h l_h, k_h u_h) D_0. So a *cone* closes a
box where q(g) <= 0 for each g: the gain is at most 0 for all x. A *box* splits one: either D_h/D_0 is at most the ratio
given, or it is at least that.

Main declarations: :func:`cover`, :class:`Generators`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flint import arb, fmpq

from tokendemo_formal.certificates.layer import Ball, Row, largest, least
from tokendemo_formal.certificates.stored import keys, malformed, rational


class Factors(NamedTuple):
    """c and k, one for each head."""

    c: list[fmpq]
    k: list[fmpq]


class Box(NamedTuple):
    """For each head the least and the largest ratio D_h/D_0 in the box; None: that of the root."""

    lower: tuple[fmpq | None, ...]
    upper: tuple[fmpq | None, ...]

    def halves(self, line: Mapping[str, Any]) -> tuple[Box, Box]:
        """The second child, then the first: the one to come next is the last."""
        keys(line, {"node", "head", "ratio"})
        h, ratio = line["head"], rational(line["ratio"], "ratio")
        if type(h) is not int or not 0 < h < len(self.lower):
            malformed(f"head: expected a number from 1 to {len(self.lower) - 1}: ratios are to the first head's")
        if not ratio > 0:
            malformed("ratio: expected a number above 0")
        second = Box((*self.lower[:h], ratio, *self.lower[h + 1 :]), self.upper)
        return second, Box(self.lower, (*self.upper[:h], ratio, *self.upper[h + 1 :]))


def cover(node: Callable[[int], Mapping[str, Any]], heads: int, close: Callable[[Box, Factors], None]) -> None:
    """The nodes of the section, in preorder: each takes the box that its parent left for it.

    Args:
        node: the next line, given how many are still to come.
        heads: of the layer.
        close: refuses where a cone does not close its box.
    """
    waiting = [Box((None,) * heads, (None,) * heads)]
    while waiting:
        line = node(len(waiting))
        box = waiting.pop()
        if line["node"] == "box":
            waiting += box.halves(line)
        elif line["node"] == "cone":
            keys(line, {"node", "c", "k"})
            if not all(isinstance(line[key], list) and len(line[key]) == heads for key in ("c", "k")):
                malformed(f"c, k: expected a list of {heads} numbers each")
            close(box, Factors(*([rational(entry, key) for entry in line[key]] for key in ("c", "k"))))
        else:
            malformed("node: expected 'box' or 'cone' in a section of all lengths")


@dataclass(frozen=True)
class Generators:
    """The template and the tokens in balls of one precision.

    Attributes:
        direct: r.
        rows: for each g, the template first, b of each head, then a of each head.
        ends: for each head the least and the largest ratio of its b to the first head's.
    """

    direct: Ball
    rows: Sequence[Sequence[Ball]]
    ends: Sequence[tuple[Ball, Ball]]

    @classmethod
    def of(cls, direct: Ball, rows: Sequence[Sequence[Ball]]) -> Generators:
        """With the ends of the ratios."""
        heads = len(rows[0]) // 2
        ratios = [[row[h] / row[0] for row in rows] for h in range(1, heads)]
        return cls(direct, rows, [(arb(1), arb(1)), *((least(r), largest(r)) for r in ratios)])

    def values(self, box: Box, of: Factors, chosen: Sequence[int]) -> Row:
        """q(g) of the g chosen."""
        c, k = [*map(arb, of.c)], [*map(arb, of.k)]
        heads = range(len(self.ends))
        lower = [self.ends[h][0] if (end := box.lower[h]) is None else arb(end) for h in heads]
        upper = [self.ends[h][1] if (end := box.upper[h]) is None else arb(end) for h in heads]
        fixed = self.direct
        for h in heads:
            fixed += c[h] - arb.min(k[h] * lower[h], k[h] * upper[h])
        values = []
        for row in (self.rows[g] for g in chosen):
            total = fixed * row[0]
            for h in heads:
                z = row[len(heads) + h] - c[h] * row[h]
                total += arb.max(z / lower[h], z / upper[h]) + k[h] * row[h]
            values.append(total)
        return values
