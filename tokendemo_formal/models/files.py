"""Stored tensors and configurations, read without trusting them.

Tensors come from safetensors files: a single ``model.safetensors``, or shards listed in
``model.safetensors.index.json``. The ``safetensors`` library validates each file; the values themselves are taken from
the offsets that it has checked, since its NumPy side has no bfloat16. F64, F32, F16 and BF16 are all exact in float64.

Main declarations: :class:`Tensors`, :class:`Config`, :func:`read_json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open

from tokendemo_formal.attention import Weights
from tokendemo_formal.errors import ModelFileError

Choice = TypeVar("Choice", bound=str)

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})

DTYPES: Mapping[str, str] = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""The dtypes that float64 holds exactly, as NumPy reads their bytes (BF16: the upper half of an F32)."""

LARGEST_HEADER = 100_000_000
"""Bytes; the limit of the format's own library."""


def close_to(name: str, known: Collection[str]) -> str:
    """`` (close: 'a', 'b')`` for an error's text, or nothing."""
    matches = get_close_matches(name, known, n=3, cutoff=0.5)
    return f" (close: {', '.join(map(repr, matches))})" if matches else ""


def parse_json(text: str | bytes, where: str) -> dict[str, Any]:
    """The JSON object of a text, refused where a key comes twice (readers of JSON silently take the last)."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ModelFileError(f"{where}: the key {twice!r} comes twice; expected each key once: remove one")
        return values

    def refuse(constant: str) -> NoReturn:
        raise ModelFileError(f"{where}: found {constant}, which is no JSON number; expected finite numbers")

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{where}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise ModelFileError(f"{where}: expected a JSON object, found {type(value).__name__}")
    return value


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; ModelFileError where it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: can't be read ({error.strerror})") from None


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object of a file, refused where a key comes twice."""
    return parse_json(read_bytes(path), str(path))


class Config:
    """A ``config.json``, whose values are checked when they are asked for. A null counts as absent.

    Raises:
        ModelFileError: for an absent key without a default or a value of another kind; the text names file and key.
    """

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self.path = path
        self.values = values

    def get(self, key: str) -> Any:
        """The value as it stands, None where absent."""
        return self.values.get(key)

    def refuse(self, key: str, expected: str) -> NoReturn:
        """Raise the error that names file, key, value and expectation."""
        if self.get(key) is None:
            raise ModelFileError(f"{self.path}: the key {key!r} is missing; expected {expected}")
        raise ModelFileError(f"{self.path}: {key} = {self.get(key)!r}; expected {expected}")

    def integer(self, key: str, default: int | None = None) -> int:
        """A positive integer."""
        value = default if self.get(key) is None else self.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.refuse(key, "a positive integer")
        return value

    def number(self, key: str, default: float | None = None, *, zero: bool = False) -> float:
        """A finite number, positive, or 0 where that is allowed."""
        value = default if self.get(key) is None else self.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= sys.float_info.max:
            self.refuse(key, "a number of 0 or more" if zero else "a positive number")
        if value == 0 and not zero:
            self.refuse(key, "a positive number")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = default if self.get(key) is None else self.get(key)
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value

    def choice(self, key: str, default: Choice | None, *choices: Choice) -> Choice:
        """One of the named choices."""
        value = default if self.get(key) is None else self.get(key)
        if value not in choices:
            self.refuse(key, "one of " + ", ".join(map(repr, choices)))
        return choices[choices.index(value)]

    def table(self, key: str) -> dict[str, Any]:
        """An object; an absent one is empty."""
        value = {} if self.get(key) is None else self.get(key)
        if not isinstance(value, dict):
            self.refuse(key, "an object")
        return value


@dataclass(frozen=True)
class Stored:
    """Where a tensor's bytes lie in its file."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def _header(path: Path) -> dict[str, Stored]:
    """The tensors of one safetensors file, once its whole header has been found valid."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if size < 8 or length > LARGEST_HEADER:
                raise ModelFileError(
                    f"{path}: its first 8 bytes announce a header of {length} bytes, the file has {size} in all and "
                    f"{LARGEST_HEADER} are allowed; this is no safetensors file"
                )
            if length > size - 8:
                raise ModelFileError(
                    f"{path}: truncated or no safetensors file: expected a header of {length} bytes, found {size - 8}"
                )
            raw = file.read(length)
    except OSError as error:
        raise ModelFileError(f"{path}: can't be read ({error.strerror})") from None
    entries = parse_json(raw, f"{path} (header)")
    entries.pop("__metadata__", None)
    tensors = {name: _entry(path, name, entry, 8 + length, size) for name, entry in entries.items()}
    try:
        with safe_open(path, "np"):
            pass
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path}: not a valid safetensors file ({error}); fetch or convert it again") from None
    return tensors


def _entry(path: Path, name: str, entry: Any, data: int, size: int) -> Stored:
    try:
        dtype, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise ModelFileError(
            f"{path}: tensor {name!r}: expected dtype, shape and data_offsets, found {entry}"
        ) from None
    if not all(isinstance(n, int) and n >= 0 for n in (*shape, start, end)) or not isinstance(dtype, str):
        raise ModelFileError(f"{path}: tensor {name!r}: dtype, shape or data_offsets make no sense: {entry}")
    if data + end > size:
        raise ModelFileError(
            f"{path}: truncated: tensor {name!r} {list(shape)} should end at byte {data + end}, the file has {size}; "
            "fetch it again"
        )
    return Stored(path, dtype, shape, data + start, data + end)


class Tensors:
    """The named tensors of a directory. Only tensors that are asked for are read.

    Args:
        directory: holds ``model.safetensors``, or an index and its shards.

    Attributes:
        files: the files that hold the weights, the index included.

    Raises:
        ModelFileError: where there are no such files (a directory that holds only pickles is told the cure), or one
            of them is damaged.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._headers: dict[Path, dict[str, Stored]] = {}
        index = directory / INDEX
        if (directory / SINGLE).exists():
            self.files: tuple[Path, ...] = (directory / SINGLE,)
            self._homes = dict.fromkeys(self._open(directory / SINGLE), directory / SINGLE)
        elif index.exists():
            self._homes = _weight_map(index)
            self.files = (index, *sorted(set(self._homes.values())))
        else:
            _no_safetensors(directory)

    def _open(self, path: Path) -> dict[str, Stored]:
        if path not in self._headers:
            self._headers[path] = _header(path)
        return self._headers[path]

    def __contains__(self, name: str) -> bool:
        return name in self._homes

    @property
    def names(self) -> Collection[str]:
        """The names of all tensors."""
        return self._homes.keys()

    def stored(self, name: str) -> Stored:
        """Where a tensor lies, its dtype and shape; ModelFileError, with close names, where there is none."""
        if name not in self._homes:
            raise ModelFileError(
                f"{self.files[0]}: the tensor {name!r} is missing among {len(self._homes)}{close_to(name, self.names)}"
            )
        home = self._homes[name]
        tensors = self._open(home)
        if name not in tensors:
            raise ModelFileError(f"{home}: the tensor {name!r} is missing, though {INDEX} places it there")
        return tensors[name]

    def read(self, name: str, shape: tuple[int, ...]) -> Weights:
        """A tensor as float64, every value exactly as stored.

        Raises:
            ModelFileError: for a missing tensor, another shape, a dtype that float64 can't hold, or a value that is not
                finite; the text names file and tensor.
        """
        stored = self.stored(name)
        place = f"{stored.file}: tensor {name!r}"
        if stored.shape != shape:
            raise ModelFileError(f"{place}: expected shape {list(shape)}, found {list(stored.shape)}")
        if stored.dtype not in DTYPES:
            raise ModelFileError(f"{place}: stored as {stored.dtype}; expected one of {', '.join(DTYPES)}")
        try:
            with stored.file.open("rb") as file:
                file.seek(stored.start)
                raw = file.read(stored.end - stored.start)
        except OSError as error:
            raise ModelFileError(f"{place}: can't be read ({error.strerror})") from None
        if len(raw) != stored.end - stored.start:
            raise ModelFileError(f"{place}: expected {stored.end - stored.start} bytes, found {len(raw)}: truncated")
        flat: Weights = np.frombuffer(raw, dtype=DTYPES[stored.dtype])
        if stored.dtype == "BF16":
            flat = (flat.astype("<u4") << 16).view("<f4")
        with np.errstate(invalid="ignore"):  # a signalling NaN; it is named below
            values = flat.astype(np.float64).reshape(shape)
        if damage := not_finite(values):
            raise ModelFileError(f"{place}: {damage}")
        return values


def not_finite(values: Weights) -> str | None:
    """How many values are NaN or infinite, and where the first is; None where all are finite."""
    wrong = ~np.isfinite(values)
    if not wrong.any():
        return None
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"{int(wrong.sum())} of {values.size} values are not finite, the first at {list(first)} ({values[first]}); "
        "expected finite weights"
    )


def _weight_map(index: Path) -> dict[str, Path]:
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards or not all(isinstance(shard, str) for shard in shards.values()):
        raise ModelFileError(
            f"{index}: expected weight_map, an object from tensor names to file names, found {shards!r}"
        )
    for name, shard in shards.items():
        if "/" in shard or "\\" in shard or not shard.endswith(".safetensors"):
            raise ModelFileError(
                f"{index}: tensor {name!r} points to {shard!r}; expected the plain name of a .safetensors file there"
            )
    homes = {name: index.parent / shard for name, shard in shards.items()}
    there = {path.name for path in index.parent.iterdir()}
    missing = sorted({home.name for home in homes.values()} - there)
    if missing:
        raise ModelFileError(f"{index}: the shard {missing[0]!r} is missing ({len(missing)} in all); fetch it")
    return homes


def refuse_pickle(path: Path) -> NoReturn:
    """ModelFileError: pickles run code when they are opened."""
    raise ModelFileError(
        f"{path}: refused, since it is a pickle, which can run any code when it is opened; convert it where you trust "
        f"it, with safetensors.torch.save_file(torch.load(path, weights_only=True), {SINGLE!r})"
    )


def _no_safetensors(directory: Path) -> NoReturn:
    names = sorted(path.name for path in directory.iterdir())
    for name in names:
        if Path(name).suffix in PICKLES:
            refuse_pickle(directory / name)
    raise ModelFileError(f"{directory}: expected {SINGLE} or {INDEX}, found {', '.join(names) or 'an empty directory'}")
