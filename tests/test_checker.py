"""The checker of certificates: what it accepts holds, and what does not hold, or is no certificate, it rejects.

Its word is compared with brute force by the package's own evaluation in balls, of which it shares no line.
"""

from __future__ import annotations

import ast
import copy
import itertools
import json
import math
import re
import struct
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tokendemo_formal.certificates as package
from tests.certificate_writer import (
    Floats,
    Line,
    Sets,
    all_gains,
    certificate,
    encode,
    floats,
    node,
    question_of,
    reading_line,
    seal,
    singletons,
    stored,
)
from tests.certificates_golden import HOME, MODEL, valid
from tests.strategies import cases
from tokendemo_formal.certificates import stored as reading
from tokendemo_formal.certificates.checker import Limits, Verdict, check, main
from tokendemo_formal.models import save
from tokendemo_formal.numbers.balls import endpoints, precision
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.question import Question, Readout

GOLDEN = {kind: sorted((HOME / kind).glob("*.jsonl")) for kind in ("valid", "invalid", "malformed")}
EVERYTHING = [path for paths in GOLDEN.values() for path in paths]


def verdict(lines: list[Line] | bytes, directory: Path, at: Path, **options: Any) -> Verdict:
    path = at / "certificate.jsonl"
    path.write_bytes(lines if isinstance(lines, bytes) else seal(lines, directory))
    return check(path, directory, **options)


def read(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# Stored certificates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_stored_certificates(path: Path) -> None:
    found = check(path, MODEL)
    assert found.kind == path.parent.name, found
    assert found.exit_code == ["valid", "invalid", "malformed"].index(path.parent.name)
    if found.kind == "valid":
        assert found.line == 0
        assert found.claim
    else:
        assert found.line > 0
        assert found.claim == ""


@pytest.mark.parametrize("path", GOLDEN["valid"], ids=lambda path: path.stem)
def test_stored_claims_hold(path: Path) -> None:
    assert claim_holds(read(path), MODEL)


def test_there_are_stored_certificates_of_every_kind() -> None:
    lines = [line for path in GOLDEN["valid"] for line in read(path)]
    assert {line["claim"] for line in lines if "claim" in line} == {"override", "no-override", "minimum", "optimum"}
    assert {line["node"] for line in lines if "node" in line} == {"leaf", "filter", "split", "exact"}
    assert {line["reading"] for line in lines if "reading" in line} >= {"plain", "tangent"}
    assert any("joint" in line for line in lines)
    assert any(len(line.get("of", [])) > 1 for line in lines)
    assert any("reader_token" in line for line in lines)


@pytest.mark.parametrize("name", ["child_missing", "filter_flipped", "cut_after_a_line"])
def test_the_failing_node_is_named(name: str) -> None:
    found = check(HOME / "invalid" / f"{name}.jsonl", MODEL)
    assert str(found).startswith(f"invalid: line {found.line}: ")
    assert re.search("bound is|child is missing", found.message)


# Every feature of a layer ------------------------------------------------------------------------------------------


def leaves(tables: Floats, sets: Sets, ids: list[int]) -> Any:
    """A leaf at every assignment: without a final norm it is exact, whatever its c."""
    for line in singletons(tables, sets, ids):
        yield node("leaf", np.linspace(-1, 1, len(tables.a))) if line["node"] == "exact" else line


def exact_gain(question: Question, assignment: tuple[int, ...], bits: int = 300) -> tuple[Fraction, Fraction]:
    prompt = question.with_slots(len(assignment)).prompt(len(assignment))
    return endpoints(ExactGain(question).gain(prompt.filled(assignment), prompt.reader, bits))


FEATURES = [*cases()]


@pytest.mark.parametrize("index", range(len(FEATURES)))
def test_tables_and_witness_agree_with_the_package_to_30_digits(index: int, tmp_path: Path) -> None:
    """Optimum claims that a relative error of 1e-30 in any table or in the witness's gain would break."""
    name, layer = FEATURES[index]
    rng = np.random.default_rng(index)
    layer = stored(layer, tmp_path, rng.standard_normal((2, layer.width)))
    assert layer.unembedding is not None
    readout = Readout(layer.unembedding[0], layer.unembedding[1], threshold=Fraction(1, 3))
    reader: Any = "last" if layer.causal else int(rng.integers(-2, 0))
    asked = Question(layer, readout, (1, 2), (3,), reader, 2, (0, 4, 5))
    gains = {t: exact_gain(asked, t) for t in itertools.product(asked.vocabulary, repeat=2)}
    best = max(gains, key=lambda t: gains[t][1])
    (low, high), tiny = gains[best], Fraction(1, 10**30)
    lines = certificate(asked, "optimum", [2], best, low - tiny, high + tiny, tree=leaves)
    assert verdict(lines, tmp_path, tmp_path).kind == "valid", name
    broken = certificate(asked, "optimum", [2], best, low - tiny, low - tiny / 2, tree=leaves)
    assert verdict(broken, tmp_path, tmp_path).kind == "invalid", name


@pytest.mark.parametrize("index", [i for i, (_, layer) in enumerate(FEATURES) if layer.final_norm is not None])
@pytest.mark.parametrize("threshold", [Fraction(-3), Fraction(0), Fraction(3)])
def test_final_norms(index: int, threshold: Fraction, tmp_path: Path) -> None:
    name, layer = FEATURES[index]
    rng = np.random.default_rng(index)
    layer = stored(layer, tmp_path, rng.standard_normal((2, layer.width)))
    assert layer.unembedding is not None
    readout = Readout(layer.unembedding[0], layer.unembedding[1], threshold=threshold, final_norm=True)
    asked = Question(layer, readout, (1, 2), (3,), "last", 2, (0, 4, 5))
    gains = all_gains(asked, 2)
    most = max(high for _, high in gains.values())
    found = verdict(certificate(asked, "no-override", [2]), tmp_path, tmp_path)
    assert found.kind == ("valid" if most <= 0 else "invalid"), (name, found)


def test_a_bound_that_grows_with_the_deviation_is_rebuilt(tmp_path: Path) -> None:
    """κ < 0: the section's bound is just above the largest linear bound that an independent evaluation gives."""
    found: dict[str, set[str]] = {"deviation": set(), "folded": set()}
    for index, (_, layer) in enumerate(FEATURES):
        if layer.final_norm is None:
            continue
        at = tmp_path / str(index)
        norm = replace(layer.final_norm, bias=None if index % 2 else 4 * np.ones(layer.width))
        rows = np.random.default_rng(index).standard_normal((2, layer.width))
        saved = stored(replace(layer, final_norm=norm), at, rows)
        readout = Readout(rows[0], rows[1], final_norm=True)
        asked = Question(saved, readout, (1, 2), (3,), "last", 1, (0, 4))
        lines = certificate(asked, "no-override", [1], tree=leaves)
        kind = lines[2]["reading"]
        if kind in found:
            prompt = asked.prompt(1)
            tables = floats(asked, prompt, Fraction(0), reading_line(asked, Fraction(0), prompt))
            a, b = tables.slots[0]
            bounds = tables.direct + ((tables.a[:, None] + a) / (tables.b[:, None] + b)).sum(axis=0)
            assert abs(bounds).min() > 1e-6
            verdict_kind = verdict(lines, at, tmp_path).kind
            assert verdict_kind == ("valid" if bounds.max() < 0 else "invalid")
            found[kind].add(verdict_kind)
    assert found["deviation"]
    assert found["folded"] == {"valid", "invalid"}


# Tightness ---------------------------------------------------------------------------------------------------------


def independent_bound(
    asked: Question,
    c: list[Fraction],
    joint: list[int],
    bits: int = 200,
    limits: dict[int, tuple[Fraction, Fraction | None]] | None = None,
    pull: list[Fraction] | None = None,
) -> flint.arb:
    """The root's bound from the definition, over all assignments of whole sets, with numbers of the package; where
    denominators are limited to multiples of the template's part, within these."""
    from tokendemo_formal.numbers.balls import BALLS
    from tokendemo_formal.override.reading import read

    with precision(bits):
        prompt = asked.prompt(asked.slots)
        computation = ExactGain(asked).computation(bits)
        token = prompt.tokens[prompt.reader]
        assert token is not None
        direction, constant = read(BALLS, asked)
        view = computation.reading(computation.rows([token], [prompt.reader]), prompt.reader, direction)

        def terms(t: int, position: int) -> tuple[Any, Any]:
            scores, readouts = view.votes(computation.rows([t], [position]), position)
            b = [s.exp() for s in scores[0]]
            return [x * r for x, r in zip(b, readouts[0, :, 0], strict=True)], b

        heads, exact = range(asked.layer.heads), [flint.arb(flint.fmpq(x.numerator, x.denominator)) for x in c]
        fixed = [terms(t, p) for p, t in enumerate(prompt.tokens) if t is not None]
        a, b = ([sum(term[k][h] for term in fixed) for h in heads] for k in (0, 1))
        slots = [[terms(t, p) for t in asked.vocabulary] for p in prompt.slots]
        # Least and largest by their midpoints, which the precision keeps apart.
        low = [b[h] + sum(min((x[1][h] for x in slot), key=float) for slot in slots) for h in heads]
        high = [b[h] + sum(max((x[1][h] for x in slot), key=float) for slot in slots) for h in heads]
        for h, (least, most) in (limits or {}).items():
            low[h] = max(low[h], b[h] * flint.fmpq(least.numerator, least.denominator), key=float)
            if most is not None:
                high[h] = min(high[h], b[h] * flint.fmpq(most.numerator, most.denominator), key=float)
        pulls = [flint.arb(flint.fmpq(p.numerator, p.denominator)) / b[h] for h, p in enumerate(pull or [])]
        totals = []
        for choice in itertools.product((low, high), repeat=len(joint)):
            chosen = dict(zip(joint, choice, strict=True))

            def value(a: Any, b: Any, chosen: Any = chosen) -> Any:
                total = flint.arb(0)
                for h in heads:
                    x = a[h] - exact[h] * b[h]
                    total += x / chosen.get(h, low if x > 0 else high)[h]
                return total + sum((p * b[h] for h, p in enumerate(pulls)), flint.arb(0))

            best = [max((value(*x) for x in slot), key=float) for slot in slots]
            ends = sum((p * (low if p > 0 else high)[h] for h, p in enumerate(pulls)), flint.arb(0))
            totals.append(view.direct()[0] + constant + sum(exact) + value(a, b) + sum(best) - ends)
        return max(totals, key=float)


@pytest.mark.parametrize("joint", [[], [1], [0, 1]])
@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_tight(seed: int, joint: list[int], tmp_path: Path) -> None:
    """One leaf at the root: valid just above the bound of an independent evaluation in balls, invalid just below."""
    rng = np.random.default_rng(seed)
    _, layer = next(case for case in FEATURES[seed:] if case[1].heads == 2)
    layer = stored(layer, tmp_path, rng.standard_normal((2, layer.width)))
    assert layer.unembedding is not None
    asked = Question(layer, Readout(*layer.unembedding), (1, 2), (3,), "last", 2, (0, 4, 5, 6))
    c = [Fraction(float(x)) for x in rng.standard_normal(2)]
    low, high = endpoints(independent_bound(asked, c, joint))
    gains = all_gains(asked, 2)
    best = max(gains, key=lambda t: gains[t][1])
    assert gains[best][1] <= high
    line = node("leaf", [float(x) for x in c], joint)
    for bound, kind in ((high + Fraction(1, 2**100), "valid"), (low - Fraction(1, 2**100), "invalid")):
        lines = certificate(asked, "optimum", [2], best, gains[best][0], bound, tree=lambda *_: [line])
        found = verdict(lines, tmp_path, tmp_path)
        assert found.kind == kind, found


@pytest.mark.parametrize("joint", [[], [1], [0, 1]])
@pytest.mark.parametrize("seed", range(4))
def test_the_bound_of_a_range_is_tight(seed: int, joint: list[int], tmp_path: Path) -> None:
    """A root split by the range of a denominator, each half a leaf with pulls: likewise."""
    rng = np.random.default_rng(seed)
    _, layer = next(case for case in FEATURES[seed:] if case[1].heads == 2)
    layer = stored(layer, tmp_path, rng.standard_normal((2, layer.width)))
    assert layer.unembedding is not None
    asked = Question(layer, Readout(*layer.unembedding), (1, 2), (3,), "last", 2, (0, 4, 5, 6))
    gains = all_gains(asked, 2)
    best = max(gains, key=lambda t: gains[t][1])
    ranges = denominators(asked)
    head = int(rng.integers(2))
    at = Fraction(float(np.quantile(ranges[:, head], rng.uniform(0.2, 0.8))))
    lines, highs, lows = [{"node": "range", "head": head, "at": float(at).hex()}], [], []
    for limits in ((Fraction(0), at), (at, None)):
        c, pull = ([Fraction(float(x)) for x in rng.standard_normal(2)] for _ in range(2))
        low, high = endpoints(independent_bound(asked, c, joint, limits={head: limits}, pull=pull))
        lows.append(low)
        highs.append(high)
        lines.append(node("leaf", c, joint) | {"pull": [str(p) for p in pull]})
    assert gains[best][1] <= max(highs)
    for bound, kind in ((max(highs) + Fraction(1, 2**100), "valid"), (max(lows) - Fraction(1, 2**100), "invalid")):
        tree = certificate(asked, "optimum", [2], best, gains[best][0], bound, tree=lambda *_: lines)
        found = verdict(tree, tmp_path, tmp_path)
        assert found.kind == kind, found


def denominators(asked: Question) -> Floats:
    """(assignments, H) D of every assignment, divided by the template's part."""
    from tokendemo_formal.override.reading import plain_reading
    from tokendemo_formal.override.tables import TableBuilder

    linear = plain_reading(asked, 0.0)
    assert linear is not None
    tables = TableBuilder(asked, linear).enclosed(asked.prompt(asked.slots))
    own = tables.template.b.mid.sum(axis=0)
    return np.array([1 + np.sum(rows, axis=0) / own for rows in itertools.product(*(s.b.mid for s in tables.slots))])


def test_a_filter_keeps_the_tokens_that_it_may_not_drop(tmp_path: Path) -> None:
    """Whatever its multipliers, a filter before exact nodes never hides an assignment above the bound."""
    lines = read(HOME / "valid" / "no_override_by_trying_all.jsonl")
    lines[1]["threshold"] = "0"
    asked = question_of(lines[1], MODEL, 2)
    gains = all_gains(asked, 2)
    above = {t for t, (low, _) in gains.items() if low > 0}
    assert above
    rng = np.random.default_rng(0)
    for _ in range(50):
        filtered = [
            *lines[:3],
            node("filter", rng.standard_normal(2) * 3, [[], [0], [0, 1]][rng.integers(3)]),
            *lines[3:],
        ]
        assert verdict(filtered, MODEL, tmp_path).kind == "invalid"


# Changes -----------------------------------------------------------------------------------------------------------


def claim_holds(lines: list[Line], directory: Path) -> bool:
    """By brute force in balls, what the header claims of the question."""
    header = lines[0]
    gains = {m: all_gains(question_of(lines[1], directory, m), m) for m in header["lengths"]}
    refused = Fraction(header["high"]) if header["claim"] == "optimum" else Fraction(0)
    below = all(low <= refused for m in gains for low, _ in gains[m].values())
    if header["claim"] == "no-override":
        return bool(gains) and below
    witness = tuple(header["witness"])
    asked = question_of(lines[1], directory, len(witness))
    low, high = all_gains(replace(asked, vocabulary=tuple({*witness}) or asked.vocabulary), len(witness))[witness]
    claimed = Fraction(header["low"]) <= high and low <= Fraction(header["high"])
    return below and claimed and (header["claim"] == "optimum" or high > 0)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All places in a JSON value."""
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [at, *(path for key, inner in items for path in paths(inner, (*at, key)))]
    return [at]


WORDS = ["first", "last", "layer", "rms", "half", "none", "learned", "wq", "wk;order=0,1,2", "plain", "folded", "leaf"]


def read_number(text: str) -> Fraction | None:
    """What a short text stands for, if it is a number; a change may have made it anything."""
    if not re.fullmatch(r"[-+0-9a-fx./p]+", text) or len(text) >= 40:
        return None
    try:
        return Fraction(float.fromhex(text)) if "0x" in text else Fraction(text)
    except (ValueError, OverflowError, ZeroDivisionError):
        return None


def change(data: st.DataObject, value: Any) -> Any:
    """Another value of the same kind, near or far."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return data.draw(st.sampled_from([value + 1, value - 1, 0, 1, 2, -value]) | st.integers(-3, 9))
    if isinstance(value, str):
        number = read_number(value)
        if number is not None:
            factors = [Fraction(0), Fraction(-1), Fraction(1, 2), Fraction(2), 1 + Fraction(1, 2**40), Fraction(100)]
            return str(number * data.draw(st.sampled_from(factors)) + data.draw(st.sampled_from([0, 0, 1, -1])))
        return data.draw(st.sampled_from(WORDS) | st.text(max_size=3))
    if isinstance(value, list):
        kind = data.draw(st.sampled_from(["drop", "double", "swap"]))
        if not value:
            return [data.draw(st.integers(0, 5))]
        i, j = (data.draw(st.integers(0, len(value) - 1)) for _ in range(2))
        out = [*value]
        if kind == "swap":
            out[i], out[j] = out[j], out[i]
            return out
        return out[:i] + out[i + 1 :] if kind == "drop" else [*out[: i + 1], *out[i:]]
    return {key: inner for key, inner in value.items() if key != data.draw(st.sampled_from(sorted(value)))}


def mutate(data: st.DataObject, lines: list[Line]) -> list[Line]:
    """One change to one line, or to their order."""
    lines = copy.deepcopy(lines)
    index = data.draw(st.integers(0, len(lines) - 1))
    kind = data.draw(st.sampled_from(["field"] * 8 + ["drop", "double", "swap"]))
    if kind == "drop":
        return lines[:index] + lines[index + 1 :]
    if kind == "double":
        return lines[: index + 1] + lines[index:]
    if kind == "swap":
        other = data.draw(st.integers(0, len(lines) - 1))
        lines[index], lines[other] = lines[other], lines[index]
        return lines
    path = data.draw(st.sampled_from(paths(lines[index])))
    if not path:
        lines[index] = change(data, lines[index])
        return lines
    inner: Any = lines[index]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = change(data, inner[path[-1]])
    return lines


@pytest.mark.parametrize("path", GOLDEN["valid"], ids=lambda path: path.stem)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_certificates_are_valid_only_where_the_claim_still_holds(
    path: Path, tmp_path: Path, data: st.DataObject
) -> None:
    lines = read(path)
    for _ in range(data.draw(st.integers(1, 2))):
        lines = mutate(data, lines) or lines
    if len(lines) < 2 or not all(isinstance(line, dict) for line in lines[:2]):
        return
    # A hash that is right again lets the change reach the rules.
    text = seal(lines, MODEL) if data.draw(st.booleans()) else b"".join(encode(line) + b"\n" for line in lines)
    found = verdict(text, MODEL, tmp_path)
    if found.kind == "valid":
        assert claim_holds(lines, MODEL), (found, lines[:3])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_never_crash(tmp_path: Path, data: st.DataObject) -> None:
    original = (HOME / "valid" / "final_norm_optimum.jsonl").read_bytes()
    text = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text) - 1))
        stop = start + data.draw(st.integers(0, 6))
        text[start:stop] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"[", b"]", b'"', b"\n", b"9" * 30, b"-"])
        )
    found = verdict(bytes(text), MODEL, tmp_path)
    changed = bytes(text).splitlines()[1:2] != original.splitlines()[1:2]
    assert found.kind != "valid" or not changed  # the question is under the hash


# Models ------------------------------------------------------------------------------------------------------------


def test_other_weights_and_another_configuration(tmp_path: Path) -> None:
    path = HOME / "valid" / "minimum.jsonl"
    for name in ("model.safetensors", "config.json"):
        directory = tmp_path / name
        directory.mkdir()
        for file in MODEL.iterdir():
            content = bytearray(file.read_bytes())
            if file.name == name:
                content[-9] ^= 1
            (directory / file.name).write_bytes(content)
        found = check(path, directory)
        assert found.kind == "invalid"
        assert name in found.message


def test_no_model_directory() -> None:
    path = HOME / "valid" / "minimum.jsonl"
    found = check(path)
    assert (found.kind, found.exit_code) == ("malformed", 2)
    assert "--model" in found.message
    assert check(path, HOME / "nowhere").kind == "invalid"
    assert check(HOME / "nowhere.jsonl", MODEL).kind == "malformed"
    assert check(HOME, MODEL).kind == "malformed"


def test_every_dtype_is_read_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for dtype, kind in ((np.float64, "F64"), (np.float32, "F32"), (np.float16, "F16")):
        values = rng.standard_normal((3, 4)).astype(dtype)
        safetensors.numpy.save_file({"x": values}, tmp_path / "model.safetensors")
        view = view_of(tmp_path, "x")
        assert view.numbers.dtype == kind
        assert [*view.floats()] == values.astype(np.float64).ravel().tolist()


def view_of(directory: Path, source: str) -> Any:
    import hashlib

    content = (directory / "model.safetensors").read_bytes()
    files = reading.Files(directory, {"model.safetensors": hashlib.sha256(content).hexdigest()})
    return files.view("role", source)


def write_tensor(path: Path, header: str, data: bytes) -> None:
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + data)


def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path: Path) -> None:
    values = [1.0, -0.15625, 3.0e38, 1.0e-40]
    halves = [struct.pack("<f", x)[2:] for x in values]
    header = '{"x":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}'
    write_tensor(tmp_path / "model.safetensors", header, b"".join(halves))
    expected = [struct.unpack("<f", b"\0\0" + half)[0] for half in halves]
    assert [*view_of(tmp_path, "x").floats()] == expected


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        ('{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"\0" * 4, "don't lie at bytes"),
        ('{"x":{"dtype":"F32","shape":[2],"data_offsets":[4,8]}}', b"\0" * 8, "don't lie at bytes"),
        ('{"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}', b"\0" * 8, "make no sense"),
        ('{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"x":1}', b"\0" * 8, "comes twice"),
        ('{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}', b"\0" * 8, "no file that the header lists"),
        ('{"x":{"dtype":["F32"],"shape":[2],"data_offsets":[0,8]}}', b"\0" * 8, "no file that the header lists"),
        ('{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"\0\0\xc0\x7f" * 2, "not finite"),
        ('{"x":1}', b"", "expected dtype"),
        ("[" * 5000, b"", "not valid JSON"),
        ("\x7f", b"", "not valid JSON"),
    ],
)
def test_damaged_tensors(header: str, data: bytes, message: str, tmp_path: Path) -> None:
    write_tensor(tmp_path / "model.safetensors", header, data)
    with pytest.raises(reading.RefusedError, match=message) as refusal:
        view_of(tmp_path, "x").floats()
    assert refusal.value.kind == "malformed"


def test_a_header_that_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(reading.RefusedError, match="not a safetensors file"):
        view_of(tmp_path, "x")


@pytest.mark.parametrize(
    "source", ["x", "x;slice=1,1,3", "x;shape=2,3,4", "x;order=1,0", "x;slice=1,0,2;shape=4,2,2;order=2,0,1"]
)
def test_views_are_those_of_numpy(source: str, tmp_path: Path) -> None:
    from tests.certificate_writer import array

    values = np.random.default_rng(0).standard_normal((8, 3) if "1,3" in source or "4,2,2" in source else (4, 6))
    safetensors.numpy.save_file({"x": values}, tmp_path / "model.safetensors")
    expected = array({"x": values}, source)
    view = view_of(tmp_path, source)
    assert view.shape == expected.shape
    assert [*view.floats()] == expected.ravel().tolist()
    assert [*view[1].floats()] == expected[1].ravel().tolist()


@pytest.mark.parametrize("heads", [1, 2, 4, 8, 16])
def test_standard_slopes(heads: int) -> None:
    from tokendemo_formal.attention import Alibi

    assert reading.slopes(heads) == Alibi.standard(heads).slopes.tolist()


@pytest.mark.parametrize("text", ["0", "-7/3", "0x1.8p-3", "-0x0.0000000000001p-1022", "0x1.fffffffffffffp+1023"])
def test_numbers_are_exact(text: str) -> None:
    found = reading.rational(text, "x")
    expected = Fraction(float.fromhex(text)) if "x" in text else Fraction(text)
    assert Fraction(int(found.p), int(found.q)) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_hexadecimal_floats_are_exact(x: float) -> None:
    found = reading.rational(x.hex(), "x")
    assert Fraction(int(found.p), int(found.q)) == Fraction(x)


# Limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(line=100), "more than 100 bytes"),
        (Limits(prompt=4), "the limit is 4"),
        (Limits(entries=10), "the limit is 10"),
        (Limits(work=100), "the limit of 100"),
    ],
)
def test_sizes_beyond_the_limits_are_unsupported(limits: Limits, message: str) -> None:
    found = check(HOME / "valid" / "no_override.jsonl", MODEL, limits=limits)
    assert (found.kind, found.exit_code) == ("unsupported", 3)
    assert message in found.message


def test_tables_of_many_conditions_are_limited() -> None:
    path = HOME / "valid" / "universal_no_override.jsonl"
    pairs = 2 * 4 * 2  # slots, tokens, heads
    assert check(path, MODEL, limits=Limits(entries=3 * pairs)).kind == "valid"
    found = check(path, MODEL, limits=Limits(entries=3 * pairs - 1))
    assert (found.kind, found.exit_code) == ("unsupported", 3)
    assert "3 tables of 16 pairs" in found.message


def test_another_version_is_unsupported(tmp_path: Path) -> None:
    lines = read(HOME / "valid" / "no_override.jsonl")
    lines[0]["version"] = 2
    assert verdict(lines, MODEL, tmp_path).kind == "unsupported"


def tie(tmp_path: Path) -> tuple[Question, Path]:
    """Two tokens that cancel for irrational weights: a gain of exactly 0 that no precision shows."""
    from tokendemo_formal.attention import Layer

    embedding = np.array([[0.3, 1.0, 1.0], [0.3, -1.0, 1.0], [0.1, 0.0, 1.0]])
    wq, wk, wv = np.zeros((1, 3, 1)), np.zeros((1, 3, 1)), np.zeros((1, 3, 1))
    wq[0, 2], wk[0, 0], wv[0, 1] = 1.0, 1.0, 1.0
    wo = np.array([[[0.0, 1.0, 0.0]]])
    layer = Layer(embedding, wq, wk, wv, wo, causal=False, residual=False)
    layer = stored(layer, tmp_path, np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    assert layer.unembedding is not None
    return Question(layer, Readout(*layer.unembedding), (0,), (2,), "last", 1, (1, 2)), tmp_path


def test_a_tie_is_undecided(tmp_path: Path) -> None:
    asked, directory = tie(tmp_path)
    lines = certificate(replace(asked, vocabulary=(1,)), "no-override", [1], tree=singletons)
    found = verdict(lines, directory, tmp_path)
    assert (found.kind, found.exit_code, found.line) == ("undecided", 3, 4)
    assert "at 1024 bits" in found.message
    assert "at 256 bits" in verdict(lines, directory, tmp_path, max_bits=256).message
    lines[3] = node("leaf", [0.0])
    assert verdict(lines, directory, tmp_path).kind == "undecided"


def test_near_ties_are_decided_at_higher_precision(tmp_path: Path) -> None:
    asked, directory = tie(tmp_path)
    for exponent in (150, 600):
        for sign, kind in ((1, "valid"), (-1, "invalid")):
            near = replace(asked.readout, threshold=Fraction(sign, 2**exponent))
            lines = certificate(replace(asked, readout=near, vocabulary=(1,)), "no-override", [1], tree=leaves)
            assert verdict(lines, directory, tmp_path).kind == kind
            lines[3] = {"node": "exact"}
            assert verdict(lines, directory, tmp_path).kind == kind
            lines[3] = node("filter", [0.0])
            lines.append({"node": "exact"})  # closed where the filter dropped the only token
            assert verdict(lines, directory, tmp_path).kind == kind
            if kind == "valid":
                assert verdict(lines, directory, tmp_path, max_bits=128).kind == "undecided"


def test_what_a_filter_leaves_open_is_not_called_invalid(tmp_path: Path) -> None:
    """A writer that dropped what balls can't decide may be right: the leaf after it is undecided, not wrong."""
    asked, directory = tie(tmp_path)
    near = replace(asked.readout, threshold=Fraction(1, 2**300))
    lines = certificate(replace(asked, readout=near, vocabulary=(1,)), "no-override", [1], tree=leaves)
    lines[3:] = [node("filter", [0.0]), node("leaf", [0.0])]
    assert verdict(lines, directory, tmp_path).kind == "valid"
    assert verdict(lines, directory, tmp_path, max_bits=128).kind == "undecided"


def test_wide_scores(tmp_path: Path) -> None:
    """Scores of ±700 and more: exponents that no float holds."""
    from tests.strategies import build_layer

    for gain in (1e-3, 300.0, 3e4):
        directory = tmp_path / str(gain)
        rng = np.random.default_rng(3)
        layer = stored(build_layer(rng, {"heads": (2, 2)}, gain=gain), directory, rng.standard_normal((2, 6)))
        assert layer.unembedding is not None
        asked = Question(layer, Readout(*layer.unembedding), (1, 2), (3,), "last", 2, (0, 4, 5))
        gains = all_gains(asked, 2)
        best = max(gains, key=lambda t: gains[t][1])
        low, high = gains[best]
        lines = certificate(asked, "optimum", [2], best, low, high + Fraction(1, 10**9), tree=leaves)
        assert verdict(lines, directory, tmp_path).kind == "valid"
        lines[0]["high"] = lines[2]["bound"] = str(low - Fraction(1, 10**9))
        lines[0]["low"] = str(low - 1)
        assert verdict(lines, directory, tmp_path).kind == "invalid"


def test_deep_trees_need_no_recursion(tmp_path: Path) -> None:
    lines = read(HOME / "valid" / "optimum.jsonl")
    split = {"node": "split", "slot": 0, "tokens": []}  # all in the second child: the first is closed
    depth = 3 * sys.getrecursionlimit()
    chain = [line for _ in range(depth) for line in (split, {"node": "exact"})]
    assert verdict([*lines[:3], *chain, *lines[3:]], MODEL, tmp_path).kind == "valid"
    assert verdict([*lines[:3], *[split] * depth], MODEL, tmp_path).kind == "invalid"


# The checker alone -------------------------------------------------------------------------------------------------

PARTS = ("automaton", "bounds", "checker", "claim", "cone", "layer", "section", "stored", "sums")
FOLDER = Path(package.__file__).parent


def test_the_checker_imports_nothing_else_of_ours() -> None:
    allowed = {f"tokendemo_formal.certificates.{part}" for part in PARTS}
    for part in PARTS:
        tree = ast.parse((FOLDER / f"{part}.py").read_text(encoding="utf-8"))
        names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        names += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
        for name in names:
            assert name in allowed or name.split(".")[0] in {*sys.stdlib_module_names, "flint"}, (part, name)


def test_the_checker_stays_small() -> None:
    lengths = {part: len((FOLDER / f"{part}.py").read_text(encoding="utf-8").splitlines()) for part in PARTS}
    assert lengths["checker"] <= 600
    assert lengths["layer"] <= 400


def test_a_fresh_process(tmp_path: Path) -> None:
    run = [sys.executable, "-W", "error", "-m", "tokendemo_formal.certificates.checker"]
    for kind, code in (("valid", 0), ("invalid", 1), ("malformed", 2)):
        command = [*run, str(GOLDEN[kind][0]), "--model", str(MODEL)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
        assert done.returncode == code, done.stderr
        assert done.stdout.startswith(kind)
        assert done.stderr == ""
    program = "import tokendemo_formal.certificates.checker, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "flint" in loaded
    assert not loaded & {"numpy", "z3", "sympy", "safetensors", "tokenizers", "torch"}


def test_main_prints_the_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(HOME / "valid" / "minimum.jsonl"), "--model", str(MODEL)]) == 0
    printed = capsys.readouterr().out
    assert "has a gain above 0, between" in printed
    assert "No assignment of exactly 0 or 1 tokens has a gain above 0." in printed
    header = read(HOME / "valid" / "minimum.jsonl")[0]
    assert header["hash"] in printed


def test_the_writers_words_are_not_believed(tmp_path: Path) -> None:
    text = (HOME / "valid" / "minimum.jsonl").read_bytes()
    words = b'"words":"Nothing can ever override. \\ud800"'
    found = verdict(text.replace(b'"words":""', words), MODEL, tmp_path)
    assert found.kind == "valid"
    assert "Nothing" not in str(found)


# The schema --------------------------------------------------------------------------------------------------------

SCHEMA = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))


def fits(value: Any, schema: Any) -> bool:
    """Whether a value fits, for the keywords that the schema uses."""
    if "$ref" in schema:
        return fits(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    types: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    kind = schema.get("type")
    if kind and (not isinstance(value, types[kind]) or (kind == "integer" and isinstance(value, bool))):
        return False
    if "oneOf" in schema and sum(fits(value, one) for one in schema["oneOf"]) != 1:
        return False
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        if not set(schema.get("required", [])) <= value.keys():
            return False
        rules = {key: known.get(key, others) for key in value}
        return all(rule is True or (rule is not False and fits(value[key], rule)) for key, rule in rules.items())
    if isinstance(value, list):
        unique = not schema.get("uniqueItems") or len(set(value)) == len(value)
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        return unique and least <= len(value) <= most and all(fits(x, schema.get("items", {})) for x in value)
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    return isinstance(value, bool) or value >= schema.get("minimum", value)


@pytest.mark.parametrize("path", [*GOLDEN["valid"], *GOLDEN["invalid"]], ids=lambda path: path.stem)
def test_lines_fit_the_schema(path: Path) -> None:
    for number, line in enumerate(read(path)):
        kind = ["header", "question"][number] if number < 2 else None
        assert fits(line, {"$ref": f"#/$defs/{kind}"} if kind else SCHEMA), line


@pytest.mark.parametrize(
    "name",
    ["key_missing", "key_unknown", "format", "claim", "c_is_nan", "c_is_a_float", "c_in_decimals", "joint_twice",
     "c_with_too_many_digits", "node_unknown", "integer_as_boolean", "positions_unknown", "of_empty", "of_no_weight",
     "also_is_no_list", "also_without_a_reader"],
)  # fmt: skip
def test_the_schema_rejects_what_is_malformed_within_a_line(name: str) -> None:
    assert not all(fits(line, SCHEMA) for line in read(HOME / "malformed" / f"{name}.jsonl"))


def test_the_stored_model_is_the_one_that_the_script_makes(tmp_path: Path) -> None:
    from tests.certificates_golden import layer

    rows = np.random.default_rng(6).standard_normal((3, 4))
    save(replace(layer(), unembedding=rows), tmp_path)
    for file in MODEL.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    assert set(valid(replace(layer(), unembedding=rows))) == {path.stem for path in GOLDEN["valid"]}
