"""All lengths at once, for a layer in which places don't matter: no mixture of tokens has a gain above 0.

With n_t slots that hold token t, the gain is r + Σ_h N_h/D_h, where the sums N and D of all heads are those of the
template (g = 0, x_0 = 1) plus Σ_t n_t times those of token t (x_t = n_t). Scaling all x changes nothing, so any x >= 0
will do: the cone that the template and the tokens span. Let b be 1 in the first head, for each g
(:class:`~tokendemo_formal.override.tables.Rays`), so that D_1 = Σ_g x_g. The ratios D_h/D_1 are means of the b_h(g);
where they lie between l_h and u_h (1 and 1 for the first head), any c and k in R^H give

    N_h/D_h = c_h + (N_h - c_h D_h)/D_h <= c_h + Σ_g x_g/D_1 φ_h(a_h(g) - c_h b_h(g)),  φ_h(z) = max(z/l_h, z/u_h)
    0 <= Σ_g x_g k_h (b_h(g) - l_h) for k_h >= 0,   0 <= Σ_g x_g k_h (b_h(g) - u_h) for k_h <= 0

so that the gain is a mean over g, with the weights x_g/D_1, of what is at most

    Q(g) = r + Σ_h [c_h + φ_h(a_h(g) - c_h b_h(g)) + k_h b_h(g) - min(k_h l_h, k_h u_h)]

(`cone_bound` in the catalogue of theorems). So the largest Q bounds the gain in the box. Boxes are split until none is
left whose bound is above 0: then no number of tokens overrides. In a box that is a point φ is linear, and the least
bound over c and k is the largest gain at these ratios, by linear programming's duality; so the tree is finite where
the supremum over all mixtures is below 0, and where it is above 0 some mixture shows it.

c and k are found by the simplex method in plain floats (G. Dantzig, 1951), whose columns are the cuts Q(g). Nothing
about them has to be right: whatever they are, the bound holds. It is evaluated in enclosures before a box is closed.
"""

from __future__ import annotations

import contextlib
import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.errors import UnsupportedError
from tokendemo_formal.numbers.enclosures import Enclosure
from tokendemo_formal.override.outcome import Limits
from tokendemo_formal.override.proof import Box, Cone, Trace
from tokendemo_formal.override.tables import Floats, Rays

Rows: TypeAlias = NDArray[np.int64]
"""Which of the template (0) and the tokens (from 1 on)."""

MOST_COUNTED = 4096
"""The most tokens that a mixture is rounded to."""

_CUTS = 30
"""Cuts for each dimension of (c, k) before the simplex method stops."""

_PASSES = 20
"""Passes over all rows for one box."""

_JOINING = 16
"""Rows that join the active ones after a pass, those with the largest Q."""

_STEEP = 1e3
"""How large k may be, over the range of the gains for the range of a ratio."""

_NEAR = 0.15
"""A box is split where the bound's best mixture lies, but this share of it (of its logarithm) away from its ends."""


@dataclass(order=True)
class _Node:
    """An open box; the largest bound comes first."""

    priority: float
    number: int
    lower: Floats = field(compare=False)
    upper: Floats = field(compare=False)
    point: Floats = field(compare=False)
    head: int = field(compare=False)
    ratio: float = field(compare=False)
    trace: Trace = field(compare=False)


class ConeSearch:
    """Looks for a proof that no mixture has a gain above 0, or for a mixture that has one.

    Args:
        rays: the numbers.

    Attributes:
        trace: the proof, once it is refuted.
        nodes: boxes looked at.
        best: the largest gain of a mixture met, in plain floats.
        mixture: that mixture, (1 + n,) shares of the first head's denominator.
    """

    def __init__(self, rays: Rays) -> None:
        self._rays = rays
        self._a, self._b, self._r = rays.a.mid, rays.b.mid, float(rays.direct.mid)
        self.trace: Trace = []
        self.nodes = 0
        self.best, self.mixture = -math.inf, np.zeros(len(self._a))
        self._open: list[_Node] = []
        self._active = np.arange(min(_JOINING, len(self._a)))
        self._stuck = False
        lower, upper = rays.b.lower.min(axis=0), rays.b.upper.max(axis=0)
        lower[0] = upper[0] = 1.0  # exactly
        self._bounded = bool((lower > 0).all())
        if self._bounded:
            means = self._a / self._b
            self._low, self._high = means.min(axis=0)[1:], means.max(axis=0)[1:]
            self._look_at_single_tokens()
            middle = np.concatenate([(self._low + self._high) / 2, np.zeros(len(lower) - 1)])
            self._add(lower, upper, middle, self.trace)

    @property
    def bound(self) -> float:
        """At least the gain of every mixture; at most 0 where it is refuted."""
        if not self._bounded:
            return math.inf
        return -self._open[0].priority if self._open else 0.0

    @property
    def open_nodes(self) -> int:
        return len(self._open)

    @property
    def refuted(self) -> bool:
        """Whether no mixture has a gain above 0."""
        return self._bounded and not self._open

    @property
    def hopeless(self) -> bool:
        """Whether a mixture has been met that leaves nothing to prove (in plain floats), or a box that is a point and
        not closed (as where the best mixture's gain is 0)."""
        return not self._bounded or self._stuck or self.best > 0

    def run(self, nodes: int, limits: Limits, *, to_the_end: bool = False) -> None:
        """Look at that many boxes more, unless all is decided before; ``to_the_end``: for a better bound, even where
        there is nothing left to prove."""
        goal = min(self.nodes + nodes, limits.nodes)
        while self._open and self._open[0].head and self.nodes < goal and not limits.over:
            if self.hopeless and not to_the_end:
                return
            node = heapq.heappop(self._open)
            first: Trace = []
            second: Trace = []
            node.trace.append(Box(node.head, node.ratio, first, second))
            ends = node.lower.copy(), node.upper.copy()
            ends[0][node.head] = ends[1][node.head] = node.ratio
            self._add(node.lower, ends[1], node.point, first)
            self._add(ends[0], node.upper, node.point, second)

    def counts(self) -> Iterator[Floats]:
        """Numbers of tokens, (n,) each, whose gain with the template is above 0, in plain floats."""
        sizes = np.exp(np.clip(self._rays.sizes[1:] - self._rays.sizes[0], -700, 700))
        a, b = self._a[1:] * sizes[:, None], self._b[1:] * sizes[:, None]

        def gain(counts: Floats) -> float:
            return float(self._r + ((self._a[0] + counts @ a) / (self._b[0] + counts @ b)).sum())

        for ascended in (self._ascended(a, b), self._rounded(sizes, gain)):
            if ascended is not None and gain(ascended) > 0:
                yield ascended

    def _ascended(self, a: Floats, b: Floats) -> Floats:
        """From none on, the token whose addition, so many times, raises the gain most, as long as one does."""
        counts, above, below, best = np.zeros(len(a)), self._a[0], self._b[0], -math.inf
        copies = 2.0 ** np.arange(math.log2(MOST_COUNTED))
        while best <= 0:
            gains = np.stack([self._r + ((above + k * a) / (below + k * b)).sum(axis=1) for k in copies])
            gains[copies > MOST_COUNTED - counts.sum()] = -np.inf
            k, token = np.unravel_index(gains.argmax(), gains.shape)
            if not gains[k, token] > best:
                break
            best = gains[k, token]
            counts[token] += copies[k]
            above, below = above + copies[k] * a[token], below + copies[k] * b[token]
        return counts

    def _rounded(self, sizes: Floats, gain: Callable[[Floats], float]) -> Floats | None:
        """The best mixture in whole numbers, as few as have a gain above 0."""
        share: Floats = np.where(self.mixture[1:] > 1e-12, self.mixture[1:] / sizes, 0.0)
        if not 0 < share.sum() < np.inf:
            return None
        share /= share.sum()
        for total in range(1, MOST_COUNTED + 1):
            counts: Floats = np.floor(share * total)
            counts[np.argsort(counts - share * total, kind="stable")[: total - int(counts.sum())]] += 1
            if gain(counts) > 0:
                return counts
        return None

    def _gain(self, x: Floats) -> float:
        return float(self._r + ((x @ self._a) / (x @ self._b)).sum())

    def _look_at_single_tokens(self) -> None:
        """Any number of one token, and the template by itself."""
        for log in (-math.inf, *np.linspace(-2, math.log(MOST_COUNTED), 16), math.inf):
            ratio = np.exp(np.clip(log + self._rays.sizes - self._rays.sizes[0], -700, 700))
            share = np.ones(len(ratio)) if log == math.inf else ratio / (1 + ratio) if log > -math.inf else 0 * ratio
            own, others = self._a[0], self._b[0]
            above = share[:, None] * self._a + (1 - share)[:, None] * own
            below = share[:, None] * self._b + (1 - share)[:, None] * others
            gains = self._r + (above / below).sum(axis=1)
            place = int(gains.argmax())
            if gains[place] > self.best:
                self.best, self.mixture = float(gains[place]), np.zeros(len(gains))
                self.mixture[0] += 1 - share[place]
                self.mixture[place] += share[place]

    # One box

    def _add(self, lower: Floats, upper: Floats, start: Floats, trace: Trace) -> None:
        """Bound a box: close it, or keep it to be split."""
        self.nodes += 1
        point, mixture = self._best_multipliers(lower, upper, start)
        gain = self._gain(mixture)
        if gain > self.best:
            self.best, self.mixture = gain, mixture
        c, k = self._multipliers(point)
        bound = self._bound(lower, upper, c, k)
        if bound <= 0:
            trace.append(Cone(c, k))
            return
        head, ratio = self._where_to_split(lower, upper, c, mixture)
        self._stuck |= head == 0
        heapq.heappush(self._open, _Node(-bound, self.nodes, lower, upper, point, head, ratio, trace))

    def _multipliers(self, point: Floats) -> tuple[Floats, Floats]:
        """c and k of all heads: those of the first cancel out, and are 0."""
        rest = len(point) // 2
        return np.append(0.0, point[:rest]), np.append(0.0, point[rest:])

    def _bound(self, lower: Floats, upper: Floats, c: Floats, k: Floats) -> float:
        """The largest Q, from enclosures."""
        rays, ends = self._rays, (Enclosure(lower), Enclosure(upper))
        try:
            z = rays.a - rays.b * c
            q = Enclosure(np.maximum(*((z / end).upper for end in ends))) + rays.b * k
            fixed = Enclosure(c) - Enclosure(np.minimum(*((end * k).lower for end in ends)))
            return float((q.sum(1) + fixed.sum(0) + rays.direct).upper.max())
        except UnsupportedError:  # beyond float64: nothing is known
            return math.inf

    def _where_to_split(self, lower: Floats, upper: Floats, c: Floats, mixture: Floats) -> tuple[int, float]:
        """The head whose part of the bound is farthest above its part of the gain at the bound's mixture, and a ratio;
        the first head where the box is a point."""
        z = self._a - self._b * c
        ratios = mixture @ self._b
        gaps = mixture @ np.maximum(z / lower, z / upper) - (mixture @ z) / ratios
        gaps = np.where(upper > lower * (1 + 1e-12), np.nan_to_num(gaps), -np.inf)
        gaps[0] = -np.inf
        head = int(gaps.argmax())
        if gaps[head] == -np.inf:
            return 0, 1.0
        low, high = math.log(lower[head]), math.log(upper[head])
        at = min(max(math.log(ratios[head]), low + _NEAR * (high - low)), high - _NEAR * (high - low))
        return head, math.exp(at)

    def _best_multipliers(self, lower: Floats, upper: Floats, start: Floats) -> tuple[Floats, Floats]:
        """(c, k) of all heads but the first that make the largest Q small, and the mixture that keeps it from being
        smaller: over *active* rows alone, which those join that a pass over all then finds above them."""
        rest = len(start) // 2
        scale = max(float((self._high - self._low).sum()) + abs(self._r), 1e-9)
        ranges = (upper - lower)[1:]
        reach = np.where(ranges > 1e-9 * upper[1:], _STEEP * scale / np.maximum(ranges, 1e-300), 0.0)
        low = np.concatenate([self._low, np.minimum(-reach, start[rest:])])
        high = np.concatenate([self._high, np.maximum(reach, start[rest:])])
        small = 1e-9 * scale
        best, least, shares = start, math.inf, list[tuple[int, float]]()
        for _ in range(_PASSES):
            active = self._active
            cut = partial(self._cut, lower, upper, rows=active)
            point, reached, shares = _minimise(cut, start, low, high, small)
            q = self._values(lower, upper, point, slice(None))
            if q.max() < least:
                best, least = point, float(q.max())
            self._active = np.union1d(active, np.argpartition(-q, min(_JOINING, len(q) - 1))[:_JOINING])
            if least < -small or q.max() <= reached + small or len(self._active) == len(active):
                break
            start = point
        mixture = np.zeros(len(self._a))
        for g, share in shares:
            mixture[g] += share
        return best, mixture / mixture.sum() if mixture.any() else np.full(len(mixture), 1 / len(mixture))

    def _values(self, lower: Floats, upper: Floats, point: Floats, rows: Rows | slice) -> Floats:
        """Q at (c, k) of these rows."""
        rest = len(point) // 2
        c, k = point[:rest], point[rest:]
        a, b = self._a[rows, 1:], self._b[rows, 1:]
        z = a - b * c
        ends = np.where(k >= 0, lower[1:], upper[1:])
        q = self._a[rows, 0] + np.maximum(z / lower[1:], z / upper[1:]).sum(axis=1) + b @ k
        return np.asarray(q + (self._r + c.sum() - k @ ends))

    def _cut(self, lower: Floats, upper: Floats, point: Floats, rows: Rows) -> _Cut:
        """The largest Q of these rows at (c, k)."""
        q = self._values(lower, upper, point, rows)
        place = int(q.argmax())
        g, rest = int(rows[place]), len(point) // 2
        c, k, b = point[:rest], point[rest:], self._b[g, 1:]
        factors = np.where(self._a[g, 1:] > c * b, 1 / lower[1:], 1 / upper[1:])
        slope = np.concatenate([1 - b * factors, b - np.where(k >= 0, lower[1:], upper[1:])])
        return _Cut(g, float(q[place]), slope)


class _Cut(NamedTuple):
    """The largest Q at a point: whose it is, its value, its slope."""

    g: int
    value: float
    slope: Floats


def _minimise(
    cut: Callable[[Floats], _Cut], start: Floats, low: Floats, high: Floats, small: float
) -> tuple[Floats, float, list[tuple[int, float]]]:
    """A point between ``low`` and ``high`` where the largest Q is small, that Q, and shares of the g that keep it so.

    The simplex method on the dual: shares x of cuts, and of the ends of the range, such that Σ x = 1 over the cuts and
    their slopes cancel out. Its columns are (slope, 1) for a cut, (e, 0) for an upper end and (-e, 0) for a lower one.
    """
    size = len(start)
    found = cut(start)
    best, least = start, found.value
    matrix, costs, owners = np.zeros((size + 1, size + 1)), np.zeros(size + 1), [found.g] + [-1] * size
    matrix[:, 0], costs[0] = np.append(found.slope, 1.0), found.value - found.slope @ start
    signs = np.where(found.slope > 0, -1.0, 1.0)
    matrix[:size, 1:], costs[1:] = np.diag(signs), np.where(signs > 0, -high, low)
    target = np.append(np.zeros(size), 1.0)
    shares = np.linalg.solve(matrix, target)
    with contextlib.suppress(np.linalg.LinAlgError):
        for _ in range(_CUTS * size):
            solved = np.linalg.solve(matrix.T, costs)
            wanted, reached = -solved[:-1], float(solved[-1])
            point = np.clip(wanted, low, high)
            found = cut(point)
            if found.value < least:
                best, least = point, found.value
            if least < -small or found.value <= reached + small:  # enough to close the box, or the minimum
                break
            beyond = np.maximum(wanted - high, low - wanted)
            end = int(beyond.argmax())
            if beyond[end] > 1e-9 * (high - low)[end]:
                sign = 1.0 if wanted[end] > high[end] else -1.0
                column, cost, owner = np.zeros(size + 1), -high[end] if sign > 0 else low[end], -1
                column[end] = sign
            else:
                column, cost, owner = np.append(found.slope, 1.0), found.value - found.slope @ point, found.g
            step = np.linalg.solve(matrix, column)
            ratios = np.where(step > 1e-11, np.maximum(shares, 0.0) / np.where(step > 1e-11, step, 1.0), np.inf)
            leaving = int(ratios.argmin())
            if ratios[leaving] == np.inf:
                break
            matrix[:, leaving], costs[leaving], owners[leaving] = column, cost, owner
            shares = np.linalg.solve(matrix, target)
    return best, least, [(g, max(float(share), 0.0)) for g, share in zip(owners, shares, strict=True) if g >= 0]
