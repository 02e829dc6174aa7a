"""Many scenarios over an executor's workers, each answer stored at once: a sweep goes on where it stopped.

The results are JSON Lines: ``{"scenario": NAME, "sha256": …, "report": …}``, where the report is what
``tokendemo solve --json`` prints and the hash is of the scenario's text, of a text that its pairs are from, and of
the model's files. A scenario that has a verdict in the file, for the same hash, is not asked again; one that gave up
is, and so is one whose line was cut off.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import Any, BinaryIO

from tokendemo_formal.errors import InputError
from tokendemo_formal.models import load_model
from tokendemo_formal.override.solve import solve
from tokendemo_formal.report import Report
from tokendemo_formal.scenario import read_scenario


def sweep(
    scenarios: Sequence[str | Path],
    results: str | Path,
    *,
    executor: Executor | None = None,
    time_limit: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Answer scenarios, and yield each one's line of the results: those known at once, the others as they come.

    Args:
        scenarios: TOML files.
        results: a JSON Lines file, made or continued.
        executor: where scenarios are answered, such as a ``ProcessPoolExecutor``; None: here, one after another. Those
            of a worker that dies are answered here.
        time_limit: seconds for each scenario.

    Raises:
        InputError: for a results file that holds anything else.
        ScenarioError, ModelFileError: for a scenario or model that can't be read; what was answered before is stored.
    """
    known = _known(Path(results))
    open_: list[tuple[Path, str]] = []
    for path in map(Path, scenarios):
        digest = _hash(path)
        line = known.get((str(path), digest))
        if line is not None:
            yield line
        else:
            open_.append((path, digest))
    with Path(results).open("r+b" if Path(results).exists() else "x+b") as file:
        _cut(file)
        if executor is None:
            for path, digest in open_:
                yield _store(file, path, digest, answer(path, time_limit))
            return
        futures = {executor.submit(answer, path, time_limit): (path, digest) for path, digest in open_}
        try:
            for future in as_completed(futures):
                path, digest = futures[future]
                # A worker that died takes its error along; a scenario that is to blame raises it again here.
                report = future.result() if future.exception() is None else answer(path, time_limit)
                yield _store(file, path, digest, report)
        finally:
            for future in futures:
                future.cancel()


def answer(path: Path, time_limit: float | None) -> dict[str, Any]:
    """One scenario's report, as JSON."""
    began = time.perf_counter()
    scenario = read_scenario(path)
    model = load_model(scenario.source)
    question = scenario.question(model)
    loaded = time.perf_counter() - began
    found = solve(question, scenario.ask, engine=scenario.engine, tolerance=scenario.tolerance, time_limit=time_limit)
    return Report(scenario, model, question, found, loaded).to_json()


def _hash(path: Path) -> str:
    scenario = read_scenario(path)
    files = load_model(scenario.source).files
    text = path.read_bytes() + "".join(f"{files[name]}  {name}\n" for name in sorted(files)).encode()
    bigrams = scenario.constraints.bigrams
    if isinstance(bigrams, str) and Path(bigrams).is_file():  # where it is none, the question says so
        text += f"{hashlib.sha256(Path(bigrams).read_bytes()).hexdigest()}  bigrams\n".encode()
    return hashlib.sha256(text).hexdigest()


def _known(results: Path) -> dict[tuple[str, str], dict[str, Any]]:
    if not results.exists():
        return {}
    known = {}
    for number, text in enumerate(results.read_bytes().split(b"\n")[:-1], 1):  # what follows the last line end was cut
        try:
            line = json.loads(text)
            key, verdict = (line["scenario"], line["sha256"]), line["report"]["verdict"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{results}: line {number} is no result of a sweep; give another file") from error
        if verdict != "gave-up":
            known[key] = line
    return known


def _cut(file: BinaryIO) -> None:
    """Drop a last line that was not written to its end, and stand at the end."""
    whole = file.read().rfind(b"\n") + 1
    file.truncate(whole)
    file.seek(whole)


def _store(file: BinaryIO, path: Path, digest: str, report: dict[str, Any]) -> dict[str, Any]:
    line = {"scenario": str(path), "sha256": digest, "report": report}
    file.write(json.dumps(line).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())
    return line
