"""One assignment for several templates: the search against every assignment, certificates, and forgeries."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.certificate_writer import all_gains, certificate, seal
from tests.questions import ASKS, above_best, every_gain, first_override, random_question
from tests.test_certify import certify, forged, stored
from tokendemo_formal.attention import Computation
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.certificates.writer import write_certificate
from tokendemo_formal.errors import InputError, ScenarioError, UnsupportedError
from tokendemo_formal.models import load_model, save
from tokendemo_formal.numbers.balls import endpoints
from tokendemo_formal.numbers.float64 import FLOAT64
from tokendemo_formal.override import conjunction
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.compound import CompoundRun
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.float32 import float32_distance
from tokendemo_formal.override.outcome import Limits
from tokendemo_formal.override.question import Contest, Question, Readout, Template
from tokendemo_formal.override.solve import solve

Gains = dict[tuple[int, ...], float]


def least_gains(question: Question, slots: int) -> Gains:
    """The margin of every assignment, in plain floats: the least of the templates', each of the best row toward."""
    each = []
    for k in range(len(question.templates)):
        leads = [
            [every_gain(question.alone(k, toward, against), slots) for against in question.against]
            for toward in question.toward
        ]
        each.append({t: max(min(gains[t] for gains in one) for one in leads) for t in leads[0][0]})
    return {t: min(gains[t] for gains in each) for t in each[0]}


def contest(rng: np.random.Generator, question: Question) -> Question:
    """The question among six rows with biases, some of them alike: one or two of them toward."""
    rows = rng.standard_normal((6, question.layer.width))
    rows[5] = rows[4]
    order = [int(row) for row in rng.permutation(6)]
    cut, end = int(rng.integers(1, 3)), int(rng.integers(4, 7))
    toward, against = tuple(sorted(order[:cut])), tuple(sorted(order[cut:end]))
    biases = rng.standard_normal(6) / 4
    competing = Contest(rows, biases, toward, against)
    readout = replace(question.readout, rows=(toward[0], against[0]))
    return replace(question, contest=competing, readout=readout)


def saved(question: Question, directory: Path) -> Question:
    """The question with its rows among the layer's, and the layer in files."""
    if question.contest is None:
        return stored(question, directory)
    layer = replace(question.layer, unembedding=question.contest.rows, unembedding_bias=question.contest.biases)
    save(layer, directory)
    return replace(question, layer=layer)


def several(
    rng: np.random.Generator, vocabulary: int, slots: int, *, final: bool = False, owned: bool = False
) -> Question:
    """A random question of two or three templates."""
    question = random_question(rng, int(rng.integers(1, 4)), vocabulary, slots, final=final)
    reader: Any = "last" if question.layer.causal else question.reader
    after = () if owned else question.after
    also = []
    for _ in range(int(rng.integers(1, 3))):
        before = tuple(int(t) for t in rng.integers(vocabulary, size=rng.integers(1, 4)))
        ending = tuple(int(t) for t in rng.integers(vocabulary, size=len(after)))  # another reader asks other things
        also.append(Template(before, ending, reader))
    if owned:
        reader = "last"
        also = [replace(other, reader="last") for other in also]
    return replace(question, after=after, reader=reader, also=tuple(also))


def drawn(rng: np.random.Generator, kind: str) -> Question:
    """A random question of one condition (``plain``), or of several ``templates``, ``rows`` or both, with a ``final``
    norm and the reader in a slot (``owned``) where the kind names them."""
    if kind == "plain":
        return random_question(rng, int(rng.integers(1, 4)), 6, 3)
    question = several(rng, 5, 2, final="final" in kind, owned="owned" in kind)
    if "templates" not in kind:
        question = replace(question, also=())
    return contest(rng, question) if "rows" in kind else question


def near(question: Question, slots: int, offset: float) -> Question:
    """The threshold that far above the largest gain, as a part of what the gains span."""
    return above_best(question, least_gains(question, slots).values(), offset)


def agrees(question: Question, answer: Answer) -> None:
    """With every assignment of every length, in plain floats; thresholds are 1e-6 and more away from them."""
    best = {m: max(least_gains(question, m).values()) for m in range(question.slots + 1)}
    first = first_override(answer, question.slots, best)
    if first is not None:
        assert answer.margin is not None
        assert answer.margin.low == min(margin.low for margin in answer.margins) > 0
        assert len(answer.prompts) == len(question.templates)
        for k, (margin, pair) in enumerate(zip(answer.margins, answer.pairs, strict=False)):
            one, assignment = question.alone(k, *pair), answer.assignment
            assert assignment is not None
            assert float(margin.low) - 1e-9 <= every_gain(one, first)[assignment] <= float(margin.high) + 1e-9


@pytest.mark.parametrize("case", ["plain", "final", "owned", "rows", "rows, final", "rows and templates"])
def test_search_checker_and_brute_force_agree(case: str, tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    for seed in range(4 if "final" in case else 9):
        rng = np.random.default_rng(seed)
        question = several(rng, 5, 2, final="final" in case, owned=case == "owned")
        if "rows" in case:
            question = contest(rng, question if "templates" in case else replace(question, also=()))
        question = near(question, 2, float(rng.choice([-0.05, -1e-4, 1e-4, 0.02])))
        directory = tmp_path / str(seed)
        question = saved(question, directory)
        for ask in ASKS:
            answer, path = certify(question, ask, directory)
            agrees(question, answer)
            verdict = check(path, directory)
            assert verdict.kind == "valid", (seed, ask, verdict)
            assert not question.also or f"least of {len(question.templates)} readings" in verdict.claim
            tally[answer.verdict] += 1
    assert tally["override"] >= 3
    assert tally["no-override"] >= 3


def test_the_reader_in_a_slot_of_one_template_alone(tmp_path: Path) -> None:
    """Of the second: each token of its last slot fixes a query there, and is one of the others in the first."""
    tally: Counter[str] = Counter()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        question = random_question(rng, 2, 4, 2)
        question = replace(question, reader="last", vocabulary=(3, 0, 2), also=(Template(question.before, (), "last"),))
        question = saved(near(question, 2, float(rng.choice([-0.05, 0.02]))), tmp_path / str(seed))
        for ask in ASKS:
            answer, path = certify(question, ask, tmp_path / str(seed))
            agrees(question, answer)
            verdict = check(path, tmp_path / str(seed))
            assert verdict.kind == "valid", (seed, ask, verdict)
            tally[answer.verdict] += 1
    assert min(tally.values()) >= 2


def test_readers_in_another_slot_at_each_length(tmp_path: Path) -> None:
    """The second template's is the last but two: no slot holds it at length 1, the first at 2, the second at 3."""
    for seed in range(4):
        question = random_question(np.random.default_rng(seed), 2, 3, 3)
        also = Template((0, 2), (1,), -3)
        question = replace(question, layer=replace(question.layer, causal=False), reader="first", also=(also,))
        question = saved(near(question, 3, 0.02), tmp_path / str(seed))
        answer, path = certify(question, "minimum", tmp_path / str(seed))
        agrees(question, answer)
        verdict = check(path, tmp_path / str(seed))
        assert verdict.kind == "valid", (seed, verdict)


def test_tangents_where_one_template_has_none(tmp_path: Path) -> None:
    """Of the rows against, one leads by so much bias that its function is bounded by its deviation, not a tangent."""
    for seed in range(4, 8):
        rng = np.random.default_rng(seed)
        question = contest(rng, several(rng, 4, 1, final=True))
        assert question.contest is not None
        biases = np.where(np.arange(6) == question.against[0], 9.0, 0.0)
        question = replace(question, contest=replace(question.contest, biases=biases))
        question = saved(near(question, 1, 0.02), tmp_path / str(seed))
        answer, path = certify(question, "exists", tmp_path / str(seed))
        assert answer.verdict == "no-override"
        verdict = check(path, tmp_path / str(seed))
        assert verdict.kind == "valid", (seed, verdict)


@pytest.mark.parametrize("exponent", [40, 200, 700])
def test_near_ties_are_decided(exponent: int) -> None:
    """The threshold 2^-exponent beside the largest of the least gains."""
    question = several(np.random.default_rng(5), 4, 1)
    gains = {t: low for t, (low, _) in all_gains(question, 1).items()}
    best = max(gains, key=lambda t: gains[t])
    exact = []
    for k in range(len(question.templates)):
        one = question.with_template(k)
        prompt = one.prompt(1)
        exact.append(endpoints(ExactGain(one).gain(prompt.filled(best), prompt.reader, 4096))[0])
    for sign, verdict in ((1, "no-override"), (-1, "override")):
        threshold = Fraction(round((min(exact) + Fraction(sign, 2**exponent)) * 2**1200), 2**1200)
        asked = replace(question, readout=replace(question.readout, threshold=threshold))
        assert solve(asked).verdict == verdict


@pytest.mark.parametrize("seed", [15, 17, 20])
def test_templates_that_each_can_be_overridden_but_not_at_once(seed: int, tmp_path: Path) -> None:
    """A true conflict: each template has overrides of its own, none in common."""
    question = stored(near(several(np.random.default_rng(seed), 10, 3), 3, 1e-3), tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"
    assert check(path, tmp_path).kind == "valid"
    if seed == 17:  # closed by sums, too
        assert any(len(json.loads(line).get("of", [])) > 1 for line in path.read_text().splitlines())
    assert all(solve(question.with_template(k)).verdict == "override" for k in range(len(question.templates)))


def test_sums_save_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [near(several(np.random.default_rng(seed), 10, 3), 3, 1e-3) for seed in (20,)]
    with_sums = sum(solve(question).nodes for question in questions)
    monkeypatch.setattr(conjunction.Conjunction, "_weigh", lambda self, node: None)
    assert all(solve(question).verdict == "no-override" for question in questions)
    assert with_sums < sum(solve(question).nodes for question in questions)


@pytest.fixture
def refusal(tmp_path: Path) -> tuple[Question, Path]:
    question = stored(near(several(np.random.default_rng(7), 6, 2), 2, 1e-3), tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"
    assert check(path, tmp_path).kind == "valid"
    return question, path


@pytest.mark.parametrize(
    "forge",
    [
        lambda lines: lines.pop(),
        lambda lines: lines[1]["also"].clear(),
        lambda lines: lines[-1].pop("of"),
        lambda lines: lines[-1].update(of=[]),
        lambda lines: lines[-1]["of"][0].__setitem__(2, "-1"),
        lambda lines: lines[1].update(threshold=str(Fraction(lines[1]["threshold"]) - 1)),
    ],
)
def test_forgeries_are_refused(refusal: tuple[Question, Path], forge: Callable[[list[Any]], object]) -> None:
    assert forged(refusal[1], forge).kind in ("invalid", "malformed")


def test_a_witness_has_to_override_everywhere(tmp_path: Path) -> None:
    question = stored(near(several(np.random.default_rng(3), 5, 2), 2, -1e-4), tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "override"
    gains = [every_gain(question.with_template(k), 2) for k in range(len(question.templates))]
    others = [t for t in gains[0] if max(g[t] for g in gains) > 0 >= min(g[t] for g in gains)]
    assert others
    for other in others:

        def forge(lines: list[Any], other: tuple[int, ...] = other) -> None:
            best = max(g[other] for g in gains)
            lines[0] |= {"witness": list(other), "low": str(Fraction(best) / 2), "high": str(Fraction(best) * 2)}

        assert forged(path, forge).kind == "invalid"


def test_what_is_refused() -> None:
    question = several(np.random.default_rng(0), 4, 2)
    for engine in ("z3", "brute-force"):
        with pytest.raises(InputError, match=f"engine {engine}: answers questions of one template"):
            solve(question, engine=engine)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as executor, pytest.raises(InputError, match="executor: a question of several"):
        solve(question, executor=executor)
    with pytest.raises(ScenarioError, match=r"template\[2\]: template.before: token id 99"):
        replace(question, also=(Template((99,), (1,), "last"),))
    free = replace(question, layer=replace(question.layer, causal=False), after=(), reader="last")
    mixed = replace(free, also=(Template((1,), (), 1),))
    with pytest.raises(ScenarioError, match="readers of several templates stand in different slots"):
        solve(mixed)


def test_a_reader_may_stand_in_a_slot_of_some_templates(tmp_path: Path) -> None:
    """Of the second here, and not of the first."""
    for seed in range(4):
        question = several(np.random.default_rng(seed), 4, 2)
        layer = replace(question.layer, causal=True)
        question = replace(
            question, layer=layer, before=(0,), after=(1,), reader="last", also=(Template((2, 3), (), "last"),)
        )
        for offset in (-1e-3, 1e-3):
            asked = saved(near(question, 2, offset), tmp_path / str(seed))
            answer, path = certify(asked, "exists", tmp_path / str(seed))
            agrees(asked, answer)
            assert check(path, tmp_path / str(seed)).kind == "valid"


def test_giving_up_is_no_answer() -> None:
    question = near(several(np.random.default_rng(11), 8, 3), 3, 1e-3)
    answer = solve(question, node_limit=1)
    if answer.verdict == "gave-up":
        assert answer.upper is not None
        assert answer.upper >= Fraction(max(least_gains(question, 3).values()))
    assert solve(question, time_limit=1e-9).verdict == "gave-up"


def test_no_more_tokens_of_the_reader_are_begun_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    question = several(np.random.default_rng(0), 4, 2)
    free = replace(question, layer=replace(question.layer, causal=False), after=(), reader="last", also=())
    owned = replace(free, also=(Template((1,), (), "last"), Template((2, 3), (), "last")))
    begun: list[object] = []
    monkeypatch.setattr(CompoundRun, "_decide_each_choice", lambda *args: begun.append(args))
    answer = solve(owned, time_limit=1e-9)
    assert (answer.verdict, answer.upper, begun) == ("gave-up", None, [])


def test_float32_runs_are_no_further_off_than_the_worst_template() -> None:
    question = several(np.random.default_rng(2), 4, 2)
    alone = [float32_distance(question.with_template(k), (0, 1)) for k in range(len(question.templates))]
    assert float32_distance(question, (0, 1)) == max(alone)


# One row against many ----------------------------------------------------------------------------------------------


def test_rows_that_are_alike_tie(tmp_path: Path) -> None:
    """A row can't beat its copy, and that is proved, for the difference of equal rows is 0 exactly."""
    rng = np.random.default_rng(1)
    question = replace(contest(rng, replace(several(rng, 5, 2), also=())), slots=1)
    assert question.contest is not None
    tied = Contest(question.contest.rows, None, (4,), (0, 1, 2, 3, 5))
    question = saved(replace(question, contest=tied, readout=replace(question.readout, rows=(4, 0))), tmp_path)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "no-override"
    assert check(path, tmp_path).kind == "valid"


def test_rivals_come_when_they_matter() -> None:
    """A search begins with few of the rows against; others are asked for, and most never are."""
    rng = np.random.default_rng(3)
    question = replace(several(rng, 6, 2), also=())
    rows = rng.standard_normal((200, question.layer.width)) / 10
    rows[0] *= 10
    question = replace(question, contest=Contest(rows, None, (0,), tuple(range(1, 200))))
    run = CompoundRun(near(question, 2, 1e-3), "search", Limits(), None, False)
    assert run.exists().verdict == "no-override"
    assert 2 <= len(run._runs) < 60


@pytest.mark.parametrize(
    ("toward", "against", "message"),
    [
        ((), (1,), "readout.toward: expected rows below 6, each once"),
        ((0, 0), (1,), "readout.toward"),
        ((0,), (), "readout.against"),
        ((0,), (6,), "readout.against: expected rows below 6"),
        ((0, 1), (1, 2), "readout.against: row 1 is in readout.toward"),
        ((0,), (1,), "two rows are a Readout, not a Contest"),
    ],
)
def test_rows_that_can_not_compete(toward: tuple[int, ...], against: tuple[int, ...], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        Contest(np.zeros((6, 2)), None, toward, against)


def test_what_is_refused_of_rows() -> None:
    rng = np.random.default_rng(0)
    question = contest(rng, several(rng, 4, 2))
    with pytest.raises(UnsupportedError, match="one row toward and one against"):
        float32_distance(question, (0, 1))
    rows = np.zeros((70, question.layer.width))
    many = replace(question, contest=Contest(rows, None, tuple(range(65)), (65,)))
    with pytest.raises(ScenarioError, match=r"readout.toward: 65 rows in \d templates are \d+ choices"):
        solve(many)


@pytest.mark.parametrize("toward", [(7,), (12,), (52,), (30, 31)])
def test_first_choices_of_a_sorting_model(toward: tuple[int, ...], shared_models: Path, tmp_path: Path) -> None:
    """A real model that is one layer, with nothing left out: which smallest number can two of the five make it say?

    All 4,096 assignments, through the LayerNorms, against the search; and a certificate.
    """
    model = load_model(str(shared_models / "sorting-model1-tl"))
    assert model.left_out(0) == ()
    layer = model.layer(0)
    assert layer.unembedding is not None
    rest = tuple(row for row in range(66) if row not in toward)
    rows = Contest(layer.unembedding, layer.unembedding_bias, toward, rest)
    readout = Readout(*layer.unembedding[:2], final_norm=True, rows=(toward[0], rest[0]))
    question = Question(layer, readout, (64, 7, 12, 52), (65,), "last", 2, tuple(range(64)), contest=rows)
    prompt, computation = question.prompt(2), Computation(layer, FLOAT64)
    margins = {}
    for assignment in itertools.product(range(64), repeat=2):
        tokens = prompt.filled(assignment)
        raw = computation.rows(tokens, range(7))
        stream = computation.reading(raw[6:7], 6, np.eye(layer.width)).attend(raw)[1]
        assert layer.final_norm is not None
        centred = stream - stream.mean()
        normed = centred / np.sqrt((centred**2).mean() + layer.final_norm.eps) * layer.final_norm.gain
        logits = layer.unembedding @ (normed + layer.final_norm.bias) + layer.unembedding_bias
        margins[assignment] = logits[list(toward)].max() - logits[list(rest)].max()
    answer = solve(question, certify=True)
    assert answer.verdict == ("override" if max(margins.values()) > 0 else "no-override")
    if answer.assignment is not None:
        assert answer.margin is not None
        assert abs(float(answer.margin.low) - margins[answer.assignment]) < 1e-6
    path = tmp_path / "proof.jsonl"
    write_certificate(path, question, answer, model.files, model.tensors(0))
    assert check(path, model.directory).kind == "valid"


@pytest.mark.parametrize("case", ["rows", "templates"])
@pytest.mark.parametrize("order", [1, -1])
def test_weights_count_exactly(case: str, order: int, tmp_path: Path) -> None:
    """One assignment, a leaf of two conditions: valid just where the weighted sum of their gains is at most 0."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        question = replace(several(rng, 5, 1), vocabulary=(2,))
        if case == "rows":
            rows = rng.standard_normal((3, question.layer.width))
            readout = replace(question.readout, rows=(0, 1))
            question = replace(question, also=(), contest=Contest(rows, None, (0,), (1, 2)), readout=readout)
        question = saved(question, tmp_path / f"{seed}")
        conditions = [(0, 1), (0, 2)] if case == "rows" else [(0, 1), (1, 1)]
        gains = []
        for template, against in conditions:
            one = question.alone(template, 0, against)
            prompt = one.prompt(1)
            gains.append(ExactGain(one).bounds(prompt.filled((2,)), prompt.reader)[0])
        if min(gains) > -0.1 or max(gains) < 0.1:
            continue
        even = abs(gains[0] / gains[1])  # weights (1, even) balance the two
        for factor in (1 + Fraction(1, 10**6), 1 - Fraction(1, 10**6)):
            weights = (Fraction(1), even.limit_denominator(10**12) * factor)
            lines = certificate(question, "no-override", [1])
            of = [[*c, str(w)] for c, w in zip(conditions, weights, strict=True)][::order]
            heads = question.layer.heads * len({template for template, _ in conditions})
            lines[3:] = [{"node": "leaf", "c": ["1/3"] * heads, "of": of}]
            path = tmp_path / "leaf.jsonl"
            path.write_bytes(seal(lines, tmp_path / f"{seed}"))
            total = sum(w * g for w, g in zip(weights, gains, strict=True))
            assert check(path, tmp_path / f"{seed}").kind == ("valid" if total < 0 else "invalid")
        return
    pytest.fail("no seed has gains of both signs")


@pytest.mark.parametrize("seed", range(6))
def test_rivals_too_close_for_floats(seed: int) -> None:
    """Of twenty rows alike but for a last bit one is not beaten, by less than floats can tell."""
    rng = np.random.default_rng(seed)
    question = replace(several(rng, 5, 1), also=(), vocabulary=(2,))
    rows = np.tile(rng.standard_normal(question.layer.width), (21, 1))
    rows[0] = rng.standard_normal(question.layer.width)
    for row in rows[2:]:
        place = rng.integers(len(row))
        row[place] = np.nextafter(row[place], rng.choice([-9.0, 9.0]))
    readout = replace(question.readout, rows=(0, 1))
    question = replace(question, contest=Contest(rows, None, (0,), tuple(range(1, 21))), readout=readout)
    prompt, leads = question.prompt(1), []
    for row in question.against:
        gain = ExactGain(question.alone(0, 0, row)).gain(prompt.filled((2,)), prompt.reader, 256)
        leads.append(endpoints(gain)[0])
    least, second = sorted({*leads})[:2]
    assert second - least < 1e-13
    for threshold, verdict in (((least + second) / 2, "no-override"), (least - (second - least) / 2, "override")):
        threshold = Fraction(round(threshold * 2**300), 2**300) + question.readout.threshold
        asked = replace(question, readout=replace(question.readout, threshold=threshold))
        assert solve(asked).verdict == verdict
