"""Lesson 1: attention is an election. Run it: python examples/01_attention_is_an_election.py

Every token of a prompt votes. How much its vote weighs is its attention weight, what it votes for is its readout, and
the margin is the sum of weight times readout. Nothing else decides, and no token is asked where it came from.
"""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal import read_scenario, votes
from tokendemo_formal.models.model import BUNDLED, load_model
from tokendemo_formal.report import token_name

# By hand first. Two system tokens and three of the adversary's; the weight of a token is e^score, here whole numbers.
tokens = {
    "never": (4, -1),  # e^score, and what it votes for: -1 refuse, +1 comply
    "reveal": (2, -1),
    "please": (1, +1),
    "pretty": (1, +1),
    "please!": (3, +1),
}
whole = sum(weight for weight, _ in tokens.values())
print("By hand:")
for name, (weight, vote) in tokens.items():
    share = Fraction(weight, whole)
    print(f"  {name:<8} e^score {weight}   share {share!s:>5}   votes {vote:+d}   contributes {share * vote!s:>6}")
margin = sum(Fraction(weight, whole) * vote for weight, vote in tokens.values())
print(f"  margin {margin}: below 0, so the instruction wins, by one vote in eleven.\n")
assert margin == Fraction(-1, 11)

# One more token of weight 2 is enough to turn it.
turned = (margin * whole + 2) / (whole + 2)
print(f"With one more token of weight 2 that votes +1: margin {turned}. The instruction is outvoted.\n")
assert turned > 0

# The same in a trained layer: four heads, each an election of its own; the margin adds them up.
scenario = read_scenario(BUNDLED / "guard" / "demo.toml")
model = load_model(scenario.source)
alone = scenario.question(model).with_slots(0)
counted = votes(alone, ())
print("In the trained layer that comes with the package (share: mean over its heads):")
for position, weights, contributions in zip(counted.visible, counted.weights, counted.contributions, strict=True):
    share = sum(weights) / len(weights)
    name = token_name(model, counted.prompt[position])
    print(f"  {name:<12} share {share:6.1%}   contributes {sum(contributions):+8.4f}   {'#' * round(40 * share)}")
print(f"  without attention {counted.direct:+.4f}")
print(f"  margin {counted.total:+.4f}: below 0, refused.")

# Every head hands out exactly 100 %: what one token gains, others lose.
for head in range(alone.layer.heads):
    assert abs(sum(row[head] for row in counted.weights) - 1) < 1e-9
assert counted.total < 0
