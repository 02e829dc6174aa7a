"""What the checker of certificates reads, without trusting it: lines of JSON, exact numbers, safetensors files.

Nothing here comes from the rest of the package.

Main declarations: :class:`RefusedError`, :class:`Lines`, :func:`rational`, :class:`Files`, :class:`View`.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from flint import arb, arb_mat, ctx, fmpq

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Bytes of the number formats that are read, all of them exactly."""

_RATIONAL = re.compile(r"(-?[0-9]{1,1000})(?:/([0-9]{1,1000}))?", re.ASCII)
_HEXADECIMAL = re.compile(r"(-?)0x([01])(?:\.([0-9a-f]{1,13}))?p([+-][0-9]{1,4})", re.ASCII)
_ROLE = re.compile(r"([^;]+)(?:;slice=([0-9,]+))?(?:;shape=([0-9,]+))?(?:;order=([0-9,]+))?", re.ASCII)


class RefusedError(Exception):
    """The certificate is not accepted.

    Args:
        kind: ``"invalid"``, ``"malformed"``, ``"unsupported"`` or ``"undecided"``.
        message: what was found, and what was expected.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def malformed(message: str) -> NoReturn:
    """Refuse what is not of this format."""
    raise RefusedError("malformed", message)


def parse(text: str, where: str) -> dict[str, Any]:
    """A JSON object without floats and duplicate keys; integers of at most 18 digits."""

    def refuse(found: str) -> NoReturn:
        malformed(f"{where}: found the number {found[:40]}; expected integers, and other numbers as strings")

    def integer(digits: str) -> int:
        return int(digits) if len(digits) <= 18 else refuse(digits)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        return values if len(values) == len(pairs) else malformed(f"{where}: a key comes twice; expected each once")

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_float=refuse, parse_int=integer, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        malformed(f"{where}: not valid JSON ({str(error)[:80]})")
    return value if isinstance(value, dict) else malformed(f"{where}: expected a JSON object")


def rational(value: object, where: str) -> fmpq:
    """The exact value of ``"-3"``, ``"1/32"`` or ``"-0x1.8p-3"``."""
    if isinstance(value, str) and len(value) <= 2002:
        if match := _RATIONAL.fullmatch(value):
            above, below = int(match[1]), int(match[2] or 1)
            if below:
                return fmpq(above, below)
        elif (match := _HEXADECIMAL.fullmatch(value)) and abs(int(match[4])) <= 1074:
            digits, shift = match[3] or "", int(match[4])
            mantissa = int(match[1] + match[2] + digits, 16)
            return fmpq(mantissa) * fmpq(2) ** (shift - 4 * len(digits))
    return malformed(f"{where}: expected a number as a string such as '-3', '1/32' or '-0x1.8p-3', found {value!r:.60}")


class Lines:
    """The lines of a certificate, one at a time.

    Attributes:
        number: of the line read last, from 1.
    """

    def __init__(self, file: Any, limit: int) -> None:
        self._file, self._limit, self.number, self.raw = file, limit, 0, b""

    def next(self) -> dict[str, Any] | None:
        """The object of the next line; None after the last."""
        self.raw = self._file.readline(self._limit + 1)
        self.number += 1
        if not self.raw:
            return None
        if len(self.raw) > self._limit:
            raise RefusedError("unsupported", f"a line of more than {self._limit} bytes")
        if self.raw[-1:] != b"\n":
            malformed("the last line has no end: the file is cut off")
        self.raw = self.raw[:-1]
        try:
            return parse(self.raw.decode(), "line")
        except UnicodeDecodeError:
            malformed("not UTF-8")


def keys(line: Mapping[str, Any], required: set[str], optional: Sequence[str] = ()) -> None:
    """Refuse missing and unknown keys."""
    for key in sorted(required - line.keys()):
        malformed(f"the key {key!r} is missing")
    for key in sorted(line.keys() - required - set(optional)):
        malformed(f"unknown key {key!r:.60}")


def integers(value: object, where: str, least: int = 0) -> list[int]:
    """A list of integers."""
    if not isinstance(value, list) or not all(type(n) is int and n >= least for n in value):
        malformed(f"{where}: expected a list of integers of at least {least}")
    return value


def table(line: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An object inside the object."""
    value = line[key]
    return value if isinstance(value, dict) else malformed(f"{key}: expected an object")


class Stored:
    """The numbers of one tensor, row-major; a slice of it gives the exact floats."""

    def __init__(self, name: str, raw: memoryview, dtype: str) -> None:
        self.name, self.raw, self.dtype, self.size = name, raw, dtype, SIZES[dtype]

    def __getitem__(self, part: slice) -> Sequence[float]:
        raw = self.raw[part.start * self.size : part.stop * self.size]
        count = len(raw) // self.size
        if self.dtype == "BF16":  # the upper half of an F32
            wide = bytearray(4 * count)
            wide[2::4], wide[3::4] = raw[0::2], raw[1::2]
            values = struct.unpack(f"<{count}f", wide)
        else:
            values = struct.unpack(f"<{count}{ {'F64': 'd', 'F32': 'f', 'F16': 'e'}[self.dtype] }", raw)
        if not all(map(math.isfinite, values)):
            malformed(f"tensor {self.name!r} holds numbers that are not finite")
        return values


class View:
    """Stored numbers seen as an array: ``shape``, and how far to go for a step along each axis."""

    def __init__(
        self, numbers: Stored | Sequence[float], shape: tuple[int, ...], strides: tuple[int, ...] = (), start: int = 0
    ) -> None:
        self.numbers, self.shape, self.start = numbers, shape, start
        self.strides = strides or tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))

    def __getitem__(self, index: int) -> View:
        start = self.start + index * self.strides[0]
        return View(self.numbers, self.shape[1:], self.strides[1:], start)

    def floats(self) -> Sequence[float]:
        """All numbers, row-major."""
        if not math.prod(self.shape):
            return []
        reach = sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        block = self.numbers[self.start : self.start + reach + 1]
        offsets = [0]
        for n, step in zip(self.shape, self.strides, strict=True):
            offsets = [offset + i * step for offset in offsets for i in range(n)]
        return block if offsets == list(range(len(block))) else [block[i] for i in offsets]

    def balls(self) -> list[Any]:
        return [arb(x) for x in self.floats()]

    def matrix(self) -> arb_mat:
        rows, columns = self.shape
        return arb_mat(rows, columns, self.floats())

    def sliced(self, axis: int, start: int, stop: int) -> View:
        shape = (*self.shape[:axis], stop - start, *self.shape[axis + 1 :])
        return View(self.numbers, shape, self.strides, self.start + start * self.strides[axis])

    def reshaped(self, shape: tuple[int, ...]) -> View:
        if self.strides == View((), self.shape).strides:
            return View(self.numbers, shape, start=self.start)
        return View(self.floats(), shape)

    def permuted(self, order: Sequence[int]) -> View:
        return View(
            self.numbers, tuple(self.shape[i] for i in order), tuple(self.strides[i] for i in order), self.start
        )


def slopes(count: int) -> list[float]:
    """The float64 numbers nearest to 2^(-8/count), 2^(-16/count), …, 2^-8."""
    with ctx.workprec(256):
        return [float(arb(2) ** arb(fmpq(-8 * k, count))) for k in range(1, count + 1)]


class Files:
    """The tensors of the files that a certificate names, each file compared with its hash.

    Args:
        directory: where the files are.
        hashes: SHA-256 by name.

    Raises:
        RefusedError: invalid for a missing or different file, malformed for a damaged one or a tensor that comes twice.
    """

    def __init__(self, directory: Path, hashes: Mapping[str, str]) -> None:
        self.tensors: dict[str, tuple[Stored, tuple[int, ...]]] = {}
        for name, expected in hashes.items():
            path = directory / name
            if not path.is_file():
                raise RefusedError(
                    "invalid", f"{name}: missing in {directory}; give the directory of the certified model"
                )
            with path.open("rb") as file:
                raw = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b"")
            found = hashlib.sha256(raw).hexdigest()
            if found != expected:
                raise RefusedError(
                    "invalid", f"{name}: its SHA-256 is {found}, the certificate is about {expected}: other weights"
                )
            if name.endswith(".safetensors"):
                self._read(name, raw)

    def _read(self, name: str, raw: memoryview) -> None:
        length = int.from_bytes(raw[:8], "little")
        if len(raw) < 8 or length > min(len(raw) - 8, 100_000_000):
            malformed(f"{name}: not a safetensors file: its header should have {length} bytes")
        try:
            text = bytes(raw[8 : 8 + length]).decode()
        except UnicodeDecodeError:
            malformed(f"{name}: not a safetensors file: its header is not UTF-8")
        header, data = parse(text, f"{name} (header)"), raw[8 + length :]
        header.pop("__metadata__", None)
        for tensor, entry in header.items():
            if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
                malformed(f"{name}: tensor {tensor!r}: expected dtype, shape and data_offsets")
            dtype, shape, ends = entry["dtype"], entry["shape"], entry["data_offsets"]
            if not all(isinstance(x, list) and all(type(n) is int and n >= 0 for n in x) for x in (shape, ends)):
                malformed(f"{name}: tensor {tensor!r}: shape and data_offsets make no sense")
            if tensor in self.tensors:
                malformed(f"{name}: tensor {tensor!r} comes a second time")
            if isinstance(dtype, str) and dtype in SIZES:  # others may lie in the file, but can't be used
                if len(ends) != 2 or ends[1] > len(data) or ends[1] - ends[0] != math.prod(shape) * SIZES[dtype]:
                    malformed(f"{name}: tensor {tensor!r}: {shape} of {dtype} don't lie at bytes {ends}")
                self.tensors[tensor] = Stored(tensor, data[ends[0] : ends[1]], dtype), tuple(shape)

    def view(self, role: str, source: object) -> View:
        """``TENSOR;slice=AXIS,START,STOP;shape=A,B;order=I,J``: each part after the name as it is given."""
        match = _ROLE.fullmatch(source) if isinstance(source, str) and len(source) <= 1000 else None
        if match is None:
            malformed(
                f"tensors.{role}: expected 'TENSOR;slice=AXIS,START,STOP;shape=A,B;order=I,J', found {source!r:.80}"
            )
        parts = [tuple(int(n or 10**9) for n in part.split(",")) if part else None for part in match.groups()[1:]]
        cut, shape, order = parts
        if match[1] in ("ones", "slopes"):
            if cut or order or not shape or len(shape) != 1 or not 0 < shape[0] <= 2**20:
                malformed(f"tensors.{role}: expected '{match[1]};shape=A', found {source!r:.80}")
            return View([1.0] * shape[0] if match[1] == "ones" else slopes(shape[0]), shape)
        if match[1] not in self.tensors:
            malformed(f"tensors.{role}: no file that the header lists holds a tensor {match[1]!r:.80} of {[*SIZES]}")
        view = View(*self.tensors[match[1]])
        if cut:
            if len(cut) != 3 or cut[0] >= len(view.shape) or not cut[1] < cut[2] <= view.shape[cut[0]]:
                malformed(f"tensors.{role}: the slice {cut} does not fit the shape {view.shape}")
            view = view.sliced(*cut)
        if shape:
            if math.prod(shape) != math.prod(view.shape):
                malformed(f"tensors.{role}: {view.shape} can't be reshaped to {shape}")
            view = view.reshaped(shape)
        if order:
            if sorted(order) != list(range(len(view.shape))):
                malformed(f"tensors.{role}: {order} is no order of the axes of {view.shape}")
            view = view.permuted(order)
        return view
