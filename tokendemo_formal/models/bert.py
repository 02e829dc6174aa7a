"""BERT and the encoders of its layout (J. Devlin et al., 2019), as ``transformers`` stores them.

Post-norm: the attention reads the residual stream as it is, and the norm after it belongs to what is left out. The
embedding's own norm covers token, position and token type (row 0) together.
"""

from __future__ import annotations

from tokendemo_formal.attention import Layer, Learned, Norm
from tokendemo_formal.models.family import Architecture, Family, join_heads, left_out, split_heads
from tokendemo_formal.models.files import Config, Tensors


class Bert(Family):
    """``model_type`` ``"bert"``; tensor names with and without the prefix ``bert.``."""

    name = "BERT"

    def __init__(self, config: Config, tensors: Tensors) -> None:
        self.config, self.tensors = config, tensors
        self.prefix = "bert." if "bert.embeddings.word_embeddings.weight" in tensors else ""
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
        heads = sorted({name.split(".")[0] for name in self.tensors.names if name.startswith(("cls.", "classifier."))})
        if f"{self.prefix}pooler.dense.weight" in self.tensors:
            heads.insert(0, "pooler")
        if heads:
            beyond.append(f"What reads the last layer ({', '.join(heads)}) is left out.")
        return left_out(self.architecture, index, "MLP", beyond)

    def layer(self, index: int) -> Layer:
        a, read = self.architecture, self.tensors.read
        d, heads = a.width, a.heads
        stream = f"{self.prefix}embeddings."
        attention = f"{self.prefix}encoder.layer.{index}.attention."
        types = self.config.integer("type_vocab_size", 2)
        projected = {
            name: (
                split_heads(read(f"{attention}self.{name}.weight", (d, d)), heads),
                read(f"{attention}self.{name}.bias", (d,)).reshape(heads, -1),
            )
            for name in ("query", "key", "value")
        }
        # Conversions from the first release kept TensorFlow's names for a norm's gain and bias.
        old = f"{stream}LayerNorm.gamma" in self.tensors
        return Layer(
            embedding=read(f"{stream}word_embeddings.weight", (a.vocabulary, d)),
            wq=projected["query"][0],
            wk=projected["key"][0],
            wv=projected["value"][0],
            wo=join_heads(read(f"{attention}output.dense.weight", (d, d)), heads),
            bq=projected["query"][1],
            bk=projected["key"][1],
            bv=projected["value"][1],
            bo=read(f"{attention}output.dense.bias", (d,)),
            offset=read(f"{stream}token_type_embeddings.weight", (types, d))[0],
            positions=Learned(read(f"{stream}position_embeddings.weight", (self.context, d))),
            embedding_norm=Norm(
                "layer",
                read(f"{stream}LayerNorm.{'gamma' if old else 'weight'}", (d,)),
                read(f"{stream}LayerNorm.{'beta' if old else 'bias'}", (d,)),
                self.eps,
            ),
            causal=False,
        )
