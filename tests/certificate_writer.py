"""Certificates for tests, written naively: floats and NumPy, readable rather than quick, and for small layers only.

Nothing here is shared with the package's own writer or with the checker: what the tests compare is three
implementations of one format.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from tokendemo_formal.attention import Alibi, Computation, Layer, Learned, Norm, Positions, Rotary, Sinusoidal
from tokendemo_formal.models import save
from tokendemo_formal.numbers.float64 import FLOAT64
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.question import Contest, Prompt, Question, Readout, Template

NORMS = ("embedding_norm", "pre_norm", "query_norm", "key_norm", "final_norm")
ARRAYS = ("embedding", "wq", "wk", "wv", "wo", "bq", "bk", "bv", "bo", "offset", "score_bias")
Line = dict[str, Any]
Sets = list[list[int]]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def encode(line: Line) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()


# The question as a line, and back ----------------------------------------------------------------------------------


def question_line(question: Question, toward: int, against: int) -> Line:
    """Line 2 for a question on a stored native layer whose readout rows are rows of its unembedding."""
    layer = question.layer
    settings: Line = {
        "heads": layer.heads,
        "groups": layer.groups,
        "width": layer.width,
        "causal": layer.causal,
        "residual": layer.residual,
        "scale_squared": str(layer.scale_squared or Fraction(1, layer.wq.shape[2])),
        "temperature": layer.temperature.hex(),
        "positions": "none",
    }
    tensors = {name: name for name in ARRAYS if getattr(layer, name) is not None}
    match layer.positions:
        case Learned():
            settings["positions"], tensors["positions.table"] = "learned", "positions.table"
        case Alibi():
            settings["positions"], tensors["positions.slopes"] = "alibi", "positions.slopes"
        case Sinusoidal(base):
            settings |= {"positions": "sinusoidal", "base": base.hex()}
        case Rotary(base, pairing, dims):
            dims = layer.wq.shape[2] if dims is None else dims
            settings |= {"positions": "rotary", "base": base.hex(), "pairing": pairing, "dims": dims}
    for name in NORMS:
        norm: Norm | None = getattr(layer, name)
        if norm is not None:
            settings |= {name: norm.kind, f"{name}.eps": norm.eps.hex()}
            tensors[f"{name}.gain"] = f"{name}.gain"
            if norm.bias is not None:
                tensors[f"{name}.bias"] = f"{name}.bias"
    tensors["readout"] = "embedding" if layer.unembedding is None else "unembedding"
    if layer.unembedding_bias is not None:
        tensors["readout_bias"] = "unembedding_bias"
    line: Line = {
        "layer": settings,
        "tensors": tensors,
        "before": list(question.before),
        "after": list(question.after),
        "reader": question.reader,
        "vocabulary": ranges(question.vocabulary),
        "toward": toward if question.contest is None else ranges(question.toward),
        "against": against if question.contest is None else ranges(question.against),
        "threshold": str(question.readout.threshold),
        "through_final_norm": question.readout.final_norm,
    }
    if question.positions is not None:
        line["positions"] = list(question.positions)
    if question.also:
        line["also"] = [{"before": [*t.before], "after": [*t.after], "reader": t.reader} for t in question.also]
    return line


def ranges(ids: Sequence[int]) -> list[int]:
    ends: list[int] = []
    for token in sorted(ids):
        if ends and ends[-1] == token:
            ends[-1] += 1
        else:
            ends += [token, token + 1]
    return ends


def ids(ends: Sequence[int]) -> list[int]:
    return [t for a, b in zip(ends[::2], ends[1::2], strict=True) for t in range(a, b)]


def exact(text: str) -> Fraction:
    return Fraction(float.fromhex(text)) if "0x" in text else Fraction(text)


def array(tensors: dict[str, Any], source: str) -> Any:
    name, *parts = source.split(";")
    values = None if name == "ones" else tensors[name].astype(np.float64)
    for part in parts:
        kind, numbers = part.split("=")
        n = [int(x) for x in numbers.split(",")]
        if kind == "slice":
            values = np.take(values, range(n[1], n[2]), axis=n[0])
        elif kind == "shape":
            values = np.ones(n) if values is None else values.reshape(n)
        else:
            values = values.transpose(n)
    return values


def question_of(line: Line, directory: Path, slots: int) -> Question:
    """The question that line 2 describes, in the package's own terms."""
    stored = safetensors.numpy.load_file(directory / "model.safetensors")
    arrays = {role: array(stored, source) for role, source in line["tensors"].items()}
    settings = line["layer"]
    positions: Positions = None
    if settings["positions"] == "learned":
        positions = Learned(arrays["positions.table"])
    elif settings["positions"] == "alibi":
        positions = Alibi(arrays["positions.slopes"])
    elif settings["positions"] == "sinusoidal":
        positions = Sinusoidal(float(exact(settings["base"])))
    elif settings["positions"] == "rotary":
        positions = Rotary(float(exact(settings["base"])), settings["pairing"], settings["dims"])
    norms = {
        name: Norm(
            settings[name], arrays[f"{name}.gain"], arrays.get(f"{name}.bias"), float(exact(settings[f"{name}.eps"]))
        )
        for name in NORMS
        if name in settings
    }
    rows, biases = arrays["readout"], arrays.get("readout_bias", np.zeros(len(arrays["readout"])))
    layer = Layer(
        **{name: arrays.get(name) for name in ARRAYS},
        positions=positions,
        **norms,
        scale_squared=exact(settings["scale_squared"]),
        temperature=float(exact(settings["temperature"])),
        causal=settings["causal"],
        residual=settings["residual"],
        unembedding=rows,
    )
    toward, against = ([line[key]] if isinstance(line[key], int) else ids(line[key]) for key in ("toward", "against"))
    readout = Readout(
        rows[toward[0]],
        rows[against[0]],
        float(biases[toward[0]]),
        float(biases[against[0]]),
        exact(line["threshold"]),
        line["through_final_norm"],
        (toward[0], against[0]),
    )
    single = len(toward) == len(against) == 1
    contest = None if single else Contest(rows, arrays.get("readout_bias"), tuple(toward), tuple(against))
    vocabulary = ids(line["vocabulary"])
    places = tuple(line["positions"]) if "positions" in line else None
    before, after = tuple(line["before"]), tuple(line["after"])
    also = tuple(Template(tuple(t["before"]), tuple(t["after"]), t["reader"]) for t in line.get("also", []))
    return Question(layer, readout, before, after, line["reader"], slots, tuple(vocabulary), places, also, contest)


# Bounds in floats ----------------------------------------------------------------------------------------------------


@dataclass
class Floats:
    """r, A, B and for each slot a and b (H, V) of one section, in plain floats, each head's up to a common factor."""

    direct: float
    a: Any
    b: Any
    slots: list[tuple[Any, Any]]


def reading_line(question: Question, bound: Fraction, prompt: Prompt) -> Line:
    """What a section says of its reading."""
    norm = question.layer.final_norm if question.readout.final_norm else None
    if norm is None:
        return {"reading": "plain"}
    kappa = bound - offset(question)
    if kappa == 0:
        return {"reading": "folded"}
    if kappa < 0:
        return {"reading": "deviation"}
    tokens = prompt.filled([question.vocabulary[0]] * len(prompt.slots))
    stream = stream_of(question, tokens, prompt.reader)
    stream = stream - stream.mean() if norm.centred else stream
    point = np.append(stream / np.sqrt(len(stream)), np.sqrt(norm.eps))
    point *= (1 - 2.0**-40) / np.linalg.norm(point)
    return {"reading": "tangent", "tangent": [float(x).hex() for x in point]}


def offset(question: Question) -> Fraction:
    readout, norm = question.readout, question.layer.final_norm
    beta = Fraction(readout.toward_bias) - Fraction(readout.against_bias) - readout.threshold
    if readout.final_norm and norm is not None and norm.bias is not None:
        for t, a, b in zip(readout.toward, readout.against, norm.bias, strict=True):
            beta += (Fraction(float(t)) - Fraction(float(a))) * Fraction(float(b))
    return beta


def stream_of(question: Question, tokens: Sequence[int], reader: int) -> Any:
    computation = Computation(question.layer, FLOAT64)
    raw = computation.rows(tokens, range(len(tokens)))
    reading = computation.reading(raw[reader : reader + 1], reader, np.eye(question.layer.width))
    return reading.attend(raw)[1]


def floats(question: Question, prompt: Prompt, bound: Fraction, reading: Line) -> Floats:
    """The tables of the linear function that the section bounds."""
    layer, readout, norm = question.layer, question.readout, question.layer.final_norm
    u = np.asarray(readout.toward - readout.against, dtype=np.float64)
    kappa, d = float(bound - offset(question)), layer.width
    constant = -kappa
    if readout.final_norm and norm is not None:
        u = u * norm.gain
        u = u - u.mean() if norm.centred else u
        constant = 0.0
    if reading["reading"] == "tangent":
        assert norm is not None
        e = np.array([float.fromhex(x) for x in reading["tangent"]])
        centred = e[:-1] - e[:-1].mean() if norm.centred else e[:-1]
        u, constant = u - kappa * centred / np.sqrt(d), -kappa * e[-1] * np.sqrt(norm.eps)
    computation = Computation(layer, FLOAT64)
    token = prompt.tokens[prompt.reader]
    assert token is not None
    raw = computation.rows([token], [prompt.reader])
    seen = [j for j in range(len(prompt.tokens)) if layer.sees(prompt.reader, j)]
    vocabulary = list(question.vocabulary)
    held = {j: vocabulary if prompt.tokens[j] is None else [prompt.tokens[j]] for j in seen}
    rows = {j: computation.rows(tokens, [j] * len(tokens)) for j, tokens in held.items()}  # type: ignore[arg-type]
    if reading["reading"] == "deviation":
        assert norm is not None
        centring = np.eye(d) - (1 / d if norm.centred else 0)
        full = computation.reading(raw, prompt.reader, centring)
        outputs = np.concatenate([full.votes(rows[j], j)[1] for j in seen])
        length = np.linalg.norm(full.direct()) + np.linalg.norm(outputs, axis=2).max(axis=0).sum()
        constant = -kappa * np.sqrt(length**2 / d + norm.eps)
    view = computation.reading(raw, prompt.reader, u.reshape(-1, 1))
    votes = {j: view.votes(rows[j], j) for j in seen}
    # A common factor of a head's a, b, A and B leaves c and every bound alone; this one keeps them all at most 1.
    shift = np.max([scores.max(axis=0) for scores, _ in votes.values()], axis=0)
    terms = {}
    for j, (scores, readouts) in votes.items():
        b = np.exp(scores - shift).T
        terms[j] = b * readouts[:, :, 0].T, b
    fixed = [terms[j] for j in seen if prompt.tokens[j] is not None]
    a, b = (sum(term[k][:, 0] for term in fixed) for k in (0, 1))
    return Floats(float(view.direct()[0]) + constant, a, b, [terms[j] for j in prompt.slots])


def evaluate(tables: Floats, sets: Sets, c: Any, joint: Sequence[int] = ()) -> tuple[float, list[Any], Any]:
    """The bound, the most that each candidate of each slot reaches, and a subgradient; ``sets`` hold columns."""
    low = tables.b + sum((b[:, s].min(axis=1) for (_, b), s in zip(tables.slots, sets, strict=True)), 0)
    high = tables.b + sum((b[:, s].max(axis=1) for (_, b), s in zip(tables.slots, sets, strict=True)), 0)
    best, reached = -np.inf, [np.full(len(s), -np.inf) for s in sets]
    for choice in itertools.product((1 / low, 1 / high), repeat=len(joint)):

        def factors(x: Any, choice: Any = choice) -> Any:
            w = np.where(x > 0, 1 / low, 1 / high)
            for h, chosen in zip(joint, choice, strict=True):
                w[h] = chosen[h]
            return w

        x = tables.a - c * tables.b
        total, slope, terms = tables.direct + c.sum() + factors(x) @ x, 1 - tables.b * factors(x), []
        for (a, b), s in zip(tables.slots, sets, strict=True):
            xs = [a[:, t] - c * b[:, t] for t in s]
            terms.append(np.array([factors(x) @ x for x in xs]))
            k = int(terms[-1].argmax())
            slope = slope - b[:, s[k]] * factors(xs[k])
            total += terms[-1][k]
        reached = [np.maximum(r, total - term.max() + term) for r, term in zip(reached, terms, strict=True)]
        if total > best:
            best, steepest = float(total), slope
    return best, reached, steepest


def best_c(tables: Floats, sets: Sets, steps: int) -> Any:
    c = tables.a / tables.b
    best, at = np.inf, c
    for step in range(steps):
        total, _, slope = evaluate(tables, sets, c)
        if total < best:
            best, at = total, c
        if best < 0 or slope @ slope < 1e-30:
            break
        c = c - 0.9**step * max(total, 1e-12) / (slope @ slope) * slope
    return at


# Trees -------------------------------------------------------------------------------------------------------------

SLACK = 1e-9
"""What the floats are trusted to be off by, on these small layers."""


def node(kind: str, c: Any, joint: Sequence[int] = ()) -> Line:
    return {"node": kind, "c": [float(x).hex() for x in c]} | ({"joint": list(joint)} if joint else {})


def singletons(tables: Floats, sets: Sets, ids: Sequence[int]) -> Iterator[Line]:
    """An exact node at every assignment."""
    for i, s in enumerate(sets):
        if len(s) > 1:
            yield {"node": "split", "slot": i, "tokens": [ids[s[0]]]}
            yield from singletons(tables, [*sets[:i], s[:1], *sets[i + 1 :]], ids)
            yield from singletons(tables, [*sets[:i], s[1:], *sets[i + 1 :]], ids)
            return
    yield {"node": "exact"}


def searched(tables: Floats, sets: Sets, ids: Sequence[int]) -> Iterator[Line]:
    """Bound, filter and split, with floats; where few candidates are left, some heads are joint."""
    c = best_c(tables, sets, 30)
    joint = list(range(min(len(c), 3))) if sum(map(len, sets)) <= 6 else []
    total, reached, _ = evaluate(tables, sets, c, joint)
    if total < -SLACK:
        yield node("leaf", c, joint)
        return
    if all(len(s) == 1 for s in sets):
        yield {"node": "exact"}
        return
    kept = [[t for t, x in zip(s, most, strict=True) if x > -SLACK] for s, most in zip(sets, reached, strict=True)]
    if kept != sets:
        yield node("filter", c, joint)
        yield from searched(tables, kept, ids)
        return
    i = max(range(len(sets)), key=lambda k: len(sets[k]))
    b = tables.slots[i][1][:, sets[i]]
    order = [sets[i][k] for k in b[int((b.max(axis=1) / b.min(axis=1)).argmax())].argsort()]
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    yield {"node": "split", "slot": i, "tokens": [ids[k] for k in sorted(first)]}
    yield from searched(tables, [*sets[:i], sorted(first), *sets[i + 1 :]], ids)
    yield from searched(tables, [*sets[:i], sorted(second), *sets[i + 1 :]], ids)


Conditions = list[tuple[int, int]]
"""Of a template and the row to be beaten."""


def together(tables: list[Floats], conditions: Conditions, weights: Sequence[float]) -> Floats:
    """The weighted sum of several functions: heads of different templates side by side, of one template added."""
    groups: dict[int, list[tuple[Floats, float]]] = {}
    for table, (template, _), weight in zip(tables, conditions, weights, strict=True):
        if weight:
            groups.setdefault(template, []).append((table, weight))
    parts = list(groups.values())
    slots = [
        (
            np.concatenate([sum(w * t.slots[i][0] for t, w in part) for part in parts]),
            np.concatenate([part[0][0].slots[i][1] for part in parts]),
        )
        for i in range(len(tables[0].slots))
    ]
    a = np.concatenate([sum(w * t.a for t, w in part) for part in parts])
    direct = sum(w * t.direct for part in parts for t, w in part)
    return Floats(direct, a, np.concatenate([part[0][0].b for part in parts]), slots)


def searched_together(
    tables: list[Floats], conditions: Conditions, sets: Sets, ids: Sequence[int], hardest: Callable[[list[int]], int]
) -> Iterator[Line]:
    """Bound, filter and split by one of the conditions, or by a sum of them, whichever bounds best."""
    one = [tuple(float(i == k) for i in range(len(tables))) for k in range(len(tables))]
    every = itertools.product((0.0, 0.5, 1.0), repeat=len(tables))
    found = []
    for weights in [*one, *(weights for weights in every if sum(weights) > 1 and max(weights) == 1)]:
        table = together(tables, conditions, weights)
        c = best_c(table, sets, 30)
        total, reached, _ = evaluate(table, sets, c)
        found.append((total / sum(weights), weights, c, reached))
    least, weights, c, reached = min(found, key=lambda option: option[0])
    of = {"of": [[*k, str(Fraction(w))] for k, w in zip(conditions, weights, strict=True) if w]}
    if least < -SLACK:
        yield node("leaf", c) | of
        return
    if all(len(s) == 1 for s in sets):
        yield {"node": "exact", "of": [[*conditions[hardest([ids[s[0]] for s in sets])], "1"]]}
        return
    kept = [[t for t, x in zip(s, most, strict=True) if x > -SLACK] for s, most in zip(sets, reached, strict=True)]
    if kept != sets:
        yield node("filter", c) | of
        yield from searched_together(tables, conditions, kept, ids, hardest)
        return
    i = max(range(len(sets)), key=lambda k: len(sets[k]))
    middle = len(sets[i]) // 2
    yield {"node": "split", "slot": i, "tokens": [ids[k] for k in sets[i][:middle]]}
    for half in (sets[i][:middle], sets[i][middle:]):
        yield from searched_together(tables, conditions, [*sets[:i], half, *sets[i + 1 :]], ids, hardest)


def sections(question: Question, length: int, bound: Fraction, tree: Any = searched) -> Iterator[Line]:
    """The lines of one length."""
    templates = range(len(question.templates))
    wholes = [question.with_template(k).with_slots(length).prompt(length) for k in templates]
    owned = wholes[0].tokens[wholes[0].reader] is None
    at = wholes[0].slots.index(wholes[0].reader) if owned else 0
    tokens = sorted(question.vocabulary) if owned else [None]
    for token, choice in itertools.product(tokens, itertools.product(question.toward, repeat=len(templates))):
        prompts = []
        for whole in wholes:
            held = tuple(token if owned and p == whole.slots[at] else t for p, t in enumerate(whole.tokens))
            prompts.append(Prompt(held, whole.reader))
        conditions = [(k, row) for k in templates for row in question.against]
        alone = [question.alone(k, choice[k], row).with_slots(length) for k, row in conditions]
        readings = [reading_line(one, bound, prompts[k]) for one, (k, _) in zip(alone, conditions, strict=True)]
        parts = zip(alone, conditions, readings, strict=True)
        tables = [floats(one, prompts[k], bound, reading) for one, (k, _), reading in parts]
        sets = [list(range(len(question.vocabulary))) for _ in prompts[0].slots]
        line = {"section": length, "bound": str(bound)} | ({"reader_token": token} if owned else {})
        if not question.several:
            yield line | readings[0]
            yield from tree(tables[0], sets, list(question.vocabulary))
            continue
        points = {
            k: reading["tangent"] for reading, (k, _) in zip(readings, conditions, strict=True) if "tangent" in reading
        }
        blank = ["0"] * (question.layer.width + 1)
        line |= {"tangent": [x for k in templates for x in points.get(k, blank)]} if points else {}
        yield line | ({"toward": list(choice)} if len(question.toward) > 1 else {})

        def hardest(
            assignment: list[int], prompts: Any = prompts, alone: Any = alone, conditions: Any = conditions
        ) -> int:
            """The condition with the least gain."""
            gains = []
            for one, (k, _) in zip(alone, conditions, strict=True):
                gains.append(float(ExactGain(one).gain(prompts[k].filled(assignment), prompts[k].reader, 128)))
            return int(np.argmin(gains))

        yield from searched_together(tables, conditions, sets, list(question.vocabulary), hardest)


# Certificates ------------------------------------------------------------------------------------------------------


def all_gains(question: Question, length: int) -> dict[tuple[int, ...], tuple[Fraction, Fraction]]:
    """Rational bounds of every assignment's gain, from balls of the package's own evaluation of each lead."""
    every = list(itertools.product(question.vocabulary, repeat=length))
    each = []
    for k in range(len(question.templates)):
        best = []
        for toward in question.toward:
            leads = []
            for against in question.against:
                one = question.alone(k, toward, against).with_slots(length)
                prompt, gain = one.prompt(length), ExactGain(one)
                leads.append({t: gain.bounds(prompt.filled(t), prompt.reader) for t in every})
            best.append(ends_of(min, leads))
        each.append(ends_of(max, best))
    return ends_of(min, each)


Ends = dict[tuple[int, ...], tuple[Fraction, Fraction]]


def ends_of(choose: Any, each: list[Ends]) -> Ends:
    """The least or the largest of several gains, for every assignment."""
    return {t: (choose(e[t][0] for e in each), choose(e[t][1] for e in each)) for t in each[0]}


def stored(layer: Layer, directory: Path, rows: Any) -> Layer:
    """The layer with these readout rows, saved natively."""
    layer = replace(layer, unembedding=rows, unembedding_bias=None)
    save(layer, directory)
    return layer


def seal(lines: list[Line], directory: Path) -> bytes:
    """The text of a certificate, its hashes computed."""
    header, question = dict(lines[0]), encode(lines[1])
    files = sorted(path for path in directory.iterdir() if path.suffix in (".safetensors", ".json"))
    header["files"] = {path.name: digest(path.read_bytes()) for path in files}
    header["hash"] = manifest_hash(header["files"], question)
    return b"".join(encode(line) + b"\n" for line in [header, *lines[1:]])


def manifest_hash(files: dict[str, str], question: bytes) -> str:
    manifest = "".join(f"{files[name]}  {name}\n" for name in sorted(files)) + f"{digest(question)}  question\n"
    return digest(manifest.encode())


def certificate(
    question: Question,
    claim: str,
    lengths: Sequence[int] = (),
    witness: Sequence[int] | None = None,
    low: Fraction | None = None,
    high: Fraction | None = None,
    *,
    toward: int = 0,
    against: int = 1,
    tree: Any = searched,
) -> list[Line]:
    """The lines of a certificate, without its hashes."""
    header: Line = {"format": "tokendemo-certificate", "version": 1, "words": "", "claim": claim}
    header |= {"lengths": list(lengths)}
    if witness is not None:
        header |= {"witness": list(witness), "low": str(low), "high": str(high)}
    lines = [header, question_line(question, toward, against)]
    for length in lengths:
        bound = high if claim == "optimum" and high is not None else Fraction(0)
        lines += sections(question, length, bound, tree)
    return lines
