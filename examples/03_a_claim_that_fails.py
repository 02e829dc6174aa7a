"""Lesson 3: a claim that fails, refuted step by step.

    python examples/03_a_claim_that_fails.py

The claim: "If the defence guarantees the system a share of attention, the system decides." One exact instance is enough
against it. Then: what is true instead.
"""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.printing import text
from tokendemo_formal.logic.values import holds, value
from tokendemo_formal.theorems import theorem
from tokendemo_formal.theorems.setting import margin, share


def main() -> None:
    claim = theorem("share_floor_is_not_enough")
    instance = claim.refutation
    assert instance is not None, "a claim that is refuted comes with its counterexample"

    print(f"{claim.sentence}\n")
    print(f"Step 1. An instance: {instance.note}.\n")
    print("  One system token of score 0, so e^0 = 1 ballot, votes +1. Two adversary tokens of score 0 vote -1.")
    print("  The threshold is 0: a margin below 0 is an override.\n")

    print("Step 2. The assumptions hold.\n")
    for name, assumption in claim.assumptions.items():
        met = holds(assumption, instance)
        print(f"  {name}: {text(assumption)}\n    {met}")
        assert met

    print("\nStep 3. By hand: the share of attention, and the margin.\n")
    ballots, votes = [1, 1, 1], [1, -1, -1]
    by_hand = Fraction(sum(b * v for b, v in zip(ballots, votes, strict=True)), sum(ballots))
    print(f"  share  = 1 / (1 + 1 + 1) = {value(share, instance)}")
    print(f"  margin = (1·1 + 1·(-1) + 1·(-1)) / 3 = {by_hand}")
    assert value(share, instance) == Fraction(1, 3)
    assert value(margin, instance) == by_hand

    print("\nStep 4. The conclusion fails.\n")
    print(f"  {text(claim.conclusion)}\n    0 ≤ {by_hand} is {holds(claim.conclusion, instance)}")
    assert holds(claim.conclusion, instance) is False

    true = theorem("majority")
    print(f"\nWhat is true instead\n\n  {true.sentence}\n")
    print(
        "  With votes between -1 and 1 (a = A = 1) and threshold 0 the share has to be above (1 + 0) / (1 + 1) = 1/2."
    )
    print("  One third was guaranteed here, and one third is not enough: tokendemo explain majority")


if __name__ == "__main__":
    main()
