"""What every family of models has in common.

A family knows one layout on disk: which tensors a layer is made of, which keys of ``config.json`` change the
computation, and what of the deployed model the layer alone leaves out.

Main declarations: :class:`Family`, :class:`Architecture`; :func:`split_heads`, :func:`join_heads`, :func:`unembedding`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tokendemo_formal.attention import Layer, Weights
from tokendemo_formal.errors import ModelFileError
from tokendemo_formal.models.files import Config, Tensors

NOT_DEPLOYED = "This is not the deployed decision: one attention layer is read on its own."


@dataclass(frozen=True)
class Architecture:
    """What a model's configuration says, in the terms that all families share.

    Attributes:
        layers, heads, key_value_heads, width, head_width, vocabulary: sizes.
        context: how many positions the model was made for, or None.
        positions, norms: in words.
        causal: whether a reader sees only positions up to its own.
        encoder: whether readouts use embedding rows, since the model has no unembedding.
    """

    layers: int
    heads: int
    key_value_heads: int
    width: int
    head_width: int
    vocabulary: int
    context: int | None
    positions: str
    norms: str
    causal: bool
    encoder: bool


class Family(ABC):
    """One layout of weights and configuration.

    Args:
        config: the ``config.json``.
        tensors: the weights.

    Raises:
        ModelFileError: for a configuration that makes no sense.
    """

    name: ClassVar[str]
    architecture: Architecture

    @abstractmethod
    def __init__(self, config: Config, tensors: Tensors) -> None: ...

    @abstractmethod
    def layer(self, index: int) -> Layer:
        """The attention of one layer, reading the embedding stream.

        Raises:
            ModelFileError: for missing, misshapen or non-finite tensors.
        """

    @abstractmethod
    def left_out(self, index: int) -> tuple[str, ...]:
        """What of the deployed model the layer alone leaves out, in sentences; empty where it is the whole model."""

    def obstacles(self, index: int) -> tuple[str, ...]:
        """What the layer does that can't be computed here; such a layer is refused."""
        return ()

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """Tokens that the model itself sets apart, beyond those of its tokenizer."""
        return ()

    @property
    def notes(self) -> str:
        """What the model's makers say about it, where the layout has room for that."""
        return ""


def split_heads(weight: Weights, heads: int) -> Weights:
    """(heads, d_in, width) from a linear map's (heads * width, d_in): heads are neighbouring rows."""
    rows, d = weight.shape
    return np.ascontiguousarray(weight.reshape(heads, rows // heads, d).transpose(0, 2, 1))


def join_heads(weight: Weights, heads: int) -> Weights:
    """(heads, width, d_out) from an output map's (d_out, heads * width): heads are neighbouring columns."""
    d, columns = weight.shape
    return np.ascontiguousarray(weight.T.reshape(heads, columns // heads, d))


def left_out(architecture: Architecture, index: int, mlp: str | None, beyond: Sequence[str] = ()) -> tuple[str, ...]:
    """The sentences on what is left out; empty where nothing is.

    Args:
        architecture: of the whole model.
        index: the layer that is taken.
        mlp: the name of the layer's other half, or None where the model has attention only.
        beyond: further sentences.
    """
    last = architecture.layers - 1
    sentences = []
    if mlp is not None:
        sentences.append(f"The {mlp} of layer {index} is left out.")
    if index > 0:
        before = "Layer 0 is" if index == 1 else f"Layers 0 to {index - 1} are"
        sentences.append(f"{before} left out: layer {index} reads the embedding stream instead of their output.")
    if index < last:
        after = f"Layer {last} is" if index + 1 == last else f"Layers {index + 1} to {last} are"
        sentences.append(f"{after} left out: the readout is taken before them.")
    sentences += beyond
    return (NOT_DEPLOYED, *sentences) if sentences else ()


def unembedding(config: Config, tensors: Tensors, embedding: Weights, *, tied_by_default: bool) -> Weights | None:
    """The rows of ``lm_head``; None where they are tied to the embedding.

    Raises:
        ModelFileError: where the configuration says tied and the file holds other rows.
    """
    if not config.flag("tie_word_embeddings", tied_by_default):
        return tensors.read("lm_head.weight", embedding.shape)
    if "lm_head.weight" in tensors and not np.array_equal(tensors.read("lm_head.weight", embedding.shape), embedding):
        raise ModelFileError(
            f"{config.path}: tie_word_embeddings is true, but lm_head.weight differs from the embedding; set it to "
            "false, or remove the tensor"
        )
    return None
