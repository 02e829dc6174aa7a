"""The soundness campaign: search, certificate and checker against brute force in balls, on random layers.

Each layer has random features (every kind of positions, norms, heads, groups, biases, masks) and scores from 1e-6 to
±700; many hold tokens twice, some are mirrored, so that the best assignment ties exactly. Each gets several questions,
with thresholds from far off to 2^-900 beside the largest gain. For each question

* the search decides it, and its answer has to be the one that brute force gives: every assignment, evaluated by the
  formulas as they stand, in balls of up to 4,096 bits. This evaluation is the third of its kind: it shares no line
  with the package's or with the checker's;
* the answer's certificate has to be valid;
* the same certificate, its claim changed until it is false (a threshold or a bound moved past the largest gain), must
  not be.

Any other outcome is a disagreement: the command that repeats it is printed, and the exit code is 1.

Run: python -m benchmarks.soundness --instances 100000 --jobs 2
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import flint
import numpy as np

from tests.certificate_writer import Line, seal
from tests.strategies import FEATURES, Choice, build_layer
from tokendemo_formal.attention import Alibi, Layer, Learned, Norm, Rotary, Sinusoidal
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.certificates.writer import write_certificate
from tokendemo_formal.errors import ScenarioError
from tokendemo_formal.models import load_model, save
from tokendemo_formal.override import many_heads, multipliers
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.bound import MOST_JOINT
from tokendemo_formal.override.many_heads import SPARE_SLOTS
from tokendemo_formal.override.question import Ask, Question, Readout
from tokendemo_formal.override.solve import solve

QUESTIONS = 4
"""Asked of each layer."""

PRECISIONS = (128, 512, 4096)
MOST_ASSIGNMENTS = 40
NODES = 20_000
TOLERANCE = 1e-6

Balls = np.ndarray[Any, Any]
"""Arrays of ``flint.arb``."""
Assignment = tuple[int, ...]


# Brute force -------------------------------------------------------------------------------------------------------

_exp = np.frompyfunc(lambda x: x.exp(), 1, 1)
_ball = np.frompyfunc(lambda x: flint.arb(float(x)), 1, 1)


def rational(x: Fraction) -> flint.arb:
    return flint.arb(flint.fmpq(x.numerator, x.denominator))


class Evaluation:
    """A layer by its formulas, token after token, in balls of one precision; every call is made at that precision."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._tokens: dict[tuple[int, int], tuple[Balls, Balls]] = {}

    def _norm(self, norm: Norm | None, x: Balls) -> Balls:
        if norm is None:
            return x
        d = len(x)
        if norm.kind == "layer":
            x = x - x.sum() / d
        y = x / ((x * x).sum() / d + flint.arb(norm.eps)).sqrt() * _ball(norm.gain)
        return y if norm.bias is None else y + _ball(norm.bias)

    def _angle(self, base: float, i: int, dims: int, position: int) -> flint.arb:
        return flint.arb(base) ** flint.arb(flint.fmpq(-2 * i, dims)) * position

    def _row(self, token: int, position: int) -> Balls:
        layer, places = self.layer, self.layer.positions
        x: Balls = _ball(layer.embedding[token])
        if layer.offset is not None:
            x = x + _ball(layer.offset)
        if isinstance(places, Learned):
            x = x + _ball(places.table[position])
        if isinstance(places, Sinusoidal):
            angles = [self._angle(places.base, i // 2, layer.width, position) for i in range(layer.width)]
            x = x + np.array([a.cos() if i % 2 else a.sin() for i, a in enumerate(angles)], dtype=object)
        return self._norm(layer.embedding_norm, x)

    def _rotated(self, x: Balls, position: int) -> Balls:
        rotary = self.layer.positions
        if not isinstance(rotary, Rotary):
            return x
        dims = len(x) if rotary.dims is None else rotary.dims
        x = x.copy()
        for i in range(dims // 2):
            a, b = (i, i + dims // 2) if rotary.pairing == "half" else (2 * i, 2 * i + 1)
            turn = flint.acb(0, self._angle(rotary.base, i, dims, position)).exp()
            z = flint.acb(x[a], x[b]) * turn
            x[a], x[b] = z.real, z.imag
        return x

    def _affine(self, x: Balls, weights: Any, bias: Any) -> Balls:
        y: Balls = x @ _ball(weights)
        return y if bias is None else y + _ball(bias)

    def _biases(self, bias: Any, count: int) -> Sequence[Any]:
        return [None] * count if bias is None else bias

    def _token(self, token: int, position: int) -> tuple[Balls, Balls]:
        """The rotated keys (G, dh) and the outputs (H, d) of a token at a position."""
        if (token, position) not in self._tokens:
            layer = self.layer
            y = self._norm(layer.pre_norm, self._row(token, position))
            keys, values = [], []
            for g in range(layer.groups):
                key = self._affine(y, layer.wk[g], self._biases(layer.bk, layer.groups)[g])
                keys.append(self._rotated(self._norm(layer.key_norm, key), position))
                values.append(self._affine(y, layer.wv[g], self._biases(layer.bv, layer.groups)[g]))
            share = layer.heads // layer.groups
            outputs = [values[h // share] @ _ball(layer.wo[h]) for h in range(layer.heads)]
            self._tokens[token, position] = np.array(keys, dtype=object), np.array(outputs, dtype=object)
        return self._tokens[token, position]

    def queries(self, token: int, position: int) -> Balls:
        """(H, dh)"""
        layer = self.layer
        y = self._norm(layer.pre_norm, self._row(token, position))
        squared = Fraction(1, layer.wq.shape[2]) if layer.scale_squared is None else layer.scale_squared
        factor = rational(squared).sqrt() / flint.arb(layer.temperature)
        queries = []
        for h, bias in enumerate(self._biases(layer.bq, layer.heads)):
            q = self._norm(layer.query_norm, self._affine(y, layer.wq[h], bias))
            queries.append(self._rotated(q, position) * factor)
        return np.array(queries, dtype=object)

    def scores(self, queries: Balls, reader: int, token: int, position: int) -> Balls:
        """(H,)"""
        layer, (keys, _) = self.layer, self._token(token, position)
        scores = (queries * np.repeat(keys, layer.heads // layer.groups, axis=0)).sum(axis=1)
        if isinstance(layer.positions, Alibi):
            scores = scores - _ball(layer.positions.slopes) * abs(reader - position)
        if layer.score_bias is not None:
            scores = scores + _ball(layer.score_bias[:, reader, position])
        return scores

    def gains(self, question: Question, slots: int) -> dict[Assignment, flint.arb]:
        """toward - against of every assignment of one length, the threshold left out."""
        prompt, layer = question.with_slots(slots).prompt(slots), self.layer
        reader, hole = prompt.reader, prompt.tokens[prompt.reader] is None
        u = _ball(question.readout.toward) - _ball(question.readout.against)
        normed = question.readout.final_norm and layer.final_norm is not None
        found = {}
        for own in question.vocabulary if hole else [prompt.tokens[reader]]:
            assert own is not None
            direct = self._row(own, reader) if layer.residual else 0 * u
            direct = direct if layer.bo is None else direct + _ball(layer.bo)
            queries = self.queries(own, reader)
            kept = [p for p in range(len(prompt.tokens)) if p <= reader or not layer.causal]
            options: list[list[tuple[Assignment, Balls, Balls]]] = []
            for p in kept:
                choices = [prompt.tokens[p]] if prompt.tokens[p] is not None else question.vocabulary
                options.append([])
                for t in [own] if p == reader else choices:
                    assert t is not None
                    weights, outputs = _exp(self.scores(queries, reader, t, p)), self._token(t, p)[1]
                    outputs = outputs if normed else (outputs @ u).reshape(-1, 1)
                    chosen = (t,) if prompt.tokens[p] is None else ()
                    options[-1].append((chosen, weights, weights.reshape(-1, 1) * outputs))
            for assignment, weights, outputs in _sums(options):
                mixed = (outputs / weights.reshape(-1, 1)).sum(axis=0)
                if normed:
                    found[assignment] = (self._norm(layer.final_norm, direct + mixed) * u).sum()
                else:
                    found[assignment] = (direct * u).sum() + mixed[0]
        return found


def _sums(options: list[list[tuple[Assignment, Balls, Balls]]]) -> Iterator[tuple[Assignment, Balls, Balls]]:
    """What each choice of one option a position adds up to."""
    if len(options) == 1:
        yield from options[0]
        return
    for rest, weights, outputs in _sums(options[:-1]):
        for chosen, w, o in options[-1]:
            yield rest + chosen, weights + w, outputs + o


def ends(x: flint.arb) -> tuple[Fraction, Fraction]:
    """Rational ends of a ball."""
    middle, radius = (Fraction(int(m)) * Fraction(2) ** int(e) for m, e in (x.mid().man_exp(), x.rad().man_exp()))
    return middle - radius, middle + radius


class Truth:
    """The gains of every assignment of a question, the threshold left out, as closely as they are wanted."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._evaluations = {bits: Evaluation(question.layer) for bits in PRECISIONS}
        self._gains: dict[tuple[int, int], dict[Assignment, tuple[Fraction, Fraction]]] = {}

    def gains(self, slots: int, bits: int) -> dict[Assignment, tuple[Fraction, Fraction]]:
        """Bounds of each gain."""
        if (slots, bits) not in self._gains:
            with flint.ctx.workprec(bits):
                found = self._evaluations[bits].gains(self.question, slots)
                self._gains[slots, bits] = {t: ends(gain) for t, gain in found.items()}
        return self._gains[slots, bits]

    def best(self, slots: int, bits: int = PRECISIONS[0]) -> tuple[Fraction, Fraction]:
        """Bounds of the largest gain."""
        gains = self.gains(slots, bits).values()
        return max(low for low, _ in gains), max(high for _, high in gains)

    def above(self, slots: int, threshold: Fraction) -> bool | None:
        """Whether some gain is above the threshold; None for a tie: 4,096 bits don't tell the largest from it."""
        for bits in PRECISIONS:
            low, high = self.best(slots, bits)
            if low > threshold or high <= threshold:
                return low > threshold
        return None

    def gain(self, assignment: Assignment) -> tuple[Fraction, Fraction]:
        """Close bounds of one assignment's gain."""
        return self.gains(len(assignment), PRECISIONS[-1])[assignment]


# Random layers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """A layer with a template, and what is to be counted about it."""

    question: Question
    mirrored: bool
    kinds: dict[str, str]


def draw(rng: np.random.Generator) -> Drawn:
    """A random layer whose readout rows are its own, and a random template."""
    choice = {name: values[rng.integers(len(values))] for name, values in FEATURES.items()}
    mirrored = rng.random() < 0.06
    if mirrored:
        choice |= {"positions": "none", "score_bias": False, "residual": False}
    layer = build_layer(rng, choice, vocabulary=8)
    layer = replace(layer, unembedding=rng.standard_normal((2, layer.width)))
    final = layer.final_norm is not None and rng.random() < 0.6
    twins = not mirrored and rng.random() < 0.4
    if twins:
        layer.embedding[6:] = layer.embedding[rng.integers(6, size=2)]
    question = _mirrored(rng, layer, final) if mirrored else _template(rng, layer, final)
    largest = rng.choice([10 ** rng.uniform(-6, -1), rng.uniform(0.1, 5), rng.uniform(5, 50), rng.uniform(50, 700)])
    question = replace(question, layer=_scaled(question, float(largest)))
    size = next(name for limit, name in ((0.1, "0.1"), (5, "5"), (50, "50"), (701, "700")) if largest <= limit)
    tokens = "mirrored" if mirrored else "twice" if twins else "once"
    prompt = question.prompt(question.slots)
    reader = "in a slot" if prompt.tokens[prompt.reader] is None else "fixed"
    kinds = {"scores up to": size, "tokens": tokens, "slots": str(question.slots), "reader": reader}
    return Drawn(question, mirrored, _kinds(choice) | kinds)


def _kinds(choice: Choice) -> dict[str, str]:
    heads, groups = choice["heads"]
    return {"heads/groups": f"{heads}/{groups}"} | {
        name: str(choice[name]) for name in ("positions", "input_norm", "qk_norm", "final_norm", "causal")
    }


def _template(rng: np.random.Generator, layer: Layer, final: bool) -> Question:
    """Some fixed tokens, slots between them or anywhere, a reader that may stand in a slot."""
    assert layer.unembedding is not None
    readout = Readout(*layer.unembedding, final_norm=final, rows=(0, 1))
    while True:
        vocabulary = sorted(int(t) for t in rng.choice(8, size=rng.integers(2, 7), replace=False))
        slots = int(rng.choice([0, 1, 2, 3], p=[0.02, 0.2, 0.58, 0.2]))
        before, after = (tuple(int(t) for t in rng.integers(8, size=rng.integers(n))) for n in (3, 3))
        size = len(before) + len(after) + slots
        if len(vocabulary) ** slots > MOST_ASSIGNMENTS or not before + after:
            continue
        places = tuple(sorted(int(p) for p in rng.choice(size, slots, replace=False))) if rng.random() < 0.2 else None
        reader = "last" if layer.causal else ["first", "last", int(rng.integers(-2, 2))][rng.integers(3)]
        try:
            question = Question(layer, readout, before, after, reader, slots, tuple(vocabulary), places)
            for length in range(slots + 1):
                question.with_slots(length)
        except ScenarioError:
            continue
        return question


def _mirrored(rng: np.random.Generator, layer: Layer, final: bool) -> Question:
    """A layer in which the best assignment ties exactly.

    The last two coordinates of a token are (v, -v), and only they are read into values, by weights of opposite signs:
    a value is 2vw/σ, and the tokens of v and -v have the same σ and, as keys are made of the other coordinates, the
    same scores. The template repeats one token with v < 0; its mirror image and weaker tokens are the vocabulary. So
    the gain, 0 for the template's mirror image, is below 0 for every other assignment.
    """
    embedding = layer.embedding
    embedding[:, -2] = -rng.integers(1, 5, len(embedding)) / 4
    embedding[1], embedding[0, -2] = embedding[0], -1.0
    embedding[1, -2], embedding[7, -2] = 1.0, 0.0
    embedding[:, -1] = -embedding[:, -2]
    wk, wv = layer.wk.copy(), layer.wv.copy()
    wk[:, -2:] = 0
    wv[:, :-1] = 0
    wv[:, -2] = -wv[:, -1]

    def even(norm: Norm | None) -> Norm | None:
        if norm is None:
            return None
        gain, bias = norm.gain.copy(), None if norm.bias is None else norm.bias.copy()
        gain[-2:] = 1
        if bias is not None:
            bias[-2:] = 0
        return replace(norm, gain=gain, bias=bias)

    last = None if layer.final_norm is None else replace(layer.final_norm, bias=None)
    offset = None if layer.offset is None else np.append(layer.offset[:-2], [0.0, 0.0])
    layer = replace(
        layer, wk=wk, wv=wv, bv=None, bo=None, offset=offset, final_norm=last,
        embedding_norm=even(layer.embedding_norm), pre_norm=even(layer.pre_norm),
    )  # fmt: skip
    # Every head is to vote for where the value is above 0.
    assert layer.unembedding is not None
    toward, against = layer.unembedding
    u = toward - against
    if final and last is not None:
        u = u * last.gain
        u = u - u.mean() if last.centred else u
    share = layer.heads // layer.groups
    votes = [float(wv[h // share, -2] @ layer.wo[h] @ u) for h in range(layer.heads)]
    layer = replace(layer, wo=layer.wo * np.sign(votes).reshape(-1, 1, 1))
    slots = int(rng.integers(1, 3))
    others = tuple(int(t) for t in range(2, 2 + rng.integers(1, 5)))
    readout = Readout(toward, against, final_norm=final, rows=(0, 1))
    return Question(layer, readout, (0,) * slots, (7,), "last", slots, (1, *others))


def _scaled(question: Question, largest: float) -> Layer:
    """The layer at another temperature: its scores reach up to that size (score biases aside)."""
    layer, evaluation = question.layer, Evaluation(question.layer)
    prompt = question.prompt(question.slots)
    with flint.ctx.workprec(64):
        found = 0.0
        for own in {prompt.tokens[prompt.reader]} - {None} or question.vocabulary:
            assert own is not None
            queries = evaluation.queries(own, prompt.reader)
            for position, token in enumerate(prompt.tokens):
                for t in question.vocabulary if token is None else (token,):
                    scores = evaluation.scores(queries, prompt.reader, t, position)
                    found = max(found, *(abs(float(s)) for s in scores))
    return replace(layer, temperature=layer.temperature * found / largest) if found > 0 else layer


def asked(rng: np.random.Generator, drawn: Drawn, truth: Truth) -> Iterator[tuple[Question, Ask, str]]:
    """Questions with their thresholds, and what kind of threshold that is."""
    question = drawn.question
    low, high = truth.best(question.slots)
    spread = high - min(gain for gain, _ in truth.gains(question.slots, PRECISIONS[0]).values())
    spread = spread if spread > 0 else Fraction(1)
    for _ in range(QUESTIONS):
        kind = str(rng.choice(["at the best", "near tie", "close", "far"], p=[0.05, 0.3, 0.35, 0.3]))
        sign = int(rng.choice([-1, 1]))
        if drawn.mirrored and rng.random() < 0.5:
            threshold, kind = Fraction(0), "tie"
        elif kind == "near tie":
            exact_low, exact_high = truth.best(question.slots, PRECISIONS[-1])
            threshold = _rounded((exact_low + exact_high) / 2, 1200) + Fraction(sign, 2 ** int(rng.integers(30, 900)))
        elif kind == "at the best":  # as a float: below or above, by a rounding
            threshold = Fraction(float(low))
        else:
            size = rng.uniform(0.02, 0.6) if kind == "far" else 10 ** rng.uniform(-9, -2)
            threshold = Fraction(float(low + sign * Fraction(float(size)) * spread))
        ask: Ask = get_args(Ask)[rng.choice(3, p=[0.5, 0.25, 0.25])]
        yield replace(question, readout=replace(question.readout, threshold=threshold)), ask, kind


def _rounded(x: Fraction, bits: int) -> Fraction:
    return Fraction(round(x * 2**bits), 2**bits)


# One instance ------------------------------------------------------------------------------------------------------


class DisagreementError(Exception):
    """Search, checker and brute force don't agree."""


def demand(condition: bool, what: str) -> None:
    if not condition:
        raise DisagreementError(what)


def judge(question: Question, answer: Answer, truth: Truth) -> None:
    """Whether an answer agrees with brute force."""
    theta = question.readout.threshold
    above = {m: truth.above(m, theta) for m in range(question.slots + 1)} if answer.ask == "minimum" else {}
    for slots in answer.ruled_out:
        demand(truth.above(slots, theta) is not True, f"ruled out {slots} slots, where some gain is above 0")
    if answer.verdict in ("override", "optimum"):
        assert answer.assignment is not None
        assert answer.margin is not None
        low, high = (x - theta for x in truth.gain(answer.assignment))
        demand(answer.margin.low <= high and low <= answer.margin.high, "the witness's margin is another")
        demand(answer.verdict == "optimum" or low > 0, "the witness's gain is not above 0")
    if answer.verdict == "optimum":
        assert answer.upper is not None
        demand(truth.best(question.slots, PRECISIONS[-1])[0] - theta <= answer.upper, "a gain is above the optimum")
        demand(answer.upper - low <= Fraction(TOLERANCE), "the optimum is wider than its tolerance")
    if answer.ask == "exists" and answer.verdict != "gave-up":
        some = truth.above(question.slots, theta)
        demand((answer.verdict == "override") == bool(some), f"found {answer.verdict}, brute force {some}")
    if answer.ask == "minimum" and answer.verdict != "gave-up":
        least = next((m for m, some in above.items() if some), None)
        demand(answer.minimum == least, f"found the minimum {answer.minimum}, brute force {least}")


def false_claim(rng: np.random.Generator, lines: list[Line], question: Question, truth: Truth) -> list[Line] | None:
    """The certificate with its claim moved past what holds, everything else as it was; None where nothing can be."""
    header, described = dict(lines[0]), dict(lines[1])
    theta, claim = question.readout.threshold, header["claim"]
    step = Fraction(1, 2 ** int(rng.integers(1, 60)))
    if claim == "optimum":
        low, _ = truth.best(question.slots, PRECISIONS[-1])
        gains = truth.gains(question.slots, PRECISIONS[-1])
        witness = min(gains, key=lambda t: gains[t])
        high = _rounded(low - theta - step * abs(low - gains[witness][1]), 900)
        if not gains[witness][1] - theta < high < low - theta:
            return None
        header |= {"witness": list(witness), "low": _floor(gains[witness][0] - theta), "high": str(high)}
        bound = {"bound": header["high"]}
        return [header, described, *(line | bound if "section" in line else line for line in lines[2:])]
    if claim == "override":  # a threshold that the witness does not reach
        moved = truth.gain(tuple(header["witness"]))[1] + step
    else:  # a threshold that some assignment of a length that was ruled out exceeds
        if not header["lengths"]:
            return None
        moved = max(truth.best(m, PRECISIONS[-1])[0] for m in header["lengths"]) - step
    moved = _rounded(moved, 300)
    described["threshold"] = str(moved)
    for end in ("low", "high") if claim != "no-override" else ():
        header[end] = str(Fraction(header[end]) + theta - moved)
    return [header, described, *lines[2:]]


def _floor(x: Fraction) -> str:
    return str(_rounded(x, 300) - Fraction(1, 2**299))


def instance(
    rng: np.random.Generator, question: Question, ask: Ask, truth: Truth, directory: Path, files: Any, tensors: Any
) -> dict[str, str]:
    """Decide, certify, check and forge once; what is to be counted, or a DisagreementError."""
    answer = solve(question, ask, certify=True, node_limit=NODES, tolerance=TOLERANCE)
    judge(question, answer, truth)
    if question.layer.heads == 1:  # without a certificate, a linear scan decides
        judge(question, solve(question, ask, tolerance=TOLERANCE), truth)
    lengths = range(question.slots + 1) if ask == "minimum" else [question.slots]
    tie = ask != "maximum" and any(truth.above(m, question.readout.threshold) is None for m in lengths)
    counted = {
        "verdict": answer.verdict,
        "exact tie": "yes" if tie else "no",
        "checker": "-",
        "branching": "no",
        "false claim": "-",
    }
    if answer.verdict == "gave-up":
        return counted
    path = directory / "certificate.jsonl"
    write_certificate(path, question, answer, files, tensors)
    verdict = check(path, directory)
    demand(verdict.kind in ("valid", "undecided"), f"the certificate is {verdict}")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    counted |= {
        "checker": verdict.kind,
        "branching": "yes" if any(line.get("node") in ("split", "range") for line in lines) else "no",
    }
    forged = false_claim(rng, lines, question, truth)
    if forged is not None:
        path.write_bytes(seal(forged, directory))
        verdict = check(path, directory)
        demand(verdict.kind != "valid", f"a false claim is {verdict}")
        counted["false claim"] = verdict.kind
    return counted


def layer(seed: int, index: int) -> list[dict[str, str]]:
    """All questions about one random layer."""
    rng = np.random.default_rng([seed, index])
    drawn = draw(rng)
    question, truth = drawn.question, Truth(drawn.question)
    bounded = ("jointly", "one jointly", "separately")[index % 3]
    ranges = ("with many slots", "whenever wide")[index // 3 % 2]
    multipliers.MOST_JOINT = {"jointly": MOST_JOINT, "one jointly": 1, "separately": 0}[bounded]
    many_heads.SPARE_SLOTS = {"with many slots": SPARE_SLOTS, "whenever wide": -question.layer.heads}[ranges]
    directory = Path(tempfile.mkdtemp(prefix="soundness-"))
    try:
        save(question.layer, directory)
        model = load_model(str(directory))
        files, tensors = model.files, model.tensors(0)
        found = []
        for number, (one, ask, kind) in enumerate(asked(rng, drawn, truth)):
            try:
                counted = instance(rng, one, ask, truth, directory, files, tensors)
            except DisagreementError as error:
                raise DisagreementError(f"question {number} ({ask}, threshold {kind}): {error}") from None
            found.append(
                drawn.kinds
                | {"heads bounded": bounded, "ranges split": ranges, "ask": ask, "threshold": kind}
                | counted
            )
        return found
    finally:
        multipliers.MOST_JOINT, many_heads.SPARE_SLOTS = MOST_JOINT, SPARE_SLOTS
        shutil.rmtree(directory)


# The campaign ------------------------------------------------------------------------------------------------------


def attempt(task: tuple[int, int]) -> tuple[int, list[dict[str, str]], str]:
    """One layer's counts; or why they are none."""
    seed, index = task
    try:
        return index, layer(seed, index), ""
    except DisagreementError as error:
        return index, [], str(error)


def campaign(seed: int, layers: Sequence[int], jobs: int) -> Iterator[tuple[int, list[dict[str, str]], str]]:
    """Layer by layer, in order, whatever the number of processes."""
    tasks = [(seed, index) for index in layers]
    if jobs == 1:
        yield from map(attempt, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(attempt, tasks, chunksize=8)


def percent(part: int, whole: int) -> float:
    return 100 * part / max(whole, 1)


def decided(kinds: dict[str, str]) -> bool:
    return kinds["verdict"] != "gave-up" and kinds["checker"] == "valid"


def report(found: list[dict[str, str]]) -> list[str]:
    """The counts by class, one class a line."""
    columns = ["override", "no-override", "optimum", "gave-up"]
    lines = [f"{'':32}{'instances':>10}{''.join(f'{c:>12}' for c in columns)}{'branching':>11}{'decided':>9}"]
    for name in found[0]:
        for value in sorted({kinds[name] for kinds in found}):
            group = [kinds for kinds in found if kinds[name] == value]
            verdicts = Counter(kinds["verdict"] for kinds in group)
            cells = "".join(f"{verdicts[c]:12,}" for c in columns)
            branching = percent(sum(kinds["branching"] == "yes" for kinds in group), len(group))
            settled = percent(sum(map(decided, group)), len(group))
            lines.append(f"{f'{name}: {value}':32}{len(group):10,}{cells}{branching:10.1f}%{settled:8.1f}%")
    return lines


def goals(found: list[dict[str, str]]) -> dict[str, tuple[float, float]]:
    """What the counts are to reach, in percent: (reached, wanted)."""
    plain = [kinds for kinds in found if kinds["exact tie"] == "no"]
    shares = {"non-ties decided": (percent(sum(map(decided, plain)), len(plain)), 99.0)}
    for verdict in ("override", "no-override", "optimum"):
        shares[verdict] = percent(sum(kinds["verdict"] == verdict for kinds in found), len(found)), 20.0
    shares["branching"] = percent(sum(kinds["branching"] == "yes" for kinds in found), len(found)), 10.0
    return shares


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layer", type=int, help="this one alone")
    given = parser.parse_args(arguments)
    layers = range(-(-given.instances // QUESTIONS)) if given.layer is None else [given.layer]
    began = told = time.monotonic()
    found: list[dict[str, str]] = []
    disagreements = 0
    for index, counted, why in campaign(given.seed, layers, given.jobs if len(layers) > 1 else 1):
        found += counted
        if why:
            disagreements += 1
            print(f"DISAGREEMENT: {why}\n  python -m benchmarks.soundness --seed {given.seed} --layer {index}")
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"{len(found):,} instances, {disagreements} disagreements, {told - began:.0f} s", flush=True)
    for line in report(found) if found else []:
        print(line)
    short = False
    for name, (reached, wanted) in goals(found).items():
        short |= reached < wanted
        print(f"{name + ':':24}{reached:6.2f} % (at least {wanted:.0f} %)")
    print(f"{len(found):,} instances of {len(layers):,} layers, {disagreements} disagreements,", end=" ")
    print(f"{time.monotonic() - began:.0f} s with {given.jobs} processes, seed {given.seed}")
    return int(disagreements > 0 or (short and given.layer is None))


if __name__ == "__main__":
    sys.exit(main())
