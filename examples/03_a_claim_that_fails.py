"""Lesson 3: a claim that fails. Run it: python examples/03_a_claim_that_fails.py

"If the safety instruction keeps a share of attention, the answer stays safe." It sounds right, and defences are sold
with it. One prompt with numbers that you can redo on paper refutes it; then we look for what is missing.
"""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import both, each, implies
from tokendemo_formal.logic.values import Instance, holds, value
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems.setting import a_S, a_U, k, m, margin, rho, share, tau

# 1. The claim, said precisely: whenever the system's share is at least rho > 0 and its own tokens vote for safety, the
#    margin is at least tau = 0.
claim = implies(both(rho > 0, share >= rho, each(k, lambda i: a_S(i) >= 1)), margin >= tau)
print(f"1. The claim: {claim}\n")

# 2. A prompt: one system token and one of the adversary's. Scores are logarithms, so that e^score are whole numbers.
prompt = Instance(
    {
        "k": 1,
        "m": 1,
        "s_S": [0],  # e^0 = 1
        "s_U": [Log(Fraction(2))],  # e^(log 2) = 2
        "a_S": [1],  # votes for safety
        "a_U": [-1],  # votes against it
        "rho": Fraction(1, 3),
        "tau": 0,
    }
)
print("2. One system token of weight 1 that votes +1, one adversary token of weight 2 that votes -1.\n")

# 3. By hand, and by the package: the same numbers.
by_hand_share = Fraction(1, 1 + 2)
by_hand_margin = (1 * Fraction(1) + 2 * Fraction(-1)) / (1 + 2)
print(f"3. Share: 1 / (1 + 2) = {by_hand_share}. Margin: (1 * 1 + 2 * -1) / (1 + 2) = {by_hand_margin}.")
assert value(share, prompt) == by_hand_share
assert value(margin, prompt) == by_hand_margin
print(f"   The share is a third, as the claim asks, and the margin is {by_hand_margin} < 0: the claim is")
print(f"   {str(holds(claim, prompt)).lower()} here, and one such prompt is all it takes.\n")
assert holds(claim, prompt) is False

# 4. Is a larger share enough? A little under a half is not; exactly a half is (with votes of +1 and -1, at tau = 0).
print("4. With other shares, votes +1 and -1:")
for weight in (Fraction(4), Fraction(2), Fraction(101, 100), Fraction(1), Fraction(1, 2)):
    other = prompt.but(s_U=[Log(weight)], rho=1 / (1 + weight))
    truth = "safe" if holds(margin >= tau, other) else "overridden"
    numbers = f"share {value(share, other)!s:>7}, margin {value(margin, other)!s:>6}"
    print(f"   adversary's weight {weight!s:>7}: {numbers}, {truth}")
assert holds(margin >= tau, prompt.but(s_U=[Log(Fraction(101, 100))])) is False
assert holds(margin >= tau, prompt.but(s_U=[0])) is True

# 5. And a half is no magic number: an adversary's token may vote louder than the system's.
louder = prompt.but(s_U=[0], a_U=[-3], rho=Fraction(1, 2))
print(f"\n5. With equal weights and a vote of -3: share {value(share, louder)}, margin {value(margin, louder)}.")
assert holds(each(m, lambda j: a_U(j) >= -3), louder)
assert holds(margin >= tau, louder) is False
print("   What the claim lacks is a bound on how loudly others vote. If the system votes at least a, everyone else at")
print("   least -A, then a share above (A + tau) / (a + A) is enough, and a smaller one is not always.")
