"""Random layers with any combination of features, and a covering array over the combinations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from hypothesis import strategies as st

from tokendemo_formal.attention import Alibi, Layer, Learned, Norm, Positions, Rotary, Sinusoidal
from tokendemo_formal.numbers.enclosures import Enclosure

FEATURES: dict[str, tuple[Any, ...]] = {
    "heads": ((1, 1), (2, 2), (4, 2), (3, 1)),
    "positions": (
        "none",
        "learned",
        "sinusoidal",
        "rotary half",
        "rotary adjacent",
        "rotary partial half",
        "rotary partial adjacent",
        "alibi",
    ),
    "input_norm": ("none", "layer", "rms", "embedding layer", "embedding layer, layer", "embedding rms, rms"),
    "qk_norm": ("none", "rms", "layer"),
    "norm_bias": (False, True),
    "causal": (False, True),
    "biases": ("none", "qkv", "all"),
    "factor": ("default", "scale", "temperature", "both"),
    "score_bias": (False, True),
    "residual": (True, False),
    "final_norm": ("none", "layer", "rms"),
    "offset": (False, True),
    "width": (6, 7),
}
"""What a layer can have, each with its values; the first is the plainest."""

Choice = Mapping[str, Any]


def pairwise(features: Mapping[str, Sequence[Any]], seed: int = 0) -> list[dict[str, Any]]:
    """Choices of one value per feature such that every two values of different features meet in at least one.

    Greedy: each choice starts from a pair that is not covered yet and takes, feature by feature in random order, the
    value that covers most of what is left.
    """
    rng = np.random.default_rng(seed)
    names = list(features)
    index = {name: range(len(features[name])) for name in names}
    left = {((a, i), (b, j)) for a, b in itertools.combinations(names, 2) for i in index[a] for j in index[b]}
    order = {name: i for i, name in enumerate(names)}

    def pair(p: tuple[str, int], q: tuple[str, int]) -> tuple[tuple[str, int], tuple[str, int]]:
        return (p, q) if order[p[0]] < order[q[0]] else (q, p)

    choices = []
    while left:
        chosen = dict(min(left))
        for k in rng.permutation(len(names)):
            name = names[k]
            if name not in chosen:
                gain = [sum(pair((name, i), known) in left for known in chosen.items()) for i in index[name]]
                best = [i for i in index[name] if gain[i] == max(gain)]
                chosen[name] = int(rng.choice(best))
        left -= {pair(p, q) for p, q in itertools.combinations(chosen.items(), 2)}
        choices.append({name: features[name][chosen[name]] for name in names})
    return choices


def build_layer(
    rng: np.random.Generator, choice: Choice, *, vocabulary: int = 9, context: int = 8, gain: float = 1.0
) -> Layer:
    """A random layer with the chosen features; features that are not chosen take their first value.

    Weights are normal, scaled so that scores are of the order of ``gain``; key and value heads differ in width.
    """
    c = {name: choice.get(name, values[0]) for name, values in FEATURES.items()}
    (heads, groups), d, dv = c["heads"], c["width"], 3
    dh = 6 if "partial" in c["positions"] else 4

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return np.asarray(rng.normal(size=shape))

    def norm(kind: str, width: int) -> Norm:
        bias = normal(width) if c["norm_bias"] else None
        return Norm("layer" if kind == "layer" else "rms", 1 + 0.3 * normal(width), bias, float(rng.uniform(1e-6, 0.3)))

    positions: Positions = None
    if c["positions"] == "learned":
        positions = Learned(normal(context, d))
    elif c["positions"] == "sinusoidal":
        positions = Sinusoidal(50.0)
    elif c["positions"] == "alibi":
        positions = Alibi(rng.uniform(0.1, 1.0, heads))
    elif c["positions"].startswith("rotary"):
        pairing = "adjacent" if c["positions"].endswith("adjacent") else "half"
        positions = Rotary(30.0, pairing, 4 if "partial" in c["positions"] else None)

    embedding_norm = pre_norm = None
    for kind in () if c["input_norm"] == "none" else c["input_norm"].split(", "):
        if kind.startswith("embedding "):
            embedding_norm = norm(kind.removeprefix("embedding "), d)
        else:
            pre_norm = norm(kind, d)
    with_bias, with_output_bias = c["biases"] != "none", c["biases"] == "all"
    return Layer(
        embedding=normal(vocabulary, d),
        wq=gain * normal(heads, d, dh) / np.sqrt(d),
        wk=normal(groups, d, dh) / np.sqrt(d),
        wv=normal(groups, d, dv) / np.sqrt(d),
        wo=normal(heads, dv, d) / np.sqrt(dv),
        bq=normal(heads, dh) if with_bias else None,
        bk=normal(groups, dh) if with_bias else None,
        bv=normal(groups, dv) if with_bias else None,
        bo=normal(d) if with_output_bias else None,
        offset=normal(d) if c["offset"] else None,
        positions=positions,
        embedding_norm=embedding_norm,
        pre_norm=pre_norm,
        query_norm=None if c["qk_norm"] == "none" else norm(c["qk_norm"], dh),
        key_norm=None if c["qk_norm"] == "none" else norm(c["qk_norm"], dh),
        scale_squared=Fraction(1, 3) if c["factor"] in ("scale", "both") else None,
        temperature=0.7 if c["factor"] in ("temperature", "both") else 1.0,
        score_bias=normal(heads, context, context) if c["score_bias"] else None,
        causal=c["causal"],
        residual=c["residual"],
        final_norm=None if c["final_norm"] == "none" else norm(c["final_norm"], d),
    )


def cases(seed: int = 0) -> Iterator[tuple[str, Layer]]:
    """A random layer for each choice of the covering array over all features, with a readable name."""
    for i, choice in enumerate(pairwise(FEATURES, seed)):
        layer = build_layer(np.random.default_rng([seed, i]), choice)
        yield "; ".join(f"{name} {value}" for name, value in choice.items()), layer


@st.composite
def layers(draw: st.DrawFn, **fixed: Any) -> Layer:
    """Layers with any combination of features; ``layers(positions="alibi")`` fixes some of them."""
    choice = {
        name: fixed[name] if name in fixed else draw(st.sampled_from(values)) for name, values in FEATURES.items()
    }
    return build_layer(np.random.default_rng(draw(st.integers(0, 2**32 - 1))), choice)


def encloses(enclosure: Enclosure, exact: Any) -> bool:
    """Whether no ball of an array (or a single one) lies outside of the enclosure; call it at the balls' precision."""
    exact = np.asarray(exact, dtype=object)
    rad = np.broadcast_to(enclosure.rad, enclosure.shape)
    return enclosure.shape == exact.shape and not any(
        (x - flint.arb(float(enclosure.mid[i]))).abs_lower() > flint.arb(float(rad[i])) or not x.is_finite()
        for i, x in np.ndenumerate(exact)
    )
