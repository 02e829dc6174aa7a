"""Llama (H. Touvron et al., 2023), as ``transformers`` stores it: RMSNorm, rotary positions, grouped key/value heads.

Rotary angles here are those of real arithmetic; deployments compute them in float32, which shifts attention weights
by some 1e-6.
"""

from __future__ import annotations

from tokendemo_formal.attention import Rotary
from tokendemo_formal.errors import ModelFileError
from tokendemo_formal.models.family import Architecture, Family, Settings, left_out, readout
from tokendemo_formal.models.files import Config, Tensors
from tokendemo_formal.models.layout import TensorRef, join_heads, split_heads


class Llama(Family):
    """``model_type`` ``"llama"``; tensor names with and without the prefix ``model.``."""

    name = "Llama"

    def __init__(self, config: Config, weights: Tensors) -> None:
        self.config, self.weights = config, weights
        self.prefix = "" if "embed_tokens.weight" in weights else "model."
        heads, width = config.integer("num_attention_heads"), config.integer("hidden_size")
        groups = config.integer("num_key_value_heads", heads)
        if heads % groups:
            config.refuse("num_key_value_heads", f"a divisor of num_attention_heads = {heads}")
        if config.get("head_dim") is None and width % heads:
            config.refuse("num_attention_heads", f"a divisor of hidden_size = {width}, or head_dim")
        self.eps = config.number("rms_norm_eps", 1e-6)
        self.base = _rotary_base(config)
        self.architecture = Architecture(
            layers=config.integer("num_hidden_layers"),
            heads=heads,
            key_value_heads=groups,
            width=width,
            head_width=config.integer("head_dim", width // heads),
            vocabulary=config.integer("vocab_size"),
            context=config.integer("max_position_embeddings"),
            positions=f"rotary, pairs by halves, base {self.base:g}",
            norms=f"RMSNorm before attention and before the unembedding, eps {self.eps:g}",
            causal=True,
            encoder=False,
        )
        if self.architecture.head_width % 2:
            config.refuse("head_dim", f"an even number, found {self.architecture.head_width}")

    def obstacles(self, index: int) -> tuple[str, ...]:
        found = []
        for key in ("rope_scaling", "rope_parameters"):
            table = self.config.table(key)
            kinds = [table[name] for name in ("rope_type", "type") if table.get(name) is not None]
            found += [
                f"{key}: rotary scaling {kind!r}; only 'default' is supported"
                for kind in kinds
                if kind not in ("none", "default")
            ]
            if not kinds and (
                unknown := sorted(table.keys() - {"rope_theta", "partial_rotary_factor", "rope_type", "type"})
            ):
                found.append(f"{key}: {', '.join(unknown)} without a rope_type; state one")
            if any(isinstance(value, dict) for value in table.values()):
                found.append(f"{key}: rotary positions that differ from layer to layer")
        fractions = [table.get("partial_rotary_factor") for table in (self.config.values, *_rotary_tables(self.config))]
        if any(fraction not in (None, 1) for fraction in fractions):
            found.append("partial_rotary_factor: heads that turn only in part")
        if self.config.get("sliding_window") is not None:
            found.append(f"sliding_window {self.config.get('sliding_window')!r}: local attention")
        return tuple(found)

    def left_out(self, index: int) -> tuple[str, ...]:
        return left_out(self.architecture, index, "MLP")

    def tensors(self, index: int) -> dict[str, TensorRef]:
        a = self.architecture
        d, queries = a.width, a.heads * a.head_width
        block = f"{self.prefix}layers.{index}."
        attention = f"{block}self_attn."
        biased = self.config.flag("attention_bias", False)
        embedding = TensorRef(f"{self.prefix}embed_tokens.weight", (a.vocabulary, d))
        roles = {
            "embedding": embedding,
            "readout": readout(self.config, self.weights, embedding, tied_by_default=False),
            "wo": join_heads(f"{attention}o_proj.weight", (d, queries), a.heads),
            "pre_norm.gain": TensorRef(f"{block}input_layernorm.weight", (d,)),
            "final_norm.gain": TensorRef(f"{self.prefix}norm.weight", (d,)),
        }
        if biased:
            roles["bo"] = TensorRef(f"{attention}o_proj.bias", (d,))
        for role, heads in (("q", a.heads), ("k", a.key_value_heads), ("v", a.key_value_heads)):
            name, rows = f"{attention}{role}_proj", heads * a.head_width
            roles[f"w{role}"] = split_heads(f"{name}.weight", (rows, d), heads)
            if biased:
                roles[f"b{role}"] = TensorRef(f"{name}.bias", (rows,), shape=(heads, a.head_width))
        return roles

    def settings(self, index: int) -> Settings:
        return Settings(
            positions=Rotary(base=self.base),
            norms={"pre_norm": ("rms", self.eps), "final_norm": ("rms", self.eps)},
        )


def _rotary_tables(config: Config) -> list[dict[str, object]]:
    return [config.table("rope_parameters"), config.table("rope_scaling")]


def _rotary_base(config: Config) -> float:
    """``rope_theta``, at the top or inside rope_parameters (transformers 5) or rope_scaling; 10000 where absent."""
    tables = [dict(config.values), *_rotary_tables(config)]
    stated = {
        Config(config.path, table).number("rope_theta") for table in tables if table.get("rope_theta") is not None
    }
    if len(stated) > 1:
        raise ModelFileError(f"{config.path}: rope_theta is stated twice, as {sorted(stated)}; expected one value")
    return stated.pop() if stated else 10000.0
