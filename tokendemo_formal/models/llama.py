"""Llama (H. Touvron et al., 2023), as ``transformers`` stores it: RMSNorm, rotary positions, grouped key/value heads.

Rotary angles here are those of real arithmetic; deployments compute them in float32, which shifts attention weights
by some 1e-6.
"""

from __future__ import annotations

from tokendemo_formal.attention import Layer, Norm, Rotary, Weights
from tokendemo_formal.errors import ModelFileError
from tokendemo_formal.models.family import Architecture, Family, join_heads, left_out, split_heads, unembedding
from tokendemo_formal.models.files import Config, Tensors


class Llama(Family):
    """``model_type`` ``"llama"``; tensor names with and without the prefix ``model.``."""

    name = "Llama"

    def __init__(self, config: Config, tensors: Tensors) -> None:
        self.config, self.tensors = config, tensors
        self.prefix = "" if "embed_tokens.weight" in tensors else "model."
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
            kind = table.get("rope_type", table.get("type"))
            if kind not in (None, "none", "default"):
                found.append(f"{key}: rotary scaling {kind!r}; only 'default' is supported")
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

    def _norm(self, name: str) -> Norm:
        return Norm("rms", self.tensors.read(name, (self.architecture.width,)), None, self.eps)

    def layer(self, index: int) -> Layer:
        a, read = self.architecture, self.tensors.read
        d, queries, keys = a.width, a.heads * a.head_width, a.key_value_heads * a.head_width
        attention = f"{self.prefix}layers.{index}.self_attn."
        biased = self.config.flag("attention_bias", False)

        def bias(name: str, heads: int) -> Weights | None:
            return read(f"{attention}{name}.bias", (heads * a.head_width,)).reshape(heads, -1) if biased else None

        embedding = read(f"{self.prefix}embed_tokens.weight", (a.vocabulary, d))
        return Layer(
            embedding=embedding,
            wq=split_heads(read(f"{attention}q_proj.weight", (queries, d)), a.heads),
            wk=split_heads(read(f"{attention}k_proj.weight", (keys, d)), a.key_value_heads),
            wv=split_heads(read(f"{attention}v_proj.weight", (keys, d)), a.key_value_heads),
            wo=join_heads(read(f"{attention}o_proj.weight", (d, queries)), a.heads),
            bq=bias("q_proj", a.heads),
            bk=bias("k_proj", a.key_value_heads),
            bv=bias("v_proj", a.key_value_heads),
            bo=read(f"{attention}o_proj.bias", (d,)) if biased else None,
            positions=Rotary(base=self.base),
            pre_norm=self._norm(f"{self.prefix}layers.{index}.input_layernorm.weight"),
            final_norm=self._norm(f"{self.prefix}norm.weight"),
            unembedding=unembedding(self.config, self.tensors, embedding, tied_by_default=False),
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
