"""Regular expressions as machines that read one character at a time, in the syntax and sense of Python's ``re``.

What ``re`` has beyond regular languages (references back, looking around, anchors, possessive repeats, flags) is
refused by name. Single characters and classes of them are left to ``re`` itself, so ``\\w``, ``.`` and ``[^a-z]``
mean here what they mean there; concatenation, choice and repeats become a machine with free moves (K. Thompson,
"Regular expression search algorithm", 1968), whose sets of places are its states.

Main declaration: :class:`Regex`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple, NoReturn, TypeAlias

from tokendemo_formal.errors import ScenarioError

MOST_PLACES = 5_000
"""Places of a machine; counted repeats multiply them."""

_GROUPS = {
    "=": "looking ahead",
    "!": "looking ahead",
    "<": "looking behind",
    ">": "an atomic group",
    "(": "a condition",
    "#": "a comment",
    "P=": "a reference back",
}
_ESCAPES = {"A": "an anchor", "Z": "an anchor", "z": "an anchor", "b": "a word boundary", "B": "a word boundary"}
_ESCAPED = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|.)", re.DOTALL)
_CLASS = re.compile(r"\[\^?(?:\\.|[^\\])(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?:|\?P<\w+>)?")
_COUNTED = re.compile(r"\{(\d*)(?:(,)(\d*))?\}")


class _Atom(NamedTuple):
    """One character, as ``re`` spells it."""

    text: str


class _Sequence(NamedTuple):
    parts: list[_Node]


class _Choice(NamedTuple):
    parts: list[_Node]


class _Repeat(NamedTuple):
    """At least and at most so many of the same; None: any number."""

    part: _Node
    least: int
    most: int | None


_Node: TypeAlias = _Atom | _Sequence | _Choice | _Repeat


class Regex:
    """A machine for one pattern.

    Args:
        pattern: a regular expression of ``re``.

    Attributes:
        start: the places before any character is read.

    Raises:
        ScenarioError: for what ``re`` refuses, what is not regular, and what is too large.
    """

    def __init__(self, pattern: str) -> None:
        self._free: list[list[int]] = []
        self._reads: list[tuple[Callable[[str], object], int] | None] = []
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        try:
            re.compile(pattern)
            first = self._place()
            self._end = self._built(_Parser(pattern).whole, first)
        except (re.error, OverflowError, RecursionError) as error:
            raise ScenarioError(f"{pattern!r:.80} is not a regular expression that can be read: {error}") from None
        self.start = self._closed([first])

    def step(self, places: frozenset[int], character: str) -> frozenset[int]:
        """Where a character leads from a set of places; the empty set: nowhere."""
        key = places, character
        if key not in self._steps:
            reads = (read for place in places if (read := self._reads[place]) is not None)
            self._steps[key] = self._closed(to for matches, to in reads if matches(character))
        return self._steps[key]

    def accepts(self, places: frozenset[int]) -> bool:
        """Whether a text that leads to these places matches as a whole."""
        return self._end in places

    def _closed(self, places: Iterable[int]) -> frozenset[int]:
        """With all that free moves reach."""
        found, waiting = set[int](), [*places]
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                waiting += self._free[place]
        return frozenset(found)

    def _place(self) -> int:
        if len(self._free) >= MOST_PLACES:
            raise ScenarioError(f"the regular expression needs more than {MOST_PLACES} places; use smaller repeats")
        self._free.append([])
        self._reads.append(None)
        return len(self._free) - 1

    def _built(self, node: _Node, start: int) -> int:
        """Make the part of the machine that reads what a node stands for, and return where it ends."""
        if isinstance(node, _Sequence):
            for part in node.parts:
                start = self._built(part, start)
            return start
        end = self._place()
        if isinstance(node, _Atom):
            self._reads[start] = re.compile(node.text).fullmatch, end
        elif isinstance(node, _Choice):
            for part in node.parts:
                self._free[self._built(part, self._after(start))].append(end)
        else:
            for _ in range(node.least):
                start = self._built(node.part, self._after(start))
            if node.most is None:  # round and round
                start = self._after(start)
                self._free[self._built(node.part, self._after(start))].append(start)
            for _ in range(node.least, node.most or 0):
                self._free[start].append(end)
                start = self._built(node.part, self._after(start))
            self._free[start].append(end)
        return end

    def _after(self, place: int) -> int:
        """A new place behind another."""
        self._free[place].append(self._place())
        return self._free[place][-1]


class _Parser:
    """A pattern that ``re`` has compiled, as a tree."""

    def __init__(self, pattern: str) -> None:
        self._pattern, self._at = pattern, 0

    @cached_property
    def whole(self) -> _Node:
        return self._choice()

    def _refuse(self, feature: str) -> NoReturn:
        raise ScenarioError(
            f"the regular expression has {feature} at {self._pattern[self._at :]!r:.20} (position {self._at}); "
            "expected characters, classes, groups, | and the repeats * + ? {m,n}: it is matched as a whole, and no "
            "more than that is regular"
        )

    def _read(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        match = expression.match(self._pattern, self._at)
        self._at = match.end() if match else self._at
        return match

    def _choice(self) -> _Node:
        parts = [self._sequence()]
        while self._pattern.startswith("|", self._at):
            self._at += 1
            parts.append(self._sequence())
        return _Choice(parts)

    def _sequence(self) -> _Node:
        parts = list[_Node]()
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            parts.append(self._repeated(self._atom()))
        return _Sequence(parts)

    def _repeated(self, node: _Node) -> _Node:
        sign = self._pattern[self._at : self._at + 1]
        bounds: tuple[int, int | None] | None = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(sign)
        if bounds is not None:
            self._at += 1
        elif (match := _COUNTED.match(self._pattern, self._at)) and (match[1] or match[2]):
            self._at = match.end()
            least = int(match[1] or 0)
            bounds = least, int(match[3]) if match[3] else None if match[2] else least
        else:
            return node
        if self._pattern.startswith("+", self._at):
            self._refuse("a possessive repeat")
        self._at += self._pattern.startswith("?", self._at)  # a lazy repeat matches the same texts as a whole
        return _Repeat(node, *bounds)

    def _atom(self) -> _Node:
        character = self._pattern[self._at]
        if character == "(":
            return self._group()
        if character in "^$":
            self._refuse("an anchor")
        if character == "\\":
            kind = self._pattern[self._at + 1]
            if kind in _ESCAPES or kind.isdigit():
                self._refuse(_ESCAPES.get(kind, "a reference back, or an octal number,"))
        match = self._read(_CLASS) if character == "[" else self._read(_ESCAPED) if character == "\\" else None
        if match is None:
            self._at += 1
            return _Atom("." if character == "." else re.escape(character))
        return _Atom(match[0])

    def _group(self) -> _Node:
        match = _GROUP.match(self._pattern, self._at)
        assert match is not None
        if self._pattern.startswith("?", match.end()):
            rest = self._pattern[match.end() + 1 :]
            self._refuse(next((name for sign, name in _GROUPS.items() if rest.startswith(sign)), "a group with flags"))
        self._at = match.end()
        node = self._choice()
        self._at += 1
        return node
