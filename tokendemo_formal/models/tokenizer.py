"""Text to token ids and back, through the ``tokenizers`` library, with nothing added and nothing lost silently.

Main declaration: :class:`Tokenizer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from tokendemo_formal.errors import InputError, ModelFileError
from tokendemo_formal.models.files import close_to, read_bytes, read_json

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
"""All files that a tokenizer is read from."""

UNUSED = re.compile(r"\[unused\d+\]|<unused\d+>")
"""Places in a vocabulary that were never trained: BERT's and Gemma's spelling."""

BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_NO_CHARACTER = "\ufffd"
"""What decoders write for bytes that are no character."""

SPECIAL_KEYS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class Tokenizer:
    """A tokenizer without truncation, padding or tokens that it adds by itself.

    Args:
        backend: of the ``tokenizers`` library; its truncation and padding are switched off.
    """

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self._typable: dict[tuple[int, bool], bool] = {}

    @classmethod
    def from_json(cls, text: str, where: str = "tokenizer.json") -> Tokenizer:
        """The tokenizer of a ``tokenizer.json``'s text; ModelFileError where it makes no sense."""
        try:
            return cls(tokenizers.Tokenizer.from_str(text))
        except Exception as error:  # the library has no narrower class
            raise ModelFileError(f"{where}: not a tokenizer that the tokenizers library knows ({error})") from None

    @classmethod
    def from_directory(cls, directory: Path, special_tokens: Sequence[str] = ()) -> Tokenizer | None:
        """The tokenizer of a model's directory, or None where it has none.

        ``tokenizer.json`` is used first; then ``vocab.txt`` as BERT's WordPiece (lower-casing unless
        ``tokenizer_config.json`` says otherwise); then ``vocab.json`` with ``merges.txt`` as GPT-2's byte-level BPE.
        ``special_tokens`` and those of the configuration are recognised by name in texts.

        Raises:
            ModelFileError: for damaged files.
        """
        settings: dict[str, Any] = {}
        for name in ("special_tokens_map.json", "tokenizer_config.json"):
            if (directory / name).exists():
                settings |= read_json(directory / name)
        special = [*special_tokens, *(_content(settings.get(key)) for key in SPECIAL_KEYS)]
        if (path := directory / "tokenizer.json").exists():
            read_json(path)
            tokenizer = cls.from_json(_text(path), str(path))
        elif (path := directory / "vocab.txt").exists():
            tokenizer = cls(_word_piece(path, settings))
            special += BERT_SPECIAL
        elif (path := directory / "vocab.json").exists():
            tokenizer = cls(_byte_level(path, settings))
            special.append("<|endoftext|>")
        else:
            return None
        tokenizer._set_apart([token for token in special if token])
        return tokenizer

    def _set_apart(self, tokens: Iterable[str]) -> None:
        """Recognise these tokens by name in texts, where the vocabulary has them."""
        known = {token.content for token in self._backend.get_added_tokens_decoder().values()}
        new = dict.fromkeys(t for t in tokens if t not in known and self._backend.token_to_id(t) is not None)
        self._backend.add_special_tokens(list(new))

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return dict(self._backend.get_vocab(with_added_tokens=True))

    @property
    def size(self) -> int:
        """One more than the largest id."""
        return max(self._vocabulary.values(), default=-1) + 1

    def has(self, token_id: int) -> bool:
        """Whether there is a token of that id."""
        return token_id >= 0 and self._backend.id_to_token(token_id) is not None

    def token(self, token_id: int) -> str:
        """The token as the vocabulary spells it, such as ``##ing`` or ``▁the``.

        Raises:
            InputError: where there is no such id.
        """
        if not self.has(token_id):
            raise InputError(f"token id {token_id}: the tokenizer has no such id; expected 0 to {self.size - 1}")
        return str(self._backend.id_to_token(token_id))

    def id(self, token: str) -> int:
        """The id of a token, spelled as in the vocabulary.

        Raises:
            InputError: where there is no such token; the text names close ones.
        """
        found = self._backend.token_to_id(token)
        if found is None:
            raise InputError(f"token {token!r} is not in the vocabulary{close_to(token, self._vocabulary)}")
        return int(found)

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text. Special tokens stand in it by name; none are added.

        Raises:
            InputError: where a character that is no white space leaves no trace in any token, or the tokenizer fails.
        """
        encoding = self._encoding(text)
        kept = bytearray(len(text))
        for start, end in encoding.offsets:
            kept[start:end] = b"\1" * (end - start)
        for position, character in enumerate(text):
            if not kept[position] and not character.isspace():
                raise InputError(
                    f"the tokenizer drops the character {character!r} (position {position} of {text!r}); leave it out"
                )
        return tuple(encoding.ids)

    def _encoding(self, text: str) -> tokenizers.Encoding:
        try:
            return self._backend.encode(text, add_special_tokens=False)
        except Exception as error:  # the library has no narrower class
            raise InputError(f"the tokenizer can't encode {text!r} ({error})") from None

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens by name; InputError for an id without a token."""
        for token_id in ids:
            self.token(token_id)
        return str(self._backend.decode(list(ids), skip_special_tokens=False))

    def survives(self, ids: tuple[int, ...]) -> bool:
        """Whether the text of ids encodes to exactly these ids again, so that it can be typed."""
        try:
            return self.encode(self.decode(ids)) == ids
        except InputError:
            return False

    def pieces(self, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
        """What tokens add to the text that they are decoded to: as the first of some, and behind others.

        A space at the start of the first is left out, so that texts begin alike in all families: ``tree`` and ``##s``
        of WordPiece are (tree, " tree") and (##s, s), ``Ġtree`` of byte-level BPE is (tree, " tree"). Tokens that hold
        only a part of a character are left out.

        Raises:
            InputError: where a token's part of the text depends on its neighbours.
        """
        probe = next(filter(self.is_typable, sorted(self._vocabulary.values())), None)
        if probe is None:
            raise InputError("the tokenizer has no token that can be typed")
        before = self.decode([probe])
        behind_it = self.decode([probe, probe]).removeprefix(before)
        pieces = {}
        for token_id in ids:
            around = [token_id], [probe, token_id], [probe, token_id, probe]
            first, behind, between = map(self.decode, around)
            if not behind.startswith(before) or between != behind + behind_it:
                name = self.token(token_id)
                raise InputError(f"token {name!r}: what it adds to a text depends on its neighbours in this tokenizer")
            if _NO_CHARACTER not in first + behind:
                pieces[token_id] = first.removeprefix(" "), behind.removeprefix(before)
        return pieces

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Special tokens (of structure: start, end, padding, unknown, …) and unused places of the vocabulary."""
        added = self._backend.get_added_tokens_decoder()
        special = {token_id for token_id, token in added.items() if token.special}
        unused = {token_id for token, token_id in self._vocabulary.items() if UNUSED.fullmatch(token)}
        return frozenset(special | unused)

    def is_typable(self, token_id: int, *, ascii_only: bool = False) -> bool:
        """Whether a person can type this token alone: its own text is printable and encodes to exactly this id.

        ``##ing`` is not typable, since those characters encode otherwise; special and unused tokens never are.

        Args:
            token_id: an id of the vocabulary.
            ascii_only: whether the text must be ASCII.
        """
        key = (token_id, ascii_only)
        if key not in self._typable:
            self._typable[key] = token_id not in self.special_ids and self._encodes_back(token_id, ascii_only)
        return self._typable[key]

    def _encodes_back(self, token_id: int, ascii_only: bool) -> bool:
        text = self.decode([token_id])
        if not text or not text.isprintable() or (ascii_only and not text.isascii()):
            return False
        return bool(self._encoding(text).ids == [token_id])


def _content(token: Any) -> str | None:
    """The text of a special token, which configurations give as a string or as an object."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None


def _text(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path}: expected UTF-8 text ({error})") from None


def _word_piece(path: Path, settings: dict[str, Any]) -> tokenizers.Tokenizer:
    tokens = _text(path).split("\n")
    if tokens[-1] == "":
        tokens.pop()
    vocabulary: dict[str, int] = {}
    for number, line in enumerate(tokens):
        token = line.rstrip("\r")
        if token in vocabulary:
            raise ModelFileError(
                f"{path}: the token {token!r} stands on line {vocabulary[token] + 1} and on {number + 1}"
            )
        vocabulary[token] = number
    unknown = _content(settings.get("unk_token")) or "[UNK]"
    if unknown not in vocabulary:
        raise ModelFileError(f"{path}: the token {unknown!r} for unknown words is missing")
    backend = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token=unknown, max_input_chars_per_word=100))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),
        lowercase=settings.get("do_lower_case", True),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return backend


def _byte_level(path: Path, settings: dict[str, Any]) -> tokenizers.Tokenizer:
    merges = path.parent / "merges.txt"
    if not merges.exists():
        raise ModelFileError(
            f"{merges}: missing beside vocab.json, so how characters join is unknown; add it, or give a tokenizer.json"
        )
    pairs = []
    for number, line in enumerate(_text(merges).splitlines(), 1):
        if line and not line.startswith("#version"):
            left, _, right = line.partition(" ")
            if not left or not right or " " in right:
                raise ModelFileError(f"{merges}: line {number}: expected two pieces, found {line!r}")
            pairs.append((left, right))
    try:
        backend = tokenizers.Tokenizer(models.BPE(read_json(path), pairs))
    except Exception as error:  # the library has no narrower class
        raise ModelFileError(f"{path}: no vocabulary that goes with merges.txt ({error})") from None
    add_prefix_space = settings.get("add_prefix_space", False)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    backend.decoder = decoders.ByteLevel()
    return backend
