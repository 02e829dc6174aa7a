"""A search's subtrees over the workers of any ``concurrent.futures.Executor``.

Open nodes are sent out in batches; a worker searches them for a while and sends back how they were closed, what is
still open, and any candidate above the target, which is confirmed here, in balls. So a verdict rests on the same
bounds whatever the number of workers, and its proof is one tree. A worker that dies loses its time alone: its nodes
are still here, and are searched here next.
"""

from __future__ import annotations

import math
import os
import pickle
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import replace

from tokendemo_formal.override.many_heads import Node, Search
from tokendemo_formal.override.outcome import Assignment, Limits, Outcome
from tokendemo_formal.override.proof import Trace

SLICE = 2.0
"""Seconds that a worker searches before it reports."""

_AHEAD = 4
"""Open nodes a worker before work is sent out."""


def run(
    search: Search,
    limits: Limits,
    executor: Executor | None,
    workers: int | None = None,
    watch: Callable[[Search], None] | None = None,
) -> Outcome:
    """What :meth:`Search.run` does, over an executor's workers.

    Args:
        search: new, or stopped at a limit.
        limits: when to give up; workers notice at the end of their slice.
        executor: processes, or other machines' (threads gain little); None: all is searched here.
        workers: tasks kept in flight; as many as this machine has processors, if not given.
        watch: called after every node here, and after every report of a worker.
    """
    workers = workers or os.cpu_count() or 1
    problem = pickle.dumps(search.problem, protocol=pickle.HIGHEST_PROTOCOL)
    flying: dict[Future[bytes], list[Node]] = {}
    found: Assignment | None = None
    try:
        while found is None and (flying or search.open_nodes) and search.nodes < limits.nodes and not limits.over:
            if not flying and (executor is None or search.open_nodes < _AHEAD * workers):
                found = search.run(replace(limits, nodes=min(limits.nodes, search.nodes + 1)), watch).assignment
                continue
            while executor is not None and len(flying) < workers and search.open_nodes:
                batch = search.take(math.ceil(search.open_nodes / (2 * workers)))
                task = (batch, search.target, search.certify, search.best_value, search.known, search.nodes)
                seconds = min(SLICE, limits.seconds_left)
                try:
                    future = executor.submit(work, problem, pickle.dumps(task, pickle.HIGHEST_PROTOCOL), seconds)
                except Exception:  # broken, or shut down: go on without it
                    search.give_back(batch)
                    executor = None
                else:
                    flying[future] = batch
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                batch = flying.pop(future)
                if future.exception() is None:
                    found = _integrate(search, batch, future.result()) or found
                else:  # the worker died; if the task itself was to blame, it fails again here, and is seen
                    search.give_back(batch)
                    executor = None
                if watch:
                    watch(search)
    finally:
        for future, batch in flying.items():
            future.cancel()
            search.give_back(batch)
    if found is not None:
        return search.outcome("found", found)
    return search.outcome("gave-up" if search.open_nodes or search.undecided is not None else "refuted")


def work(problem: bytes, task: bytes, seconds: float) -> bytes:
    """A worker's part: search a batch of nodes for a slice of time."""
    nodes, target, certify, best, known, before = pickle.loads(task)
    traces = [node.trace for node in nodes]
    # Any candidate above the target that was not denied before is sent back to be confirmed.
    search = Search(pickle.loads(problem), lambda assignment: known.get(assignment, True), target, certify, nodes)
    search.best_value, search.nodes = best, before
    outcome = search.run(Limits(deadline=time.monotonic() + seconds))
    rest = search.take(search.open_nodes)
    report = (outcome.assignment, search.undecided, search.nodes - before, search.best_value, traces, rest)
    return pickle.dumps(report, pickle.HIGHEST_PROTOCOL)


def _integrate(search: Search, batch: list[Node], report: bytes) -> Assignment | None:
    """Join a report to the tree; the assignment, where it brings one that is confirmed."""
    proposed, undecided, nodes, best, traces, rest = pickle.loads(report)
    roots: dict[int, Trace] = {id(new): node.trace for new, node in zip(traces, batch, strict=True)}
    for new, node in zip(traces, batch, strict=True):
        node.trace.extend(new)
    for node in rest:  # what was open on its way out goes on where it was; the others hang on the splits just joined
        node.trace = roots.get(id(node.trace), node.trace)
    search.give_back(rest)
    search.nodes += nodes
    search.best_value = max(search.best_value, best)
    search.undecided = undecided or search.undecided
    return proposed if proposed is not None and search.confirmed(proposed) else None
