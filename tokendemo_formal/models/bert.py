"""BERT and the encoders of its layout (J. Devlin et al., 2019), as ``transformers`` stores them.

Post-norm: the attention reads the residual stream as it is, and the norm after it belongs to what is left out. The
embedding's own norm covers token, position and token type (row 0) together.
"""

from __future__ import annotations

from tokendemo_formal.models.family import Architecture, Family, Settings, left_out
from tokendemo_formal.models.files import Config, Tensors
from tokendemo_formal.models.layout import TensorRef, join_heads, split_heads


class Bert(Family):
    """``model_type`` ``"bert"``; tensor names with and without the prefix ``bert.``."""

    name = "BERT"

    def __init__(self, config: Config, weights: Tensors) -> None:
        self.config, self.weights = config, weights
        self.prefix = "bert." if "bert.embeddings.word_embeddings.weight" in weights else ""
        heads, width = config.integer("num_attention_heads"), config.integer("hidden_size")
        if width % heads:
            config.refuse("num_attention_heads", f"a divisor of hidden_size = {width}")
        self.eps = config.number("layer_norm_eps", 1e-12)
        self.context = config.integer("max_position_embeddings")
        self.architecture = Architecture(
            layers=config.integer("num_hidden_layers"),
            heads=heads,
            key_value_heads=heads,
            width=width,
            head_width=width // heads,
            vocabulary=config.integer("vocab_size"),
            context=self.context,
            positions="learned",
            norms=f"LayerNorm of the embeddings, eps {self.eps:g}; none before attention",
            causal=False,
            encoder=True,
        )

    def obstacles(self, index: int) -> tuple[str, ...]:
        found = []
        kind = self.config.get("position_embedding_type")
        if kind not in (None, "absolute"):
            found.append(f"position_embedding_type {kind!r}; only 'absolute' is supported")
        if self.config.flag("is_decoder", False):
            found.append("is_decoder: BERT as a decoder")
        return tuple(found)

    def left_out(self, index: int) -> tuple[str, ...]:
        beyond = [f"The norm after the attention of layer {index} (attention.output.LayerNorm) is left out."]
        heads = sorted({name.split(".")[0] for name in self.weights.names if name.startswith(("cls.", "classifier."))})
        if f"{self.prefix}pooler.dense.weight" in self.weights:
            heads.insert(0, "pooler")
        if heads:
            beyond.append(f"What reads the last layer ({', '.join(heads)}) is left out.")
        return left_out(self.architecture, index, "MLP", beyond)

    def tensors(self, index: int) -> dict[str, TensorRef]:
        d, heads = self.architecture.width, self.architecture.heads
        stream = f"{self.prefix}embeddings."
        attention = f"{self.prefix}encoder.layer.{index}.attention."
        embedding = TensorRef(f"{stream}word_embeddings.weight", (self.architecture.vocabulary, d))
        types = (self.config.integer("type_vocab_size", 2), d)
        # Conversions from the first release kept TensorFlow's names for a norm's gain and bias.
        gain, bias = ("gamma", "beta") if f"{stream}LayerNorm.gamma" in self.weights else ("weight", "bias")
        roles = {
            "embedding": embedding,
            "readout": embedding,
            "wo": join_heads(f"{attention}output.dense.weight", (d, d), heads),
            "bo": TensorRef(f"{attention}output.dense.bias", (d,)),
            "offset": TensorRef(f"{stream}token_type_embeddings.weight", types, slice=(0, 0, 1), shape=(d,)),
            "positions.table": TensorRef(f"{stream}position_embeddings.weight", (self.context, d)),
            "embedding_norm.gain": TensorRef(f"{stream}LayerNorm.{gain}", (d,)),
            "embedding_norm.bias": TensorRef(f"{stream}LayerNorm.{bias}", (d,)),
        }
        for role, name in (("q", "query"), ("k", "key"), ("v", "value")):
            roles[f"w{role}"] = split_heads(f"{attention}self.{name}.weight", (d, d), heads)
            roles[f"b{role}"] = TensorRef(f"{attention}self.{name}.bias", (d,), shape=(heads, d // heads))
        return roles

    def settings(self, index: int) -> Settings:
        return Settings(norms={"embedding_norm": ("layer", self.eps)}, causal=False)
