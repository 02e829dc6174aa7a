"""Shares of attention: the search against every assignment, certificates, forgeries, and what can't be asked."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.certificate_writer import seal
from tests.questions import ASKS, first_override, random_layer
from tests.strategies import cases
from tests.test_certify import EXAMPLES, certify
from tests.test_checker import SCHEMA, fits
from tokendemo_formal.attention import Alibi, Computation, Rotary, normalise, rotate
from tokendemo_formal.certificates.checker import Verdict, check
from tokendemo_formal.cli import main
from tokendemo_formal.errors import InputError, ScenarioError, UnsupportedError
from tokendemo_formal.models import save
from tokendemo_formal.numbers.balls import endpoints
from tokendemo_formal.numbers.float64 import FLOAT64
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.float32 import float32_distance
from tokendemo_formal.override.question import Contest, Question, Share, Template
from tokendemo_formal.override.solve import solve
from tokendemo_formal.override.votes import votes

Assignment = tuple[int, ...]
OF: tuple[Any, ...] = ("before", "after", "template", (0,), (1, 2))


def head_shares(question: Question, template: int, assignment: Assignment) -> np.ndarray[Any, Any]:
    """(H,) by the layer's formulas in plain floats, position by position; the system's tokens are marked beforehand."""
    layer, share, text = question.layer, question.readout, question.templates[template]
    fixed = [*text.before, *text.after]
    named = {"before": [*range(len(text.before))], "template": [*range(len(fixed))]}
    named["after"] = [*range(len(text.before), len(fixed))]
    marked = named[share.of] if isinstance(share.of, str) else list(share.of)
    prompt = [(token, i in marked) for i, token in enumerate(fixed)]
    holes = question.positions or range(len(text.before), len(text.before) + len(assignment))
    for hole, token in zip(holes, assignment, strict=False):
        prompt.insert(hole, (token, False))
    reader = {"first": 0, "last": len(prompt) - 1}.get(text.reader, text.reader)
    computation = Computation(layer, FLOAT64)
    rows = [computation.rows([token], [p]) for p, (token, _) in enumerate(prompt)]
    for norm in (layer.embedding_norm, layer.pre_norm):
        rows = [normalise(FLOAT64, norm, row) for row in rows]
    seen = range(reader + 1 if layer.causal else len(prompt))
    scale = layer.wq.shape[2] ** -0.5 if layer.scale_squared is None else float(layer.scale_squared) ** 0.5
    shares = []
    for h in range(layer.heads):
        g = h // (layer.heads // layer.groups)

        def project(x: Any, weights: Any, bias: Any, norm: Any, p: int) -> Any:
            y = normalise(FLOAT64, norm, x @ weights + (0 if bias is None else bias))
            return (rotate(FLOAT64, layer.positions, y, p) if isinstance(layer.positions, Rotary) else y)[0]

        bq, bk = (None if b is None else b[i] for b, i in ((layer.bq, h), (layer.bk, g)))
        query = project(rows[reader], layer.wq[h], bq, layer.query_norm, reader)
        weights = []
        for p in seen:
            score = scale * (query @ project(rows[p], layer.wk[g], bk, layer.key_norm, p)) / layer.temperature
            if isinstance(layer.positions, Alibi):
                score -= layer.positions.slopes[h] * abs(reader - p)
            if layer.score_bias is not None:
                score += layer.score_bias[h, reader, p]
            weights.append(np.exp(score))
        shares.append(sum(w for w, p in zip(weights, seen, strict=True) if prompt[p][1]) / sum(weights))
    return np.array(shares)


def margin(question: Question, assignment: Assignment) -> float:
    """What the share is short of, the least of all templates."""
    each = [head_shares(question, k, assignment) for k in range(len(question.templates))]
    head = question.readout.head
    return float(question.readout.below) - max(s.mean() if head is None else s[head] for s in each)


def margins(question: Question, slots: int) -> dict[Assignment, float]:
    return {a: margin(question, a) for a in itertools.product(question.vocabulary, repeat=slots)}


def share_question(rng: np.random.Generator, vocabulary: int, slots: int, *, several: bool = False) -> Question:
    """A random question of a share, with the reader in a slot now and then."""
    heads = int(rng.integers(1, 4))
    layer = random_layer(rng, heads, vocabulary)
    if rng.random() < 0.3:
        layer = replace(layer, score_bias=rng.standard_normal((heads, 12, 12)))

    def template() -> Template:
        before, after = (tuple(int(t) for t in rng.integers(vocabulary, size=n)) for n in (rng.integers(2, 4), 1))
        return Template(before, after, "last" if layer.causal or rng.random() < 0.6 else "first")

    one, *also = [template() for _ in range(1 + several)]
    positions = None
    if not several and rng.random() < 0.3:  # behind the last fixed token: the reader stands in a slot
        positions = tuple(range(2, 2 + slots)) if rng.random() < 0.5 else tuple(range(4, 4 + slots))
    share = Share(Fraction(1, 2), None if rng.random() < 0.5 else int(rng.integers(heads)), OF[rng.integers(len(OF))])
    one = replace(one, before=one.before[:2] if positions and positions[0] == 4 else one.before)
    positions = positions and tuple(range(len(one.before) + 1, len(one.before) + 1 + slots))
    return Question(
        layer, share, one.before, one.after, one.reader, slots, tuple(range(vocabulary)), positions, tuple(also)
    )


def near(question: Question, slots: int, offset: float) -> Question:
    """The threshold below the least share by that part of what the shares span; kept between 0 and 1."""
    found = [*margins(question, slots).values()]
    best, worst = max(found), min(found)
    below = question.readout.below - Fraction(best + offset * (best - worst))
    return replace(question, readout=replace(question.readout, below=min(max(below, Fraction(1, 10**6)), Fraction(1))))


def agrees(question: Question, answer: Answer) -> None:
    """With every assignment of every length, in plain floats."""
    best = {m: max(margins(question, m).values()) for m in range(question.slots + 1)}
    first_override(answer, question.slots, best)
    if answer.assignment is not None:
        assert answer.margin is not None
        assert (
            float(answer.margin.low) - 1e-9 <= margin(question, answer.assignment) <= float(answer.margin.high) + 1e-9
        )
        for k, shares in enumerate(answer.shares):
            expected = head_shares(question, k, answer.assignment)
            assert [float(s.low) for s in shares] == pytest.approx(expected.tolist(), abs=1e-9)


@pytest.mark.parametrize("several", [False, True])
def test_search_and_every_assignment_agree(several: bool, tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    for seed in range(25):
        rng = np.random.default_rng(seed)
        question = near(share_question(rng, 5, 2, several=several), 2, float(rng.choice([-0.05, -1e-4, 1e-4, 0.02])))
        directory = tmp_path / str(seed)
        save(question.layer, directory)
        for ask in ASKS:
            answer, path = certify(question, ask, directory)
            agrees(question, answer)
            verdict = check(path, directory)
            assert verdict.kind == "valid", (seed, ask, verdict)
            tally[answer.verdict] += 1
        for engine in () if several else ("z3", "brute-force"):
            assert solve(question, engine=engine).verdict == solve(question).verdict  # type: ignore[arg-type]
    assert tally["override"] >= 5
    assert tally["no-override"] >= 5


def test_every_feature_of_a_layer(tmp_path: Path) -> None:
    """What the search leaves out, values and other heads, is nothing that a share depends on."""
    for i, (name, layer) in enumerate(cases()):
        share = Share(Fraction(1, 2), None if i % 3 == 0 else i % layer.heads, OF[i % len(OF)])
        question = Question(layer, share, (3, 1, 4), (2,), "last", 1, tuple(range(9)))
        question = near(question, 1, -1e-3 if i % 2 else 1e-3)
        directory = tmp_path / str(i)
        save(layer, directory)
        answer, path = certify(question, "exists", directory)
        assert answer.verdict == ("override" if i % 2 else "no-override"), name
        agrees(question, answer)
        assert check(path, directory).kind == "valid", name


@pytest.mark.parametrize("head", [None, 1])
@pytest.mark.parametrize("exponent", [40, 200, 700])
def test_near_ties_are_decided(head: int | None, exponent: int) -> None:
    """The threshold 2^-exponent beside the least share."""
    layer = random_layer(np.random.default_rng(4), 2, 6)
    question = Question(layer, Share(Fraction(1), head), (3, 1), (2,), "last", 2, tuple(range(6)))
    best = max(margins(question, 2).items(), key=lambda item: item[1])[0]
    prompt = question.prompt(2)
    low, _ = endpoints(ExactGain(question).gain(prompt.filled(best), prompt.reader, 4096))
    for sign, verdict in ((1, "override"), (-1, "no-override")):
        below = Fraction(round((1 - low + Fraction(sign, 2**exponent)) * 2**1200), 2**1200)
        assert solve(replace(question, readout=Share(below, head))).verdict == verdict


@pytest.mark.parametrize("head", [None, 2])
def test_exact_ties_are_no_overrides(head: int | None) -> None:
    """All scores alike, so that every share is a count over a count; a third is no float."""
    layer = random_layer(np.random.default_rng(0), 3, 5)
    layer = replace(layer, wq=0 * layer.wq, bq=None, positions=None, embedding_norm=None, pre_norm=None)
    layer = replace(layer, query_norm=None, key_norm=None)
    question = Question(layer, Share(Fraction(1, 3), head), (3, 1), (2,), "last", 4, tuple(range(5)))
    answer = solve(question, "minimum")
    assert (answer.minimum, answer.ruled_out) == (4, (0, 1, 2, 3))
    assert all(share.low <= Fraction(2, 7) <= share.high for share in answer.shares[0])
    assert solve(question.with_slots(3)).verdict == "no-override"


def test_shares_are_above_0_and_fall_with_every_token() -> None:
    """In one head, each further token takes from the system's share, and none takes all."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        layer = replace(random_layer(rng, 2, 4), positions=None)
        question = Question(layer, Share(Fraction(1, 1000), 1), (3, 1), (2,), "last", 3, tuple(range(4)))
        least = [min(s[1] for a in margins(question, m) for s in [head_shares(question, 0, a)]) for m in range(4)]
        assert 0 < least[3] < least[2] < least[1] < least[0] < 1


# Forgeries, with their hashes put right ------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["one head", "mean"])
def refusal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("share")
    layer = replace(random_layer(np.random.default_rng(2), 3, 6), causal=True)
    save(layer, directory)
    head = 1 if request.param == "one head" else None
    question = Question(layer, Share(Fraction(1), head, (0, 2)), (3, 1, 5), (2,), "last", 2, tuple(range(6)))
    _, path = certify(near(question, 2, 0.02), "exists", directory)
    return path


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def resealed(path: Path, lines: list[Any]) -> Verdict:
    other = path.with_name("forged.jsonl")
    other.write_bytes(seal(lines, path.parent))
    return check(other, path.parent)


def test_the_claim_says_which_share(refusal: Path) -> None:
    lines = lines_of(refusal)
    assert all(fits(line, SCHEMA) for line in lines)
    assert lines[2]["reading"] == "share"
    verdict = resealed(refusal, lines)
    assert verdict.kind == "valid"
    share = lines[1]["share"]
    whose = "from head 1" if "head" in share else "in the mean over all heads"
    which = "the template's tokens 0, 2 (from 0)"
    assert f"Gain: {share['below']} less the share of attention that {which} get {whose}, " in verdict.claim


@pytest.mark.parametrize(
    ("kind", "forge"),
    [
        ("invalid", lambda q: q["share"].update(below="1")),
        ("invalid", lambda q: q["share"].update(of=[0])),
        ("malformed", lambda q: q["share"].update(below="0")),
        ("malformed", lambda q: q["share"].update(below="-1/2")),
        ("malformed", lambda q: q["share"].update(below="3/2")),
        ("malformed", lambda q: q["share"].pop("below")),
        ("malformed", lambda q: q["share"].pop("of")),
        ("malformed", lambda q: q["share"].update(head=3)),
        ("malformed", lambda q: q["share"].update(head=-1)),
        ("malformed", lambda q: q["share"].update(head=True)),
        ("malformed", lambda q: q["share"].update(head="1")),
        ("malformed", lambda q: q["share"].update(of=[])),
        ("malformed", lambda q: q["share"].update(of=[2, 0])),
        ("malformed", lambda q: q["share"].update(of=[0, 0])),
        ("malformed", lambda q: q["share"].update(of=[0, 4])),
        ("malformed", lambda q: q["share"].update(of=[-1])),
        ("malformed", lambda q: q["share"].update(of="system")),
        ("malformed", lambda q: q["share"].update(heads=1)),
        ("malformed", lambda q: q.update(share="before")),
        ("malformed", lambda q: q.update(toward=0)),
        ("malformed", lambda q: q.update(threshold="0")),
        ("malformed", lambda q: q.update(through_final_norm=False)),
        ("malformed", lambda q: q.pop("share")),
    ],
)
def test_other_questions_are_refused(refusal: Path, kind: str, forge: Callable[[Any], object]) -> None:
    lines = lines_of(refusal)
    forge(lines[1])
    assert resealed(refusal, lines).kind == kind


def test_a_share_of_tokens_that_the_reader_does_not_see_is_refused(refusal: Path) -> None:
    """It would be 0 whatever the adversary does."""
    lines = lines_of(refusal)
    lines[1] |= {"reader": 2, "positions": [0, 1]}
    lines[1]["share"]["of"] = [1, 3]
    verdict = resealed(refusal, lines)
    assert verdict.kind == "malformed"
    assert "sees none of these tokens, so their share is 0" in verdict.message


def test_other_proofs_are_refused(refusal: Path) -> None:
    lines = lines_of(refusal)
    one = "head" in lines[1]["share"]
    for change, kind in (
        ({"reading": "plain"}, "malformed"),
        ({"tangent": ["0"]}, "malformed"),
        ({"bound": "1"}, "invalid"),
    ):
        assert resealed(refusal, [*lines[:2], lines[2] | change, *lines[3:]]).kind == kind
    last = lines[-1]
    assert last["node"] == "leaf"
    for c, kind in (
        (last["c"][:-1], "malformed"),
        ([*last["c"], "0"], "malformed"),
        (["-9"] * len(last["c"]), "invalid"),
    ):
        nodes = [node | ({"c": c} if "c" in node else {}) for node in lines[3:]]
        assert resealed(refusal, [*lines[:3], *nodes]).kind == kind
    assert len(last["c"]) == (1 if one else 3)
    # a head's proof is none of another head's, and none of the mean
    lines[1]["share"] = {k: v for k, v in lines[1]["share"].items() if k != "head"} | ({} if one else {"head": 1})
    assert resealed(refusal, lines).kind == "malformed"
    lines[1]["share"] |= {"head": 2}
    assert resealed(refusal, lines).kind == ("invalid" if one else "malformed")


def test_a_witness_is_evaluated(tmp_path: Path) -> None:
    layer = random_layer(np.random.default_rng(3), 2, 6)
    save(layer, tmp_path)
    question = near(Question(layer, Share(Fraction(1)), (3, 1), (2,), "last", 2, tuple(range(6))), 2, -1e-3)
    answer, path = certify(question, "exists", tmp_path)
    assert answer.verdict == "override"
    lines = lines_of(path)
    worse = min(margins(question, 2).items(), key=lambda item: item[1])
    assert worse[1] < 0
    lines[0]["witness"] = list(worse[0])
    assert resealed(path, lines).kind == "invalid"
    lines[0] |= {"low": str(Fraction(worse[1]) - 1), "high": "1"}  # its bounds hold, but it does not override
    assert resealed(path, lines).kind == "invalid"


# What can't be asked -------------------------------------------------------------------------------------------------


def test_what_is_refused() -> None:
    layer = replace(random_layer(np.random.default_rng(1), 2, 5), causal=True)
    question = Question(layer, Share(Fraction(1, 2)), (3, 1), (2,), "last", 2, tuple(range(5)))
    for share, message in (
        (Share(Fraction(0)), "share.below: found 0; expected a number above 0"),
        (Share(Fraction(10**400)), r"share.below: found 1.0+e\+400; expected"),
        (Share(Fraction(1, 2), 2), "share.head: found 2; the layer has heads 0 to 1"),
        (
            Share(Fraction(1, 2), None, (1, 1)),
            "share.of: expected indices of the template's 3 tokens, 0 to 2",
        ),
        (Share(Fraction(1, 2), None, (3,)), "share.of: expected indices"),
        (Share(Fraction(1, 2), None, ()), r"share.of: found \[\], which holds no token"),
        (Share(0.1), r"share.below: found 0.1; expected an exact number, such as Fraction\('0.1'\)"),  # type: ignore[arg-type]
        (Share("1"), "share.below: found '1'; expected an exact"),  # type: ignore[arg-type]
        (Share(Fraction(1, 2), 0.5), "share.head: found 0.5; the layer has heads 0 to 1"),  # type: ignore[arg-type]
        (Share(Fraction(1, 2), 0, "system"), "share.of: found 'system'; expected 'before'"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ScenarioError, match=message):
            replace(question, readout=share)
    with pytest.raises(ScenarioError, match="share: given beside rows that compete"):
        replace(question, contest=Contest(layer.embedding, None, (0,), (1, 2)))
    with pytest.raises(ScenarioError, match="the reader at position 1 sees none of these tokens"):
        replace(question, positions=(0, 1), reader=1, readout=Share(Fraction(1, 2)))
    with pytest.raises(ScenarioError, match=r"template\[2\]: share.of: found 'before', which holds no token"):
        replace(question, also=(Template((), (2,), "last"),))
    with pytest.raises(UnsupportedError, match="not for shares of attention"):
        float32_distance(question, (0, 1))
    for token in (-1, 5):
        with pytest.raises(InputError, match=f"token id {token} is outside the embedding's 5 rows"):
            float32_distance(question, (0, token))


def test_votes_add_up_to_the_margin() -> None:
    layer = random_layer(np.random.default_rng(5), 3, 5)
    question = Question(layer, Share(Fraction(1, 2), 1), (3, 1), (2,), "last", 2, tuple(range(5)))
    taken = votes(question, (0, 4))
    assert taken.total == pytest.approx(margin(question, (0, 4)))
    assert taken.direct == 0.5
    assert taken.direct + sum(map(sum, taken.contributions)) == pytest.approx(taken.total)
    assert [any(row) for row in taken.contributions] == [True, True, False, False, False]


def test_the_example_prints_every_heads_share(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(EXAMPLES / "guard_share.toml")
    assert main(["solve", path, "--votes", "--float32"]) == 0
    printed = capsys.readouterr().out
    assert "share       of deny dangerous requests, of head 2; margin = 0.5 - share" in printed
    assert "0.487870 of head 2" in printed
    assert "not bounded: float32 runs are bounded for margins that read rows" in " ".join(printed.split())
    assert main(["solve", path, "--json"]) == 0
    ((*_, third, _),) = json.loads(capsys.readouterr().out)["shares"]
    assert float(third[0]) <= 0.48787 <= float(third[1]) + 1e-6
