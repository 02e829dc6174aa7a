"""Makes the files of tests/certificates: a tiny model, certificates that hold, and others that must not pass.

Run from the repository's root: python -m tests.certificates_golden
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.certificate_writer import (
    Line,
    all_gains,
    certificate,
    encode,
    manifest_hash,
    seal,
    singletons,
    stored,
)
from tokendemo_formal.attention import Layer, Learned, Norm
from tokendemo_formal.override.question import Contest, Question, Readout, Template

Rows = tuple[int, ...]
HOME = Path(__file__).parent / "certificates"
MODEL = HOME / "model"


def layer() -> Layer:
    rng = np.random.default_rng(5)
    d, heads, width = 4, 2, 2
    return Layer(
        embedding=rng.standard_normal((6, d)),
        wq=rng.standard_normal((heads, d, width)),
        wk=rng.standard_normal((heads, d, width)),
        wv=rng.standard_normal((heads, d, width)),
        wo=rng.standard_normal((heads, width, d)),
        positions=Learned(rng.standard_normal((8, d)) / 4),
        pre_norm=Norm("layer", rng.uniform(0.5, 1.5, d), rng.standard_normal(d) / 4, 1e-5),
        final_norm=Norm("rms", rng.uniform(0.5, 1.5, d), None, 1e-5),
    )


def question(saved: Layer, threshold: Fraction, *, final_norm: bool = False, reader: str = "last") -> Question:
    rows = saved.unembedding
    assert rows is not None
    readout = Readout(rows[0], rows[1], threshold=threshold, final_norm=final_norm)
    after = (5,) if reader == "last" else ()
    return Question(saved, readout, (0, 1), after, "last", 2, (0, 2, 3, 4))


def universal(saved: Layer, threshold: Fraction, *, final_norm: bool = False) -> Question:
    """The same tokens in three templates."""
    asked = question(saved, threshold, final_norm=final_norm)
    return replace(asked, also=(Template((5,), (2, 1), "last"), Template((3, 3), (1, 5), -1)))


def contest(saved: Layer, threshold: Fraction, toward: Rows, against: Rows, *, final_norm: bool = False) -> Question:
    assert saved.unembedding is not None
    rows = Contest(saved.unembedding, None, toward, against)
    return replace(question(saved, threshold, final_norm=final_norm), contest=rows)


def ends(asked: Question, length: int) -> tuple[tuple[int, ...], Fraction, Fraction, Fraction]:
    """The best assignment, bounds of its gain, and a little more than the largest gain."""
    gains = all_gains(asked, length)
    best = max(gains, key=lambda t: gains[t][1])
    low, high = gains[best]
    return best, low, high, Fraction(round((high + Fraction(1, 1000)) * 1000), 1000)


def valid(saved: Layer) -> dict[str, list[Line]]:
    """Certificates that hold, by name."""
    zero = question(saved, Fraction(0))
    best, low, high, most = ends(zero, 2)
    above = question(saved, most)  # no assignment of 2 tokens reaches it
    below = question(saved, (low + ends(zero, 1)[2]) / 2)  # one of 2 does, none of 1 or 0
    start, stop = low - below.readout.threshold, high - below.readout.threshold
    normed = question(saved, Fraction(0), final_norm=True)
    normed_best, normed_low, _, normed_most = ends(normed, 2)
    owned = question(saved, Fraction(0), reader="slot")
    owned_best, owned_low, _, owned_most = ends(owned, 2)
    far = question(saved, normed_most, final_norm=True)
    every = universal(saved, Fraction(0))
    all_best, all_low, _, all_most = ends(every, 2)
    never = universal(saved, all_most)
    once = universal(saved, (all_low + ends(every, 1)[2]) / 2)
    far_all = universal(saved, Fraction(1), final_norm=True)
    far_best, far_low, _, far_most = ends(far_all, 2)
    argmax = contest(saved, Fraction(0), (0,), (1, 2))
    first, first_low, _, first_most = ends(argmax, 2)
    either = contest(saved, Fraction(0), (0, 2), (1,), final_norm=True)
    either_best, either_low, _, either_most = ends(either, 2)
    both = replace(contest(saved, Fraction(0), (0, 2), (1,)), also=universal(saved, Fraction(0)).also[:1])
    none = contest(saved, ends(both, 1)[3], (0, 2), (1,))
    none = replace(none, also=both.also)
    return {
        "argmax_optimum": certificate(argmax, "optimum", [2], first, first_low, first_most),
        "either_of_two_optimum": certificate(either, "optimum", [2], either_best, either_low, either_most),
        "either_of_two_in_two_templates": certificate(none, "no-override", [1]),
        "override": certificate(below, "override", [], best, start, stop),
        "no_override": certificate(above, "no-override", [0, 1, 2]),
        "no_override_by_trying_all": certificate(above, "no-override", [2], tree=singletons),
        "no_override_without_slots": certificate(above, "no-override", [0]),
        "minimum": certificate(below, "minimum", [0, 1], best, start, stop),
        "optimum": certificate(zero, "optimum", [2], best, low, most),
        "final_norm_optimum": certificate(normed, "optimum", [2], normed_best, normed_low, normed_most),
        "final_norm_no_override": certificate(far, "no-override", [2]),
        "universal_no_override": certificate(never, "no-override", [1, 2]),
        "universal_minimum": certificate(
            once, "minimum", [0, 1], all_best, all_low - once.readout.threshold, all_most - once.readout.threshold
        ),
        "universal_final_norm_optimum": certificate(far_all, "optimum", [2], far_best, far_low, far_most),
        "reader_in_slot_optimum": certificate(owned, "optimum", [2], owned_best, owned_low, owned_most),
    }


def edited(lines: list[Line], change: Callable[[list[Line]], object]) -> bytes:
    """A certificate after a change, with hashes that are right again."""
    lines = copy.deepcopy(lines)
    change(lines)
    return seal(lines, MODEL)


def place(lines: list[Line], kind: str) -> int:
    return next(i for i, line in enumerate(lines) if line.get("node") == kind)


def invalid(good: dict[str, list[Line]]) -> dict[str, bytes]:
    """Well-formed certificates that prove nothing, by what is wrong."""
    whole, best, least = good["no_override"], good["optimum"], good["minimum"]
    every, owned = good["no_override_by_trying_all"], good["reader_in_slot_optimum"]
    split, exact = place(every, "split"), place(every, "exact")
    leaf = place(whole, "leaf")
    never = good["universal_no_override"]
    combined = next(i for i, line in enumerate(never) if len(line.get("of", [])) > 1)

    argmax, either = good["argmax_optimum"], good["either_of_two_optimum"]
    second = next(i for i, line in enumerate(either) if i > 2 and "section" in line)

    def single(lines: list[Line], against: int = 1) -> list[Line]:
        """A leaf of a condition that is easy to satisfy, in place of the whole tree."""
        line = next(line for line in lines[3:] if line["node"] in ("leaf", "filter"))
        return [line | {"node": "leaf", "of": [[0, against, "1"]], "c": ["0", "0"]}]

    other = seal(whole, MODEL).splitlines(keepends=True)
    header = json.loads(other[0])
    files = dict.fromkeys(header["files"], "0" * 64)
    rehashed = header | {"files": files, "hash": manifest_hash(files, other[1][:-1])}

    def flipped(lines: list[Line]) -> None:
        node = lines[place(lines, "filter")]
        node["c"] = [text.removeprefix("-") if text[0] == "-" else "-" + text for text in node["c"]]

    def below_the_gain(lines: list[Line]) -> None:
        low, high = (Fraction(lines[0][key]) for key in ("low", "high"))
        lines[0] |= {"low": str(low - 1), "high": str(2 * low - high - 1)}

    return {
        "child_missing": edited(every, lambda x: x.pop(exact)),
        "child_twice": edited(every, lambda x: x.insert(exact, x[exact])),
        "split_dropped": edited(every, lambda x: x.pop(split)),
        "split_changed": edited(every, lambda x: x[split].update(tokens=[0, 2])),
        "split_of_another_slot": edited(every, lambda x: x[split].update(slot=1)),
        "filter_dropped": edited(best, lambda x: x.pop(place(x, "filter"))),
        "filter_flipped": edited(best, flipped),
        "exact_for_many": edited(best, lambda x: x.__setitem__(slice(3, None), [{"node": "exact"}])),
        "multipliers_far_off": edited(best, lambda x: x[place(x, "filter")].update(c=["1000", "-1000"])),
        "cut_after_a_line": edited(whole, lambda x: x.pop()),
        "line_after_the_end": edited(whole, lambda x: x.append(x[leaf])),
        "section_missing": edited(whole, lambda x: x.__delitem__(slice(2, 4))),
        "sections_swapped": edited(least, lambda x: x.__setitem__(slice(2, None), x[4:] + x[2:4])),
        "reader_token_missing": edited(owned, lambda x: x.pop(2) and x.pop(2)),
        "reader_token_changed": edited(owned, lambda x: x[2].update(reader_token=2)),
        "bound_above_the_claim": edited(whole, lambda x: x[2].update(bound="1")),
        "bound_below_the_truth": edited(best, lambda x: (x[0].update(high="0"), x[2].update(bound="0"))),
        "threshold_lower": edited(whole, lambda x: x[1].update(threshold="0")),
        "more_tokens": edited(whole, lambda x: x[1].update(vocabulary=[0, 6])),
        "witness_changed": edited(least, lambda x: x[0].update(witness=[2, 2])),
        "witness_not_allowed": edited(least, lambda x: x[0].update(witness=[1, 1])),
        "witness_bounds_elsewhere": edited(least, below_the_gain),
        "other_weights": encode(rehashed) + b"\n" + b"".join(other[1:]),
        "other_hash": encode(header | {"hash": "0" * 64}) + b"\n" + b"".join(other[1:]),
        "question_changed": other[0] + other[1].replace(b'"causal":true', b'"causal":false') + b"".join(other[2:]),
        "file_missing": encode(header | {"files": header["files"] | {"a.safetensors": "0" * 64}})
        + b"\n"
        + b"".join(other[1:]),
        "of_other_weights": edited(
            never, lambda x: x[combined].update(of=[[k, row, "1000" if k else w] for k, row, w in x[combined]["of"]])
        ),
        "of_an_easier_template": edited(never, lambda x: x[2:] and x.__setitem__(slice(3, None), single(x))),
        "universal_threshold_lower": edited(never, lambda x: x[1].update(threshold="0")),
        "universal_tangent_too_long": edited(
            good["universal_final_norm_optimum"], lambda x: x[2].update(tangent=["1"] * 15)
        ),
        "argmax_against_fewer": edited(argmax, lambda x: x[1].update(against=[2, 3])),
        "argmax_of_an_easier_row": edited(argmax, lambda x: x.__setitem__(slice(3, None), single(argmax, 1))),
        "toward_missing_a_choice": edited(either, lambda x: x.__delitem__(slice(second, None))),
        "toward_swapped": edited(either, lambda x: x[second].update(toward=[0])),
        "tangent_too_long": edited(good["final_norm_optimum"], lambda x: x[2].update(tangent=["1"] * 5)),
    }


def malformed(good: dict[str, list[Line]]) -> dict[str, bytes]:
    """What is not of the format, by what is wrong."""
    whole, normed = good["no_override"], good["final_norm_optimum"]
    text = seal(whole, MODEL)
    first, second, *rest = text.splitlines(keepends=True)

    def c(value: object) -> bytes:
        return edited(whole, lambda x: x[-1].update(c=[value, "0"]))

    def head(**changed: object) -> bytes:
        return edited(whole, lambda x: x[0].update(changed))

    def asked(**changed: object) -> bytes:
        return edited(whole, lambda x: x[1].update(changed))

    def described(part: str, **changed: object) -> bytes:
        return edited(whole, lambda x: x[1][part].update(changed))

    universal = good["universal_no_override"]
    at = next(i for i, line in enumerate(universal) if len(line.get("of", [])) > 1)

    def of(change: Callable[[list[list[object]]], object]) -> bytes:
        return edited(universal, lambda x: change(x[at]["of"]))

    return {
        "toward_empty": edited(good["argmax_optimum"], lambda x: x[1].update(toward=[])),
        "against_overlapping": edited(good["argmax_optimum"], lambda x: x[1].update(against=[1, 2, 2, 3])),
        "against_beyond": edited(good["argmax_optimum"], lambda x: x[1].update(against=[1, 4])),
        "toward_of_a_section_without_choice": edited(good["argmax_optimum"], lambda x: x[2].update(toward=[0])),
        "of_missing": edited(universal, lambda x: x[at].pop("of")),
        "of_empty": edited(universal, lambda x: x[at].update(of=[], c=[])),
        "of_a_template_beyond": of(lambda x: x[0].__setitem__(0, 3)),
        "of_a_row_beyond": of(lambda x: x[0].__setitem__(1, 2)),
        "of_one_twice": of(lambda x: x.append(x[0])),
        "of_no_weight": of(lambda x: x[0].pop()),
        "of_weight_zero": of(lambda x: x[0].__setitem__(2, "0")),
        "of_weight_below_zero": of(lambda x: x[0].__setitem__(2, "-1")),
        "of_where_there_is_one": edited(whole, lambda x: x[-1].update(of=[[0, 1, "1"]])),
        "c_of_one_template": edited(universal, lambda x: x[at].update(c=x[at]["c"][:2])),
        "exact_of_several": edited(universal, lambda x: x.__setitem__(slice(3, None), [several(x[at])])),
        "reading_of_several": edited(universal, lambda x: x[2].update(reading="plain")),
        "also_is_no_list": edited(universal, lambda x: x[1].update(also={})),
        "also_without_a_reader": edited(universal, lambda x: x[1]["also"][0].pop("reader")),
        "empty": b"",
        "blank_line": text + b"\n",
        "header_only": first,
        "cut_within_a_line": text[:-5],
        "not_json": b"certificate\n",
        "not_an_object": b"[1]\n" + second + b"".join(rest),
        "not_utf8": first.replace(b'"words":""', b'"words":"\xff"') + second + b"".join(rest),
        "byte_order_mark": b"\xef\xbb\xbf" + text,
        "deep": b'{"node":' + b"[" * 20_000 + b"\n",
        "key_twice": first.replace(b'{"format"', b'{"version":1,"format"') + second + b"".join(rest),
        "key_twice_inside": edited(whole, lambda x: None).replace(b'"heads":2', b'"heads":2,"heads":2'),
        "key_missing": edited(whole, lambda x: x[0].pop("words")),
        "key_unknown": edited(whole, lambda x: x[-1].update(note="")),
        "format": head(format="another"),
        "claim": head(claim="safe"),
        "no_length": head(lengths=[]),
        "lengths_out_of_order": head(lengths=[2, 1, 0]),
        "file_name_with_a_slash": first.replace(b"config.json", b"../config.json") + second + b"".join(rest),
        "c_is_a_float": c(0.5),
        "c_is_nan": c("nan"),
        "c_is_a_bare_nan": edited(whole, lambda x: None)[:-1].rpartition(b"\n")[0]
        + b'\n{"node":"leaf","c":[NaN,"0"]}\n',
        "c_is_infinite": c("inf"),
        "c_over_zero": c("1/0"),
        "c_with_a_huge_exponent": c("0x1.0p+9999"),
        "c_with_too_many_digits": c("1" * 5000),
        "c_in_decimals": c("0.5"),
        "c_of_one_head": edited(whole, lambda x: x[-1].update(c=["0"])),
        "joint_twice": edited(whole, lambda x: x[-1].update(joint=[0, 0])),
        "joint_head_unknown": edited(whole, lambda x: x[-1].update(joint=[2])),
        "node_unknown": edited(whole, lambda x: x[-1].update(node="axiom")),
        "slot_unknown": edited(whole, lambda x: x.__setitem__(-1, {"node": "split", "slot": 2, "tokens": [0]})),
        "integer_as_boolean": edited(
            whole, lambda x: x.__setitem__(-1, {"node": "split", "slot": True, "tokens": [0]})
        ),
        "integer_huge": described("layer", heads=10**30),
        "reading_other": edited(whole, lambda x: x[2].update(reading="folded")),
        "tangent_missing": edited(normed, lambda x: x[2].pop("tangent")),
        "tangent_too_short": edited(normed, lambda x: x[2].update(tangent=["0"] * 4)),
        "vocabulary_overlapping": asked(vocabulary=[0, 3, 2, 5]),
        "vocabulary_empty": asked(vocabulary=[]),
        "vocabulary_beyond": asked(vocabulary=[0, 7]),
        "template_beyond": asked(before=[0, 6]),
        "reader_beyond": asked(reader=9),
        "reader_before_the_slots": asked(reader=0),
        "prompt_beyond_the_context": asked(before=[0] * 8),
        "row_beyond": asked(toward=3),
        "threshold_zero_below": asked(threshold="1/0"),
        "temperature_zero": described("layer", temperature="0"),
        "groups_do_not_divide": described("layer", groups=3),
        "positions_unknown": described("layer", positions="relative"),
        "role_missing": edited(whole, lambda x: x[1]["tensors"].pop("wq")),
        "role_unknown": described("tensors", wx="wq"),
        "tensor_missing": described("tensors", wq="wx"),
        "tensor_of_another_shape": described("tensors", wq="wo"),
        "tensor_reshaped_wrongly": described("tensors", wq="wq;shape=3,3"),
        "tensor_ordered_wrongly": described("tensors", wq="wq;order=0,1"),
        "tensor_sliced_wrongly": described("tensors", wq="wq;slice=0,1,9"),
    }


def several(line: Line) -> Line:
    return {"node": "exact", "of": line["of"]}


def write(home: Path = HOME) -> None:
    """Make all stored files anew."""
    shutil.rmtree(home, ignore_errors=True)
    rows = np.random.default_rng(6).standard_normal((3, 4))
    saved = stored(layer(), MODEL, rows)
    good = valid(saved)
    kinds = {
        "valid": {name: seal(lines, MODEL) for name, lines in good.items()},
        "invalid": invalid(good),
        "malformed": malformed(good),
    }
    for kind, texts in kinds.items():
        (home / kind).mkdir()
        for name, text in texts.items():
            (home / kind / f"{name}.jsonl").write_bytes(text)


if __name__ == "__main__":
    write()
