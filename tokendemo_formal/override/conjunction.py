"""Exact search for one assignment that is above several targets at once: f_1 > 0, …, f_n > 0.

Each f is a function of the kind that :mod:`tokendemo_formal.override.tables` makes, over the same slots and tokens. A
node is closed where one of them is at most 0 on all its assignments, and a token is dropped where one of them is with
it: so all rules of the search for one condition serve, each time for one of several. A sum of the conditions with
weights above 0 is a function of that kind, too, with the heads of all (Lagrange's relaxation): where it is at most 0,
some condition is. That refutes what no condition refutes alone, for tokens that serve one cost the other.

Conditions may be many (a token that is to beat all others), and few of them matter. A search begins with some, and
asks for another where an assignment satisfies all it has and yet is refused.

Rules that the tokens have to keep, whatever the layer makes of them (no token twice), are such conditions, too: counts.
Alone they only tell which tokens can't stand beside those that are left. Their prices in a sum, the weights, are found
together with the multipliers c, at every node.

Where an automaton says which assignments are asked about, all bounds are over those that it accepts
(:mod:`tokendemo_formal.override.paths`), and all candidates are such.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np

from tokendemo_formal.override import paths as over_paths
from tokendemo_formal.override.bound import Bound, Candidates, evaluate, gather
from tokendemo_formal.override.constraints import Rule
from tokendemo_formal.override.many_heads import CHECKED_BUDGET, Node, Search, within
from tokendemo_formal.override.multipliers import Prices, descend, joint_heads
from tokendemo_formal.override.outcome import Assignment, Limits, Outcome
from tokendemo_formal.override.paths import PathBound, Paths
from tokendemo_formal.override.proof import Columns, Combination, Condition, Exact, Filter, Leaf, Split, Trace
from tokendemo_formal.override.tables import Enclosed, Floats, assemble, combine

Judge: TypeAlias = "Callable[[Assignment], tuple[bool | None, Condition]]"
"""Are all conditions' exact margins above the target? The second part is a condition that isn't, or that is open."""


class SideOf(Protocol):
    """What a search asks of a constraint that it can't bound; see :class:`~tokendemo_formal.override.side.Side`."""

    def holds(self, assignment: Assignment) -> bool | None:
        """Whether an assignment meets it; None where that is not known."""

    def narrowed(self, sets: list[Columns]) -> list[Columns] | None:
        """Candidates of which every assignment that meets it consists; None: there is none."""

    def repaired(self, assignment: Assignment, sets: list[Columns]) -> Assignment | None:
        """An assignment of the candidates that meets it, near another; None: none was found."""


_PASSES = 2
_MOST_ACTIVE = 32
"""Tokens a slot that multipliers are first fitted to where bounds are over paths."""
_WEIGHINGS = 24
"""Steps that look for the weights of the conditions."""
_LARGEST_COMBINATION = 2**22
"""Table entries of the weighted sum that are still affordable to make anew at each of these steps."""
_RESTARTS = 12
_ASCENTS = 16
_TRIED_ALLOWED = 8
"""Tokens that an ascent tries in a slot where a constraint of the user's may refuse them."""
_TRIED = 3
"""Conditions whose multipliers are improved at a node; the others are bounded at the last ones known."""
_WORTH_A_ROUND = 0.8
_CLOSE = 0.2
_PRICINGS, _PRICE_STEPS = (3, 30), (12, 100)
"""How often prices are improved, and by how many steps at a time: at a node, and at the root."""
_RULES_FIRST = 2.0**30
"""How much worse than a margin of -1 a broken rule is where candidates are compared."""


class Part(Search):
    """One function to be bounded over the nodes of a search that is not its own.

    Args:
        enclosed: the function's numbers.
        of: the conditions that it adds up.
        active: tokens to begin with; those of a good assignment, if not given.
        paths: the assignments that matter, where not all do.
    """

    def __init__(
        self,
        enclosed: Enclosed,
        of: Combination,
        active: list[Columns] | None = None,
        paths: Paths | None = None,
    ) -> None:
        super().__init__(assemble(enclosed), lambda _: False, nodes=None if active is None else [])
        self.of, self.paths = of, paths
        self._gathered: Candidates | None = None
        self.active = self._open[0][2].active if active is None else active

    @property
    def guess(self) -> Floats:
        """Multipliers to begin with."""
        return self._open[0][2].c

    def gathered(self, sets: list[Columns]) -> Candidates:
        """Candidate sets with the denominators' range; what they have in common with the last ones is known."""
        self._gathered = gather(self.problem, sets, self._gathered)
        return self._gathered

    def bites(self, sets: list[Columns]) -> bool:
        """Whether a rule drops any candidate, or all: told by plain sums, for most never do."""
        weights = [-slot.a[0, s] for slot, s in zip(self.problem.slots, sets, strict=True)]
        least = [float(w.min()) for w in weights]
        room = self.problem.direct * (len(sets) + 1) - sum(least)
        return room <= max(float(w.max()) - low for w, low in zip(weights, least, strict=True))

    def bounded(self, sets: list[Columns], c: Floats, passes: int) -> Bounded:
        """The bound over candidate sets, at the c given (no passes) or a better one."""
        node = self.node(sets, c)
        candidates = self.gathered(sets)
        if self.paths is not None:
            most = CHECKED_BUDGET // candidates.count
            joint = joint_heads(self.problem, candidates, node.active, node.c, most)
            if passes:
                node.c, _, _ = descend(self.problem, candidates, node.active, node.c, joint, 0.0, self.best_value)
            return self._over_paths(sets, node.c, joint, passes > 0)
        best: Bound | None = None
        for _ in range(max(passes, 1)):
            joint = joint_heads(self.problem, candidates, node.active, node.c, CHECKED_BUDGET // candidates.count)
            if passes:
                node.c, _, _ = descend(self.problem, candidates, node.active, node.c, joint, 0.0, self.best_value)
            bound = evaluate(self.problem, candidates, node.c, joint)
            best = bound if best is None or bound.total < best.total else best
            if best.total <= 0 or not math.isfinite(bound.total):
                break
            node.active = [np.union1d(old, new) for old, new in zip(node.active, bound.contenders, strict=True)]
        assert best is not None
        self.active = node.active
        return self.told(sets, best)

    def told(self, sets: list[Columns], bound: Bound) -> Bounded:
        """What a bound says of the candidates; a better one, where not all assignments matter."""
        if self.paths is not None:
            return self._over_paths(sets, bound.c, bound.joint, improve=True)
        completions = bound.completions(self.problem, self.gathered(sets), 0.0)
        kept = [s[reached > 0] for s, reached in zip(sets, completions, strict=True)]
        return Bounded(sets, bound.total, bound.c, bound.joint, kept, bound.best)

    def _over_paths(self, sets: list[Columns], c: Floats, joint: tuple[int, ...], improve: bool) -> Bounded:
        """The bound over accepted assignments, at the c given or a better one."""
        assert self.paths is not None
        walk, candidates = self.paths.over(sets), self.gathered(sets)
        if not walk.open:
            return Bounded(sets, -math.inf, c, (), sets, ())
        joint = joint[: max(0, int(math.log2(CHECKED_BUDGET / (walk.edges + candidates.count))))]
        bound: PathBound
        if improve:
            bound = over_paths.descend(self.problem, candidates, self.paths, c, joint, 0.0)
        else:
            bound = over_paths.evaluate(self.problem, candidates, walk, c, joint)
        self.active = [np.union1d(x, [t])[-_MOST_ACTIVE:] for x, t in zip(self.active, bound.best, strict=True)]
        kept = [s[reached > 0] for s, reached in zip(sets, bound.completions(), strict=True)]
        return Bounded(sets, bound.total, bound.c, bound.joint, kept, bound.best)

    def node(self, sets: list[Columns], c: Floats) -> Node:
        c = np.clip(c, -self.problem.limit, self.problem.limit)
        return Node(sets, within(self.active, sets), c, math.inf, [], sum(map(len, sets)))

    def share(self, total: float) -> float:
        """What a bound of the sum leaves to the least margin where all rules are kept."""
        weights = sum(weight for condition, weight in self.of if not isinstance(condition, Rule))
        return float(np.nextafter(total / np.nextafter(weights, 0.0), np.inf))

    def parted(self, sets: list[Columns], c: Floats) -> tuple[int, Columns, Columns]:
        """A slot, and its candidates in two parts."""
        node = self.node(sets, c)
        node.candidates = self.gathered(sets)
        bound = evaluate(self.problem, node.candidates, node.c)
        if self.paths is not None:
            over = over_paths.evaluate(self.problem, node.candidates, self.paths.over(sets), node.c)
            bound = replace(bound, best=over.best, factors=over.factors)
        slot, inside = self._split(node, bound)
        return slot, sets[slot][inside], sets[slot][~inside]

    def slopes(self, assignment: Sequence[int], sets: Sequence[Columns]) -> list[Floats]:
        """For each slot (n_i,) what candidates add to f to the first order, at an assignment: Σ_h (a - N/D b) / D."""
        n, d = self._sums(tuple(assignment))
        d = np.maximum(d, 1e-300)[:, None]
        ratio = n[:, None] / d
        return [
            ((slot.a[:, s] - ratio * slot.b[:, s]) / d).sum(axis=0)
            for slot, s in zip(self.problem.slots, sets, strict=True)
        ]

    def values(self, assignments: Sequence[Columns]) -> Floats:
        """f of assignments, one array of columns a slot, in plain floats."""
        n, d = self.problem.template.a, self.problem.template.b
        for slot, columns in zip(self.problem.slots, assignments, strict=True):
            n, d = n + slot.a[:, columns], d + slot.b[:, columns]
        return np.asarray(self.problem.direct + (n / np.maximum(d, 1e-300)).sum(axis=0))


@dataclass(frozen=True)
class Bounded:
    """A bound of one part over a node.

    Attributes:
        sets: the node's candidates.
        total: the bound; above 0 where nothing is closed, -inf where no assignment is left.
        c, joint: how it was found.
        kept: the candidates that it does not put out of reach.
        assignment: one that attains it.
    """

    sets: list[Columns]
    total: float
    c: Floats
    joint: tuple[int, ...]
    kept: list[Columns]
    assignment: Assignment


@dataclass
class _Node:
    sets: list[Columns]
    bound: float
    trace: Trace
    c: dict[Combination, Floats]
    prices: dict[Combination, dict[Rule, float]]


class Conjunction:
    """Best-first search for an assignment that satisfies all conditions.

    Args:
        numbers: the function of a condition, less its target.
        conditions: those to begin with, at least one.
        judge: decides candidates exactly.
        start: a known assignment, to begin near.
        broken: the rules that an assignment breaks.
        side: a constraint of another kind, which Z3 decides; no certificate can be written then.
        allowed: for each slot the columns that it may hold; None: all.
        paths: the assignments that are asked about; None: all.

    Attributes:
        trace: how the root was closed; complete once the outcome is "refuted".
        best_value: the best assignment's least margin, in floats.
    """

    def __init__(
        self,
        numbers: Callable[[Condition], Enclosed],
        conditions: Sequence[Condition],
        judge: Judge,
        start: Assignment | None = None,
        broken: Callable[[Assignment], Sequence[Rule]] = lambda _: (),
        side: SideOf | None = None,
        allowed: Sequence[Columns] | None = None,
        paths: Paths | None = None,
    ) -> None:
        self._numbers, self._judge, self._broken, self._side, self._paths = numbers, judge, broken, side, paths
        self.parts: dict[tuple[int, int], Part] = {}
        self.rules: dict[Rule, Part] = {}
        self._weights, self._limits = np.empty((0, 0)), np.empty(0)
        self.sums: list[Part] = []
        self.trace: Trace = []
        self.nodes = 0
        self._weighed = 0
        self.best_value = -math.inf
        self._undecided: Assignment | None = None
        self._verdicts: dict[Assignment, tuple[bool | None, Condition]] = {}
        self._found: Assignment | None = None
        self._order = itertools.count()
        for condition in conditions:
            self._add(condition)
        everything = [np.arange(slot.a.shape[1]) for slot in self._any.problem.slots]
        root = _Node(everything if allowed is None else [*allowed], math.inf, self.trace, {}, {})
        if not self._some(root.sets):
            self._open = []
            self.trace.append(self._nothing)
            return
        self._open = [(-math.inf, next(self._order), root)]
        with _quiet():
            self._begin(root.sets, start)

    @property
    def open_nodes(self) -> int:
        return len(self._open)

    @property
    def bound(self) -> float:
        """A proved upper bound of the least margin over all that is still open, or 0 where nothing is."""
        return max(-self._open[0][0], 0.0) if self._open else 0.0

    @property
    def _any(self) -> Part:
        return next(iter(self.parts.values()))

    def run(self, limits: Limits, watch: Callable[[Conjunction], None] | None = None) -> Outcome:
        """Search until an assignment is confirmed, all are refuted, or a limit is reached; see :meth:`Search.run`."""
        with _quiet():
            while self._open and self._found is None:
                if self.nodes >= limits.nodes or limits.over:
                    return self._outcome("gave-up")
                _, _, node = heapq.heappop(self._open)
                self.nodes += 1
                self._expand(node)
                if watch:
                    watch(self)
        if self._found is not None:
            return self._outcome("found")
        return self._outcome("refuted" if self._undecided is None else "gave-up")

    def _outcome(self, kind: Literal["found", "refuted", "gave-up"]) -> Outcome:
        return Outcome(kind, self._found, self.nodes, self.bound, self._undecided)

    def _some(self, sets: list[Columns]) -> bool:
        """Whether there is an assignment of these candidates that is asked about."""
        return all(map(len, sets)) and (self._paths is None or self._paths.over(sets).open)

    @property
    def _nothing(self) -> Leaf:
        """A leaf where there is none, whatever is bounded."""
        return Leaf(self._any.guess, (), self._any.of)

    # Bounds

    def _expand(self, node: _Node) -> None:
        while True:
            before = sum(map(len, node.sets))
            least = self._pruned(node) if self._kept(node) else None
            if self._found is not None or least is None:
                return
            if before == len(node.sets):
                self._single(node)
                return
            if self._side is not None:
                sets = self._side.narrowed(node.sets)
                if sets is None:
                    return
                node.sets = sets
            after = sum(map(len, node.sets))
            if after > len(node.sets) and after > _WORTH_A_ROUND * before:
                break
        if not self._some(node.sets):
            node.trace.append(self._nothing)
            return
        if self._weighed < len(self.parts):
            self._weigh(node)
        if self.nodes == 1:
            self._restart(node.sets)
            if self._found is not None:
                return
        part, bounded = least
        slot, first, second = part.parted(node.sets, bounded.c)
        split = Split(slot, first, [], [])
        node.trace.append(split)
        for half, trace in ((first, split.first), (second, split.second)):
            sets = [*node.sets[:slot], half, *node.sets[slot + 1 :]]
            child = _Node(sets, node.bound, trace, dict(node.c), dict(node.prices))
            heapq.heappush(self._open, (-child.bound, next(self._order), child))

    def _kept(self, node: _Node) -> bool:
        """Filter by the rules alone until none drops anything; False where that closes the node."""
        while biting := next((part for part in self.rules.values() if part.bites(node.sets)), None):
            bounded = biting.bounded(node.sets, np.zeros(1), 0)
            if bounded.total <= 0 or any(len(s) == 0 for s in bounded.kept):
                node.trace.append(Leaf(bounded.c, bounded.joint, biting.of))
                return False
            if sum(map(len, bounded.kept)) == sum(map(len, node.sets)):
                break
            node.trace.append(Filter(bounded.c, bounded.joint, biting.of))
            node.sets = bounded.kept
        return len(self.rules) < 2 or not self._crowded(node)

    def _crowded(self, node: _Node) -> bool:
        """Close the node by the plain sum of the rules that matter there, where that leaves no room: fewer tokens than
        slots, say."""
        weights, limits = self._counts
        held = np.unique(np.concatenate(node.sets))
        sizes = weights[:, held].max(axis=1)
        matter = np.flatnonzero(sizes > 0)
        load = (weights[matter] / sizes[matter, None]).sum(axis=0)
        if not len(matter) or (limits[matter] / sizes[matter]).sum() > sum(float(load[s].min()) for s in node.sets):
            return False
        rules = [*self.rules]
        of = tuple((rules[k], float(1 / sizes[k])) for k in matter)
        bounded = self._sum(of, self._any).bounded(node.sets, np.zeros(1), 0)
        if bounded.total > 0:
            return False
        node.trace.append(Leaf(bounded.c, bounded.joint, of))
        return True

    def _pruned(self, node: _Node) -> tuple[Part, Bounded] | None:
        """Bound and filter by every part in turn, the most promising first.

        Returns:
            The part with the least bound; None where the node is closed.
        """
        parts = [*self.sums, *self.parts.values()]
        quick = [part.bounded(node.sets, node.c.get(part.of, part.guess), 0) for part in parts]
        order = sorted(range(len(parts)), key=lambda k: parts[k].share(quick[k].total))
        if quick[order[0]].total <= 0:
            node.trace.append(Leaf(quick[order[0]].c, quick[order[0]].joint, parts[order[0]].of))
            return None
        least: tuple[Part, Bounded] | None = None
        for rank, k in enumerate(order):
            part = parts[k]
            passes = _PASSES if rank < _TRIED or part in self.sums else 0
            known = quick[k]
            if passes and self.rules:
                part, bounded = self._priced(node, part, known.c)
            elif not passes and known.sets is node.sets:
                bounded = known
            else:
                bounded = part.bounded(node.sets, known.c, passes)
            node.c[parts[k].of] = bounded.c[: len(known.c)]
            node.bound = min(node.bound, part.share(bounded.total))
            if bounded.total <= 0 or any(len(s) == 0 for s in bounded.kept):
                node.trace.append(Leaf(bounded.c, bounded.joint, part.of))
                return None
            if least is None or part.share(bounded.total) < least[0].share(least[1].total):
                least = part, bounded
            if sum(map(len, bounded.kept)) < sum(map(len, node.sets)):
                node.trace.append(Filter(bounded.c, bounded.joint, part.of))
                node.sets = bounded.kept
            inside = all(t in s for t, s in zip(bounded.assignment, node.sets, strict=True))
            if inside and passes:
                self._propose(node.sets, bounded.assignment, self.nodes < _ASCENTS or self.nodes % 16 == 0)
                if self._found is not None:
                    break
        return least

    def _priced(self, node: _Node, part: Part, c: Floats) -> tuple[Part, Bounded]:
        """The bound of a part with rules, at prices that make it small.

        Where it is attained, tokens may break rules that are not known yet: these are added, and get a price, too.
        """
        known = node.prices.get(part.of, {})
        place = part.node(node.sets, c)
        candidates = part.gathered(node.sets)
        joint = joint_heads(part.problem, candidates, place.active, place.c, CHECKED_BUDGET // candidates.count)
        best: tuple[Part, Bound] | None = None
        for _ in range(_PRICINGS[self.nodes == 1]):
            weights, limits = self._counts
            prices = Prices(weights, limits, np.array([known.get(rule, 0.0) for rule in self.rules]))
            place.c, _, expected = descend(
                part.problem,
                candidates,
                place.active,
                place.c,
                joint,
                0.0,
                -math.inf,
                prices=prices,
                steps=_PRICE_STEPS[self.nodes == 1],
            )
            known = {rule: price for rule, price in zip(self.rules, _rounded(prices.at), strict=True) if price > 0}
            whole, whole_c = (
                (self._sum((*part.of, *known.items()), part), np.append(place.c, 0.0)) if known else (part, place.c)
            )
            bound = evaluate(whole.problem, whole.gathered(node.sets), whole_c, joint)
            place.active = [np.union1d(old, new) for old, new in zip(place.active, bound.contenders, strict=True)]
            if best is None or bound.total < best[1].total:
                best, node.prices[part.of] = (whole, bound), known
            learned = self._learned(bound.best)
            if bound.total <= 0 or not (learned or bound.total - expected > _CLOSE * bound.total):
                break
        assert best is not None
        part.active = place.active
        return best[0], best[0].told(node.sets, best[1])

    @property
    def _counts(self) -> tuple[Floats, Floats]:
        """What tokens weigh for each rule, (k, n), and the limits, (k,), in floats."""
        if len(self._weights) < len(self.rules):
            problems = [part.problem for part in self.rules.values()]
            self._weights = np.stack([np.round(-p.slots[0].a[0] / (len(p.slots) + 1)) for p in problems])
            self._limits = np.array([p.direct for p in problems])
        return self._weights, self._limits

    def _weigh(self, node: _Node) -> None:
        """Add the weighted sum of the conditions whose bound is smallest, roughly, by multiplicative updates."""
        conditions = [*self.parts]
        self._weighed = len(conditions)
        heads = sum(self.parts[k].problem.heads for k in conditions)
        if len(conditions) < 2 or heads * sum(map(len, node.sets)) > _LARGEST_COMBINATION:
            return
        logs = np.zeros(len(conditions))
        best: tuple[float, Part] | None = None
        c: Floats | None = None
        for step in range(_WEIGHINGS):
            weights = np.exp2(np.round(8 * (logs - logs.max())) / 8)
            weights = np.round(weights * 256) / 256
            chosen = [k for k in range(len(conditions)) if weights[k] > 0]
            of = tuple((conditions[k], float(weights[k])) for k in chosen)
            part = self._sum(of)
            bounded = part.bounded(node.sets, part.guess if c is None or len(c) != len(part.guess) else c, _PASSES)
            c = bounded.c
            bound = bounded.total / weights.sum()
            if best is None or bound < best[0]:
                best = bound, part
            if bound <= 0:
                break
            # Where the sum attains its bound, the conditions that hold least need more weight.
            found = np.array([self.parts[k].values(_columns(bounded.assignment))[0] for k in conditions])
            scale = float(np.abs(found).max()) or 1.0
            logs -= 2.0 / math.sqrt(step + 1) * found / scale
        assert best is not None
        if len(best[1].of) > 1:
            self.sums = [best[1]]

    def _sum(self, of: Combination, like: Part | None = None) -> Part:
        """The weighted sum of conditions; all rules share their denominators, as those of a template do."""
        parts = [("" if isinstance(k, Rule) else k[0], self._numbers(k), weight) for k, weight in of]
        return Part(combine(parts), of, None if like is None else like.active, self._paths)

    def _single(self, node: _Node) -> None:
        """One assignment, which no bound refuted: decide it exactly."""
        assignment = tuple(int(s[0]) for s in node.sets)
        verdict, condition = self._judged(assignment)
        node.trace.append(Exact(((condition, 1.0),)))
        if verdict:
            self._found = assignment
        elif verdict is None:
            self._undecided = assignment

    def _judged(self, assignment: Assignment) -> tuple[bool | None, Condition]:
        if assignment not in self._verdicts:
            self._verdicts[assignment] = self._judge(assignment)
        return self._verdicts[assignment]

    def _add(self, condition: Condition) -> None:
        if isinstance(condition, Rule):
            slots = len(self._any.problem.slots)
            self.rules[condition] = Part(
                self._numbers(condition), ((condition, 1.0),), [np.zeros(1, np.int64)] * slots, self._paths
            )
        else:
            self.parts[condition] = Part(self._numbers(condition), ((condition, 1.0),), paths=self._paths)

    def _learned(self, assignment: Assignment) -> bool:
        """Whether an assignment breaks rules that were not known before; they are from now on."""
        new = [rule for rule in self._broken(assignment) if rule not in self.rules]
        for rule in new:
            self._add(rule)
        return bool(new)

    # Candidates: plain floats, decided exactly before they count.

    def _begin(self, sets: list[Columns], start: Assignment | None) -> None:
        starts = [start] if start is not None else []
        starts += [part.best_assignment for part in self.parts.values() if part.best_assignment is not None]
        for assignment in starts:
            if self._found is None and self._is_asked(sets, assignment):
                self._propose(sets, assignment, improve=True)

    def _is_asked(self, sets: list[Columns], assignment: Assignment) -> bool:
        inside = all(t in s for t, s in zip(assignment, sets, strict=True))
        return inside and (self._paths is None or self._paths.accept(assignment))

    def _restart(self, sets: list[Columns]) -> None:
        rng = np.random.default_rng(0)
        for _ in range(_RESTARTS):
            if self._found is None:
                if self._paths is None:
                    assignment = tuple(int(rng.choice(s)) for s in sets)
                else:
                    assignment = self._paths.over(sets).heaviest([rng.random(len(s)) for s in sets])
                self._propose(sets, assignment, improve=True)

    def _least(self, assignments: Sequence[Columns]) -> Floats:
        """The least margin of assignments, one array of columns a slot; less than any other where rules are broken."""
        least = np.min([part.values(assignments) for part in self.parts.values()], axis=0)
        if self.rules:
            weights, limits = self._counts
            used = sum(weights[:, columns] for columns in assignments)
            least = least - _RULES_FIRST * np.maximum(used - limits[:, None], 0).sum(axis=0)
        return np.asarray(least)

    def _propose(self, sets: list[Columns], assignment: Assignment, improve: bool) -> None:
        if self._side is not None:
            repaired = self._side.repaired(assignment, sets)
            if repaired is None or not self._is_asked(sets, repaired):
                return
            assignment = repaired
        value = float(self._least(_columns(assignment))[0])
        if improve:
            assignment, value = self._ascend(assignment, value, sets)
        self.best_value = max(self.best_value, value)
        while value > 0:
            if not self._learned(assignment):  # of what did not matter so far
                verdict, condition = self._judged(assignment)
                if verdict:
                    self._found = assignment
                if verdict is not False or condition in self.parts or condition in self.rules:
                    return
                self._add(condition)
            assignment, value = self._ascend(assignment, float(self._least(_columns(assignment))[0]), sets)

    def _ascend(self, assignment: Assignment, value: float, sets: list[Columns]) -> tuple[Assignment, float]:
        """Coordinate ascent: each slot in turn takes its best token, until none changes.

        Rules can keep each slot from changing alone: then two may swap theirs. So can an automaton: then all change.
        """
        chosen = list(assignment)
        stale = 0
        for i in itertools.cycle(range(len(chosen))):
            if stale == len(chosen):
                changed = self._swapped(chosen, sets) if self.rules else None
                if self._paths is not None and (changed is None or not _above(changed[1], value)):
                    changed = self._exchanged(chosen, sets)
                if changed is None or not _above(changed[1], value):
                    break
                (chosen, value), stale = changed, 0
            stale += 1
            choice = sets[i] if self._paths is None else self._paths.fitting(chosen, i, sets[i])
            tried = [choice if k == i else np.full(1, t) for k, t in enumerate(chosen)]
            values = self._least(tried)
            for j in self._better(values, value):
                other = [*chosen[:i], int(choice[j]), *chosen[i + 1 :]]
                if self._side is None or self._side.holds(tuple(other)):
                    value, chosen, stale = float(values[j]), other, 0
                    break
        return tuple(chosen), value

    def _better(self, values: Floats, value: float) -> list[int]:
        """The place of the best value, if it is above another; a few more where a constraint may refuse the best."""
        count = 1 if self._side is None else min(_TRIED_ALLOWED, len(values))
        best = [int(values.argmax())] if count == 1 else np.argsort(-values, kind="stable")[:count].tolist()
        return [j for j in best if _above(float(values[j]), value)]

    def _exchanged(self, chosen: list[int], sets: list[Columns]) -> tuple[list[int], float]:
        """The accepted assignment that is best for the least margin's function, made linear at the one given."""
        assert self._paths is not None
        part = min(self.parts.values(), key=lambda part: float(part.values(_columns(chosen))[0]))
        found = [*self._paths.over(sets).heaviest(part.slopes(chosen, sets))]
        if self._side is not None and not self._side.holds(tuple(found)):
            return chosen, -math.inf
        return found, float(self._least(_columns(found))[0])

    def _swapped(self, chosen: list[int], sets: list[Columns]) -> tuple[list[int], float] | None:
        """The best of the assignments in which two slots have exchanged their tokens."""
        held = [set(s.tolist()) for s in sets]
        found = []
        for i, j in itertools.combinations(range(len(chosen)), 2):
            if chosen[i] != chosen[j] and chosen[j] in held[i] and chosen[i] in held[j]:
                swapped = [*chosen]
                swapped[i], swapped[j] = chosen[j], chosen[i]
                if self._paths is None or self._paths.accept(swapped):
                    found.append(swapped)
        if self._side is not None:
            found = [swapped for swapped in found if self._side.holds(tuple(swapped))]
        if not found:
            return None
        values = self._least([*np.array(found).T])
        best = int(values.argmax())
        return found[best], float(values[best])


def _above(value: float, other: float) -> bool:
    """By more than rounding."""
    return value > other + 1e-12 * abs(other)


def _rounded(prices: Floats) -> list[float]:
    """Few digits do."""
    return [float(x) for x in prices.astype(np.float32)]


def _columns(assignment: Sequence[int]) -> list[Columns]:
    return [np.array([t]) for t in assignment]


def _quiet() -> np.errstate:
    """As in the search for one condition: lost denominators make bounds infinite, which is sound."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")
