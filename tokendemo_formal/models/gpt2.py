"""GPT-2 (A. Radford et al., 2019), as ``transformers`` stores it.

Its linear maps are ``Conv1D``: weights are (d_in, d_out), the transpose of a linear layer's. The causal mask buffers
``h.*.attn.bias`` that old files carry are never read.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from tokendemo_formal.attention import Layer, Learned, Norm
from tokendemo_formal.models.family import Architecture, Family, join_heads, left_out, split_heads, unembedding
from tokendemo_formal.models.files import Config, Tensors


class GPT2(Family):
    """``model_type`` ``"gpt2"``; tensor names with and without the prefix ``transformer.``."""

    name = "GPT-2"

    def __init__(self, config: Config, tensors: Tensors) -> None:
        self.config, self.tensors = config, tensors
        self.prefix = "transformer." if "transformer.wte.weight" in tensors else ""
        heads, width = config.integer("n_head"), config.integer("n_embd")
        if width % heads:
            config.refuse("n_head", f"a divisor of n_embd = {width}")
        self.eps = config.number("layer_norm_epsilon", 1e-5)
        self.context = config.integer("n_positions")
        self.architecture = Architecture(
            layers=config.integer("n_layer"),
            heads=heads,
            key_value_heads=heads,
            width=width,
            head_width=width // heads,
            vocabulary=config.integer("vocab_size"),
            context=self.context,
            positions="learned",
            norms=f"LayerNorm before attention and before the unembedding, eps {self.eps:g}",
            causal=True,
            encoder=False,
        )

    def obstacles(self, index: int) -> tuple[str, ...]:
        return (
            ("add_cross_attention: layers that read a second sequence",)
            if self.config.flag("add_cross_attention", False)
            else ()
        )

    def left_out(self, index: int) -> tuple[str, ...]:
        return left_out(self.architecture, index, "MLP")

    def _norm(self, name: str) -> Norm:
        shape = (self.architecture.width,)
        return Norm(
            "layer", self.tensors.read(f"{name}.weight", shape), self.tensors.read(f"{name}.bias", shape), self.eps
        )

    def layer(self, index: int) -> Layer:
        a, read, config = self.architecture, self.tensors.read, self.config
        d, heads = a.width, a.heads
        attention = f"{self.prefix}h.{index}.attn."
        joined = read(f"{attention}c_attn.weight", (d, 3 * d)).T
        wq, wk, wv = (split_heads(part, heads) for part in np.split(joined, 3))
        bq, bk, bv = (part.reshape(heads, -1) for part in np.split(read(f"{attention}c_attn.bias", (3 * d,)), 3))
        embedding = read(f"{self.prefix}wte.weight", (a.vocabulary, d))
        scale_squared = Fraction(1, a.head_width) if config.flag("scale_attn_weights", True) else Fraction(1)
        if config.flag("scale_attn_by_inverse_layer_idx", False):
            scale_squared /= (index + 1) ** 2
        return Layer(
            embedding=embedding,
            wq=wq,
            wk=wk,
            wv=wv,
            wo=join_heads(read(f"{attention}c_proj.weight", (d, d)).T, heads),
            bq=bq,
            bk=bk,
            bv=bv,
            bo=read(f"{attention}c_proj.bias", (d,)),
            positions=Learned(read(f"{self.prefix}wpe.weight", (self.context, d))),
            pre_norm=self._norm(f"{self.prefix}h.{index}.ln_1"),
            scale_squared=scale_squared,
            final_norm=self._norm(f"{self.prefix}ln_f"),
            unembedding=unembedding(config, self.tensors, embedding, tied_by_default=True),
        )
