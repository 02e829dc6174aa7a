"""The arithmetic benchmark on a real encoder: 12 heads, 29,523 tokens, read at the first position."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tokendemo_formal.numbers.balls import BALLS, ball, precision
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.question import Question
from tokendemo_formal.override.reading import plain_reading
from tokendemo_formal.override.solve import solve
from tokendemo_formal.override.tables import TableBuilder
from tokendemo_formal.scenario import read_scenario

SCENARIO = Path(__file__).parents[1] / "examples" / "encoder_minimum.toml"


@pytest.fixture(scope="module")
def question(encoder_directory: Path) -> Question:
    return read_scenario(SCENARIO).question()


def reimplemented(directory: Path, tokens: Sequence[int], toward: int, against: int) -> float:
    """The margin by the formulas of BERT's first half block, straight from the file, nothing folded."""
    w = {name: array.astype(np.float64) for name, array in load_file(directory / "model.safetensors").items() if array.dtype.kind == "f"}  # fmt: skip  # noqa: E501
    x = w["embeddings.word_embeddings.weight"][list(tokens)] + w["embeddings.position_embeddings.weight"][: len(tokens)]
    x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-12)
    x = x * w["embeddings.LayerNorm.weight"] + w["embeddings.LayerNorm.bias"]
    name = "encoder.layer.0.attention."
    q, k, v = (
        (x @ w[f"{name}self.{part}.weight"].T + w[f"{name}self.{part}.bias"]).reshape(len(tokens), 12, 32)
        for part in ("query", "key", "value")
    )
    scores = np.einsum("hd,jhd->hj", q[0], k) / np.sqrt(32)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    mixed = np.einsum("hj,jhd->hd", weights, v).reshape(-1)
    stream = x[0] + w[f"{name}output.dense.weight"] @ mixed + w[f"{name}output.dense.bias"]
    rows = w["embeddings.word_embeddings.weight"]
    return float(stream @ (rows[toward] - rows[against]))


def test_the_layer_is_the_encoders_first(question: Question, encoder_directory: Path) -> None:
    exact = ExactGain(question)
    assert question.readout.rows is not None
    rng = np.random.default_rng(0)
    for slots in (0, 0, 3, 5):
        prompt = question.prompt(slots)
        tokens = prompt.filled([int(t) for t in rng.choice(question.vocabulary, slots)])
        low, high = exact.bounds(tokens, prompt.reader)
        expected = reimplemented(encoder_directory, tokens, *question.readout.rows)
        assert float(low) == pytest.approx(expected, abs=1e-11)
        assert high - low < 1e-12
    assert float(exact.bounds(question.prompt(0).tokens, 0)[0]) == pytest.approx(-0.40103, abs=5e-6)  # type: ignore[arg-type]


def test_the_vocabulary_is_all_but_bracketed_tokens(question: Question) -> None:
    assert len(question.vocabulary) == 29_523


def test_table_entries_enclose_200_bit_balls(question: Question) -> None:
    linear = plain_reading(question, 0.0)
    assert linear is not None
    builder = TableBuilder(question, linear)
    reading = builder.reading(question.before[0], 0)
    columns = np.random.default_rng(1).choice(len(question.vocabulary), 40, replace=False)
    for position in (8, 12):
        scores, readouts = builder._slot_votes(reading, position)
        with precision(200):
            balls = builder._balls
            exact = balls.reading(balls.rows([question.before[0]], [0]), 0, BALLS.constant(_direction(question)))
            ids = [question.vocabulary[j] for j in columns]
            true_scores, true_readouts = exact.votes(balls.rows(ids, [position] * len(ids)), position)
            for i, j in enumerate(columns):
                for h in range(12):
                    for true, table in ((true_scores[i, h], scores), (true_readouts[i, h, 0], readouts)):
                        rad = float(np.broadcast_to(table.rad, table.shape)[j, h])
                        assert abs(true - ball(float(table.mid[j, h]))) <= ball(rad)
                        assert rad < 1e-11


def _direction(question: Question) -> np.ndarray:
    # Exact as floats? The difference of two float32 embedding entries is one of float64.
    return (question.readout.toward - question.readout.against).reshape(-1, 1)


@pytest.mark.slow
def test_the_shortest_override_has_exactly_five_tokens(question: Question) -> None:
    answer = solve(question, "minimum")
    assert answer.verdict == "override"
    assert answer.minimum == 5
    assert answer.ruled_out == (0, 1, 2, 3, 4)
    assert answer.margin is not None
    assert answer.margin.low > 0
    assert float(answer.margin.low) == pytest.approx(0.00102, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("slots", "best"), [(1, -0.300716), (2, -0.204977), (3, -0.124778)])
def test_the_best_of_a_few_tokens(question: Question, slots: int, best: float) -> None:
    answer = solve(question.with_slots(slots), "maximum")
    assert answer.verdict == "optimum"
    assert answer.margin is not None
    assert answer.upper is not None
    assert float(answer.margin.low) == pytest.approx(best, abs=1e-6)
    assert answer.upper - answer.margin.low <= 1e-6
