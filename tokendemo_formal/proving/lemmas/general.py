"""What all lemmas share: names that stand for any number or sequence, and that each is shown once a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tokendemo_formal.logic.terms import Numeric, Term, function, indices, natural, real
from tokendemo_formal.proving.kernel import Fact, Kernel
from tokendemo_formal.proving.tactics import by_induction

Terms: TypeAlias = Callable[..., Numeric]
"""A sequence, as a function of its index."""

n_, m_, a_ = natural("n"), natural("m"), natural("a")
b_, c_, x_, y_ = real("b"), real("c"), real("x"), real("y")
f_, g_, h_ = function("f"), function("g"), function("h")
F_ = function("F", 2)
p_ = indices("p")


def once(kernel: Kernel, name: str, prove: Callable[[], Fact]) -> Fact:
    """The lemma of this name, shown the first time."""
    key = ("lemma", name)
    if key not in kernel.known:
        kernel.known[key] = prove()
    return kernel.known[key]


def by_length(kernel: Kernel, name: str, proposition: Term) -> Fact:
    """The lemma of this name, shown the first time by induction on the length n alone."""
    return once(kernel, name, lambda: by_induction(kernel, n_, proposition))
