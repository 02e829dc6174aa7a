"""What a certificate claims and of what: its first two lines, and the layer that the second describes.

Nothing here comes from the rest of the package but the reader of files beside it.

Main declarations: :class:`Header`, :class:`Question`, :class:`Layer`.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from operator import mul, sub
from typing import Any, NamedTuple

from flint import fmpq

from tokendemo_formal.certificates.automaton import EVERYTHING, Automaton
from tokendemo_formal.certificates.stored import Files, RefusedError, View, integers, keys, malformed, rational, table

NORMS = ("embedding_norm", "pre_norm", "query_norm", "key_norm", "final_norm")
POSITIONS = ("none", "learned", "sinusoidal", "rotary", "alibi")
CONSTRAINTS = ("counts", "distinct", "places", "automaton", "excluded")
CLAIMS = ("override", "no-override", "minimum", "optimum", "never")
WITNESSED = ("override", "minimum", "optimum")


class Norm:
    """LayerNorm (centred) or RMSNorm."""

    def __init__(self, kind: str, eps: fmpq, gain: View, bias: View | None) -> None:
        self.centred, self.eps, self.gain, self.bias = kind == "layer", eps, gain, bias


class Layer:
    """What a certificate's question says about the layer, with its tensors.

    Args:
        settings: the question's ``layer``.
        sources: the question's ``tensors``.
        files: where they lie.

    Raises:
        RefusedError: malformed, for what does not fit together.
    """

    def __init__(self, settings: Mapping[str, Any], sources: Mapping[str, Any], files: Files) -> None:
        self._settings, self._unused = settings, set(settings)
        self.tensors = {role: files.view(role, source) for role, source in sources.items()}
        self.heads, self.groups, width = (self._integer(name) for name in ("heads", "groups", "width"))
        self.causal, self.residual = self._flag("causal"), self._flag("residual")
        self.scale_squared, self.temperature = self._number("scale_squared"), self._number("temperature")
        self.positions = self._one_of("positions", POSITIONS)
        if self.heads % self.groups or self.temperature == 0:
            malformed("layer: expected a number of groups that divides the heads, and a temperature above 0")
        roles = set(self.tensors)
        rows = self.take("embedding", None, width)
        self.vocabulary, self.width = rows.shape
        self.embedding = rows
        wq, wk = self.take("wq", self.heads, width, None), self.take("wk", self.groups, width, None)
        wv, wo = self.take("wv", self.groups, width, None), self.take("wo", self.heads, None, width)
        self.head_width, self.value_width = wq.shape[2], wv.shape[2]
        if wk.shape[2] != self.head_width or wo.shape[1] != self.value_width or 0 in (*wq.shape, *wv.shape):
            malformed("tensors: wq and wk, wv and wo: expected heads of the same width")
        used = {"embedding", "wq", "wk", "wv", "wo", "readout", "readout_bias"}
        self.readout = self.take("readout", None, width)
        shapes: dict[str, tuple[int | None, ...]] = {
            "bq": (self.heads, self.head_width),
            "bk": (self.groups, self.head_width),
            "bv": (self.groups, self.value_width),
            "bo": (width,),
            "offset": (width,),
            "readout_bias": self.readout.shape[:1],
            "score_bias": (self.heads, None, None),
        }
        if self.positions == "learned":
            shapes["positions.table"] = (None, width)
            self.take("positions.table", None, width)
        if self.positions == "alibi":
            shapes["positions.slopes"] = (self.heads,)
            self.take("positions.slopes", self.heads)
        for role in roles & shapes.keys():
            self.take(role, *shapes[role])
        self.base = self._number("base") if self.positions in ("sinusoidal", "rotary") else fmpq(1)
        if self.base == 0:
            malformed("layer.base: expected a number above 0")
        self.dims = 0
        if self.positions == "rotary":
            self.half = self._one_of("pairing", ("half", "adjacent")) == "half"
            self.dims = self._integer("dims")
            if self.dims % 2 or self.dims > self.head_width:
                malformed(f"layer.dims: expected an even number up to {self.head_width}, found {self.dims}")
        self.norms: dict[str, Norm] = {}
        for name in NORMS:
            if name in settings:
                size = self.head_width if name in ("query_norm", "key_norm") else width
                bias = self.take(f"{name}.bias", size) if f"{name}.bias" in roles else None
                kind, eps = self._one_of(name, ("layer", "rms")), self._number(f"{name}.eps")
                self.norms[name] = Norm(kind, eps, self.take(f"{name}.gain", size), bias)
                used |= {f"{name}.gain", f"{name}.bias"}
        if unknown := sorted(self._unused) + sorted(roles - used - shapes.keys()):
            malformed(f"layer, tensors: {unknown[0]!r:.60} is unknown, or has no part in this layer")
        limits = [self.tensors[role].shape[1] for role in ("score_bias",) if role in roles]
        limits += [self.tensors["positions.table"].shape[0]] if self.positions == "learned" else []
        if "score_bias" in roles and len(set(self.tensors["score_bias"].shape[1:])) != 1:
            malformed("tensors.score_bias: expected as many readers as keys")
        self.context: int | None = min(limits, default=None)
        self.inputs = [self.norms[name] for name in ("embedding_norm", "pre_norm") if name in self.norms]

    def _get(self, key: str) -> Any:
        self._unused.discard(key)
        return self._settings[key] if key in self._settings else malformed(f"layer.{key}: missing")

    def _integer(self, key: str) -> int:
        value = self._get(key)
        return value if type(value) is int and value > 0 else malformed(f"layer.{key}: expected a positive integer")

    def _flag(self, key: str) -> bool:
        value = self._get(key)
        return value if isinstance(value, bool) else malformed(f"layer.{key}: expected true or false")

    def _number(self, key: str) -> fmpq:
        value = rational(self._get(key), f"layer.{key}")
        return value if value >= 0 else malformed(f"layer.{key}: expected a number of at least 0")

    def _one_of(self, key: str, choices: Sequence[str]) -> str:
        value = self._get(key)
        if not isinstance(value, str) or value not in choices:
            malformed(f"layer.{key}: expected one of {choices}, found {value!r:.60}")
        return value

    def take(self, role: str, *shape: int | None) -> View:
        """The tensor of a role; a None in the shape stands for any size."""
        view = self.tensors.get(role) or malformed(f"tensors.{role}: missing")
        if len(view.shape) != len(shape) or any(b not in (None, a) for a, b in zip(view.shape, shape, strict=True)):
            malformed(f"tensors.{role}: expected the shape {shape} (None: any size), found {view.shape}")
        return view

    def group(self, head: int) -> int:
        """The key/value head that a query head uses."""
        return head // (self.heads // self.groups)

    def visible(self, reader: int, length: int) -> range:
        """The positions that the reader attends to."""
        return range(min(reader + 1, length) if self.causal else length)


class Header:
    """The first line."""

    def __init__(self, line: Mapping[str, Any]) -> None:
        if line.get("format") != "tokendemo-certificate":
            malformed("format: expected 'tokendemo-certificate'")
        if type(line.get("version")) is not int:
            malformed("version: expected an integer")
        if line["version"] != 1:
            raise RefusedError("unsupported", f"version {line['version']}; this checker knows version 1")
        self.claim: str = line.get("claim", "")
        if self.claim not in CLAIMS:
            malformed(f"claim: expected one of {', '.join(CLAIMS)}")
        witnessed = {"witness", "low", "high"} if self.claim in WITNESSED else set()
        keys(line, {"format", "version", "words", "claim", "lengths", "files", "hash"} | witnessed, ["source"])
        if not isinstance(line["words"], str):
            malformed("words: expected a string")
        self.lengths = integers(line["lengths"], "lengths")
        self.witness = integers(line["witness"], "witness") if witnessed else []
        self.low, self.high = (rational(line[k], k) if witnessed else fmpq(0) for k in ("low", "high"))
        expected = {"override": [], "minimum": [*range(len(self.witness))], "optimum": [len(self.witness)]}
        expected["never"] = sorted({*self.lengths})  # which they are depends on the layer
        if self.lengths != expected.get(self.claim, sorted({*self.lengths}) or None):
            malformed(f"lengths: {self.lengths!r:.60} are not those that the claim {self.claim!r} needs, increasing")
        self.bound = self.high if self.claim == "optimum" else fmpq(0)
        self.files = table(line, "files")
        for name, digest in self.files.items():
            if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}", name):
                malformed(f"files: {name!r:.60} is not the plain name of a file")
            if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
                malformed(f"files: {name}: expected a SHA-256 in 64 small hexadecimal digits")
        if "config.json" not in self.files:
            malformed("files: config.json is missing")
        self.hash = line["hash"]

    def verify(self, question: bytes) -> None:
        """Compare the hash with the manifest's, given the bytes of the question's line."""
        manifest = "".join(f"{self.files[name]}  {name}\n" for name in sorted(self.files))
        manifest += f"{hashlib.sha256(question).hexdigest()}  question\n"
        found = hashlib.sha256(manifest.encode()).hexdigest()
        if self.hash != found:
            raise RefusedError("invalid", f"hash: the files' and the question's is {found}, not {self.hash!r:.70}")


def spans(rows: Sequence[int]) -> str:
    """Increasing numbers, runs of them by their ends."""
    known = {*rows}
    starts = [row for row in rows if row - 1 not in known]
    stops = [row for row in rows if row + 1 not in known]
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, stops, strict=True))


def decimal(x: fmpq, digits: int = 12, *, up: bool = False) -> str:
    """The number in decimals, rounded down or up."""
    above, below = int(x.p) * 10**digits, int(x.q)
    scaled = -(-above // below) if up else above // below
    text = str(abs(scaled)).rjust(digits + 1, "0")
    return f"{'-' if scaled < 0 else ''}{text[:-digits]}.{text[-digits:]}"


class Prompt(NamedTuple):
    """Token ids by position, None in a slot, and where the reader stands."""

    tokens: tuple[int | None, ...]
    reader: int

    @property
    def slots(self) -> list[int]:
        return [position for position, token in enumerate(self.tokens) if token is None]


class Template(NamedTuple):
    """The token ids around the slots, and where the reader stands."""

    before: list[int]
    after: list[int]
    reader: Any

    @classmethod
    def of(cls, line: Mapping[str, Any], vocabulary: int) -> Template:
        """What a line says of it."""
        before, after, reader = integers(line["before"], "before"), integers(line["after"], "after"), line["reader"]
        if any(token >= vocabulary for token in before + after):
            malformed(f"before, after: expected token ids below {vocabulary}")
        if reader not in ("first", "last") and type(reader) is not int:
            malformed("reader: expected 'first', 'last' or a position")
        return cls(before, after, reader)

    def reader_at(self, total: int) -> int:
        """Where the reader stands in a prompt of that many tokens."""
        named: int = {"first": 0, "last": total - 1}.get(self.reader, self.reader)
        return named + total if named < 0 else named


class Readout(NamedTuple):
    """u, one row less another, and β: the first's lead is ⟨u, z⟩ + β, or N(z)/σ(z) + β through the final norm."""

    difference: list[fmpq]
    beta: fmpq


class Count(NamedTuple):
    """A rule that the tokens in the slots have to keep: their weights add up to at most the limit."""

    weights: dict[int, int]
    default: int
    limit: int

    @classmethod
    def of(cls, line: object, vocabulary: int) -> Count:
        """What a question says of it."""
        if not isinstance(line, dict):
            malformed("counts: expected a list of objects")
        keys(line, {"weights", "default", "limit"})
        pairs = integers(line["weights"], "counts")
        default, limit = integers([line["default"], line["limit"]], "counts")
        weights = dict(zip(pairs[::2], pairs[1::2], strict=False))
        if len(pairs) != 2 * len(weights) or any(token >= vocabulary for token in weights):
            malformed(f"counts: expected token ids below {vocabulary}, each once and followed by its weight")
        return cls(weights, default, limit)

    def weight(self, token: int) -> int:
        """What a token adds."""
        return self.weights.get(token, self.default)

    def keeps(self, tokens: Sequence[int]) -> bool:
        """Whether tokens keep the rule."""
        return sum(map(self.weight, tokens)) <= self.limit

    def words(self) -> str:
        """The rule."""
        listed = [f"{token}: {weight}" for token, weight in [*self.weights.items()][:40]]
        more = ["…"] if len(self.weights) > 40 else []
        others = f"any{' other' if listed else ''}: {self.default}"
        return f"weights of tokens ({', '.join([*listed, *more, others])}) add up to at most {self.limit}"


def _list(line: Mapping[str, Any], key: str) -> list[Any]:
    value = line.get(key, [])
    return value if isinstance(value, list) else malformed(f"{key}: expected a list")


class Share(NamedTuple):
    """What the gain reads in place of rows: ``below`` less the share of attention that the system's tokens get.

    Attributes:
        below: above 0, and at most 1.
        head: whose share; None: the mean of all heads' shares.
        of: ``before``, ``after``, ``template``, or indices of the template's tokens.
    """

    below: fmpq
    head: int | None
    of: Any

    @classmethod
    def read(cls, line: Mapping[str, Any], heads: int) -> Share:
        """What a line says of it."""
        keys(line, {"below", "of"}, ["head"])
        below, head, of = rational(line["below"], "share.below"), line.get("head"), line["of"]
        if not 0 < below <= 1:
            malformed("share.below: expected a number above 0 and at most 1")
        if "head" in line and (type(head) is not int or not 0 <= head < heads):
            malformed(f"share.head: expected a head below {heads}")
        if of not in ("before", "after", "template"):
            of = integers(of, "share.of")
            if any(a >= b for a, b in itertools.pairwise(of)):
                malformed("share.of: expected 'before', 'after', 'template' or increasing indices")
        return cls(below, head, of)

    def tokens(self, template: Template) -> Sequence[int]:
        """Indices of a template's tokens."""
        first, total = len(template.before), len(template.before) + len(template.after)
        named = {"before": range(first), "after": range(first, total), "template": range(total)}
        chosen: Sequence[int] = named[self.of] if isinstance(self.of, str) else self.of
        if not chosen or chosen[-1] >= total:
            malformed(f"share.of: expected at least one token, of the template's {total}")
        return chosen

    def words(self) -> str:
        """Which share."""
        whose = "in the mean over all heads" if self.head is None else f"from head {self.head}"
        tokens = {
            "before": "the tokens before the slots",
            "after": "the tokens after the slots",
            "template": "all tokens but those in the slots",
        }
        which = tokens[self.of] if isinstance(self.of, str) else f"the template's tokens {spans(self.of)} (from 0)"
        return f"{self.below} less the share of attention that {which} get {whose}"


class Question:
    """The second line: the layer, the templates, the adversary and the readout.

    Attributes:
        templates: all have to be overridden: the gain is the least of all.
        share: what the gain reads, if that is not rows.
        toward, against: rows of the readout: one of toward has to beat all of against; 0 stands for a share.
        heads: those that count.
        norm: the final norm, where the readout goes through it.
        counts, distinct: what the tokens in the slots have to keep; ``distinct``: none stands in two.
        automaton: what accepts the tokens in the order of the slots.
        excluded: assignments that are not asked about, whatever else they keep.
    """

    def __init__(self, line: Mapping[str, Any], files: Files, limit: int) -> None:
        readout = {"toward", "against", "threshold", "through_final_norm"}
        required = {"layer", "tensors", "before", "after", "reader", "vocabulary"}
        keys(line, required | ({"share"} if "share" in line else readout), ["positions", "also", *CONSTRAINTS])
        self.layer = layer = Layer(table(line, "layer"), table(line, "tensors"), files)
        also = line.get("also", [])
        if not isinstance(also, list) or not all(isinstance(other, dict) for other in also):
            malformed("also: expected a list of objects")
        for other in also:
            keys(other, {"before", "after", "reader"})
        self.templates = [Template.of(each, layer.vocabulary) for each in (line, *also)]
        self.positions = integers(line["positions"], "positions") if "positions" in line else None
        ends = integers(line["vocabulary"], "vocabulary")
        if len(ends) % 2 or any(a >= b for a, b in itertools.pairwise(ends)) or (ends and ends[-1] > layer.vocabulary):
            malformed(f"vocabulary: expected increasing half-open ranges up to {layer.vocabulary}")
        self.vocabulary = [*itertools.chain.from_iterable(map(range, ends[::2], ends[1::2]))]
        self.share = Share.read(table(line, "share"), layer.heads) if "share" in line else None
        only = None if self.share is None else self.share.head
        self.heads: list[int] = [*range(layer.heads)] if only is None else [only]
        if self.share is not None:
            line = {**line, "toward": 0, "against": 0, "threshold": "0", "through_final_norm": False}
        self.toward, self.against = (self._rows(line[key], key) for key in ("toward", "against"))
        self.normed = line["through_final_norm"]
        if not isinstance(self.normed, bool) or (self.normed and "final_norm" not in layer.norms):
            malformed("through_final_norm: expected true or false, and true only with a final norm")
        self.norm = layer.norms["final_norm"] if self.normed else None
        counts, self.distinct = line.get("counts", []), line.get("distinct", False)
        if not isinstance(counts, list) or not isinstance(self.distinct, bool):
            malformed("counts, distinct: expected a list of objects, and true or false")
        self.counts = [Count.of(count, layer.vocabulary) for count in counts]
        self._constrained = any(key in line for key in CONSTRAINTS)
        self._places = [self._place(place) for place in _list(line, "places")]
        self.automaton = Automaton.of(line["automaton"], layer.vocabulary) if "automaton" in line else EVERYTHING
        self.excluded = {tuple(integers(tokens, "excluded")) for tokens in _list(line, "excluded")}
        self._survival = "excluded" in line
        self._limit = limit
        self.threshold = rational(line["threshold"], "threshold")
        self._readouts: dict[tuple[int, int], Readout] = {}

    def _place(self, entry: object) -> tuple[int, list[int]]:
        """A slot's number, and the tokens that it may hold."""
        if not isinstance(entry, list) or not entry or type(entry[0]) is not int:
            malformed("places: expected lists of a slot's number and half-open ranges of tokens")
        ends = integers(entry[1:], "places")
        if len(ends) % 2 or any(a >= b for a, b in itertools.pairwise([-1, *ends, self.layer.vocabulary + 1])):
            malformed(f"places: expected increasing half-open ranges up to {self.layer.vocabulary}")
        return entry[0], [*itertools.chain.from_iterable(map(range, ends[::2], ends[1::2]))]

    def held(self, slot: int, length: int) -> list[int]:
        """What a slot of so many may hold."""
        usable = self.vocabulary
        for place, tokens in self._places:
            if slot == (place + length if place < 0 else place):
                chosen = {*tokens}
                usable = [token for token in usable if token in chosen]
        return usable

    def _rows(self, value: object, where: str) -> list[int]:
        """A row of the readout, or half-open ranges of them."""
        count = self.layer.readout.shape[0]
        ends = [value, value + 1] if type(value) is int else integers(value, where)
        if not ends or len(ends) % 2 or any(a >= b for a, b in itertools.pairwise([-1, *ends, count + 1])):
            malformed(f"{where}: expected a row below {count}, or increasing half-open ranges of rows")
        return [*itertools.chain.from_iterable(map(range, ends[::2], ends[1::2]))]

    @property
    def constrained(self) -> bool:
        """Whether the tokens in the slots have rules to keep."""
        return self._constrained

    def accepts(self, tokens: Sequence[int]) -> bool:
        """Whether an assignment is asked about, but for the rules."""
        if not all(token in self.held(slot, len(tokens)) for slot, token in enumerate(tokens)):
            return False
        return self.automaton.accepts(tokens) and tuple(tokens) not in self.excluded

    @property
    def several(self) -> bool:
        """Whether more than one function has a part: in the gain, or of the rules."""
        return len(self.templates) * len(self.toward) * len(self.against) > 1 or self.constrained

    def rule(self, kind: str, which: int) -> Count | None:
        """A rule as a node names it: ``count`` and its index, or ``once`` and a token; None where there is none."""
        if kind == "count":
            return self.counts[which] if which < len(self.counts) else None
        return Count({which: 1}, 0, 1) if kind == "once" and self.distinct else None

    def keeps(self, tokens: Sequence[int]) -> bool:
        """Whether the tokens of an assignment keep all constraints."""
        repeated = self.distinct and len({*tokens}) < len(tokens)
        return all(count.keeps(tokens) for count in self.counts) and not repeated and self.accepts(tokens)

    def readout(self, toward: int, against: int) -> Readout:
        """What one row has more than another."""
        if (toward, against) not in self._readouts:
            tensors, beta = self.layer.tensors, -self.threshold
            difference = [*map(sub, *(self._exact(self.layer.readout[row].floats()) for row in (toward, against)))]
            if "readout_bias" in tensors:
                biases = [self._exact(tensors["readout_bias"][row].floats()) for row in (toward, against)]
                beta += biases[0][0] - biases[1][0]
            if self.norm is not None and self.norm.bias is not None:
                beta += sum(map(mul, difference, self._exact(self.norm.bias.floats())), fmpq(0))
            self._readouts[toward, against] = Readout(difference, beta)
        return self._readouts[toward, against]

    @staticmethod
    def _exact(values: Sequence[float]) -> list[fmpq]:
        return [fmpq(*value.as_integer_ratio()) for value in values]

    def prompt(self, length: int, index: int = 0) -> Prompt:
        """A template's prompt with that many slots."""
        template, total = self.templates[index], self.size(length, index)
        first, reader = len(template.before), template.reader_at(total)
        holes = self._holes(length, first)
        if len(holes) < length or any(a >= b for a, b in itertools.pairwise([*holes, total])):
            malformed(f"positions: expected at least {length} increasing positions in a prompt of {total} tokens")
        taken, rest = set(holes), iter(template.before + template.after)
        tokens = tuple(None if p in taken else next(rest) for p in range(total))
        if not 0 <= reader < total or (self.layer.context is not None and total > self.layer.context):
            malformed(
                f"a prompt of {total} tokens has no reader {template.reader}, or is longer than the layer's context"
            )
        if holes and holes[-1] not in self.layer.visible(reader, total):
            malformed(f"the reader at position {reader} can't see the slot at position {holes[-1]}")
        if length and not self.vocabulary:
            malformed("vocabulary: empty; expected at least one token")
        if self.share is not None and not {*self.layer.visible(reader, total)} & {*self.system(total, index)}:
            malformed(f"share.of: the reader at position {reader} sees none of these tokens, so their share is 0")
        return Prompt(tokens, reader)

    def lengths(self, header: Header) -> list[int | None]:
        """The lengths of the sections that the claim needs; None: one of all lengths at once."""
        if header.claim != "never":
            return [*header.lengths]
        longest = self.longest
        every = [] if longest is None else [*range(longest + 1)]
        if header.lengths != every:
            found, needed = (spans(lengths) or "none" for lengths in (header.lengths, every))
            raise RefusedError("invalid", f"lengths: {found}; the claim 'never' of this layer needs {needed}")
        return [*every] if every else [None]

    @cached_property
    def longest(self) -> int | None:
        """Of the claim "never": the most slots that the layer has positions for, in each template. None: the layer has
        no positions, so there is no end."""
        layer, indices = self.layer, range(len(self.templates))
        if self.positions is not None:
            malformed("positions: the claim 'never' is about slots between before and after")
        if self.constrained:
            raise RefusedError("unsupported", "the claim 'never' for tokens that keep constraints")
        if layer.context is not None:
            return layer.context - max(len(self.prompt(0, index).tokens) for index in indices)
        if layer.positions != "none":
            malformed(f"claim: 'never' needs a layer without positions, or with a last one; found {layer.positions!r}")
        if self.several:
            raise RefusedError("unsupported", "the claim 'never' for several templates or rows without positions")
        before, after, reader = self.templates[0]
        fixed: dict[Any, bool] = {"first": bool(before), "last": bool(after)}
        if not fixed.get(reader, reader not in fixed and -len(after) <= reader < len(before)):
            malformed(f"reader: {reader!r} is not the same token of the template at every length")
        return None

    def _holes(self, length: int, first: int) -> list[int]:
        """Where that many slots stand, if between the template's parts then from position ``first``."""
        return self.positions[:length] if self.positions is not None else [*range(first, first + length)]

    def system(self, total: int, index: int) -> list[int]:
        """Where the tokens stand whose share is read, in a template's prompt of that many tokens."""
        template, share = self.templates[index], self.share
        assert share is not None, "rows are read of the stream"
        holes = self._holes(total - len(template.before) - len(template.after), len(template.before))
        fixed = [position for position in range(total) if position not in holes]
        return [fixed[i] for i in share.tokens(template)]

    def size(self, length: int, index: int = 0) -> int:
        """The tokens of a template's prompt with that many slots."""
        total = len(self.templates[index].before) + len(self.templates[index].after) + length
        if total > self._limit:
            raise RefusedError("unsupported", f"a prompt of {total} tokens; the limit is {self._limit}")
        return total

    def owned(self, length: int) -> int | None:
        """Which of the slots holds the reader."""
        prompts = [self.prompt(length, index) for index in range(len(self.templates))]
        found = {p.slots.index(p.reader) for p in prompts if p.tokens[p.reader] is None}
        if len(found) > 1:
            raise RefusedError("unsupported", f"readers of several templates in different slots, {sorted(found)}")
        return found.pop() if found else None

    def words(self) -> str:
        """The terms of the claim."""
        layer = self.layer
        prompts = [f"position {t.reader!r} of the prompt {t.before!r:.400} … {t.after!r:.400}" for t in self.templates]
        read = prompts[0] if len(prompts) == 1 else f"the least of {len(prompts)} readings, at {'; at '.join(prompts)},"
        gain = f"row {self.toward[0]} less row {self.against[0]} of the readout"
        gain = gain if self.share is None else self.share.words()
        if len(self.toward) * len(self.against) > 1:
            gain = (
                f"the largest of the rows {spans(self.toward)} of the readout less the largest of {spans(self.against)}"
            )
        slots = "between them" if self.positions is None else f"at the first of the positions {self.positions!r:.200}"
        norms = ", ".join(layer.norms) or "none"
        rules = (["no token stands in two slots"] if self.distinct else []) + [count.words() for count in self.counts]
        rules += [f"slot {place} holds one of {spans(tokens):.200}" for place, tokens in self._places]
        rules += [] if self.automaton is EVERYTHING else [self.automaton.words()]
        if self._survival:
            rules.append(
                f"none of the {len(self.excluded)} assignments {sorted(self.excluded)!r:.400}, left out for what a "
                "tokenizer makes of their text, which is not checked here"
                if self.excluded
                else "no assignment was left out for what a tokenizer makes of its text"
            )
        constraints = f"Constraints on the tokens in the slots: {'; '.join(rules)}.\n" if rules else ""
        return (
            f"Gain: {gain}, {'' if self.share is not None else f'less {self.threshold}, '}"
            f"{'through the final norm, ' if self.normed else ''}read at {read} with the slots {slots}, for "
            f"{len(self.vocabulary)} of "
            f"{layer.vocabulary} tokens.\n{constraints}"
            f"Layer: {layer.heads} heads over {layer.groups}, width {layer.width}, "
            f"positions: {layer.positions}, {'causal' if layer.causal else 'not causal'}, norms: {norms}."
        )
