"""What every family of models has in common.

A family knows one layout on disk: where the arrays of a layer lie, which keys of ``config.json`` change the
computation, and what of the deployed model the layer alone leaves out. From what it declares, all layers are built in
one place.

Main declarations: :class:`Family`, :class:`Architecture`, :class:`Settings`, :func:`readout`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from tokendemo_formal.attention import Alibi, Layer, Learned, Norm, Positions, Rotary, Sinusoidal
from tokendemo_formal.errors import InputError, ModelFileError
from tokendemo_formal.models.files import Config, Tensors
from tokendemo_formal.models.layout import TensorRef

Norms: TypeAlias = dict[str, tuple[Literal["layer", "rms"], float]]
"""Kind and eps of each norm, by the names that :class:`~tokendemo_formal.attention.Layer` has for its norms."""

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


@dataclass(frozen=True)
class Settings:
    """What a layer is beside its arrays.

    Attributes:
        positions: those without arrays; learned ones and ALiBi show in the roles.
        norms: those that the layer has.
        scale_squared, temperature, causal, residual: as in the layer.
    """

    positions: Sinusoidal | Rotary | None = None
    norms: Norms = field(default_factory=dict)
    scale_squared: Fraction | None = None
    temperature: float = 1.0
    causal: bool = True
    residual: bool = True


class Family(ABC):
    """One layout of weights and configuration.

    Args:
        config: the ``config.json``.
        weights: the stored tensors.

    Raises:
        ModelFileError: for a configuration that makes no sense.
    """

    name: ClassVar[str]
    architecture: Architecture
    config: Config
    weights: Tensors

    @abstractmethod
    def __init__(self, config: Config, weights: Tensors) -> None: ...

    @abstractmethod
    def tensors(self, index: int) -> dict[str, TensorRef]:
        """Where each array of a layer lies, by its role.

        Roles are the names of the layer's arrays, ``positions.table`` or ``positions.slopes``, ``NAME.gain`` and
        ``NAME.bias`` for each norm, and ``readout``, ``readout_bias``: the rows that logits are read with, which are
        those of the embedding where there are no others.
        """

    @abstractmethod
    def settings(self, index: int) -> Settings:
        """What a layer is beside its arrays."""

    def layer(self, index: int) -> Layer:
        """The attention of one layer, reading the embedding stream.

        Raises:
            ModelFileError: for missing, misshapen or non-finite tensors.
        """
        roles, settings = self.tensors(index), self.settings(index)
        read = {ref: ref.read(self.weights) for ref in dict.fromkeys(roles.values())}
        arrays: dict[str, Any] = {role: read[ref] for role, ref in roles.items()}
        for name, (kind, eps) in settings.norms.items():
            arrays[name] = Norm(kind, arrays.pop(f"{name}.gain"), arrays.pop(f"{name}.bias", None), eps)
        positions: Positions = settings.positions
        if "positions.table" in arrays:
            positions = Learned(arrays.pop("positions.table"))
        if "positions.slopes" in arrays:
            positions = Alibi(arrays.pop("positions.slopes"))
        rows = arrays.pop("readout")
        arrays["unembedding"] = None if roles["readout"] == roles["embedding"] else rows
        arrays["unembedding_bias"] = arrays.pop("readout_bias", None)
        try:
            return Layer(
                **arrays,
                positions=positions,
                scale_squared=settings.scale_squared,
                temperature=settings.temperature,
                causal=settings.causal,
                residual=settings.residual,
            )
        except InputError as error:
            raise ModelFileError(f"{self.config.path}: {error}") from None

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


def readout(config: Config, weights: Tensors, embedding: TensorRef, *, tied_by_default: bool) -> TensorRef:
    """The rows of ``lm_head``; those of the embedding where they are tied to it.

    Raises:
        ModelFileError: where the configuration says tied and the file holds other rows.
    """
    head = replace(embedding, name="lm_head.weight")
    if not config.flag("tie_word_embeddings", tied_by_default):
        return head
    if head.name in weights and not np.array_equal(head.read(weights), embedding.read(weights)):
        raise ModelFileError(
            f"{config.path}: tie_word_embeddings is true, but lm_head.weight differs from the embedding; set it to "
            "false, or remove the tensor"
        )
    return embedding
