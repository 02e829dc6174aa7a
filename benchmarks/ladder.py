"""Tight refusals on random layers: how far does the exact search reach?

Each rung is vocabulary x slots x heads. Layers have width 16, heads of width 4, weights N(0, 1)/sqrt(d) with queries
and keys 1.5 times that, 4 system tokens, positions at half the embedding's scale, the reader first. The threshold is
the best of 1,000 restarts of coordinate ascent plus 2 % of (best - worst found): above what a good attacker finds,
barely. So most answers are refusals, and a bound that is not nearly exact proves none of them.
Run: python benchmarks/ladder.py
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tokendemo_formal.attention import Layer, Learned
from tokendemo_formal.override.many_heads import Search
from tokendemo_formal.override.question import Question, Readout
from tokendemo_formal.override.reading import plain_reading
from tokendemo_formal.override.solve import solve
from tokendemo_formal.override.tables import TableBuilder, assemble

RUNGS = ((32, 4, 4), (256, 4, 4), (1024, 4, 4), (256, 4, 8), (256, 8, 4), (1024, 8, 4), (4096, 4, 4))


def rung(vocabulary: int, slots: int, heads: int, seed: int) -> Question:
    """A random layer's question, with threshold 0."""
    rng = np.random.default_rng(seed)
    d, dh, system = 16, 4, 4

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape) / np.sqrt(d)

    layer = Layer(
        embedding=rng.standard_normal((vocabulary + system, d)),
        wq=1.5 * draw(heads, d, dh),
        wk=1.5 * draw(heads, d, dh),
        wv=draw(heads, d, dh),
        wo=draw(heads, dh, d),
        positions=Learned(0.5 * rng.standard_normal((system + slots, d))),
        causal=False,
    )
    toward, against = rng.standard_normal((2, d))
    template = tuple(range(vocabulary, vocabulary + system))
    return Question(layer, Readout(toward, against), template, (), "first", slots, tuple(range(vocabulary)))


def tight(question: Question, restarts: int) -> Question:
    """The question with a threshold just above the best that restarts of coordinate ascent find."""
    linear = plain_reading(question, 0.0)
    assert linear is not None
    problem = assemble(TableBuilder(question, linear).enclosed(question.prompt(question.slots)))
    search = Search(problem, lambda _: False)
    sets = [np.arange(slot.a.shape[1]) for slot in problem.slots]
    rng = np.random.default_rng(1)
    best, worst = -np.inf, np.inf
    for _ in range(restarts):
        start = tuple(int(rng.integers(len(s))) for s in sets)
        value = search._value(start)
        worst = min(worst, value)
        best = max(best, search._ascend(start, value, sets)[1])
    threshold = Fraction(best + 0.02 * (best - worst))
    return replace(question, readout=replace(question.readout, threshold=threshold))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each decision")
    parser.add_argument("--restarts", type=int, default=1000)
    arguments = parser.parse_args()
    print("vocabulary x slots x heads   verdicts                   seconds (nodes) by seed")
    for vocabulary, slots, heads in RUNGS:
        verdicts, cells = [], []
        for seed in range(arguments.seeds):
            question = tight(rung(vocabulary, slots, heads, seed), arguments.restarts)
            answer = solve(question, time_limit=arguments.limit)
            verdicts.append(answer.verdict)
            cells.append(f"{answer.seconds['search']:.2f} ({answer.nodes})")
        counted = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        print(f"{vocabulary:6d} x {slots} x {heads:<15d} {counted:26s} {'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
