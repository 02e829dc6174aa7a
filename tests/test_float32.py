"""The bound on float32 runs against float32 runs: NumPy's and torch's, in several orders of summation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import build_layer, cases
from tokendemo_formal.attention import Alibi, Layer, Learned, Norm, Rotary, Sinusoidal, softmax
from tokendemo_formal.errors import UnsupportedError
from tokendemo_formal.models import load_model
from tokendemo_formal.models.model import BUNDLED
from tokendemo_formal.numbers.balls import endpoints, precision
from tokendemo_formal.numbers.enclosures import Enclosure
from tokendemo_formal.override import float32
from tokendemo_formal.override.exact import ExactGain
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

F32 = np.float32
Array = Any


# Runs --------------------------------------------------------------------------------------------------------------


def forward(x: Array) -> Array:
    """The sum along the last axis, one after the other."""
    return np.cumsum(x, axis=-1, dtype=F32)[..., -1]


def backward(x: Array) -> Array:
    return forward(x[..., ::-1])


def smallest_first(x: Array) -> Array:
    return forward(np.take_along_axis(x, np.abs(x).argsort(axis=-1), axis=-1))


def by_halves(x: Array) -> Array:
    while x.shape[-1] > 1:
        odd = x[..., -1:] if x.shape[-1] % 2 else x[..., :0]
        x = np.concatenate([x[..., :-1:2] + x[..., 1::2], odd], axis=-1)
    return x[..., 0]


ORDERS: dict[str, Callable[[Array], Array]] = {
    "forward": forward,
    "backward": backward,
    "smallest first": smallest_first,
    "by halves": by_halves,
}


@dataclass
class Run:
    """A float32 run in NumPy: ``total`` sums along the last axis; ``plain`` chooses among the ways that are allowed."""

    layer: Layer
    total: Callable[[Array], Array]
    plain: bool

    def dot(self, x: Array, w: Any, b: Any = None) -> Array:
        w = np.asarray(w, dtype=F32)
        products = x[..., None, :] * w.T
        if b is None:
            return self.total(products)
        bias = np.broadcast_to(np.asarray(b, dtype=F32)[:, None], (*products.shape[:-1], 1))
        return self.total(np.concatenate([bias, products] if self.plain else [products, bias], axis=-1))

    def norm(self, norm: Norm | None, x: Array) -> Array:
        if norm is None:
            return x
        d, eps = F32(x.shape[-1]), F32(norm.eps)
        mean = self.total(x)[..., None] / d if norm.centred else F32(0)
        if self.plain:
            centred = x - mean
            y = centred / np.sqrt(self.total(centred * centred)[..., None] / d + eps)
        else:
            factor = F32(1) / np.sqrt(self.total(x * x)[..., None] / d - mean * mean + eps)
            y = x * factor - mean * factor
        y = y * norm.gain.astype(F32)
        return y if norm.bias is None else y + norm.bias.astype(F32)

    def waves(self, base: float, i: int, dims: int, position: int) -> tuple[Any, Any]:
        angle = F32(position) * (F32(1) / F32(base) ** (F32(2 * i) / F32(dims)))
        return np.cos(angle), np.sin(angle)

    def row(self, token: int, position: int) -> Array:
        layer, places = self.layer, self.layer.positions
        terms = [layer.embedding[token].astype(F32)]
        if layer.offset is not None:
            terms.append(layer.offset.astype(F32))
        if isinstance(places, Learned):
            terms.append(places.table[position].astype(F32))
        if isinstance(places, Sinusoidal):
            waves = [self.waves(places.base, i // 2, layer.width, position) for i in range(layer.width)]
            terms.append(np.array([w[0] if i % 2 else w[1] for i, w in enumerate(waves)], dtype=F32))
        return self.norm(layer.embedding_norm, self.total(np.stack(terms, axis=-1)))

    def turned(self, x: Array, position: int) -> Array:
        rotary = self.layer.positions
        if not isinstance(rotary, Rotary):
            return x
        dims, x = (x.shape[-1] if rotary.dims is None else rotary.dims), x.copy()
        for i in range(dims // 2):
            a, b = (i, i + dims // 2) if rotary.pairing == "half" else (2 * i, 2 * i + 1)
            cos, sin = self.waves(rotary.base, i, dims, position)
            x[a], x[b] = x[a] * cos - x[b] * sin, x[b] * cos + x[a] * sin
        return x

    def logits(self, question: Question, tokens: tuple[int, ...], reader: int) -> tuple[Any, Any]:
        layer, readout = self.layer, question.readout
        seen = [p for p in range(len(tokens)) if layer.sees(reader, p)]
        own = self.row(tokens[reader], reader)
        y = {p: self.norm(layer.pre_norm, self.row(tokens[p], p)) for p in {*seen, reader}}
        factor = np.sqrt(F32(float(layer.scale_squared or Fraction(1, layer.wq.shape[2])))) / F32(layer.temperature)
        outputs = []
        for h in range(layer.heads):
            g = layer.group_of(h)
            q = self.dot(y[reader], layer.wq[h], None if layer.bq is None else layer.bq[h])
            q = self.turned(self.norm(layer.query_norm, q), reader)
            keys, values, biases = [], [], []
            for p in seen:
                k = self.dot(y[p], layer.wk[g], None if layer.bk is None else layer.bk[g])
                keys.append(self.turned(self.norm(layer.key_norm, k), p))
                values.append(self.dot(y[p], layer.wv[g], None if layer.bv is None else layer.bv[g]))
                bias = F32(0)
                if isinstance(layer.positions, Alibi):
                    bias -= F32(layer.positions.slopes[h]) * F32(abs(reader - p))
                if layer.score_bias is not None:
                    bias += F32(layer.score_bias[h, reader, p])
                biases.append(bias)
            k, v, bias = np.stack(keys), np.stack(values), np.array(biases, dtype=F32)
            scores = (self.total(q * k) * factor if self.plain else self.total(q * factor * k)) + bias
            e = np.exp(scores - scores.max())
            if self.plain:
                outputs.append(self.total((v * (e / self.total(e))[:, None]).T))
            else:
                outputs.append(self.total((v * e[:, None]).T) / self.total(e))
        mixed = np.concatenate(outputs)
        z = self.dot(mixed, layer.wo.reshape(len(mixed), -1), layer.bo)
        z = z + own if layer.residual else z
        z = self.norm(layer.final_norm if readout.final_norm else None, z)
        rows = zip((readout.toward, readout.against), (readout.toward_bias, readout.against_bias), strict=True)
        return tuple(self.dot(z, row.reshape(-1, 1), np.array([bias]))[0] for row, bias in rows)  # type: ignore[return-value]


def torch_logits(question: Question, tokens: tuple[int, ...], reader: int) -> tuple[Any, Any]:
    """By torch's own layer_norm, linear and scaled_dot_product_attention, for layers without rotation and QK-norm."""
    layer, readout = question.layer, question.readout

    def t(x: Any) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.asarray(x, dtype=F32)))

    def norm(norm: Norm | None, x: torch.Tensor) -> torch.Tensor:
        if norm is None:
            return x
        bias = None if norm.bias is None else t(norm.bias)
        if norm.centred:
            return torch.nn.functional.layer_norm(x, x.shape[-1:], t(norm.gain), bias, norm.eps)
        y = torch.nn.functional.rms_norm(x, x.shape[-1:], t(norm.gain), norm.eps)
        return y if bias is None else y + bias

    seen = [p for p in range(len(tokens)) if layer.sees(reader, p)]
    x = t(layer.embedding)[list(tokens)]
    if layer.offset is not None:
        x = x + t(layer.offset)
    if isinstance(layer.positions, Learned):
        x = x + t(layer.positions.table)[: len(tokens)]
    own = norm(layer.embedding_norm, x)
    y = norm(layer.pre_norm, own)
    share = layer.heads // layer.groups

    def heads(w: Any, b: Any, rows: torch.Tensor) -> torch.Tensor:
        joined, n = t(np.concatenate([*w], axis=1).T), len(w)
        out = torch.nn.functional.linear(rows, joined, None if b is None else t(np.concatenate([*b])))
        return out.reshape(len(rows), n, -1).transpose(0, 1)

    q = heads(layer.wq, layer.bq, y[[reader]])
    k, v = (heads(w, b, y[seen]).repeat_interleave(share, 0) for w, b in ((layer.wk, layer.bk), (layer.wv, layer.bv)))
    bias = torch.zeros(layer.heads, 1, len(seen))
    if isinstance(layer.positions, Alibi):
        bias = bias - t(layer.positions.slopes)[:, None, None] * t([abs(reader - p) for p in seen])
    if layer.score_bias is not None:
        bias = bias + t(layer.score_bias)[:, [reader]][:, :, seen]
    scale = float(layer.scale_squared or Fraction(1, layer.wq.shape[2])) ** 0.5 / layer.temperature
    mixed = torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None], bias[None], scale=scale)[0]
    z = torch.nn.functional.linear(
        mixed.transpose(0, 1).reshape(1, -1),
        t(layer.wo.reshape(-1, layer.width).T),
        None if layer.bo is None else t(layer.bo),
    )
    z = norm(layer.final_norm if readout.final_norm else None, z + own[[reader]] if layer.residual else z)
    logits = torch.nn.functional.linear(
        z, t([readout.toward, readout.against]), t([readout.toward_bias, readout.against_bias])
    )
    return logits[0, 0].item(), logits[0, 1].item()


def by_torch(layer: Layer) -> bool:
    plain = layer.positions is None or isinstance(layer.positions, (Learned, Alibi))
    return plain and layer.query_norm is None and layer.key_norm is None


def distances(question: Question, assignment: tuple[int, ...]) -> Iterator[float]:
    """How far each run's difference of logits is from the exact one."""
    prompt = question.with_slots(len(assignment)).prompt(len(assignment))
    tokens = prompt.filled(assignment)
    asked = replace(question, readout=replace(question.readout, threshold=Fraction(0)))
    exact = sum(endpoints(ExactGain(asked).gain(tokens, prompt.reader, 128))) / 2
    for total, plain in itertools.product(ORDERS.values(), (True, False)):
        toward, against = Run(question.layer, total, plain).logits(question, tokens, prompt.reader)
        yield abs(float(Fraction(float(F32(toward) - F32(against))) - exact))
    if by_torch(question.layer):
        toward, against = torch_logits(question, tokens, prompt.reader)
        yield abs(float(Fraction(toward) - Fraction(against) - exact))


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
