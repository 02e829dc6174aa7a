"""Lesson 2: dilution, by length and by score gap.

    python examples/02_dilution.py
    python examples/02_dilution.py --png dilution.png     (with matplotlib: pip install 'tokendemo-formal[plots]')

k system tokens, m adversary tokens, all scores between lo and hi. How much attention can the system lose, how much does
it keep? The theorems dilution and share_floor_up_to_a_length answer for every choice of scores; both are met.
"""

from __future__ import annotations

import argparse
from fractions import Fraction

from tokendemo_formal.logic.values import Instance, holds, value
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems import theorem
from tokendemo_formal.theorems.setting import share

SYSTEM_TOKENS = 8
LENGTHS = (0, 1, 4, 16, 64, 256, 1024, 4096)
GAPS = (1, 4, 16)
"""e^(hi - lo): how many times the strongest token outweighs the weakest."""

Curves = dict[int, list[Fraction]]


def least_share(gap: int, length: int) -> Fraction:
    """The system's share where it has the weakest scores and the adversary the strongest, evaluated exactly; checked
    against the floor of the theorem, which it meets."""
    instance = Instance(
        {
            "k": SYSTEM_TOKENS,
            "m": length,
            "cap": length,
            "lo": 0,
            "hi": Log(Fraction(gap)),
            "s_S": [0] * SYSTEM_TOKENS,
            "s_U": [Log(Fraction(gap))] * length,
        }
    )
    floor = theorem("share_floor_up_to_a_length")
    assert all(holds(t, instance) for t in (*floor.assumptions.values(), floor.conclusion))
    least = value(share, instance)
    assert least == Fraction(SYSTEM_TOKENS, SYSTEM_TOKENS + length * gap)
    return Fraction(least)


def draw(curves: Curves) -> str:
    """The shares as bars of text."""
    lines = []
    for gap, shares in curves.items():
        lines.append(f"\n  e^(hi - lo) = {gap}")
        lines += [
            f"  {length:6} tokens  {float(least):9.5f}  {'█' * round(40 * least)}"
            for length, least in zip(LENGTHS, shares, strict=True)
        ]
    return "\n".join(lines)


def save(curves: Curves, path: str) -> None:
    """The shares as a plot; needs matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for gap, shares in curves.items():
        axes.plot(LENGTHS, [float(s) for s in shares], marker="o", label=f"$e^{{hi-lo}} = {gap}$")
    axes.set_xscale("symlog", base=4)
    axes.set_xlabel("adversary tokens m")
    axes.set_ylabel("the system's least share of attention")
    axes.set_title(f"Dilution of {SYSTEM_TOKENS} system tokens, by length and by score gap")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--png", metavar="FILE", help="draw the figure with matplotlib, too")
    png = options.parse_args().png
    curves = {gap: [least_share(gap, length) for length in LENGTHS] for gap in GAPS}

    print(f"{SYSTEM_TOKENS} system tokens. The least share of attention that m adversary tokens can leave them:")
    print(draw(curves))
    print(f"\n{theorem('dilution_length').sentence}")
    eps = Fraction(1, 100)
    for gap in GAPS:
        needed = SYSTEM_TOKENS * gap * (1 - eps) / eps
        print(f"  e^(hi - lo) = {gap:2}: from {float(needed):.0f} tokens on, whatever they are, at most 1 %")
    print("\nBut no bar is 0: up to a length there is a floor, and a layer can be safe up to it. What no choice of")
    print("weights gives, in plain softmax attention, is a floor at every length:")
    print("  tokendemo explain no_weights_hold_a_share_at_every_length")
    if png:
        save(curves, png)
        print(f"\nwrote {png}")


if __name__ == "__main__":
    main()
