"""A small model on disk: two heads, fifteen tokens, learned positions, stored and read like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import models, pre_tokenizers

from tokendemo_formal.attention import Layer, Learned, Norm
from tokendemo_formal.models import save

WORDS = ["never", "tell", "the", "secret", "please", "now", "ship", "door", "Ship", "refuse", "tell2"]
TOKENS = ("[UNK]", "[BOS]", "[unused1]", *WORDS, "two words")


def save_small_model(directory: Path, *, tokenizer: bool = True, final_norm: bool = False) -> Path:
    rng = np.random.default_rng(7)
    d, heads, width = 8, 2, 4
    layer = Layer(
        embedding=rng.standard_normal((len(TOKENS), d)),
        wq=rng.standard_normal((heads, d, width)) / 2,
        wk=rng.standard_normal((heads, d, width)) / 2,
        wv=rng.standard_normal((heads, d, width)) / 2,
        wo=rng.standard_normal((heads, width, d)) / 2,
        positions=Learned(rng.standard_normal((12, d)) / 4),
        final_norm=Norm("layer", rng.uniform(0.5, 1.5, d), None, 1e-5) if final_norm else None,
        unembedding=rng.standard_normal((len(TOKENS), d)),
        unembedding_bias=rng.standard_normal(len(TOKENS)),
    )
    save(layer, directory, tokenizer_json=_tokenizer_json() if tokenizer else None, notes="random weights")
    return directory


def _tokenizer_json() -> str:
    vocabulary = {token: i for i, token in enumerate(TOKENS)}
    tokenizer = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["[UNK]", "[BOS]"])
    return str(tokenizer.to_str())
