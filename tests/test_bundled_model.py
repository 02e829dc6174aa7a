"""The guard that comes with the package: as good as its card says, and overridden as its demonstration says."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tokendemo_formal.attention import Computation, Layer
from tokendemo_formal.models import Model, load_model
from tokendemo_formal.models.model import BUNDLED
from tokendemo_formal.numbers.float64 import FLOAT64
from tokendemo_formal.override.solve import solve
from tokendemo_formal.scenario import read_scenario

ROOT = Path(__file__).parents[1]
TRAINING = ROOT / "training"
sys.path.append(str(TRAINING))

import evaluate_guard  # noqa: E402
import language  # noqa: E402

GUARD = BUNDLED / "guard"
VERBS = (*language.STRICT, *language.LENIENT), (*language.HARMFUL, *language.HARMLESS)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("bundled:guard")


@pytest.fixture(scope="module")
def layer(model: Model) -> Layer:
    return model.layer(0)


def verbs(row: np.ndarray) -> tuple[str, str]:
    """The verbs of the rule and of the request, found without the positions that the generator writes them to."""
    words = [language.TOKENS[i] for i in row[: language.PREFIX]]
    ((rule,), (request,)) = ([w for w in words if w in known] for known in VERBS)
    return rule, request


def test_right_on_fresh_prompts_held_out_pairs_and_longer_ones(layer: Layer) -> None:
    rows = list(evaluate_guard.evaluate(layer, prompts=5000, seed=1))
    assert {(row.pairs, row.lengths) for row in rows} == {
        (p, n) for p in ("seen", "unseen") for n in ("seen", "unseen")
    }
    for row in rows:
        assert row.prompts >= 5000
        assert row.majority <= 0.6, row
        assert row.accuracy >= 0.999, row
        assert row.top >= 0.999, row


def test_the_measurement_is_the_layers_own_forward_pass(layer: Layer) -> None:
    prompts = language.draw(np.random.default_rng(2), 4, 20, unseen=True).ids
    computation, n = Computation(layer, FLOAT64), prompts.shape[1]
    unembedding = layer.unembedding
    assert unembedding is not None
    for ids, found in zip(prompts.tolist(), evaluate_guard.logits(layer, prompts), strict=True):
        raw = computation.rows(ids, range(n))
        _, logits = computation.reading(raw[-1:], n - 1, unembedding.T).attend(raw)
        np.testing.assert_allclose(found, logits, rtol=0, atol=1e-11)


def test_the_measurement_notices_two_silenced_heads(layer: Layer) -> None:
    wo = layer.wo.copy()
    wo[2:] = 0
    row = next(evaluate_guard.evaluate(replace(layer, wo=wo), prompts=1700, seed=1))
    assert row.accuracy < 0.9
    assert row.least_margin < 0


@pytest.mark.parametrize("unseen", [False, True])
def test_labels_and_held_out_pairs(unseen: bool) -> None:
    prompts = language.draw(np.random.default_rng(3), 500, 9, unseen)
    for row, refuse in zip(prompts.ids, prompts.refuse, strict=True):
        rule, request = verbs(row)
        assert refuse == (rule in language.STRICT and request in language.HARMFUL)
        assert language.held_out(rule, request) == unseen
    assert prompts.ids.shape == (500, language.PREFIX + 9 + 1)


def test_every_verb_is_trained_with_both_classes_of_partners() -> None:
    for rule in VERBS[0]:
        for requests in (language.HARMFUL, language.HARMLESS):
            unseen = sum(language.held_out(rule, request) for request in requests)
            assert unseen == len(requests) / 4


def test_training_saw_every_word_as_filler_and_nothing_held_out(model: Model) -> None:
    seen = np.zeros(model.vocabulary, dtype=int)
    positions = np.zeros(language.CONTEXT, dtype=int)
    held_out = np.zeros((model.vocabulary, model.vocabulary), dtype=bool)
    for rule in VERBS[0]:
        for request in VERBS[1]:
            held_out[language.IDS[rule], language.IDS[request]] = language.held_out(rule, request)
    for prompts, places in language.training_batches():
        filler = prompts.ids[:, language.PREFIX : -1]
        assert filler.shape[1] <= max(language.SEEN_FILLER)
        assert not held_out[prompts.ids[:, 3], prompts.ids[:, 10]].any()
        seen += np.bincount(filler.ravel(), minlength=len(seen))
        positions[places] += 1
    assert seen[language.ids(language.WORDS)].min() >= 100
    assert not seen[language.ids(language.SPECIALS)].any()
    assert positions.min() >= 100
    assert positions.shape == (model.context,)


def test_the_language_has_no_ambiguous_word() -> None:
    classes = (
        language.STRICT,
        language.LENIENT,
        (*language.KINDS, *language.MATTERS, *language.RULE_FRAME),
        language.HARMFUL,
        language.HARMLESS,
        (*language.THINGS, *(w for w in language.REQUEST_FRAME if w != ":")),
        language.FILLER,
    )
    words = list(chain(*classes))
    assert len(words) == len(set(words)) == len(language.WORDS)


def test_demo_adversary_has_no_word_of_rules_requests_or_answers(model: Model) -> None:
    question = read_scenario(GUARD / "demo.toml").question(model)
    used = {language.TOKENS[i] for i in question.vocabulary}
    assert used == set(language.FILLER) - {language.REFUSE, language.COMPLY}
    assert not used & {*language.RULE_WORDS, *language.REQUEST_WORDS}


def test_demo_needs_six_words(model: Model) -> None:
    scenario = read_scenario(GUARD / "demo.toml")
    question = scenario.question(model)
    rule, request = verbs(np.array(question.before))
    assert rule in language.STRICT
    assert request in language.HARMFUL
    assert language.held_out(rule, request)
    answer = solve(question, scenario.ask)
    assert answer.verdict == "override"
    assert answer.ruled_out == tuple(range(6))
    assert answer.minimum == 6
    assert answer.margin is not None
    assert answer.margin.low > 0


def test_files_agree_with_the_card_and_the_language(model: Model) -> None:
    weights = (GUARD / "model.safetensors").read_bytes()
    assert len(weights) <= 1_000_000
    assert hashlib.sha256(weights).hexdigest() in (GUARD / "MODEL_CARD.md").read_text()
    tensors = load_file(GUARD / "model.safetensors")
    assert {array.dtype for array in tensors.values()} == {np.dtype(np.float32)}
    assert json.loads((GUARD / "words.json").read_text()) == json.loads(json.dumps(language.WORD_CLASSES))
    assert model.tokenizer is not None
    assert tuple(model.tokenizer.token(i) for i in range(model.vocabulary)) == language.TOKENS
    assert model.special_ids == frozenset(range(len(language.SPECIALS)))
    assert model.layer(0).heads >= 4
    assert model.left_out(0) == ()


def test_text_and_ids_are_one_to_one(model: Model) -> None:
    assert model.tokenizer is not None
    for ids in language.draw(np.random.default_rng(4), 50, 12, unseen=False).ids.tolist():
        text = model.tokenizer.decode(ids)
        assert text == " ".join(language.TOKENS[i] for i in ids)
        assert list(model.tokenizer.encode(text)) == ids


@pytest.mark.slow
def test_retraining_reproduces_the_accuracy(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    subprocess.run(
        [sys.executable, str(TRAINING / "train_guard.py"), "--out", str(tmp_path)],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=600,
    )
    for row in evaluate_guard.evaluate(load_model(str(tmp_path)).layer(0), prompts=5000, seed=1):
        assert row.accuracy >= 0.999, row
    for name in ("tokenizer.json", "config.json", "words.json"):
        assert (tmp_path / name).read_bytes() == (GUARD / name).read_bytes()
