"""The bound of the scores: never below a score, met where states lie along the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokendemo_formal.attention import Layer, Norm, Rotary
from tokendemo_formal.errors import InputError, UnsupportedError
from tokendemo_formal.score_bounds import main, score_bounds


def normed(norm: Norm, x: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True) if norm.kind == "layer" else x
    y = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + norm.eps) * norm.gain
    return y if norm.bias is None else y + norm.bias


def turned(x: Any, angle: float, pairing: str) -> Any:
    """One plane, of two coordinates: both pairings are the same."""
    assert pairing in ("half", "adjacent")
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([x[..., 0] * cos - x[..., 1] * sin, x[..., 0] * sin + x[..., 1] * cos], -1)


def built(rng: Any, kind: Any, positions: Any = None, heads: int = 2, d: int = 4, dh: int = 2, **more: Any) -> Layer:
    norm = Norm(kind, rng.normal(size=d), rng.normal(size=d) if kind == "layer" else None, 1e-5)
    return Layer(
        embedding=rng.normal(size=(5, d)),
        wq=rng.normal(size=(heads, d, dh)),
        wk=rng.normal(size=(1, d, dh)),
        wv=rng.normal(size=(1, d, dh)),
        wo=rng.normal(size=(heads, dh, d)),
        bq=rng.normal(size=(heads, dh)),
        positions=positions,
        **{"pre_norm": norm, **more},
    )


def scores(layer: Layer, query: Any, keys: Any, angle: float) -> Any:
    """(heads, keys), straight from the definition."""
    norm = layer.pre_norm
    assert norm is not None
    assert layer.bq is not None
    q = np.einsum("d,hde->he", normed(norm, query), layer.wq) + layer.bq
    k = np.einsum("nd,de->ne", normed(norm, keys), layer.wk[0])
    if isinstance(layer.positions, Rotary):
        k = turned(k, angle, layer.positions.pairing)
    return np.einsum("he,ne->hn", q, k) / np.sqrt(layer.wq.shape[2]) / layer.temperature


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["layer", "rms"]),
    st.sampled_from([None, Rotary(), Rotary(pairing="adjacent")]),
    st.floats(-3, 3),
)
def test_no_score_exceeds_the_bound(seed: int, kind: str, positions: Any, size: float) -> None:
    rng = np.random.default_rng(seed)
    layer = built(rng, kind, positions, temperature=0.5)
    states = rng.normal(size=(20, 4)) * 10**size
    found = scores(layer, states[0], states, angle=float(rng.uniform(0, 7)))
    bounds = np.array(score_bounds(layer))
    assert (np.abs(found) <= bounds[:, None] * (1 + 1e-9)).all()


@pytest.mark.parametrize("positions", [None, Rotary(), Rotary(pairing="adjacent")])
def test_states_along_the_weights_meet_the_bound(positions: Any) -> None:
    rng = np.random.default_rng(7)
    wq, wk = np.zeros((1, 4, 2)), np.zeros((1, 4, 2))
    wq[0, :, 0], wk[0, :, 0] = [1.0, 2.0, -1.0, 0.5], [3.0, -1.0, 0.25, 1.0]
    plain = Norm("rms", np.ones(4), None, 1e-5)
    layer = built(rng, "rms", positions, heads=1, pre_norm=plain)
    layer = Layer(**{**layer.__dict__, "wq": wq, "wk": wk, "bq": np.array([[2.0, 0.0]])})
    found = scores(layer, 1e6 * wq[0, :, 0], 1e6 * wk[0, :, 0][None], angle=0.0)
    assert score_bounds(layer)[0] == pytest.approx(found[0, 0], rel=1e-9)
    assert score_bounds(layer)[0] >= found[0, 0] * (1 - 1e-12)


def test_qk_norm_is_bounded_by_its_gains() -> None:
    rng = np.random.default_rng(3)
    norm = Norm("rms", np.array([2.0, -3.0]), None, 1e-5)
    layer = built(rng, "rms", pre_norm=None, query_norm=norm, key_norm=norm)
    for bound in score_bounds(layer):
        assert bound == pytest.approx(9 * np.sqrt(2))
    with pytest.raises(UnsupportedError, match="rotary"):
        score_bounds(Layer(**{**layer.__dict__, "positions": Rotary()}))


def test_scores_without_a_norm_are_not_bounded() -> None:
    with pytest.raises(InputError, match="no norm"):
        score_bounds(built(np.random.default_rng(0), "rms", pre_norm=None))


def test_the_command_prints_every_head(capsys: Any) -> None:
    assert main(["bundled:guard"]) == 0
    heads = capsys.readouterr().out.splitlines()[1:]
    assert len(heads) >= 4
    assert all("10^-" in line for line in heads)
    assert main(["no such model"]) == 2
    assert "no such model" in capsys.readouterr().err
