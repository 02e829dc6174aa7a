"""How much dearer than its floor is an exact answer?

One run measures five things on the same question, examples/encoder_minimum.toml (12 heads, 29,523 tokens, up to 5
slots), or on the scenario given:

* the exact answer: every length 0 … m* decided, loading excluded;
* the floor: one dense float32 pass that builds the same slots' tables (token + position rows, LayerNorm, one thin
  product, exponentials), which any method needs;
* the best of one slot fewer, proved to 1e-6, and the refusal of examples/encoder_refusal.toml;
* the memory of the exact answer, beside the tables that it is about: a and b of each slot, token and head, with radii;
* brute force on a vocabulary cut down until that is bearable, against the search on the same.

Absolute seconds depend on the machine and its mood; the ratios are what to compare. Run: python benchmarks/minimum.py
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tokendemo_formal.attention import Learned
from tokendemo_formal.override.question import Question
from tokendemo_formal.override.solve import solve
from tokendemo_formal.scenario import read_scenario

DEFAULT = Path(__file__).parent.parent / "examples" / "encoder_minimum.toml"

HARDER = DEFAULT.with_name("encoder_refusal.toml")


def timed(function: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """The median of the seconds, and the last result."""
    seconds, result = [], None
    for _ in range(runs):
        began = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds)), result


def largest_memory(function: Callable[[], Any]) -> int:
    """The most bytes that were in use at a time, beyond those in use before."""
    tracemalloc.start()
    function()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def float32_tables(question: Question, slots: int) -> Callable[[], list[np.ndarray]]:
    """One dense pass in float32 over the vocabulary for each slot, with the query and the readout folded already."""
    layer = question.layer
    norm, positions = layer.embedding_norm or layer.pre_norm, layer.positions
    if norm is None or not isinstance(positions, Learned):
        raise SystemExit("the floor is written for a layer with learned positions and one input norm")
    rng = np.random.default_rng(0)
    embedding = layer.embedding.astype(np.float32)[question.vocabulary_array]
    folded = rng.standard_normal((layer.width, 2 * layer.heads)).astype(np.float32) / layer.width
    table, gain = positions.table.astype(np.float32), norm.gain.astype(np.float32)
    bias = np.zeros(layer.width, dtype=np.float32) if norm.bias is None else norm.bias.astype(np.float32)
    places = question.prompt(slots).slots

    def run() -> list[np.ndarray]:
        tables = []
        for place in places:
            x = embedding + table[place]
            x -= x.mean(axis=1, keepdims=True)
            x /= np.sqrt(np.einsum("ij,ij->i", x, x)[:, None] / layer.width + np.float32(norm.eps))
            votes = (x * gain + bias) @ folded
            votes[:, : layer.heads] = np.exp(votes[:, : layer.heads])
            votes[:, layer.heads :] *= votes[:, : layer.heads]
            tables.append(votes)
        return tables

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", default=DEFAULT, type=Path)
    parser.add_argument("--runs", type=int, default=3, help="of each measurement; the median counts")
    parser.add_argument("--cut", type=int, default=60, help="tokens kept for brute force")
    arguments = parser.parse_args()

    began = time.perf_counter()
    question = read_scenario(arguments.scenario).question()
    loading = time.perf_counter() - began

    exact, answer = timed(lambda: solve(question, "minimum"), arguments.runs)
    slots = answer.slots
    floor, _ = timed(float32_tables(question, max(slots, 1)), 2 * arguments.runs + 1)
    print(f"{arguments.scenario.name}: {question.layer.heads} heads, {len(question.vocabulary)} tokens")
    print(f"  verdict {answer.verdict}, minimum {answer.minimum}, ruled out {list(answer.ruled_out)}")
    print(f"  nodes                                    {answer.nodes:8d}")
    print(f"  load                                     {loading:8.3f} s")
    print(f"  exact answer                             {exact:8.3f} s")
    for phase, seconds in answer.seconds.items():
        print(f"    of it {phase:<8}                           {seconds:8.3f} s")
    print(f"  floor: float32 tables of {slots} slots          {floor:8.3f} s")
    print(f"  exact answer / floor                     {exact / floor:8.1f}")

    tables = len(question.vocabulary) * question.layer.heads * max(slots, 1) * 4 * 8
    memory = largest_memory(lambda: solve(question, "minimum"))
    print(f"  memory                                   {memory / 1e6:8.0f} MB")
    print(f"  tables with radii, float64               {tables / 1e6:8.0f} MB")
    print(f"  memory / tables                          {memory / tables:8.1f}")

    if slots > 1:
        optimum, best = timed(lambda: solve(question.with_slots(slots - 1), "maximum"), 1)
        part = floor * (slots - 1) / slots
        print(f"best of {slots - 1} slots to 1e-6: {best.verdict}, {best.nodes} nodes")
        print(f"  exact answer                             {optimum:8.3f} s")
        print(f"  exact answer / floor                     {optimum / part:8.1f}")
    if arguments.scenario == DEFAULT:
        harder = read_scenario(HARDER).question()
        refusal, refused = timed(lambda: solve(harder, time_limit=600), 1)
        print(f"{HARDER.name}, {harder.slots} slots: {refused.verdict}, {refused.nodes} nodes")
        print(f"  exact answer                             {refusal:8.3f} s")

    rng = np.random.default_rng(0)
    known = set(answer.assignment or ())
    kept = sorted(known | {int(t) for t in rng.choice(question.vocabulary, arguments.cut, replace=False)})
    few = replace(question, vocabulary=tuple(kept), slots=min(slots, 3))
    brute, by_brute = timed(lambda: solve(few, "maximum", engine="brute-force"), arguments.runs)
    search, by_search = timed(lambda: solve(few, "maximum"), arguments.runs)
    assert by_brute.margin is not None
    assert by_search.margin is not None
    if abs(float(by_brute.margin.low - by_search.margin.low)) > 1e-6:
        raise SystemExit(f"disagreement: {by_brute} {by_search}")
    print(f"best of {few.slots} slots from {len(kept)} tokens ({len(kept) ** few.slots:,} assignments), to 1e-6:")
    print(f"  brute force                              {brute:8.3f} s")
    print(f"  search                                   {search:8.3f} s")
    print(f"  brute force / search                     {brute / search:8.1f}")


if __name__ == "__main__":
    main()
