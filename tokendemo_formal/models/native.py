"""The package's own layout: one attention layer with all its features, exactly.

``model.safetensors`` holds the arrays under the field names of :class:`~tokendemo_formal.attention.Layer`
(``wq``, ``pre_norm.gain``, ``positions.table``, …); ``config.json`` lists them with their shapes, and holds the rest.

Main declarations: :func:`save`, :class:`Native`.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.numpy

from tokendemo_formal.attention import (
    ARRAYS,
    NORMS,
    Alibi,
    Layer,
    Learned,
    Rotary,
    Sinusoidal,
    Weights,
    softmax,
)
from tokendemo_formal.errors import InputError, ModelFileError, UnsupportedError
from tokendemo_formal.models.family import Architecture, Family, Norms, Settings
from tokendemo_formal.models.files import SINGLE, Config, Tensors, not_finite
from tokendemo_formal.models.layout import TensorRef
from tokendemo_formal.models.tokenizer import FILES as TOKENIZER_FILES
from tokendemo_formal.models.tokenizer import Tokenizer

MODEL_TYPE = "tokendemo"

REQUIRED = {"embedding": 2, "wq": 3, "wk": 3, "wv": 3, "wo": 3}
"""The arrays that every layer has, and their number of axes."""

ROLES = {"unembedding": "readout", "unembedding_bias": "readout_bias"}
"""Names of arrays that differ from the names of their roles."""


def _settings(layer: Layer) -> dict[str, Any]:
    """What a layer has beside arrays, as JSON."""
    positions: dict[str, Any] | None = None
    match layer.positions:
        case Learned():
            positions = {"kind": "learned"}
        case Sinusoidal(base):
            positions = {"kind": "sinusoidal", "base": base}
        case Rotary(base, pairing, dims):
            positions = {"kind": "rotary", "base": base, "pairing": pairing, "dims": dims}
        case Alibi():
            positions = {"kind": "alibi"}
    norms = {name: getattr(layer, name) for name in NORMS}
    return {
        "positions": positions,
        "norms": {name: {"kind": norm.kind, "eps": norm.eps} for name, norm in norms.items() if norm is not None},
        "scale_squared": None if layer.scale_squared is None else str(layer.scale_squared),
        "temperature": layer.temperature,
        "causal": layer.causal,
        "residual": layer.residual,
    }


def save(
    layer: Layer,
    directory: str | os.PathLike[str],
    *,
    tokenizer_json: str | None = None,
    special_tokens: Sequence[str] = (),
    dtype: Literal["F64", "F32"] = "F64",
    notes: str = "",
) -> None:
    """Store a layer so that :func:`~tokendemo_formal.models.load_model` gives back exactly the same one.

    All files are written in full under other names first and then renamed, ``config.json`` last.

    Args:
        layer: with float64 or float32 arrays and the softmax normaliser.
        directory: made where it doesn't exist; files of the same names are replaced, others are left alone.
        tokenizer_json: the text of a ``tokenizer.json``.
        special_tokens: tokens of that tokenizer that an adversary may not use by default.
        dtype: of all arrays in the file.
        notes: kept in ``config.json``.

    Raises:
        UnsupportedError: for arrays of other numbers than floats, or another normaliser.
        InputError: for values that the dtype can't hold exactly or that are not finite, and for special tokens that
            the tokenizer doesn't know, and where the directory holds the tokenizer of another model.
    """
    if layer.normaliser is not softmax:
        raise UnsupportedError("a layer with another normaliser than softmax can't be stored: code is no weight")
    tensors = {name: _exactly(name, array, dtype) for name, array in layer.arrays.items()}
    if special_tokens and tokenizer_json is None:
        raise InputError("special_tokens need a tokenizer that knows them; give tokenizer_json")
    files: dict[str, bytes] = {SINGLE: safetensors.numpy.save(tensors)}
    if tokenizer_json is not None:
        tokenizer = Tokenizer.from_json(tokenizer_json)
        for token in special_tokens:
            tokenizer.id(token)
        files["tokenizer.json"] = tokenizer_json.encode()
    elif stale := [name for name in TOKENIZER_FILES if (Path(directory) / name).exists()]:
        raise InputError(f"{directory} holds another model's {stale[0]}; give tokenizer_json, or another directory")
    config = {
        "model_type": MODEL_TYPE,
        "tensors": {name: list(array.shape) for name, array in tensors.items()},
        **_settings(layer),
        "special_tokens": list(special_tokens),
        "notes": notes,
    }
    files["config.json"] = (json.dumps(config, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()
    _write(Path(directory), files)


def _exactly(name: str, array: Weights, dtype: str) -> Weights:
    if array.dtype not in (np.float64, np.float32):
        raise UnsupportedError(f"{name}: expected an array of float64 or float32 to store, found {array.dtype}")
    if damage := not_finite(array):
        raise InputError(f"{name}: {damage}")
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(array, dtype={"F64": np.float64, "F32": np.float32}[dtype])
    changed = stored != array
    if changed.any():
        first = tuple(int(i) for i in np.argwhere(changed)[0])
        raise InputError(
            f"{name}: {dtype} can't hold {int(changed.sum())} of {array.size} values exactly, the first at "
            f"{list(first)} ({array[first]!r}); use dtype='F64'"
        )
    return stored


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write all files or none: each in full beside its place, then renamed in order."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".saving-") as temporary:
        for name, content in files.items():
            with (Path(temporary) / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in files:
            (Path(temporary) / name).replace(directory / name)


class Native(Family):
    """``model_type`` ``"tokendemo"``: the layer is the whole model."""

    name = "tokendemo"

    def __init__(self, config: Config, weights: Tensors) -> None:
        self.config, self.weights = config, weights
        self.shapes = _shapes(config)
        for name in weights.names:
            if name not in self.shapes:
                raise ModelFileError(f"{config.path}: 'tensors' does not list {name!r}, which {SINGLE} holds")
        self.norms = _tables(config, "norms")
        for name in self.norms:
            if name not in NORMS:
                raise ModelFileError(f"{config.path}: norms: a layer has no {name!r}; expected {', '.join(NORMS)}")
        self.positions = Config(config.path, config.table("positions"))
        kind = "none"
        if self.positions.values:
            kind = self.positions.choice("kind", None, "learned", "sinusoidal", "rotary", "alibi")
        read = {*ARRAYS, *(f"{name}.{part}" for name in self.norms for part in ("gain", "bias"))}
        read |= {"learned": {"positions.table"}, "alibi": {"positions.slopes"}}.get(kind, set())
        for name in self.shapes:
            if name not in read:
                raise ModelFileError(f"{config.path}: 'tensors' lists {name!r}, but nothing reads {name!r}")
        context = [self.shapes[n][axis] for n, axis in (("positions.table", 0), ("score_bias", 1)) if n in self.shapes]
        self.architecture = Architecture(
            layers=1,
            heads=self.shapes["wq"][0],
            key_value_heads=self.shapes["wk"][0],
            width=self.shapes["embedding"][1],
            head_width=self.shapes["wq"][2],
            vocabulary=self.shapes["embedding"][0],
            context=min(context, default=None),
            positions=kind,
            norms=", ".join(f"{name} ({norm.get('kind')})" for name, norm in self.norms.items()) or "none",
            causal=config.flag("causal", True),
            encoder=False,
        )

    @property
    def special_tokens(self) -> tuple[str, ...]:
        tokens = self.config.get("special_tokens") or []
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            self.config.refuse("special_tokens", "a list of tokens")
        return tuple(tokens)

    @property
    def notes(self) -> str:
        return str(self.config.get("notes") or "")

    def left_out(self, index: int) -> tuple[str, ...]:
        return ()

    def tensors(self, index: int) -> dict[str, TensorRef]:
        needed = [f"{name}.gain" for name in self.norms]
        needed += {"learned": ["positions.table"], "alibi": ["positions.slopes"]}.get(self.architecture.positions, [])
        for name in needed:
            if name not in self.shapes:
                raise ModelFileError(f"{self.config.path}: 'tensors' does not list {name!r}, which the layer needs")
        roles = {ROLES.get(name, name): TensorRef(name, shape) for name, shape in self.shapes.items()}
        return {"readout": roles["embedding"], **roles}

    def settings(self, index: int) -> Settings:
        norms: Norms = {
            name: (norm.choice("kind", None, "layer", "rms"), norm.number("eps", zero=True))
            for name, norm in self.norms.items()
        }
        return Settings(
            positions=self._positions(),
            norms=norms,
            scale_squared=self._scale_squared(),
            temperature=self.config.number("temperature", 1.0),
            causal=self.architecture.causal,
            residual=self.config.flag("residual", True),
        )

    def _positions(self) -> Sinusoidal | Rotary | None:
        table = self.positions
        if self.architecture.positions == "sinusoidal":
            return Sinusoidal(table.number("base"))
        if self.architecture.positions == "rotary":
            pairing: Literal["half", "adjacent"] = table.choice("pairing", None, "half", "adjacent")
            return Rotary(table.number("base"), pairing, None if table.get("dims") is None else table.integer("dims"))
        return None

    def _scale_squared(self) -> Fraction | None:
        stated = self.config.get("scale_squared")
        if stated is None:
            return None
        try:
            value = Fraction(stated)
        except (ValueError, TypeError, ZeroDivisionError):
            value = Fraction(0)
        if not isinstance(stated, str) or value <= 0:
            self.config.refuse("scale_squared", 'a positive fraction as text, such as "1/16"')
        return value


def _tables(config: Config, key: str) -> dict[str, Config]:
    tables = config.table(key)
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ModelFileError(f"{config.path}: {key}.{name}: expected an object, found {table!r}")
    return {name: Config(config.path, table) for name, table in tables.items()}


def _shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shapes that ``tensors`` lists."""
    shapes = {}
    for name, shape in config.table("tensors").items():
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise ModelFileError(f"{config.path}: tensors.{name}: expected a list of sizes, found {shape!r}")
        shapes[name] = tuple(shape)
    for name, axes in REQUIRED.items():
        if len(shapes.get(name, ())) != axes:
            raise ModelFileError(
                f"{config.path}: tensors.{name}: expected {axes} sizes, found {list(shapes.get(name, ())) or 'nothing'}"
            )
    return shapes
