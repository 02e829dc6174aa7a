"""Any number of tokens: never, the first length, or what is known; and certificates of the first two."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.questions import every_gain, random_question, truth
from tests.test_certify import EXAMPLES, certify, forged, stored
from tests.test_checker import SCHEMA, fits
from tokendemo_formal.attention import Alibi, Layer, Learned, Sinusoidal
from tokendemo_formal.certificates import cone
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.cli import main
from tokendemo_formal.errors import InputError, ScenarioError, UnsupportedError
from tokendemo_formal.numbers.enclosures import Enclosure
from tokendemo_formal.override import any_length
from tokendemo_formal.override.any_length import prepared
from tokendemo_formal.override.cone import ConeSearch
from tokendemo_formal.override.constraints import Constraints
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.outcome import Limits
from tokendemo_formal.override.question import Contest, Question, Readout, Share, Template
from tokendemo_formal.override.reading import norm_offset
from tokendemo_formal.override.run import Run
from tokendemo_formal.override.solve import solve
from tokendemo_formal.override.tables import Rays
from tokendemo_formal.scenario import parse_scenario, read_scenario

Node = dict[str, Any]
SYSTEM = 0


def votes_layer(scores: np.ndarray, values: np.ndarray) -> Layer:
    """A layer without positions of which each token's score and value, (n, H), are these, whatever the reader."""
    n, heads = scores.shape
    d = 2 * heads + 2
    embedding = np.hstack([scores, values, np.ones((n, 1)), np.zeros((n, 1))])
    wq, wk, wv, wo = np.zeros((heads, d, 1)), np.zeros((heads, d, 1)), np.zeros((heads, d, 1)), np.zeros((heads, 1, d))
    for h in range(heads):
        wq[h, -2, 0] = wk[h, h, 0] = wv[h, heads + h, 0] = wo[h, 0, -1] = 1.0
    rows = np.zeros((2, d))
    rows[0, -1] = 1.0
    return Layer(embedding, wq, wk, wv, wo, causal=False, unembedding=rows)


def votes_question(scores: Any, values: Any, threshold: Fraction) -> Question:
    """Token 0 is the template and the reader; the others are the adversary's."""
    layer = votes_layer(np.array(scores, dtype=float), np.array(values, dtype=float))
    readout = Readout(*layer.unembedding, threshold=threshold, rows=(0, 1))  # type: ignore[misc]
    return Question(layer, readout, (SYSTEM,), (), "first", 0, tuple(range(1, len(scores))))


def never_question(seed: int, heads: int, margin: float) -> Question:
    """A random layer whose largest gain over many mixtures is that far below 0."""
    rng = np.random.default_rng(seed)
    scores, values = 1.5 * rng.standard_normal((6, heads)), rng.standard_normal((6, heads))
    best = largest_of_mixtures(scores, values, rng, 20000)
    return votes_question(scores, values, Fraction(best + margin))


def largest_of_mixtures(scores: np.ndarray, values: np.ndarray, rng: np.random.Generator, draws: int) -> float:
    """The largest sum of the heads' means over random numbers of tokens beside token 0, and their limits."""
    logs = rng.uniform(-7, 7, (draws, len(scores))) * (rng.random((draws, len(scores))) < 0.5)
    x = np.where(rng.random(logs.shape) < 0.5, np.exp(logs), 0.0)
    x[: len(scores)] += np.eye(len(scores))
    b = np.exp(scores)
    kept = x.sum(axis=1) > 0
    return float(((x @ (b * values))[kept] / (x @ b)[kept]).sum(axis=1).max())


# Answers -----------------------------------------------------------------------------------------------------------


def test_an_override_that_does_not_persist() -> None:
    """r = -1/2, A = 0, B = 1, b = (10, 0.1), v = (1, -1): overridden by 1 to 9 tokens, not by 0, nor from 10 on."""
    question = votes_question([[0, 0], [math.log(10), math.log(0.1)]], [[0, 0], [1, -1]], Fraction(1, 2))
    answer = solve(question, "any-length")
    assert (answer.verdict, answer.minimum, answer.ruled_out, answer.slots) == ("override", 1, (0,), 1)
    verdicts = [solve(question.with_slots(length)).verdict for length in range(12)]
    assert verdicts == ["no-override", *["override"] * 9, *["no-override"] * 2]


def test_random_layers_without_positions_against_brute_force() -> None:
    tally: Counter[str] = Counter()
    for seed in range(48):
        rng = np.random.default_rng(seed)
        heads, vocabulary = 1 + seed % 4, int(rng.integers(2, 5))
        question = random_question(rng, heads, vocabulary, 1)
        question = replace(question, layer=replace(question.layer, positions=None))
        most = max(max(every_gain(question, length).values()) for length in range(4))
        threshold = Fraction(most + float(rng.choice([-0.1, 0.2, 0.5])))
        question = replace(question, readout=replace(question.readout, threshold=threshold))
        answer = solve(question, "any-length", time_limit=0.5)
        tally[answer.verdict] += 1
        gains = {length: max(every_gain(question, length).values()) for length in range(7)}
        overridden = [length for length, gain in gains.items() if gain > 0]
        assert not set(answer.ruled_out) & {*overridden}
        if answer.verdict == "never":
            assert answer.unlimited
            assert not overridden
            exact = ExactGain(question)
            for filling in [(t,) * 30 + (0,) * 10 for t in range(vocabulary)]:
                prompt = question.prompt(len(filling))
                assert exact.above(prompt.filled(filling), prompt.reader) is False
        elif answer.verdict == "override":
            assert answer.minimum is not None
            assert answer.ruled_out == tuple(range(answer.minimum))
            assert overridden[:1] in ([answer.minimum], []), (answer.minimum, overridden)
            assert bool(overridden) == (answer.minimum <= 6)
        if answer.upper is not None:
            assert max(gains.values()) <= answer.upper
    assert tally["never"] >= 8
    assert tally["override"] >= 20


@pytest.mark.parametrize("heads", [1, 2, 3, 4])
def test_tight_refusals(heads: int) -> None:
    for seed in range(4):
        question = never_question(seed, heads, 0.3)
        answer = solve(question, "any-length", node_limit=5000)
        if answer.verdict != "never":  # a mixture that the draws did not meet
            assert answer.assignment is not None


def test_lengths_with_positions_against_brute_force() -> None:
    tally: Counter[str] = Counter()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        question = random_question(rng, 1 + seed % 3, 3, 1)
        size = len(question.before) + len(question.after)
        table = Learned(rng.standard_normal((size + 4, question.layer.width)) / 2)
        question = replace(question, layer=replace(question.layer, positions=table))
        if seed % 5 == 0:  # the reader in a slot
            question = replace(question, after=(), reader="last", layer=replace(question.layer, causal=True))
        best = [max(every_gain(question, length).values()) for length in range(question.longest or 0)]
        offset = Fraction(max(best) + float(rng.choice([-0.02, 0.05])))
        question = replace(question, readout=replace(question.readout, threshold=offset))
        answer = solve(question, "any-length")
        tally[answer.verdict] += 1
        assert question.longest is not None
        first = next((n for n in range(question.longest + 1) if truth(question, n)[0]), None)
        assert answer.minimum == first
        assert answer.verdict == ("never" if first is None else "override")
        assert not answer.unlimited
        if first is None:
            assert answer.ruled_out == tuple(range(question.longest + 1))
    assert min(tally["never"], tally["override"]) >= 8


def test_one_head_needs_no_proof_for_each_length() -> None:
    question = votes_question([[0], [-6]], [[-1], [1]], Fraction(0))  # B = 1, A = -1, b = e^-6: m > e^6 = 403.4…
    answer = solve(question, "any-length")
    assert (answer.verdict, answer.minimum) == ("override", 404)
    assert answer.ruled_out == tuple(range(404))
    assert solve(question.with_slots(403)).verdict == "no-override"


@pytest.mark.parametrize(("weight", "minimum"), [(0, 2), (-3, 23), (-5, 165)])
def test_one_head_finds_the_first_length_below_a_known_one(weight: float, minimum: int) -> None:
    """The token that is best in large numbers, 404 of them, is not the one that needs fewest: m > e^-weight / 0.9."""
    question = votes_question([[0], [-6], [weight]], [[-1], [1], [0.9]], Fraction(0))
    for certify_ in (False, True) if minimum < 30 else (False,):
        answer = solve(question, "any-length", certify=certify_)
        assert (answer.verdict, answer.minimum) == ("override", minimum)
        assert answer.ruled_out == tuple(range(minimum))


def test_one_head_whose_best_mixture_is_no_shortest_override() -> None:
    """Many of token 1 have the largest gain, and 51 override; but of token 2 nine do: r = -1, B = 10, A = 0."""
    question = votes_question([[math.log(10)], [0], [math.log(100)]], [[0], [1.2], [1.012]], Fraction(1))
    for certify_it in (False, True):
        answer = solve(question, "any-length", certify=certify_it)
        assert (answer.minimum, answer.ruled_out) == (9, tuple(range(9)))
        assert answer.assignment == (2,) * 9
    assert solve(question.with_slots(12), "minimum").minimum == 9


def test_what_is_known_when_it_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(any_length, "MOST_LENGTHS", 12)
    far = votes_question([[0, 0], [-6, -6]], [[-1, -1], [1, 1]], Fraction(0))  # m > e^6 = 403.4…
    answer = solve(far, "any-length", certify=True)
    assert answer.verdict == "gave-up"
    assert answer.ruled_out == tuple(range(13))
    assert answer.assignment is not None
    assert len(answer.assignment) >= 404
    assert answer.margin is not None
    assert answer.margin.low > 0
    assert answer.unlimited
    assert answer.upper is not None
    assert 2 <= answer.upper < Fraction(2001, 1000)
    tie = votes_question([[0, 0], [0, 0]], [[-1, -1], [1, -1]], Fraction(0))  # the gain nears 0, and does not reach it
    answer = solve(tie, "any-length", time_limit=0.3)
    assert answer.verdict == "gave-up"
    assert answer.assignment is None
    assert answer.upper is not None
    assert 0 <= answer.upper < Fraction(1, 10**6)


def test_final_norms_over_all_lengths() -> None:
    """The reading's tangent, or its largest deviation, holds at every length."""
    kinds = Counter[str]()
    for seed in range(24):
        rng = np.random.default_rng(seed)
        question = random_question(rng, 2, 3, 1, final=True)
        question = replace(question, layer=replace(question.layer, positions=None))
        most = Fraction(max(max(every_gain(question, length).values()) for length in range(4)))
        offset = norm_offset(question)
        # Above all gains (of short lengths), or such that 0.01 is added to what the norm leaves.
        threshold = offset - Fraction(1, 100) if most < offset - Fraction(1, 10) else most + Fraction(2, 5)
        question = replace(question, readout=replace(question.readout, threshold=threshold))
        run = Run(prepared(question, "search"), "search", Limits(), None, False)
        kind = run.rays(run.question.prompt(1), (0,))[0].kind
        answer = solve(question, "any-length", node_limit=20, time_limit=0.2)
        kinds[f"{answer.verdict} {kind}"] += 1
        if answer.verdict == "never":
            assert all(max(every_gain(question, length).values()) <= 0 for length in range(5))
    assert kinds["never tangent"] >= 2, kinds
    assert kinds["never deviation"] >= 2, kinds


# Refused questions -------------------------------------------------------------------------------------------------


def test_questions_that_are_refused() -> None:
    question = votes_question([[0, 0], [1, 1]], [[0, 0], [1, 1]], Fraction(0))
    layer = question.layer
    for changed, error, text in (
        (replace(question, positions=(1, 2)), ScenarioError, "positions"),
        (replace(question, vocabulary=()), ScenarioError, "no token is left"),
        (replace(question, reader="last"), ScenarioError, "not the same token of the template"),
        (replace(question, reader=-1), ScenarioError, "not the same token of the template"),
        (replace(question, layer=replace(layer, causal=True)), ScenarioError, "can't see the slot"),
        (replace(question, layer=replace(layer, positions=Sinusoidal())), ScenarioError, 'Ask "minimum"'),
        (replace(question, layer=replace(layer, positions=Alibi(np.ones(2)))), ScenarioError, "no end"),
        (replace(question, also=(Template((1,), (0,), "last"),)), UnsupportedError, "one template"),
        (
            replace(question, contest=Contest(np.eye(3, layer.width), None, (0,), (1, 2))),
            UnsupportedError, "one row toward",
        ),
    ):  # fmt: skip
        with pytest.raises(error, match=text):
            solve(changed, "any-length")
    with pytest.raises(UnsupportedError, match="without constraints"):
        solve(replace(question, constraints=Constraints(distinct=True)), "any-length")
    with pytest.raises(InputError, match="engine search"):
        solve(question, "any-length", engine="z3")


def test_several_templates_with_positions() -> None:
    rng = np.random.default_rng(1)
    question = random_question(rng, 2, 4, 1)
    layer = replace(question.layer, positions=Learned(rng.standard_normal((8, question.layer.width))), causal=True)
    question = replace(question, layer=layer, before=(1, 2), after=(3,), also=(Template((0, 1, 2), (3,), "last"),))
    assert question.longest == 4
    threshold = Fraction(max(max(every_gain(question.with_template(0), n).values()) for n in range(5)) + 0.01)
    question = replace(question, readout=replace(question.readout, threshold=threshold))
    answer = solve(question, "any-length")
    assert (answer.verdict, answer.slots, answer.ruled_out) == ("never", 4, (0, 1, 2, 3, 4))


def test_a_share_without_positions_is_diluted(tmp_path: Path) -> None:
    """One system token of score s beside m of score 0: its share e^s / (e^s + m) is below 1/4 from m > 3 e^s on."""
    question = votes_question([[1], [0]], [[0], [0]], Fraction(0))
    question = replace(stored(question, tmp_path), readout=Share(Fraction(1, 4)))
    answer, path = certify(question, "any-length", tmp_path)
    assert (answer.verdict, answer.minimum) == ("override", math.floor(3 * math.e) + 1)
    assert check(path, tmp_path).kind == "valid"
    assert solve(question, "any-length").minimum == answer.minimum


# The search's and the checker's bounds -----------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 30))
def test_the_bound_holds_for_every_mixture(seed: int, heads: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    scores, values = 2 * rng.standard_normal((rows, heads)), rng.standard_normal((rows, heads))
    b = np.exp(scores - scores[:, :1])
    search = ConeSearch(Rays(Enclosure(-0.5), Enclosure(b * values), Enclosure(b), scores[:, 0]))
    for _ in range(4):
        assert search.bound >= largest_of_mixtures(scores, values, rng, 2000) - 0.5 or search.refuted
        assert search.bound >= search.best
        search.run(5, Limits(), to_the_end=True)
    if search.refuted:
        assert largest_of_mixtures(scores, values, rng, 2000) <= 0.5


numbers = st.fractions(-4, 4, max_denominator=8)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_what_a_cone_bounds(data: st.DataObject) -> None:
    """The rule in exact numbers: for any c, k and box, D_0 times the gain of any x in the box is at most Σ x q."""
    heads, count = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    positive = st.fractions(Fraction(1, 8), 8, max_denominator=8)

    def draw(number: st.SearchStrategy[Fraction], size: int) -> list[Fraction]:
        return data.draw(st.lists(number, min_size=size, max_size=size))

    b, a = ([draw(number, heads) for _ in range(count)] for number in (positive, numbers))
    x, c, k, (r,) = draw(positive, count), draw(numbers, heads), draw(numbers, heads), draw(numbers, 1)
    sums = [[sum((x[g] * row[g][h] for g in range(count)), Fraction(0)) for h in range(heads)] for row in (a, b)]
    lower, upper = [None], [None]  # type: list[fmpq | None], list[fmpq | None]
    for h in range(1, heads):  # around the ratio at x, or that of the root
        ratio = sums[1][h] / sums[1][0]
        ends = [
            None if data.draw(st.booleans()) else rational(ratio * s)
            for s in (draw(st.fractions(Fraction(1, 2), 1), 1)[0], 1 + draw(st.fractions(0, 1), 1)[0])
        ]
        lower.append(ends[0])
        upper.append(ends[1])
    with ctx.workprec(256):
        rows = [[arb(rational(y)) for y in (*b[g], *a[g])] for g in range(count)]
        generators = cone.Generators.of(arb(rational(r)), rows)
        of = cone.Factors([*map(rational, c)], [*map(rational, k)])
        q = generators.values(cone.Box(tuple(lower), tuple(upper)), of, range(count))
        gain = sums[1][0] * (r + sum(n / d for n, d in zip(*sums, strict=True)))
        bound = sum((arb(rational(weight)) * value for weight, value in zip(x, q, strict=True)), arb(0))
        assert not bound < arb(rational(gain))


def rational(x: Fraction | int) -> fmpq:
    return fmpq(Fraction(x).numerator, Fraction(x).denominator)


# Certificates ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 'never' with boxes, of a layer of three heads without positions."""
    directory = tmp_path_factory.mktemp("never")
    question = never_question(0, 3, 0.1)
    layer = question.layer
    question = replace(stored(question, directory), readout=replace(question.readout, rows=(0, 1)))
    assert layer.positions is None
    answer, path = certify(question, "any-length", directory)
    assert answer.verdict == "never"
    verdict = check(path, directory)
    assert verdict.kind == "valid", verdict
    assert verdict.claim.startswith("No number of tokens has a gain above 0.\n")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(fits(line, SCHEMA) for line in lines[1:])
    nodes = Counter(line.get("node") for line in lines)
    assert nodes["cone"] == nodes["box"] + 1 >= 3
    return path


def _boxes(lines: list[Node]) -> list[Node]:
    return [line for line in lines if line.get("node") == "box"]


def _cones(lines: list[Node]) -> list[Node]:
    return [line for line in lines if line.get("node") == "cone"]


def _resealed(change: Callable[[Node], None]) -> Callable[[list[Node]], None]:
    """A change of the question, with the hash made to fit."""
    import hashlib

    def forge(lines: list[Node]) -> None:
        change(lines[1])
        text = json.dumps(lines[1], separators=(",", ":"))
        manifest = "".join(f"{digest}  {name}\n" for name, digest in sorted(lines[0]["files"].items()))
        manifest += f"{hashlib.sha256(text.encode()).hexdigest()}  question\n"
        lines[0]["hash"] = hashlib.sha256(manifest.encode()).hexdigest()

    return forge


FORGERIES: dict[str, tuple[str, Callable[[list[Node]], Any]]] = {
    "a cone of zeros": ("invalid", lambda lines: _cones(lines)[0].update(c=["0"] * 3, k=["0"] * 3)),
    "a child missing": ("invalid", lambda lines: lines.pop()),
    "a node too many": ("invalid", lambda lines: lines.append(lines[-1])),
    "the tree cut at its root": ("invalid", lambda lines: lines.__setitem__(slice(3, None), _cones(lines)[:1])),
    "the same half twice": ("invalid", lambda lines: [box.update(ratio="1/1000000") for box in _boxes(lines)]),
    "no section": ("invalid", lambda lines: lines.pop(2)),
    "a section of one length": ("invalid", lambda lines: lines[2].update(section=1)),
    "another bound": ("invalid", lambda lines: lines[2].update(bound="1")),
    "lengths": ("invalid", lambda lines: lines[0].update(lengths=[0, 1])),
    "lengths twice": ("malformed", lambda lines: lines[0].update(lengths=[1, 1])),
    "a witness": ("malformed", lambda lines: lines[0].update(witness=[1])),
    "another claim": ("malformed", lambda lines: lines[0].update(claim="no-override")),
    "a ratio of 0": ("malformed", lambda lines: _boxes(lines)[0].update(ratio="0")),
    "a negative ratio": ("malformed", lambda lines: _boxes(lines)[0].update(ratio="-1")),
    "the first head's ratio": ("malformed", lambda lines: _boxes(lines)[0].update(head=0)),
    "a head that is not there": ("malformed", lambda lines: _boxes(lines)[0].update(head=3)),
    "a head that is no number": ("malformed", lambda lines: _boxes(lines)[0].update(head=True)),
    "too few multipliers": ("malformed", lambda lines: _cones(lines)[0].update(k=["0"])),
    "multipliers that are no list": ("malformed", lambda lines: _cones(lines)[0].update(c="0")),
    "a number that is a float": ("malformed", lambda lines: _cones(lines)[0].update(c=[0.5] * 3)),
    "an unknown key": ("malformed", lambda lines: _cones(lines)[0].update(joint=[])),
    "a leaf": ("malformed", lambda lines: lines.__setitem__(3, {"node": "leaf", "c": ["0"] * 3})),
    "slots at positions": ("malformed", _resealed(lambda question: question.update(positions=[1]))),
    "a reader that moves": ("malformed", _resealed(lambda question: question.update(reader="last"))),
    "a reader that moves, counted": ("malformed", _resealed(lambda question: question.update(reader=-1))),
    "a reader that sees no slot": ("malformed", _resealed(lambda question: question["layer"].update(causal=True))),
    "no vocabulary": ("malformed", _resealed(lambda question: question.update(vocabulary=[]))),
    "positions without end": (
        "malformed", _resealed(lambda question: question["layer"].update(positions="sinusoidal", base="100")),
    ),
    "several templates": (
        "unsupported", _resealed(lambda question: question.update(also=[{"before": [0], "after": [], "reader": 0}])),
    ),
    "constraints": ("unsupported", _resealed(lambda question: question.update(distinct=True))),
    "a lower threshold": ("invalid", _resealed(lambda question: question.update(threshold="-5"))),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_proofs_of_never(proof: Path, name: str) -> None:
    kind, forge = FORGERIES[name]
    verdict = forged(proof, forge)
    assert verdict.kind == kind, verdict
    assert not verdict.claim


def test_each_multiplier_matters_or_the_claim_still_holds(proof: Path) -> None:
    """c and k of each cone moved: what is accepted all the same is accepted by the rule, not for want of looking."""
    count = len(_cones([json.loads(line) for line in proof.read_text().splitlines()]))
    kinds = Counter[str]()
    for number, key in itertools.product(range(0, count, max(1, count // 8)), "ck"):

        def forge(lines: list[Node], number: int = number, key: str = key) -> None:
            moved = [float.fromhex(x) + 1.5 * (h > 0) for h, x in enumerate(_cones(lines)[number][key])]
            _cones(lines)[number][key] = [x.hex() for x in moved]

        kinds[forged(proof, forge).kind] += 1
    assert kinds["invalid"] >= count // 4
    assert {*kinds} <= {"valid", "invalid", "undecided"}


@pytest.mark.parametrize("high", [0, 1, 2])
def test_the_template_and_every_token_are_looked_at(high: int, tmp_path: Path) -> None:
    """One of the three has the vote 1, above the threshold; the cone is that of a threshold above all votes."""
    votes = [[1 if row == high else -1] for row in range(3)]
    question = stored(votes_question([[0], [0], [0]], votes, Fraction(2)), tmp_path)
    answer, path = certify(question, "any-length", tmp_path)
    assert answer.verdict == "never"
    assert check(path, tmp_path).kind == "valid"
    assert forged(path, _resealed(lambda line: line.update(threshold="0"))).kind == "invalid"


def test_a_tie_is_undecided(tmp_path: Path) -> None:
    """The gain nears 0 and is not above it, but no ball tells."""
    question = votes_question([[0], [1 / 3]], [[-1], [1 / 3]], Fraction(1 / 3))
    question = stored(question, tmp_path)
    loosened = replace(question, readout=replace(question.readout, threshold=Fraction(2)))
    _, path = certify(loosened, "any-length", tmp_path)

    def tie(line: Node) -> None:
        line["threshold"] = str(Fraction(1 / 3))

    verdict = forged(path, _resealed(tie))
    assert (verdict.kind, verdict.exit_code) == ("undecided", 3)


def test_never_up_to_the_last_position(tmp_path: Path) -> None:
    """Every length has its section, and the checker knows which is the last."""
    rng = np.random.default_rng(5)
    question = random_question(rng, 2, 3, 1)
    layer = replace(question.layer, positions=Learned(rng.standard_normal((6, question.layer.width))), causal=True)
    question = replace(question, layer=layer, before=(0, 1), after=(2,), reader="last")
    most = max(max(every_gain(question, n).values()) for n in range(4))
    question = replace(question, readout=replace(question.readout, threshold=Fraction(most + 0.1)))
    answer, path = certify(stored(question, tmp_path), "any-length", tmp_path)
    assert (answer.verdict, answer.slots) == ("never", 3)
    verdict = check(path, tmp_path)
    assert verdict.kind == "valid", verdict
    assert verdict.claim.startswith("No number of tokens from 0 to 3, the most that the layer has positions for, has")

    def shorter(lines: list[Node]) -> None:
        lines[0]["lengths"] = [0, 1, 2]
        last = next(i for i, line in enumerate(lines) if line.get("section") == 3)
        del lines[last:]

    assert forged(path, shorter).kind == "invalid"
    assert forged(path, lambda lines: lines[0].update(lengths=[])).kind == "invalid"
    assert forged(path, lambda lines: lines[0].update(claim="no-override")).kind == "valid"
    swapped = forged(
        path, lambda lines: lines.__setitem__(slice(2, None), [{**lines[2], "section": "all"}, *lines[3:]])
    )
    assert swapped.kind == "invalid"


def test_random_certificates_of_any_length(tmp_path: Path) -> None:
    kinds = set()
    for seed in range(16):
        rng = np.random.default_rng(seed)
        question = random_question(rng, 1 + seed % 4, 4, 1, final=seed % 5 == 0)
        question = replace(question, layer=replace(question.layer, positions=None))
        most = max(max(every_gain(question, length).values()) for length in range(3))
        threshold = Fraction(most + float(rng.choice([-0.05, 0.3, 0.6])))
        question = replace(question, readout=replace(question.readout, threshold=threshold))
        directory = tmp_path / str(seed)
        question = stored(question, directory)
        if solve(question, "any-length", node_limit=500, time_limit=1).verdict == "gave-up":
            continue
        answer, path = certify(question, "any-length", directory)
        verdict = check(path, directory)
        assert verdict.kind == "valid", (seed, verdict)
        kinds.add(answer.verdict)
    assert kinds == {"never", "override"}


# Scenarios and the command line ------------------------------------------------------------------------------------


def test_the_guard_is_overridden_by_some_number_of_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (EXAMPLES / "guard_maximum.toml").read_text().replace('ask = "maximum"', 'ask = "any-length"')
    path = tmp_path / "question.toml"
    path.write_text(text.replace("slots = 2\n", ""))
    assert main(["solve", str(path), "--certificate", str(tmp_path / "proof.jsonl"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ask"], answer["verdict"], answer["minimum"]) == ("any-length", "override", 5)
    assert main(["check", str(tmp_path / "proof.jsonl")]) == 0
    path.write_text(text)  # slots have no part in it
    assert main(["solve", str(path)]) == 0
    assert "The shortest override has 5 tokens" in capsys.readouterr().out.replace("\n", " ")


def test_the_guard_is_never_overridden_by_some_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario, path = EXAMPLES / "guard_any_length.toml", str(tmp_path / "proof.jsonl")
    assert main(["solve", str(scenario), "--certificate", path]) == 0
    assert capsys.readouterr().out.startswith(
        "Never: no override with any number of tokens that the layer has positions"
    )
    assert main(["check", path]) == 0
    assert "No number of tokens from 0 to 24" in capsys.readouterr().out


def test_slots_are_needed_by_every_other_ask(capsys: pytest.CaptureFixture[str]) -> None:
    scenario = EXAMPLES / "guard_any_length.toml"
    assert read_scenario(scenario).slots is None
    assert main(["solve", str(scenario), "--ask", "minimum"]) == 2
    assert "adversary.slots: missing" in capsys.readouterr().err
    assert main(["solve", str(scenario), "--ask", "exists", "--slots", "1"]) == 0
    with pytest.raises(ScenarioError, match=r"adversary\.slots: missing"):
        parse_scenario(scenario.read_text().replace("any-length", "exists"))


def test_reports_of_a_layer_without_positions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = votes_question([[0, 0], [-2, 2], [2, -2]], [[0, 0], [1, -1], [-1, 1]], Fraction(1, 2))
    stored(question, tmp_path / "model")
    path = tmp_path / "question.toml"
    path.write_text(
        'ask = "any-length"\n[model]\nsource = "model"\n[template]\nbefore = [0]\nreader = "first"\n'
        "[readout]\ntoward = 0\nagainst = 1\nthreshold = 0.5\n[adversary]\nvocabulary = [1, 2]\n"
    )
    proof = str(tmp_path / "proof.jsonl")
    assert main(["solve", str(path), "--certificate", proof, "--float32"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Never: no number of tokens, however large, has an assignment that makes the margin")
    assert "float32     not bounded" in printed
    assert main(["solve", str(path), "--json", "--votes"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verdict"], answer["unlimited"], answer["slots"]) == ("never", True, None)
    assert main(["check", proof, "--model", str(tmp_path / "model")]) == 0
    assert "No number of tokens has a gain above 0." in capsys.readouterr().out
