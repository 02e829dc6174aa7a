"""Shares of attention: the search against every assignment, certificates, forgeries, and what can't be asked."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from tests.questions import random_layer
from tests.test_certify import certify
from tokendemo_formal.attention import Alibi, Computation, Rotary, normalise, rotate
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.models import save
from tokendemo_formal.numbers.float64 import FLOAT64
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.question import Ask, Question, Share, Template
from tokendemo_formal.override.solve import solve

Assignment = tuple[int, ...]
OF: tuple[Any, ...] = ("before", "after", "template", (0,), (1, 2))


def head_shares(question: Question, template: int, assignment: Assignment) -> np.ndarray[Any, Any]:
    """(H,) by the layer's formulas in plain floats, position by position; the system's tokens are marked beforehand."""
    layer, share, text = question.layer, question.readout, question.templates[template]
    fixed = [*text.before, *text.after]
    named = {"before": [*range(len(text.before))], "template": [*range(len(fixed))]}
    named["after"] = [*range(len(text.before), len(fixed))]
    marked = named[share.of] if isinstance(share.of, str) else list(share.of)
    prompt = [(token, i in marked) for i, token in enumerate(fixed)]
    holes = question.positions or range(len(text.before), len(text.before) + len(assignment))
    for hole, token in zip(holes, assignment, strict=False):
        prompt.insert(hole, (token, False))
    reader = {"first": 0, "last": len(prompt) - 1}.get(text.reader, text.reader)
    computation = Computation(layer, FLOAT64)
    rows = [computation.rows([token], [p]) for p, (token, _) in enumerate(prompt)]
    for norm in (layer.embedding_norm, layer.pre_norm):
        rows = [normalise(FLOAT64, norm, row) for row in rows]
    seen = range(reader + 1 if layer.causal else len(prompt))
    scale = layer.wq.shape[2] ** -0.5 if layer.scale_squared is None else float(layer.scale_squared) ** 0.5
    shares = []
    for h in range(layer.heads):
        g = h // (layer.heads // layer.groups)

        def project(x: Any, weights: Any, bias: Any, norm: Any, p: int) -> Any:
            y = normalise(FLOAT64, norm, x @ weights + (0 if bias is None else bias))
            return (rotate(FLOAT64, layer.positions, y, p) if isinstance(layer.positions, Rotary) else y)[0]

        bq, bk = (None if b is None else b[i] for b, i in ((layer.bq, h), (layer.bk, g)))
        query = project(rows[reader], layer.wq[h], bq, layer.query_norm, reader)
        weights = []
        for p in seen:
            score = scale * (query @ project(rows[p], layer.wk[g], bk, layer.key_norm, p)) / layer.temperature
            if isinstance(layer.positions, Alibi):
                score -= layer.positions.slopes[h] * abs(reader - p)
            if layer.score_bias is not None:
                score += layer.score_bias[h, reader, p]
            weights.append(np.exp(score))
        shares.append(sum(w for w, p in zip(weights, seen, strict=True) if prompt[p][1]) / sum(weights))
    return np.array(shares)


def margin(question: Question, assignment: Assignment) -> float:
    """What the share is short of, the least of all templates."""
    each = [head_shares(question, k, assignment) for k in range(len(question.templates))]
    head = question.readout.head
    return float(question.readout.below) - max(s.mean() if head is None else s[head] for s in each)


def margins(question: Question, slots: int) -> dict[Assignment, float]:
    return {a: margin(question, a) for a in itertools.product(question.vocabulary, repeat=slots)}


def share_question(rng: np.random.Generator, vocabulary: int, slots: int, *, several: bool = False) -> Question:
    """A random question of a share, with the reader in a slot now and then."""
    heads = int(rng.integers(1, 4))
    layer = random_layer(rng, heads, vocabulary)
    if rng.random() < 0.3:
        layer = replace(layer, score_bias=rng.standard_normal((heads, 12, 12)))

    def template() -> Template:
        before, after = (tuple(int(t) for t in rng.integers(vocabulary, size=n)) for n in (rng.integers(2, 4), 1))
        return Template(before, after, "last" if layer.causal or rng.random() < 0.6 else "first")

    one, *also = [template() for _ in range(1 + several)]
    positions = None
    if not several and rng.random() < 0.3:  # behind the last fixed token: the reader stands in a slot
        positions = tuple(range(2, 2 + slots)) if rng.random() < 0.5 else tuple(range(4, 4 + slots))
    share = Share(Fraction(1, 2), None if rng.random() < 0.5 else int(rng.integers(heads)), OF[rng.integers(len(OF))])
    one = replace(one, before=one.before[:2] if positions and positions[0] == 4 else one.before)
    positions = positions and tuple(range(len(one.before) + 1, len(one.before) + 1 + slots))
    return Question(
        layer, share, one.before, one.after, one.reader, slots, tuple(range(vocabulary)), positions, tuple(also)
    )


def near(question: Question, slots: int, offset: float) -> Question:
    """The threshold below the least share by that part of what the shares span; kept between 0 and 1."""
    found = [*margins(question, slots).values()]
    best, worst = max(found), min(found)
    below = question.readout.below - Fraction(best + offset * (best - worst))
    return replace(question, readout=replace(question.readout, below=min(max(below, Fraction(1, 10**6)), Fraction(1))))


def agrees(question: Question, answer: Answer) -> None:
    """With every assignment of every length, in plain floats."""
    best = {m: max(margins(question, m).values()) for m in range(question.slots + 1)}
    if answer.ask == "maximum":
        assert answer.verdict == "optimum"
        assert answer.margin is not None
        assert answer.upper is not None
        assert float(answer.margin.low) - 1e-9 <= best[question.slots] <= float(answer.upper) + 1e-9
    else:
        lengths = range(question.slots + 1) if answer.ask == "minimum" else [question.slots]
        first = next((m for m in lengths if best[m] > 0), None)
        assert answer.verdict == ("no-override" if first is None else "override"), (answer, best)
        assert first is None or answer.slots == first
    if answer.assignment is not None:
        assert answer.margin is not None
        assert (
            float(answer.margin.low) - 1e-9 <= margin(question, answer.assignment) <= float(answer.margin.high) + 1e-9
        )
        for k, shares in enumerate(answer.shares):
            expected = head_shares(question, k, answer.assignment)
            assert [float(s.low) for s in shares] == pytest.approx(expected.tolist(), abs=1e-9)


@pytest.mark.parametrize("several", [False, True])
def test_search_and_every_assignment_agree(several: bool, tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    for seed in range(25):
        rng = np.random.default_rng(seed)
        question = near(share_question(rng, 5, 2, several=several), 2, float(rng.choice([-0.05, -1e-4, 1e-4, 0.02])))
        directory = tmp_path / str(seed)
        save(question.layer, directory)
        for ask in get_args(Ask):
            answer, path = certify(question, ask, directory)
            agrees(question, answer)
            verdict = check(path, directory)
            assert verdict.kind == "valid", (seed, ask, verdict)
            tally[answer.verdict] += 1
        for engine in () if several else ("z3", "brute-force"):
            assert solve(question, engine=engine).verdict == solve(question).verdict
    assert tally["override"] >= 5
    assert tally["no-override"] >= 5
