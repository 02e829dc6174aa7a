"""Searches over several workers: the same verdicts, proofs that check, nothing lost with a worker but its time."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.questions import every_gain, near_best, random_question
from tests.test_certify import certify, stored
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.certificates.writer import write_certificate
from tokendemo_formal.errors import InputError
from tokendemo_formal.models import load_model
from tokendemo_formal.override import multipliers, parallel
from tokendemo_formal.override.answer import Answer
from tokendemo_formal.override.question import Question
from tokendemo_formal.override.solve import solve


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small searches are spread, too: workers are sent nodes at once, and report after a moment."""
    monkeypatch.setattr(parallel, "SLICE", 0.02)
    monkeypatch.setattr(parallel, "_AHEAD", 1)


def branching(seed: int, offset: float) -> Question:
    """More heads than are bounded jointly, and a threshold that far above the best gain."""
    return near_best(random_question(np.random.default_rng(seed), 16, 9, 3, gain=4.0), 3, offset)


def checked(question: Question, answer: Answer, directory: Path) -> None:
    model, path = load_model(str(directory)), directory / "proof.jsonl"
    write_certificate(path, question, answer, model.files, model.tensors(0))
    assert check(path, directory).kind == "valid"


class Counting(Executor):
    """Passes tasks on; those whose number is in ``deadly`` kill the worker that takes them."""

    def __init__(self, executor: Executor, deadly: tuple[int, ...] = ()) -> None:
        self.executor, self.deadly, self.tasks = executor, deadly, 0

    def submit(self, fn: Any, /, *arguments: Any, **keywords: Any) -> Future[Any]:
        self.tasks += 1
        if self.tasks in self.deadly:
            return self.executor.submit(os._exit, 1)
        return self.executor.submit(fn, *arguments, **keywords)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("offset", [1e-4, -1e-4])
def test_the_verdict_is_that_of_one_worker(pool: Executor, offset: float) -> None:
    tasks = 0
    for seed in (2, 3, 5):
        question = branching(seed, offset)
        expected = solve(question)
        for workers in (1, 2):
            executor = Counting(pool)
            answer = solve(question, executor=executor, workers=workers)
            assert answer.verdict == expected.verdict
            if answer.assignment is not None:
                assert every_gain(question, 3)[answer.assignment] > 0
            tasks += executor.tasks
    assert tasks > 0
    best = solve(question, "maximum", executor=pool, workers=2)
    assert best.verdict == "optimum"
    assert best.margin is not None
    assert float(best.margin.low) == pytest.approx(max(every_gain(question, 3).values()), abs=1e-6)


@pytest.mark.usefixtures("eager")
def test_proofs_of_several_workers_check(pool: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipliers, "MOST_JOINT", 2)
    question = stored(near_best(random_question(np.random.default_rng(3), 3, 9, 3), 3, 1e-4), tmp_path)
    alone, _ = certify(question, "exists", tmp_path)
    executor = Counting(pool)
    answer = solve(question, certify=True, executor=executor, workers=2)
    assert executor.tasks > 1
    assert answer.verdict == alone.verdict == "no-override"
    checked(question, answer, tmp_path)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("deadly", [(1,), (2,)])
def test_a_killed_worker_loses_nothing_but_its_time(
    deadly: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipliers, "MOST_JOINT", 2)
    question = stored(near_best(random_question(np.random.default_rng(3), 3, 9, 3), 3, 1e-4), tmp_path)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        executor = Counting(pool, deadly)
        answer = solve(question, certify=True, executor=executor, workers=2)
        assert executor.tasks >= max(deadly)
    assert answer.verdict == "no-override"
    checked(question, answer, tmp_path)  # a lost subtree would be a child missing
    executor = Counting(pool)  # shut down by now
    assert solve(question, executor=executor, workers=2).verdict == "no-override"


@pytest.mark.usefixtures("eager")
def test_what_is_on_its_way_counts_as_open(pool: Executor) -> None:
    """At a limit the bound still covers the subtrees that workers hold."""
    question = branching(2, 1e-4)
    answer = solve(question, executor=pool, workers=2, node_limit=3)
    assert answer.verdict == "gave-up"
    assert answer.upper is not None
    assert float(answer.upper) >= max(every_gain(question, 3).values())


def test_workers_are_validated(pool: Executor) -> None:
    with pytest.raises(InputError, match="workers: expected at least 1, found 0"):
        solve(branching(2, 0.1), executor=pool, workers=0)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("default")
def test_on_a_dask_cluster() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        question = branching(2, 1e-4)
        executor = Counting(client.get_executor())
        answer = solve(question, executor=executor, workers=2)
        assert answer.verdict == "no-override"
        assert executor.tasks > 0
