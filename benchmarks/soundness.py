"""The soundness campaign: search, certificate and checker against brute force in balls, on random layers.

Each layer has random features (every kind of positions, norms, heads, groups, biases, masks) and scores from 1e-6 to
±700; many hold tokens twice, some are mirrored, so that the best assignment ties exactly. Most are asked plain
questions; the others are asked about several templates, several rows, shares of attention, constraints on the tokens,
and any number of tokens, and a third of these about two such things at once (`soundness_questions.py`). Each gets
several questions, with thresholds from far off to 2^-900 beside the largest gain. For each question

* the search decides it, and its answer has to be the one that brute force gives: every assignment, evaluated by the
  formulas as they stand, in balls of up to 4,096 bits (`soundness_truth.py`). Where there is no end of lengths, brute
  force tries the short ones and some of thousands of tokens: it can refute that none overrides, not prove it;
* the answer's certificate has to be valid;
* a certificate of something false must not be: the same one with its claim moved past the largest gain, with a rule, a
  template or a row dropped so that what was refused is possible, or with a witness that breaks a rule.

Any other outcome is a disagreement: the command that repeats it is printed, and the exit code is 1.

Run: python -m benchmarks.soundness --instances 100000 --jobs 2
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.soundness_questions import QUESTIONS, Drawn, Rules, asked, draw, longer, rounded
from benchmarks.soundness_truth import PRECISIONS, Gains, Truth, threshold, with_threshold
from tests.certificate_writer import Line, seal
from tokendemo_formal.certificates import writer
from tokendemo_formal.certificates.checker import check
from tokendemo_formal.errors import ScenarioError
from tokendemo_formal.models import load_model, save
from tokendemo_formal.override import any_length, many_heads, multipliers
from tokendemo_formal.override.answer import Answer, Bounds
from tokendemo_formal.override.bound import MOST_JOINT
from tokendemo_formal.override.many_heads import SPARE_SLOTS
from tokendemo_formal.override.question import Ask, Question, Share
from tokendemo_formal.override.solve import solve

NODES = 5_000
MOST_BOXES = 300
"""Instead of nodes, where there is no end of lengths."""
TOLERANCE = 1e-6
MOST_TRIED = 7
"""Lengths of which all assignments are tried, where there is no end of lengths."""
MOST_LENGTHS = 8
"""Lengths that are decided one by one where there is no end of them, instead of hundreds."""


# One instance ------------------------------------------------------------------------------------------------------


class DisagreementError(Exception):
    """Search, checker and brute force don't agree."""


def demand(condition: bool, what: str) -> None:
    if not condition:
        raise DisagreementError(what)


@dataclass(frozen=True)
class Case:
    """A question with what brute force knows of it.

    Attributes:
        question: what is asked; ``truth`` leaves its threshold out.
        ask: how.
        drawn: the layer and the template.
        truth: the gains.
        beyond: where there is no end of lengths, the gains of some longer assignments.
    """

    question: Question
    ask: Ask
    drawn: Drawn
    truth: Truth
    beyond: Gains

    @property
    def threshold(self) -> Fraction:
        return threshold(self.question)

    def above(self, slots: int) -> bool | None:
        return self.truth.above(slots, self.threshold)

    @property
    def lengths(self) -> Sequence[int]:
        """Those that brute force has to decide."""
        return [self.question.slots] if self.ask in ("exists", "maximum") else range(self.question.slots + 1)

    def judge(self, answer: Answer) -> None:
        """Whether an answer agrees with brute force."""
        theta, truth = self.threshold, self.truth
        tried = [m for m in answer.ruled_out if not truth.unordered or m <= MOST_TRIED]
        if answer.verdict == "never":
            demand(answer.unlimited == truth.unordered, f"unlimited is {answer.unlimited}")
            demand(truth.unordered or tried == [*self.lengths], f"never, but ruled out {tried} alone")
            tried = [*self.lengths]
        for slots in tried:
            demand(self.above(slots) is not True, f"ruled out {slots} slots, where some gain is above 0")
        for assignment, (low, _) in self.beyond.items():
            ruled_out = answer.verdict == "never" or len(assignment) in answer.ruled_out
            demand(not ruled_out or low <= theta, f"ruled out all, but {len(assignment)} tokens have a gain above 0")
            bounded = answer.unlimited and answer.upper is not None
            demand(not bounded or low - theta <= answer.upper, f"{len(assignment)} tokens have a gain above all")  # type: ignore[operator]
        if answer.assignment is not None:
            self._judge_witness(answer)
        if answer.verdict == "optimum":
            best = truth.best(self.question.slots, PRECISIONS[-1])
            assert best is not None
            assert answer.upper is not None
            assert answer.assignment is not None
            low = truth.gain(answer.assignment)[0] - theta
            demand(best[0] - theta <= answer.upper, "a gain is above the optimum")
            demand(answer.upper - low <= Fraction(TOLERANCE), "the optimum is wider than its tolerance")
        if answer.verdict == "gave-up":
            return
        vacuous = any(truth.best(m) is None for m in answer.ruled_out) if self.question.constraints else False
        demand(any("No assignment of" in note for note in answer.notes) == vacuous, f"vacuous is {vacuous}, unsaid")
        if answer.ask == "exists":
            some = self.above(self.question.slots)
            demand((answer.verdict == "override") == bool(some), f"found {answer.verdict}, brute force {some}")
        if answer.ask in ("minimum", "any-length"):
            least = next((m for m in self.lengths if self.above(m)), None)
            unknown = truth.unordered and least is None and (answer.minimum or MOST_TRIED) > self.question.slots
            demand(unknown or answer.minimum == least, f"found the minimum {answer.minimum}, brute force {least}")
            if answer.minimum is not None:
                demand(answer.ruled_out == tuple(range(answer.minimum)), f"ruled out {answer.ruled_out} alone")

    def _judge_witness(self, answer: Answer) -> None:
        assert answer.assignment is not None
        assert answer.margin is not None
        theta, each = self.threshold, self.truth.in_templates(answer.assignment)
        demand(self.truth.fits(answer.assignment), "the witness breaks a rule")
        for margin, (low, high) in zip(answer.margins or [answer.margin], each, strict=True):
            demand(margin.low <= high - theta and low - theta <= margin.high, "the witness's margin is another")
        low, high = (min(side) - theta for side in zip(*each, strict=True))
        demand(answer.margin.low <= high and low <= answer.margin.high, "the witness's least margin is another")
        demand(answer.verdict != "override" or low > 0, "the witness's gain is not above 0")


# False claims ------------------------------------------------------------------------------------------------------


class Forger:
    """Makes certificates of what is false.

    Args:
        rng: of the layer.
        case: what was asked.
        answer: what was answered, with its proof.
        files, tensors: the model's.
    """

    def __init__(self, rng: np.random.Generator, case: Case, answer: Answer, files: Any, tensors: Any) -> None:
        self._rng, self._case, self._answer = rng, case, answer
        self._files, self._tensors = files, tensors

    def lines(self, question: Question, answer: Answer) -> list[Line]:
        """What the package's writer makes of it."""
        return [json.loads(line) for line in writer.lines(question, answer, self._files, self._tensors)]

    def false_claim(self) -> tuple[str, list[Line]] | None:
        """One of the ways, and the certificate; None where nothing false can be said."""
        ways = [self.moved, self.loosened, self.broken]
        for way in self._rng.permutation(len(ways)):
            if forged := ways[way]():
                return ways[way].__name__, forged
        return None

    def moved(self) -> list[Line] | None:
        """The claim moved past what holds, everything else as it was."""
        case, answer, truth = self._case, self._answer, self._case.truth
        theta = case.threshold
        step = Fraction(1, 2 ** int(self._rng.integers(8 if isinstance(case.question.readout, Share) else 1, 60)))
        if answer.verdict == "optimum":
            return self._lower_optimum(step)
        # A threshold that some assignment of a length that was ruled out exceeds, or that the witness does not reach.
        lengths = case.lengths if answer.verdict == "never" else answer.ruled_out
        lengths = [m for m in lengths if not truth.unordered or m <= MOST_TRIED]
        known = [best[0] for m in lengths if (best := truth.best(m, PRECISIONS[-1])) is not None]
        known += [low for low, _ in case.beyond.values()] if answer.verdict == "never" else []
        if known and (answer.assignment is None or self._rng.random() < 0.8):
            value = rounded(max(known) - step, 300)
        elif answer.assignment is not None:
            value = rounded(truth.gain(answer.assignment)[1] + step, 300)
        else:
            return None
        if answer.margin is not None and self._rng.random() < 0.8:
            answer = replace(
                answer, margin=Bounds(*(end + theta - value for end in (answer.margin.low, answer.margin.high)))
            )
        try:
            return self.lines(with_threshold(case.question, value), answer)
        except ScenarioError:  # no such share
            return None

    def _lower_optimum(self, step: Fraction) -> list[Line] | None:
        """The worst witness, and an upper bound that the best exceeds."""
        case, theta = self._case, self._case.threshold
        gains = case.truth.gains(case.question.slots, PRECISIONS[-1])
        witness, best = min(gains, key=lambda t: gains[t]), max(low for low, _ in gains.values())
        high = rounded(best - theta - step * abs(best - gains[witness][1]), 900)
        if not gains[witness][1] - theta < high < best - theta:
            return None
        header, described, *rest = self.lines(case.question, self._answer)
        header |= {"witness": list(witness), "low": _floor(gains[witness][0] - theta), "high": str(high)}
        bound = {"bound": header["high"]}
        return [header, described, *(line | bound if "section" in line else line for line in rest)]

    def loosened(self) -> list[Line] | None:
        """A template, a row or a rule gone, so that what was refused is possible."""
        case, answer, drawn = self._case, self._answer, self._case.drawn
        rules = drawn.rules.certified(answer.excluded)
        variants = [(question, rules) for question in _with_less(case.question)]
        variants += [(self._ruled(looser), looser) for looser in rules.looser()]
        for k in self._rng.permutation(len(variants)):
            question, looser = variants[k]
            truth = case.truth.of(question, partial(looser.keep, question))
            if self._refuted(truth):
                return self.lines(question, replace(answer, excluded=tuple(sorted(looser.excluded))))
        return None

    def _ruled(self, rules: Rules) -> Question:
        """The question with other rules, and a list of what is left out where it has one."""
        question = self._case.question
        constraints = replace(rules.constraints(question.vocabulary), survives=question.constraints.survives)
        return replace(question, constraints=constraints)

    def _refuted(self, truth: Truth) -> bool:
        """Whether what the answer refuses is possible."""
        answer, theta = self._answer, self._case.threshold
        if answer.verdict == "optimum":
            best = truth.best(self._case.question.slots)
            assert answer.upper is not None
            return best is not None and best[0] - theta > answer.upper
        return any(truth.above(m, theta) for m in answer.ruled_out)

    def broken(self) -> list[Line] | None:
        """A witness that breaks a rule, with a gain above 0 or, for an optimum, any."""
        case, answer, theta = self._case, self._answer, self._case.threshold
        if answer.assignment is None or not case.question.constraints:
            return None
        rules = case.drawn.rules.certified(answer.excluded)
        every = case.truth.every(len(answer.assignment), PRECISIONS[0])
        broken = [
            (t, Bounds(low - theta, high - theta))
            for t, (low, high) in every.items()
            if not rules.keep(case.question, t) and (low > theta or answer.verdict == "optimum")
        ]
        if not broken:
            return None
        witness, margin = broken[self._rng.integers(len(broken))]
        return self.lines(case.question, replace(answer, assignment=witness, margin=margin))


def _with_less(question: Question) -> Iterator[Question]:
    """Without one of its templates, or one of the rows against."""
    templates, contest = question.templates, question.contest
    for k in range(len(templates) if len(templates) > 1 else 0):
        one, *also = templates[:k] + templates[k + 1 :]
        yield replace(question, before=one.before, after=one.after, reader=one.reader, also=tuple(also))
    if contest is not None and len(contest.toward) * (len(contest.against) - 1) > 1:
        for row in contest.against:
            rest = tuple(other for other in contest.against if other != row)
            yield replace(question, contest=replace(contest, against=rest))


def _floor(x: Fraction) -> str:
    return str(rounded(x, 300) - Fraction(1, 2**299))


# One layer ---------------------------------------------------------------------------------------------------------


def instance(rng: np.random.Generator, case: Case, directory: Path, files: Any, tensors: Any) -> dict[str, str]:
    """Decide, certify, check and forge once; what is to be counted, or a DisagreementError."""
    question, ask = case.question, case.ask
    limit = MOST_BOXES if case.truth.unordered else NODES
    answer = solve(question, ask, certify=True, node_limit=limit, tolerance=TOLERANCE)
    case.judge(answer)
    if question.layer.heads == 1 and not question.several:  # without a certificate, a linear scan decides
        case.judge(solve(question, ask, node_limit=limit, tolerance=TOLERANCE))
    tie = ask != "maximum" and any(case.above(m) is None for m in case.lengths)
    counted = {
        "verdict": answer.verdict,
        "exact tie": "yes" if tie else "no",
        "checker": "-",
        "branching": "no",
        "false claim": "-",
        "forged": "-",
    }
    if answer.verdict == "gave-up":
        return counted
    path = directory / "certificate.jsonl"
    writer.write_certificate(path, question, answer, files, tensors)
    verdict = check(path, directory)
    demand(verdict.kind in ("valid", "undecided"), f"the certificate is {verdict}")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    counted |= {
        "checker": verdict.kind,
        "branching": "yes" if any(line.get("node") in ("split", "range", "box") for line in lines) else "no",
    }
    forged = Forger(rng, case, answer, files, tensors).false_claim()
    if forged is not None:
        way, claimed = forged
        path.write_bytes(seal(claimed, directory))
        verdict = check(path, directory)
        demand(verdict.kind != "valid", f"a false claim ({way}) is {verdict}")
        counted |= {"false claim": verdict.kind, "forged": way}
    return counted


def layer(seed: int, index: int) -> list[dict[str, str]]:
    """All questions about one random layer."""
    rng = np.random.default_rng([seed, index])
    drawn = draw(rng)
    question, truth = drawn.question, drawn.truth()
    beyond = longer(rng, question) if drawn.unordered else []
    known = truth.of_longer(beyond) if beyond else {}
    bounded = ("jointly", "one jointly", "separately")[index % 3]
    # With many heads and scores that span hundreds, splitting ranges alone would take thousands of nodes.
    ranges = ("with many slots", "whenever wide")[index // 3 % 2 if question.layer.heads <= 2 else 0]
    directory = Path(tempfile.mkdtemp(prefix="soundness-"))
    usual = any_length.MOST_LENGTHS, any_length._UNPROMISING
    try:
        multipliers.MOST_JOINT = {"jointly": MOST_JOINT, "one jointly": 1, "separately": 0}[bounded]
        many_heads.SPARE_SLOTS = {"with many slots": SPARE_SLOTS, "whenever wide": -question.layer.heads}[ranges]
        any_length.MOST_LENGTHS = any_length._UNPROMISING = MOST_LENGTHS
        save(question.layer, directory)
        model = load_model(str(directory))
        files, tensors = model.files, model.tensors(0)
        found = []
        for number, (one, ask, kind) in enumerate(asked(rng, drawn, truth, beyond)):
            try:
                counted = instance(rng, Case(one, ask, drawn, truth, known), directory, files, tensors)
            except DisagreementError as error:
                raise DisagreementError(
                    f"question {number} ({drawn.kinds['question']}, {ask}, threshold {kind}): {error}"
                ) from None
            found.append(
                drawn.kinds
                | {"heads bounded": bounded, "ranges split": ranges, "ask": ask, "threshold": kind}
                | counted
            )
        return found
    finally:
        multipliers.MOST_JOINT, many_heads.SPARE_SLOTS = MOST_JOINT, SPARE_SLOTS
        any_length.MOST_LENGTHS, any_length._UNPROMISING = usual
        shutil.rmtree(directory)


# The campaign ------------------------------------------------------------------------------------------------------


def attempt(task: tuple[int, int]) -> tuple[int, list[dict[str, str]], str]:
    """One layer's counts; or why they are none."""
    seed, index = task
    try:
        return index, layer(seed, index), ""
    except DisagreementError as error:
        return index, [], str(error)
    except Exception as error:  # a crash is no answer
        return index, [], "".join(traceback.format_exception(error))


def campaign(seed: int, layers: Sequence[int], jobs: int) -> Iterator[tuple[int, list[dict[str, str]], str]]:
    """Layer by layer, in order, whatever the number of processes."""
    tasks = [(seed, index) for index in layers]
    if jobs == 1:
        yield from map(attempt, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(attempt, tasks, chunksize=8)


def percent(part: int, whole: int) -> float:
    return 100 * part / max(whole, 1)


def decided(kinds: dict[str, str]) -> bool:
    return kinds["verdict"] != "gave-up" and kinds["checker"] == "valid"


def report(found: list[dict[str, str]]) -> list[str]:
    """The counts by class, one class a line."""
    columns = ["override", "no-override", "optimum", "never", "gave-up"]
    lines = [f"{'':32}{'instances':>10}{''.join(f'{c:>12}' for c in columns)}{'branching':>11}{'decided':>9}"]
    for name in found[0]:
        for value in sorted({kinds[name] for kinds in found}):
            group = [kinds for kinds in found if kinds[name] == value]
            verdicts = Counter(kinds["verdict"] for kinds in group)
            cells = "".join(f"{verdicts[c]:12,}" for c in columns)
            branching = percent(sum(kinds["branching"] == "yes" for kinds in group), len(group))
            settled = percent(sum(map(decided, group)), len(group))
            lines.append(f"{f'{name}: {value}':32}{len(group):10,}{cells}{branching:10.1f}%{settled:8.1f}%")
    return lines


def goals(found: list[dict[str, str]]) -> dict[str, tuple[float, float]]:
    """What the counts are to reach, in percent: (reached, wanted)."""
    plain = [kinds for kinds in found if kinds["exact tie"] == "no"]
    shares = {"non-ties decided": (percent(sum(map(decided, plain)), len(plain)), 99.0)}
    for verdict in ("override", "no-override", "optimum"):
        shares[verdict] = percent(sum(kinds["verdict"] == verdict for kinds in found), len(found)), 20.0
    shares["branching"] = percent(sum(kinds["branching"] == "yes" for kinds in found), len(found)), 10.0
    return shares


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layer", type=int, help="this one alone")
    given = parser.parse_args(arguments)
    layers = range(-(-given.instances // QUESTIONS)) if given.layer is None else [given.layer]
    began = told = time.monotonic()
    found: list[dict[str, str]] = []
    disagreements = 0
    for index, counted, why in campaign(given.seed, layers, given.jobs if len(layers) > 1 else 1):
        found += counted
        if why:
            disagreements += 1
            print(f"DISAGREEMENT: {why}\n  python -m benchmarks.soundness --seed {given.seed} --layer {index}")
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"{len(found):,} instances, {disagreements} disagreements, {told - began:.0f} s", flush=True)
    for line in report(found) if found else []:
        print(line)
    short = False
    for name, (reached, wanted) in goals(found).items():
        short |= reached < wanted
        print(f"{name + ':':24}{reached:6.2f} % (at least {wanted:.0f} %)")
    print(f"{len(found):,} instances of {len(layers):,} layers, {disagreements} disagreements,", end=" ")
    print(f"{time.monotonic() - began:.0f} s with {given.jobs} processes, seed {given.seed}")
    return int(disagreements > 0 or (short and given.layer is None))


if __name__ == "__main__":
    sys.exit(main())
