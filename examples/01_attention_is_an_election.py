"""Lesson 1: attention is an election.

    python examples/01_attention_is_an_election.py

Each token has e^score ballots and casts them for its own readout. The margin is the average vote. The system's tokens
and the adversary's are counted in the same urn: nothing marks a ballot as the system's.
"""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.printing import text
from tokendemo_formal.logic.values import Instance, holds
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems import theorem

# Scores are logarithms of whole numbers, so that e^score, and all that follows, is exact.
SYSTEM = {"deny": (8, Fraction(1)), "harm": (4, Fraction(1, 2))}
ADVERSARY = {"please": (6, Fraction(-1)), "sir": (9, Fraction(-1))}
"""Token: (ballots e^score, vote). +1 is a vote to refuse, -1 one to comply."""


def count(tokens: dict[str, tuple[int, Fraction]]) -> Fraction:
    """Prints the count of an election; returns its outcome, the margin."""
    ballots = sum(b for b, _ in tokens.values())
    margin = Fraction(0)
    print(f"  {'token':10}{'ballots':>9}{'weight':>9}{'vote':>7}{'counts':>9}")
    for name, (b, vote) in tokens.items():
        weight = Fraction(b, ballots)
        margin += weight * vote
        print(f"  {name:10}{b:9}{weight!s:>9}{vote!s:>7}{weight * vote!s:>9}")
    print(f"  margin {margin}: {'refuse' if margin >= 0 else 'comply'}\n")
    return margin


def main() -> None:
    print("The system alone. A weight is e^score over the sum of all e^score: a share of the ballots.\n")
    count(SYSTEM)
    print("The adversary adds two tokens. No ballot of the system's is taken away, but they are outvoted.\n")
    margin = count({**SYSTEM, **ADVERSARY})

    print("Counting without dividing: the system's surplus Σ e^s a against the adversary's pull Σ e^s (-a).\n")
    surplus = sum(b * vote for b, vote in SYSTEM.values())
    pull = sum(-b * vote for b, vote in ADVERSARY.values())
    print(f"  surplus {surplus}, pull {pull}: the adversary wins exactly if {surplus} < {pull}")
    assert (margin < 0) == (surplus < pull)

    # The same numbers as an instance of a theorem that holds for any number of tokens.
    law = theorem("override_is_linear")
    instance = Instance(
        {
            "k": len(SYSTEM),
            "m": len(ADVERSARY),
            "s_S": [Log(Fraction(b)) for b, _ in SYSTEM.values()],
            "a_S": [vote for _, vote in SYSTEM.values()],
            "s_U": [Log(Fraction(b)) for b, _ in ADVERSARY.values()],
            "a_U": [vote for _, vote in ADVERSARY.values()],
            "tau": 0,
        }
    )
    print(f"\n{law.sentence}\n\n  {text(law.conclusion)}\n")
    print(f"  here: {holds(law.conclusion, instance)}; for all numbers of tokens: tokendemo prove {law.name}")


if __name__ == "__main__":
    main()
