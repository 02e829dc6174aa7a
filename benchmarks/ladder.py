"""Tight refusals on random layers: how far does the exact search reach?

Each rung is vocabulary x slots x heads. Layers have width 16, heads of width 4, weights N(0, 1)/sqrt(d) with queries
and keys 1.5 times that, 4 system tokens, positions at half the embedding's scale, the reader first. The threshold is
the best of 1,000 restarts of coordinate ascent plus 2 % of (best - worst found): above what a good attacker finds,
barely. So most answers are refusals, and a bound that is not nearly exact proves none of them. Seconds are the
processor's, tables included: run with OPENBLAS_NUM_THREADS=1, so that they don't count waiting threads.

Run: python benchmarks/ladder.py
"""

from __future__ import annotations

import argparse
import time
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


def random_question(
    vocabulary: int,
    slots: int,
    heads: int,
    seed: int,
    *,
    width: int,
    dh: int,
    template: int,
    gain: float,
    spread: float,
) -> Question:
    """A random layer's question, with threshold 0.

    Args:
        vocabulary, slots, heads, width, template: how many.
        seed: of the random numbers.
        dh: width of a head.
        gain: what queries and keys are multiplied by.
        spread: of the positions' rows, beside an embedding's 1.
    """
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape) / np.sqrt(width)

    layer = Layer(
        embedding=rng.standard_normal((vocabulary + template, width)),
        wq=gain * draw(heads, width, dh),
        wk=gain * draw(heads, width, dh),
        wv=draw(heads, width, dh),
        wo=draw(heads, dh, width),
        positions=Learned(spread * rng.standard_normal((template + slots, width))),
        causal=False,
    )
    toward, against = rng.standard_normal((2, width))
    before = tuple(range(vocabulary, vocabulary + template))
    return Question(layer, Readout(toward, against), before, (), "first", slots, tuple(range(vocabulary)))


def rung(vocabulary: int, slots: int, heads: int, seed: int) -> Question:
    """The question of a rung, with threshold 0."""
    return random_question(vocabulary, slots, heads, seed, width=16, dh=4, template=4, gain=1.5, spread=0.5)


def tight(question: Question, restarts: int, margin: float = 0.02) -> Question:
    """The question with a threshold above the best that restarts of coordinate ascent find, by a part of the range."""
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
    threshold = Fraction(best + margin * (best - worst))
    return replace(question, readout=replace(question.readout, threshold=threshold))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds on the clock for each decision")
    parser.add_argument("--restarts", type=int, default=1000)
    parser.add_argument(
        "--rungs",
        nargs="*",
        type=lambda text: tuple(map(int, text.split("x"))),
        help="such as 256x4x8; all if not given",
    )
    arguments = parser.parse_args()
    print("| vocabulary × slots × heads | decided | seconds (nodes), by seed |")
    print("|---|---|---|")
    for vocabulary, slots, heads in arguments.rungs or RUNGS:
        decided, cells = 0, []
        for seed in range(arguments.seeds):
            question = tight(rung(vocabulary, slots, heads, seed), arguments.restarts)
            began = time.process_time()
            answer = solve(question, time_limit=arguments.limit)
            seconds = time.process_time() - began
            undecided = answer.verdict == "gave-up"
            decided += not undecided
            note = {"gave-up": "undecided at ", "override": "override at "}.get(answer.verdict, "")
            cells.append(f"{note}{seconds:.2f} ({answer.nodes})")
        print(f"| {vocabulary} × {slots} × {heads} | {decided} of {arguments.seeds} | {', '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
