"""What a model says about where its arrays lie is enough to rebuild its layers, bit for bit."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import layers
from tests.test_models_families import LLAMA_CONFIG, lens_model, llama_tensors, write
from tests.test_models_files import CONFIG as GPT2_CONFIG
from tests.test_models_files import gpt2_tensors
from tokendemo_formal.attention import Alibi, Layer, Learned
from tokendemo_formal.errors import InputError, ModelFileError, UnsupportedError
from tokendemo_formal.models import Model, load_model, save
from tokendemo_formal.models.files import Tensors
from tokendemo_formal.models.layout import TensorRef

Floats: TypeAlias = np.ndarray[Any, Any]

NORMS = ("embedding_norm", "pre_norm", "query_norm", "key_norm", "final_norm")

TEXT = re.compile(r"([^;]+)(?:;slice=(\d+,\d+,\d+))?(?:;shape=([\d,]+))?(?:;order=([\d,]+))?")


def interpret(text: str, stored: dict[str, Floats]) -> Floats:
    """The array that a string names, read from left to right; written without the package."""
    match = TEXT.fullmatch(text)
    assert match is not None, text
    kept, shape, order = ([int(n) for n in part.split(",")] if part else None for part in match.groups()[1:])
    if match[1] == "ones":
        assert shape is not None
        return np.ones(shape)
    if match[1] == "slopes":
        assert shape is not None
        return np.array([nearest_slope(h + 1, shape[0]) for h in range(shape[0])])
    array = stored[match[1]].astype(np.float64)
    if kept:
        axis, start, stop = kept
        array = np.split(array, [start, stop], axis)[1]
    if shape:
        array = array.reshape(shape)
    return array.transpose(order) if order else array


def nearest_slope(h: int, heads: int) -> float:
    """The float64 nearest to 2^(-8h / heads), by way of 60 digits."""
    return float(Context(prec=60).power(2, Decimal(-8 * h) / heads))


def arrays_of(layer: Layer) -> dict[str, Floats | None]:
    """All arrays of a layer by their roles; None for those that are not there."""
    plain = ("embedding", "wq", "wk", "wv", "wo", "bq", "bk", "bv", "bo", "offset", "score_bias")
    arrays: dict[str, Floats | None] = {name: getattr(layer, name) for name in plain}
    arrays["readout"] = layer.embedding if layer.unembedding is None else layer.unembedding
    arrays["readout_bias"] = layer.unembedding_bias
    for name in NORMS:
        norm = getattr(layer, name)
        arrays |= {f"{name}.{part}": None if norm is None else getattr(norm, part) for part in ("gain", "bias")}
    arrays["positions.table"] = layer.positions.table if isinstance(layer.positions, Learned) else None
    arrays["positions.slopes"] = layer.positions.slopes if isinstance(layer.positions, Alibi) else None
    return arrays


def check(model: Model, indices: list[int] | None = None) -> None:
    """The strings of a model, interpreted on its files, are the arrays of its layers."""
    stored: dict[str, Floats] = {}
    for file in model.directory.glob("*.safetensors"):
        stored |= safetensors.numpy.load_file(file)
    for index in range(model.layers) if indices is None else indices:
        expected = {role: array for role, array in arrays_of(model.layer(index)).items() if array is not None}
        texts = model.tensors(index)
        assert texts.keys() == expected.keys()
        for role, text in texts.items():
            found = interpret(text, stored)
            assert found.shape == expected[role].shape, (role, text)
            assert found.tobytes() == expected[role].tobytes(), (role, text)


@pytest.mark.parametrize(
    "name",
    [
        "sorting-model1-tl",
        "modadd59-l8k1hzciux-tl",
        "microgpt-lean-1l-tl",
        "makemore-names-gpt2-hf",
        "nanogpt-sort-gpt2-hf",
        "stories260k-llama-hf",
    ],
)
def test_roles_of_real_models(shared_models: Path, name: str) -> None:
    check(load_model(str(shared_models / name)))


def test_roles_of_a_real_encoder(encoder_directory: Path) -> None:
    model = load_model(str(encoder_directory))
    check(model, [0, 5])
    texts = model.tensors(5)
    assert texts["readout"] == texts["embedding"] == "embeddings.word_embeddings.weight"
    assert texts["offset"] == "embeddings.token_type_embeddings.weight;slice=0,0,1;shape=384"
    assert texts["wq"] == "encoder.layer.5.attention.self.query.weight;shape=12,32,384;order=0,2,1"


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_roles_of_bert(prefix: str, tmp_path: Path) -> None:
    """TensorFlow's names, three token types."""
    config = {"model_type": "bert", "num_attention_heads": 2, "hidden_size": 6, "num_hidden_layers": 1}
    config |= {"vocab_size": 7, "max_position_embeddings": 5, "type_vocab_size": 3}
    e, a = f"{prefix}embeddings.", f"{prefix}encoder.layer.0.attention."
    shapes = {f"{e}{name}_embeddings.weight": (n, 6) for name, n in (("word", 7), ("position", 5), ("token_type", 3))}
    shapes |= {f"{e}LayerNorm.gamma": (6,), f"{e}LayerNorm.beta": (6,)}
    for name in ("self.query", "self.key", "self.value", "output.dense"):
        shapes |= {f"{a}{name}.weight": (6, 6), f"{a}{name}.bias": (6,)}
    rng = np.random.default_rng(1)
    check(load_model(write(tmp_path, config, {name: rng.normal(size=shape) for name, shape in shapes.items()})))


@pytest.mark.parametrize("tied", [True, False])
def test_roles_of_gpt2(tied: bool, tmp_path: Path) -> None:
    tensors = gpt2_tensors() | {"lm_head.weight": np.ones((7, 4), np.float16)}
    if tied:
        tensors["lm_head.weight"] = tensors["wte.weight"]
    model = load_model(write(tmp_path, GPT2_CONFIG | {"tie_word_embeddings": tied}, tensors))
    check(model)
    texts = model.tensors(1)
    assert texts["readout"] == ("wte.weight" if tied else "lm_head.weight")
    assert texts["wk"] == "h.1.attn.c_attn.weight;slice=1,4,8;shape=4,2,2;order=1,0,2"
    assert texts["bk"] == "h.1.attn.c_attn.bias;slice=0,4,8;shape=2,2"


@pytest.mark.parametrize("biased", [True, False])
def test_roles_of_llama(biased: bool, tmp_path: Path) -> None:
    """head_dim that is not width / heads, two key/value heads for four, rows of their own for logits."""
    check(load_model(write(tmp_path, LLAMA_CONFIG | {"attention_bias": biased}, llama_tensors())))


@pytest.mark.parametrize(
    "options",
    [
        {"normalization_type": "LN", "d_vocab_out": 3},
        {"normalization_type": "LN", "final_rms": True, "n_key_value_heads": 2},
        {"normalization_type": "LNPre"},
        {"normalization_type": "RMS"},
        {"normalization_type": "RMSPre", "use_qk_norm": True, "positional_embedding_type": "rotary"},
        {"normalization_type": "LNPre", "post_embedding_ln": True, "positional_embedding_type": "alibi"},
        {"positional_embedding_type": "alibi", "n_heads": 32},
    ],
    ids=str,
)
def test_roles_of_transformer_lens(options: dict[str, Any], tmp_path: Path) -> None:
    model = load_model(write(tmp_path, *lens_model(np.random.default_rng(2), options)))
    check(model)
    texts = model.tensors(1)
    folded = str(options.get("normalization_type")).endswith("Pre")
    assert (texts.get("pre_norm.gain") == "ones;shape=8") == folded
    assert (texts.get("positions.slopes", "").startswith("slopes;shape=")) == ("alibi" in options.values())


@given(layer=layers(), rows=st.sampled_from([None, 3]), bias=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_roles_of_the_packages_own_layout(layer: Layer, rows: int | None, bias: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    count = layer.vocabulary if rows is None else rows
    layer = replace(
        layer,
        unembedding=None if rows is None else rng.normal(size=(rows, layer.width)),
        unembedding_bias=rng.normal(size=count) if bias else None,
    )
    save(layer, tmp_path)
    check(load_model(str(tmp_path)))


def test_slopes_are_the_nearest_floats() -> None:
    for heads in (1, 2, 4, 8, 16, 32, 64, 128):
        assert Alibi.standard(heads).slopes.tolist() == [nearest_slope(h + 1, heads) for h in range(heads)]


def test_strings_have_the_parts_in_order() -> None:
    ref = TensorRef("a.b", (3, 4, 5), slice=(1, 0, 2), shape=(6, 5), order=(1, 0))
    assert ref.to_string() == "a.b;slice=1,0,2;shape=6,5;order=1,0"
    assert TensorRef("a.b", (3,)).to_string() == "a.b"
    with pytest.raises(InputError, match=r"tensor 'a;b': expected a name without ';'; rename"):
        TensorRef("a;b", (3,))


def test_references_know_the_stored_shape(tmp_path: Path) -> None:
    safetensors.numpy.save_file(
        {"x": np.arange(12.0).reshape(3, 4), "y": np.array([np.nan])}, tmp_path / "model.safetensors"
    )
    tensors = Tensors(tmp_path)
    ref = TensorRef("x", (3, 4), slice=(0, 1, 3), shape=(2, 2, 2), order=(2, 0, 1))
    assert ref.read(tensors).tolist() == [[[4, 6], [8, 10]], [[5, 7], [9, 11]]]
    # The same number of values in another shape is another tensor.
    with pytest.raises(ModelFileError, match=r"'x': expected shape \[4, 3\], found \[3, 4\]"):
        TensorRef("x", (4, 3), shape=(3, 4)).read(tensors)
    with pytest.raises(ModelFileError, match="'z' is missing"):
        TensorRef("z", (3, 4)).read(tensors)
    with pytest.raises(ModelFileError, match="'y': 1 of 1 values are not finite"):
        TensorRef("y", (1,)).read(tensors)


def test_layers_that_are_refused_have_no_roles(tmp_path: Path) -> None:
    options = {"use_local_attn": True, "attn_types": ["local", "global"]}
    model = load_model(write(tmp_path / "lens", *lens_model(np.random.default_rng(0), options)))
    check(model, [1])
    with pytest.raises(UnsupportedError, match="layer 0 is not supported"):
        model.tensors(0)
    with pytest.raises(InputError, match="there is no layer 2"):
        model.tensors(2)
    tied = load_model(write(tmp_path / "llama", LLAMA_CONFIG | {"tie_word_embeddings": True}, llama_tensors()))
    with pytest.raises(ModelFileError, match=r"lm_head\.weight differs"):
        tied.tensors(0)


def test_settings_that_do_not_fit_name_the_configuration(tmp_path: Path) -> None:
    options = {"positional_embedding_type": "rotary", "rotary_dim": 6}
    model = load_model(write(tmp_path, *lens_model(np.random.default_rng(0), options)))
    with pytest.raises(ModelFileError, match=r"config\.json: rotary positions turn 6 of 4 coordinates"):
        model.layer(0)


@pytest.mark.parametrize("name", ["stories260k-llama-hf", "sorting-model1-tl"])
def test_files_are_those_that_the_hash_is_of(shared_models: Path, name: str) -> None:
    model = load_model(str(shared_models / name))
    expected = {"config.json", "model.safetensors"}
    if model.tokenizer is not None:
        expected |= {"tokenizer.json", "tokenizer_config.json"}
    assert list(model.files) == sorted(expected)
    for file, digest in model.files.items():
        assert hashlib.sha256((model.directory / file).read_bytes()).hexdigest() == digest
    lines = "".join(f"{model.files[file]}  {file}\n" for file in sorted(expected))
    assert model.hash == f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
