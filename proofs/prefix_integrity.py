"""Under a causal mask a leading system's states are its own, at any depth: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Variable, each, implies, natural
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.tactics import for_each
from tokendemo_formal.theorems.causality import agree, deep_x, deep_y, depth
from tokendemo_formal.theorems.setting import k


def prove(p: Proof) -> None:
    start = p.assumption("the runs begin with the same system")
    layer = p.assumption("a layer's state depends on those at the same position and before only")
    n = natural("n")

    agreed = p.kernel.assume(each(k, lambda i: agree(deep_x, deep_y, n, i)))

    p.say("Suppose that after n layers, n < L, the runs agree on the system.")
    p.say("Position i of it reads positions j <= i, which are the system's, too: what it reads agrees.")

    def read(i: Variable) -> Fact:
        facts = [p.kernel.assume(i < k)]
        return for_each(
            p.kernel,
            i + 1,
            lambda j: agree(deep_x, deep_y, n, j),
            lambda j: [*facts, p.kernel.at(agreed, j), p.kernel.discrete(j, i + 1)],
        )

    below = p.kernel.assume(n < depth)
    at_n = p.kernel.at(layer, n)
    here = p.have(at_n.conclusion.parts[1], [below, at_n], "layer n")
    next_layer = p.each(
        k,
        lambda i: agree(deep_x, deep_y, n + 1, i),
        lambda i: [p.kernel.at(here, i), read(i)],
        "so do those after the layer",
    )

    p.say("So they agree after any number of layers.")
    step = p.kernel.discharge(p.kernel.discharge(next_layer, below.conclusion), agreed.conclusion)
    claim = implies(n < depth + 1, each(k, lambda i: agree(deep_x, deep_y, n, i)))
    always = p.induction(n, claim, [start], [step, p.kernel.discrete(n, depth)], "start, and layer by layer")
    p.conclude(
        [
            p.each(
                depth + 1,
                lambda after: each(k, lambda i: agree(deep_x, deep_y, after, i)),
                lambda after: [p.kernel.instantiate(always, {n: after})],
            )
        ]
    )


if __name__ == "__main__":
    main("prefix_integrity", prove)
