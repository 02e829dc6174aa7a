"""The bound on float32 runs beside float32 runs: for the guard's demonstration and the encoder's benchmark.

Each witness's prompt is run in float32 by NumPy, in 4 orders of summation and 2 ways each to the norms, scores and
outputs, and by torch's own operations. Run: python -m benchmarks.float32
"""

from __future__ import annotations

from pathlib import Path

from tests.float32_runs import distances
from tokendemo_formal.models.model import BUNDLED
from tokendemo_formal.override.float32 import float32_distance
from tokendemo_formal.override.solve import solve
from tokendemo_formal.scenario import read_scenario

SCENARIOS = (BUNDLED / "guard" / "demo.toml", Path(__file__).parent.parent / "examples" / "encoder_minimum.toml")


def main() -> None:
    print(f"{'scenario':24}{'margin':>12}{'bound':>12}{'farthest run':>14}{'bound / run':>13}   margin > bound")
    for path in SCENARIOS:
        question = read_scenario(path).question()
        answer = solve(question, "minimum")
        assert answer.assignment is not None
        assert answer.margin is not None
        bound = float32_distance(question, answer.assignment)
        run, margin = max(distances(question, answer.assignment)), float(answer.margin.low)
        verdict = "yes" if answer.margin.low > bound else "no"
        print(f"{path.name:24}{margin:12.6f}{bound:12.6f}{run:14.2e}{bound / run:13.0f}   {verdict}", flush=True)


if __name__ == "__main__":
    main()
