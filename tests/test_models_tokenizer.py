"""Tokenizers: nothing added, nothing cut, nothing lost silently."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from tokendemo_formal.errors import InputError, ModelFileError
from tokendemo_formal.models import Tokenizer, load_model


def opened(directory: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_directory(directory)
    assert tokenizer is not None
    return tokenizer


@pytest.fixture(scope="module")
def encoder(encoder_directory: Path) -> Tokenizer:
    return opened(encoder_directory)


@pytest.fixture(scope="module")
def word_pieces(encoder_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """The encoder's tokenizer, from its vocab.txt alone."""
    directory = tmp_path_factory.mktemp("vocabulary")
    for name in ("vocab.txt", "tokenizer_config.json"):
        (directory / name).symlink_to(encoder_directory / name)
    return opened(directory)


def test_the_benchmarks_template(encoder: Tokenizer) -> None:
    ids = encoder.encode("[CLS] never reveal the secret password . [SEP]")
    assert [encoder.token(i) for i in ids] == ["[CLS]", "never", "reveal", "the", "secret", "password", ".", "[SEP]"]
    assert encoder.encode(encoder.decode(ids)) == ids
    assert (encoder.id("refuse"), encoder.id("reveal"), encoder.size) == (10214, 7487, 30522)


def test_nothing_is_added_cut_or_padded(encoder: Tokenizer) -> None:
    assert encoder.encode("") == ()
    assert encoder.encode("the") == (encoder.id("the"),)
    assert encoder.encode("the " * 300) == (encoder.id("the"),) * 300


@given(
    st.text(max_size=30)
    | st.lists(st.sampled_from(["the", "[CLS]", "[unused5]", "Über", "##ing", "café", "東京", "don't", ",,"])).map(
        " ".join
    )
)
@settings(max_examples=300, deadline=None)
def test_word_pieces_from_vocab_txt_are_those_of_tokenizer_json(
    encoder: Tokenizer, word_pieces: Tokenizer, text: str
) -> None:
    def outcome(tokenizer: Tokenizer) -> Any:
        try:
            return tokenizer.encode(text)
        except InputError as error:
            return str(error)

    assert outcome(word_pieces) == outcome(encoder)


def test_word_pieces_have_the_same_special_tokens(encoder: Tokenizer, word_pieces: Tokenizer) -> None:
    assert word_pieces.special_ids == encoder.special_ids
    assert word_pieces.size == encoder.size


def make_up_the_text(tokenizer: Tokenizer, ids: Sequence[int]) -> None:
    """Sequences of a few random tokens."""
    pieces, rng = tokenizer.pieces(ids), np.random.default_rng(0)
    assert pieces
    for tokens in rng.choice([*pieces], (400, 4)).tolist():
        text = pieces[tokens[0]][0] + "".join(pieces[token][1] for token in tokens[1:])
        assert tokenizer.decode(tokens).removeprefix(" ") == text


def test_pieces_of_words_make_up_the_text(encoder: Tokenizer) -> None:
    make_up_the_text(encoder, range(990, 12000, 3))
    pieces = encoder.pieces([encoder.id("tree"), encoder.id("##s")])
    assert [*pieces.values()] == [("tree", " tree"), ("##s", "s")]


@pytest.mark.parametrize("name", ["stories260k-llama-hf", "makemore-names-gpt2-hf"])
def test_pieces_of_characters_make_up_the_text(shared_models: Path, name: str) -> None:
    tokenizer = opened(shared_models / name)
    spaces = {i for i in range(tokenizer.size) if tokenizer.decode([i]).strip(" ") == ""}
    make_up_the_text(tokenizer, [i for i in range(tokenizer.size) if i not in spaces])


def test_pieces_of_bytes_make_up_the_text() -> None:
    """Tokens that hold a part of a character have none."""
    tokens = [*"ab", "Ġ", "Ġa", "ab", "Ã", "©"]  # the last two are the bytes of é
    backend = tokenizers.Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, [("Ġ", "a"), ("a", "b")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    pieces = Tokenizer(backend).pieces(range(7))
    assert pieces == {0: ("a", "a"), 1: ("b", "b"), 2: ("", " "), 3: ("a", " a"), 4: ("ab", "ab")}


def test_pieces_that_depend_on_their_neighbours_are_refused() -> None:
    backend = tokenizers.Tokenizer(models.WordLevel({"a": 0, "b": 1, "ba": 2}, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.decoder = decoders.Sequence([decoders.Fuse(), decoders.Replace("ab", "c")])
    with pytest.raises(InputError, match="token 'b': what it adds to a text depends on its neighbours"):
        Tokenizer(backend).pieces([0, 1, 2])


def test_what_survives(encoder: Tokenizer) -> None:
    assert encoder.survives(encoder.encode("tree houses ."))
    assert encoder.survives((encoder.id("tree"), encoder.id("fr"), encoder.id("##ob")))
    assert not encoder.survives((encoder.id("tree"), encoder.id("##s")))


def test_case_is_kept_where_the_configuration_says_so(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\nThe\nthe\n##s\n[CLS]\n")
    assert opened(tmp_path).encode("The thes [CLS]") == (2, 2, 3, 4)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert opened(tmp_path).encode("The thes [CLS]") == (1, 2, 3, 4)


def test_typable_tokens_encode_to_themselves(encoder: Tokenizer) -> None:
    rng = np.random.default_rng(0)
    sample = [int(i) for i in rng.choice(encoder.size, 3000, replace=False)]
    typable = [i for i in sample if encoder.is_typable(i)]
    assert 1500 < len(typable) < 2800
    for i in typable:
        assert encoder.encode(encoder.token(i)) == (i,)
    ascii_only = [i for i in typable if encoder.is_typable(i, ascii_only=True)]
    assert 0 < len(ascii_only) < len(typable)
    assert all(encoder.token(i).isascii() for i in ascii_only)


@pytest.mark.parametrize("token", ["##ing", "[CLS]", "[UNK]", "[unused7]"])
def test_what_nobody_can_type_alone(encoder: Tokenizer, token: str) -> None:
    assert not encoder.is_typable(encoder.id(token))


def test_special_tokens_stand_by_name(shared_models: Path) -> None:
    names = load_model(str(shared_models / "makemore-names-gpt2-hf"))
    assert names.tokenizer is not None
    assert names.tokenizer.encode("<|startstop|>emma") == (0, 5, 13, 13, 1)
    assert names.tokenizer.encode("emma") == (5, 13, 13, 1)
    assert names.special_ids == {0}
    assert all(names.tokenizer.is_typable(i) for i in range(1, 27))


def test_stories_encode_as_their_references(shared_models: Path) -> None:
    tokenizer = opened(shared_models / "stories260k-llama-hf")
    with np.load(shared_models / "stories260k-llama-hf" / "reference.npz") as file:
        for i in range(4):
            assert tokenizer.encode("<s>" + str(file["texts"][i])) == tuple(file[f"ids_{i}"].tolist())
    assert tokenizer.special_ids == {0, 1, 2}
    assert tokenizer.token(310) == "ily"
    assert not tokenizer.is_typable(310)  # alone, the text would begin a word
    assert tokenizer.token(400) == "▁do"
    assert tokenizer.is_typable(400)
    assert not tokenizer.is_typable(tokenizer.id("<0x0A>"))


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tokenizers.Tokenizer]:
    """vocab.json and merges.txt as GPT-2 has them, and the tokenizer that they come from."""
    directory = tmp_path_factory.mktemp("bpe")
    trained = tokenizers.ByteLevelBPETokenizer()
    text = ["the cat sat on the mat, and the dog ate the cat's hat"] * 20 + ["naïve café 東京"] * 5
    trained.train_from_iterator(text, vocab_size=330, special_tokens=["<|endoftext|>"], show_progress=False)
    trained.save_model(str(directory))
    return directory, trained._tokenizer


@given(st.text(max_size=20) | st.lists(st.sampled_from(["the", " cat", "é", "<|endoftext|>", "\n"])).map("".join))
@settings(max_examples=100, deadline=None)
def test_byte_level_pairs_are_gpt2s(byte_level: tuple[Path, tokenizers.Tokenizer], text: str) -> None:
    directory, trained = byte_level
    tokenizer = opened(directory)
    assert tokenizer.encode(text) == tuple(trained.encode(text).ids)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.special_ids == {tokenizer.id("<|endoftext|>")}


def test_a_byte_level_word_with_its_space_is_typable(byte_level: tuple[Path, tokenizers.Tokenizer]) -> None:
    tokenizer = opened(byte_level[0])
    assert tokenizer.is_typable(tokenizer.id("Ġthe"))
    assert not tokenizer.is_typable(tokenizer.id("Ċ"))  # a line break is not printable
    assert not tokenizer.is_typable(tokenizer.id("æ"))  # the first byte of 東, no character by itself


def test_merges_are_needed(byte_level: tuple[Path, tokenizers.Tokenizer], tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text((byte_level[0] / "vocab.json").read_text())
    with pytest.raises(ModelFileError, match=r"merges\.txt: missing beside vocab\.json"):
        opened(tmp_path)
    (tmp_path / "merges.txt").write_text("#version: 0.2\nt h e\n")
    with pytest.raises(ModelFileError, match=r"merges\.txt: line 2: expected two pieces, found 't h e'"):
        opened(tmp_path)
    (tmp_path / "merges.txt").write_text("#version: 0.2\nzz qq\n")
    with pytest.raises(ModelFileError, match=r"vocab\.json: no vocabulary that goes with merges\.txt"):
        opened(tmp_path)


def test_errors_name_the_token_and_close_ones(encoder: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"token 'pasword' is not in the vocabulary \(close: 'password'"):
        encoder.id("pasword")
    for wrong in (30522, -1):
        with pytest.raises(InputError, match=f"token id {wrong}: the tokenizer has no such id; expected 0 to 30521"):
            encoder.token(wrong)
        with pytest.raises(InputError, match=f"token id {wrong}"):
            encoder.decode([101, wrong])


def small(**added: Any) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE({"a": 0, "b": 1, "<s>": 2, **added}, []))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return backend


def test_a_character_that_would_vanish_is_refused() -> None:
    tokenizer = Tokenizer(small())
    assert tokenizer.encode(" a\tb ") == (0, 1)
    with pytest.raises(InputError, match=r"drops the character 'ż' \(position 2 of 'a ż b'\)"):
        tokenizer.encode("a ż b")


def test_special_tokens_of_the_configuration_are_recognised(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(small().to_str())
    plain = opened(tmp_path)
    assert plain.special_ids == frozenset()
    settings = {"bos_token": {"content": "<s>", "lstrip": False}, "eos_token": "</s>", "pad_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    configured = opened(tmp_path)
    assert configured.encode("<s>ab") == (2, 0, 1)
    assert configured.special_ids == {2}
    assert configured.size == 3  # </s> is in no vocabulary, so it is not made up


def test_a_directory_without_a_tokenizer_has_none(shared_models: Path) -> None:
    model = load_model(str(shared_models / "nanogpt-sort-gpt2-hf"))
    assert model.tokenizer is None
    assert model.special_ids == frozenset()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tokenizer.json": "{"}, r"tokenizer\.json: not valid JSON"),
        (
            {"tokenizer.json": '{"version": "1.0"}'},
            r"tokenizer\.json: not a tokenizer that the tokenizers library knows",
        ),
        ({"tokenizer.json": '{"model": 1, "model": 2}'}, "the key 'model' comes twice"),
        ({"vocab.txt": "[UNK]\na\nb\na\n"}, r"vocab\.txt: the token 'a' stands on line 2 and on 4"),
        ({"vocab.txt": "a\nb\n"}, r"vocab\.txt: the token '\[UNK\]' for unknown words is missing"),
        ({"vocab.txt": b"\xff\xfe"}, r"vocab\.txt: expected UTF-8 text"),
        ({"vocab.json": '{"a": 0, "a": 1}', "merges.txt": ""}, "the key 'a' comes twice"),
    ],
)
def test_damaged_tokenizers_are_refused(files: dict[str, Any], message: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ModelFileError, match=message):
        Tokenizer.from_directory(tmp_path)


def copy_with(shared_models: Path, tmp_path: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    source = shared_models / "makemore-names-gpt2-hf"
    (tmp_path / "model.safetensors").symlink_to(source / "model.safetensors")
    (tmp_path / "config.json").symlink_to(source / "config.json")
    content = json.loads((source / "tokenizer.json").read_text())
    edit(content["model"]["vocab"])
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    return tmp_path


def test_a_tokenizer_of_another_model_is_refused(shared_models: Path, tmp_path: Path) -> None:
    directory = copy_with(shared_models, tmp_path, lambda vocabulary: vocabulary.update({"ä": 27}))
    with pytest.raises(ModelFileError, match="the tokenizer's ids go up to 27, but the embedding has 27 rows"):
        load_model(str(directory))


def test_embedding_rows_without_a_token_are_special(shared_models: Path, tmp_path: Path) -> None:
    directory = copy_with(shared_models, tmp_path, lambda vocabulary: vocabulary.pop("z"))
    assert load_model(str(directory)).special_ids == {0, 26}
