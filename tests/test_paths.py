"""Questions about sequences that an automaton accepts: against every assignment, and what bounds over paths say."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import z3
from flint import arb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.certificate_writer import Line, seal
from tests.questions import ASKS, above_best, first_override, random_question
from tests.test_certify import certify
from tests.test_checker import SCHEMA, fits
from tests.test_compound import Gains, drawn, least_gains, saved
from tests.test_constraints import keeps, random_constraints
from tests.test_share import margins, share_question
from tokendemo_formal.certificates import automaton as checked
from tokendemo_formal.certificates import writer
from tokendemo_formal.certificates.checker import Verdict, check
from tokendemo_formal.certificates.sums import Bound
from tokendemo_formal.certificates.writer import write_certificate
from tokendemo_formal.errors import ScenarioError
from tokendemo_formal.models import load_model, save
from tokendemo_formal.override import paths as over_paths
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.automaton import Automaton, of_bigrams, of_regex, product
from tokendemo_formal.override.bound import evaluate, gather
from tokendemo_formal.override.constraints import UNCONSTRAINED, Constraints
from tokendemo_formal.override.paths import Paths
from tokendemo_formal.override.question import Ask, Question
from tokendemo_formal.override.reading import plain_reading
from tokendemo_formal.override.solve import solve
from tokendemo_formal.override.tables import Problem, TableBuilder, assemble
from tokendemo_formal.scenario import parse_scenario

WORDS = ("a", "b", "ab", "c", "ca", "bc")
PATTERNS = ("[ab ]+", "(a|b|c| )*", "(.* )?b.*", "(a|ab) .*|c", "a? ?(b|c)*( [abc]+)*", "c", ".{3,5}", "[^ab]*")


@dataclass(frozen=True)
class Rules:
    """Constraints as a user writes them."""

    pairs: frozenset[tuple[int, int]] | None = None
    pattern: str | None = None
    places: tuple[tuple[int, tuple[int, ...]], ...] = ()

    def fit(self, tokens: tuple[int, ...]) -> bool:
        places = all(tokens[place] in allowed for place, allowed in self.places if -len(tokens) <= place < len(tokens))
        pairs = self.pairs is None or all(pair in self.pairs for pair in itertools.pairwise(tokens))
        text = " ".join(WORDS[token] for token in tokens)
        return places and pairs and (self.pattern is None or re.fullmatch(self.pattern, text) is not None)

    def constraints(self, vocabulary: tuple[int, ...]) -> Constraints:
        parts: list[Automaton] = []
        if self.pairs is not None:
            parts.append(of_bigrams(self.pairs, vocabulary))
        if self.pattern is not None:
            parts.append(of_regex(self.pattern, {token: (WORDS[token], " " + WORDS[token]) for token in vocabulary}))
        return Constraints(places=self.places, automaton=product(parts) if parts else None)


def random_rules(rng: np.random.Generator, vocabulary: int, slots: int) -> Rules:
    while True:
        pairs, pattern, places = None, None, []
        if rng.random() < 0.6:
            every = [*itertools.product(range(vocabulary), repeat=2)]
            pairs = frozenset(pair for pair in every if rng.random() < rng.choice([0.3, 0.6]))
        if rng.random() < 0.5:
            pattern = str(rng.choice(PATTERNS))
        for place in range(-slots, slots):
            if rng.random() < 0.15:
                size = int(rng.integers(1, vocabulary))
                places.append((place, tuple(sorted(rng.choice(vocabulary, size, replace=False).tolist()))))
        if pairs is not None or pattern is not None or places:
            return Rules(pairs, pattern, tuple(places))


@dataclass(frozen=True)
class Case:
    question: Question
    fits: Callable[[tuple[int, ...]], bool]

    def gains(self, slots: int) -> Gains:
        return {t: gain for t, gain in least_gains(self.free, slots).items() if self.fits(t)}

    @property
    def free(self) -> Question:
        return replace(self.question, constraints=UNCONSTRAINED)

    def agrees(self, answer: Answer) -> None:
        """With every assignment of every length."""
        question = self.question
        best = {m: max(self.gains(m).values(), default=-np.inf) for m in range(question.slots + 1)}
        assert answer.assignment is None or self.fits(answer.assignment)
        first_override(answer, question.slots, best)
        vacuous = [m for m in answer.ruled_out if not self.gains(m)]
        assert any("satisfies the constraints" in note for note in answer.notes) == bool(vacuous)


def near(question: Question, fits: Callable[[tuple[int, ...]], bool], offset: float) -> Case:
    """The threshold that far above the largest gain of those that fit, as a part of what the gains span."""
    gains = Case(question, fits).gains(question.slots) or {(): 0.0}
    return Case(above_best(question, gains.values(), offset, 1e-3), fits)


def constrained(seed: int, kind: str = "plain") -> Case:
    rng = np.random.default_rng(seed)
    question = drawn(rng, kind)
    rules = random_rules(rng, len(question.vocabulary), question.slots)
    constraints, fits = rules.constraints(question.vocabulary), rules.fit
    if "counts" in kind:
        counted = random_constraints(rng, len(question.vocabulary), question.slots)
        constraints = replace(constraints, counts=counted.counts, distinct=counted.distinct)
        fits = lambda tokens: rules.fit(tokens) and keeps(counted, tokens)  # noqa: E731
    return near(replace(question, constraints=constraints), fits, float(rng.choice([-0.05, -1e-4, 1e-4, 0.02])))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(ASKS))
@example(0, "maximum")
def test_every_assignment_agrees(seed: int, ask: Ask) -> None:
    case = constrained(seed)
    if ask == "maximum" and not case.gains(case.question.slots):
        with pytest.raises(ScenarioError, match="constraints: no assignment of 3 tokens satisfies them"):
            solve(case.question, ask)
        return
    case.agrees(solve(case.question, ask))


@pytest.mark.parametrize(
    "kind", ["plain", "final", "owned", "rows", "templates", "templates, owned", "counts", "counts, templates"]
)
def test_automata_go_with_all_else_and_the_checker_agrees(kind: str, tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    for seed in range(12 if kind in ("plain", "counts") else 3 if "final" in kind else 6):
        case = constrained(seed, kind)
        question = saved(case.question, tmp_path / str(seed))
        for ask in ASKS:
            if ask != "maximum" or case.gains(question.slots):
                answer, path = certify(question, ask, tmp_path / str(seed))
                case.agrees(answer)
                verdict = check(path, tmp_path / str(seed))
                assert verdict.kind == "valid", (seed, ask, verdict)
                assert "Constraints on the tokens" in verdict.claim
                tally[answer.verdict] += 1
    assert min(tally[verdict] for verdict in ("override", "no-override", "optimum")) >= 1, tally


def test_automata_go_with_shares(tmp_path: Path) -> None:
    """The share of attention to be pushed down by accepted tokens alone."""
    verdicts: Counter[str] = Counter()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        question = share_question(rng, 5, 2, several=seed % 2 == 1)
        rules = random_rules(rng, 5, 2)
        lacks = {t: value for t, value in margins(question, 2).items() if rules.fit(t)}
        if not lacks:
            continue
        readout = replace(question.readout, below=question.readout.below - Fraction(max(lacks.values()) - 1e-4))
        for below in (readout.below, readout.below - Fraction(1, 1000)):
            if not 0 < below <= 1:
                continue
            asked = replace(
                question, readout=replace(readout, below=below), constraints=rules.constraints(question.vocabulary)
            )
            save(asked.layer, tmp_path / str(seed))
            answer, path = certify(asked, "exists", tmp_path / str(seed))
            assert answer.verdict == ("override" if below == readout.below else "no-override")
            assert answer.assignment is None or rules.fit(answer.assignment)
            assert check(path, tmp_path / str(seed)).kind == "valid"
            verdicts[answer.verdict] += 1
    assert min(verdicts[verdict] for verdict in ("override", "no-override")) >= 3


@pytest.mark.parametrize("ask", ASKS)
def test_automata_go_with_a_constraint_in_python(ask: Ask) -> None:
    """Tokens in increasing order, said to Z3."""

    def increasing(slots: Sequence[z3.ArithRef]) -> z3.BoolRef:
        return z3.And([a <= b for a, b in itertools.pairwise(slots)])

    told = 0
    for seed in range(8):
        case = constrained(seed)
        both = Case(case.question, lambda t, fits=case.fits: fits(t) and list(t) == sorted(t))
        if ask != "maximum" or both.gains(3):
            both.agrees(solve(case.question, ask, constraint=increasing))
            told += 1
    assert told >= 4


# Bounds ------------------------------------------------------------------------------------------------------------


def a_problem(seed: int) -> tuple[Case, Problem, Paths]:
    case = constrained(seed)
    question = case.question
    reading = plain_reading(question, 0.0)
    assert reading is not None
    problem = assemble(TableBuilder(question, reading).enclosed(question.prompt(question.slots)))
    assert question.constraints.automaton is not None
    return case, problem, Paths(question.constraints.automaton, question.vocabulary, question.slots)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_bounds_over_paths_hold_and_are_no_larger(seed: int) -> None:
    """For random candidate sets, multipliers and joint heads: above every accepted gain, below the bound over all."""
    if constrained(seed).question.constraints.automaton is None:
        return
    case, problem, paths = a_problem(seed)
    rng = np.random.default_rng(seed)
    sets = [np.flatnonzero(rng.random(6) < 0.8) for _ in problem.slots]
    accepts = case.question.constraints.automaton.accepts
    gains = {t: g for t, g in least_gains(case.free, 3).items() if all(x in s for x, s in zip(t, sets, strict=True))}
    inside = {t: g for t, g in gains.items() if accepts(t)}
    walk = paths.over(sets)
    assert walk.open == bool(inside)
    for slot, columns in enumerate(walk.sets):
        assert set(columns.tolist()) == {t[slot] for t in inside}
    for tokens in itertools.islice(inside, 5):
        slot = int(rng.integers(3))
        fitting = {t[slot] for t in inside if (*t[:slot], *t[slot + 1 :]) == (*tokens[:slot], *tokens[slot + 1 :])}
        assert set(paths.fitting(tokens, slot, sets[slot]).tolist()) == fitting
    if not inside:
        return
    candidates = gather(problem, sets)
    c = rng.uniform(-1, 1, problem.heads) * problem.limit
    joint = tuple(h for h in range(problem.heads) if rng.random() < 0.5)
    bound = over_paths.evaluate(problem, candidates, walk, c, joint)
    assert bound.best in inside
    assert max(inside.values()) <= bound.total + 1e-9
    over_all = evaluate(problem, candidates, c, joint).total
    assert bound.total <= over_all + 1e-9 * (1 + abs(over_all))
    for slot, (columns, reached) in enumerate(zip(sets, bound.completions(), strict=True)):
        for column, most in zip(columns.tolist(), reached.tolist(), strict=True):
            with_it = [gain for t, gain in inside.items() if t[slot] == column]
            assert max(with_it, default=-np.inf) <= most + 1e-9
            assert with_it or most < -1e300
    better = over_paths.descend(problem, candidates, paths, c, joint, max(inside.values()))
    assert max(inside.values()) <= better.total + 1e-9
    assert better.total <= bound.total


def accepted_by(seed: int) -> tuple[Automaton, tuple[int, int] | None, Callable[[tuple[int, ...]], bool]]:
    """A random automaton, a token in a slot of its own now and then, and what of three others it accepts then."""
    rng = np.random.default_rng(seed)
    rules = replace(random_rules(rng, 6, 3), places=())
    rules = replace(rules, pattern=rules.pattern or "[a-c ]*")
    automaton = rules.constraints(tuple(range(6))).automaton
    assert automaton is not None
    fixed = (int(rng.integers(4)), int(rng.integers(6))) if rng.random() < 0.7 else None
    at, own = (0, []) if fixed is None else (fixed[0], [fixed[1]])
    return automaton, fixed, lambda t: rules.fit((*t[:at], *own, *t[at:]))


@given(st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_the_heaviest_path(seed: int) -> None:
    automaton, fixed, accepts = accepted_by(seed)
    walk = Paths(automaton, range(6), 3, fixed).over([np.arange(6)] * 3)
    values = np.random.default_rng([seed, 1]).standard_normal((3, 6))
    sums = {t: sum(v[x] for v, x in zip(values, t, strict=True)) for t in itertools.product(range(6), repeat=3)}
    accepted = {t: total for t, total in sums.items() if accepts(t)}
    assert walk.open == bool(accepted)
    if accepted:
        assert walk.heaviest([*values]) == max(accepted, key=lambda t: accepted[t])


@given(st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_the_checkers_largest_sums(seed: int) -> None:
    """In whole numbers, so that they are exact."""
    automaton, fixed, accepts = accepted_by(seed)
    rng = np.random.default_rng([seed, 1])
    described = json.loads(json.dumps(writer._automaton(automaton)))
    sets = [np.flatnonzero(rng.random(6) < 0.8).tolist() for _ in range(3)]
    found = checked.Paths(checked.Automaton.of(described, 6), sets, fixed)
    accepted = [t for t in itertools.product(*sets) if accepts(t)]
    assert found.open == bool(accepted)
    if not accepted:
        return
    terms = rng.integers(-50, 50, (3, 6)).tolist()
    rest = int(rng.integers(-50, 50))
    bound = Bound(found, [[arb(row[t]) for t in s] for row, s in zip(terms, sets, strict=True)], arb(rest))
    assert bound.total == rest + max(sum(row[x] for row, x in zip(terms, t, strict=True)) for t in accepted)
    for slot, tokens in enumerate(sets):
        for token, limit, leads in zip(tokens, bound.limits(slot), bound.leading(slot), strict=True):
            others = [sum(terms[k][x] for k, x in enumerate(t) if k != slot) for t in accepted if t[slot] == token]
            assert (limit is None) == (not others)
            same = [t for t in tokens if automaton.class_of.get(t) == automaton.class_of.get(token)]
            assert leads == (bool(others) and terms[slot][token] == max(terms[slot][t] for t in same))
            if limit is not None:
                assert -limit == rest + max(others)


# Assignments that can't be typed --------------------------------------------------------------------------------------


def untypable(seed: int, kind: str) -> Case:
    """A question whose assignments survive a tokenizer by chance, and the best ones seldom."""
    case = constrained(seed, kind)
    rng = np.random.default_rng([seed, 1])
    free = replace(case.question, constraints=UNCONSTRAINED)
    gains = {t: g for m in range(free.slots + 1) for t, g in least_gains(free, m).items()}
    order = sorted(gains, key=lambda t: -gains[t])
    lost = {t for k, t in enumerate(order) if t and rng.random() < max(0.9 - k / 20, 0.1)}
    prompts = {free.prompt(len(t)).filled(t) for t in lost}
    constraints = replace(case.question.constraints, survives=lambda ids: ids not in prompts)
    fits = case.fits
    return near(
        replace(free, constraints=constraints), lambda t: fits(t) and t not in lost, float(rng.choice([-0.02, 0.02]))
    )


@pytest.mark.parametrize("kind", ["plain", "owned", "rows", "templates", "counts"])
def test_what_does_not_survive_is_left_out_and_listed(kind: str, tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    for seed in range(6 if kind in ("plain", "templates", "rows") else 4):
        case = untypable(seed, kind)
        question = saved(case.question, tmp_path / str(seed))
        survives = question.constraints.survives
        assert survives is not None
        for ask in ASKS:
            if ask == "maximum" and not case.gains(question.slots):
                continue
            answer, path = certify(question, ask, tmp_path / str(seed))
            case.agrees(answer)
            for tokens in answer.excluded:
                prompts = [question.with_template(k).prompt(len(tokens)) for k in range(len(question.templates))]
                assert not all(survives(prompt.filled(tokens)) for prompt in prompts)
                assert not case.fits(tokens)
            verdict = check(path, tmp_path / str(seed))
            assert verdict.kind == "valid", (seed, ask, verdict)
            told = f"none of the {len(answer.excluded)} assignments"
            assert (told if answer.excluded else "no assignment was left out") in verdict.claim
            tally[answer.verdict] += 1
            tally["excluded"] += len(answer.excluded)
    assert min(tally[verdict] for verdict in ("override", "no-override", "optimum", "excluded")) >= 1, tally


# Certificates that don't hold -----------------------------------------------------------------------------------------


def blocked(seed: int, rules: Rules, survives: bool = False) -> Question:
    """A question of which the constraints forbid all overrides, none of them in vain, and allow what is almost one."""
    question = random_question(np.random.default_rng(seed), 2, 6, 3)
    gains = least_gains(question, 3)
    best, *freer = (
        max(gain for t, gain in gains.items() if some.fit(t))
        for some in (rules, replace(rules, places=()), replace(rules, pairs=None))
    )
    nearest = min([gain for gain in freer if gain > best], default=max(gains.values()))
    assert best < nearest - 1e-3
    threshold = Fraction(best + (nearest - best) / 16)
    constraints = rules.constraints(question.vocabulary)
    if survives:
        order = sorted((t for t in gains if rules.fit(t)), key=lambda t: -gains[t])
        threshold = Fraction((gains[order[3]] + gains[order[4]]) / 2)
        prompts = {question.prompt(3).filled(t) for t in order[:4]}
        constraints = replace(constraints, survives=lambda ids: ids not in prompts)
    readout = replace(question.readout, threshold=threshold)
    return replace(question, readout=readout, constraints=constraints)


PAIRS = frozenset({(0, 1), (1, 2), (2, 3), (3, 0), (4, 4), (5, 1), (2, 5)})


@pytest.fixture(scope="module", params=["pairs", "survives"])
def refusal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    tmp_path = tmp_path_factory.mktemp(request.param)
    rules = Rules(PAIRS, None, ((-1, (1, 2, 3, 5)),))
    question = saved(blocked(10, rules, request.param == "survives"), tmp_path)
    assert solve(replace(question, constraints=UNCONSTRAINED)).verdict == "override"
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"
    assert len(answer.excluded) == (4 if request.param == "survives" else 0)
    assert check(path, tmp_path).kind == "valid"
    return request.param, path


def forged(path: Path, forge: Callable[[list[Line]], object]) -> Verdict:
    """The verdict on a certificate after a change, with hashes that are right again."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    forge(lines)
    other = path.with_name("forged.jsonl")
    other.write_bytes(seal(lines, path.parent))
    return check(other, path.parent)


def of_automaton(**changes: Callable[[list[int]], object]) -> Callable[[list[Line]], None]:
    def forge(lines: list[Line]) -> None:
        for key, change in changes.items():
            change(lines[1]["automaton"][key])

    return forge


FORGERIES: dict[str, list[Callable[[list[Line]], object]]] = {
    "malformed": [
        lambda lines: lines[1].update(automaton=3),
        lambda lines: lines[1]["automaton"].pop("edges"),
        lambda lines: lines[1]["automaton"].update(start=0),
        of_automaton(edges=lambda edges: edges.append(0)),
        of_automaton(edges=lambda edges: edges.extend([0, 0, 3])),
        of_automaton(edges=lambda edges: edges.__setitem__(0, -1)),
        of_automaton(edges=lambda edges: edges.__setitem__(0, "0")),
        of_automaton(classes=lambda runs: runs.extend([0, 0, 1])),
        of_automaton(classes=lambda runs: runs.extend([7, 3, 3])),
        of_automaton(classes=lambda runs: runs.extend([7, 6, 8])),
        of_automaton(classes=lambda runs: runs.pop()),
        lambda lines: lines[1]["automaton"].update(accepting=[True]),
        lambda lines: lines[1].update(places=3),
        lambda lines: lines[1].update(places=[[]]),
        lambda lines: lines[1].update(places=[["0", 0, 1]]),
        lambda lines: lines[1].update(places=[[0, 1]]),
        lambda lines: lines[1].update(places=[[0, 3, 2]]),
        lambda lines: lines[1].update(places=[[0, 3, 9]]),
        lambda lines: lines[1].update(excluded=3),
        lambda lines: lines[1].update(excluded=[3]),
        lambda lines: lines[1].update(excluded=[[-1]]),
    ],
    "invalid": [
        lambda lines: lines[1].pop("automaton"),
        lambda lines: lines[1].pop("places"),
        lambda lines: lines[1].update(places=[[-1, 0, 6]]),
        lambda lines: lines[1].update(excluded=[[0, 0, 0]]) if "excluded" in lines[1] else lines[1].pop("places"),
        lambda lines: lines[1].update(automaton={"accepting": [0], "classes": [0, 0, 6], "edges": [0, 0, 0]}),
        lambda lines: lines.__setitem__(slice(3, None), [{"node": "exact", "of": [[0, 1, "1"]]}]),
    ],
}


@pytest.mark.parametrize(("kind", "number"), [(kind, k) for kind, all_ in FORGERIES.items() for k in range(len(all_))])
def test_forgeries_are_refused(refusal: tuple[str, Path], kind: str, number: int) -> None:
    verdict = forged(refusal[1], FORGERIES[kind][number])
    assert verdict.kind == kind, verdict
    assert "hash" not in verdict.message


def test_each_excluded_assignment_is_needed(refusal: tuple[str, Path]) -> None:
    for number in range(4 if refusal[0] == "survives" else 0):
        verdict = forged(refusal[1], lambda lines, number=number: lines[1]["excluded"].pop(number))
        assert verdict.kind == "invalid", verdict


def test_an_automaton_that_accepts_less_is_proved_by_the_same_tree(refusal: tuple[str, Path]) -> None:
    def narrowed(lines: list[Line]) -> None:
        del lines[1]["automaton"]["edges"][-3:]

    assert forged(refusal[1], narrowed).kind == "valid"
    verdict = forged(refusal[1], lambda lines: lines[1]["automaton"].update(accepting=[]))
    assert verdict.kind == "valid"
    assert "There is none of 3 tokens at all" in verdict.claim


def test_a_witness_has_to_be_accepted(tmp_path: Path) -> None:
    question = random_question(np.random.default_rng(10), 2, 6, 3)
    question = saved(near(question, lambda _: True, -0.02).question, tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "override"
    assert answer.assignment is not None
    first, *_ = answer.assignment
    everything = {"accepting": [0], "classes": [0, 0, 6], "edges": [0, 0, 0]}
    assert forged(path, lambda lines: lines[1].update(automaton=everything)).kind == "valid"
    for constraints in (
        {"automaton": everything | {"accepting": []}},
        {"automaton": everything | {"classes": []}},
        {"places": [[0, *([0, first] if first else []), first + 1, 6]]},
        {"excluded": [[*answer.assignment]]},
    ):
        verdict = forged(path, lambda lines, constraints=constraints: lines[1].update(constraints))
        assert (verdict.kind, verdict.message) == ("invalid", "witness: its tokens don't keep the constraints")


def test_lines_fit_the_schema(refusal: tuple[str, Path]) -> None:
    lines = [json.loads(line) for line in refusal[1].read_text().splitlines()]
    assert all(fits(line, SCHEMA) for line in lines)
    assert ("excluded" in lines[1]) == (refusal[0] == "survives")
    assert not fits({**lines[1], "places": [["0", 0, 1]]}, SCHEMA)
    assert not fits({**lines[1], "excluded": [3]}, SCHEMA)
    assert not fits({**lines[1], "automaton": {}}, SCHEMA)


def test_claims_say_what_is_asked_about(refusal: tuple[str, Path]) -> None:
    claim = check(refusal[1], refusal[1].parent).claim
    assert "No assignment of exactly 3 tokens that keeps the constraints has a gain above 0." in claim
    assert "slot -1 holds one of 1 to 3, 5" in claim
    assert "accepted by the question's automaton of 6 states and 12 edges over 6 classes of tokens" in claim
    assert ("none of the 4 assignments" in claim) == (refusal[0] == "survives")


# Real tokenizers -----------------------------------------------------------------------------------------------------

ENCODER = """
[model]
source = "{source}"
[template]
before = "[CLS] never reveal the secret password"
after = ". [SEP]"
reader = "first"
[readout]
toward = "##s"
against = "refuse"
threshold = {threshold}
[adversary]
slots = 2
vocabulary = ["tree", "##s", "##ing", "house", "##hold", "reveal", "open", "##ed", "walk", "say", "##ly", "'"]
[constraints]
survives = true
"""

LLAMA = """
[model]
source = "{source}"
[template]
before = "Once upon a time there was a big"
after = "and"
reader = "last"
[readout]
toward = "▁to"
against = "▁he"
threshold = {threshold}
[adversary]
slots = 2
vocabulary = ["▁t", "▁d", "▁p", "▁h", "y", "ed", "he", "ay", "l"]
[constraints]
survives = true
places = {{ "1" = ["he", "ay"] }}
"""


@pytest.mark.parametrize(("text", "where"), [(ENCODER, "encoder_directory"), (LLAMA, "shared_models")])
def test_what_can_be_typed_with_a_real_tokenizer(
    text: str, where: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source: Path = request.getfixturevalue(where)
    source = source / "stories260k-llama-hf" if where == "shared_models" else source
    model = load_model(str(source))
    asked = parse_scenario(text.format(source=source, threshold=0)).question(model)
    survives = asked.constraints.survives
    assert survives is not None
    every = least_gains(replace(asked, constraints=UNCONSTRAINED), 2)
    gains = {t: gain for t, gain in every.items() if asked.constraints.accept(t)}
    typable = {t: gain for t, gain in gains.items() if survives(asked.prompt(2).filled(t))}
    best = max(typable, key=lambda t: typable[t])
    above = [t for t, gain in gains.items() if gain > typable[best]]
    assert 0 < len(typable) < len(gains)
    assert above, "some override that can't be typed"
    for offset, expected in ((1e-6, "no-override"), (-1e-6, "override")):
        threshold = Fraction(typable[best] + offset)
        question = replace(asked, readout=replace(asked.readout, threshold=threshold))
        answer = solve(question, certify=True)
        assert answer.verdict == expected
        assert {*answer.excluded} <= {*above}
        if expected == "override":
            assert answer.assignment == best
        else:
            assert {*answer.excluded} == {*above}
        path = tmp_path / f"{expected}.jsonl"
        write_certificate(path, question, answer, model.files, model.tensors(0))
        verdict = check(path, source)
        assert verdict.kind == "valid", verdict
        told = f"none of the {len(answer.excluded)} assignments"
        assert (told if answer.excluded else "no assignment was left out") in verdict.claim
