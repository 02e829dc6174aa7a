"""What the soundness campaign asks: random layers, and questions of every kind about them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from benchmarks.soundness_truth import PRECISIONS, Assignment, Evaluation, Truth, laid_out, with_threshold
from tests.strategies import FEATURES, Choice, build_layer
from tokendemo_formal.attention import Layer, Norm
from tokendemo_formal.errors import ScenarioError
from tokendemo_formal.override.automaton import Automaton, of_bigrams, of_regex, product
from tokendemo_formal.override.constraints import Constraints, Count
from tokendemo_formal.override.question import Ask, Contest, Question, Readout, Share, Template

QUESTIONS = 4
"""Asked of each layer."""

KINDS: Mapping[str, float] = {
    "plain": 0.60,
    "templates": 0.08,
    "rows": 0.08,
    "share": 0.07,
    "counts": 0.06,
    "automaton": 0.06,
    "any-length": 0.05,
}
"""How often each kind of question is asked."""

BESIDES: Mapping[str, Sequence[str]] = {
    "templates": ("rows", "share", "counts", "automaton"),
    "rows": ("templates", "counts", "automaton"),
    "share": ("templates", "counts", "automaton"),
    "counts": ("templates", "rows", "share", "automaton"),
    "automaton": ("templates", "rows", "share", "counts"),
    "any-length": ("templates", "rows", "share"),
}
"""What goes with each, of a third of them."""

ASKS: Sequence[Ask] = ("exists", "minimum", "maximum")
MOST_ASSIGNMENTS = 40
"""Of a plain question; others are asked about half as many."""
TEXTS = ("a", "b", "ab", "c", "ca", "bc", "abc", "ba")
"""Of the tokens, for regular expressions; a space stands between two."""
PATTERNS = ("[ab ]+", "(a|b|c| )*", "(.* )?b.*", "(a|ab) .*|c", "a? ?(b|c)*( [abc]+)*", "c", ".{3,5}", "[^ab]*", "")


# Constraints -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rules:
    """Constraints by their words: what a sequence of tokens has to keep.

    Attributes:
        counts: weights of tokens, of all others, and the most that they may add up to.
        distinct: whether no token may come twice.
        pairs: which may follow each other; None: any.
        pattern: what their text has to match; None: nothing.
        places: slots by their number, negative ones from the end, and what they may hold.
        unread: a number on which it depends which prompts no tokenizer makes of their text; None: all are made.
        excluded: sequences that are left out.
    """

    counts: tuple[tuple[Mapping[int, int], int, int], ...] = ()
    distinct: bool = False
    pairs: frozenset[tuple[int, int]] | None = None
    pattern: str | None = None
    places: tuple[tuple[int, tuple[int, ...]], ...] = ()
    unread: int | None = None
    excluded: frozenset[Assignment] = frozenset()

    def keep(self, question: Question, tokens: Assignment) -> bool:
        text = " ".join(TEXTS[t] for t in tokens)
        prompts = (laid_out(question, template, len(tokens)).filled(tokens) for template in question.templates)
        return (
            all(sum(weights.get(t, default) for t in tokens) <= limit for weights, default, limit in self.counts)
            and (not self.distinct or len(set(tokens)) == len(tokens))
            and (self.pairs is None or all(pair in self.pairs for pair in itertools.pairwise(tokens)))
            and (self.pattern is None or re.fullmatch(self.pattern, text) is not None)
            and all(tokens[at] in held for at, held in self.places if -len(tokens) <= at < len(tokens))
            and all(map(self.survives, prompts))
            and tokens not in self.excluded
        )

    def survives(self, prompt: Sequence[int]) -> bool:
        """Some property of a whole prompt, and of no part of it; most have it."""
        return self.unread is None or sum(self.unread**p * (t + 1) for p, t in enumerate(prompt)) % 7 > 1

    def constraints(self, vocabulary: Sequence[int]) -> Constraints:
        """The same for the package."""
        counts = tuple(Count(tuple(weights.items()), default, limit) for weights, default, limit in self.counts)
        automata: list[Automaton] = []
        if self.pairs is not None:
            automata.append(of_bigrams(self.pairs, vocabulary))
        if self.pattern is not None:
            automata.append(of_regex(self.pattern, {t: (TEXTS[t], " " + TEXTS[t]) for t in vocabulary}))
        automaton = product(automata) if automata else None
        survives = None if self.unread is None else self.survives
        return Constraints(counts, self.distinct, self.places, automaton, survives)

    def looser(self) -> Iterator[Rules]:
        """With one rule gone, as far as a certificate can say."""
        for k, (weights, default, _) in enumerate(self.counts):
            yield replace(self, counts=(*self.counts[:k], (weights, default, 10**6), *self.counts[k + 1 :]))
        if self.distinct:
            yield replace(self, distinct=False)
        if self.pairs is not None or self.pattern is not None:
            yield replace(self, pairs=None, pattern=".*")
        if self.places:
            yield replace(self, places=())
        if self.excluded:
            yield replace(self, excluded=frozenset())

    def certified(self, excluded: Sequence[Assignment]) -> Rules:
        """What a certificate claims: a checker has no tokenizer, so sequences are left out by name."""
        return replace(self, unread=None, excluded=frozenset(excluded))


def _rules(rng: np.random.Generator, kinds: set[str], vocabulary: Sequence[int], slots: int) -> Rules:
    rules = Rules()
    if "counts" in kinds:
        counts = []
        distinct = bool(rng.random() < 0.5)
        for _ in range(int(rng.integers(1 - distinct, 3))):
            scale = int(rng.choice([1, 3, 1000]))
            counted = sorted(
                int(t) for t in rng.choice(vocabulary, rng.integers(1, len(vocabulary) + 1), replace=False)
            )
            weights = {t: int(rng.integers(0, scale + 1)) for t in counted}
            counts.append((weights, int(rng.integers(0, scale + 1)), int(rng.integers(0, max(slots, 1) * scale))))
        rules = replace(rules, counts=tuple(counts), distinct=distinct)
    if "automaton" in kinds:
        asked = rng.random(4) < 0.4
        asked[rng.integers(4)] = True
        if asked[0]:
            kept = rng.choice([0.3, 0.6])
            pairs = itertools.product(vocabulary, repeat=2)
            rules = replace(rules, pairs=frozenset(pair for pair in pairs if rng.random() < kept))
        if asked[1]:
            rules = replace(rules, pattern=str(rng.choice(PATTERNS)))
        if asked[2]:
            places = []
            for place in rng.choice(range(-max(slots, 1), max(slots, 1)), 2, replace=False):
                held = rng.choice(vocabulary, rng.integers(1, len(vocabulary) + 1), replace=False)
                places.append((int(place), tuple(sorted(int(t) for t in held))))
            rules = replace(rules, places=tuple(places))
        if asked[3]:
            rules = replace(rules, unread=int(rng.integers(2, 7)))
    return rules


# Random layers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """A layer with a template, and what is to be counted about it.

    Attributes:
        question: its threshold is of no meaning yet.
        rules: what the tokens have to keep.
        mirrored: whether the best assignment ties.
        any_length: whether it is to be asked of any number of tokens; ``slots`` are as many as the layer has room for.
        unordered: of these whether there is no end of lengths; ``slots`` are as many as are all tried out.
        kinds: what is to be counted.
    """

    question: Question
    rules: Rules
    mirrored: bool
    any_length: bool
    unordered: bool
    kinds: dict[str, str]

    def truth(self) -> Truth:
        return Truth(self.question, lambda tokens: self.rules.keep(self.question, tokens), self.unordered)


def draw(rng: np.random.Generator) -> Drawn:
    """A random layer whose readout rows are its own, and a random template."""
    kind = str(rng.choice([*KINDS], p=[*KINDS.values()]))
    more = BESIDES.get(kind, ())
    besides = str(rng.choice(more)) if more and rng.random() < 1 / 3 else ""
    kinds = {kind, besides}
    choice = {name: values[rng.integers(len(values))] for name, values in FEATURES.items()}
    mirrored = kind == "plain" and rng.random() < 0.1
    unordered = kind == "any-length" and besides in ("", "share") and rng.random() < 0.7
    if mirrored:
        choice |= {"positions": "none", "score_bias": False, "residual": False}
    if unordered:
        choice |= {"positions": "none", "score_bias": False}
    elif kind == "any-length" and choice["positions"] != "learned":
        choice |= {"score_bias": True}
    context = int(rng.integers(3, 6)) if kind == "any-length" else 8
    layer = build_layer(rng, choice, vocabulary=8, context=context)
    rows = rng.standard_normal((6 if "rows" in kinds else 2, layer.width))
    if "rows" in kinds and rng.random() < 0.3:
        rows[1] = rows[0]
    biases = rng.standard_normal(len(rows)) / 4 if not mirrored and rng.random() < 0.3 else None
    layer = replace(layer, unembedding=rows, unembedding_bias=biases)
    final = layer.final_norm is not None and rng.random() < (0.1 if unordered else 0.6)
    twins = not mirrored and rng.random() < 0.4
    if twins:
        layer.embedding[6:] = layer.embedding[rng.integers(6, size=2)]
    if mirrored:
        question, rules = _mirrored(rng, layer, final), Rules()
    else:
        question, rules = _template(rng, layer, final, kinds, unordered)
    largest = rng.choice([10 ** rng.uniform(-6, -1), rng.uniform(0.1, 5), rng.uniform(5, 50), rng.uniform(50, 700)])
    if unordered:  # else the best are e^largest of a token, which is more than brute force tries
        largest = min(largest, rng.uniform(0.1, 5))
    question = replace(question, layer=_scaled(question, float(largest)))
    size = next(name for limit, name in ((0.1, "0.1"), (5, "5"), (50, "50"), (701, "700")) if largest <= limit)
    tokens = "mirrored" if mirrored else "twice" if twins else "once"
    reader = "fixed" if _owned(question, question.slots) is None else "in a slot"
    slots = "any number" if unordered else str(question.slots)
    asked = {"question": kind, "besides": besides or "-"}
    counted = {"scores up to": size, "tokens": tokens, "slots": slots, "reader": reader}
    return Drawn(question, rules, mirrored, kind == "any-length", unordered, asked | _kinds(choice) | counted)


def _kinds(choice: Choice) -> dict[str, str]:
    heads, groups = choice["heads"]
    return {"heads/groups": f"{heads}/{groups}"} | {
        name: str(choice[name]) for name in ("positions", "input_norm", "qk_norm", "final_norm", "causal")
    }


def _owned(question: Question, slots: int) -> int | None:
    """Which slot holds the reader.

    Raises:
        ScenarioError: where templates don't agree.
    """
    found = set()
    for template in question.templates:
        layout = laid_out(question, template, slots)
        if layout.tokens[layout.reader] is None:
            found.add(layout.tokens[: layout.reader].count(None))
    if len(found) > 1:
        raise ScenarioError("the readers of several templates stand in different slots")
    return found.pop() if found else None


def _template(
    rng: np.random.Generator, layer: Layer, final: bool, kinds: set[str], unordered: bool
) -> tuple[Question, Rules]:
    """Some fixed tokens, slots between them or anywhere, a reader that may stand in a slot."""
    any_length, plain = "any-length" in kinds, kinds <= {"plain", ""}
    while True:
        vocabulary = sorted(int(t) for t in rng.choice(8, size=rng.integers(2, 7 if plain else 5), replace=False))
        slots = int(rng.choice([0, 1, 2, 3], p=[0.02, 0.2, 0.58, 0.2]))
        templates = [
            _ends(rng, layer, unordered) for _ in range(2 + (rng.random() < 0.2) if "templates" in kinds else 1)
        ]
        size = min(len(t.before) + len(t.after) for t in templates)
        if unordered:
            slots = 3
        elif any_length:
            assert layer.context is not None
            slots = layer.context - max(len(t.before) + len(t.after) for t in templates)
        if slots < 0 or len(vocabulary) ** slots > (MOST_ASSIGNMENTS if plain else MOST_ASSIGNMENTS // 2) or not size:
            continue
        places = None
        if not any_length and rng.random() < 0.2:
            places = tuple(sorted(int(p) for p in rng.choice(size + slots, slots, replace=False)))
        rules = _rules(rng, kinds, vocabulary, slots)
        one, *also = templates
        try:
            readout, contest = _readout(rng, layer, final, kinds, size)
            question = Question(
                layer, readout, one.before, one.after, one.reader, slots, tuple(vocabulary), places, tuple(also),
                contest, rules.constraints(vocabulary),
            )  # fmt: skip
            for length in range(slots + 1):
                _owned(question.with_slots(length), length)
        except ScenarioError:
            continue
        every = itertools.product(vocabulary, repeat=slots)
        if any(rules.keep(question, tokens) for tokens in every) or rng.random() < 0.1:
            return question, rules


def _ends(rng: np.random.Generator, layer: Layer, unordered: bool) -> Template:
    """What stands around the slots."""
    before, after = (tuple(int(t) for t in rng.integers(8, size=rng.integers(n))) for n in (3, 3))
    reader = "last" if layer.causal else ["first", "last", int(rng.integers(-2, 2))][rng.integers(3)]
    if unordered:  # a token of the template
        reader = "last" if layer.causal or not before else "first"
        after = after or (before if reader == "last" else ())
    return Template(before, after, reader)  # type: ignore[arg-type]


def _readout(
    rng: np.random.Generator, layer: Layer, final: bool, kinds: set[str], size: int
) -> tuple[Readout | Share, Contest | None]:
    """A share; or rows, and which of them compete."""
    if "share" in kinds:
        some = tuple(sorted(int(i) for i in rng.choice(size, rng.integers(1, size + 1), replace=False)))
        of: Any = ("before", "after", "template", some)[rng.integers(4)]
        return Share(Fraction(1, 2), None if rng.random() < 0.5 else int(rng.integers(layer.heads)), of), None
    rows, biases = layer.unembedding, layer.unembedding_bias
    assert rows is not None
    toward, against, contest = (0,), (1,), None
    if "rows" in kinds:
        order = [int(row) for row in rng.permutation(len(rows))]
        cut = int(rng.integers(1, 3))
        end = cut + int(rng.integers(3 - cut, 4))  # two rows are no contest
        toward, against = tuple(sorted(order[:cut])), tuple(sorted(order[cut:end]))
        contest = Contest(rows, biases, toward, against)
    bias = [0.0, 0.0] if biases is None else [float(biases[toward[0]]), float(biases[against[0]])]
    readout = Readout(rows[toward[0]], rows[against[0]], *bias, final_norm=final, rows=(toward[0], against[0]))
    return readout, contest


def _mirrored(rng: np.random.Generator, layer: Layer, final: bool) -> Question:
    """A layer in which the best assignment ties exactly.

    The last two coordinates of a token are (v, -v), and only they are read into values, by weights of opposite signs:
    a value is 2vw/σ, and the tokens of v and -v have the same σ and, as keys are made of the other coordinates, the
    same scores. The template repeats one token with v < 0; its mirror image and weaker tokens are the vocabulary. So
    the gain, 0 for the template's mirror image, is below 0 for every other assignment.
    """
    embedding = layer.embedding
    embedding[:, -2] = -rng.integers(1, 5, len(embedding)) / 4
    embedding[1], embedding[0, -2] = embedding[0], -1.0
    embedding[1, -2], embedding[7, -2] = 1.0, 0.0
    embedding[:, -1] = -embedding[:, -2]
    wk, wv = layer.wk.copy(), layer.wv.copy()
    wk[:, -2:] = 0
    wv[:, :-1] = 0
    wv[:, -2] = -wv[:, -1]

    def even(norm: Norm | None) -> Norm | None:
        if norm is None:
            return None
        gain, bias = norm.gain.copy(), None if norm.bias is None else norm.bias.copy()
        gain[-2:] = 1
        if bias is not None:
            bias[-2:] = 0
        return replace(norm, gain=gain, bias=bias)

    last = None if layer.final_norm is None else replace(layer.final_norm, bias=None)
    offset = None if layer.offset is None else np.append(layer.offset[:-2], [0.0, 0.0])
    layer = replace(
        layer, wk=wk, wv=wv, bv=None, bo=None, offset=offset, final_norm=last,
        embedding_norm=even(layer.embedding_norm), pre_norm=even(layer.pre_norm),
    )  # fmt: skip
    # Every head is to vote for where the value is above 0.
    assert layer.unembedding is not None
    toward, against = layer.unembedding
    u = toward - against
    if final and last is not None:
        u = u * last.gain
        u = u - u.mean() if last.centred else u
    share = layer.heads // layer.groups
    votes = [float(wv[h // share, -2] @ layer.wo[h] @ u) for h in range(layer.heads)]
    layer = replace(layer, wo=layer.wo * np.sign(votes).reshape(-1, 1, 1))
    slots = int(rng.integers(1, 3))
    others = tuple(int(t) for t in range(2, 2 + rng.integers(1, 5)))
    readout = Readout(toward, against, final_norm=final, rows=(0, 1))
    return Question(layer, readout, (0,) * slots, (7,), "last", slots, (1, *others))


def _scaled(question: Question, largest: float) -> Layer:
    """The layer at another temperature: its scores reach up to that size (score biases aside)."""
    layer, evaluation = question.layer, Evaluation(question.layer)
    found = 0.0
    with flint.ctx.workprec(64):
        for template in question.templates:
            layout = laid_out(question, template, question.slots)
            own = layout.tokens[layout.reader]
            for reader_token in question.vocabulary if own is None else [own]:
                queries = evaluation.queries(reader_token, layout.reader)
                for position, token in enumerate(layout.tokens):
                    for t in question.vocabulary if token is None else (token,):
                        scores = evaluation.scores(queries, layout.reader, t, position)
                        found = max(found, *(abs(float(s)) for s in scores))
    return replace(layer, temperature=layer.temperature * found / largest) if found > 0 else layer


def longer(rng: np.random.Generator, question: Question) -> list[Assignment]:
    """Random assignments of up to thousands of tokens."""
    found = [(token,) * 1000 for token in question.vocabulary]
    for _ in range(24):
        counts = np.where(
            rng.random(len(question.vocabulary)) < 0.6, 10 ** rng.uniform(0, 3.5, len(question.vocabulary)), 0
        )
        found.append(tuple(t for t, count in zip(question.vocabulary, counts, strict=True) for _ in range(int(count))))
    return [tokens for tokens in found if tokens]


def asked(
    rng: np.random.Generator, drawn: Drawn, truth: Truth, beyond: Sequence[Assignment]
) -> Iterator[tuple[Question, Ask, str]]:
    """Questions with their thresholds, and what kind of threshold that is.

    Args:
        rng: of the layer.
        drawn: the layer and its template.
        truth: its gains.
        beyond: where there is no end of lengths, some more assignments.
    """
    question, chosen = drawn.question, 0
    while chosen < QUESTIONS:
        lengths, everything = [question.slots], False
        if drawn.any_length:
            everything = rng.random() < 0.5
            lengths = [*range(question.slots + 1)] if everything else [int(rng.integers(question.slots + 1))]
        known = [(truth.gains(m, PRECISIONS[0]) or truth.every(m, PRECISIONS[0])).values() for m in lengths]
        if everything and beyond:
            known.append(truth.of_longer(beyond).values())
        found = [*itertools.chain(*known)]
        low, high = max(low for low, _ in found), max(high for _, high in found)
        spread = high - min(low for low, _ in found)
        spread = spread if spread > 0 else Fraction(1)
        kind = str(rng.choice(["at the best", "near tie", "close", "far"], p=[0.05, 0.3, 0.35, 0.3]))
        sign = int(rng.choice([-1, 1]))
        if drawn.unordered:  # a bound of all lengths is not known here, so none is missed by little
            sign, kind = (1, "far") if everything else (-1, kind)
        if drawn.mirrored and rng.random() < 0.5:
            value, kind = Fraction(0), "tie"
        elif kind == "near tie":
            exact = [pair for m in lengths for pair in truth.gains(m, PRECISIONS[-1]).values()]
            exact_low, exact_high = (max(ends) for ends in zip(*exact, strict=True)) if exact else (low, high)
            value = rounded((exact_low + exact_high) / 2, 1200) + Fraction(sign, 2 ** int(rng.integers(30, 900)))
        elif kind == "at the best":  # as a float: below or above, by a rounding
            value = Fraction(float(low))
        else:
            size = rng.uniform(0.02, 0.6) if kind == "far" else 10 ** rng.uniform(-9, -2)
            value = Fraction(float(low + sign * Fraction(float(size)) * spread))
        ask: Ask = ASKS[rng.choice(3, p=[0.46, 0.27, 0.27])]
        if drawn.any_length:
            ask = "any-length"
        elif ask == "maximum" and truth.best(question.slots) is None:  # of no assignments
            ask = "exists"
        if isinstance(question.readout, Share) and not 0 < -value <= 1:
            continue
        chosen += 1
        yield with_threshold(question, value), ask, kind


def rounded(x: Fraction, bits: int) -> Fraction:
    return Fraction(round(x * 2**bits), 2**bits)
