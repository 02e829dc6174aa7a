"""RoPE's score comes back to what it is at distance 0: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import (
    Numeric,
    Term,
    Variable,
    absolute,
    between,
    both,
    cos,
    each,
    either,
    exp,
    function,
    implies,
    log,
    natural,
    real,
    sin,
    some,
    term,
    total,
)
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.counting import (
    crowded,
    difference,
    digits,
    steps_bounds,
    steps_differ,
    steps_passed,
)
from tokendemo_formal.proving.lemmas.sums import sum_between, sum_scaled, sum_subtracted
from tokendemo_formal.proving.tactics import by_induction, equal_sums, exp_of_sum, for_each
from tokendemo_formal.theorems.positions import CELLS, C, M, T, alpha, beta, d, rotary, theta
from tokendemo_formal.theorems.setting import eps


def prove(p: Proof) -> None:
    kernel = p.kernel
    a_step = p.assumption("the grid has a step")
    fine = p.assumption("the grid is fine")
    enough = p.assumption("there are as many multiples as cells")

    def angle(i: Numeric, c: Numeric) -> Term:
        return theta(c) * (term(i) * T)

    def height(of: Term) -> Term:
        return C * (of + 1)

    def cell(i: Numeric, c: Numeric) -> Term:
        """The number of plane c's cell at the multiple i of T."""
        at = angle(i, c)
        return steps_passed(C, height(cos(at))) + (C + 1) * steps_passed(C, height(sin(at)))

    def code(i: Numeric) -> Term:
        return total(d, lambda c: cell(i, c) * exp(CELLS * c))

    p.say("At distance 0 no plane is turned, so the score is the sum of alpha.")
    start = total(d, lambda c: alpha(c))
    unturned = [kernel.axiom("cos_zero"), kernel.axiom("sin_zero")]

    def at_zero(c: Variable) -> list[Fact]:
        none = theta(c) * 0
        return [kernel.identity(none.eq(0)), kernel.equal(none, 0, cos), kernel.equal(none, 0, sin), *unturned]

    side_by_side = p.kernel_fact(
        equal_sums(
            kernel,
            d,
            lambda c: alpha(c) * cos(theta(c) * 0) + beta(c) * sin(theta(c) * 0),
            lambda c: alpha(c),
            at_zero,
        ),
        "cos 0 = 1, sin 0 = 0",
        "smt, for an arbitrary plane",
    )
    assert side_by_side.conclusion == rotary(0).eq(start)

    p.say("A plane's angle is a point (cos, sin) of the square from -1 to 1, cut into (C + 1)^2 cells.")
    square = p.have(
        exp(CELLS).eq((C + 1) * (C + 1)),
        [
            p.axiom("exp_log", C + 1),
            p.kernel_fact(exp_of_sum(kernel, CELLS, log(C + 1), log(C + 1)), "exponents add", "smt"),
        ],
    )
    x, y = real("x"), real("y")
    inside = p.have(
        implies((x * x + y * y).eq(1), both(between(0, C * (x + 1), 2 * C), between(0, C * (y + 1), 2 * C))),
        because="|cos| and |sin| are at most 1",
    )

    def heights(i: Numeric, c: Numeric) -> list[Fact]:
        at = angle(i, c)
        circle = kernel.axiom("circle", at)
        within = kernel.arithmetic(
            both(between(0, height(cos(at)), 2 * C), between(0, height(sin(at)), 2 * C)),
            [circle, kernel.instantiate(inside, {x: cos(at), y: sin(at)})],
        )
        return [within, steps_bounds(kernel, C, height(cos(at))), steps_bounds(kernel, C, height(sin(at)))]

    def bounded(i: Numeric, c: Numeric) -> Fact:
        return kernel.arithmetic(between(0, cell(i, c), exp(CELLS) - 1), [square, *heights(i, c)])

    p.say("The cells of all planes are the digits of one number, the code, below (C + 1)^(2 d) <= M.")
    digit = function("f")
    power = real("c")
    fits = p.kernel_fact(
        by_induction(
            kernel,
            d,
            implies(
                each(d, lambda c: between(0, digit(c), exp(power) - 1)),
                between(0, total(d, lambda c: digit(c) * exp(power * c)), exp(power * d) - 1),
            ),
            [kernel.axiom("exp_zero"), kernel.identity((power * 0).eq(0)), kernel.equal(power * 0, 0, exp)],
            [exp_of_sum(kernel, power * (d + 1), power * d, power), kernel.axiom("exp_positive", power * d)],
        ),
        "digits to the base e^c",
        "induction on d: base and step by smt",
    )

    def below(i: Variable) -> list[Fact]:
        proper = for_each(kernel, d, lambda c: between(0, cell(i, c), exp(CELLS) - 1), lambda c: [bounded(i, c)])
        return [proper, kernel.instantiate(fits, {power: CELLS}, {digit: lambda c: cell(i, c)}), enough]

    codes = p.each(M + 1, lambda i: both(code(i) >= 0, code(i) < M), below, "cells are digits")

    p.say("M + 1 multiples of T, 0 included, have codes below M: two of them, i and j < i, are closer than 1.")
    i, j, h = natural("i"), natural("j"), natural("h")

    def near(i: Numeric, j: Numeric) -> Term:
        return both(code(i) - code(j) < 1, code(j) - code(i) < 1)

    two = p.have(
        some(M + 1, lambda i: some(i, lambda j: near(i, j))),
        [codes, p.lemma(crowded, M + 1, M, code)],
        "pigeonhole",
    )

    p.say("Then all their digits are the same: every plane is in the same cell at both.")
    close = kernel.assume(near(i, j))
    split = equal_sums(
        kernel,
        d,
        lambda c: (cell(i, c) - cell(j, c)) * exp(CELLS * c),
        lambda c: cell(i, c) * exp(CELLS * c) - cell(j, c) * exp(CELLS * c),
    )
    apart = sum_subtracted(kernel, d, lambda c: cell(i, c) * exp(CELLS * c), lambda c: cell(j, c) * exp(CELLS * c))

    few, many = real("a"), real("b")
    carried = p.have(implies(both(few >= 0, many >= 1), few * many >= few), because="a carry outweighs the lower digit")

    def whole(c: Variable) -> list[Fact]:
        at_i, at_j = angle(i, c), angle(j, c)
        sines = steps_passed(C, height(sin(at_i))) - steps_passed(C, height(sin(at_j)))
        return [
            bounded(i, c),
            bounded(j, c),
            kernel.arithmetic(between(0, steps_passed(C, height(cos(at_i))), C), heights(i, c)),
            kernel.arithmetic(between(0, steps_passed(C, height(cos(at_j))), C), heights(j, c)),
            steps_differ(kernel, C, height(cos(at_i)), height(cos(at_j))),
            steps_differ(kernel, C, height(sin(at_i)), height(sin(at_j))),
            kernel.instantiate(carried, {few: C + 1, many: sines}),
            kernel.instantiate(carried, {few: C + 1, many: -sines}),
        ]

    def change(c: Variable) -> Term:
        return cell(i, c) - cell(j, c)

    numbers = p.each(
        d,
        lambda c: both(
            between(1 - exp(CELLS), change(c), exp(CELLS) - 1),
            either(change(c).eq(0), change(c) >= 1, change(c) <= -1),
        ),
        whole,
        "cells have whole numbers",
    )
    same = p.have(
        each(d, lambda c: change(c).eq(0)), [close, numbers, split, apart, digits(kernel, d, change, CELLS)], "digits"
    )

    p.say("So over the distance (h + 1) T between them, j + h + 1 = i, a plane turns almost not at all.")
    between_them = kernel.assume((j + h + 1).eq(i))
    turn = real("C")
    x_i, y_i, x_j, y_j = (real(name) for name in ("x_i", "y_i", "x_j", "y_j"))
    circle_i, circle_j = (kernel.assume((a * a + b * b).eq(1)) for a, b in ((x_i, y_i), (x_j, y_j)))
    rotation = kernel.assume(both(x_i.eq(x_j * x - y_j * y), y_i.eq(y_j * x + x_j * y)))
    steps = kernel.assume(both(between(-2, turn * (x_i - x_j), 2), between(-2, turn * (y_i - y_j), 2)))
    positive = kernel.assume(turn > 0)
    radius = p.have(
        both(between(-2, x_i - x_j, 2), between(-2, y_i - y_j, 2), between(-1, x_j, 1), between(-1, y_j, 1)),
        [circle_i, circle_j],
        "both points are on the circle of radius 1",
    )
    squared = p.have(
        implies(both(turn > 0, between(-2, turn * x, 2), between(-2, x, 2)), between(0, turn * (x * x), 4))
    )
    chord = -((x_i - x_j) * (x_i - x_j)) - (y_i - y_j) * (y_i - y_j)
    half = p.have(
        (2 * (x - 1)).eq(chord),
        [circle_i, circle_j, p.have(x.eq(x_i * x_j + y_i * y_j), [circle_j, rotation], "rotating back")],
        "the chord's square",
    )
    cosine = p.have(
        between(-4, turn * (x - 1), 4),
        [
            steps,
            positive,
            radius,
            kernel.instantiate(squared, {x: x_i - x_j}),
            kernel.instantiate(squared, {x: y_i - y_j}),
            half,
            kernel.equal(2 * (x - 1), chord, lambda t: turn * t),
        ],
        "1 - cos = ((x_i - x_j)^2 + (y_i - y_j)^2) / 2",
    )
    small = p.have(implies(both(between(-2, y, 2), between(-1, x, 1)), between(-2, y * x, 2)))
    sine = p.have(
        between(-4, turn * y, 4),
        [
            steps,
            radius,
            kernel.instantiate(small, {y: turn * (y_i - y_j), x: x_j}),
            kernel.instantiate(small, {y: turn * (x_i - x_j), x: y_j}),
            kernel.arithmetic((turn * y).eq(turn * (y_i - y_j) * x_j - turn * (x_i - x_j) * y_j), [circle_j, rotation]),
        ],
        "sin = (y_i - y_j) x_j - (x_i - x_j) y_j",
    )
    still = p.have(both(cosine.conclusion, sine.conclusion), [cosine, sine])

    def turned(c: Variable) -> Fact:
        at_i, at_j, gone = angle(i, c), angle(j, c), theta(c) * ((h + 1) * T)
        sum_of = kernel.arithmetic(at_i.eq(at_j + gone), [between_them])
        rotated = kernel.arithmetic(
            both(
                cos(at_i).eq(cos(at_j) * cos(gone) - sin(at_j) * sin(gone)),
                sin(at_i).eq(sin(at_j) * cos(gone) + cos(at_j) * sin(gone)),
            ),
            [
                sum_of,
                kernel.equal(at_i, at_j + gone, cos),
                kernel.equal(at_i, at_j + gone, sin),
                kernel.axiom("cos_sum", at_j, gone),
                kernel.axiom("sin_sum", at_j, gone),
            ],
        )
        values = {x_i: cos(at_i), y_i: sin(at_i), x_j: cos(at_j), y_j: sin(at_j), x: cos(gone), y: sin(gone), turn: C}
        here = kernel.instantiate(still, values)
        together = kernel.arithmetic(
            both(between(-2, C * (cos(at_i) - cos(at_j)), 2), between(-2, C * (sin(at_i) - sin(at_j)), 2)),
            [*heights(i, c), *heights(j, c), *whole(c), kernel.at(same, c), kernel.assume(c < d)],
        )
        circles = [kernel.axiom("circle", at_i), kernel.axiom("circle", at_j)]
        return kernel.cut(here, [rotated, together, a_step, *circles])

    p.say("Every plane's part of the score, times C, is within 4 (|alpha| + |beta|) of that at distance 0. Sum.")

    def part(c: Numeric, distance: Numeric) -> Term:
        return alpha(c) * cos(theta(c) * distance) + beta(c) * sin(theta(c) * distance)

    def moved(c: Numeric) -> Term:
        return part(c, (h + 1) * T) - alpha(c)

    def size(c: Numeric) -> Term:
        return absolute(alpha(c)) + absolute(beta(c))

    a = real("a")
    product = p.have(implies(between(-4, y, 4), between(-(4 * absolute(a)), y * a, 4 * absolute(a))))

    def contribution(c: Variable) -> list[Fact]:
        gone = theta(c) * ((h + 1) * T)
        return [
            turned(c),
            kernel.identity((C * moved(c)).eq(C * (cos(gone) - 1) * alpha(c) + C * sin(gone) * beta(c))),
            kernel.instantiate(product, {y: C * (cos(gone) - 1), a: alpha(c)}),
            kernel.instantiate(product, {y: C * sin(gone), a: beta(c)}),
        ]

    parts = p.each(d, lambda c: between(-(4 * size(c)), C * moved(c), 4 * size(c)), contribution)
    final = p.have(
        absolute(rotary((h + 1) * T) - start) <= eps,
        [
            parts,
            a_step,
            fine,
            sum_between(kernel, d, lambda c: C * moved(c), lambda c: 4 * size(c)),
            sum_scaled(kernel, d, C, moved),
            sum_scaled(kernel, d, 4, size),
            sum_subtracted(kernel, d, lambda c: part(c, (h + 1) * T), lambda c: alpha(c)),
        ],
    )

    p.say("Such i, j and h exist, and h < M.")
    goal = some(M, lambda h: absolute(rotary((h + 1) * T) - start) <= eps)
    first = kernel.assume(i < M + 1)
    in_range = kernel.arithmetic(both(h < M, final.conclusion), [final, between_them, first, kernel.discrete(i, M + 1)])
    shown = kernel.exhibit(in_range, goal, h)
    second = kernel.assume(j < i)
    gap = kernel.arithmetic(some(i, lambda h: (j + h + 1).eq(i)), [second, difference(kernel, j, i)])
    shown = kernel.choose(gap, h, shown)
    shown = kernel.choose(kernel.assume(some(i, lambda j: near(i, j))), j, shown)
    p.conclude([p.kernel_fact(kernel.choose(two, i, shown), "choosing them", "as shown")])


if __name__ == "__main__":
    main("rotary_does_not_decay", prove)
