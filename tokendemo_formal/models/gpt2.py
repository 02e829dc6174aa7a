"""GPT-2 (A. Radford et al., 2019), as ``transformers`` stores it.

Its linear maps are ``Conv1D``: weights are (d_in, d_out), the transpose of a linear layer's. The causal mask buffers
``h.*.attn.bias`` that old files carry are never read.
"""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.models.family import Architecture, Family, Settings, left_out, readout
from tokendemo_formal.models.files import Config, Tensors
from tokendemo_formal.models.layout import TensorRef


class GPT2(Family):
    """``model_type`` ``"gpt2"``; tensor names with and without the prefix ``transformer.``."""

    name = "GPT-2"

    def __init__(self, config: Config, weights: Tensors) -> None:
        self.config, self.weights = config, weights
        self.prefix = "transformer." if "transformer.wte.weight" in weights else ""
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

    def tensors(self, index: int) -> dict[str, TensorRef]:
        a = self.architecture
        d, heads, width = a.width, a.heads, a.head_width
        block = f"{self.prefix}h.{index}."
        embedding = TensorRef(f"{self.prefix}wte.weight", (a.vocabulary, d))
        roles = {
            "embedding": embedding,
            "readout": readout(self.config, self.weights, embedding, tied_by_default=True),
            "wo": TensorRef(f"{block}attn.c_proj.weight", (d, d), shape=(heads, width, d)),
            "bo": TensorRef(f"{block}attn.c_proj.bias", (d,)),
            "positions.table": TensorRef(f"{self.prefix}wpe.weight", (self.context, d)),
        }
        for i, role in enumerate("qkv"):
            part = (i * d, (i + 1) * d)
            roles[f"w{role}"] = TensorRef(
                f"{block}attn.c_attn.weight", (d, 3 * d), slice=(1, *part), shape=(d, heads, width), order=(1, 0, 2)
            )
            roles[f"b{role}"] = TensorRef(f"{block}attn.c_attn.bias", (3 * d,), slice=(0, *part), shape=(heads, width))
        for norm, name in (("pre_norm", f"{block}ln_1"), ("final_norm", f"{self.prefix}ln_f")):
            roles[f"{norm}.gain"] = TensorRef(f"{name}.weight", (d,))
            roles[f"{norm}.bias"] = TensorRef(f"{name}.bias", (d,))
        return roles

    def settings(self, index: int) -> Settings:
        scaled = self.config.flag("scale_attn_weights", True)
        scale_squared = Fraction(1, self.architecture.head_width) if scaled else Fraction(1)
        if self.config.flag("scale_attn_by_inverse_layer_idx", False):
            scale_squared /= (index + 1) ** 2
        return Settings(
            norms={"pre_norm": ("layer", self.eps), "final_norm": ("layer", self.eps)}, scale_squared=scale_squared
        )
