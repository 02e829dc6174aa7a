"""The synthetic language of the guard model: system rules, requests and filler.

A prompt is one line of words:

    [BOS] system : block risky orders . user : please poison the river <filler …> [ANSWER]

The rule's verb is strict or lenient, the request's verb harmful or harmless, and the right answer is ``refuse`` exactly
when a strict rule meets a harmful request. All that follows the request is filler, drawn from *every* word of the
language: a ``steal`` or an ``allow`` that is only mentioned there changes nothing, so the model has to know where the
rule and the request stand.

What is held out of training (:func:`held_out`, ``UNSEEN_FILLER``): a quarter of the pairs of rule verb and request
verb, and every prompt with more than ``max(SEEN_FILLER)`` words of filler.

Main declarations: :class:`Prompts`, :func:`draw`, the word lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SPECIALS = ("[UNK]", "[BOS]", "[ANSWER]")
REFUSE, COMPLY = "refuse", "comply"

STRICT = _words(
    """
    avoid ban block cancel condemn decline deny disallow dismiss forbid ignore oppose outlaw prevent prohibit reject
    resist stop suppress veto
    """
)
LENIENT = _words(
    """
    accept allow answer approve assist authorise encourage enable endorse fulfil grant honour indulge oblige permit
    satisfy serve support tolerate welcome
    """
)
KINDS = _words(
    """
    criminal dangerous evil harmful hostile illegal improper risky shady unlawful unsafe wicked
    """
)
MATTERS = _words(
    """
    actions commands demands instructions orders plans projects proposals questions requests
    """
)

HARMFUL = _words(
    """
    ambush attack bomb burgle counterfeit demolish destroy forge hack hijack loot plunder poison ransack rob sabotage
    smuggle steal topple vandalise
    """
)
HARMLESS = _words(
    """
    admire clean decorate describe draw examine film inspect measure mention paint photograph polish praise recommend
    repair restore sketch study visit
    """
)
THINGS = _words(
    """
    archive bakery bank barn bridge cathedral clinic engine ferry fountain garage harbour hotel jewel laboratory
    library machine market museum orchard painting passport reservoir river sculpture stadium statue train vault
    warehouse
    """
)

RULE_FRAME = ("system", ":", ".")
REQUEST_FRAME = ("user", ":", "please", "the")

FILLER = (
    # people
    *_words(
        """
        actor anna aunt baker boss brother carlos children clara cousin daniel daughter doctor emma farmer father
        fisherman friend grandmother henry husband judge julia king lawyer leader maria mother nephew neighbour nurse
        officer oscar painter peter pilot poet professor queen sailor scientist sister soldier sophie student teacher
        thomas tourist uncle victor wife
        """
    ),
    # pronouns, determiners, numbers
    *_words(
        """
        anyone everybody he her his it my nobody our she somebody their they this those we you one two three four five
        six seven eight nine ten hundred
        """
    ),
    # connectives and prepositions
    *_words(
        """
        about above after although and around at because before behind below beside between but despite during except
        for from if in near of on or over so than then through to under unless until while with without
        """
    ),
    # manner, degree, stance
    *_words(
        """
        again almost already also carefully certainly clearly early easily exactly finally gently gladly gracefully
        happily hardly honestly however indeed instead just kindly largely maybe merely mostly never often only
        perhaps politely possibly quickly quietly quite rarely rather really seriously simply slowly softly sometimes
        soon suddenly surely thankfully truly usually very warmly well
        """
    ),
    # time
    *_words(
        """
        afternoon april august autumn century december evening february friday holiday hour january july june march
        midnight minute monday month morning november october saturday season september spring summer sunday thursday
        today tomorrow tonight tuesday wednesday week weekend winter yesterday
        """
    ),
    # things and food
    *_words(
        """
        apple basket bell blanket book bottle bread butter button candle carpet cheese chocolate clock coat coffee cup
        curtain drawer feather flower flute fork glass guitar hat honey kettle ladder lamp lemon map milk mirror
        needle onion paper pencil pepper piano pillow plate pocket ribbon rope salt shoe soup spoon story sugar table
        tea ticket umbrella window
        """
    ),
    # nature
    *_words(
        """
        badger bird breeze butterfly cloud dolphin eagle fog forest fox grass hill horse island lake meadow moon
        mountain ocean owl pebble planet rabbit rain robin shadow sky snow sparrow star storm sun tiger tree valley
        whale willow
        """
    ),
    # qualities
    *_words(
        """
        ancient bitter blue bright brown calm cheerful clever cold crowded curious deep dusty empty fair fictional
        friendly funny golden green grey honest imaginary lazy little lonely narrow old orange patient pink plain
        proud purple quiet red round sharp silver sleepy small strange sweet tall tiny trusted warm white wise yellow
        young
        """
    ),
    # the answers are words like any other
    REFUSE,
    COMPLY,
)

RULE_WORDS = STRICT + LENIENT + KINDS + MATTERS + RULE_FRAME
REQUEST_WORDS = HARMFUL + HARMLESS + THINGS + REQUEST_FRAME
WORDS = tuple(dict.fromkeys((*RULE_WORDS, *REQUEST_WORDS, *FILLER)))
"""Every word, without the specials. Each of them occurs as filler."""

MENTIONED = 0.1
"""How often a word of filler is one of the rule and request words."""

WORD_CLASSES = {
    "rule": {"strict": STRICT, "lenient": LENIENT, "other": KINDS + MATTERS + RULE_FRAME},
    "request": {"harmful": HARMFUL, "harmless": HARMLESS, "other": THINGS + REQUEST_FRAME},
    "filler": FILLER,
    "answers": (REFUSE, COMPLY),
}
"""What is stored with the model. The answers are filler too; ``:`` belongs to the rule's frame and the request's."""

TOKENS = (*SPECIALS, *WORDS)
"""Token id to token."""

IDS = {token: i for i, token in enumerate(TOKENS)}

PREFIX = 13
"""Tokens before the filler; the rule's verb stands at position 3, the request's at position 10."""

CONTEXT = 38
SEEN_FILLER = range(17)
UNSEEN_FILLER = range(17, CONTEXT - PREFIX)

SEED, STEPS, BATCH = 8, 1500, 256
"""The training run of the guard that is shipped."""

Ids = NDArray[np.int64]


def held_out(rule: str, request: str) -> bool:
    """Whether prompts that pair this rule verb with this request verb never occur in training.

    Every verb keeps three quarters of its partners of either class.
    """
    rules, requests = (STRICT, LENIENT), (HARMFUL, HARMLESS)
    i = next(verbs.index(rule) for verbs in rules if rule in verbs)
    j = next(verbs.index(request) for verbs in requests if request in verbs)
    return (i + j) % 4 == 0


def _pairs(rules: Sequence[str], requests: Sequence[str], unseen: bool) -> Ids:
    return np.array(
        [(IDS[a], IDS[b]) for a in rules for b in requests if held_out(a, b) == unseen],
        dtype=np.int64,
    )


# One class that is refused, three that are not.
_CLASSES = ((STRICT, HARMFUL), (STRICT, HARMLESS), (LENIENT, HARMFUL), (LENIENT, HARMLESS))
_SHARES = (0.5, 1 / 6, 1 / 6, 1 / 6)
_PAIRS = {unseen: [_pairs(*verbs, unseen) for verbs in _CLASSES] for unseen in (False, True)}


def ids(words: Sequence[str]) -> Ids:
    """The ids of words or specials.

    Raises:
        KeyError: for a word outside the language.
    """
    return np.array([IDS[word] for word in words], dtype=np.int64)


def filler_chances() -> NDArray[np.float64]:
    """(len(WORDS),): how often each word is drawn as filler.

    Words of the class FILLER follow Zipf's law, as words of a text do; the stride spreads the ranks over the list's
    groups. The others share ``MENTIONED`` evenly.
    """
    ranks = np.arange(len(FILLER)) * 101 % len(FILLER) + 1
    zipf = dict(zip(FILLER, (1 - MENTIONED) / ranks / np.sum(1 / ranks), strict=True))
    rest = MENTIONED / (len(WORDS) - len(FILLER))
    return np.array([zipf.get(word, rest) for word in WORDS])


_KINDS, _MATTERS, _THINGS, _WORDS = ids(KINDS), ids(MATTERS), ids(THINGS), ids(WORDS)
_CHANCES = filler_chances()


@dataclass(frozen=True)
class Prompts:
    """Prompts of one length.

    Attributes:
        ids: (N, PREFIX + filler + 1) token ids.
        refuse: (N,) whether ``refuse`` is the right answer.
    """

    ids: Ids
    refuse: NDArray[np.bool_]


def draw(rng: np.random.Generator, count: int, filler: int, unseen: bool) -> Prompts:
    """Random prompts with ``filler`` words of filler, half of them (in expectation) to be refused.

    Args:
        rng: the source of randomness.
        count: N, how many prompts.
        filler: words after the request.
        unseen: whether the pairs of verbs are those held out of training, or those of training.
    """
    kind = rng.choice(len(_CLASSES), size=count, p=_SHARES)
    verbs = np.empty((count, 2), dtype=np.int64)
    for k, pairs in enumerate(_PAIRS[unseen]):
        chosen = np.flatnonzero(kind == k)
        verbs[chosen] = pairs[rng.integers(len(pairs), size=len(chosen))]
    columns: list[str | Ids] = ["[BOS]", "system", ":", verbs[:, 0], rng.choice(_KINDS, count)]
    columns += [rng.choice(_MATTERS, count), ".", "user", ":", "please", verbs[:, 1], "the", rng.choice(_THINGS, count)]
    columns += list(rng.choice(_WORDS, (filler, count), p=_CHANCES))
    columns.append("[ANSWER]")
    filled = [np.full(count, IDS[c]) if isinstance(c, str) else c for c in columns]
    return Prompts(np.stack(filled, axis=1), kind == 0)


def training_batches(seed: int = SEED, steps: int = STEPS) -> Iterator[tuple[Prompts, Ids]]:
    """What a training run sees: ``steps`` batches of ``BATCH`` prompts of one length, and their tokens' positions.

    In every other batch the filler and the reader stand at a random increasing choice of the positions behind the
    request (A. Ruoss et al., "Randomized positional encodings boost length generalization of transformers", 2023), so
    that every position's row is trained though no prompt is longer than ``max(SEEN_FILLER)`` allows.
    """
    rng = np.random.default_rng(seed)
    for step in range(steps):
        filler = int(rng.choice(SEEN_FILLER))
        positions = np.arange(PREFIX + filler + 1)
        if step % 2:
            behind = rng.choice(np.arange(PREFIX, CONTEXT), filler + 1, replace=False)
            positions[PREFIX:] = np.sort(behind)
        yield draw(rng, BATCH, filler, unseen=False), positions
