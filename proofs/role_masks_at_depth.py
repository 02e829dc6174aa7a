"""Masks in every layer keep the system's states free of the adversary, at any depth: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, Variable, both, each, exp, fresh, implies, natural, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_zero
from tokendemo_formal.proving.tactics import at_index
from tokendemo_formal.theorems.guarantees import L, Run, one, same_state, two
from tokendemo_formal.theorems.setting import H, d, k


def prove(p: Proof) -> None:
    layer = natural("n")
    kernel = p.kernel
    states = kernel.assume(each(k, lambda i: same_state(layer, i)))

    def hidden(run: Run, name: str, h: Variable, i: Variable, c: Variable) -> Fact:
        """The adversary's part of both sums of a run is 0."""
        masked = at_index(kernel, p.assumption(f"the adversary's tokens are masked in the {name} run"), layer, h, i)

        def weight(j: Variable) -> Term:
            return run.visible(layer, h, i, j) * exp(run.score_U(layer, h, i, j))

        def vote(j: Variable) -> Term:
            return weight(j) * run.value_U(layer, h, j, c)

        return p.have(
            both(total(run.m, weight).eq(0), total(run.m, vote).eq(0)),
            [
                p.each(run.m, lambda j: weight(j).eq(0), [masked]),
                p.each(run.m, lambda j: vote(j).eq(0), [masked]),
                p.lemma(sum_zero, run.m, weight),
                p.lemma(sum_zero, run.m, vote),
            ],
            "masked tokens add 0",
        )

    def output(h: Variable, i: Variable, c: Variable) -> list[Fact]:
        """Why head h's output for token i is the same in both runs."""
        here = at_index(kernel, states, i)
        score = at_index(kernel, p.assumption("scores are computed from states"), layer, h, i)
        value = at_index(kernel, p.assumption("values are computed from states"), layer, h)

        def weight(run: Run, j: Variable) -> Term:
            return exp(run.score(layer, h, i, j))

        def vote(run: Run, j: Variable) -> Term:
            return weight(run, j) * run.value(layer, h, j, c)

        def same_weight(j: Variable) -> list[Fact]:
            equal = kernel.equal(one.score(layer, h, i, j), two.score(layer, h, i, j), exp)
            return [here, states, score, equal]

        def same_value(j: Variable) -> list[Fact]:
            there = kernel.arithmetic(same_state(layer, j), [at_index(kernel, states, j)])
            values = each(d, lambda c: one.value(layer, h, j, c).eq(two.value(layer, h, j, c)))
            return [at_index(kernel, kernel.arithmetic(values, [there, at_index(kernel, value, j)]), c)]

        weights = p.each(k, lambda j: weight(one, j).eq(weight(two, j)), same_weight, "equal states score equally")
        values = p.each(
            k, lambda j: one.value(layer, h, j, c).eq(two.value(layer, h, j, c)), same_value, "and have equal values"
        )

        def same_vote(j: Variable) -> list[Fact]:
            equal = kernel.equal(weight(one, j), weight(two, j), lambda t: t * one.value(layer, h, j, c))
            other = kernel.equal(one.value(layer, h, j, c), two.value(layer, h, j, c), lambda t: weight(two, j) * t)
            return [weights, values, equal, other]

        votes = p.each(k, lambda j: vote(one, j).eq(vote(two, j)), same_vote)
        some = kernel.assume(i < k)
        return [
            hidden(one, "first", h, i, c),
            hidden(two, "second", h, i, c),
            kernel.same(total(k, lambda j: weight(one, j)), total(k, lambda j: weight(two, j)), weights),
            kernel.same(total(k, lambda j: vote(one, j)), total(k, lambda j: vote(two, j)), votes),
            p.have(
                total(k, lambda j: weight(one, j)) > 0,
                [some, p.lemma(mass_positive, k, lambda j: one.score(layer, h, i, j))],
                "token i itself is seen",
            ),
        ]

    p.say("Suppose that the system's states are the same before some layer.")
    p.say("Then in every head, for every system token, the system's weights and votes are, and the adversary's are 0.")
    i = fresh("i")
    heads = p.each(
        H,
        lambda h: each(d, lambda c: one.output(layer, h, i, c).eq(two.output(layer, h, i, c))),
        lambda h: [
            p.each(d, lambda c: one.output(layer, h, i, c).eq(two.output(layer, h, i, c)), lambda c: output(h, i, c))
        ],
        "so the heads' outputs are the same",
    )
    rest = at_index(kernel, p.assumption("the next state is computed from the state and the heads' outputs"), layer, i)
    after = p.have(same_state(layer + 1, i), [rest, heads, at_index(kernel, states, i)], "and so is the next state")
    step = kernel.discharge(kernel.discharge(kernel.each(after, i, k), states.conclusion), layer < L)

    p.say("So they stay the same from layer to layer.")
    reached = p.induction(
        layer,
        implies(layer <= L, states.conclusion),
        base=[p.assumption("the system's tokens are the same")],
        step=[step],
    )
    p.conclude([kernel.instantiate(reached, {layer: L})])


if __name__ == "__main__":
    main("role_masks_at_depth", prove)
