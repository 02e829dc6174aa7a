"""Sums of exponentials: unnormalised attention."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Numeric, Term, both, each, exp, implies, term, total
from tokendemo_formal.proving.kernel import Fact, Kernel
from tokendemo_formal.proving.lemmas.general import Terms, b_, by_length, c_, f_, g_, n_, once, x_, y_
from tokendemo_formal.proving.tactics import by_induction, exp_of_sum


def mass_positive(kernel: Kernel, n: Numeric, scores: Terms) -> Fact:
    """Σ_{i<n} e^score >= 0, and > 0 where n > 0."""
    mass = total(n_, lambda i: exp(f_(i)))
    general = both(mass >= 0, implies(n_ > 0, mass > 0))

    def prove() -> Fact:
        return by_induction(kernel, n_, general, step=[kernel.axiom("exp_positive", f_(n_))])

    return kernel.instantiate(once(kernel, "mass_positive", prove), {n_: n}, {f_: scores})


def mass_at_least(kernel: Kernel, n: Numeric, scores: Terms, c: Numeric) -> Fact:
    """score >= c for each i < n ⇒ Σ_{i<n} e^score >= n e^c."""
    general = implies(each(n_, lambda i: c_ <= f_(i)), n_ * exp(c_) <= total(n_, lambda i: exp(f_(i))))

    def prove() -> Fact:
        return by_induction(kernel, n_, general, step=[kernel.axiom("exp_increasing", f_(n_), c_)])

    return kernel.instantiate(once(kernel, "mass_at_least", prove), {n_: n, c_: c}, {f_: scores})


def mass_at_most(kernel: Kernel, n: Numeric, scores: Terms, c: Numeric) -> Fact:
    """score <= c for each i < n ⇒ Σ_{i<n} e^score <= n e^c."""
    general = implies(each(n_, lambda i: f_(i) <= c_), total(n_, lambda i: exp(f_(i))) <= n_ * exp(c_))

    def prove() -> Fact:
        return by_induction(kernel, n_, general, step=[kernel.axiom("exp_increasing", c_, f_(n_))])

    return kernel.instantiate(once(kernel, "mass_at_most", prove), {n_: n, c_: c}, {f_: scores})


def attention_at_least(kernel: Kernel, n: Numeric, s: Terms, a: Terms, c: Numeric) -> Fact:
    """c <= a(i) for each i < n ⇒ c Σ e^s <= Σ e^s a."""
    general = implies(
        each(n_, lambda i: c_ <= g_(i)),
        c_ * total(n_, lambda i: exp(f_(i))) <= total(n_, lambda i: exp(f_(i)) * g_(i)),
    )

    def prove() -> Fact:
        return by_induction(kernel, n_, general, step=[kernel.axiom("exp_positive", f_(n_))])

    return kernel.instantiate(once(kernel, "attention_at_least", prove), {n_: n, c_: c}, {f_: s, g_: a})


def attention_at_most(kernel: Kernel, n: Numeric, s: Terms, a: Terms, c: Numeric) -> Fact:
    """a(i) <= c for each i < n ⇒ Σ e^s a <= c Σ e^s."""
    general = implies(
        each(n_, lambda i: g_(i) <= c_),
        total(n_, lambda i: exp(f_(i)) * g_(i)) <= c_ * total(n_, lambda i: exp(f_(i))),
    )

    def prove() -> Fact:
        return by_induction(kernel, n_, general, step=[kernel.axiom("exp_positive", f_(n_))])

    return kernel.instantiate(once(kernel, "attention_at_most", prove), {n_: n, c_: c}, {f_: s, g_: a})


def mass_shifted(kernel: Kernel, n: Numeric, scores: Terms, c: Numeric) -> Fact:
    """Σ e^(score + c) = e^c Σ e^score."""
    general = total(n_, lambda i: exp(f_(i) + c_)).eq(exp(c_) * total(n_, lambda i: exp(f_(i))))

    def prove() -> Fact:
        return by_induction(kernel, n_, general, step=[kernel.axiom("exp_sum", f_(n_), c_)])

    return kernel.instantiate(once(kernel, "mass_shifted", prove), {n_: n, c_: c}, {f_: scores})


def weighted_shifted(kernel: Kernel, n: Numeric, scores: Terms, readouts: Terms, c: Numeric) -> Fact:
    """Σ e^(score + c) readout = e^c Σ e^score readout."""
    weighted = total(n_, lambda i: exp(f_(i)) * g_(i))
    general = total(n_, lambda i: exp(f_(i) + c_) * g_(i)).eq(exp(c_) * weighted)

    def prove() -> Fact:
        return by_induction(kernel, n_, general, step=[kernel.axiom("exp_sum", f_(n_), c_)])

    return kernel.instantiate(once(kernel, "weighted_shifted", prove), {n_: n, c_: c}, {f_: scores, g_: readouts})


def threshold_inside(kernel: Kernel, n: Numeric, scores: Terms, readouts: Terms, tau: Numeric) -> Fact:
    """Σ e^score (readout - tau) = Σ e^score readout - tau Σ e^score, and the same with both sides' signs changed."""
    mass, readout = total(n_, lambda i: exp(f_(i))), total(n_, lambda i: exp(f_(i)) * g_(i))
    above = total(n_, lambda i: exp(f_(i)) * (g_(i) - c_)).eq(readout - c_ * mass)
    below = total(n_, lambda i: exp(f_(i)) * (c_ - g_(i))).eq(c_ * mass - readout)
    general = by_length(kernel, "threshold_inside", both(above, below))
    return kernel.instantiate(general, {n_: n, c_: tau}, {f_: scores, g_: readouts})


def exp_difference(kernel: Kernel, x: Numeric, y: Numeric) -> Fact:
    """e^(x - y) e^y = e^x."""

    def prove() -> Fact:
        difference = x_ - y_
        facts = [kernel.axiom("exp_sum", difference, y_), kernel.equal(difference + y_, x_, lambda t: exp(t))]
        return kernel.arithmetic((exp(difference) * exp(y_)).eq(exp(x_)), facts)

    return kernel.instantiate(once(kernel, "exp_difference", prove), {x_: x, y_: y})


def geometric_at_most(kernel: Kernel, n: Numeric, f: Terms, b: Numeric, c: Numeric) -> Fact:
    """f(i) <= b + c i for each i < n, and c >= 0 ⇒ (e^c - 1) Σ e^f(i) <= e^b (e^{c n} - 1)."""
    return _geometric(kernel, "geometric_at_most", False, n, f, b, c)


def geometric_at_least(kernel: Kernel, n: Numeric, f: Terms, b: Numeric, c: Numeric) -> Fact:
    """f(i) >= b + c i for each i < n, and c >= 0 ⇒ (e^c - 1) Σ e^f(i) >= e^b (e^{c n} - 1)."""
    return _geometric(kernel, "geometric_at_least", True, n, f, b, c)


def _geometric(kernel: Kernel, name: str, least: bool, n: Numeric, f: Terms, b: Numeric, c: Numeric) -> Fact:
    def ordered(x: Numeric, y: Numeric) -> Term:
        return term(y) <= x if least else term(x) <= y

    line = b_ + c_ * n_
    general = implies(
        both(c_ >= 0, each(n_, lambda i: ordered(f_(i), b_ + c_ * i))),
        ordered((exp(c_) - 1) * total(n_, lambda i: exp(f_(i))), exp(b_) * (exp(c_ * n_) - 1)),
    )

    def prove() -> Fact:
        base = [kernel.axiom("exp_zero"), kernel.identity((c_ * 0).eq(0)), kernel.equal(c_ * 0, 0, lambda t: exp(t))]
        # the last term, times e^c - 1 >= 0, is at most (at least) e^b (e^{c n + c} - e^{c n})
        steeper = kernel.arithmetic(
            implies(c_ >= 0, exp(c_) >= 1), [kernel.axiom("exp_increasing", c_, 0), kernel.axiom("exp_zero")]
        )
        last = kernel.arithmetic(
            implies(ordered(f_(n_), line), ordered(exp(f_(n_)), exp(b_) * exp(c_ * n_))),
            [
                kernel.axiom("exp_increasing", *((f_(n_), line) if least else (line, f_(n_)))),
                kernel.axiom("exp_sum", b_, c_ * n_),
            ],
        )
        return by_induction(kernel, n_, general, base, [steeper, last, exp_of_sum(kernel, c_ * (n_ + 1), c_ * n_, c_)])

    return kernel.instantiate(once(kernel, name, prove), {n_: n, b_: b, c_: c}, {f_: f})
