"""Constraints on the adversary's tokens: counts and distinctness, against every assignment."""

from __future__ import annotations

import copy
import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from operator import mul, ne
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import z3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import test_share
from tests.certificate_writer import Line, seal
from tests.questions import ASKS, above_best, first_override, random_question
from tests.test_certify import EXAMPLES, certify
from tests.test_checker import SCHEMA, fits
from tests.test_compound import Gains, drawn, least_gains, saved
from tokendemo_formal.certificates.checker import Verdict, check
from tokendemo_formal.cli import main
from tokendemo_formal.errors import InputError, ScenarioError
from tokendemo_formal.models import load_model, save
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.automaton import Automaton
from tokendemo_formal.override.conjunction import Part
from tokendemo_formal.override.constraints import LARGEST_NUMBER, UNCONSTRAINED, Constraints, Count, Rule
from tokendemo_formal.override.question import Ask, Question, Share
from tokendemo_formal.override.side import Side, SideConstraint
from tokendemo_formal.override.solve import solve
from tokendemo_formal.scenario import read_scenario


def keeps(constraints: Constraints, tokens: Sequence[int]) -> bool:
    """Whether tokens satisfy them, by the words of the documentation."""
    if constraints.distinct and any(times > 1 for times in Counter(tokens).values()):
        return False
    for count in constraints.counts:
        prices = dict(count.weights)
        if sum(prices.get(token, count.default) for token in tokens) > count.limit:
            return False
    return True


def allowed_gains(question: Question, slots: int) -> Gains:
    gains = least_gains(replace(question, constraints=UNCONSTRAINED), slots)
    return {t: gain for t, gain in gains.items() if keeps(question.constraints, t)}


def random_constraints(rng: np.random.Generator, vocabulary: int, slots: int) -> Constraints:
    """Some that most often exclude much, but not all."""
    counts = []
    for _ in range(int(rng.integers(0, 3))):
        scale = int(rng.choice([1, 3, 1000]))
        tokens = sorted(int(t) for t in rng.choice(vocabulary, int(rng.integers(1, vocabulary + 1)), replace=False))
        weights = tuple((t, int(rng.integers(0, scale + 1))) for t in tokens)
        default = int(rng.integers(0, scale + 1))
        counts.append(Count(weights, default, int(rng.integers(0, slots * scale))))
    return Constraints(tuple(counts), distinct=bool(rng.random() < 0.5))


def agrees(question: Question, answer: Answer) -> None:
    """With every assignment of every length."""
    best = {m: max(allowed_gains(question, m).values(), default=-np.inf) for m in range(question.slots + 1)}
    if answer.assignment is not None:
        assert keeps(question.constraints, answer.assignment)
    first = first_override(answer, question.slots, best)
    vacuous = [m for m in answer.ruled_out if not allowed_gains(question, m)]
    assert any("satisfies the constraints" in note for note in answer.notes) == bool(vacuous)
    if first is not None:
        assert answer.margin is not None
        assert answer.margin.low > 0


def near(question: Question, offset: float) -> Question:
    """The threshold that far above the largest gain that is allowed, as a part of what the gains span."""
    gains = allowed_gains(question, question.slots) or {(): 0.0}
    return above_best(question, gains.values(), offset, 1e-3)


def constrained(seed: int, kind: str = "plain") -> Question:
    rng = np.random.default_rng(seed)
    question = drawn(rng, kind)
    question = replace(question, constraints=random_constraints(rng, len(question.vocabulary), question.slots))
    return near(question, float(rng.choice([-0.05, -1e-4, 1e-4, 0.02])))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(ASKS))
@example(0, "maximum")
def test_every_assignment_agrees(seed: int, ask: Ask) -> None:
    question = constrained(seed)
    if ask == "maximum" and not allowed_gains(question, question.slots):
        with pytest.raises(ScenarioError, match="constraints: no assignment of 3 tokens satisfies them"):
            solve(question, ask)
        return
    agrees(question, solve(question, ask))


@pytest.mark.parametrize(
    "kind", ["plain", "final", "owned", "rows", "rows, templates", "templates, owned", "final, templates"]
)
def test_constraints_go_with_all_else_and_the_checker_agrees(kind: str, tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    for seed in {"plain": range(10), "owned": range(5), "final, templates": range(2)}.get(kind, range(3)):
        question = saved(constrained(seed, kind), tmp_path / str(seed))
        for ask in ASKS:
            if ask != "maximum" or allowed_gains(question, question.slots):
                answer, path = certify(question, ask, tmp_path / str(seed))
                agrees(question, answer)
                verdict = check(path, tmp_path / str(seed))
                assert verdict.kind == "valid", (seed, ask, verdict)
                assert ("Constraints on the tokens" in verdict.claim) == bool(question.constraints)
                tally[answer.verdict] += 1
    assert min(tally[verdict] for verdict in ("override", "no-override", "optimum")) >= 1


def test_no_tokens_where_none_are_not_allowed() -> None:
    """An automaton may refuse the empty sequence, which is then not the best of no tokens."""
    question = random_question(np.random.default_rng(0), 2, 3, 0)
    one_token = Automaton((1,), ((0, 1, 2),), ((0, 0, 1),))
    question = replace(question, constraints=Constraints(automaton=one_token))
    with pytest.raises(ScenarioError, match="constraints: no assignment of 0 tokens satisfies them"):
        solve(question, "maximum")
    answer = solve(replace(question, readout=replace(question.readout, threshold=Fraction(-99))))
    assert answer.verdict == "no-override"
    assert "No assignment of 0 tokens satisfies the constraints" in answer.notes[0]


def test_the_checker_says_where_the_reader_s_token_has_no_place(tmp_path: Path) -> None:
    """The reader stands in the only slot, which may hold nothing."""
    question = random_question(np.random.default_rng(0), 2, 3, 1)
    layer = replace(question.layer, causal=True)
    question = replace(question, layer=layer, after=(), reader="last", constraints=Constraints(places=((0, ()),)))
    question = saved(question, tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"
    verdict = check(path, tmp_path)
    assert verdict.kind == "valid"
    assert "There is none of 1 token at all that may stand there and is accepted." in verdict.claim


@pytest.mark.parametrize("several", [False, True])
def test_shares_under_constraints(several: bool, tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        question = test_share.share_question(rng, 5, 2, several=several)
        question = replace(question, constraints=replace(random_constraints(rng, 5, 2), distinct=True))
        gains = [gain for t, gain in test_share.margins(question, 2).items() if keeps(question.constraints, t)]
        best = max(gains, default=0.0)
        assert isinstance(question.readout, Share)
        below = question.readout.below - Fraction(best) + Fraction(float(rng.choice([-1e-4, 1e-4])))
        question = replace(question, readout=replace(question.readout, below=min(max(below, Fraction(1, 999)), 1)))
        short = [gain + float(question.readout.below) - 0.5 for gain in gains]
        save(question.layer, tmp_path / str(seed))
        answer, path = certify(question, "exists", tmp_path / str(seed))
        assert answer.verdict == ("override" if max(short, default=-1.0) > 0 else "no-override")
        assert check(path, tmp_path / str(seed)).kind == "valid"
        tally[answer.verdict] += 1
    assert len(tally) == 2


# Certificates that don't hold -----------------------------------------------------------------------------------------


def between(seed: int, constraints: Constraints) -> Question:
    """A question of which the constraints forbid all overrides, and allow what is almost one."""
    question = replace(random_question(np.random.default_rng(seed), 2, 6, 3), constraints=constraints)
    free = max(least_gains(replace(question, constraints=UNCONSTRAINED), 3).values())
    best = max(allowed_gains(question, 3).values())
    assert best < free - 1e-3, "the constraints forbid the best"
    threshold = Fraction(best + (free - best) / 16)
    return replace(question, readout=replace(question.readout, threshold=threshold))


def counted(limit: int) -> Constraints:
    return Constraints((Count(((0, 2), (1, 1), (2, 3), (3, 1)), 1, limit),), distinct=True)


@pytest.fixture
def refusal(tmp_path: Path) -> tuple[Question, Path]:
    question = saved(between(2, counted(5)), tmp_path)
    assert solve(replace(question, constraints=UNCONSTRAINED)).verdict == "override"
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"
    assert check(path, tmp_path).kind == "valid"
    assert {entry[0] for line in nodes(path) for entry in line.get("of", [])} == {0, "once", "count"}
    return question, path


def nodes(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()[3:]]


def forged(path: Path, forge: Callable[[list[Line]], object]) -> Verdict:
    """The verdict on a certificate after a change, with hashes that are right again."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    forge(lines)
    other = path.with_name("forged.jsonl")
    other.write_bytes(seal(lines, path.parent))
    return check(other, path.parent)


def first(lines: list[Line], kind: str) -> Line:
    """The first node that has a rule of that kind in its sum."""
    return next(line for line in lines[3:] if any(entry[0] == kind for entry in line.get("of", [])))


def entry(lines: list[Line], kind: str) -> list[Any]:
    found: list[Any] = next(one for one in first(lines, kind)["of"] if one[0] == kind)
    return found


def priced(lines: list[Line], kind: str, price: str) -> None:
    """All rules of a kind in sums with leads at another price."""
    for line in lines[3:]:
        for one in line.get("of", []):
            if len(line["of"]) > 1 and one[0] == kind:
                one[2] = price


FORGERIES: dict[str, list[Callable[[list[Line]], object]]] = {
    "malformed": [
        lambda lines: lines[1].pop("distinct"),  # a node names a rule of it
        lambda lines: lines[1].pop("counts"),
        lambda lines: lines[1].update(distinct="yes"),
        lambda lines: lines[1].update(distinct=1),
        lambda lines: lines[1].update(counts=3),
        lambda lines: lines[1].update(counts=[3]),
        lambda lines: lines[1]["counts"][0].update(default=-1),
        lambda lines: lines[1]["counts"][0].update(limit="5"),
        lambda lines: lines[1]["counts"][0].update(most=3),
        lambda lines: lines[1]["counts"][0].pop("limit"),
        lambda lines: lines[1]["counts"][0]["weights"].append(4),
        lambda lines: lines[1]["counts"][0]["weights"].extend([0, 1]),
        lambda lines: lines[1]["counts"][0]["weights"].extend([99, 1]),
        lambda lines: lines[1]["counts"][0]["weights"].extend([4, -1]),
        lambda lines: entry(lines, "once").__setitem__(2, "0"),
        lambda lines: entry(lines, "once").__setitem__(2, "-1"),
        lambda lines: entry(lines, "once").__setitem__(0, "twice"),
        lambda lines: entry(lines, "count").__setitem__(1, 1),
        lambda lines: entry(lines, "count").__setitem__(1, -1),
        lambda lines: first(lines, "once")["of"].append(entry(lines, "once")),
        lambda lines: first(lines, "once")["c"].pop(),
        lambda lines: first(lines, "once")["c"].append("0"),
        lambda lines: lines.__setitem__(slice(3, None), [{"node": "exact", "of": [["once", 0, "1"], [0, 1, "1"]]}]),
    ],
    "invalid": [
        lambda lines: lines[1]["counts"][0].update(limit=6),
        lambda lines: lines[1]["counts"][0].update(default=0),
        lambda lines: lines[1]["counts"][0].update(weights=[]),
        lambda lines: priced(lines, "once", "1/1000000"),
        lambda lines: priced(lines, "once", "1000000"),
        lambda lines: priced(lines, "count", "1/1000000"),
        lambda lines: first(lines, "once").update(node="leaf", c=["0"], of=[["once", 0, "1"]], joint=[]),
        lambda lines: first(lines, "count").update(node="leaf", c=["0"], of=[["count", 0, "1"]], joint=[]),
        lambda lines: lines.__setitem__(slice(3, None), [{"node": "exact", "of": [["once", 0, "1"]]}]),
    ],
}


def one_by_one(question: Question, sets: list[list[int]], owned: Sequence[int] = ()) -> list[Line]:
    """A tree that tries every assignment, beside a reader's token, and names a rule where one is broken."""
    at = next((i for i, tokens in enumerate(sets) if len(tokens) > 1), None)
    if at is not None:
        one, others = sets[at][:1], sets[at][1:]
        halves = [[*sets[:at], half, *sets[at + 1 :]] for half in (one, others)]
        split: Line = {"node": "split", "slot": at, "tokens": one}
        return [split, *itertools.chain.from_iterable(one_by_one(question, half, owned) for half in halves)]
    broken = question.constraints.broken([*owned, *(tokens[0] for tokens in sets)])
    return [{"node": "exact", "of": [[*broken[0], "1"] if broken else [0, question.against[0], "1"]]}]


def test_a_tree_of_all_assignments(refusal: tuple[Question, Path]) -> None:
    question, path = refusal
    tree = one_by_one(question, [[*question.vocabulary]] * 3)

    def whole(lines: list[Line]) -> None:
        lines[3:] = copy.deepcopy(tree)

    assert forged(path, whole).kind == "valid"
    exact = [k for k, line in enumerate(tree) if line["node"] == "exact"]
    kept = next(k for k in exact if tree[k]["of"][0][0] == 0)
    for kind, which in [("once", 0), ("once", 5), ("count", 0)]:

        def claimed(lines: list[Line], kind: str = kind, which: int = which) -> None:
            whole(lines)
            lines[3 + kept]["of"] = [[kind, which, "1"]]

        verdict = forged(path, claimed)
        assert (verdict.kind, verdict.line) == ("invalid", 4 + kept)
        assert "keeps the rule" in verdict.message


def test_a_tree_of_all_assignments_beside_each_token_of_the_reader(tmp_path: Path) -> None:
    question = replace(constrained(1, "owned"), constraints=Constraints(distinct=True))
    best = max(allowed_gains(question, 2).values())
    threshold = question.readout.threshold + Fraction(best + 1e-3)
    question = saved(replace(question, readout=replace(question.readout, threshold=threshold)), tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"

    def whole(lines: list[Line]) -> None:
        heads = [line for line in lines if "section" in line]
        trees = [one_by_one(question, [[*question.vocabulary]], [line["reader_token"]]) for line in heads]
        lines[2:] = [line for head, tree in zip(heads, trees, strict=True) for line in (head, *tree)]

    assert forged(path, whole).kind == "valid"


def test_prices_are_no_part_of_what_a_bound_leaves_to_the_margin() -> None:
    part = SimpleNamespace(of=(((0, 1), 2.0), (Rule("once", 3), 6.0)))
    assert Part.share(part, 4.0) == pytest.approx(2)  # type: ignore[arg-type]


def test_a_witness_has_to_keep_the_constraints(tmp_path: Path) -> None:
    question = saved(between(2, counted(5)), tmp_path)
    free, path = certify(replace(question, constraints=UNCONSTRAINED), "exists", tmp_path)
    assert free.verdict == "override"
    assert check(path, tmp_path).kind == "valid"
    for constraints in ({"distinct": True}, {"counts": [{"weights": [], "default": 1, "limit": 2}]}):
        verdict = forged(path, lambda lines, constraints=constraints: lines[1].update(constraints))
        assert (verdict.kind, verdict.message) == ("invalid", "witness: its tokens don't keep the constraints")


def test_lines_fit_the_schema(refusal: tuple[Question, Path]) -> None:
    lines = [json.loads(line) for line in refusal[1].read_text().splitlines()]
    assert all(fits(line, SCHEMA) for line in lines)
    assert not fits({**lines[1], "distinct": 1}, SCHEMA)
    assert not fits({**lines[1], "counts": [{"weights": [], "default": 1}]}, SCHEMA)


def test_claims_say_what_is_left_out(refusal: tuple[Question, Path]) -> None:
    claim = check(refusal[1], refusal[1].parent).claim
    assert "No assignment of exactly 3 tokens that keeps the constraints has a gain above 0." in claim
    assert "Whether any keeps them is not claimed." in claim
    easier = near(refusal[0], -1e-4)
    answer, path = certify(easier, "minimum", refusal[1].parent)
    assert answer.verdict == "override"
    assert answer.ruled_out
    assert "has a gain above 0. Whether any keeps them is not claimed." in check(path, path.parent).claim
    rules = "no token stands in two slots; weights of tokens (0: 2, 1: 1, 2: 3, 3: 1, any other: 1) add up to at most 5"
    assert rules in claim


@pytest.mark.parametrize(("kind", "number"), [(kind, k) for kind, all_ in FORGERIES.items() for k in range(len(all_))])
def test_forgeries_are_refused(refusal: tuple[Question, Path], kind: str, number: int) -> None:
    verdict = forged(refusal[1], FORGERIES[kind][number])
    assert verdict.kind == kind, verdict
    assert "hash" not in verdict.message


# A constraint of the user's own, for Z3 ------------------------------------------------------------------------------


def random_formula(rng: np.random.Generator) -> tuple[SideConstraint, Callable[[Sequence[int]], bool]]:
    """A formula, and the same in Python."""
    a, b = int(rng.integers(2, 4)), int(rng.integers(0, 3))
    return [
        (lambda s: z3.And([x <= y for x, y in itertools.pairwise(s)]), lambda t: [*t] == sorted(t)),
        (lambda s: z3.And([x == y for x, y in zip(s, s[::-1], strict=True)]), lambda t: [*t] == [*t][::-1]),
        (lambda s: z3.Sum([z3.IntVal(0), *s]) % a == b % a, lambda t: sum(t) % a == b % a),
        (lambda s: z3.And([x != y for x, y in itertools.pairwise(s)]), lambda t: all(map(ne, t, t[1:]))),
        (lambda s: z3.Or([x == b for x in s]), lambda t: b in t),
        (lambda s: len(s) != b, lambda t: len(t) != b),
        (lambda s: z3.And([x * y != 6 for x, y in itertools.pairwise(s)]), lambda t: 6 not in map(mul, t, t[1:])),
    ][rng.integers(7)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(ASKS), st.sampled_from(["plain", "owned", "templates"]))
def test_a_constraint_in_python_against_every_assignment(seed: int, ask: Ask, kind: str) -> None:
    rng = np.random.default_rng(seed)
    question = constrained(seed, kind)
    if rng.random() < 0.6:
        question = replace(question, constraints=UNCONSTRAINED)
    constraint, allows = random_formula(rng)
    best = {
        m: max((gain for t, gain in allowed_gains(question, m).items() if allows(t)), default=None)
        for m in range(question.slots + 1)
    }
    most = best[question.slots]
    if most is not None:  # a threshold near the best that is allowed
        shift = Fraction(most + float(rng.choice([-1e-4, 1e-4])))
        threshold = question.readout.threshold + shift
        question = replace(question, readout=replace(question.readout, threshold=threshold))
        best = {m: None if gain is None else gain - float(shift) for m, gain in best.items()}
        most = best[question.slots]
    if ask == "maximum" and most is None:
        with pytest.raises(ScenarioError, match=r"no assignment of \d tokens satisfies them"):
            solve(question, ask, constraint=constraint)
        return
    answer = solve(question, ask, constraint=constraint)
    assert "refusals trust Z3 for the side constraint" in answer.rigour
    if answer.assignment is not None:
        assert allows(answer.assignment)
        assert keeps(question.constraints, answer.assignment)
    if ask == "maximum":
        assert answer.verdict == "optimum"
        assert answer.margin is not None
        assert answer.upper is not None
        assert most is not None
        assert float(answer.margin.low) - 1e-9 <= most <= float(answer.upper) + 1e-9
        return
    lengths = range(question.slots + 1) if ask == "minimum" else [question.slots]
    first = next((m for m in lengths if (best[m] or -1) > 0), None)
    assert answer.verdict == ("no-override" if first is None else "override"), (answer, best)
    assert first is None or answer.slots == first
    vacuous = [m for m in answer.ruled_out if best[m] is None]
    assert any("satisfies the constraints" in note for note in answer.notes) == bool(vacuous)


def test_what_z3_does_not_know_closes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    question = replace(constrained(4), constraints=UNCONSTRAINED)
    root = z3.Int("root")

    def square(slots: Sequence[z3.ArithRef]) -> z3.BoolRef:
        return z3.And(root >= 0, root * root == z3.Sum([z3.IntVal(0), *slots]))

    gains = least_gains(question, 3)
    best = max(gain for t, gain in gains.items() if sum(t) in (0, 1, 4, 9))
    threshold = question.readout.threshold + Fraction(best - 1e-4)
    question = replace(question, readout=replace(question.readout, threshold=threshold))
    found = solve(question, constraint=square)
    assert found.verdict == "override"
    assert found.assignment is not None
    assert sum(found.assignment) in (0, 1, 4, 9)
    monkeypatch.setattr(Side, "_asked", lambda self, solver, *assumptions: z3.unknown)
    assert max(gains.values()) > best, "the bounds alone decide nothing"
    unknown = solve(question, constraint=square)
    assert unknown.verdict == "gave-up"
    assert any("Z3 can't tell whether the constraint holds of the token ids" in note for note in unknown.notes)
    with pytest.raises(InputError, match="constraints: no assignment that satisfies them was found, nor ruled out"):
        solve(question, "maximum", constraint=square)


def test_giving_up_is_no_answer() -> None:
    """Bounds printed then hold all the same, for what the constraints allow."""
    gave_up = 0
    for seed in range(20):
        question = replace(constrained(seed), constraints=counted(5))
        gains = allowed_gains(question, 3)
        threshold = question.readout.threshold + Fraction(max(gains.values()) - 0.3)
        question = replace(question, readout=replace(question.readout, threshold=threshold))
        answer = solve(question, "maximum", node_limit=1)
        assert answer.upper is not None
        assert float(answer.upper) >= 0.3 - 1e-9
        gave_up += answer.verdict == "gave-up"
    assert gave_up >= 2


def test_what_is_refused() -> None:
    question = replace(constrained(3), constraints=counted(5))
    for engine in ("z3", "brute-force"):
        with pytest.raises(InputError, match=f"engine {engine}: answers questions of .* without constraints"):
            solve(question, engine=engine)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as executor, pytest.raises(InputError, match=r"executor: a question of .* constraints"):
        solve(question, executor=executor)
    with pytest.raises(InputError, match="certificates can't say what a constraint in Python allows"):
        solve(question, constraint=lambda slots: z3.BoolVal(True), certify=True)
    with pytest.raises(InputError, match="constraint: returned int for 3 slots; expected a formula of Z3"):
        solve(question, constraint=lambda slots: 3)  # type: ignore[arg-type,return-value]
    with pytest.raises(ScenarioError, match="constraints: token id 99 is outside the vocabulary of 6 tokens"):
        replace(question, constraints=Constraints((Count(((99, 1),), 0, 1),)))
    with pytest.raises(ScenarioError, match="constraints: token id 3 has two weights"):
        Count(((3, 1), (3, 2)), 0, 1)
    for number in (-1, 1.5, True, LARGEST_NUMBER + 1):
        with pytest.raises(ScenarioError, match=r"constraints: found .*; expected a whole number, 0 to 1,000,000"):
            Count(((3, 1),), number, 1)  # type: ignore[arg-type]


# The guard ------------------------------------------------------------------------------------------------------------


WORDS = ("tree", "planet", "honey", "despite", "lake", "doctor")


def guard(slots: int, constraints: Constraints) -> Question:
    """The example's question over a few words."""
    question = read_scenario(EXAMPLES / "guard_distinct.toml").question()
    model = load_model("bundled:guard")
    assert model.tokenizer is not None
    vocabulary = tuple(sorted(model.tokenizer.id(word) for word in WORDS))
    return replace(question, slots=slots, vocabulary=vocabulary, constraints=constraints)


@pytest.mark.parametrize("name", ["distinct", "few trees", "costs"])
def test_the_guard_over_a_few_words_against_every_assignment(name: str) -> None:
    """The best of all assignments is forbidden; the best that is allowed is found, and refused just above."""
    ids = guard(5, UNCONSTRAINED).vocabulary
    planet, tree = ids[-2:]
    constraints = {
        "distinct": Constraints(distinct=True),
        "few trees": Constraints((Count(((tree, 1),), 0, 0), Count(((planet, 1),), 0, 1))),
        "costs": Constraints((Count(tuple((t, 3 + k) for k, t in enumerate(ids)), 1, 27),)),
    }[name]
    question = guard(5, constraints)
    gains = least_gains(replace(question, constraints=UNCONSTRAINED), 5)
    allowed = {t: gain for t, gain in gains.items() if keeps(constraints, t)}
    best = max(allowed, key=lambda t: allowed[t])
    assert not keeps(constraints, max(gains, key=lambda t: gains[t]))
    answer = solve(question, "maximum")
    assert answer.assignment == best
    for shift, verdict in ((1e-9, "no-override"), (-1e-9, "override")):
        threshold = question.readout.threshold + Fraction(allowed[best] + shift)
        asked = replace(question, readout=replace(question.readout, threshold=threshold))
        assert solve(asked).verdict == verdict


def test_the_example_is_decided_at_the_root() -> None:
    """That no 6 words without repeats override, of 350, is one bound at good prices."""
    question = read_scenario(EXAMPLES / "guard_distinct.toml").question()
    refused = solve(question.with_slots(6))
    assert (refused.verdict, refused.nodes) == ("no-override", 1)


def test_more_slots_than_tokens() -> None:
    question = guard(7, Constraints(distinct=True))
    answer = solve(question)
    assert answer.verdict == "no-override"
    assert answer.notes == (
        "No assignment of 7 tokens satisfies the constraints: that refusal says nothing about the layer.",
    )
    with pytest.raises(ScenarioError, match="constraints: no assignment of 7 tokens satisfies them, so none is the"):
        solve(question, "maximum")


def test_a_scenario_with_constraints_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        (EXAMPLES / "guard_distinct.toml")
        .read_text()
        .replace(
            "distinct = true",
            'at_most = [{ tokens = ["tree", "planet"], count = 1 }]\nbudget = 9\ncosts = { honey = 3 }',
        )
    )
    path, proof = tmp_path / "q.toml", tmp_path / "q.jsonl"
    path.write_text(text)
    assert main(["solve", str(path), "--certificate", str(proof)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("The shortest override that keeps the constraints has ")
    assert "constraints at most 1 of planet tree; costs of at most 9 in all (honey 3, any other 1)" in printed
    assert main(["check", str(proof)]) == 0
    assert "(373: 3, any other: 1) add up to at most 9" in capsys.readouterr().out
    assert main(["solve", str(path), "--ask", "exists", "--slots", "2", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["constraints"] == ["at most 1 of planet tree", "costs of at most 9 in all (honey 3, any other 1)"]
    assert main(["solve", str(path), "--ask", "maximum", "--slots", "2"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Of the 122,500 assignments of 2 tokens, those that keep the constraints have a largest margin" in printed
    assert "for every assignment of 2 tokens that keeps the constraints: proved" in printed
    assert main(["solve", str(path), "--ask", "exists", "--slots", "2"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.startswith(
        "No override: of the 122,500 assignments of 2 tokens, none that keeps the constraints makes"
    )
