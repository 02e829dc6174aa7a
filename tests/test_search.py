"""The search's parts: inflation, leaf bound, filter, readers in slots, final norms, optima, ties, limits."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.questions import every_gain, near_best, plain_gain, random_question, truth
from tokendemo_formal.attention import Computation, Layer, Learned, Norm
from tokendemo_formal.errors import InputError, ScenarioError, UnsupportedError
from tokendemo_formal.numbers.enclosures import ENCLOSURES, Enclosure
from tokendemo_formal.numbers.float64 import FLOAT64
from tokendemo_formal.override import bound as bound_module
from tokendemo_formal.override import brute_force, tables
from tokendemo_formal.override.answer import Bounds
from tokendemo_formal.override.bound import evaluate, gather
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.many_heads import Search
from tokendemo_formal.override.outcome import Limits
from tokendemo_formal.override.question import Question, Readout
from tokendemo_formal.override.reading import norm_offset, plain_reading
from tokendemo_formal.override.run import Progress
from tokendemo_formal.override.solve import solve
from tokendemo_formal.override.tables import Enclosed, Problem, SlotTable, TableBuilder, Terms, assemble
from tokendemo_formal.override.votes import votes

seeds = st.integers(0, 2**63 - 1)


def _terms(rng: np.random.Generator, n: int, heads: int, spread: float) -> Terms:
    b = np.exp(rng.uniform(-spread, spread, (n, heads)))
    a = b * rng.standard_normal((n, heads))
    rad = 10.0 ** rng.integers(-16, -5)
    return Terms(Enclosure(a, np.abs(a) * rad), Enclosure(b, b * rad))


def _enclosed(rng: np.random.Generator, heads: int, sizes: list[int], spread: float) -> Enclosed:
    slots = tuple(_terms(rng, n, heads, spread) for n in sizes)
    direct = Enclosure(float(rng.standard_normal()), 1e-12)
    return Enclosed(direct, _terms(rng, int(rng.integers(1, 4)), heads, spread), slots)


def _corner(rng: np.random.Generator, x: Enclosure) -> list[list[Fraction]]:
    """An array inside the enclosure, at random ends of it, exactly."""
    rad = np.broadcast_to(x.rad, x.shape)
    signs = rng.choice([-1, 1], x.shape)
    return [
        [Fraction(m) + int(s) * Fraction(r) for m, r, s in zip(ms, rs, ss, strict=True)]
        for ms, rs, ss in zip(x.mid.tolist(), rad.tolist(), signs, strict=True)
    ]


def _exact_instance(
    rng: np.random.Generator, enclosed: Enclosed
) -> tuple[Fraction, list[Fraction], list[Fraction], list[list[list[Fraction]]], list[list[list[Fraction]]]]:
    a, b = _corner(rng, enclosed.template.a), _corner(rng, enclosed.template.b)
    heads = len(a[0])
    top = [sum((row[h] for row in a), Fraction(0)) for h in range(heads)]
    bottom = [sum((row[h] for row in b), Fraction(0)) for h in range(heads)]
    direct = Fraction(float(enclosed.direct.mid)) + Fraction(float(enclosed.direct.rad))
    return direct, top, bottom, [_corner(rng, s.a) for s in enclosed.slots], [_corner(rng, s.b) for s in enclosed.slots]


def _gain(instance: tuple, assignment: tuple[int, ...]) -> Fraction:  # type: ignore[type-arg]
    direct, top, bottom, a, b = instance
    total: Fraction = direct
    for h in range(len(top)):
        n = top[h] + sum(a[i][j][h] for i, j in enumerate(assignment))
        d = bottom[h] + sum(b[i][j][h] for i, j in enumerate(assignment))
        total += n / d
    return total


def _multiples(instance: tuple, assignment: tuple[int, ...]) -> list[Fraction]:  # type: ignore[type-arg]
    """D of each head, divided by the template's part."""
    _, _, bottom, _, b = instance
    return [1 + sum(b[i][j][h] for i, j in enumerate(assignment)) / bottom[h] for h in range(len(bottom))]


def _ranges(rng: np.random.Generator, instance: tuple, sets: list) -> tuple[Any, Any]:  # type: ignore[type-arg]
    """Limits on some denominators, some of them exactly at an assignment's, with pulls; often none."""
    if rng.random() < 0.3:
        return None, None
    heads = len(instance[1])
    ranges = np.array([np.zeros(heads), np.full(heads, np.inf)])
    for h in range(heads):
        chosen = [_multiples(instance, tuple(int(rng.choice(s)) for s in sets))[h] for _ in range(2)]
        low, high = sorted(float(x) * rng.choice([1, 1, 0.99, 1.5]) for x in chosen)
        ranges[0, h] = low if rng.random() < 0.5 else 0.0
        ranges[1, h] = high if rng.random() < 0.5 else np.inf
    return ranges, rng.standard_normal(heads) * rng.choice([0.0, 0.1, 10.0], heads)


def _within(instance: tuple, sets: list, ranges: Any) -> list[tuple[int, ...]]:  # type: ignore[type-arg]
    """The assignments whose denominators keep to the ranges, exactly."""

    def kept(assignment: tuple[int, ...]) -> bool:
        places = enumerate(_multiples(instance, assignment))
        return all(ranges[0, h] <= x and (np.isinf(ranges[1, h]) or x <= Fraction(ranges[1, h])) for h, x in places)

    return [a for a in itertools.product(*(s.tolist() for s in sets)) if ranges is None or kept(a)]


@settings(max_examples=200, deadline=None)
@given(seeds, st.integers(1, 4), st.sampled_from([0.1, 2.0, 30.0]))
def test_the_leaf_bound_holds_for_every_instance_inside_the_enclosures(seed: int, heads: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(1, 5, size=rng.integers(1, 4))]
    enclosed = _enclosed(rng, heads, sizes, spread)
    instance = _exact_instance(rng, enclosed)
    search = Search(assemble(enclosed), lambda _: False)
    sets = [np.sort(rng.choice(n, size=rng.integers(1, n + 1), replace=False)) for n in sizes]
    c = np.clip(rng.standard_normal(heads) * rng.choice([0.0, 0.3, 3.0]), -search.problem.limit, search.problem.limit)
    joint = tuple(h for h in range(heads) if rng.random() < 0.5)
    ranges, pull = _ranges(rng, instance, sets)
    candidates = gather(search.problem, sets, ranges=ranges)
    inside = [_gain(instance, a) for a in _within(instance, sets, ranges)]
    assert candidates.void <= (not inside)
    if not inside:
        return
    pull = None if pull is None else pull / search.problem.template.b[:, 0]
    with pytest.MonkeyPatch.context() as patch:  # so small a vocabulary has few contenders, too
        patch.setattr(bound_module, "_FEW", int(rng.integers(1, 4)))
        bound = evaluate(search.problem, candidates, c, joint, pull)
    assert Fraction(bound.total) >= max(inside)
    # Whatever the target, what is said of tokens above it holds, and every assignment above it is kept.
    for target in (-math.inf, float(min(inside)) + rng.uniform(0, 1) * float(max(inside) - min(inside))):
        completions = bound.completions(search.problem, candidates, target)
        search.target = target
        kept = search._filtered(candidates, bound)
        for assignment in _within(instance, sets, ranges):
            gain = _gain(instance, assignment)
            if target == -math.inf or gain > Fraction(target):
                for j, columns, reached, left in zip(assignment, sets, completions, kept, strict=True):
                    assert j in left
                    assert Fraction(reached[columns.tolist().index(j)]) >= gain


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([0.1, 1.0, 3.0]))
def test_only_contenders_are_a_slots_best(seed: int, spread: float) -> None:
    """Looking at the contenders alone gives the same bound for every choice of w, and drops the same tokens."""
    rng = np.random.default_rng(seed)
    problem = assemble(_enclosed(rng, 4, [90, 60], spread))
    candidates = gather(problem, [np.arange(90), np.arange(60)])
    c = np.clip(rng.standard_normal(4) * 0.3, -problem.limit, problem.limit)
    bounds = []
    for few in (1, 4, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bound_module, "_FEW", few)
            bounds.append(evaluate(problem, candidates, c, (0, 1, 3)))
    whole = bounds[-1]
    target = whole.total - rng.uniform(0, 1) * abs(whole.total)
    kept = [[reached > target for reached in b.completions(problem, candidates, target)] for b in bounds]
    for bound, left in zip(bounds[:-1], kept[:-1], strict=True):
        np.testing.assert_allclose(bound._totals, whole._totals, rtol=1e-12)
        assert [len(tokens) for tokens in bound.contenders] <= [90, 60]
        for mine, other in zip(left, kept[-1], strict=True):
            np.testing.assert_array_equal(mine, other)


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([0.1, 1.0, 3.0]))
def test_a_filter_drops_what_its_rule_drops_whatever_the_target(seed: int, spread: float) -> None:
    """The looks at likely w only save work: what is dropped is what no w lifts above the target, be that 0 or not."""
    rng = np.random.default_rng(seed)
    problem = assemble(_enclosed(rng, 4, [90, 60], spread))
    candidates = gather(problem, [np.arange(90), np.arange(60)])
    bound = evaluate(
        problem, candidates, np.clip(rng.standard_normal(4) * 0.3, -problem.limit, problem.limit), (0, 1, 3)
    )
    scales = bound._scales
    target = bound.total - float(rng.uniform(0, 0.3)) * abs(bound.total)
    for table, columns, largest, reached in zip(
        problem.slots, candidates.sets, bound._largest, bound.completions(problem, candidates, target), strict=True
    ):
        others = bound._totals - largest
        lifted = (scales.sums(table, columns, bound.c, scales.weights) + others[:, None]).max(axis=0)
        clear = np.abs(lifted - target) > 1e-9 * (1 + np.abs(target))
        np.testing.assert_array_equal((reached > target)[clear], (lifted > target)[clear])


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 4), st.sampled_from([0.1, 2.0, 10.0]))
def test_search_refutes_only_what_no_instance_reaches(seed: int, heads: int, spread: float) -> None:
    """On tables alone, with targets within a hair of the maximum."""
    rng = np.random.default_rng(seed)
    enclosed = _enclosed(rng, heads, [4, 3, 4], spread)
    instance = _exact_instance(rng, enclosed)
    gains = {a: _gain(instance, a) for a in itertools.product(range(4), range(3), range(4))}
    best = max(gains.values())
    for target in (float(best) - 1e-4, float(best) * (1 - 1e-15) - 1e-15, float(best) + 1e-4):
        exact = Fraction(target)
        outcome = Search(assemble(enclosed), lambda a, t=exact: gains[a] > t, target).run(Limits())
        assert outcome.kind == ("found" if best > exact else "refuted")


def test_the_inflation_covers_the_float_evaluation_exactly() -> None:
    """Per token: the float value of Σ φ(a - c b) is at least the exact one, and without inflation it is not."""
    rng = np.random.default_rng(5)
    uncovered = 0
    for _ in range(400):
        heads = int(rng.integers(1, 6))
        terms = _terms(rng, 6, heads, 3.0)
        exact = Terms(Enclosure(terms.a.mid), Enclosure(terms.b.mid))
        limit = np.full(heads, 2.0)
        c = rng.uniform(-2, 2, heads)
        over, under = rng.uniform(0.5, 1.0, heads), rng.uniform(0.1, 0.5, heads)

        def phi(
            a: list[float], b: list[float], c: np.ndarray = c, o: np.ndarray = over, u: np.ndarray = under
        ) -> Fraction:
            total = Fraction(0)
            for h in range(len(c)):
                z = Fraction(a[h]) - Fraction(c[h]) * Fraction(b[h])
                total += max(z * Fraction(o[h]), z * Fraction(u[h]))
            return total

        for table, inflated in (
            (tables._inflated(exact, limit), True),
            (SlotTable(exact.a.mid.T, exact.b.mid.T), False),
        ):
            gaps = table.a - c[:, None] * table.b
            computed = np.maximum(gaps * over[:, None], gaps * under[:, None]).sum(axis=0)
            for j in range(6):
                short = Fraction(float(computed[j])) < phi(exact.a.mid[j].tolist(), exact.b.mid[j].tolist())
                if inflated:
                    assert not short
                else:
                    uncovered += short
    assert uncovered > 100


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_maximum_is_the_best_of_all_assignments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    question = random_question(rng, int(rng.integers(1, 4)), 5, 2)
    best = max(every_gain(question, 2).values())
    for engine in ("search", "z3", "brute-force"):
        answer = solve(question, "maximum", engine=engine, tolerance=1e-6)  # type: ignore[arg-type]
        assert answer.verdict == "optimum"
        assert answer.margin is not None
        assert answer.upper is not None
        assert answer.margin.low - Fraction(1e-12) <= Fraction(best) <= answer.upper + Fraction(1e-12)
        assert answer.upper - answer.margin.low <= Fraction(1e-6)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_minimum_rules_out_each_shorter_length(seed: int) -> None:
    rng = np.random.default_rng(seed)
    question = random_question(rng, 2, 4, 3)
    # A threshold that two tokens can't reach and three barely can, or none.
    best = {m: max(every_gain(question, m).values()) for m in range(4)}
    threshold = Fraction(rng.uniform(min(best.values()), max(best.values()) + 0.1))
    question = replace(question, readout=replace(question.readout, threshold=threshold))
    answer = solve(question, "minimum")
    reached = [m for m in range(4) if best[m] > threshold]
    assert answer.minimum == (reached[0] if reached else None)
    assert answer.ruled_out == tuple(range(reached[0] if reached else 4))
    assert answer.verdict == ("override" if reached else "no-override")
    if reached and reached[0] == 0:
        assert answer.assignment == ()
        assert "Nothing to override" in answer.notes[0]


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from(["search", "z3", "brute-force"]))
def test_a_reader_in_a_slot_has_each_token_tried(seed: int, engine: str) -> None:
    rng = np.random.default_rng(seed)
    slots = int(rng.integers(1, 3))
    question = replace(random_question(rng, 2, 4, slots), after=(), reader="last")
    question = near_best(question, slots, float(rng.choice([-0.05, 0.01])))
    expected, _ = truth(question, slots)
    answer = solve(question, engine=engine)  # type: ignore[arg-type]
    assert answer.verdict == ("override" if expected else "no-override")


def test_a_reader_in_a_slot_is_refused_for_a_large_vocabulary() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    layer = Layer(rng.standard_normal((n, 2)), *(rng.standard_normal((1, 2, 2)) for _ in range(4)))
    question = Question(layer, Readout(np.ones(2), np.zeros(2)), (1,), (), "last", 1, tuple(range(n)))
    with pytest.raises(ScenarioError, match=r"template\.reader: position 1 is a slot.*3000"):
        solve(question)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_final_norms_are_folded_or_bounded_never_dropped(seed: int) -> None:
    rng = np.random.default_rng(seed)
    slots = int(rng.integers(1, 3))
    question = random_question(rng, int(rng.integers(1, 4)), 5, slots, final=True)
    if rng.random() < 0.7:
        question = near_best(question, slots, float(rng.choice([-0.2, -0.01, 0.01, 0.2])))
    expected, best = truth(question, slots)
    answer = solve(question)
    assert answer.verdict == ("override" if expected else "no-override"), (best, answer)
    if answer.margin is not None:
        assert answer.assignment is not None
        value = plain_gain(question, question.prompt(slots), answer.assignment, Computation(question.layer, FLOAT64))
        assert float(answer.margin.low) == pytest.approx(value, abs=1e-9)


def test_final_norm_cases_all_occur() -> None:
    """The three cases of a final norm: exact fold, tangent from below, deviation from above."""
    rng = np.random.default_rng(1)
    layer = Layer(rng.standard_normal((6, 4)), *(rng.standard_normal((2, 4, 2)) for _ in range(3)), np.ones((2, 2, 4)))
    rows = rng.standard_normal((2, 4))
    for bias, threshold, exact in ((None, 0, True), (None, Fraction(1, 4), False), (None, Fraction(-1, 4), False)):
        norm = Norm("layer", rng.uniform(0.5, 2, 4), bias, 1e-5)
        readout = Readout(rows[0], rows[1], threshold=Fraction(threshold), final_norm=True)
        question = Question(replace(layer, final_norm=norm), readout, (1, 2), (3,), "last", 2, tuple(range(6)))
        assert (plain_reading(question, 0.0) is not None) is exact
        assert norm_offset(question) == -threshold
        expected, best = truth(question, 2)
        assert solve(question).verdict == ("override" if expected else "no-override")
        best_answer = solve(question, "maximum", tolerance=1e-5)
        assert best_answer.verdict == "optimum"
        assert best_answer.upper is not None
        assert float(best_answer.upper) == pytest.approx(best, abs=1e-5)


def test_a_final_norm_without_a_residual() -> None:
    """The reader's own part is the zero vector, whose length is no problem."""
    rng = np.random.default_rng(1)
    layer = Layer(rng.standard_normal((6, 4)), *(rng.standard_normal((2, 4, 2)) for _ in range(3)), np.ones((2, 2, 4)))
    for eps in (0.0, 1e-5):
        whole = replace(layer, residual=False, final_norm=Norm("rms", np.ones(4), None, eps))
        readout = Readout(*rng.standard_normal((2, 4)), threshold=Fraction(-1, 4), final_norm=True)
        question = Question(whole, readout, (1, 2), (3,), "last", 2, tuple(range(6)))
        expected, _ = truth(question, 2)
        assert solve(question).verdict == ("override" if expected else "no-override")


@pytest.mark.parametrize("scale", [1e-3, 1.0, 60.0, 700.0])
def test_scores_of_any_size(scale: float) -> None:
    """Scores up to ±700 span more than float64's exponents; verdicts stay right."""
    rng = np.random.default_rng(int(scale * 10))
    for _ in range(12):
        question = random_question(rng, 2, 5, 2)
        layer = replace(question.layer, query_norm=None, key_norm=None)
        scores = max(abs(s) for s in _largest_scores(replace(question, layer=layer)))
        question = replace(question, layer=replace(layer, temperature=max(float(scores), 1e-9) / scale))
        question = near_best(question, 2, float(rng.choice([-0.1, 0.1])))
        expected, best = truth(question, 2)
        answer = solve(question)
        assert answer.verdict == ("override" if expected else "no-override"), (best, answer)


def _largest_scores(question: Question) -> list[float]:
    computation = Computation(question.layer, FLOAT64)
    prompt = question.prompt(question.slots)
    tokens = prompt.filled((0,) * question.slots)
    raw = computation.rows(tokens, range(len(tokens)))
    reading = computation.reading(raw[prompt.reader : prompt.reader + 1], prompt.reader, np.eye(question.layer.width))
    out = []
    for position in range(len(tokens)):
        rows = computation.rows(question.vocabulary, [position] * len(question.vocabulary))
        out += [float(s) for s in np.abs(reading.votes(rows, position)[0]).ravel()]
    return out


def _branching_question() -> Question:
    """A tight refusal with more heads than are bounded jointly, so that the root alone doesn't decide."""
    rng = np.random.default_rng(2)
    return near_best(random_question(rng, 16, 9, 3, gain=4.0), 3, 1e-4)


def test_limits_give_up_with_the_bounds_reached() -> None:
    question = _branching_question()
    full = solve(question)
    assert full.verdict == "no-override"
    assert full.nodes > 2
    answer = solve(question, node_limit=1)
    assert answer.verdict == "gave-up"
    assert answer.upper is not None
    assert answer.upper >= Fraction(max(every_gain(question, 3).values()))
    assert answer.ruled_out == ()
    assert solve(question, "minimum", node_limit=1).verdict == "gave-up"
    assert solve(question, time_limit=1e-9).verdict == "gave-up"
    best = solve(question, "maximum", node_limit=1)
    assert best.verdict == "gave-up"
    assert best.margin is not None


def test_progress_is_reported() -> None:
    question = _branching_question()
    seen: list[Progress] = []
    answer = solve(question, progress=seen.append)
    assert len(seen) == answer.nodes
    assert all(p.bound >= 0 and p.slots == 3 for p in seen)


def test_an_undecided_tie_is_never_an_override() -> None:
    """A tie through a norm, which nothing decides: the answer says so."""
    embedding = np.array([[1.0, 1.0, 0.5], [1.0, -1.0, 0.5], [1.0, 0.0, 2.0]])
    one = np.zeros((1, 3, 1))
    wk, wv, wo = one.copy(), one.copy(), np.zeros((1, 1, 3))
    wk[0, 0], wv[0, 1], wo[0, 0, 1] = 0.7, 1.0, 1.0
    wq = one.copy()
    wq[0, 2] = 0.3
    norm = Norm("rms", np.ones(3), None, 1e-5)
    layer = Layer(embedding, wq, wk, wv, wo, pre_norm=norm, causal=False)
    readout = Readout(np.array([0.0, 1.0, 0.0]), np.zeros(3))
    question = Question(layer, readout, (1,), (2,), "last", 1, (0, 1))
    assert max(every_gain(question, 1).values()) == pytest.approx(0, abs=1e-15)
    for engine in ("search", "z3", "brute-force"):
        answer = solve(question, engine=engine)  # type: ignore[arg-type]
        assert answer.verdict == "gave-up"
        assert answer.upper is None
        assert "tie" in answer.notes[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ask": "most"}, "ask: expected one of exists, minimum, maximum, any-length; found 'most'"),
        ({"engine": "cvc5"}, "engine: expected one of search, z3, brute-force; found 'cvc5'"),
        ({"tolerance": 0}, "tolerance: expected a positive number, found 0"),
        ({"time_limit": "1"}, "time_limit: expected a positive number, found '1'"),
        ({"constraint": True}, "constraint: found True; expected a function"),
        ({"time_limit": -1}, "time_limit: expected a positive number"),
        ({"node_limit": 0}, "node_limit: expected a positive number"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    question = random_question(np.random.default_rng(0), 1, 3, 1)
    with pytest.raises(InputError, match=message):
        solve(question, **arguments)  # type: ignore[arg-type]


def test_engines_refuse_what_is_too_large() -> None:
    rng = np.random.default_rng(0)
    layer = Layer(rng.standard_normal((200, 2)), *(rng.standard_normal((2, 2, 2)) for _ in range(4)))
    question = Question(layer, Readout(np.ones(2), np.zeros(2)), (1,), (2,), "last", 4, tuple(range(200)))
    with pytest.raises(InputError, match=r"brute-force: 1.6e\+09 assignments"):
        solve(question, engine="brute-force")
    with pytest.raises(InputError, match="engine z3: more than"):
        solve(question, engine="z3")
    assert brute_force.LARGEST < 200**4


def _question(**changes: object) -> Question:
    layer = Layer(np.eye(3), *(np.ones((1, 3, 1)) for _ in range(3)), np.ones((1, 1, 3)))
    fields: dict[str, object] = {
        "layer": layer,
        "readout": Readout(np.ones(3), np.zeros(3)),
        "before": (0,),
        "after": (1,),
        "reader": "last",
        "slots": 2,
        "vocabulary": (0, 1, 2),
    }
    return Question(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"before": (7,)}, r"template\.before: token id 7"),
        ({"after": (-1,)}, r"template\.after: token id -1"),
        ({"vocabulary": (0, 9)}, r"adversary\.vocabulary: token id 9"),
        ({"vocabulary": (0, 0)}, "listed twice"),
        ({"vocabulary": ()}, "no token is left"),
        ({"slots": -1}, "expected 0 or more, found -1"),
        ({"slots": 10**12}, "slots: found 1000000000000; at most 1,000,000 are tried"),
        ({"slots": 1.5}, "expected 0 or more, found 1.5"),
        ({"reader": "middle"}, "template.reader: expected 'first', 'last' or a position; found 'middle'"),
        ({"readout": Readout(np.ones(4), np.ones(3))}, r"readout\.toward: expected an array of shape \(3,\)"),
        ({"readout": Readout(np.ones(3), np.full(3, np.nan))}, r"readout\.against: expected finite numbers, found nan"),
        (
            {"readout": Readout(np.ones(3), np.ones(3), math.inf)},
            r"readout\.toward_bias: .* at most 1\.8e\+308 in size, found ",
        ),
        (
            {"readout": Readout(np.ones(3), np.ones(3), threshold=-(Fraction(10) ** 400))},
            r"readout\.threshold: .* at most 1\.8e\+308 in size, found -1\.0e\+400",
        ),
        ({"reader": 4}, r"template\.reader: 4 is outside the prompt of 4 tokens"),
        ({"reader": "first"}, "can't see the slot at position 1"),
        ({"reader": 1}, "can't see the slot at position 2"),
        ({"positions": (1,)}, "at least 2 increasing"),
        ({"positions": (2, 1)}, "at least 2 increasing"),
        ({"positions": (1, 9)}, "don't lie in a prompt of 4 tokens"),
        ({"before": (), "after": (), "slots": 0}, "the prompt is empty"),
    ],
)
def test_bad_questions(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        _question(**changes)


def test_too_long_a_prompt_is_refused() -> None:
    layer = replace(_question().layer, positions=Learned(np.zeros((3, 3))))
    with pytest.raises(ScenarioError, match="4 tokens with 2 slots, but the layer has 3 positions"):
        _question(layer=layer)


def test_given_positions_leave_the_template_in_order() -> None:
    question = _question(before=(0, 1), after=(2,), positions=(0, 2, 4), slots=2)
    assert question.prompt(2).tokens == (None, 0, None, 1, 2)
    assert question.prompt(2).filled((7, 8)) == (7, 0, 8, 1, 2)
    assert question.prompt(1).tokens == (None, 0, 1, 2)


def test_votes_add_up() -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        question = random_question(rng, 3, 5, 2)
        shown = votes(question, (1, 3))
        total = shown.direct + math.fsum(math.fsum(row) for row in shown.contributions)
        assert shown.total == pytest.approx(total, abs=1e-12)
        for head in range(3):
            assert math.fsum(row[head] for row in shown.weights) == pytest.approx(1, abs=1e-12)
        prompt = question.prompt(2)
        low, high = ExactGain(question).bounds(prompt.filled((1, 3)), prompt.reader)
        assert float(low) - 1e-12 <= shown.total <= float(high) + 1e-12


def test_table_entries_enclose_200_bit_balls_and_half_the_radius_would_not() -> None:
    """Width 1 and a key bias that cancels the product: the score's error is then nearly all of its bound."""
    from tokendemo_formal.numbers.balls import BALLS, ball, precision

    rng = np.random.default_rng(0)
    tight = 0
    for _ in range(40):
        x = rng.uniform(1, 2, (16, 1)) * 2.0**9
        w = float(rng.uniform(1, 2))
        layer = Layer(
            x, np.zeros((1, 1, 1)), np.full((1, 1, 1), w), np.ones((1, 1, 1)), np.ones((1, 1, 1)),
            bq=np.ones((1, 1)), bk=np.array([[-w * float(x.mean())]]), causal=False,
        )  # fmt: skip
        question = Question(layer, Readout(np.ones(1), np.zeros(1)), (0,), (), "first", 1, tuple(range(16)))
        linear = plain_reading(question, 0.0)
        assert linear is not None
        enclosed = TableBuilder(question, linear).enclosed(question.prompt(1))
        b = enclosed.slots[0].b
        rad = np.broadcast_to(b.rad, b.shape)
        with precision(200):
            computation = Computation(layer, BALLS)
            reading = computation.reading(computation.rows([0], [0]), 0, BALLS.constant(np.ones((1, 1))))
            scores, _ = reading.votes(computation.rows(range(16), [1] * 16), 1)
            # The head's common factor is e to a multiple of 128, near enough to be read off one entry.
            shift = 128 * round((float(scores[0, 0].mid()) - np.log(b.mid[0, 0])) / 128)
            for j in range(16):
                error = abs((scores[j, 0] - shift).exp() - ball(float(b.mid[j, 0])))
                assert error <= ball(float(rad[j, 0]))
                tight += bool(error > ball(float(rad[j, 0])) / 2)
    assert tight > 0


def test_problem_is_what_the_search_reads() -> None:
    """Denominators' ranges enclose every exact denominator."""
    rng = np.random.default_rng(3)
    for _ in range(30):
        enclosed = _enclosed(rng, 3, [4, 4], 20.0)
        problem: Problem = assemble(enclosed)
        instance = _exact_instance(rng, enclosed)
        slots = gather(problem, [np.array([0, 2]), np.array([1, 3])])
        _, _, bottom, _, b = instance
        for h in range(3):
            for i, j in itertools.product((0, 2), (1, 3)):
                d = bottom[h] + b[0][i][h] + b[1][j][h]
                assert Fraction(slots.lower[h]) <= d <= Fraction(slots.upper[h])
    assert isinstance(ENCLOSURES.constant(1.0), Enclosure)


def test_margins_near_zero_keep_their_sign() -> None:
    """A threshold 1e-25 below a gain: the margin's bounds, and their decimals, exclude 0."""
    question = random_question(np.random.default_rng(0), 2, 4, 1)
    prompt = question.prompt(1)
    best = max(every_gain(question, 1).items(), key=lambda item: item[1])[0]
    low, high = ExactGain(question).bounds(prompt.filled(best), prompt.reader)
    assert high - low < 1e-9 * abs(low)
    near = low - Fraction(1, 10**15)
    tight = replace(question, readout=replace(question.readout, threshold=question.readout.threshold + near))
    for engine in ("search", "z3", "brute-force"):
        answer = solve(tight, engine=engine)  # type: ignore[arg-type]
        assert answer.verdict == "override"
        assert answer.margin is not None
        assert 0 < answer.margin.low <= answer.margin.high
        assert all(float(text) > 0 for text in answer.margin.decimals(6))
    assert Bounds(Fraction(1, 3), Fraction(1, 2)).decimals(3) == ("0.333", "0.500")
    assert Bounds(Fraction(-1, 3), Fraction(0)).decimals(3) == ("-0.334", "0.000")
    assert Bounds(Fraction(1, 10**9), Fraction(1)).decimals(3) == ("0.00000000100", "1.00000000000")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normaliser": lambda numbers, scores: scores}, "layer.normaliser: every engine knows softmax only"),
        ({"embedding": np.array([[Fraction(1, 3)] * 3] * 3, dtype=object)}, "layer.embedding: found an array of obj"),
    ],
)
def test_layers_that_the_tables_would_misstate_are_refused(changes: dict[str, object], message: str) -> None:
    question = _question(layer=replace(_question().layer, **changes))  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match=message):
        solve(question)


def test_an_infinite_tolerance_is_refused() -> None:
    with pytest.raises(InputError, match="tolerance: expected a finite number, found inf"):
        solve(_question(), "maximum", tolerance=math.inf)


def test_a_maximum_ends_where_64_bits_leave_the_gain_wider_than_the_tolerance() -> None:
    """Contributions of 1e14 that all but cancel: the first ball of the gain is wider than 1e-6, though narrow beside
    the gain, and its lower end plus the tolerance is still below the gain itself."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((6, 3))
    layer = Layer(
        rows, *(rng.standard_normal((2, 3, 2)) / 10 for _ in range(3)), rng.standard_normal((2, 2, 3)) * 1e-15
    )
    toward = 1e14 * np.array([rows[5, 1], -rows[5, 0], 0.0]) + np.array([1e5, 0.0, 0.0])
    question = Question(layer, Readout(toward, np.zeros(3)), (4,), (5,), "last", 1, (0, 1, 2))
    answer = solve(question, "maximum", time_limit=5)
    assert answer.verdict == "optimum"
    assert answer.margin is not None
    assert answer.upper is not None
    assert 0 <= answer.upper - answer.margin.high <= answer.upper - answer.margin.low <= Fraction(1, 10**6)


def test_a_norm_that_divides_by_zero_is_refused_by_name() -> None:
    rows = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 4.0], [3.0, 1.0, 2.0]])
    question = _question(
        layer=replace(_question().layer, embedding=rows, pre_norm=Norm("layer", np.ones(3), None, 0.0))
    )
    for ask in ("minimum", "maximum"):
        with pytest.raises(UnsupportedError, match=r"norm with eps 0|sqrt of an enclosure"):
            solve(question, ask)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="norm with eps 0"):
        votes(question, (1, 2))


def test_a_time_limit_holds_between_the_tokens_of_a_reader_in_a_slot() -> None:
    rng = np.random.default_rng(0)
    layer = Layer(rng.standard_normal((400, 4)), *(rng.standard_normal((1, 4, 4)) for _ in range(4)))
    readout = Readout(np.ones(4), np.zeros(4), threshold=Fraction(10**6))
    question = Question(layer, readout, (0,), (), "last", 1, tuple(range(400)))
    answer = solve(question, time_limit=1e-9)
    assert answer.verdict == "gave-up"
    assert answer.upper is None


@pytest.mark.parametrize("sign", [1, -1])
def test_margins_below_every_positional_decimal_get_an_exponent(sign: int) -> None:
    tiny = sign * Fraction(3, 7) / 2**30_000
    low, high = Bounds(tiny, tiny).decimals()
    assert Fraction(low) < tiny < Fraction(high)
    assert Fraction(high) - Fraction(low) <= abs(tiny) / 100
    assert Bounds(Fraction(0), abs(tiny)).decimals()[0] == "0.0"
