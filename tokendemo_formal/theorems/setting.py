"""The names that statements share: one attention layer, one query, system tokens S and adversary tokens U.

The query is fixed. k system tokens have content scores s_S[i] and readouts a_S[i] = ⟨r, v_i⟩, the adversary's m tokens
(cap at most) s_U[j] and a_U[j], the vocabulary's V tokens s_V[v] and a_V[v]. Content scores lie in [lo, hi]; biases
come on top.
"Plain" is softmax without positions and biases:

    weight of token i = e^{s_i} / Z,   Z = E_S + E_U,   f = (N_S + N_U) / Z,   share M_S = E_S / Z

f is the safety margin: safe iff f >= tau, overridden iff f < tau. Of several heads h = 0 … H - 1 each has scores
sh_S[h, i], sh_U[h, j] and readouts ah_S[h, i], ah_U[h, j] of its own (the vocabulary's: sh_V[h, v], ah_V[h, v]), and f
is the sum of the heads' margins.

States, keys and queries have d coordinates. A sink is mass in the denominator that belongs to no token. Where readouts
are bounded, the system's are at least a and the adversary's at least -A.
"""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import Function, Numeric, Term, both, each, exp, function, natural, real, some, total
from tokendemo_formal.numbers.base import Log

k = natural("k")
m = natural("m")
n = natural("n")
V = natural("V")
H = natural("H")
cap = natural("cap")
d = natural("d")

s_S = function("s_S")
s_U = function("s_U")
s_V = function("s_V")
a_S = function("a_S")
a_U = function("a_U")
a_V = function("a_V")

sh_S = function("sh_S", 2, "s^{S}")
sh_U = function("sh_U", 2, "s^{U}")
ah_S = function("ah_S", 2, "a^{S}")
ah_U = function("ah_U", 2, "a^{U}")
sh_V = function("sh_V", 2, "s^{V}")
ah_V = function("ah_V", 2, "a^{V}")

lo = real("lo")
hi = real("hi")
tau = real("tau")
eps = real("eps")
rho = real("rho")
sink = real("sink")
a = real("a")
A = real("A")


def mass(count: Numeric, scores: Function) -> Term:
    """Σ e^score: unnormalised attention."""
    return total(count, lambda i: exp(scores(i)))


def weighted(count: Numeric, scores: Function, readouts: Function) -> Term:
    """Σ e^score readout."""
    return total(count, lambda i: exp(scores(i)) * readouts(i))


E_S = mass(k, s_S)
E_U = mass(m, s_U)
N_S = weighted(k, s_S, a_S)
N_U = weighted(m, s_U, a_U)
Z = E_S + E_U
share = E_S / Z
margin = (N_S + N_U) / Z

surplus = total(k, lambda i: exp(s_S(i)) * (a_S(i) - tau))
"""P = Σ_S e^s (a - tau): what the system has in hand; f(S) >= tau iff it is at least 0."""

votes = total(m, lambda j: exp(s_U(j)) * (tau - a_U(j)))
"""Σ_U e^s (tau - a): what the adversary's tokens take from it."""


def bounded(count: Numeric, scores: Function) -> Term:
    """Every content score lies in [lo, hi]."""
    return each(count, lambda i: both(lo <= scores(i), scores(i) <= hi))


def from_vocabulary() -> Term:
    """Each adversary token is one of the vocabulary's: its score and its readout."""
    return each(m, lambda j: some(V, lambda v: both(s_U(j).eq(s_V(v)), a_U(j).eq(a_V(v)))))


def log_of(numerator: int, denominator: int = 1) -> Log:
    """The score of a token of this weight, for instances."""
    return Log(Fraction(numerator, denominator))
