"""The kinds of number against each other, and against exact arithmetic."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest
import sympy
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import build_layer, cases, encloses
from tokendemo_formal.attention import Alibi, Computation, Layer, Learned, Norm, normalise
from tokendemo_formal.errors import InputError, UnsupportedError
from tokendemo_formal.numbers import balls
from tokendemo_formal.numbers.balls import BALLS, precision
from tokendemo_formal.numbers.base import Array, Log, Numbers
from tokendemo_formal.numbers.enclosures import ENCLOSURES, Rows, Table
from tokendemo_formal.numbers.float64 import FLOAT64
from tokendemo_formal.numbers.symbolic import SYMBOLIC
from tokendemo_formal.numbers.z3_terms import Term, Z3Terms

CASES = [pytest.param(layer, id=name) for name, layer in cases()]
SMALL_CASES = CASES[::3]
TOKENS = [3, 0, 8, 8]
READER = 2


def output(layer: Layer, numbers: Numbers, tokens: list[int] = TOKENS, reader: int = READER) -> tuple[Array, Array]:
    """Weights (H, n), and the residual stream after the final norm (d,)."""
    computation = Computation(layer, numbers)
    raw = computation.rows(tokens, range(len(tokens)))
    identity = numbers.constant(np.eye(layer.width))
    weights, stream = computation.reading(raw[reader : reader + 1], reader, identity).attend(raw)
    return weights, normalise(numbers, layer.final_norm, stream.reshape(1, -1))[0]


def all_votes(layer: Layer, numbers: Numbers, directions: Any, position: int) -> tuple[Array, Array]:
    """Votes of the whole vocabulary at a position, seen from the reader: over a Table where the kind has one."""
    computation = Computation(layer, numbers)
    reading = computation.reading(computation.rows([4], [READER]), READER, numbers.constant(directions))
    if numbers is ENCLOSURES:
        rows: Any = Rows(Table(layer.embedding), computation.shift(position))
    else:
        size = layer.vocabulary
        rows = computation.rows(range(size), [position] * size)
    return reading.votes(rows, position)


class TestBallsAgainstFloats:
    @pytest.mark.parametrize("layer", CASES)
    def test_higher_precision_lies_inside_lower_and_floats_lie_near(self, layer: Layer) -> None:
        found = {}
        for bits in (53, 100, 300):
            with precision(bits):
                found[bits] = np.concatenate([part.ravel() for part in output(layer, BALLS)])
        floats = np.concatenate([part.ravel() for part in output(layer, FLOAT64)])
        scale = np.abs(floats).max()
        with precision(300):
            for low, middle, high, near in zip(found[53], found[100], found[300], floats, strict=True):
                assert low.contains(middle)
                assert middle.contains(high)
                assert high.rad() < 1e-75
                assert (high - flint.arb(near)).abs_upper() <= 1e-12 * scale


class TestEnclosuresAgainstBalls:
    @pytest.mark.parametrize("layer", CASES)
    def test_the_output(self, layer: Layer) -> None:
        with precision(200):
            exact = output(layer, BALLS)
        for found, true in zip(output(layer, ENCLOSURES), exact, strict=True):
            assert encloses(found, true)
            assert (found.rad < 1e-10).all()

    @pytest.mark.parametrize("layer", CASES)
    def test_votes_of_a_whole_vocabulary(self, layer: Layer) -> None:
        directions = np.random.default_rng(5).normal(size=(layer.width, 2))
        for position in (0, 5):
            found = all_votes(layer, ENCLOSURES, directions, position)
            with precision(200):
                exact = all_votes(layer, BALLS, directions, position)
            for enclosure, true in zip(found, exact, strict=True):
                assert enclosure.shape == true.shape
                assert encloses(enclosure, true)
                assert (enclosure.rad < 1e-11).all()

    def test_a_table_remembers_what_does_not_depend_on_the_position(self) -> None:
        layer = build_layer(np.random.default_rng(0), {"positions": "learned", "input_norm": "layer", "heads": (2, 2)})
        computation = Computation(layer, ENCLOSURES)
        directions = ENCLOSURES.constant(np.eye(layer.width))
        reading = computation.reading(computation.rows([4], [READER]), READER, directions)
        table = Table(layer.embedding)
        for position in (0, 1, 5, 0):
            shared = reading.votes(Rows(table, computation.shift(position)), position)
            alone = reading.votes(Rows(Table(layer.embedding), computation.shift(position)), position)
            for a, b in zip(shared, alone, strict=True):
                np.testing.assert_array_equal(a.mid, b.mid)
        table.forget()
        again = reading.votes(Rows(table, computation.shift(0)), 0)
        np.testing.assert_array_equal(again[0].mid, shared[0].mid)


# Layers with exact answers: every e^score is a rational.

RATIOS = [Fraction(1), Fraction(2), Fraction(1, 2), Fraction(3, 2), Fraction(5, 3), Fraction(4), Fraction(1, 6)]


@dataclass(frozen=True)
class Exact:
    """A layer whose scores are integer multiples of logarithms of rationals, with the layer's rational answer."""

    layer: Layer
    tokens: list[int]
    weights: list[list[Fraction]]
    stream: list[Fraction]


@st.composite
def exact_layers(draw: st.DrawFn) -> Exact:
    heads, groups = draw(st.sampled_from([(1, 1), (2, 1), (2, 2)]))
    d, dh, dv, n, context = 2, draw(st.integers(1, 2)), 1, draw(st.integers(1, 3)), 4

    def array(elements: st.SearchStrategy[Any], *shape: int) -> Any:
        size = math.prod(shape)
        out = np.empty(size, dtype=object)
        out[:] = draw(st.lists(elements, min_size=size, max_size=size))
        return out.reshape(shape)

    def maybe(elements: st.SearchStrategy[Any], *shape: int) -> Any:
        return array(elements, *shape) if draw(st.booleans()) else None

    integers = st.integers(-2, 2).map(Fraction)
    rationals = st.fractions(-3, 3, max_denominator=7)
    logs = st.sampled_from(RATIOS).map(Log)
    embedding, wq, bq = array(integers, 3, d), array(integers, heads, d, dh), maybe(integers, heads, dh)
    wk, bk = array(logs, groups, d, dh), maybe(logs, groups, dh)
    wv, bv = array(rationals, groups, d, dv), maybe(rationals, groups, dv)
    wo, bo, offset = array(rationals, heads, dv, d), maybe(rationals, d), maybe(integers, d)
    table, slopes, score_bias = maybe(integers, context, d), None, maybe(logs, heads, context, context)
    if table is None:
        slopes = maybe(logs, heads)
    root, temperature = draw(st.sampled_from([(1, 1.0), (2, 1.0), (1, 0.5), (3, 0.25)]))
    causal, residual = draw(st.booleans()), draw(st.booleans())
    tokens = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    layer = Layer(
        embedding, wq, wk, wv, wo, bq, bk, bv, bo, offset,
        positions=Learned(table) if table is not None else Alibi(slopes) if slopes is not None else None,
        scale_squared=Fraction(root**2), temperature=temperature, score_bias=score_bias, causal=causal,
        residual=residual,
    )  # fmt: skip

    # The answer, in rationals and by powers.
    reader = n - 1 if causal else draw(st.just(0))
    x = [[embedding[t][i] for i in range(d)] for t in tokens]
    for p, i in itertools.product(range(n), range(d)):
        x[p][i] += (0 if offset is None else offset[i]) + (0 if table is None else table[p][i])
    factor = int(root / temperature)
    stream = [(x[reader][i] if residual else Fraction(0)) + (0 if bo is None else bo[i]) for i in range(d)]
    weights = []
    for h in range(heads):
        g = h * groups // heads
        powers = []
        for j in range(n):
            power = Fraction(1)
            for c in range(dh):
                q = sum(x[reader][i] * wq[h, i, c] for i in range(d)) + (0 if bq is None else bq[h, c])
                for i in range(d):
                    power *= wk[g, i, c].of ** int(factor * q * x[j][i])
                if bk is not None:
                    power *= bk[g, c].of ** int(factor * q)
            if slopes is not None:
                power *= slopes[h].of ** -abs(reader - j)
            if score_bias is not None:
                power *= score_bias[h, reader, j].of
            powers.append(power)
        weights.append([power / sum(powers) for power in powers])
        for j, i in itertools.product(range(n), range(d)):
            value = sum(x[j][k] * wv[g, k, 0] for k in range(d)) + (0 if bv is None else bv[g, 0])
            stream[i] += weights[h][j] * value * wo[h, 0, i]
    return Exact(layer, tokens, weights, stream)


def reader_of(exact: Exact) -> int:
    return len(exact.tokens) - 1 if exact.layer.causal else 0


class TestExactRationals:
    @settings(max_examples=60, deadline=None)
    @given(exact=exact_layers())
    def test_z3_and_sympy_give_the_same_rational(self, exact: Exact) -> None:
        kind = Z3Terms()
        weights, stream = output(exact.layer, kind, exact.tokens, reader_of(exact))
        assert [[w.rational for w in row] for row in weights] == exact.weights
        assert [s.rational for s in stream] == exact.stream
        assert kind.assumptions == []
        weights, stream = output(exact.layer, SYMBOLIC, exact.tokens, reader_of(exact))
        assert [[Fraction(str(w)) for w in row] for row in weights] == exact.weights
        assert [Fraction(str(s)) for s in stream] == exact.stream

    @settings(max_examples=60, deadline=None)
    @given(exact=exact_layers())
    def test_floats_balls_and_enclosures_agree_with_it(self, exact: Exact) -> None:
        reader = reader_of(exact)
        with precision(200):
            true = BALLS.constant(np.array(exact.stream, dtype=object))
            close = output(exact.layer, BALLS, exact.tokens, reader)[1]
            assert all(a.overlaps(b) for a, b in zip(true, close, strict=True))
            assert encloses(output(exact.layer, ENCLOSURES, exact.tokens, reader)[1], true)
        floats = output(exact.layer, FLOAT64, exact.tokens, reader)[1]
        np.testing.assert_allclose(floats, [float(s) for s in exact.stream], rtol=1e-9, atol=1e-9)

    def test_sympy_splits_logarithms_into_primes(self) -> None:
        six, two, three = (SYMBOLIC.constant(Log(Fraction(n))) for n in (6, 2, 3))
        assert six - two - three == 0
        assert SYMBOLIC.exp(six - two - three) == 1
        assert SYMBOLIC.exp(SYMBOLIC.log(SYMBOLIC.constant(Fraction(6, 35))) - six) == sympy.Rational(1, 35)

    def test_sympy_takes_symbols_as_weights(self) -> None:
        a, b = sympy.symbols("a b", real=True)
        layer = Layer(
            np.array([[1], [a]], dtype=object),
            np.array([[[1]]], dtype=object),
            np.array([[[b]]], dtype=object),
            np.array([[[1]]], dtype=object),
            np.array([[[1]]], dtype=object),
            causal=False,
        )
        stream = output(layer, SYMBOLIC, [0, 1], 0)[1][0]
        expected = 1 + (sympy.exp(b) + a * sympy.exp(a * b)) / (sympy.exp(b) + sympy.exp(a * b))
        assert sympy.simplify(stream - expected) == 0


def bounds_of(kind: Z3Terms, variable: z3.ArithRef) -> tuple[Fraction, Fraction]:
    """The rational bounds that the assumptions put on a variable."""
    low, high = (
        a.arg(0).as_fraction() for a in kind.assumptions if a.arg(1).eq(variable) and (z3.is_le(a) or z3.is_ge(a))
    )
    return Fraction(low), Fraction(high)


def z3_says(expected: z3.CheckSatResult, kind: Z3Terms, claim: z3.BoolRef) -> bool:
    """Whether Z3 gives that answer to a claim under the assumptions."""
    solver = z3.Solver()
    solver.set("timeout", 10_000)
    solver.add(*kind.assumptions, claim)
    return bool(solver.check() == expected)


FUNCTIONS: dict[str, Callable[[flint.arb], flint.arb]] = {
    "exp": flint.arb.exp,
    "log": flint.arb.log,
    "sqrt": flint.arb.sqrt,
    "sin": flint.arb.sin,
    "cos": flint.arb.cos,
}


class TestZ3:
    @settings(max_examples=150, deadline=None)
    @given(
        name=st.sampled_from(["exp", "sqrt", "sin", "cos"]),
        x=st.fractions(-60, 60, max_denominator=10**6) | st.floats(-60, 60).map(Fraction),
        bits=st.sampled_from([20, 53, 200]),
    )
    def test_bounds_hold_the_value(self, name: str, x: Fraction, bits: int) -> None:
        x = abs(x) if name == "sqrt" else x
        kind = Z3Terms(bits)
        term = getattr(kind, name)(kind.term(x))
        with precision(3000):  # so that 1 + x is told from 1
            true = FUNCTIONS[name](balls.ball(x))
            if term.rational is not None:
                assert true.contains(balls.ball(term.rational))
                assert (true - balls.ball(term.rational)).abs_upper() < 1e-100
                return
            low, high = bounds_of(kind, term.value)
            true_low, true_high = balls.endpoints(true)
            assert low <= true_low
            assert true_high <= high
            assert high - low <= Fraction(2) ** (8 - bits) * (abs(true_high) + 1)

    def test_assumptions_are_satisfiable_and_refute_what_lies_outside(self) -> None:
        for name in FUNCTIONS:
            kind = Z3Terms()
            term = getattr(kind, name)(kind.exp(kind.term(Fraction(1, 3))))
            low, high = bounds_of(kind, term.value)
            assert z3_says(z3.sat, kind, term.to_z3() == (low + high) / 2)
            assert z3_says(z3.unsat, kind, term.to_z3() > z3.Q(high.numerator, high.denominator))
            assert z3_says(z3.unsat, kind, term.to_z3() < z3.Q(low.numerator, low.denominator))

    @pytest.mark.parametrize("layer", SMALL_CASES)
    def test_whole_layers_are_bounded(self, layer: Layer) -> None:
        """Every function of irrational constants is bounded in turn, so a claim outside the bounds is refuted."""
        kind = Z3Terms()
        term = output(layer, kind)[1][0]
        with precision(400):
            true = output(layer, BALLS)[1][0]
            assert term.ball("comparison").overlaps(true)
            low, high = balls.endpoints(true)
        gap = Fraction(1, 10**40)
        assert z3_says(z3.sat, kind, z3.BoolVal(True))
        assert z3_says(z3.unsat, kind, term.to_z3() > high + gap)
        assert z3_says(z3.unsat, kind, term.to_z3() < low - gap)

    def test_a_logarithm_is_one_variable_wherever_it_stands(self) -> None:
        kind = Z3Terms()
        six, two = kind.term(Log(Fraction(6))), kind.term(Log(Fraction(2)))
        claim = six.to_z3() - two.to_z3() != kind.term(Log(Fraction(3))).to_z3()
        assert z3_says(z3.unsat, kind, claim)
        assert z3_says(z3.unsat, kind, six.to_z3() * six.to_z3() > Fraction(33, 10))
        assert (six - six).rational == 0
        assert kind.exp(six * 2 - two).rational == 18
        assert kind.exp(six / 2).rational is None

    def test_symbolic_terms_stay_exact(self) -> None:
        kind, x = Z3Terms(), z3.Real("x")
        term = kind.term(x)
        assert z3_says(z3.unsat, kind, ((term + 1) * (term - 1)).to_z3() != x * x - 1)
        assert z3_says(z3.unsat, kind, (1 - term * Fraction(1, 3) + 0 * term).to_z3() != 1 - x / 3)
        quotient = (term * term - 1) / (term - 1)
        assert z3_says(z3.unsat, kind, z3.And(quotient.to_z3() != x + 1))
        root = kind.sqrt(kind.term(2))
        assert z3_says(z3.unsat, kind, (root * term).to_z3() != root.to_z3() * x)

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_functions_of_symbolic_terms_are_refused_by_name(self, name: str) -> None:
        kind = Z3Terms()
        symbol = kind.term(z3.Real("x"))
        for term in (symbol, symbol + kind.term(Log(Fraction(2))), symbol * kind.sqrt(kind.term(2)), 1 / symbol):
            with pytest.raises(UnsupportedError, match=rf"no {name} of a symbolic term \("):
                getattr(kind, name)(np.array([term], dtype=object))

    def test_what_is_not_defined_is_refused(self) -> None:
        kind = Z3Terms()
        for name, value in (("sqrt", -1), ("log", 0), ("log", Fraction(-1, 2))):
            with pytest.raises(UnsupportedError, match=f"{name} of {value}"):
                getattr(kind, name)(kind.term(value))
        with pytest.raises(ZeroDivisionError, match="exact number 0"):
            kind.term(1) / kind.term(0)
        root = kind.sqrt(kind.term(2))
        nothing = root * root - 2
        with pytest.raises(ZeroDivisionError, match="holds 0"):
            kind.term(1) / nothing
        with pytest.raises(UnsupportedError, match="log can't be bounded at 200 bits"):
            kind.log(nothing)
        with pytest.raises(UnsupportedError, match="sqrt can't be bounded at 200 bits"):
            kind.sqrt(root - 5)
        with pytest.raises(ValueError, match="NaN"):
            kind.term(math.nan)

    @settings(max_examples=100, deadline=None)
    @given(data=st.data())
    def test_arithmetic_of_constants_keeps_its_ball(self, data: st.DataObject) -> None:
        """A random expression over rationals, roots and logarithms: the ball holds its value, at 53 bits around too."""
        kind = Z3Terms(120)
        with precision(1000):
            sources = {
                "rational": (kind.term(Fraction(2, 3)), balls.ball(Fraction(2, 3))),
                "root": (kind.sqrt(kind.term(3)), flint.arb(3).sqrt()),
                "log": (kind.term(Log(Fraction(10, 7))), balls.ball(Fraction(10, 7)).log()),
            }
        with precision(1000):
            picks = data.draw(st.lists(st.sampled_from([*sources]), min_size=1, max_size=6))
            signs = data.draw(st.lists(st.sampled_from("+-*/"), min_size=len(picks), max_size=len(picks)))
            term: Term = kind.term(Fraction(1, 3))
            true = balls.ball(Fraction(1, 3))
            for pick, sign in zip(picks, signs, strict=True):
                a, b = sources[pick]
                if sign == "/":
                    term, true = term / a, true / b
                elif sign == "*":
                    term, true = term * a, true * b
                else:
                    term, true = (term + a, true + b) if sign == "+" else (a - term, b - true)
        ball = term.ball("comparison")
        with precision(1000):
            assert ball.overlaps(true)
            assert (ball - true).abs_upper() < 1e-25
        with precision(150):
            low, high = balls.endpoints(true)
        assert z3_says(z3.unsat, kind, term.to_z3() > high + Fraction(1, 10**20))
        assert z3_says(z3.unsat, kind, term.to_z3() < low - Fraction(1, 10**20))
        assert z3_says(z3.sat, kind, z3.BoolVal(True))


class TestUnsupported:
    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_a_kind_without_an_operation_says_so(self, name: str) -> None:
        class Field(Numbers):
            name = "rational"

            def constant(self, values: Any) -> Any:
                return values

            def matmul(self, a: Any, b: Any) -> Any:
                return a @ b

        with pytest.raises(UnsupportedError, match=f"rational numbers have no {name}; balls"):
            getattr(Field(), name)(np.array([Fraction(1)]))

    def test_logarithms_of_what_is_not_positive(self) -> None:
        for of in (Fraction(0), Fraction(-2)):
            with pytest.raises(InputError, match="positive rational"):
                Log(of)

    @pytest.mark.parametrize("module", ["z3", "sympy", "torch"])
    def test_the_layer_alone_loads_no_heavy_library(self, module: str) -> None:
        code = (
            "import sys, tokendemo_formal.attention, tokendemo_formal.numbers.enclosures;"
            f"sys.exit({module!r} in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


CONSTANTS: list[Any] = [
    0, -3, 2**70 + 1, 0.1, 5e-324, -1.7976931348623157e308, Fraction(1, 3), Fraction(2**80 + 1, 7), Log(Fraction(5, 2)),
    np.int64(2**62 + 1), np.float64(0.3), np.float32(0.3), np.uint64(2**64 - 1), True,
]  # fmt: skip


def exact_ball(value: Any) -> flint.arb:
    if isinstance(value, Log):
        return balls.ball(value.of).log()
    return balls.ball(Fraction(value if isinstance(value, (int, float, Fraction)) else value.item()))


class TestConstants:
    @pytest.mark.parametrize("value", CONSTANTS, ids=repr)
    def test_every_kind_takes_the_exact_value(self, value: Any) -> None:
        with precision(2200):
            true = exact_ball(value)
            for shape in (False, True):
                given_value = np.array([value], dtype=object) if shape else value

                def get(numbers: Numbers, x: Any = given_value, shape: bool = shape) -> Any:
                    constant = numbers.constant(x)
                    return constant[0] if shape else constant

                assert get(BALLS).overlaps(true)
                assert (get(BALLS) - true).abs_upper() <= abs(true) * 2.0**-1000
                assert encloses(get(ENCLOSURES), np.array(true, dtype=object))
                assert get(Z3Terms(2200)).ball("comparison").overlaps(true)
                assert abs(float(get(FLOAT64)) - float(true.mid())) <= abs(float(true.mid())) * 2**-52
                expression = get(SYMBOLIC)
                if not isinstance(value, Log):
                    assert true.contains(balls.ball(Fraction(int(expression.p), int(expression.q))))
                else:
                    assert expression == sympy.log(5) - sympy.log(2)

    @pytest.mark.parametrize(
        "array",
        [
            np.array([[2**53 + 1, -(2**62) - 1], [3, 0]]),
            np.array([2**64 - 1, 5], dtype=np.uint64),
            np.array([1, 0], dtype=bool),
            np.array([0.1, 2.0], dtype=np.float32),
            np.array([0.1, 2.0], dtype=np.float16),
            np.array([0.1, -5e-324]),
            np.array(7),
            np.zeros((0, 3)),
        ],
        ids=lambda a: f"{a.dtype}{a.shape}",
    )
    def test_arrays_of_machine_numbers(self, array: Any) -> None:
        with precision(200):
            true = BALLS.constant(array)
            assert true.shape == array.shape
            for index, x in np.ndenumerate(array):
                assert balls.endpoints(true[index]) == (Fraction(x.item()),) * 2
            assert encloses(ENCLOSURES.constant(array), true)
        terms = Z3Terms().constant(array)
        assert [t.rational for t in terms.ravel()] == [Fraction(x.item()) for x in array.ravel()]

    def test_the_precision_around_does_not_spoil_terms(self) -> None:
        kind = Z3Terms(200)
        with precision(10):
            root = kind.sqrt(kind.term(Fraction(1, 3)))
            sum_of = root * Fraction(1, 7) + Log(Fraction(11, 13))
        assert sum_of.ball("comparison").rad() < 1e-55


class TestBalls:
    def test_precision_is_restored(self) -> None:
        before = flint.ctx.prec
        with precision(77):
            assert flint.ctx.prec == 77
            assert flint.arb(2).sqrt().rel_accuracy_bits() in range(70, 80)
        assert flint.ctx.prec == before
        with pytest.raises(ZeroDivisionError), precision(77):
            Fraction(1, 0)
        assert flint.ctx.prec == before

    @given(middle=st.floats(allow_nan=False, allow_infinity=False), radius=st.floats(0, 1e300))
    def test_ends_are_exact_and_float_bounds_outside(self, middle: float, radius: float) -> None:
        x = flint.arb(middle, radius)
        low, high = balls.endpoints(x)
        assert low <= Fraction(middle) - Fraction(radius)
        assert Fraction(middle) + Fraction(radius) <= high
        assert high - low <= 2 * Fraction(radius) * (1 + Fraction(1, 2**25)) + Fraction(1, 2**2000)
        if max(abs(low), abs(high)) < Fraction(1.7e308):
            below, above = balls.float_bounds(x)
            assert Fraction(below) <= low
            assert high <= Fraction(above)
            assert Fraction(math.nextafter(below, math.inf)) > low
            assert Fraction(math.nextafter(above, -math.inf)) < high

    def test_an_infinite_ball_has_no_ends(self) -> None:
        for x in (flint.arb("inf"), flint.arb("nan"), flint.arb(0) / flint.arb(0)):
            with pytest.raises(UnsupportedError, match="is not finite"):
                balls.endpoints(x)

    def test_small_and_large_products_agree(self) -> None:
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(17, 16)), rng.normal(size=(16, 17))
        assert 17 * 16 * 17 >= 4096
        with precision(300):
            large = BALLS.matmul(BALLS.constant(a), BALLS.constant(b))
            exact = np.array([[Fraction(x) for x in row] for row in a]) @ np.array(
                [[Fraction(x) for x in row] for row in b]
            )
            for found, true in zip(large.ravel(), exact.ravel(), strict=True):
                assert found.contains(balls.ball(true))
                assert found.rad() < 1e-80
            small = BALLS.matmul(BALLS.constant(a[:2]), BALLS.constant(b))
            assert all(x.overlaps(y) for x, y in zip(small.ravel(), large[:2].ravel(), strict=True))

    def test_shifts_are_exact_and_near_the_largest(self) -> None:
        with precision(60):
            scores = BALLS.constant(np.array([[1.0, -7.0], [3.0, -8.0], [-5.0, -7.5]])) + flint.arb(0, 1e-9)
            shift = BALLS.shift(scores)
        assert shift.shape == (1, 2)
        assert [balls.endpoints(s) for s in shift[0]] == [(Fraction(3),) * 2, (Fraction(-7),) * 2]

    def test_large_scores_do_not_overflow(self) -> None:
        layer = build_layer(np.random.default_rng(0), {"causal": False}, gain=1e5)
        for numbers in (FLOAT64, ENCLOSURES):
            weights = output(replace(layer, embedding=layer.embedding * 3), numbers)[0]
            mid = weights if numbers is FLOAT64 else weights.mid
            assert np.isfinite(mid).all()
            assert mid.sum() == pytest.approx(1)


class TestNorms:
    @settings(max_examples=60, deadline=None)
    @given(
        row=st.lists(st.integers(-9, 9), min_size=2, max_size=4),
        eps=st.sampled_from([0.0, 0.25, 1.5]),
        kind=st.sampled_from(["layer", "rms"]),
    )
    def test_every_kind_normalises_alike(self, row: list[int], eps: float, kind: Any) -> None:
        width = len(row)
        mean = Fraction(sum(row), width) if kind == "layer" else Fraction(0)
        variance = sum((x - mean) ** 2 for x in row) / width + Fraction(eps)
        norm = Norm(kind, np.arange(1.0, width + 1), np.full(width, 0.5), eps)
        x = np.array([row], dtype=object)
        if variance == 0:
            with pytest.raises((UnsupportedError, ZeroDivisionError)):
                normalise(ENCLOSURES, norm, ENCLOSURES.constant(x))
            return
        with precision(300):
            root = balls.ball(variance).sqrt()
            pairs = zip(row, norm.gain, strict=True)
            true = np.array([balls.ball((v - mean) * Fraction(g)) / root + 0.5 for v, g in pairs], dtype=object)
            for found, want in zip(normalise(BALLS, norm, BALLS.constant(x))[0], true, strict=True):
                assert found.overlaps(want)
            kind_of_terms = Z3Terms()
            for term, want in zip(normalise(kind_of_terms, norm, kind_of_terms.constant(x))[0], true, strict=True):
                assert term.ball("comparison").overlaps(want)
            for expression, want in zip(normalise(SYMBOLIC, norm, SYMBOLIC.constant(x))[0], true, strict=True):
                assert abs(float(expression) - float(want.mid())) < 1e-12
            if all(v == row[0] for v in row) and kind == "layer" and eps == 0:
                return
            assert encloses(normalise(ENCLOSURES, norm, ENCLOSURES.constant(x))[0], true)
        np.testing.assert_allclose(
            normalise(FLOAT64, norm, FLOAT64.constant(x))[0], [float(t.mid()) for t in true], rtol=1e-13, atol=1e-13
        )
