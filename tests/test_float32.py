"""The bound on float32 runs against float32 runs: NumPy's and torch's, in several orders of summation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.float32_runs import F32, ORDERS, Array, Run, distances, forward
from tests.strategies import build_layer, cases
from tokendemo_formal.attention import Layer, Learned, Norm, softmax
from tokendemo_formal.errors import UnsupportedError
from tokendemo_formal.models import load_model
from tokendemo_formal.models.model import BUNDLED
from tokendemo_formal.numbers.balls import precision
from tokendemo_formal.numbers.enclosures import Enclosure
from tokendemo_formal.override import float32
from tokendemo_formal.override.float32 import (
    Approximate,
    affine,
    float32_distance,
    float32_runs,
    gamma,
    normed,
    plus,
    times,
    wave_error,
)
from tokendemo_formal.override.question import Question, Readout
from tokendemo_formal.override.solve import solve
from tokendemo_formal.scenario import read_scenario


def asked_of(layer: Layer, rng: np.random.Generator, *, final: bool = True) -> Question:
    rows = rng.standard_normal((2, layer.width))
    readout = Readout(*rows, *rng.standard_normal(2), threshold=Fraction(1, 7), final_norm=final)
    return Question(layer, readout, (1, 2), (3,), "last", 2, tuple(range(4, 9)))


# Random layers -----------------------------------------------------------------------------------------------------

CASES = [*cases()]


def ratio(question: Question, assignment: tuple[int, ...] = (4, 5)) -> float:
    """The largest measured distance in parts of the bound."""
    bound = float32_distance(question, assignment)
    assert 0 < bound < np.inf
    return max(distances(question, assignment)) / bound


@pytest.mark.parametrize("index", range(len(CASES)))
def test_no_run_is_farther_than_the_bound(index: int) -> None:
    name, layer = CASES[index]
    gain = (0.01, 1.0, 5.0, 60.0)[index % 4]
    layer = replace(layer, wq=layer.wq * gain)
    for final in (True, False):
        assert ratio(asked_of(layer, np.random.default_rng(index), final=final)) <= 1, name


def plain(rng: np.random.Generator, **choice: Any) -> Layer:
    return build_layer(rng, {"heads": (1, 1), "residual": False} | choice)


def cancelling_rows(rng: np.random.Generator) -> Question:
    layer = plain(rng, positions="learned")
    assert isinstance(layer.positions, Learned)
    far = 1000.0 * rng.standard_normal(layer.width)
    return asked_of(
        replace(layer, embedding=layer.embedding + far, positions=Learned(layer.positions.table - far)), rng
    )


def far_from_the_mean(rng: np.random.Generator) -> Question:
    layer = plain(rng, input_norm="layer")
    return asked_of(replace(layer, embedding=layer.embedding + 20.0), rng)


def cancelling_keys(rng: np.random.Generator) -> Question:
    layer = plain(rng, biases="qkv")
    assert layer.bk is not None
    token = layer.embedding[3]
    layer = replace(layer, embedding=token + layer.embedding / 100, wk=layer.wk * 100)
    return asked_of(replace(layer, bk=-np.einsum("d,gdh->gh", token, layer.wk)), rng)


def cancelling_values(rng: np.random.Generator) -> Question:
    layer = plain(rng, biases="qkv")
    token = layer.embedding[3]
    layer = replace(layer, embedding=token + layer.embedding / 1e5, wv=layer.wv * 1e5, wq=0 * layer.wq)
    return asked_of(replace(layer, bq=None, bv=-np.einsum("d,gdh->gh", token, layer.wv)), rng)


def large_score_biases(rng: np.random.Generator) -> Question:
    layer = plain(rng, score_bias=True)
    assert layer.score_bias is not None
    return asked_of(replace(layer, score_bias=layer.score_bias + 3000.0), rng)


def cancelling_outputs(rng: np.random.Generator) -> Question:
    layer = plain(rng, residual=True)
    far = 1000.0 * rng.standard_normal(layer.width)
    return asked_of(replace(layer, embedding=layer.embedding / 100 + far, bo=-far, wq=0 * layer.wq), rng)


def nearby_logits(rng: np.random.Generator) -> Question:
    question = asked_of(plain(rng), rng)
    common = 1000.0 * rng.standard_normal(question.layer.width)
    readout = replace(
        question.readout, toward=question.readout.toward + common, against=question.readout.against + common
    )
    return replace(question, readout=readout)


def far_before_the_final_norm(rng: np.random.Generator) -> Question:
    layer = plain(rng, final_norm="layer", residual=True)
    return asked_of(replace(layer, embedding=layer.embedding + 20.0, wq=0 * layer.wq, wv=layer.wv / 1000), rng)


def wide_scores(rng: np.random.Generator) -> Question:
    layer = plain(rng)
    return asked_of(replace(layer, wq=layer.wq * 30), rng)


FAMILIES = [
    cancelling_rows, far_from_the_mean, cancelling_keys, cancelling_values, large_score_biases, cancelling_outputs,
    nearby_logits, far_before_the_final_norm, wide_scores,
]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bound_is_no_far_cry(family: Callable[[np.random.Generator], Question]) -> None:
    """Layers in which one step loses most of the digits: without its term, runs would be farther than the bound."""
    ratios = [ratio(family(np.random.default_rng(seed))) for seed in range(12)]
    assert 1 / 500 < max(ratios) <= 1


# Steps -------------------------------------------------------------------------------------------------------------

seeds = st.integers(0, 2**32 - 1)


def near(rng: np.random.Generator, *shape: int) -> tuple[Approximate, Array]:
    """Exact numbers with their errors, and float32 numbers that are off by exactly as much."""
    exact = rng.standard_normal(shape) * 10.0 ** rng.integers(-2, 3)
    run = (exact + rng.choice([0.0, 1e-6, 1e-3]) * rng.standard_normal(shape)).astype(F32)
    return Approximate(Enclosure(exact), Enclosure(np.abs(run - exact))), run


def off(x: Approximate, run: Array) -> float:
    """The largest error of a float32 result in parts of what is allowed."""
    return float((np.abs(run.astype(np.float64) - x.value.mid) / (x.error.upper + 1e-13 * np.abs(x.value.mid))).max())


@given(seeds)
def test_sums_and_products(seed: int) -> None:
    rng = np.random.default_rng(seed)
    terms = [near(rng, 3, 4) for _ in range(rng.integers(1, 5))]
    (a, x), (b, y) = near(rng, 3, 4), near(rng, 3, 1)
    assert off(times(a, b, 1), x * y) <= 1
    for total in ORDERS.values():
        assert off(plus(*(t for t, _ in terms)), total(np.stack([r for _, r in terms], axis=-1))) <= 1


@given(seeds)
def test_projections(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d, k = rng.integers(1, 9, size=2)
    rows, x = near(rng, 3, d)
    weights, bias = rng.standard_normal((d, k)), rng.standard_normal(k) if rng.random() < 0.5 else None
    for total, plain in itertools.product(ORDERS.values(), (True, False)):
        run = Run(CASES[0][1], total, plain).dot(x, weights, bias)
        assert off(affine(rows, weights, bias), run) <= 1


@given(seeds)
def test_norms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = int(rng.integers(2, 9))
    bias = rng.standard_normal(d) if rng.random() < 0.5 else None
    norm = Norm(("layer", "rms")[rng.integers(2)], rng.standard_normal(d), bias, float(10.0 ** rng.integers(-6, 0)))
    rows, x = near(rng, 3, d)
    rows = Approximate(rows.value + 3.0, rows.error)
    x = (rows.value.mid + rows.error.mid * rng.uniform(-1, 1, x.shape)).astype(F32)
    rows = Approximate(rows.value, Enclosure(np.abs(x - rows.value.mid)))
    try:
        bound = normed(norm, rows)
    except UnsupportedError:
        return
    for total, plain in itertools.product(ORDERS.values(), (True, False)):
        assert off(bound, Run(CASES[0][1], total, plain).norm(norm, x)) <= 1


@given(seeds)
def test_waves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base, dims, position = float(rng.uniform(2, 1e6)), 2 * int(rng.integers(1, 65)), int(rng.integers(0, 100_000))
    run = Run(CASES[0][1], forward, True)
    for i in range(dims // 2):
        with precision(128):
            angle = flint.arb(base) ** flint.arb(flint.fmpq(-2 * i, dims)) * position
            exact = float(angle.cos()), float(angle.sin())
        error = np.abs(np.array(run.waves(base, i, dims, position), dtype=np.float64) - exact).max()
        assert error <= wave_error(base, i, dims, position)


# All assignments, limits, answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(0, len(CASES), 6))
def test_all_assignments_at_once(index: int) -> None:
    name, layer = CASES[index]
    question = replace(asked_of(layer, np.random.default_rng(index), final=False), vocabulary=(4, 5, 6))
    bound = float32_distance(question)
    for assignment in itertools.product(question.vocabulary, repeat=2):
        assert max(distances(question, assignment)) <= bound, name
        assert float32_distance(question, assignment) <= bound * (1 + 1e-9), name


def test_the_reader_in_a_slot() -> None:
    layer = plain(np.random.default_rng(0), positions="learned")
    question = replace(asked_of(layer, np.random.default_rng(0)), after=(), vocabulary=(4, 5, 6))
    bound = float32_distance(question)
    for assignment in itertools.product(question.vocabulary, repeat=2):
        assert max(distances(question, assignment)) <= bound


def test_large_vocabularies_come_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    question = asked_of(CASES[1][1], np.random.default_rng(0), final=False)
    whole = float32_distance(question)
    monkeypatch.setattr(float32, "_CHUNK", 2)
    assert float32_distance(question) == pytest.approx(whole, rel=1e-12)


def test_what_has_no_bound() -> None:
    rng = np.random.default_rng(0)
    layer = plain(rng, final_norm="layer")
    with pytest.raises(UnsupportedError, match="final norm"):
        float32_distance(asked_of(layer, rng))
    for wrong, why in (
        (replace(layer, embedding=layer.embedding * 1e38), "overflow"),
        (replace(layer, wv=layer.wv * 1e-40), "below float32's normal numbers"),
        (replace(layer, wq=layer.wq * 1e12), "scores by more than 40"),
        (replace(layer, pre_norm=Norm("layer", np.ones(6), None, 1e-6), embedding=layer.embedding + 1e5), "variance"),
        (replace(layer, normaliser=lambda numbers, scores: softmax(numbers, scores)), "softmax"),
    ):
        with pytest.raises(UnsupportedError, match=why):
            float32_distance(asked_of(wrong, rng, final=False), (4, 5))
    with pytest.raises(UnsupportedError, match="every digit"):
        gamma(2**23)


def test_the_bound_grows_with_the_outputs() -> None:
    """Twice the outputs lose twice as much; the rest of the margin, what it did."""
    question = asked_of(plain(np.random.default_rng(0), residual=True), np.random.default_rng(0), final=False)
    double = replace(question, layer=replace(question.layer, wo=question.layer.wo * 2))
    assert (
        float32_distance(question, (4, 5)) < float32_distance(double, (4, 5)) < 2 * float32_distance(question, (4, 5))
    )


def test_answers() -> None:
    question = replace(asked_of(plain(np.random.default_rng(3)), np.random.default_rng(3)), slots=1)
    answer = solve(question, "maximum")
    assert answer.margin is not None
    found = float32_runs(question, answer)
    assert found.witness
    assert found.distance == float32_distance(question, answer.assignment)
    near_tie = replace(question.readout, threshold=question.readout.threshold + answer.margin.low - Fraction(1, 10**9))
    close = replace(question, readout=near_tie)
    assert found.same_side
    assert float32_runs(close, solve(close)).same_side is None
    refused = replace(question, readout=replace(near_tie, threshold=near_tie.threshold + 1))
    answer = solve(refused, "minimum")
    assert answer.verdict == "no-override"
    found = float32_runs(refused, answer)
    assert not found.witness
    assert found.distance == max(float32_distance(refused.with_slots(m)) for m in (0, 1))
    # what such a bound is for: a refusal for every float32 run
    assert found.distance is not None
    lowered = replace(near_tie, threshold=near_tie.threshold + 1 - Fraction(found.distance))
    assert solve(replace(question, readout=lowered), "minimum").verdict == "no-override"


# Real models -------------------------------------------------------------------------------------------------------


def test_the_guard() -> None:
    question = read_scenario(BUNDLED / "guard" / "demo.toml").question()
    answer = solve(question, "minimum")
    assert answer.assignment is not None
    assert answer.margin is not None
    bound = float32_distance(question, answer.assignment)
    assert max(distances(question, answer.assignment)) <= bound < answer.margin.low
    assert bound < 0.01


@pytest.mark.parametrize("name", ["stories260k-llama-hf", "makemore-names-gpt2-hf", "nanogpt-sort-gpt2-hf",
                                  "sorting-model1-tl", "modadd59-l8k1hzciux-tl", "microgpt-lean-1l-tl"])  # fmt: skip
def test_small_real_models(name: str, shared_models: Path) -> None:
    layer = load_model(str(shared_models / name)).layer(0)
    rows = layer.embedding if layer.unembedding is None else layer.unembedding
    length = min(6, layer.context or 6)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        tokens = tuple(int(t) for t in rng.integers(layer.vocabulary, size=length))
        a, b = rng.choice(len(rows), 2, replace=False)
        readout = Readout(rows[a], rows[b], final_norm=layer.final_norm is not None)
        question = Question(layer, readout, tokens[:-1], (), "last", 1, tokens[-1:])
        assert 1e-6 < ratio(question, tokens[-1:]) <= 1


@pytest.mark.slow
def test_the_encoder(encoder_directory: Path) -> None:
    """Twelve heads of width 32: sums of 384 terms."""
    question = read_scenario(Path(__file__).parents[1] / "examples" / "encoder_minimum.toml").question()
    assignment = (26580, 28339, 26894, 26894, 26580)
    assert 1e-6 < ratio(question, assignment) <= 1
