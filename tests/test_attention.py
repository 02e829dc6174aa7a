"""The layer's formulas: against plain torch, against folding by hand, and what malformed layers are told."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import FEATURES, build_layer, cases, layers, pairwise
from tokendemo_formal.attention import (
    Alibi,
    Computation,
    Layer,
    Learned,
    Norm,
    Rotary,
    Sinusoidal,
    fold,
    normalise,
    project,
    rotate,
)
from tokendemo_formal.errors import InputError
from tokendemo_formal.numbers.balls import BALLS, precision
from tokendemo_formal.numbers.base import Array, Numbers
from tokendemo_formal.numbers.enclosures import ENCLOSURES
from tokendemo_formal.numbers.float64 import FLOAT64

CASES = list(cases())
TOKENS = [3, 0, 8, 8, 5, 1]


def torch_norm(norm: Norm | None, x: torch.Tensor) -> torch.Tensor:
    if norm is None:
        return x
    gain = torch.as_tensor(norm.gain, dtype=x.dtype)
    bias = None if norm.bias is None else torch.as_tensor(norm.bias, dtype=x.dtype)
    if norm.kind == "layer":
        return torch.nn.functional.layer_norm(x, gain.shape, gain, bias, norm.eps)
    y = torch.nn.functional.rms_norm(x, gain.shape, gain, norm.eps)
    return y if bias is None else y + bias


def torch_rotary(rotary: Rotary, x: torch.Tensor) -> torch.Tensor:
    """(n, heads, dh), row p turned by the angles of position p, as complex numbers."""
    dims = x.shape[-1] if rotary.dims is None else rotary.dims
    turned, rest = x[..., :dims], x[..., dims:]
    frequency = torch.pow(torch.tensor(rotary.base, dtype=x.dtype), -torch.arange(0, dims, 2, dtype=x.dtype) / dims)
    angle = torch.outer(torch.arange(x.shape[0], dtype=x.dtype), frequency)[:, None, :]
    turn = torch.complex(torch.cos(angle), torch.sin(angle))
    if rotary.pairing == "half":
        z = torch.complex(turned[..., : dims // 2], turned[..., dims // 2 :]) * turn
        turned = torch.cat([z.real, z.imag], -1)
    else:
        z = torch.complex(turned[..., 0::2], turned[..., 1::2]) * turn
        turned = torch.stack([z.real, z.imag], -1).flatten(-2)
    return torch.cat([turned, rest], -1)


def reference(layer: Layer, tokens: list[int], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights (H, n, n), residual stream (n, d) and the stream after the final norm, with nothing folded."""

    def tensor(array: Any) -> torch.Tensor:
        return torch.as_tensor(np.asarray(array), dtype=dtype)

    n, positions = len(tokens), layer.positions
    x = tensor(layer.embedding)[tokens]
    if layer.offset is not None:
        x = x + tensor(layer.offset)
    if isinstance(positions, Learned):
        x = x + tensor(positions.table)[:n]
    if isinstance(positions, Sinusoidal):
        d = layer.width
        for p, i in itertools.product(range(n), range(d)):
            angle = p / positions.base ** (2 * (i // 2) / d)
            x[p, i] += math.cos(angle) if i % 2 else math.sin(angle)
    stream = torch_norm(layer.embedding_norm, x)
    y = torch_norm(layer.pre_norm, stream)

    def heads(weights: Any, bias: Any) -> torch.Tensor:
        out = torch.einsum("nd,hdk->nhk", y, tensor(weights))
        return out if bias is None else out + tensor(bias)

    q, k, v = heads(layer.wq, layer.bq), heads(layer.wk, layer.bk), heads(layer.wv, layer.bv)
    q, k = torch_norm(layer.query_norm, q), torch_norm(layer.key_norm, k)
    if isinstance(positions, Rotary):
        q, k = torch_rotary(positions, q), torch_rotary(positions, k)
    share = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(share, 1), v.repeat_interleave(share, 1)
    scale = q.shape[2] ** -0.5 if layer.scale_squared is None else math.sqrt(layer.scale_squared)
    scores = torch.einsum("rhk,jhk->hrj", q, k) * scale / layer.temperature
    place = torch.arange(n)
    if isinstance(positions, Alibi):
        scores = scores - tensor(positions.slopes)[:, None, None] * (place[:, None] - place[None, :]).abs()
    if layer.score_bias is not None:
        scores = scores + tensor(layer.score_bias)[:, :n, :n]
    if layer.causal:
        scores = scores.masked_fill(place[None, :] > place[:, None], -math.inf)
    weights = torch.softmax(scores, -1)
    mixed = torch.einsum("hrj,jhv,hvd->rd", weights, v, tensor(layer.wo))
    if layer.bo is not None:
        mixed = mixed + tensor(layer.bo)
    out = stream + mixed if layer.residual else mixed
    return weights, out, torch_norm(layer.final_norm, out)


def run(layer: Layer, numbers: Numbers, tokens: list[int], reader: int) -> tuple[Array, Array, Array]:
    """The same for one reader: weights (H, n), stream (d,), normed stream (d,)."""
    computation = Computation(layer, numbers)
    raw = computation.rows(tokens, range(len(tokens)))
    identity = numbers.constant(np.eye(layer.width))
    reading = computation.reading(raw[reader : reader + 1], reader, identity)
    weights, stream = reading.attend(raw)
    return weights, stream, normalise(numbers, layer.final_norm, stream.reshape(1, -1))[0]


def assert_near(found: Any, expected: torch.Tensor, tolerance: float) -> None:
    """Relative to the scale of the expected array."""
    want = expected.numpy().astype(np.float64)
    assert found.shape == want.shape
    assert np.isfinite(found).all()
    assert np.abs(found - want).max() <= tolerance * np.abs(want).max()


class TestAgainstTorch:
    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
    @pytest.mark.parametrize("layer", [pytest.param(layer, id=name) for name, layer in CASES])
    def test_every_pair_of_features(self, layer: Layer, dtype: torch.dtype, tolerance: float) -> None:
        weights, stream, normed = reference(layer, TOKENS, dtype)
        results = [run(layer, FLOAT64, TOKENS, reader) for reader in range(len(TOKENS))]
        assert_near(np.stack([w for w, _, _ in results], axis=1), weights, tolerance)
        assert_near(np.stack([s for _, s, _ in results]), stream, tolerance)
        assert_near(np.stack([f for _, _, f in results]), normed, tolerance)

    @settings(max_examples=60, deadline=None)
    @given(layer=layers(), tokens=st.lists(st.integers(0, 8), min_size=1, max_size=8), data=st.data())
    def test_random_combinations(self, layer: Layer, tokens: list[int], data: st.DataObject) -> None:
        reader = data.draw(st.integers(0, len(tokens) - 1))
        weights, stream, normed = reference(layer, tokens, torch.float64)
        found = run(layer, FLOAT64, tokens, reader)
        for ours, theirs in zip(found, (weights[:, reader], stream[reader], normed[reader]), strict=True):
            assert_near(ours, theirs, 1e-11)

    @settings(max_examples=40, deadline=None)
    @given(layer=layers(), data=st.data())
    def test_readouts_are_the_stream_in_the_directions(self, layer: Layer, data: st.DataObject) -> None:
        seed = data.draw(st.integers(0, 2**32 - 1))
        directions = np.random.default_rng(seed).normal(size=(layer.width, 2))
        computation = Computation(layer, FLOAT64)
        raw = computation.rows(TOKENS, range(len(TOKENS)))
        last = len(TOKENS) - 1
        reading = computation.reading(raw[last:], last, directions)
        votes = [reading.votes(raw[j : j + 1], j) for j in range(last + 1)]
        total = reading.total(np.concatenate([s for s, _ in votes]), np.concatenate([r for _, r in votes]))
        expected = reference(layer, TOKENS, torch.float64)[1][last] @ torch.as_tensor(directions)
        np.testing.assert_allclose(total, expected.numpy(), rtol=1e-11, atol=1e-11)
        known = computation.reading(raw[last:], last, directions, computation.value_projection(directions))
        np.testing.assert_array_equal(known.total(*(np.concatenate(x) for x in zip(*votes, strict=True))), total)

    def test_weights_of_unseen_positions_are_exactly_zero(self) -> None:
        layer = build_layer(np.random.default_rng(1), {"causal": True, "heads": (4, 2)})
        for numbers in (FLOAT64, ENCLOSURES):
            weights, _, _ = run(layer, numbers, TOKENS, 2)
            assert weights.shape == (4, 6)
            hidden = weights[:, 3:]
            zeros = hidden if numbers is FLOAT64 else np.abs(hidden.mid) + hidden.rad
            assert not zeros.any()

    def test_another_normaliser_takes_the_place_of_softmax(self) -> None:
        def uniform(numbers: Numbers, scores: Array) -> Array:
            return numbers.constant(np.full(scores.shape, 1 / len(scores)))

        layer = build_layer(np.random.default_rng(1), {"causal": False, "heads": (2, 2), "biases": "all"})
        weights, stream, _ = run(replace(layer, normaliser=uniform), FLOAT64, TOKENS, 0)
        assert (weights == 1 / 6).all()
        x = layer.embedding[TOKENS]
        mixed = sum((x @ layer.wv[h] + layer.bv[h]).mean(0) @ layer.wo[h] for h in range(2))
        np.testing.assert_allclose(stream, x[0] + layer.bo + mixed, rtol=1e-12)


class TestCoveringArray:
    def test_every_pair_of_values_meets(self) -> None:
        choices = pairwise(FEATURES)
        for (a, values_a), (b, values_b) in itertools.combinations(FEATURES.items(), 2):
            met = {(c[a], c[b]) for c in choices}
            assert met == set(itertools.product(values_a, values_b)), (a, b)

    def test_the_layers_have_what_their_names_say(self) -> None:
        for name, layer in CASES:
            assert ("positions none" in name) == (layer.positions is None)
            assert ("causal True" in name) == layer.causal
            assert ("qk_norm none" in name) == (layer.key_norm is None)


norms = st.builds(
    lambda kind, seed, biased, eps: Norm(
        kind,
        np.random.default_rng(seed).normal(size=5),
        np.random.default_rng(seed + 1).normal(size=5) if biased else None,
        eps,
    ),
    st.sampled_from(["layer", "rms"]),
    st.integers(0, 2**20),
    st.booleans(),
    st.floats(1e-12, 10),
)


class TestFolding:
    """``project(fold(norm, W, b), x)`` is ``norm(x) W + b``, in balls: equal up to 300 bits."""

    @settings(max_examples=60, deadline=None)
    @given(norm=st.none() | norms, seed=st.integers(0, 2**20), biased=st.booleans(), spread=st.floats(1e-6, 1e6))
    def test_fold_then_project(self, norm: Norm | None, seed: int, biased: bool, spread: float) -> None:
        rng = np.random.default_rng(seed)
        with precision(300):
            x = BALLS.constant(rng.normal(size=(3, 5)) * spread + rng.normal())
            weights, bias = BALLS.constant(rng.normal(size=(5, 2))), BALLS.constant(rng.normal(size=2))
            found = project(BALLS, fold(BALLS, norm, weights, bias if biased else None), x)
            expected = BALLS.matmul(normalise(BALLS, norm, x), weights)
            if biased:
                expected = expected + bias.reshape(1, -1)
            for a, b in zip(found.ravel(), expected.ravel(), strict=True):
                assert a.overlaps(b)
                assert (a - b).abs_upper() < 1e-60

    def test_the_divisor_is_the_root_of_variance_plus_eps(self) -> None:
        x = np.array([[3.0, -1.0, 4.0, 2.0]])
        rms = normalise(FLOAT64, Norm("rms", np.ones(4), None, 6.5), x)
        np.testing.assert_allclose(rms, x / math.sqrt(30 / 4 + 6.5), rtol=1e-15)
        centred = normalise(FLOAT64, Norm("layer", np.ones(4), np.full(4, 0.5), 0.5), x)
        np.testing.assert_allclose(centred, (x - 2) / math.sqrt(14 / 4 + 0.5) + 0.5, rtol=1e-15)


class TestRotary:
    @pytest.mark.parametrize("pairing", ["half", "adjacent"])
    @pytest.mark.parametrize("dims", [2, 4, 6, None])
    def test_turning_back_is_the_inverse_and_scores_see_the_distance_only(self, pairing: Any, dims: int | None) -> None:
        rotary = Rotary(30.0, pairing, dims)
        rng = np.random.default_rng(3)
        with precision(200):
            q, k = BALLS.constant(rng.normal(size=(1, 6))), BALLS.constant(rng.normal(size=(1, 6)))
            back = rotate(BALLS, rotary, rotate(BALLS, rotary, q, 5), -5)
            assert all((a - b).abs_upper() < 1e-50 for a, b in zip(back[0], q[0], strict=True))
            score = [(rotate(BALLS, rotary, q, p) * rotate(BALLS, rotary, k, p - 3)).sum() for p in (3, 11)]
            assert (score[0] - score[1]).abs_upper() < 1e-50
            one_sided = (rotate(BALLS, rotary, q, 3) * k).sum()
            assert (score[0] - one_sided).abs_upper() < 1e-50


def plain(**changes: Any) -> Layer:
    """A layer of distinct sizes: 9 tokens, width 6, 4 heads in 2 groups, head widths 4 and 3."""
    return replace(build_layer(np.random.default_rng(0), {"heads": (4, 2), "biases": "all"}), **changes)


def zeros(*shape: int) -> np.ndarray[Any, Any]:
    return np.zeros(shape)


class TestErrors:
    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"embedding": zeros(9)}, "embedding"),
            ({"embedding": zeros(9, 5)}, "wq"),
            ({"wq": zeros(6, 4)}, "wq"),
            ({"wq": zeros(4, 5, 4)}, "wq"),
            ({"wk": zeros(2, 6, 5)}, "wk"),
            ({"wk": zeros(2, 5, 4)}, "wk"),
            ({"wv": zeros(1, 6, 3)}, "wv"),
            ({"wv": zeros(2, 3)}, "wv"),
            ({"wo": zeros(4, 4, 6)}, "wo"),
            ({"wo": zeros(12, 6)}, "wo"),
            ({"bq": zeros(2, 4)}, "bq"),
            ({"bk": zeros(4, 4)}, "bk"),
            ({"bv": zeros(6)}, "bv"),
            ({"bo": zeros(1, 6)}, "bo"),
            ({"offset": zeros(9)}, "offset"),
            ({"pre_norm": Norm("layer", zeros(5), None, 0.0)}, r"pre_norm\.gain"),
            ({"pre_norm": Norm("layer", zeros(6), zeros(5), 0.0)}, r"pre_norm\.bias"),
            ({"embedding_norm": Norm("rms", zeros(1), None, 0.0)}, r"embedding_norm\.gain"),
            ({"final_norm": Norm("rms", zeros(6), zeros(6, 1), 0.0)}, r"final_norm\.bias"),
            ({"query_norm": Norm("rms", zeros(6), None, 0.0)}, r"query_norm\.gain"),
            ({"key_norm": Norm("rms", zeros(4), zeros(3), 0.0)}, r"key_norm\.bias"),
            ({"positions": Learned(zeros(8, 5))}, r"positions\.table"),
            ({"positions": Learned(zeros(8))}, r"positions\.table"),
            ({"positions": Learned(np.float64(0.0))}, r"positions\.table"),
            ({"positions": Alibi(zeros(2))}, r"positions\.slopes"),
            ({"positions": Rotary(dims=3)}, "rotary"),
            ({"positions": Rotary(dims=0)}, "rotary"),
            ({"positions": Rotary(dims=6)}, "rotary"),
            ({"score_bias": zeros(2, 8, 8)}, "score_bias"),
            ({"score_bias": zeros(4, 8, 7)}, "score_bias"),
            ({"score_bias": zeros(8)}, "score_bias"),
            ({"score_bias": np.float64(0.0)}, "score_bias"),
            ({"unembedding": zeros(9, 5)}, "unembedding"),
            ({"unembedding": np.float64(0.0)}, "unembedding"),
            ({"unembedding_bias": zeros(8)}, "unembedding_bias"),
            ({"unembedding": zeros(11, 6), "unembedding_bias": zeros(9)}, "unembedding_bias"),
            ({"temperature": 0.0}, "temperature"),
            ({"temperature": math.nan}, "temperature"),
            ({"temperature": math.inf}, "temperature"),
            ({"positions": "rotary"}, "positions: expected Learned or Sinusoidal or Rotary or Alibi or None"),
            ({"pre_norm": "layer"}, "pre_norm: expected Norm or None"),
            ({"scale_squared": 0.25}, "scale_squared: expected Fraction or int or None, found 0.25"),
            ({"bo": [0.0] * 6}, "bo: expected a NumPy array of float64, .* found list"),
            ({"bo": np.zeros(6, dtype=np.longdouble)}, "bo: expected a NumPy array of float64, .* found"),
            ({"scale_squared": Fraction(-1)}, "scale_squared"),
        ],
    )
    def test_what_does_not_fit_is_named(self, changes: dict[str, Any], named: str) -> None:
        with pytest.raises(InputError, match=named):
            plain(**changes)

    def test_the_message_gives_both_shapes(self) -> None:
        with pytest.raises(InputError, match=r"wo: expected shape \(4, 3, 6\), found \(4, 4, 6\)"):
            plain(wo=zeros(4, 4, 6))

    def test_heads_that_do_not_share_evenly(self) -> None:
        with pytest.raises(InputError, match="4 query heads can't share 3"):
            plain(wk=zeros(3, 6, 4), bk=None, wv=zeros(3, 6, 3), bv=None)
        with pytest.raises(InputError, match="0 key/value heads"):
            plain(wk=zeros(0, 6, 4), bk=None, wv=zeros(0, 6, 3), bv=None)

    def test_positions_outside_the_context(self) -> None:
        computation = Computation(plain(positions=Learned(zeros(8, 6)), score_bias=zeros(4, 7, 7)), FLOAT64)
        assert computation.layer.context == 7
        assert computation.shift(6).shape == (1, 6)
        for position in (7, -1):
            with pytest.raises(InputError, match=f"position {position} is outside the layer's context of 7"):
                computation.shift(position)
        with pytest.raises(InputError, match="position -1"):
            Computation(plain(), FLOAT64).shift(-1)
        assert plain().context is None

    @pytest.mark.parametrize("token", [9, -1])
    def test_tokens_outside_the_embedding(self, token: int) -> None:
        with pytest.raises(InputError, match=f"token id {token} is outside the embedding's 9 rows"):
            Computation(plain(), FLOAT64).rows([0, token], [0, 1])

    def test_names_that_do_not_exist(self) -> None:
        with pytest.raises(InputError, match="'batch'"):
            Norm("batch", zeros(3), None, 0.0)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="eps of at least 0, found -1"):
            Norm("rms", zeros(3), None, -1.0)
        with pytest.raises(InputError, match="'interleaved'"):
            Rotary(pairing="interleaved")  # type: ignore[arg-type]
        with pytest.raises(InputError, match="power of two of heads, got 3"):
            Alibi.standard(3)

    def test_standard_alibi_slopes_are_the_papers(self) -> None:
        np.testing.assert_array_equal(Alibi.standard(8).slopes, [2.0**-i for i in range(1, 9)])
