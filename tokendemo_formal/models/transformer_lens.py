"""HookedTransformer state dicts of TransformerLens (N. Nanda and J. Bloom, 2022), with its configuration as JSON.

The configuration decides, never the buffers: ``mask`` and ``IGNORE`` differ from version to version (a lower triangle
is stored even where attention is bidirectional) and are not read. ``LNPre`` and ``RMSPre`` mean that the norm's gain
and bias were folded into the weights, so the norm has a gain of ones.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

from tokendemo_formal.attention import Rotary
from tokendemo_formal.models.family import Architecture, Family, Norms, Settings, left_out
from tokendemo_formal.models.files import Config, Tensors
from tokendemo_formal.models.layout import TensorRef, constant

KEYS = ("n_layers", "d_model", "d_head", "n_heads")
"""The keys that tell such a configuration, which names no model type."""

UNSUPPORTED: dict[str, tuple[object, ...]] = {
    "attn_scores_soft_cap": (-1.0, 0.0),
    "output_logits_soft_cap": (-1.0, 0.0),
    "use_normalization_before_and_after": (False,),
    "use_NTK_by_parts_rope": (False,),
    "rotary_base_local": (),
    "load_in_4bit": (False,),
}
"""Keys that change the computation, and the values (beside null) that switch them off."""


class TransformerLens(Family):
    """A configuration with ``n_layers``, ``d_model``, ``d_head`` and ``n_heads``."""

    name = "TransformerLens"

    def __init__(self, config: Config, weights: Tensors) -> None:
        self.config, self.weights = config, weights
        heads = config.integer("n_heads")
        groups = config.integer("n_key_value_heads", heads)
        if heads % groups:
            config.refuse("n_key_value_heads", f"a divisor of n_heads = {heads}")
        self.grouped = config.get("n_key_value_heads") is not None
        self.eps = config.number("eps", 1e-5)
        self.norm_type = None
        if config.get("normalization_type") is not None:
            self.norm_type = config.choice("normalization_type", None, "LN", "LNPre", "RMS", "RMSPre")
        self.positions = config.choice(
            "positional_embedding_type",
            "standard",
            "standard",
            "rotary",
            "alibi",
            "shortformer",
            "relative_positional_bias",
        )
        direction = config.choice("attention_dir", "causal", "causal", "bidirectional")
        vocabulary = config.integer("d_vocab")
        out = config.get("d_vocab_out")
        self.vocabulary_out = vocabulary if out in (None, -1) else config.integer("d_vocab_out")
        self.context = config.integer("n_ctx")
        self.architecture = Architecture(
            layers=config.integer("n_layers"),
            heads=heads,
            key_value_heads=groups,
            width=config.integer("d_model"),
            head_width=config.integer("d_head"),
            vocabulary=vocabulary,
            context=self.context,
            positions={"standard": "learned"}.get(self.positions, self.positions),
            norms="none"
            if self.norm_type is None
            else f"{self.norm_type} before attention and unembedding, eps {self.eps:g}",
            causal=direction == "causal",
            encoder=False,
        )

    def obstacles(self, index: int) -> tuple[str, ...]:
        config, a = self.config, self.architecture
        found = [
            f"{key} = {config.get(key)!r}"
            for key, off in UNSUPPORTED.items()
            if config.get(key) is not None and config.get(key) not in off
        ]
        if self.positions in ("shortformer", "relative_positional_bias"):
            found.append(f"positional_embedding_type {self.positions!r}")
        if self.positions == "alibi" and not a.causal:
            found.append("ALiBi with bidirectional attention, where later positions get no bias")
        if self.positions == "alibi" and a.heads & (a.heads - 1):
            found.append(f"ALiBi with {a.heads} heads, no power of two")
        if config.flag("post_embedding_ln", False) and self.positions == "standard":
            found.append("post_embedding_ln with learned positions, which are added after that norm")
        if config.flag("use_local_attn", False):
            kinds = config.get("attn_types")
            if not isinstance(kinds, list) or len(kinds) != a.layers:
                config.refuse("attn_types", f"a list of {a.layers} kinds, since use_local_attn is true")
            if kinds[index] != "global":
                found.append(f"use_local_attn: layer {index} sees a window of {config.get('window_size')} positions")
        return tuple(found)

    def left_out(self, index: int) -> tuple[str, ...]:
        mlp = "parallel MLP" if self.config.flag("parallel_attn_mlp", False) else "MLP"
        return left_out(self.architecture, index, None if self.config.flag("attn_only", False) else mlp)

    def tensors(self, index: int) -> dict[str, TensorRef]:
        a = self.architecture
        d, heads, groups, dh = a.width, a.heads, a.key_value_heads, a.head_width
        attention = f"blocks.{index}.attn."
        shared = f"{attention}_" if self.grouped else attention
        roles = {
            "embedding": TensorRef("embed.W_E", (a.vocabulary, d)),
            "readout": TensorRef("unembed.W_U", (d, self.vocabulary_out), order=(1, 0)),
            "readout_bias": TensorRef("unembed.b_U", (self.vocabulary_out,)),
            "wq": TensorRef(f"{attention}W_Q", (heads, d, dh)),
            "wk": TensorRef(f"{shared}W_K", (groups, d, dh)),
            "wv": TensorRef(f"{shared}W_V", (groups, d, dh)),
            "wo": TensorRef(f"{attention}W_O", (heads, dh, d)),
            "bq": TensorRef(f"{attention}b_Q", (heads, dh)),
            "bk": TensorRef(f"{shared}b_K", (groups, dh)),
            "bv": TensorRef(f"{shared}b_V", (groups, dh)),
            "bo": TensorRef(f"{attention}b_O", (d,)),
        }
        if self.positions == "standard":
            roles["positions.table"] = TensorRef("pos_embed.W_pos", (self.context, d))
        if self.positions == "alibi":
            roles["positions.slopes"] = constant("slopes", heads)
        folded = self.norm_type in ("LNPre", "RMSPre")
        names = {
            "embedding_norm": ("embed.ln", d, False),
            "pre_norm": (f"blocks.{index}.ln1", d, folded),
            "query_norm": (f"{attention}q_norm", dh, False),
            "key_norm": (f"{attention}k_norm", dh, False),
            "final_norm": ("ln_final", d, folded),
        }
        for norm, (kind, _) in self.settings(index).norms.items():
            name, width, ones = names[norm]
            roles[f"{norm}.gain"] = constant("ones", width) if ones else TensorRef(f"{name}.w", (width,))
            if kind == "layer" and not ones:
                roles[f"{norm}.bias"] = TensorRef(f"{name}.b", (width,))
        return roles

    def settings(self, index: int) -> Settings:
        flag = self.config.flag
        norms: Norms = {}
        if flag("post_embedding_ln", False):
            norms["embedding_norm"] = ("layer", self.eps)
        if flag("use_qk_norm", False):
            norms["query_norm"] = norms["key_norm"] = ("rms", self.eps)
        if self.norm_type is not None:
            kind: Literal["layer", "rms"] = "rms" if self.norm_type.startswith("RMS") else "layer"
            norms["pre_norm"] = (kind, self.eps)
            norms["final_norm"] = ("rms" if flag("final_rms", False) else kind, self.eps)
        return Settings(
            positions=self._rotary() if self.positions == "rotary" else None,
            norms=norms,
            scale_squared=self._scale_squared(index),
            causal=self.architecture.causal,
        )

    def _rotary(self) -> Rotary:
        dims = None if self.config.get("rotary_dim") is None else self.config.integer("rotary_dim")
        adjacent = self.config.flag("rotary_adjacent_pairs", False)
        return Rotary(self.config.number("rotary_base", 10000), "adjacent" if adjacent else "half", dims)

    def _scale_squared(self, index: int) -> Fraction:
        """1 / attn_scale², where the float nearest to the root of d_head stands for that root itself."""
        config, dh = self.config, self.architecture.head_width
        scale_squared = Fraction(1)
        if config.flag("use_attn_scale", True):
            stated = config.get("attn_scale")
            scale = math.sqrt(dh) if stated in (None, -1.0) else config.number("attn_scale")
            scale_squared = Fraction(1, dh) if scale == math.sqrt(dh) else 1 / Fraction(scale) ** 2
        if config.flag("scale_attn_by_inverse_layer_idx", False):
            scale_squared /= (index + 1) ** 2
        return scale_squared
