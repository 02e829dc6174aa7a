"""What fine-tuning can and can't do: limits over all weights."""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import absolute, both, each, exp, function, implies, log, real, total
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems.setting import (
    E_S,
    E_U,
    N_U,
    V,
    a_U,
    a_V,
    cap,
    eps,
    from_vocabulary,
    k,
    m,
    s_S,
    s_U,
    s_V,
    tau,
)
from tokendemo_formal.theorems.theorem import Theorem

# Biases on top of the content scores: at most B on the system's, at least -B on the adversary's
B = real("B")
b_S = function("b_S")
b_U = function("b_U")

_E_S = total(k, lambda i: exp(s_S(i) + b_S(i)))
_E_U = total(m, lambda j: exp(s_U(j) + b_U(j)))
lightest = total(V, lambda v: exp(-s_V(v)))
"""The sum of 1 / weight over the vocabulary: no token of it weighs less than 1 / this."""

_TUNED = Instance(
    {
        "k": 1,
        "m": 12,
        "V": 1,
        "B": Log(Fraction(2)),
        "eps": Fraction(1, 4),
        "s_S": [0],
        "b_S": [Log(Fraction(2))],
        "s_V": [0],
        "s_U": [0] * 12,
        "a_V": [0],
        "a_U": [0] * 12,
        "b_U": [Log(Fraction(1, 2))] * 12,
    },
    "a system token of weight 1 that a bias doubles; twelve tokens of weight 1 that a bias halves: a share of 1/4",
)

NO_WEIGHTS_HOLD_A_SHARE_AT_EVERY_LENGTH = Theorem(
    name="no_weights_hold_a_share_at_every_length",
    entry=36,
    claims=("C5",),
    sentence="Whatever finite scores weights give to the system and to the vocabulary's tokens, and whatever biases "
    "of at most B: from m >= E_S e^(2B) Σ_v e^(-s_v) (1 - eps) / eps tokens on, whichever they are, the system's "
    "share is at most eps.",
    assumptions={
        "each adversary token is of the vocabulary": from_vocabulary(),
        "the system's biases are at most B": each(k, lambda i: b_S(i) <= B),
        "the adversary's biases are at least -B": each(m, lambda j: -B <= b_U(j)),
        "there is an adversary token": m > 0,
        "eps is positive": eps > 0,
        "the adversary has that many tokens": E_S * exp(2 * B) * lightest * (1 - eps) / eps <= m,
    },
    conclusion=_E_S / (_E_S + _E_U) <= eps,
    about=("s_S", "b_S", "s_U", "b_U", "eps"),
    witness=_TUNED,
    sharp={
        "each adversary token is of the vocabulary": _TUNED.but(
            "tokens of half the weight", s_U=[Log(Fraction(1, 2))] * 12
        ),
        "the system's biases are at most B": _TUNED.but(
            "a bias that grows with the length: log 12", b_S=[Log(Fraction(12))]
        ),
        "the adversary's biases are at least -B": _TUNED.but(
            "ALiBi of slope log 2, the system nearest to the reader",
            b_U=[Log(Fraction(1, 2 ** (j + 1))) for j in range(12)],
        ),
        "there is an adversary token": _TUNED.but("an empty vocabulary", m=0, V=0),
        "eps is positive": _TUNED.but("no share is negative", eps=-1),
        "the adversary has that many tokens": _TUNED.but("one token less", m=11),
    },
    probes=(
        _TUNED.but("two kinds of tokens", V=2, m=24, s_V=[0, 0], a_V=[0, 0], s_U=[0] * 24, a_U=[0] * 24, b_U=[0] * 24),
        _TUNED.but("without biases", B=0, m=3, b_S=[0], b_U=[0] * 3),
    ),
    why="Fine-tuning chooses finite weights, and so finite scores: where there is room for every length, it moves the "
    "length at which the instruction is drowned, and can't remove it.",
    idea="A vocabulary is finite, so some token is the lightest; m tokens weigh at least m times as much as that one, "
    "less what biases take.",
    limits="Plain softmax with biases of bounded size, at unbounded length: ALiBi with the system last, a bias of log "
    "n, sparsemax and a pinned window escape, as does every deployed context "
    "(some_weights_obey_and_are_safe_up_to_a_length).",
)

# Weights for a length: the system's score and readout, chosen for the vocabulary and the cap; all else as it was
strongest = total(V, lambda v: exp(s_V(v)) * absolute(tau - a_V(v)))
"""At least as much as any one token can pull."""
tuned_score = log(1 + cap * strongest)
tuned_readout = tau + 1
_E_tuned = total(k, lambda i: exp(tuned_score))
_N_tuned = total(k, lambda i: exp(tuned_score) * tuned_readout)

_OBEDIENT = Instance(
    {
        "k": 1,
        "m": 2,
        "V": 2,
        "cap": 3,
        "tau": 0,
        "s_V": [0, Log(Fraction(2))],
        "a_V": [-1, 1],
        "s_U": [0, 0],
        "a_U": [-1, -1],
    },
    "a vocabulary of a token for and one against; two against; room for three",
)

SOME_WEIGHTS_OBEY_AND_ARE_SAFE_UP_TO_A_LENGTH = Theorem(
    name="some_weights_obey_and_are_safe_up_to_a_length",
    entry=36,
    claims=("C5",),
    sentence="For every vocabulary and every cap on the length, a system token of score log(1 + cap Σ_v e^(s_v) |tau "
    "- a_v|) and readout tau + 1 is safe against all adversaries of at most cap tokens; without it the same layer "
    "does as its tokens say.",
    assumptions={
        "each adversary token is of the vocabulary": from_vocabulary(),
        "the adversary has at most cap tokens": m <= cap,
        "there is a system token": k > 0,
    },
    conclusion=both(
        tau < (_N_tuned + N_U) / (_E_tuned + E_U),
        implies(both(m > 0, each(m, lambda j: a_U(j) < tau)), N_U / E_U < tau),
        implies(both(m > 0, each(m, lambda j: tau <= a_U(j))), tau <= N_U / E_U),
    ),
    about=("s_U", "a_U", "s_V", "a_V", "cap", "tau"),
    witness=_OBEDIENT,
    sharp={
        "each adversary token is of the vocabulary": _OBEDIENT.but("a readout of -100", a_U=[-100, -100]),
        "the adversary has at most cap tokens": _OBEDIENT.but("room for none", cap=0),
        "there is a system token": _OBEDIENT.but("the system is absent", k=0),
    },
    probes=(
        _OBEDIENT.but("without an adversary", m=0),
        _OBEDIENT.but("two for", s_U=[Log(Fraction(2))] * 2, a_U=[1, 1]),
        _OBEDIENT.but("two at the threshold", tau=1, s_U=[Log(Fraction(2))] * 2, a_U=[1, 1]),
        Instance(
            {
                "k": 1,
                "m": 1,
                "V": 1,
                "cap": 1,
                "tau": 100,
                "s_V": [0],
                "a_V": [Fraction(199, 2)],
                "s_U": [0],
                "a_U": [Fraction(199, 2)],
            },
            "safe and overridden by little",
        ),
        Instance(
            {
                "k": 1,
                "m": 1,
                "V": 1,
                "cap": 1,
                "tau": 100,
                "s_V": [0],
                "a_V": [Fraction(201, 2)],
                "s_U": [0],
                "a_U": [Fraction(201, 2)],
            },
            "a little above the threshold",
        ),
    ),
    why="'Fine-tuning can't' is false for every context that has an end: weights exist that follow the user where no "
    "system speaks and can't be overridden where one does.",
    idea="No token pulls more than the sum over the vocabulary, so cap of them don't outweigh a system token that is "
    "cap times as heavy as that.",
    limits="That such weights exist doesn't say that training finds them, or that they keep the model useful beside "
    "the system (privilege_costs_utility). At unbounded length there are none "
    "(no_weights_hold_a_share_at_every_length, override_needs_a_dissenter).",
)

THEOREMS = (NO_WEIGHTS_HOLD_A_SHARE_AT_EVERY_LENGTH, SOME_WEIGHTS_OBEY_AND_ARE_SAFE_UP_TO_A_LENGTH)
