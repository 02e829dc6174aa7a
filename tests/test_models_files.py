"""Damaged, misleading and unusual files: every one is refused by name, or read exactly."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file as save_torch

from tokendemo_formal.errors import InputError, ModelFileError, TokenDemoError
from tokendemo_formal.models import load_model
from tokendemo_formal.models.files import Tensors

CONFIG = {"model_type": "gpt2", "n_head": 2, "n_embd": 4, "n_layer": 2, "n_positions": 5, "vocab_size": 7}


def gpt2_tensors(seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return rng.normal(size=shape).astype(np.float32)

    tensors = {"wte.weight": normal(7, 4), "wpe.weight": normal(5, 4), "ln_f.weight": normal(4), "ln_f.bias": normal(4)}
    for i in range(2):
        tensors |= {
            f"h.{i}.ln_1.weight": normal(4),
            f"h.{i}.ln_1.bias": normal(4),
            f"h.{i}.attn.c_attn.weight": normal(4, 12),
            f"h.{i}.attn.c_attn.bias": normal(12),
            f"h.{i}.attn.c_proj.weight": normal(4, 4),
            f"h.{i}.attn.c_proj.bias": normal(4),
        }
    return tensors


def write(directory: Path, tensors: dict[str, np.ndarray[Any, Any]], config: Any = CONFIG) -> Path:
    directory.mkdir(exist_ok=True)
    safetensors.numpy.save_file(tensors, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(config))
    return directory


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write(tmp_path / "model", gpt2_tensors())


def raw_safetensors(header: str, data: bytes) -> bytes:
    return struct.pack("<Q", len(header.encode())) + header.encode() + data


def test_the_small_model_loads(directory: Path) -> None:
    layer = load_model(str(directory)).layer(1)
    tensors = gpt2_tensors()
    assert layer.embedding.dtype == np.float64
    assert np.array_equal(layer.embedding, tensors["wte.weight"].astype(np.float64))
    # Columns 4-7 of c_attn make the keys; head 1 has the last two of them.
    assert np.array_equal(layer.wk[1], tensors["h.1.attn.c_attn.weight"][:, 6:8].astype(np.float64))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_every_value_of_every_dtype_is_exact(dtype: torch.dtype, tmp_path: Path) -> None:
    if dtype.itemsize == 2:  # all bit patterns that are finite numbers
        values = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(dtype)
        values = values[torch.isfinite(values)].contiguous()
    else:
        values = torch.randn(1000, dtype=dtype) * torch.logspace(-30, 30, 1000, dtype=dtype)
    save_torch({"x": values, "y": torch.ones(3)}, tmp_path / "model.safetensors")
    read = Tensors(tmp_path).read("x", (len(values),))
    expected = np.array([float(v) for v in values])  # by torch, one by one
    assert np.array_equal(read, expected)
    assert np.array_equal(np.signbit(read), np.signbit(expected))


def test_shards_are_one_model(directory: Path, tmp_path: Path) -> None:
    tensors = gpt2_tensors()
    sharded = tmp_path / "sharded"
    sharded.mkdir()
    homes = {name: f"model-{1 + i % 3:05}-of-00003.safetensors" for i, name in enumerate(sorted(tensors))}
    for shard in set(homes.values()):
        safetensors.numpy.save_file({n: tensors[n] for n in homes if homes[n] == shard}, sharded / shard)
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": homes}))
    shutil.copy(directory / "config.json", sharded)
    whole, parts = load_model(str(directory)), load_model(str(sharded))
    for index in range(2):
        a, b = whole.layer(index), parts.layer(index)
        assert np.array_equal(a.wq, b.wq)
        assert np.array_equal(a.wo, b.wo)
        assert np.array_equal(a.embedding, b.embedding)
    before = parts.hash
    (sharded / "model-00002-of-00003.safetensors").write_bytes(b"")
    assert load_model(str(sharded)).hash != before  # the hash is of all shards
    with pytest.raises(ModelFileError, match="00002-of-00003"):
        load_model(str(sharded)).layer(0)


def test_only_tensors_that_are_asked_for_are_checked(directory: Path) -> None:
    tensors = gpt2_tensors()
    tensors["h.1.ln_1.bias"][2] = np.nan
    tensors["h.0.mlp.c_fc.weight"] = np.full((4, 16), np.inf, np.float32)
    tensors["h.0.attn.bias"] = np.full((1, 1, 5, 5), np.nan, np.float32)
    model = load_model(str(write(directory, tensors)))
    model.layer(0)
    with pytest.raises(
        ModelFileError, match=r"'h\.1\.ln_1\.bias': 1 of 4 values are not finite, the first at \[2\] \(nan\)"
    ):
        model.layer(1)


def drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda tensors: tensors.pop(name)


def change(name: str, to: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def apply(tensors: dict[str, Any]) -> None:
        tensors[name] = to(tensors[name])

    return apply


def put(value: float) -> Callable[[Any], Any]:
    def apply(array: Any) -> Any:
        array = array.copy()
        array.flat[5] = value
        return array

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop("wte.weight"), r"model\.safetensors: the tensor 'wte\.weight' is missing .*close: .*'wpe\.weight'"),
        (drop("h.0.attn.c_proj.bias"), r"'h\.0\.attn\.c_proj\.bias' is missing .*close: 'h\.1\.attn\.c_proj\.bias'"),
        (change("wte.weight", lambda a: a[:6]), r"'wte\.weight': expected shape \[7, 4\], found \[6, 4\]"),
        (change("h.0.attn.c_attn.weight", lambda a: a.T.copy()), r"expected shape \[4, 12\], found \[12, 4\]"),
        (
            change("wte.weight", put(np.nan)),
            r"'wte\.weight': 1 of 28 values are not finite, the first at \[1, 1\] \(nan\)",
        ),
        (change("wpe.weight", put(-np.inf)), r"'wpe\.weight': 1 of 20 values .* \(-inf\)"),
        (
            change("ln_f.weight", lambda a: a.astype(np.int32)),
            r"'ln_f\.weight': stored as I32; expected one of F64, F32",
        ),
    ],
)
def test_wrong_tensors_are_named(damage: Callable[[dict[str, Any]], None], message: str, tmp_path: Path) -> None:
    tensors = gpt2_tensors()
    damage(tensors)
    model = load_model(str(write(tmp_path / "model", tensors)))
    with pytest.raises(ModelFileError, match=message):
        model.layer(0)


@pytest.mark.parametrize("keep", [0, 4, 8, 100, -1, -200])
def test_truncated_files_are_refused(directory: Path, keep: int) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelFileError, match=r"model\.safetensors: (truncated|its first 8 bytes)"):
        load_model(str(directory))


def test_a_truncated_file_names_the_tensor_that_is_cut(directory: Path) -> None:
    path = directory / "model.safetensors"
    size = len(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        ModelFileError, match=rf"tensor '\S+' \[[\d, ]+\] should end at byte {size}, the file has {size - 1}"
    ):
        load_model(str(directory))


ENTRY = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff" * 64, "announce a header of 18446744073709551615 bytes"),
        (raw_safetensors("not JSON", b""), r"\(header\): not valid JSON"),
        (raw_safetensors("[1, 2]", b""), "expected a JSON object, found list"),
        (raw_safetensors('{"a": 3}', b""), "tensor 'a': expected dtype, shape and data_offsets"),
        (raw_safetensors('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', b"\0" * 4), "make no sense"),
        (
            raw_safetensors('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', b"\0" * 4),
            "not a valid safetensors",
        ),
        (
            raw_safetensors('{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}', b"\0" * 4),
            "not a valid safetensors",
        ),
        (raw_safetensors(f'{{"a":{ENTRY}}}', b"\0" * 5), "not a valid safetensors"),
        (raw_safetensors(f'{{"a":{ENTRY},"b":{ENTRY}}}', b"\0" * 4), "not a valid safetensors"),
        (raw_safetensors(f'{{"a":{ENTRY},"a":{ENTRY}}}', b"\0" * 4), r"\(header\): the key 'a' comes twice"),
    ],
)
def test_damaged_headers_are_refused(directory: Path, content: bytes, message: str) -> None:
    (directory / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        load_model(str(directory))


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_escapes_the_named_errors(directory: Path, data: st.DataObject) -> None:
    """Random damage to a file is refused by name, or leaves finite arrays of the right shapes."""
    whole = safetensors.numpy.save(gpt2_tensors())
    content = bytearray(whole[: data.draw(st.integers(len(whole) * 3 // 4, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (directory / "model.safetensors").write_bytes(bytes(content))
    message = "model.safetensors"
    try:
        layer = load_model(str(directory)).layer(0)
    except TokenDemoError as error:
        message = str(error)
    else:
        assert np.isfinite(layer.wq).all()
        assert layer.wq.shape == (2, 4, 2)
    assert "model.safetensors" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(CONFIG)[:-1] + ', "n_head": 2}', r"config\.json: the key 'n_head' comes twice"),
        (json.dumps(CONFIG)[:-1] + ', "x": {"y": 1, "y": 1}}', "the key 'y' comes twice"),
        (json.dumps(CONFIG)[:-1] + ', "layer_norm_epsilon": NaN}', "found NaN"),
        (json.dumps(CONFIG)[:-3], "not valid JSON"),
        ("[]", "expected a JSON object, found list"),
        ("\xff", "not valid JSON"),
        (json.dumps(CONFIG | {"n_head": None}), "the key 'n_head' is missing; expected a positive integer"),
        (json.dumps(CONFIG | {"n_head": 3}), r"n_head = 3; expected a divisor of n_embd = 4"),
        (json.dumps(CONFIG | {"n_head": True}), "n_head = True; expected a positive integer"),
        (json.dumps(CONFIG | {"layer_norm_epsilon": -1}), "layer_norm_epsilon = -1; expected a positive number"),
        (json.dumps(CONFIG | {"layer_norm_epsilon": 0}), "layer_norm_epsilon = 0; expected a positive number"),
        (json.dumps(CONFIG | {"model_type": "mamba"}), "model_type 'mamba' is not supported; expected one of 'bert'"),
        (json.dumps(CONFIG | {"model_type": ["gpt2"]}), r"model_type \['gpt2'\] is not supported"),
        (
            json.dumps(CONFIG | {"layer_norm_epsilon": 10**400}),
            "layer_norm_epsilon = 1000.*; expected a pos",
        ),
        (json.dumps(CONFIG | {"n_layer": 10**9}), "1000000000 layers, but there are"),
        ("{}", "model_type None is not supported"),
    ],
)
def test_damaged_configurations_are_refused(directory: Path, text: str, message: str) -> None:
    (directory / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        load_model(str(directory))


def test_a_missing_configuration_is_named(directory: Path) -> None:
    (directory / "config.json").unlink()
    with pytest.raises(ModelFileError, match=r"config\.json: missing"):
        load_model(str(directory))


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"wte.weight": "../secret.safetensors"}, r"points to '\.\./secret\.safetensors'; expected the plain name"),
        ({"wte.weight": "/etc/passwd"}, "points to '/etc/passwd'"),
        ({"wte.weight": "..\\secret.safetensors"}, "expected the plain name"),
        ({"wte.weight": "weights.bin"}, r"points to 'weights\.bin'"),
        ({"wte.weight": "a.safetensors"}, r"the shard 'a\.safetensors' is missing"),
        ({}, "expected weight_map"),
        ({"wte.weight": 3}, "expected weight_map"),
    ],
)
def test_indices_that_point_elsewhere_are_refused(directory: Path, weight_map: Any, message: str) -> None:
    (directory / "model.safetensors").unlink()
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(ModelFileError, match=message):
        load_model(str(directory))


def test_an_index_with_a_tensor_listed_twice_is_refused(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "a.safetensors")
    (directory / "model.safetensors.index.json").write_text(
        '{"weight_map": {"w": "a.safetensors", "w": "b.safetensors"}}'
    )
    with pytest.raises(ModelFileError, match="the key 'w' comes twice"):
        load_model(str(directory))


def test_a_tensor_that_the_index_misplaces_is_named(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "a.safetensors")
    names = [*gpt2_tensors(), "lm_head.weight"]
    index = {"weight_map": dict.fromkeys(names, "a.safetensors")}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelFileError, match=r"a\.safetensors: the tensor 'lm_head\.weight' is missing, though"):
        load_model(str(directory)).layer(0)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "model_1.pkl", "last.ckpt"])
def test_pickles_are_refused_with_the_cure(directory: Path, name: str) -> None:
    (directory / "model.safetensors").rename(directory / name)
    for source in (directory, directory / name):
        with pytest.raises(ModelFileError, match=rf"{name}: refused, since it is a pickle.*save_file"):
            load_model(str(source))
    (directory / "config.json").unlink()
    with pytest.raises(ModelFileError, match="refused, since it is a pickle"):
        load_model(str(directory))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "openai-community/gpt2",
            r"no such directory \(the name of a model on a hub, perhaps\?\); nothing is ever downloaded",
        ),
        ("/no/such/place", "no such directory; nothing is ever downloaded"),
        ("bundled:../numbers", "no such model comes with this package"),
        ("package:no_such_package_here", "no package 'no_such_package_here' is installed"),
        ("package:os.path", "expected the name of a top-level package"),
        ("package:json", "no directory inside the package holds"),
        ("package:__main__", "no "),
    ],
)
def test_sources_that_lead_nowhere_are_refused(source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_model(source)


def test_a_file_is_no_source(directory: Path) -> None:
    with pytest.raises(InputError, match="expected a directory, found a file"):
        load_model(str(directory / "model.safetensors"))


def test_a_package_is_found_but_not_imported(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "weights_inside"
    shutil.copytree(directory, package / "deep" / "model")
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "config.json").write_text("{}")  # with no weights beside it
    monkeypatch.syspath_prepend(tmp_path)
    assert load_model("package:weights_inside").directory == package / "deep" / "model"
    shutil.copytree(directory, package / "deep" / "other")
    with pytest.raises(InputError, match="several models inside"):
        load_model("package:weights_inside")


def test_layers_are_kept_and_others_refused(directory: Path) -> None:
    model = load_model(str(directory))
    assert model.layer(1) is model.layer(1)
    for index in (-1, 2):
        with pytest.raises(InputError, match=f"there is no layer {index}; expected 0 to 1"):
            model.layer(index)


def test_the_hash_is_of_the_files_contents(directory: Path, tmp_path: Path) -> None:
    first = load_model(str(directory)).hash
    copy = shutil.copytree(directory, tmp_path / "copy")
    assert load_model(str(copy)).hash == first
    assert first.startswith("sha256:")
    assert len(first) == len("sha256:") + 64
    (copy / "config.json").write_text(json.dumps(CONFIG | {"layer_norm_epsilon": 0.25}))
    assert load_model(str(copy)).hash != first
    write(copy, gpt2_tensors(seed=1))
    assert load_model(str(copy)).hash != first
