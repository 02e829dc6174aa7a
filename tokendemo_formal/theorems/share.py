"""How large the system's share of attention can be."""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import each, exp
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems.setting import hi, k, lo, m, s_S, s_U, share
from tokendemo_formal.theorems.theorem import Theorem

_TWO_AGAINST_THREE = Instance(
    {
        "k": 2,
        "m": 3,
        "lo": 0,
        "hi": Log(Fraction(4)),
        "s_S": [Log(Fraction(4)), Log(Fraction(2))],
        "s_U": [0, 0, Log(Fraction(3))],
    },
    "two system tokens of weight 4 and 2 against three of weight 1, 1 and 3",
)

DILUTION = Theorem(
    name="dilution",
    entry=9,
    claims=("C2", "C5"),
    sentence="In plain softmax attention the system's share falls at least as fast as k e^hi / (k e^hi + m e^lo).",
    assumptions={
        "the system's scores are at most hi": each(k, lambda i: s_S(i) <= hi),
        "the adversary's scores are at least lo": each(m, lambda j: lo <= s_U(j)),
        "there is a token": k + m > 0,
    },
    conclusion=share <= k * exp(hi) / (k * exp(hi) + m * exp(lo)),
    about=("s_S", "s_U"),
    witness=_TWO_AGAINST_THREE,
    sharp={
        "the system's scores are at most hi": _TWO_AGAINST_THREE.but(
            "a system token of weight 100 is beyond e^hi = 4", s_S=[Log(Fraction(100)), Log(Fraction(2))]
        ),
        "the adversary's scores are at least lo": _TWO_AGAINST_THREE.but(
            "adversary tokens of weight 1/100 are below e^lo = 1",
            s_S=[Log(Fraction(4))] * 2,
            s_U=[Log(Fraction(1, 100))] * 3,
        ),
        "there is a token": _TWO_AGAINST_THREE.but("nothing at all", k=0, m=0),
    },
    probes=(_TWO_AGAINST_THREE.but("the bound is met", s_S=[Log(Fraction(4))] * 2, s_U=[0, 0, 0]),),
    why="However the instruction is worded, enough further tokens leave it as little attention as they like.",
    idea="Each system token weighs at most e^hi and each adversary token at least e^lo; the share grows with the first "
    "and falls with the second.",
    limits="Only at unbounded length: up to a length the share has a floor (share_floor_up_to_a_length).",
)

THEOREMS = (DILUTION,)
