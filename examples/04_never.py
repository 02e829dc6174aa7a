"""Lesson 4: never. Run it: python examples/04_never.py

A layer without positions takes any number of tokens. Two heads are built by hand here, so small that each number can be
redone on paper: a token has a score and a value for each head, and the reader sees e^score and value as they are.

A *steady* layer is never overridden, though in each head some token votes for the adversary: no mixture of tokens gets
both heads at once. A *brief* one is overridden by 1 token, and no longer by 10.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tokendemo_formal.attention import Layer
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.certificates.writer import write_certificate
from tokendemo_formal.models import load_model, save
from tokendemo_formal.override.question import Question, Readout
from tokendemo_formal.override.solve import solve

SYSTEM, X, Y = 0, 1, 2
LOW, HIGH = math.log(0.1), math.log(10)


def two_heads(tokens: list[tuple[float, float, float, float]]) -> Layer:
    """The layer of tokens (score in head 0, in head 1, value in head 0, in head 1); its output is the heads' sum.

    A row holds these four numbers, a 1 that the queries are made of, and a 0 that the output is written to.
    """
    embedding = np.array([[*token, 1.0, 0.0] for token in tokens])
    wq, wk, wv, wo = np.zeros((2, 6, 1)), np.zeros((2, 6, 1)), np.zeros((2, 6, 1)), np.zeros((2, 1, 6))
    for head in range(2):
        wq[head, 4, 0] = wk[head, head, 0] = wv[head, 2 + head, 0] = wo[head, 0, 5] = 1.0
    rows = np.zeros((2, 6))
    rows[0, 5] = 1.0  # toward: what the heads wrote; against: nothing
    return Layer(embedding, wq, wk, wv, wo, causal=False, unembedding=rows)


def question(layer: Layer, vocabulary: tuple[int, ...]) -> Question:
    """Is the heads' sum above 1/2? The system token stands first and is the reader."""
    assert layer.unembedding is not None
    readout = Readout(*layer.unembedding, threshold=Fraction(1, 2), rows=(0, 1))
    return Question(layer, readout, (SYSTEM,), (), "first", 0, vocabulary)


# X votes for the adversary in head 0, Y in head 1, each with a small voice; with a large one they vote against it.
steady = two_heads([(0.0, 0.0, 0.0, 0.0), (LOW, HIGH, 1.0, -1.0), (HIGH, LOW, -1.0, 1.0)])
asked = question(steady, (X, Y))
print("In each head the best token votes 1, and 1 + 1 is above 1/2. Mixed, x of X and y of Y with 1 system token:\n")
for x, y in ((1, 0), (1, 1), (10, 1), (100, 100)):
    first = (0.1 * x - 10 * y) / (1 + 0.1 * x + 10 * y)
    second = (0.1 * y - 10 * x) / (1 + 0.1 * y + 10 * x)
    print(f"  {x:>3} X, {y:>3} Y   head 0 {first:+.3f}   head 1 {second:+.3f}   sum - 1/2 {first + second - 0.5:+.3f}")
    assert first + second < 0.5

never = solve(asked, "any-length", certify=True)
print(f"\nAny number of them: {never.verdict}, proved.")
assert never.verdict == "never"

with TemporaryDirectory() as name:
    folder = Path(name)
    save(steady, folder)  # safetensors and config.json, as any model
    model = load_model(name)
    write_certificate(folder / "proof.jsonl", asked, never, model.files, model.tensors(0))
    verdict = check(folder / "proof.jsonl", folder)
print(f"The checker, from the stored weights: {verdict.kind}. {verdict.claim.splitlines()[0]}")
assert verdict.kind == "valid"

# The other way round: where X has a large voice it votes for the adversary, but its small voice comes in the end.
brief = two_heads([(0.0, 0.0, 0.0, 0.0), (HIGH, LOW, 1.0, -1.0)])
found = solve(question(brief, (X,)), "any-length")
print(
    f"\nThe brief layer: {found.verdict}, first with {found.minimum} token. Longer ones are questions of their own:\n"
)
assert (found.verdict, found.minimum) == ("override", 1)
for length in (1, 9, 10, 1000):
    sum_of_heads = 10 * length / (1 + 10 * length) - 0.1 * length / (1 + 0.1 * length)
    overridden = solve(question(brief, (X,)).with_slots(length)).verdict == "override"
    print(f"  {length:>4} X   sum - 1/2 {sum_of_heads - 0.5:+.3f}   {'overridden' if overridden else 'not'}")
    assert overridden == (length <= 9) == (sum_of_heads > 0.5)
