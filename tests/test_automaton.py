"""Automata over tokens: what they accept is what the rules that they are made of say."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tokendemo_formal.errors import InputError, ScenarioError
from tokendemo_formal.override import automaton, regex
from tokendemo_formal.override.automaton import Automaton, of_bigrams, of_regex, product

TOKENS = range(5)
PAIRS = st.sets(st.tuples(st.sampled_from(TOKENS), st.sampled_from(TOKENS)), max_size=12)
WORDS = st.sampled_from(["a", "b", "ab", "ba", "é", "_", "7", "A", "", "\n"])
SPELLED = st.lists(WORDS, min_size=1, max_size=4).map(
    lambda words: {token: (word, f" {word}") for token, word in enumerate(words)}
)


def sequences(longest: int = 3, tokens: range = TOKENS) -> Iterator[tuple[int, ...]]:
    for length in range(longest + 1):
        yield from itertools.product(tokens, repeat=length)


@st.composite
def patterns(draw: st.DrawFn, depth: int = 3) -> str:
    """Regular expressions of all that is read."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(list(ATOMS)))
    parts = st.lists(patterns(depth=depth - 1), min_size=1, max_size=3)
    kind = draw(st.sampled_from(["sequence", "choice", "group", "repeat"]))
    if kind == "sequence":
        return "".join(draw(parts))
    if kind == "choice":
        return "(" + "|".join(draw(parts)) + ")"
    inner = draw(st.sampled_from(["(?:{})", "({})"])).format(draw(patterns(depth=depth - 1)))
    if kind == "group":
        return inner
    return inner + draw(st.sampled_from(["*", "+", "?", "{2}", "{,2}", "{1,}", "{1,2}", "*?", "+?", "??", "{1,2}?"]))


ATOMS = (
    *("a", "b", " ", ".", "é", "_", "[ab]", "[^ab]", "[^]a]", "[]b-]", r"[\w ]", r"[a\]]", r"\w", r"\W", r"\d", r"\s"),
    *(r"\S", r"\x61", r"\u00e9", r"\.", r"\n", "{", "a{", "}", "]", "-", "#", "", r"\N{LATIN SMALL LETTER B}"),
)


@settings(max_examples=400, deadline=None)
@given(patterns(), SPELLED)
@example("(a|ab)(?: b)*|", {0: ("a", " a"), 1: ("b", " b"), 2: ("ab", " ab")})
@example("(a*)*", {0: ("a", "a"), 1: ("", "")})
def test_a_regular_expression_means_what_it_means_elsewhere(pattern: str, pieces: dict[int, tuple[str, str]]) -> None:
    found = of_regex(pattern, pieces)
    matches = re.compile(pattern).fullmatch
    for tokens in sequences(3, range(len(pieces))):
        text = "".join(pieces[token][place > 0] for place, token in enumerate(tokens))
        assert found.accepts(tokens) == bool(matches(text)), (tokens, text)


@pytest.mark.parametrize(
    ("pattern", "feature"),
    [
        ("^a", "an anchor"),
        ("a$", "an anchor"),
        (r"\Aa", "an anchor"),
        (r"\bfoo", "a word boundary"),
        ("(?=a)b", "looking ahead"),
        ("(?<!a)b", "looking behind"),
        ("(?i:ab)", "a group with flags"),
        ("(?i)a", "a group with flags"),
        (r"(a)\1", "a reference back"),
        ("(?P<x>a)(?P=x)", "a reference back"),
        ("(a)(?(1)b|c)", "a condition"),
        ("(?>a)", "an atomic group"),
        ("(?#x)a", "a comment"),
        ("a++", "a possessive repeat"),
        ("a{2}+", "a possessive repeat"),
        ("[", "unterminated character set"),
        ("a{99999}", "more than 5000 places"),
        ("(" * 3000, "can't be read|that can be read"),
    ],
)
def test_what_is_not_regular_is_refused_by_name(pattern: str, feature: str) -> None:
    with pytest.raises(ScenarioError, match=feature):
        of_regex(pattern, {})


def test_named_groups_are_groups() -> None:
    assert of_regex("(?P<x>a)b", {0: ("a", "a"), 1: ("b", "b")}).accepts((0, 1))


@given(PAIRS, st.lists(st.booleans(), max_size=3) | st.none())
def test_bigrams_by_their_definition(pairs: set[tuple[int, int]], joined: list[bool] | None) -> None:
    found = of_bigrams(pairs, [0, 1, 2, 3], joined)
    for tokens in sequences(4):
        near = [True] * 4 if joined is None else joined
        kept = all(pair in pairs for pair, beside in zip(itertools.pairwise(tokens), near, strict=False) if beside)
        short = joined is None or len(tokens) <= len(joined) + 1
        assert found.accepts(tokens) == (kept and short and 4 not in tokens)


automata = st.one_of(
    PAIRS.map(lambda pairs: of_bigrams(pairs, TOKENS)),
    patterns().map(lambda pattern: of_regex(pattern, {t: (w, " " + w) for t, w in enumerate("abé7")})),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(automata, min_size=1, max_size=3))
def test_a_product_accepts_what_all_accept(parts: list[Automaton]) -> None:
    found = product(parts)
    for tokens in sequences():
        assert found.accepts(tokens) == all(part.accepts(tokens) for part in parts)


@settings(max_examples=150, deadline=None)
@given(automata)
def test_nothing_is_left_that_does_not_matter(found: Automaton) -> None:
    """Reduced once more it is the same, but for the states' numbers; each state is reached and leads to acceptance."""
    again = product([found])
    assert (again.states, len(again.edges), again.classes) == (found.states, len(found.edges), found.classes)
    assert {to for _, _, to in found.edges} | {0} == set(range(found.states))
    columns = [{(a, b) for a, k, b in found.edges if k == kind} for kind in range(len(found.classes))]
    assert all(columns)
    assert len({frozenset(column) for column in columns}) == len(columns)


def test_an_automaton_that_accepts_nothing() -> None:
    found = of_regex("[^\\s\\S]", {0: ("a", "a")})
    assert found == Automaton((), (), ())
    assert not any(found.accepts(tokens) for tokens in sequences())


def test_automata_have_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = {t: (w, w) for t, w in enumerate("ab")}
    monkeypatch.setattr(automaton, "MOST_STATES", 100)
    with pytest.raises(ScenarioError, match="more than 100 states"):
        of_regex(".*a.{9}", pieces)
    monkeypatch.setattr(regex, "MOST_PLACES", 10)
    with pytest.raises(ScenarioError, match="more than 10 places"):
        of_regex(".{9}", pieces)


@pytest.mark.parametrize(
    ("classes", "edges", "message"),
    [
        (((1,), (1, 2)), (), "in two of them"),
        (((1,),), ((0, 0, 1), (0, 0, 0)), "two edges"),
        (((1,),), ((0, 1, 1),), "classes below 1"),
    ],
)
def test_automata_are_deterministic(
    classes: tuple[tuple[int, ...], ...], edges: tuple[tuple[int, int, int], ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Automaton((0,), classes, edges)
