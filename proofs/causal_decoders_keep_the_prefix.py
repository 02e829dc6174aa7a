"""Decoders compute a leading system's states without what follows, at any depth: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import each, natural
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.tactics import for_each
from tokendemo_formal.theorems.causality import (
    OV,
    A,
    B,
    agree,
    d,
    deep_A,
    deep_B,
    deep_OV,
    deep_u,
    deep_v,
    deep_x,
    deep_y,
    depth,
    query,
    stream,
    x,
    y,
)
from tokendemo_formal.theorems.setting import k


def prove(p: Proof) -> None:
    kernel = p.kernel
    start = p.assumption("the runs begin with the same system")
    layer, i = natural("l"), natural("i")
    in_depth, in_system = kernel.assume(layer < depth), kernel.assume(i < k)
    norms, rest = (
        kernel.arithmetic(fact.conclusion.parts[1], [fact, in_depth])
        for fact in (
            kernel.at(p.assumption("a norm works on one position"), layer),
            kernel.at(p.assumption("what follows the attention works on one position"), layer),
        )
    )

    p.say("Let the runs agree, after l layers, on the states up to position i of the system.")
    visible = kernel.assume(each(i + 1, lambda j: agree(deep_x, deep_y, layer, j)))
    normed = p.kernel_fact(
        for_each(
            kernel,
            i + 1,
            lambda j: agree(deep_u, deep_v, layer, j),
            lambda j: [kernel.at(visible, j), kernel.at(norms, j), kernel.discrete(j, i + 1), in_system],
        ),
        "then they agree on the normed states",
        "smt, for an arbitrary index",
    )
    outputs = p.use(
        "causal_attention_reads_the_prefix_only",
        {query: i},
        {
            x: lambda j, c: deep_u(layer, j, c),
            y: lambda j, c: deep_v(layer, j, c),
            A: lambda h, i, j, a, b: deep_A(layer, h, i, j, a, b),
            B: lambda h, i, j: deep_B(layer, h, i, j),
            OV: lambda h, c, b: deep_OV(layer, h, c, b),
        },
        [normed],
        "so attention puts out the same at i",
    )
    own = kernel.arithmetic(agree(deep_x, deep_y, layer, i), [kernel.at(visible, i)])
    streams = p.each(
        d,
        lambda c: stream(deep_x, deep_u, layer, i, c).eq(stream(deep_y, deep_v, layer, i, c)),
        [own, outputs],
        "and the residual stream is the same",
    )
    after = p.have(
        agree(deep_x, deep_y, layer + 1, i), [streams, kernel.at(rest, i), in_system], "and the layer's state"
    )

    p.say("So every layer reads the prefix only, and prefix_integrity applies.")
    within = kernel.discharge(after, visible.conclusion)
    causal = kernel.each(kernel.each(within, i, k), layer, depth, "after")
    p.conclude([p.use("prefix_integrity", by=[start, causal])])


if __name__ == "__main__":
    main("causal_decoders_keep_the_prefix", prove)
