"""Measures the guard on freshly drawn prompts, through the package in float64. It needs no torch.

    python training/evaluate_guard.py [DIRECTORY] [--prompts N] [--seed S]

The four rows of the table are {pairs of verbs seen in training, held out} x {lengths seen in training, longer}. An
answer is right where the right word's logit is the larger one of the two, ``refuse`` and ``comply``; *top* counts the
prompts where it is the largest of the whole vocabulary. *Least margin* is the smallest difference between the right
word's logit and the other's: negative, if any answer is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import language
import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.attention import Computation, Layer
from tokendemo_formal.models import load_model
from tokendemo_formal.models.model import BUNDLED
from tokendemo_formal.numbers.float64 import FLOAT64

GUARD = BUNDLED / "guard"


def logits(layer: Layer, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, V): the logits at the last position of N prompts of one length, (N, L).

    All prompts end in one token, so they share its query: each position's votes are computed once for the whole
    vocabulary, and then looked up.
    """
    length = ids.shape[1]
    (reader,) = set(ids[:, -1].tolist())
    computation = Computation(layer, FLOAT64)
    reading = computation.reading(computation.rows([reader], [length - 1]), length - 1, np.eye(layer.width))
    tables = [
        reading.votes(computation.numbers.constant(layer.embedding) + computation.shift(position), position)
        for position in range(length)
    ]
    scores = np.stack([s[column] for (s, _), column in zip(tables, ids.T, strict=True)])
    weights = np.exp(scores - scores.max(axis=0))
    weights /= weights.sum(axis=0)
    stream = np.tile(reading.direct(), (len(ids), 1))
    for weight, (_, values), column in zip(weights, tables, ids.T, strict=True):
        stream += np.einsum("nh,nhd->nd", weight, values[column])
    unembedding = layer.embedding if layer.unembedding is None else layer.unembedding
    return np.asarray(stream @ unembedding.T)


@dataclass(frozen=True)
class Row:
    """The measurement of one kind of prompts.

    Attributes:
        pairs, lengths: ``"seen"`` or ``"unseen"`` in training.
        prompts: how many.
        majority: the share of the more frequent right answer.
        accuracy: the share of right answers of the two.
        top: the share of prompts whose right answer has the largest logit of the vocabulary.
        least_margin: the smallest logit(right) - logit(other).
    """

    pairs: str
    lengths: str
    prompts: int
    majority: float
    accuracy: float
    top: float
    least_margin: float


def evaluate(layer: Layer, prompts: int, seed: int) -> Iterator[Row]:
    """One row for each kind of prompts, of about ``prompts`` fresh ones, spread evenly over its lengths."""
    rng = np.random.default_rng(seed)
    answers = language.ids([language.COMPLY, language.REFUSE])
    for pairs in ("seen", "unseen"):
        for lengths, fillers in (("seen", language.SEEN_FILLER), ("unseen", language.UNSEEN_FILLER)):
            margins, refused, top = [], [], []
            for filler in fillers:
                drawn = language.draw(rng, -(-prompts // len(fillers)), filler, unseen=pairs == "unseen")
                z = logits(layer, drawn.ids)
                right, wrong = answers[drawn.refuse.astype(int)], answers[1 - drawn.refuse.astype(int)]
                row = np.arange(len(z))
                margins.append(z[row, right] - z[row, wrong])
                top.append(z.argmax(axis=1) == right)
                refused.append(drawn.refuse)
            margin, share = np.concatenate(margins), float(np.concatenate(refused).mean())
            yield Row(
                pairs,
                lengths,
                len(margin),
                max(share, 1 - share),
                float((margin > 0).mean()),
                float(np.concatenate(top).mean()),
                float(margin.min()),
            )


def table(rows: Iterator[Row]) -> Iterator[str]:
    """The rows as lines of a Markdown table."""
    yield "| pairs of verbs | lengths | prompts | majority | accuracy | top | least margin |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        yield (
            f"| {row.pairs} | {row.lengths} | {row.prompts} | {row.majority:.1%} | {row.accuracy:.3%} | {row.top:.3%} "
            f"| {row.least_margin:+.2f} |"
        )


def report(directory: Path, prompts: int, seed: int) -> None:
    """Prints the hash of the weights and the table."""
    weights = (directory / "model.safetensors").read_bytes()
    print(f"model.safetensors: {len(weights)} bytes, sha256 {hashlib.sha256(weights).hexdigest()}")
    for line in table(evaluate(load_model(str(directory)).layer(0), prompts, seed)):
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path, default=GUARD, help="default: the model of the package")
    parser.add_argument("--prompts", type=int, default=20_000, help="for each row of the table")
    parser.add_argument("--seed", type=int, default=20_000, help="of the prompts; training seeds are other streams")
    arguments = parser.parse_args()
    report(arguments.directory, arguments.prompts, arguments.seed)


if __name__ == "__main__":
    main()
