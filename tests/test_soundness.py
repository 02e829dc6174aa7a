"""The soundness campaign, in short; and that it notices what is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from typing import Any

import flint
import numpy as np
import pytest

from benchmarks import soundness
from benchmarks.soundness_questions import KINDS, draw
from benchmarks.soundness_truth import PRECISIONS, Evaluation, Truth, rational, with_threshold
from tests.strategies import cases
from tokendemo_formal.certificates.checker import Verdict
from tokendemo_formal.override.constraints import UNCONSTRAINED
from tokendemo_formal.override.exact import ExactGain
from tokendemo_formal.override.question import Question, Readout, Share

NEW = [kind for kind in KINDS if kind != "plain"]


def layers(seed: int, kind: str, count: int) -> list[int]:
    """The first layers of which questions of this kind are asked."""

    def found() -> Iterator[int]:
        for index in itertools.count():
            if draw(np.random.default_rng([seed, index])).kinds["question"] == kind:
                yield index

    return [*itertools.islice(found(), count)]


@pytest.mark.slow
def test_search_and_checker_agree_with_brute_force(capsys: pytest.CaptureFixture[str]) -> None:
    """Its shares are goals of every run, too."""
    code = soundness.main(["--instances", "400", "--jobs", "1", "--seed", "1"])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "400 instances of 100 layers, 0 disagreements" in printed
    for kind in KINDS:
        assert f"question: {kind} " in printed


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_can_be_repeated_alone(kind: str) -> None:
    (index,) = layers(0, kind, 1)
    assert soundness.layer(0, index) == soundness.layer(0, index)


def noticed(capsys: pytest.CaptureFixture[str]) -> str:
    """What three layers print; each is to disagree."""
    assert soundness.main(["--instances", "12", "--jobs", "1", "--seed", "2"]) == 1
    printed = capsys.readouterr().out
    assert "python -m benchmarks.soundness --seed 2 --layer 0" in printed
    return printed


def test_a_checker_that_accepts_everything_is_noticed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundness, "check", lambda *_: Verdict("valid", "", "", 0))
    assert ") is valid" in noticed(capsys)


def test_a_checker_that_rejects_what_holds_is_noticed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundness, "check", lambda *_: Verdict("invalid", "", "a leaf", 4))
    assert "the certificate is invalid" in noticed(capsys)


@pytest.mark.parametrize("kind", NEW)
def test_false_claims_of_every_kind(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundness, "check", lambda *_: Verdict("valid", "", "", 0))
    found = [soundness.attempt((2, index)) for index in layers(2, kind, 4)]
    assert sum("a false claim (" in why for _, _, why in found) >= 3


def test_every_way_to_forge_is_used() -> None:
    ways = {counted["forged"] for index in layers(3, "counts", 9) for counted in soundness.layer(3, index)}
    assert {"moved", "loosened", "broken"} <= ways


@pytest.mark.parametrize("change", [Fraction(1, 10**6), -Fraction(1, 10**6)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_search_of_another_threshold_is_noticed(kind: str, change: Fraction, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moved by a millionth: noticed where some gain lies between, and in every witness's margin."""
    solve = soundness.solve

    def off(question: Question, *arguments: Any, **options: Any) -> Any:
        return solve(with_threshold(question, soundness.threshold(question) + change), *arguments, **options)

    monkeypatch.setattr(soundness, "solve", off)
    found = [soundness.attempt((3, index)) for index in layers(3, kind, 4)]
    assert sum(bool(why) for _, _, why in found) >= 3


def less(kind: str, question: Question) -> Question:
    """What a search would answer that forgot a part of the question."""
    if kind == "templates":
        return replace(question, also=())
    if kind == "rows":
        return replace(question, contest=None)
    if kind == "share":
        assert isinstance(question.readout, Share)
        return replace(question, readout=replace(question.readout, head=0))
    return replace(question, constraints=UNCONSTRAINED)


@pytest.mark.parametrize("kind", ["templates", "rows", "share", "counts", "automaton"])
def test_a_search_that_forgets_a_part_is_noticed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    solve = soundness.solve
    monkeypatch.setattr(soundness, "solve", lambda question, *a, **options: solve(less(kind, question), *a, **options))
    found = [soundness.attempt((4, index)) for index in layers(4, kind, 6)]
    assert sum(bool(why) for _, _, why in found) >= 3


def test_a_length_that_is_never_tried_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that no number of tokens overrides, whatever is asked."""
    solve = soundness.solve

    def never(question: Question, *arguments: Any, **options: Any) -> Any:
        answer = solve(question, *arguments, **options)
        unlimited = question.longest is None
        ruled_out = () if unlimited else tuple(range(question.slots + 1))
        found = replace(
            answer, verdict="never", assignment=None, minimum=None, unlimited=unlimited, ruled_out=ruled_out
        )
        return answer if answer.verdict == "never" else found

    monkeypatch.setattr(soundness, "solve", never)
    for index in layers(5, "any-length", 4):
        _, _, why = soundness.attempt((5, index))
        assert "where some gain is above 0" in why or "tokens have a gain above 0" in why, why


# The evaluation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("final", [False, True])
def test_the_campaigns_evaluation_agrees_with_the_packages(final: bool) -> None:
    """Two implementations of every feature: to 30 digits."""
    for index, (name, layer) in enumerate(cases()):
        rows = np.random.default_rng(index).standard_normal((2, layer.width))
        readout = Readout(rows[0], rows[1], final_norm=final and layer.final_norm is not None)
        question = Question(layer, readout, (1, 2), (3,), "last", 2, (0, 4))
        with flint.ctx.workprec(128):
            gains = Evaluation(layer).gains(question, question.templates[0], 2)
        prompt, exact = question.prompt(2), ExactGain(question)
        for assignment in ((0, 4), (4, 4)):
            difference = gains[assignment] - exact.gain(prompt.filled(assignment), prompt.reader, 128)
            assert abs(difference) < 1e-28, name
        assert set(gains) == {(0, 0), (0, 4), (4, 0), (4, 4)}


def package_gain(question: Question, tokens: tuple[int, ...]) -> flint.arb:
    """By the package's own evaluation of each lead, or of each head's share, the threshold left out."""
    question = replace(question, constraints=UNCONSTRAINED)
    each = []
    for k in range(len(question.templates)):
        one = question.with_template(k)
        prompt = one.prompt(len(tokens))
        filled = prompt.filled(tokens)
        if isinstance(question.readout, Share):
            ends = ExactGain(one).shares(filled, prompt.reader)
            shares = [rational((low + high) / 2) for low, high in ends]
            head = question.readout.head
            each.append(-sum(shares, flint.arb(0)) / len(shares) if head is None else -shares[head])
            continue
        leads = [
            [ExactGain(question.alone(k, row, other)).gain(filled, prompt.reader, 128) for other in question.against]
            for row in question.toward
        ]
        each.append(reduce(flint.arb.max, (reduce(flint.arb.min, lead) for lead in leads)))
    return reduce(flint.arb.min, each)


@pytest.mark.parametrize("kind", NEW)
def test_gains_of_every_kind_are_the_packages(kind: str) -> None:
    for index in layers(6, kind, 6):
        drawn = draw(np.random.default_rng([6, index]))
        question, truth = drawn.question, drawn.truth()
        for slots in range(question.slots + 1):
            for tokens, (low, high) in [*truth.every(slots, PRECISIONS[0]).items()][:6]:
                with flint.ctx.workprec(128):
                    difference = package_gain(question, tokens) - rational((low + high) / 2)
                    assert abs(difference) < (1e-15 if isinstance(question.readout, Share) else 1e-28), (index, tokens)


@pytest.mark.parametrize("kind", ["counts", "automaton"])
def test_rules_are_the_packages_constraints(kind: str) -> None:
    kept = broken = 0
    for index in layers(7, kind, 25):
        drawn = draw(np.random.default_rng([7, index]))
        question, constraints = drawn.question, drawn.question.constraints
        for slots in range(question.slots + 1):
            prompts = [question.with_template(k).prompt(slots) for k in range(len(question.templates))]
            for tokens in itertools.product(question.vocabulary, repeat=slots):
                survives = constraints.survives is None or all(constraints.survives(p.filled(tokens)) for p in prompts)
                fits = constraints.accept(tokens) and not constraints.broken(tokens) and survives
                assert drawn.rules.keep(question, tokens) == fits
                kept, broken = kept + fits, broken + (not fits)
    assert min(kept, broken) > 50


def test_places_do_not_matter_where_there_is_no_end_of_lengths() -> None:
    for index in layers(8, "any-length", 8):
        drawn = draw(np.random.default_rng([8, index]))
        if drawn.unordered:
            ordered = Truth(drawn.question).every(2, PRECISIONS[0])
            counted = drawn.truth().of_longer(ordered)
            for tokens, (low, high) in counted.items():
                for a, b in (ordered[tokens], ordered[tokens[::-1]]):
                    assert low <= b
                    assert a <= high


def test_mirrored_layers_tie() -> None:
    tied = 0
    for index in range(150):
        drawn = draw(np.random.default_rng(index))
        if drawn.mirrored:
            truth, slots = drawn.truth(), drawn.question.slots
            assert truth.above(slots, Fraction(0)) is None
            best = truth.best(slots, PRECISIONS[-1])
            assert best is not None
            assert -Fraction(1, 2**3900) < best[0] < 0 < best[1] < Fraction(1, 2**3900)
            assert truth.above(slots, -Fraction(1, 2**3000)) is True
            tied += 1
    assert tied >= 3
