"""Layers from arrays in memory, against PyTorch's own modules."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from tokendemo_formal.attention import Computation, Layer, Learned, Norm
from tokendemo_formal.errors import InputError, UnsupportedError
from tokendemo_formal.models import from_arrays, from_multihead_attention
from tokendemo_formal.numbers.float64 import FLOAT64

IDS = [4, 0, 6, 6, 1]


def attend(layer: Layer) -> tuple[Any, Any]:
    computation = Computation(layer, FLOAT64)
    raw = computation.rows(IDS, range(len(IDS)))
    readings = [computation.reading(raw[r : r + 1], r, np.eye(layer.width)).attend(raw) for r in range(len(IDS))]
    return np.stack([w for w, _ in readings], axis=1), np.stack([z for _, z in readings])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("as_state", [False, True])
def test_multihead_attention(causal: bool, bias: bool, as_state: bool) -> None:
    torch.manual_seed(0)
    module = torch.nn.MultiheadAttention(6, 3, bias=bias, batch_first=True, dtype=torch.float64)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    embedding = torch.randn(7, 6, dtype=torch.float64)
    layer = from_multihead_attention(
        module.state_dict() if as_state else module, embedding, 3, causal=causal, residual=False
    )
    x = embedding[IDS].unsqueeze(0)
    mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1) if causal else None
    out, expected = module(x, x, x, attn_mask=mask, average_attn_weights=False)
    weights, stream = attend(layer)
    assert np.abs(weights - expected[0].detach().numpy()).max() <= 1e-12
    assert np.abs(stream - out[0].detach().numpy()).max() <= 1e-12


def test_multihead_attention_with_separate_matrices() -> None:
    """The names that a module takes when keys or values may differ in width."""
    torch.manual_seed(1)
    joined = torch.nn.MultiheadAttention(6, 2, dtype=torch.float64)
    state = dict(joined.state_dict())
    weight = state.pop("in_proj_weight")
    state |= {f"{name}_proj_weight": part for name, part in zip("qkv", weight.chunk(3), strict=True)}
    embedding = np.random.default_rng(0).normal(size=(7, 6))
    a = from_multihead_attention(state, embedding, 2, causal=False)
    b = from_multihead_attention(joined, embedding, 2, causal=False)
    assert all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("wq", "wk", "wv", "wo", "bq", "bv", "bo")
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"add_bias_kv": True}, UnsupportedError, "bias_k"),
        ({"add_zero_attn": True}, UnsupportedError, "add_zero_attn"),
        ({"kdim": 4}, UnsupportedError, "kdim = 4"),
        ({"vdim": 5}, UnsupportedError, "vdim = 5"),
        ({"dtype": torch.bfloat16}, InputError, r"convert it first with \.double\(\)"),
    ],
)
def test_what_multihead_attention_has_and_we_lack_is_refused_by_name(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    module = torch.nn.MultiheadAttention(6, 2, **options)
    with pytest.raises(error, match=message):
        from_multihead_attention(module, np.ones((7, 6)), 2, causal=False)


@pytest.mark.parametrize(
    ("state", "heads", "message"),
    [
        (torch.nn.MultiheadAttention(6, 2), 3, "num_heads: expected 2, as the module has it, found 3"),
        ({"in_proj_weight": np.ones((18, 6))}, 2, r"the array 'out_proj\.weight' is missing"),
        ({"out_proj.weight": np.ones((6, 6)), "in_proj_weights": np.ones((18, 6))}, 2, "'q_proj_weight' is missing"),
        (
            {"out_proj.weight": np.ones((6, 6)), "in_proj_weight": np.ones((6, 18))},
            2,
            r"in_proj_weight: expected shape \(18, 6\)",
        ),
        ([1, 2], 2, "expected a module or a mapping"),
    ],
)
def test_states_that_do_not_fit_are_refused(state: Any, heads: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_multihead_attention(state, np.ones((7, 6)), heads, causal=False)


def linear_maps(dv: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = {"embedding": (7, 6), "q_proj": (12, 6), "k_proj": (6, 6), "v_proj": (2 * dv, 6), "o_proj": (6, 4 * dv)}
    shapes |= {"q_bias": (12,), "k_bias": (6,), "v_bias": (2 * dv,), "o_bias": (6,)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def test_linear_maps_act_as_modules_of_that_name() -> None:
    """Four query heads of width 3 on two key/value heads; values of width 2."""
    maps = linear_maps()
    linear = {}
    for name in "qkvo":
        linear[name] = torch.nn.Linear(maps[f"{name}_proj"].shape[1], len(maps[f"{name}_proj"]), dtype=torch.float64)
        linear[name].weight.data = torch.tensor(maps[f"{name}_proj"])
        linear[name].bias.data = torch.tensor(maps[f"{name}_bias"])
    tensors = {f"{n}_proj": m.weight for n, m in linear.items()} | {f"{n}_bias": m.bias for n, m in linear.items()}
    layer = from_arrays(embedding=maps["embedding"], **tensors, heads=4, key_value_heads=2, causal=False)
    x = torch.tensor(maps["embedding"][IDS])
    with torch.no_grad():
        q, k, v = (
            linear[name](x).reshape(5, -1, width).transpose(0, 1) for name, width in (("q", 3), ("k", 3), ("v", 2))
        )
        k, v = (z.repeat_interleave(2, dim=0) for z in (k, v))
        mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        out = x + linear["o"](mixed.transpose(0, 1).reshape(5, 8))
    assert np.abs(attend(layer)[1] - out.numpy()).max() <= 1e-12


def test_features_reach_the_layer() -> None:
    norm = Norm("rms", np.ones(6), None, 1e-6)
    layer = from_arrays(
        **linear_maps(),
        heads=4,
        key_value_heads=2,
        pre_norm=norm,
        positions=Learned(np.zeros((9, 6))),
        unembedding=np.eye(6, dtype=np.float32),
        temperature=0.5,
    )
    assert layer.pre_norm is norm
    assert layer.context == 9
    assert layer.temperature == 0.5
    assert layer.unembedding is not None
    assert layer.unembedding.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_values_are_exact(dtype: Any) -> None:
    maps = linear_maps()
    values = (maps["embedding"] * 10).astype(dtype)
    layer = from_arrays(**maps | {"embedding": values}, heads=4, key_value_heads=2)
    assert layer.embedding.dtype == np.float64
    assert layer.embedding.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q_proj": np.ones((6, 12))}, r"q_proj: expected \(a multiple of 4 rows, 6 columns\), found shape \(6, 12\)"),
        ({"k_proj": np.ones((8, 6))}, r"k_proj: expected shape \(6, 6\), found \(8, 6\)"),
        ({"v_proj": np.ones((3, 6))}, "v_proj: expected"),
        ({"o_proj": np.ones((8, 6))}, r"o_proj: expected shape \(6, 8\), found \(8, 6\)"),
        ({"v_bias": np.ones(5)}, r"v_bias: expected shape \(4,\), found \(5,\)"),
        ({"embedding": np.ones(6)}, "embedding: expected"),
        ({"embedding": np.full((7, 6), np.inf)}, "embedding: 42 of 42 values are not finite"),
        (
            {"embedding": np.ones((7, 6), complex)},
            "embedding: expected real numbers of at most 64 bits, found complex128",
        ),
        ({"embedding": np.ones((7, 6), np.longdouble)}, "at most 64 bits"),
        ({"embedding": np.full((7, 6), 2**53 + 1)}, "integers beyond 2"),
        ({"key_value_heads": 3}, "4 query heads can't share 3 key/value heads"),
        ({"pre_nrom": None}, r"a layer has no field 'pre_nrom' \(close: 'pre_norm'"),
        ({"wq": None}, "a layer has no field 'wq'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_arrays(**{**linear_maps(), "heads": 4, "key_value_heads": 2, **change})


def test_torch_is_not_imported() -> None:
    code = "import sys, tokendemo_formal.models; sys.exit(any(m in sys.modules for m in ('torch', 'z3', 'sympy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
