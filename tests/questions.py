"""Random small questions, and their answers by trying everything."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tokendemo_formal.attention import Alibi, Computation, Layer, Learned, Norm, Rotary, Sinusoidal
from tokendemo_formal.numbers.float64 import FLOAT64
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.question import Ask, Prompt, Question, Readout

ASKS: tuple[Ask, ...] = ("exists", "minimum", "maximum")
"""Of lengths that are given."""


def random_layer(
    rng: np.random.Generator, heads: int, vocabulary: int, *, gain: float = 1.5, final: bool = False
) -> Layer:
    d, dh = int(rng.integers(2, 7)), 2
    groups = int(rng.choice([g for g in range(1, heads + 1) if heads % g == 0]))

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape) / np.sqrt(d)

    def norm(kind: str, bias: bool = True) -> Norm:
        return Norm(kind, rng.uniform(0.5, 1.5, d), rng.standard_normal(d) if bias else None, 1e-5)  # type: ignore[arg-type]

    positions = [
        None,
        Learned(rng.standard_normal((12, d)) / 2),
        Rotary(pairing="half"),
        Rotary(pairing="adjacent"),
        Sinusoidal(),
        Alibi(rng.uniform(0, 1, heads)),
    ][rng.integers(6)]
    layer = Layer(
        embedding=rng.standard_normal((vocabulary, d)),
        wq=gain * draw(heads, d, dh),
        wk=gain * draw(groups, d, dh),
        wv=draw(groups, d, dh),
        wo=draw(heads, dh, d),
        bq=draw(heads, dh) if rng.random() < 0.5 else None,
        bk=draw(groups, dh) if rng.random() < 0.5 else None,
        bv=draw(groups, dh) if rng.random() < 0.5 else None,
        bo=draw(d) if rng.random() < 0.5 else None,
        positions=positions,
        pre_norm=[None, norm("layer"), norm("rms", bias=False)][rng.integers(3)],
        embedding_norm=norm("layer") if rng.random() < 0.2 else None,
        causal=bool(rng.random() < 0.5),
    )
    if rng.random() < 0.2:
        qk = [Norm("rms", rng.uniform(0.5, 1.5, dh), None, 1e-5) for _ in range(2)]
        layer = replace(layer, query_norm=qk[0], key_norm=qk[1])
    if final:
        layer = replace(layer, final_norm=norm("layer" if rng.random() < 0.5 else "rms", bias=bool(rng.random() < 0.7)))
    return layer


def random_question(
    rng: np.random.Generator, heads: int, vocabulary: int, slots: int, *, gain: float = 1.5, final: bool = False
) -> Question:
    layer = random_layer(rng, heads, vocabulary, gain=gain, final=final)
    rows = rng.standard_normal((2, layer.width))
    before = tuple(int(t) for t in rng.integers(vocabulary, size=rng.integers(1, 4)))
    after = tuple(int(t) for t in rng.integers(vocabulary, size=rng.integers(1, 3)))
    reader = "last" if layer.causal or rng.random() < 0.5 else "first"
    return Question(
        layer,
        Readout(rows[0], rows[1], final_norm=final),
        before,
        after,
        reader,  # type: ignore[arg-type]
        slots,
        tuple(range(vocabulary)),
    )


def every_gain(question: Question, slots: int) -> dict[tuple[int, ...], float]:
    """The gain of each assignment in plain floats."""
    prompt = question.prompt(slots)
    computation = Computation(question.layer, FLOAT64)
    if prompt.tokens[prompt.reader] is not None and not question.readout.final_norm:
        return _gains_from_votes(question, prompt, computation)
    return {
        assignment: plain_gain(question, prompt, assignment, computation)
        for assignment in itertools.product(question.vocabulary, repeat=slots)
    }


def _gains_from_votes(question: Question, prompt: Prompt, computation: Computation) -> dict[tuple[int, ...], float]:
    """One fixed reader: each token's score and readout is computed once, and only the sums are tried out."""
    token, reader, layer, readout = prompt.tokens[prompt.reader], prompt.reader, question.layer, question.readout
    assert token is not None
    direction = (readout.toward - readout.against).reshape(-1, 1)
    reading = computation.reading(computation.rows([token], [reader]), reader, direction)
    assignments = [*itertools.product(range(len(question.vocabulary)), repeat=len(prompt.slots))]
    choices = np.array(assignments, dtype=int).reshape(len(assignments), len(prompt.slots)).T
    seen = [p for p in range(len(prompt.tokens)) if layer.sees(reader, p)]
    scores, readouts = np.empty((2, len(seen), len(assignments), layer.heads))
    for i, position in enumerate(seen):
        fixed = prompt.tokens[position]
        tokens = question.vocabulary if fixed is None else (fixed,)
        s, r = reading.votes(computation.rows(tokens, [position] * len(tokens)), position)
        rows = choices[prompt.slots.index(position)] if fixed is None else 0
        scores[i], readouts[i] = s[rows], r[rows, :, 0]
    exponentials = np.exp(scores - scores.max(axis=0))
    rest = float(reading.direct()[0]) + readout.toward_bias - readout.against_bias - float(readout.threshold)
    gains = rest + ((exponentials * readouts).sum(axis=0) / exponentials.sum(axis=0)).sum(axis=1)
    return dict(zip(itertools.product(question.vocabulary, repeat=len(prompt.slots)), gains.tolist(), strict=True))


def plain_gain(question: Question, prompt: Prompt, assignment: tuple[int, ...], computation: Computation) -> float:
    tokens = prompt.filled(assignment)
    raw = computation.rows(tokens, range(len(tokens)))
    reading = computation.reading(raw[prompt.reader : prompt.reader + 1], prompt.reader, np.eye(question.layer.width))
    _, stream = reading.attend(raw)
    readout, norm = question.readout, question.layer.final_norm
    if readout.final_norm and norm is not None:
        centred = stream - stream.mean() if norm.centred else stream
        stream = centred / np.sqrt((centred**2).mean() + norm.eps) * norm.gain
        stream = stream if norm.bias is None else stream + norm.bias
    biases = readout.toward_bias - readout.against_bias
    return float(stream @ (readout.toward - readout.against) + biases - float(readout.threshold))


def truth(question: Question, slots: int) -> tuple[bool | None, float]:
    """Whether some assignment overrides (None: the best are ties that nothing decides), and the largest gain."""
    gains = every_gain(question, slots)
    best = max(gains.values())
    if abs(best) > 1e-8:
        return best > 0, best
    exact, prompt = ExactGain(question), question.prompt(slots)
    verdicts = [exact.above(prompt.filled(a), prompt.reader) for a, g in gains.items() if g > -1e-8]
    if any(verdicts):
        return True, best
    return (None if None in verdicts else False), best


def near_best(question: Question, slots: int, offset: float) -> Question:
    """The question with its threshold that far above the largest gain: a refusal is then tight, an override scarce."""
    return above_best(question, every_gain(question, slots).values(), offset)


def above_best(question: Question, gains: Collection[float], offset: float, more: float = 0.0) -> Question:
    """The question with its threshold above the largest of some gains, by that part of what they, and more, span."""
    best, worst = max(gains), min(gains)
    threshold = question.row_readout.threshold + Fraction(best + offset * (best - worst + more))
    return replace(question, readout=replace(question.row_readout, threshold=threshold))


def first_override(answer: Answer, slots: int, best: Mapping[int, float]) -> int | None:
    """Check an answer against the largest gain of each length.

    Returns:
        The first length that was asked about and has an override; None for a largest margin.
    """
    if answer.ask == "maximum":
        assert answer.verdict == "optimum"
        assert answer.margin is not None
        assert answer.upper is not None
        assert float(answer.margin.low) - 1e-9 <= best[slots] <= float(answer.upper) + 1e-9
        return None
    lengths = range(slots + 1) if answer.ask == "minimum" else [slots]
    first = next((m for m in lengths if best[m] > 0), None)
    assert answer.verdict == ("no-override" if first is None else "override"), (answer, best)
    assert answer.ruled_out == tuple(m for m in lengths if first is None or m < first)
    assert first is None or answer.slots == first
    return first


def tied_question(rng: np.random.Generator, heads: int, slots: int) -> Question:
    """A layer whose best assignment ties exactly: the template's tokens vote against, their mirror images for.

    A token is (key, value, 1); the query sees the key, the readout the value. The adversary's best token has
    the key of the template's and the opposite value, and there are as many slots as template tokens.
    """
    keys = rng.integers(-6, 7, size=3) / 4
    embedding = np.array([[k, v, 1.0] for k in keys for v in (-1.0, -0.5)] + [[keys.max(), 1.0, 1.0], [0.0, 0.0, 1.0]])
    mirror, template, reader = 6, 2 * int(keys.argmax()), 7
    wq = np.zeros((heads, 3, 1))
    wq[:, 2, 0] = rng.uniform(0.5, 1.5, heads)
    wk = np.zeros((heads, 3, 1))
    wk[:, 0, 0] = rng.uniform(0.5, 1.5, heads)
    wv = np.zeros((heads, 3, 1))
    wv[:, 1, 0] = 1.0
    wo = np.zeros((heads, 1, 3))
    wo[:, 0, 1] = rng.uniform(0.5, 1.5, heads)
    layer = Layer(embedding, wq, wk, wv, wo, causal=False)
    toward = np.array([0.0, 1.0, 0.0])
    vocabulary = (*range(6), mirror)
    return Question(layer, Readout(toward, 0 * toward), (template,) * slots, (reader,), "last", slots, vocabulary)
