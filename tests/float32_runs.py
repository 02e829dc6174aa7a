"""Float32 runs of a layer, in NumPy and in torch, in several orders of summation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from tokendemo_formal.attention import Alibi, Layer, Learned, Norm, Rotary, Sinusoidal
from tokendemo_formal.numbers.balls import endpoints
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.question import Question

F32 = np.float32
Array = Any


def forward(x: Array) -> Array:
    """The sum along the last axis, one after the other."""
    return np.cumsum(x, axis=-1, dtype=F32)[..., -1]


def backward(x: Array) -> Array:
    return forward(x[..., ::-1])


def smallest_first(x: Array) -> Array:
    return forward(np.take_along_axis(x, np.abs(x).argsort(axis=-1), axis=-1))


def by_halves(x: Array) -> Array:
    while x.shape[-1] > 1:
        odd = x[..., -1:] if x.shape[-1] % 2 else x[..., :0]
        x = np.concatenate([x[..., :-1:2] + x[..., 1::2], odd], axis=-1)
    return x[..., 0]


ORDERS: dict[str, Callable[[Array], Array]] = {
    "forward": forward,
    "backward": backward,
    "smallest first": smallest_first,
    "by halves": by_halves,
}


@dataclass
class Run:
    """A float32 run in NumPy: ``total`` sums along the last axis; ``plain`` chooses among the ways that are allowed."""

    layer: Layer
    total: Callable[[Array], Array]
    plain: bool

    def dot(self, x: Array, w: Any, b: Any = None) -> Array:
        w = np.asarray(w, dtype=F32)
        products = x[..., None, :] * w.T
        if b is None:
            return self.total(products)
        bias = np.broadcast_to(np.asarray(b, dtype=F32)[:, None], (*products.shape[:-1], 1))
        return self.total(np.concatenate([bias, products] if self.plain else [products, bias], axis=-1))

    def norm(self, norm: Norm | None, x: Array) -> Array:
        if norm is None:
            return x
        d, eps = F32(x.shape[-1]), F32(norm.eps)
        mean = self.total(x)[..., None] / d if norm.centred else F32(0)
        if self.plain:
            centred = x - mean
            y = centred / np.sqrt(self.total(centred * centred)[..., None] / d + eps)
        else:
            factor = F32(1) / np.sqrt(self.total(x * x)[..., None] / d - mean * mean + eps)
            y = x * factor - mean * factor
        y = y * norm.gain.astype(F32)
        return y if norm.bias is None else y + norm.bias.astype(F32)

    def waves(self, base: float, i: int, dims: int, position: int) -> tuple[Any, Any]:
        angle = F32(position) * (F32(1) / F32(base) ** (F32(2 * i) / F32(dims)))
        return np.cos(angle), np.sin(angle)

    def row(self, token: int, position: int) -> Array:
        layer, places = self.layer, self.layer.positions
        terms = [layer.embedding[token].astype(F32)]
        if layer.offset is not None:
            terms.append(layer.offset.astype(F32))
        if isinstance(places, Learned):
            terms.append(places.table[position].astype(F32))
        if isinstance(places, Sinusoidal):
            waves = [self.waves(places.base, i // 2, layer.width, position) for i in range(layer.width)]
            terms.append(np.array([w[0] if i % 2 else w[1] for i, w in enumerate(waves)], dtype=F32))
        return self.norm(layer.embedding_norm, self.total(np.stack(terms, axis=-1)))

    def turned(self, x: Array, position: int) -> Array:
        rotary = self.layer.positions
        if not isinstance(rotary, Rotary):
            return x
        dims, x = (x.shape[-1] if rotary.dims is None else rotary.dims), x.copy()
        for i in range(dims // 2):
            a, b = (i, i + dims // 2) if rotary.pairing == "half" else (2 * i, 2 * i + 1)
            cos, sin = self.waves(rotary.base, i, dims, position)
            x[a], x[b] = x[a] * cos - x[b] * sin, x[b] * cos + x[a] * sin
        return x

    def logits(self, question: Question, tokens: tuple[int, ...], reader: int) -> tuple[Any, Any]:
        layer, readout = self.layer, question.readout
        seen = [p for p in range(len(tokens)) if layer.sees(reader, p)]
        own = self.row(tokens[reader], reader)
        y = {p: self.norm(layer.pre_norm, self.row(tokens[p], p)) for p in {*seen, reader}}
        factor = np.sqrt(F32(float(layer.scale_squared or Fraction(1, layer.wq.shape[2])))) / F32(layer.temperature)
        outputs = []
        for h in range(layer.heads):
            g = layer.group_of(h)
            q = self.dot(y[reader], layer.wq[h], None if layer.bq is None else layer.bq[h])
            q = self.turned(self.norm(layer.query_norm, q), reader)
            keys, values, biases = [], [], []
            for p in seen:
                k = self.dot(y[p], layer.wk[g], None if layer.bk is None else layer.bk[g])
                keys.append(self.turned(self.norm(layer.key_norm, k), p))
                values.append(self.dot(y[p], layer.wv[g], None if layer.bv is None else layer.bv[g]))
                bias = F32(0)
                if isinstance(layer.positions, Alibi):
                    bias -= F32(layer.positions.slopes[h]) * F32(abs(reader - p))
                if layer.score_bias is not None:
                    bias += F32(layer.score_bias[h, reader, p])
                biases.append(bias)
            k, v, bias = np.stack(keys), np.stack(values), np.array(biases, dtype=F32)
            scores = (self.total(q * k) * factor if self.plain else self.total(q * factor * k)) + bias
            e = np.exp(scores - scores.max())
            if self.plain:
                outputs.append(self.total((v * (e / self.total(e))[:, None]).T))
            else:
                outputs.append(self.total((v * e[:, None]).T) / self.total(e))
        mixed = np.concatenate(outputs)
        z = self.dot(mixed, layer.wo.reshape(len(mixed), -1), layer.bo)
        z = z + own if layer.residual else z
        z = self.norm(layer.final_norm if readout.final_norm else None, z)
        rows = zip((readout.toward, readout.against), (readout.toward_bias, readout.against_bias), strict=True)
        return tuple(self.dot(z, row.reshape(-1, 1), np.array([bias]))[0] for row, bias in rows)  # type: ignore[return-value]


def torch_logits(question: Question, tokens: tuple[int, ...], reader: int) -> tuple[Any, Any]:
    """By torch's own layer_norm, linear and scaled_dot_product_attention, for layers without rotation and QK-norm."""
    layer, readout = question.layer, question.readout

    def t(x: Any) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.asarray(x, dtype=F32)))

    def norm(norm: Norm | None, x: torch.Tensor) -> torch.Tensor:
        if norm is None:
            return x
        bias = None if norm.bias is None else t(norm.bias)
        if norm.centred:
            return torch.nn.functional.layer_norm(x, x.shape[-1:], t(norm.gain), bias, norm.eps)
        y = torch.nn.functional.rms_norm(x, x.shape[-1:], t(norm.gain), norm.eps)
        return y if bias is None else y + bias

    seen = [p for p in range(len(tokens)) if layer.sees(reader, p)]
    x = t(layer.embedding)[list(tokens)]
    if layer.offset is not None:
        x = x + t(layer.offset)
    if isinstance(layer.positions, Learned):
        x = x + t(layer.positions.table)[: len(tokens)]
    own = norm(layer.embedding_norm, x)
    y = norm(layer.pre_norm, own)
    share = layer.heads // layer.groups

    def heads(w: Any, b: Any, rows: torch.Tensor) -> torch.Tensor:
        joined, n = t(np.concatenate([*w], axis=1).T), len(w)
        out = torch.nn.functional.linear(rows, joined, None if b is None else t(np.concatenate([*b])))
        return out.reshape(len(rows), n, -1).transpose(0, 1)

    q = heads(layer.wq, layer.bq, y[[reader]])
    k, v = (heads(w, b, y[seen]).repeat_interleave(share, 0) for w, b in ((layer.wk, layer.bk), (layer.wv, layer.bv)))
    bias = torch.zeros(layer.heads, 1, len(seen))
    if isinstance(layer.positions, Alibi):
        bias = bias - t(layer.positions.slopes)[:, None, None] * t([abs(reader - p) for p in seen])
    if layer.score_bias is not None:
        bias = bias + t(layer.score_bias)[:, [reader]][:, :, seen]
    scale = float(layer.scale_squared or Fraction(1, layer.wq.shape[2])) ** 0.5 / layer.temperature
    mixed = torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None], bias[None], scale=scale)[0]
    z = torch.nn.functional.linear(
        mixed.transpose(0, 1).reshape(1, -1),
        t(layer.wo.reshape(-1, layer.width).T),
        None if layer.bo is None else t(layer.bo),
    )
    z = norm(layer.final_norm if readout.final_norm else None, z + own[[reader]] if layer.residual else z)
    logits = torch.nn.functional.linear(
        z, t([readout.toward, readout.against]), t([readout.toward_bias, readout.against_bias])
    )
    return logits[0, 0].item(), logits[0, 1].item()


def by_torch(layer: Layer) -> bool:
    plain = layer.positions is None or isinstance(layer.positions, (Learned, Alibi))
    return plain and layer.query_norm is None and layer.key_norm is None


def distances(question: Question, assignment: tuple[int, ...]) -> Iterator[float]:
    """How far each run's difference of logits is from the exact one."""
    prompt = question.with_slots(len(assignment)).prompt(len(assignment))
    tokens = prompt.filled(assignment)
    asked = replace(question, readout=replace(question.readout, threshold=Fraction(0)))
    exact = sum(endpoints(ExactGain(asked).gain(tokens, prompt.reader, 128))) / 2
    for total, plain in itertools.product(ORDERS.values(), (True, False)):
        toward, against = Run(question.layer, total, plain).logits(question, tokens, prompt.reader)
        yield abs(float(Fraction(float(F32(toward) - F32(against))) - exact))
    if by_torch(question.layer):
        toward, against = torch_logits(question, tokens, prompt.reader)
        yield abs(float(Fraction(toward) - Fraction(against) - exact))
