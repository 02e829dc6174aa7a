"""Lesson 2: dilution. Run it: python examples/02_dilution.py [figure.png]

However well the system's k tokens score, their share of attention is at most k e^hi / (k e^hi + m e^lo) beside m tokens
of the adversary's, with all scores between lo and hi. Two things move it: how many there are, and how far apart the
scores are. The theorem is called dilution; its proof is run at the end.

With a file's name, and matplotlib installed, the figure is drawn, too.
"""

from __future__ import annotations

import math
import sys

from tokendemo_formal.logic.terms import exp
from tokendemo_formal.logic.values import Instance, value
from tokendemo_formal.proving.library import prove
from tokendemo_formal.theorems import theorem
from tokendemo_formal.theorems.setting import hi, k, lo, m, share

K = 10
GAPS = (0, 2, 4)  # hi - lo
LENGTHS = (0, 10, 30, 100, 300, 1000, 3000, 10000)

bound = k * exp(hi) / (k * exp(hi) + m * exp(lo))


def largest_share(gap: int, length: int) -> float:
    """The bound, evaluated from the theorem's own term."""
    return float(value(bound, Instance({"k": K, "m": length, "lo": 0, "hi": gap})))


print(f"The share of {K} system tokens is at most, by length and by score gap hi - lo:\n")
print(f"{'m':>7}" + "".join(f"{f'gap {gap}':>9}" for gap in GAPS))
for length in LENGTHS:
    print(f"{length:>7}" + "".join(f"{largest_share(gap, length):>9.1%}" for gap in GAPS))

print("\nEach gap as a line, from 0 to 100 % (a column: a length, growing tenfold every four):\n")
columns = [round(10 ** (step / 4)) for step in range(21)]
for gap in GAPS:
    marks = "".join(" .:-=+*#%@"[min(9, int(10 * largest_share(gap, length)))] for length in columns)
    print(f"  gap {gap}  |{marks}|")
print("          1   10  100 1000 10^4 10^5")

# A gap buys length, and no more than that: each e-fold of the gap moves the curve by a factor e to the right.
for gap in GAPS:
    half = K * math.exp(gap)  # where the bound is a half
    print(f"\nWith gap {gap} the share is at most a half from m = {math.ceil(half)} on.", end="")
    assert largest_share(gap, math.ceil(half)) <= 0.5 < largest_share(gap, math.floor(half) - 1)

# And the bound can be met, so no better one exists: all system tokens at hi, all of the adversary's at lo.
met = theorem("dilution").probes[0]
print(f"\n\nTwo tokens at hi = log 4 beside three at lo = 0: share {value(share, met)}, bound {value(bound, met)}.")
assert value(share, met) == value(bound, met)

result = prove("dilution")
print(f"\nThe theorem: {result.verdict} ({result.status.value}), for all k, m and scores; python proofs/dilution.py")

if len(sys.argv) > 1:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    for gap in GAPS:
        pyplot.semilogx(columns, [largest_share(gap, length) for length in columns], label=f"hi - lo = {gap}")
    pyplot.xlabel("adversary tokens m")
    pyplot.ylabel(f"largest share of {K} system tokens")
    pyplot.legend()
    pyplot.savefig(sys.argv[1])
    print(f"Wrote {sys.argv[1]}.")
