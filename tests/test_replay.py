"""Replay: the numbers are the layer's own, what holds and what is broken are told apart, a broken theorem is loud."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from random import Random

import flint
import numpy as np
import pytest

from tokendemo_formal import replay as replaying
from tokendemo_formal.attention import Computation
from tokendemo_formal.cli import main
from tokendemo_formal.logic.terms import both, each, function, some
from tokendemo_formal.models import load_model
from tokendemo_formal.numbers.balls import BALLS, endpoints, precision
from tokendemo_formal.replay import FILLERS, Draw, Tally, Votes, draws, instance, middle, replay, span, table
from tokendemo_formal.theorems import catalogue
from tokendemo_formal.theorems.setting import a_S, a_U, a_V, from_vocabulary, hi, k, lo, m, margin, s_S, s_U, share, tau
from tokendemo_formal.theorems.share import DILUTION


@pytest.fixture(scope="module")
def some_draws() -> list[Draw]:
    return list(draws("bundled:guard", 4, Random(1)))


def test_draws_have_the_layers_own_numbers(some_draws: list[Draw]) -> None:
    """Scores and readouts, put together as the layer does, are what the layer writes."""
    layer = load_model("bundled:guard").layer(0)
    rows = layer.embedding if layer.unembedding is None else layer.unembedding
    with precision(128):
        computation = Computation(layer, BALLS)
        for draw in some_draws:
            n = len(draw.prompt)
            raw = computation.rows(draw.prompt, range(n))
            direction = (BALLS.constant(rows[draw.toward]) - BALLS.constant(rows[draw.against])).reshape(-1, 1)
            reading = computation.reading(raw[n - 1 :], n - 1, direction)
            _, stream = reading.attend(raw)
            total = reading.direct()[0]
            for head in range(draw.heads):
                scores = [x.exp() for who in "SU" for x in draw.votes[who].scores[head]]
                readouts = [x for who in "SU" for x in draw.votes[who].readouts[head]]
                total += sum(w * a for w, a in zip(scores, readouts, strict=True)) / sum(scores)
            assert len(draw.system) + draw.votes["U"].scores.shape[1] == n
            assert n - 1 in draw.system
            assert abs(total - stream[0]) < flint.arb(2) ** -100


def test_instances_bound_what_they_say_they_bound(some_draws: list[Draw]) -> None:
    for draw in some_draws:
        for head in range(draw.heads):
            values = instance(draw, head, "balls")
            for who in "SUV":
                for x in values[f"s_{who}", 1]:
                    low, high = endpoints(x)
                    assert values["lo", 0] <= low <= high <= values["hi", 0]
            assert values["k", 0] == len(values["s_S", 1]) == len(values["a_S", 1])
            assert values["V", 0] > values["m", 0] == len(values["s_U", 1])
            rational = instance(draw, head, "midpoints")
            for x, y in zip(values["s_S", 1], rational["s_S", 1], strict=True):
                assert isinstance(y, Fraction)
                low, high = endpoints(x)
                assert low <= y <= high
                assert high - low < Fraction(1, 2**90)
            # the adversary's tokens are among the vocabulary's
            assert set(zip(rational["s_U", 1], rational["a_U", 1], strict=True)) <= set(
                zip(rational["s_V", 1], rational["a_V", 1], strict=True)
            )


def test_middles_and_spans() -> None:
    x = flint.arb("0.1", "0.25")
    low, high = endpoints(x)
    assert low < middle(x) < high
    assert span([[x], [flint.arb(1)]]) == (low, 1)


def test_every_filler_proposes_numbers(some_draws: list[Draw]) -> None:
    for kind in ("balls", "midpoints"):
        facts = replaying._Facts(instance(some_draws[0], 0, kind))  # type: ignore[arg-type]
        assert 0 < facts.share < 1
        for name, filler in FILLERS.items():
            proposed = filler(facts)
            assert proposed or (name, kind) == ("theta", "balls"), name
    # sparsemax's threshold, by its definition
    (theta,) = FILLERS["theta"](facts)
    assert sum(max(x - theta, 0) for who in "SU" for x in facts.row("s", who)) == 1


def test_all_theorems_hold_on_the_bundled_model(some_draws: list[Draw]) -> None:
    tallies = [Tally(of) for of in catalogue().values()]
    for draw in some_draws[:1]:
        replay(tallies, draw)
    assert [t.witness for t in tallies if t.wrong] == []
    dilution = next(t for t in tallies if t.theorem.name == "dilution")
    assert dilution.met == dilution.held == some_draws[0].heads
    assert all(0 < ratio <= 1 for ratio in dilution.ratios)
    assert "no theorem is broken" in table(tallies)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["microgpt-lean-1l-tl", "stories260k-llama-hf"])
def test_all_theorems_hold_on_real_models(name: str, shared_models: Path) -> None:
    tallies = [Tally(of) for of in catalogue().values()]
    for draw in draws(str(shared_models / name), 1, Random(2)):
        replay(tallies, draw)
    assert [t.witness for t in tallies if t.wrong] == []
    assert sum(t.held for t in tallies) > 0


HALVED = dataclasses.replace(DILUTION, conclusion=2 * share <= k / (k + m))


def test_a_broken_theorem_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tokendemo_formal.theorems.chosen", lambda names: [HALVED])
    assert main(["replay", "--draws", "3"]) == 1
    printed = capsys.readouterr().out
    assert "1 theorems are broken" in printed
    assert "dilution on bundled:guard, layer 0, prompt [" in printed
    assert "s_S = (" in printed


def test_replay_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["replay", "dilution", "--draws", "2", "--seed", "5"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert "dilution          8        8       0       0" in first
    assert main(arguments) == 0
    assert capsys.readouterr().out == first
    assert main([*arguments[:-1], "6"]) == 0
    assert capsys.readouterr().out != first


def test_claims_that_are_false_may_be_broken(some_draws: list[Draw]) -> None:
    claim = dataclasses.replace(HALVED, expected="refuted", sharp={}, refutation=DILUTION.witness)
    tally = Tally(claim)
    for draw in some_draws:
        replay([tally], draw)
    assert tally.broken > 0
    assert not tally.wrong
    assert "(false as told)" in table([tally])


def test_equal_tokens_are_told_by_midpoints(some_draws: list[Draw]) -> None:
    of = dataclasses.replace(
        DILUTION,
        assumptions={"from the vocabulary": from_vocabulary()},
        conclusion=some(k, lambda i: a_S(i) <= a_S(i) + 1),
        sharp={},
    )
    tally = Tally(of)
    replay([tally], next(d for d in some_draws if d.votes["U"].scores.shape[1]))
    assert tally.met > 0
    assert tally.kinds == {"midpoints"}


def test_a_second_head_is_not_made_up(some_draws: list[Draw]) -> None:
    """A statement about two heads says nothing of a layer with one; a variable of the same name is no stand-in."""
    t = function("t")
    of = dataclasses.replace(DILUTION, assumptions={}, conclusion=each(k, lambda i: t(i) <= s_S(i) + 1000), sharp={})
    single = dataclasses.replace(
        some_draws[0],
        votes={who: Votes(v.scores[:1], v.readouts[:1]) for who, v in some_draws[0].votes.items()},
    )
    tally = Tally(of)
    replay([tally], single)
    assert tally.met == 0
    replay([tally], some_draws[0])
    assert tally.met > 0


def test_statements_about_other_things_are_left_out() -> None:
    of = dataclasses.replace(DILUTION, assumptions={}, conclusion=lo <= hi + 1, sharp={})
    assert Tally(of).missing
    assert not Tally(DILUTION).missing
    assert "not about numbers that a draw has: dilution" in table([Tally(of)])


def test_thresholds_near_the_margin_are_tried(some_draws: list[Draw]) -> None:
    """A statement about safe and overridden layers is met on both sides."""
    of = dataclasses.replace(
        DILUTION, assumptions={"safe": margin >= tau}, conclusion=both(margin >= tau - 1, share > 0), sharp={}
    )
    tally = Tally(of)
    for draw in some_draws:
        replay([tally], draw)
    assert tally.met >= sum(draw.heads for draw in some_draws)
    assert tally.held == tally.met
    assert np.isfinite(tally.ratios).all()


def test_names_are_those_of_the_setting(some_draws: list[Draw]) -> None:
    values = instance(some_draws[0], 0, "balls")
    for f in (s_S, s_U, a_S, a_U, a_V):
        assert (f.name, 1) in values
        assert (f.name.replace("_", "h_"), 2) in values
    assert set(values) <= replaying._MEASURED
