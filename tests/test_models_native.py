"""The package's own layout: what is saved comes back exactly, and nothing is half written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from tests.strategies import build_layer, layers
from tokendemo_formal.attention import Layer, Learned, Norm
from tokendemo_formal.errors import InputError, ModelFileError, UnsupportedError
from tokendemo_formal.models import load_model, save

RICH = {"positions": "learned", "input_norm": "layer", "norm_bias": True, "biases": "all", "final_norm": "rms"}


def rich() -> Layer:
    return build_layer(np.random.default_rng(0), RICH)


def same(a: Any, b: Any) -> bool:
    """Bit for bit, whatever is inside."""
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    return bool(a == b and type(a) is type(b))


def rounded(value: Any) -> Any:
    """With every array rounded to what float32 holds."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float32).astype(np.float64)
    if isinstance(value, (Layer, Norm, Learned)) or hasattr(value, "slopes"):
        return replace(value, **{f.name: rounded(getattr(value, f.name)) for f in fields(value)})
    return value


@given(layer=layers(), unembedding=st.sampled_from([None, 4, 9]), bias=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_feature_comes_back_exactly(layer: Layer, unembedding: int | None, bias: bool, tmp_path: Path) -> None:
    rows = layer.vocabulary if unembedding is None else unembedding
    rng = np.random.default_rng(rows)
    layer = replace(
        layer,
        unembedding=None if unembedding is None else rng.normal(size=(rows, layer.width)),
        unembedding_bias=rng.normal(size=rows) if bias else None,
    )
    save(layer, tmp_path)
    model = load_model(str(tmp_path))
    assert same(model.layer(0), layer)
    assert model.left_out(0) == ()
    described = model.describe()
    assert (described["heads"], described["context"]) == (layer.heads, layer.context)
    narrow = rounded(layer)
    save(narrow, tmp_path, dtype="F32")
    assert same(load_model(str(tmp_path)).layer(0), narrow)


def test_saving_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    save(rich(), tmp_path / "a")
    save(rich(), tmp_path / "b")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert load_model(str(tmp_path / "a")).hash == load_model(str(tmp_path / "b")).hash


def test_what_float32_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"F32 can't hold \d+ of \d+ values exactly, the first at .*use dtype='F64'"):
        save(rich(), tmp_path, dtype="F32")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"normaliser": lambda numbers, scores: scores}, UnsupportedError, "normaliser"),
        ({"bo": np.full(6, np.nan)}, InputError, "bo: 6 of 6 values are not finite"),
        ({"bo": np.array([Fraction(1, 3)] * 6, dtype=object)}, UnsupportedError, "bo: expected an array of float64"),
    ],
)
def test_what_cannot_be_stored_is_refused(change: Any, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        save(replace(rich(), **change), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_save_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(rich(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    calls = []

    def interrupted(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(build_layer(np.random.default_rng(1), RICH), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def words(*names: str) -> str:
    backend = tokenizers.Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token=names[0]))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return str(backend.to_str())


NINE = words("<unk>", "<end>", "rule", "ask", "a", "b", "c", "d", "e")


def test_the_tokenizer_and_its_special_tokens(tmp_path: Path) -> None:
    save(rich(), tmp_path, tokenizer_json=NINE, special_tokens=("<unk>", "<end>"), notes="A test.")
    model = load_model(str(tmp_path))
    assert model.tokenizer is not None
    assert model.tokenizer.encode("rule ask<end>") == (2, 3, 1)
    assert model.special_ids == {0, 1}
    assert model.notes == "A test."
    with pytest.raises(InputError, match=r"token '<ende>' is not in the vocabulary \(close: '<end>'"):
        save(rich(), tmp_path, tokenizer_json=NINE, special_tokens=("<ende>",))
    with pytest.raises(InputError, match=r"holds another model's tokenizer\.json"):
        save(rich(), tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelFileError, match=r"special_tokens need a tokenizer\.json"):
        load_model(str(tmp_path))
    with pytest.raises(InputError, match="special_tokens need a tokenizer"):
        save(rich(), tmp_path, special_tokens=("<end>",))


def drop(*path: str) -> Callable[[dict[str, Any]], None]:
    def apply(config: dict[str, Any]) -> None:
        for key in path[:-1]:
            config = config[key]
        del config[path[-1]]

    return apply


def put(value: Any, *path: str) -> Callable[[dict[str, Any]], None]:
    def apply(config: dict[str, Any]) -> None:
        for key in path[:-1]:
            config = config[key]
        config[path[-1]] = value

    return apply


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop("tensors", "bq"), r"'tensors' does not list 'bq', which model\.safetensors holds"),
        (drop("tensors", "wq"), "tensors.wq: expected 3 sizes, found nothing"),
        (put([1, 6, 4], "tensors", "extra"), "nothing reads 'extra'"),
        (put([2, 6, 4], "tensors", "wq"), r"'wq': expected shape \[2, 6, 4\], found \[1, 6, 4\]"),
        (put("many", "tensors", "wq"), "tensors.wq: expected a list of sizes, found 'many'"),
        (put([1, 6], "tensors", "pre_norm.table"), "nothing reads 'pre_norm.table'"),
        (put("tall", "norms", "pre_norm", "kind"), "kind = 'tall'; expected one of 'layer', 'rms'"),
        (put(-1, "norms", "pre_norm", "eps"), "eps = -1; expected a number of 0 or more"),
        (put({"kind": "rms", "eps": 1}, "norms", "key_norm"), "'tensors' does not list 'key_norm.gain'"),
        (put({"kind": "rms", "eps": 1}, "norms", "middle_norm"), "norms: a layer has no 'middle_norm'"),
        (put(3, "norms", "pre_norm"), "norms.pre_norm: expected an object, found 3"),
        (drop("norms", "pre_norm"), "nothing reads 'pre_norm.gain'"),
        (put({"kind": "spiral"}, "positions"), "kind = 'spiral'; expected one of 'learned'"),
        (put({"kind": "alibi"}, "positions"), "nothing reads 'positions.table'"),
        (put(None, "positions"), "nothing reads 'positions.table'"),
        (put("1/0", "scale_squared"), "scale_squared = '1/0'; expected a positive fraction as text"),
        (put(0.25, "scale_squared"), "scale_squared = 0.25; expected a positive fraction as text"),
        (put(0, "temperature"), "temperature = 0; expected a positive number"),
        (put("yes", "causal"), "causal = 'yes'; expected true or false"),
        (put([3], "special_tokens"), "special_tokens = .* expected a list of tokens"),
    ],
)
def test_configurations_that_were_tampered_with_are_refused(
    edit: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    refuse(rich(), edit, message, tmp_path)


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ({"kind": "alibi"}, "'tensors' does not list 'positions.slopes', which the layer needs"),
        ({"kind": "learned"}, "'tensors' does not list 'positions.table', which the layer needs"),
        ({"kind": "sinusoidal", "base": 0}, "base = 0; expected a positive number"),
        ({"kind": "rotary", "base": 10, "pairing": "half", "dims": 9}, "rotary positions turn 9 of 4"),
        ({"kind": "rotary", "base": 10, "pairing": "thirds"}, "pairing = 'thirds'; expected one of 'half', 'adjacent'"),
    ],
)
def test_positions_that_make_no_sense_are_refused(positions: dict[str, Any], message: str, tmp_path: Path) -> None:
    refuse(build_layer(np.random.default_rng(0), {}), put(positions, "positions"), message, tmp_path)


def refuse(layer: Layer, edit: Callable[[dict[str, Any]], None], message: str, directory: Path) -> None:
    save(layer, directory)
    config = json.loads((directory / "config.json").read_text())
    edit(config)
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match=message):
        load_model(str(directory)).layer(0)
