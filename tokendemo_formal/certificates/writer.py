"""Answers to certificates, in the format of docs/certificates.md."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.attention import Alibi, Layer, Learned, Rotary, Sinusoidal, softmax
from tokendemo_formal.errors import InputError, UnsupportedError
from tokendemo_formal.override.answer import Answer, Bounds
from tokendemo_formal.override.automaton import Automaton
from tokendemo_formal.override.proof import Box, Combination, Cone, Exact, Filter, Halve, Leaf, Section, Split, Trace
from tokendemo_formal.override.question import Question, Share

NORMS = ("embedding_norm", "pre_norm", "query_norm", "key_norm", "final_norm")


def write_certificate(
    path: str | Path,
    question: Question,
    answer: Answer,
    files: Mapping[str, str],
    tensors: Mapping[str, str],
    source: str | None = None,
) -> int:
    """Write the certificate of an answer that was computed with ``certify=True``. The file appears whole or not at all.

    Args:
        path: where to; a file there is replaced.
        question: what was asked; its readout names rows of the model.
        answer: with a verdict; its ``proof`` holds the refusals.
        files: name → SHA-256 of the model's files.
        tensors: role → where its numbers lie.
        source: where the model was found, as a hint to whoever checks.

    Returns:
        The number of bytes written.

    Raises:
        InputError: where the answer has no certificate (it gave up, or was computed without one).
        UnsupportedError: for a layer that the format can't describe.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            for line in lines(question, answer, files, tensors, source):
                file.write(line + "\n")
        whole = Path(name)
        whole.chmod(0o644)
        size = whole.stat().st_size
        whole.replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return size


def lines(
    question: Question,
    answer: Answer,
    files: Mapping[str, str],
    tensors: Mapping[str, str],
    source: str | None = None,
) -> Iterator[str]:
    """The certificate's lines, without their ends."""
    claim, sections = _claim(answer)
    described = _line(_question(question, tensors, answer.excluded))
    manifest = "".join(f"{files[name]}  {name}\n" for name in sorted(files))
    manifest += f"{hashlib.sha256(described.encode()).hexdigest()}  question\n"
    header: dict[str, Any] = {
        "format": "tokendemo-certificate",
        "version": 1,
        "words": _words(claim, answer) + (_KEEPING if question.constraints else ""),
        "claim": claim,
        "lengths": [*dict.fromkeys(section.slots for section in sections if section.slots is not None)],
        "files": dict(sorted(files.items())),
        "hash": hashlib.sha256(manifest.encode()).hexdigest(),
    }
    if source is not None:
        header["source"] = source
    if answer.assignment is not None:
        assert answer.margin is not None
        header["witness"] = list(answer.assignment)
        low, high = _widened(answer.margin)
        header["low"], header["high"] = str(low), str(answer.upper if claim == "optimum" else high)
    yield _line(header)
    yield described
    vocabulary = question.vocabulary_array
    for section in sections:
        yield _line(_section(section))
        yield from (_line(node) for node in _nodes(section.trace, vocabulary))


def _claim(answer: Answer) -> tuple[str, tuple[Section, ...]]:
    if answer.verdict == "gave-up":
        raise InputError("the search gave up, so there is nothing to certify; give it more time or nodes")
    if answer.verdict == "optimum":
        return "optimum", _last_decision(answer)
    if answer.verdict == "override":
        if answer.minimum is None:
            return "override", ()
        # Where the reader stands in a slot, some of its tokens were refused at the witness's own length before.
        return "minimum", tuple(s for s in answer.proof if s.slots is not None and s.slots < answer.slots)
    if not answer.proof:
        raise InputError("the answer was computed without its proof; ask for it with certify=True")
    return ("never" if answer.verdict == "never" else "no-override"), answer.proof


def _widened(margin: Bounds) -> tuple[Fraction, Fraction]:
    """Bounds on the same side of 0 with room for the rounding of whoever checks: other formulas, other balls."""
    low, high = margin.low, margin.high
    slack = (high - low) * 2**16 + max(abs(low), abs(high)) / 2**40
    if low > 0 or high < 0:
        slack = min(slack, min(abs(low), abs(high)) / 2)
    return low - slack, high + slack


def _last_decision(answer: Answer) -> tuple[Section, ...]:
    """The sections of the last decision: one for each reader token and each choice of rows that win."""
    bound = answer.proof[-1].bound
    return tuple(section for section in answer.proof if section.bound == bound)


_KEEPING = " Assignments are those that keep the question's constraints."


def _words(claim: str, answer: Answer) -> str:
    lengths = ", ".join(str(n) for n in answer.ruled_out)
    if claim == "override":
        return f"The {answer.slots} tokens given override."
    if claim == "minimum":
        refused = f", and none of length {lengths} does" if lengths else ""
        return f"The {answer.slots} tokens given override{refused}."
    if claim == "never":
        return (
            "No number of tokens overrides." if answer.unlimited else f"No number of tokens up to {answer.slots} does."
        )
    if claim == "no-override":
        return f"No assignment of length {lengths} overrides."
    assert answer.margin is not None
    assert answer.upper is not None
    return (
        f"The margin of the {answer.slots} tokens given is at least {float(answer.margin.low):.9f}, and none of their "
        f"length exceeds {float(answer.upper):.9f}."
    )


def _question(question: Question, tensors: Mapping[str, str], excluded: Sequence[tuple[int, ...]]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "layer": _layer(question.layer),
        "tensors": dict(tensors),
        "before": list(question.before),
        "after": list(question.after),
        "reader": question.reader,
        "vocabulary": _ranges(question.vocabulary),
    } | _readout(question)
    if question.positions is not None:
        described["positions"] = list(question.positions)
    if question.also:
        described["also"] = [
            {"before": list(other.before), "after": list(other.after), "reader": other.reader}
            for other in question.also
        ]
    if question.constraints.distinct:
        described["distinct"] = True
    if question.constraints.counts:
        described["counts"] = [
            {
                "weights": [number for pair in count.weights for number in pair],
                "default": count.default,
                "limit": count.limit,
            }
            for count in question.constraints.counts
        ]
    if question.constraints.places:
        described["places"] = [[place, *_ranges(tokens)] for place, tokens in question.constraints.places]
    if (automaton := question.constraints.automaton) is not None:
        described["automaton"] = _automaton(automaton)
    if question.constraints.survives is not None:
        described["excluded"] = [list(tokens) for tokens in excluded]
    return described


def _automaton(automaton: Automaton) -> dict[str, Any]:
    runs = [(kind, _ranges(tokens)) for kind, tokens in enumerate(automaton.classes)]
    return {
        "accepting": list(automaton.accepting),
        "classes": [n for kind, ends in runs for run in zip(ends[::2], ends[1::2], strict=True) for n in (kind, *run)],
        "edges": [number for edge in automaton.edges for number in edge],
    }


def _readout(question: Question) -> dict[str, Any]:
    """What the gain reads: rows, or a share of attention."""
    share = question.readout
    if isinstance(share, Share):
        of = share.of if isinstance(share.of, str) else sorted(share.of)
        head = {} if share.head is None else {"head": share.head}
        return {"share": {"below": str(share.below), "of": of} | head}
    rows = share.rows
    if rows is None:
        raise UnsupportedError("a certificate names the rows that are read; this question's are no rows of a model")
    return {
        "toward": rows[0] if question.contest is None else _ranges(question.toward),
        "against": rows[1] if question.contest is None else _ranges(question.against),
        "threshold": str(share.threshold),
        "through_final_norm": share.final_norm and question.layer.final_norm is not None,
    }


def _layer(layer: Layer) -> dict[str, Any]:
    if layer.normaliser is not softmax:
        raise UnsupportedError("certificates are written for softmax attention only")
    described: dict[str, Any] = {
        "heads": layer.heads,
        "groups": layer.groups,
        "width": layer.width,
        "causal": layer.causal,
        "residual": layer.residual,
        "scale_squared": str(Fraction(1, layer.wq.shape[2]) if layer.scale_squared is None else layer.scale_squared),
        "temperature": float(layer.temperature).hex(),
        "positions": "none",
    }
    positions = layer.positions
    if isinstance(positions, Learned):
        described["positions"] = "learned"
    elif isinstance(positions, Alibi):
        described["positions"] = "alibi"
    elif isinstance(positions, Sinusoidal):
        described |= {"positions": "sinusoidal", "base": float(positions.base).hex()}
    elif isinstance(positions, Rotary):
        dims = layer.wq.shape[2] if positions.dims is None else positions.dims
        described |= {"positions": "rotary", "base": float(positions.base).hex()}
        described |= {"pairing": positions.pairing, "dims": int(dims)}
    for name in NORMS:
        norm = getattr(layer, name)
        if norm is not None:
            described[name] = norm.kind
            described[f"{name}.eps"] = float(norm.eps).hex()
    return described


def _ranges(ids: tuple[int, ...]) -> list[int]:
    """Sorted ids as half-open ranges, [start, end, start, end, …]."""
    ranges: list[int] = []
    for token in sorted(ids):
        if ranges and ranges[-1] == token:
            ranges[-1] += 1
        else:
            ranges += [token, token + 1]
    return ranges


def _section(section: Section) -> dict[str, Any]:
    described: dict[str, Any] = {
        "section": "all" if section.slots is None else section.slots,
        "bound": float(section.bound).hex(),
    }
    points = section.tangents
    if section.reading is not None:
        described["reading"] = section.reading.kind
        points = (section.reading.point,) if section.reading.kind == "tangent" else ()
    if section.toward:
        described["toward"] = list(section.toward)
    if points:
        described["tangent"] = [x.hex() for point in points for x in point]
    if section.reader_token is not None:
        described["reader_token"] = section.reader_token
    return described


def _nodes(trace: Trace, vocabulary: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """A section's nodes in preorder."""
    pending = [trace]
    while pending:
        for step in pending.pop():
            if isinstance(step, (Filter, Leaf)):
                kind = "filter" if isinstance(step, Filter) else "leaf"
                node: dict[str, Any] = {"node": kind, "c": [x.hex() for x in step.c.tolist()]}
                if step.joint:
                    node["joint"] = list(step.joint)
                if step.pull is not None:
                    node["pull"] = [x.hex() for x in step.pull.tolist()]
                yield node | _of(step.of)
            elif isinstance(step, Exact):
                yield {"node": "exact"} | _of(step.of)
            elif isinstance(step, Split):
                yield {"node": "split", "slot": step.slot, "tokens": sorted(vocabulary[step.columns].tolist())}
                pending += [step.second, step.first]
            elif isinstance(step, Cone):
                yield {"node": "cone", "c": [x.hex() for x in step.c.tolist()], "k": [x.hex() for x in step.k.tolist()]}
            elif isinstance(step, Box):
                yield {"node": "box", "head": step.head, "ratio": step.ratio.hex()}
                pending += [step.second, step.first]
            elif isinstance(step, Halve):
                yield {"node": "range", "head": step.head, "at": step.at.hex()}
                pending += [step.second, step.first]


def _of(combination: Combination) -> dict[str, Any]:
    return {"of": [[*condition, weight.hex()] for condition, weight in combination]} if combination else {}


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
