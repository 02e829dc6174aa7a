"""An answer as text for people and as one JSON object.

Numbers that an answer proves are printed as decimals rounded outward, so that what stands on the page is true as it
stands. Main declarations: :class:`Report`, :func:`votes_table`.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from tokendemo_formal.models import Model
from tokendemo_formal.override.answer import Answer, Bounds, lengths_text
from tokendemo_formal.override.float32 import Float32
from tokendemo_formal.override.question import Question, Share
from tokendemo_formal.override.votes import Votes
from tokendemo_formal.scenario import Scenario

_WIDTH = 100


@dataclass(frozen=True)
class Report:
    """An answer with what is needed to read it.

    Args:
        scenario: the question as it was written.
        model: the opened model.
        question: the question as it was asked.
        answer: what came back.
        load_seconds: for reading the scenario and the model.
        votes: of the prompt in the answer (without a witness: of the template alone), or None.
        float32: how far float32 runs may be from the margin, where that was asked.
    """

    scenario: Scenario
    model: Model
    question: Question
    answer: Answer
    load_seconds: float
    votes: Votes | None = None
    float32: Float32 | None = None

    @property
    def retokenises(self) -> bool | None:
        """Whether the text of each whole prompt encodes back to its ids; None without a witness or a tokenizer.

        Where it doesn't, the assignment can be given to the layer, but not be typed as text.
        """
        tokenizer, prompt = self.model.tokenizer, self.answer.prompt
        if tokenizer is None or prompt is None:
            return None
        return all(map(tokenizer.survives, self.answer.prompts or (prompt,)))

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints: strings, numbers, booleans, null, and lists and objects of them.

        ``margin`` and ``upper`` are decimal strings, rounded outward: they enclose what was proved.
        """
        answer, tokenizer = self.answer, self.model.tokenizer
        seconds = {"load": self.load_seconds, **answer.seconds}
        content: dict[str, Any] = {
            "scenario": self.scenario.name,
            "model": self.scenario.source,
            "model_hash": self.model.hash,
            "layer": self.scenario.layer,
            "ask": answer.ask,
            "verdict": answer.verdict,
            "slots": None if answer.verdict == "never" and answer.unlimited else answer.slots,
            "unlimited": answer.unlimited,
            "tokens": None if answer.assignment is None or tokenizer is None else self._names(answer.assignment),
            "token_ids": None if answer.assignment is None else list(answer.assignment),
            "prompt_ids": None if answer.prompt is None else list(answer.prompt),
            "retokenises": self.retokenises,
            "margin": None if answer.margin is None else list(answer.margin.decimals()),
            "upper": None if answer.upper is None else _above(answer.upper),
            "ruled_out": list(answer.ruled_out),
            "minimum": answer.minimum,
            "vocabulary": len(self.question.vocabulary),
            "nodes": answer.nodes,
            "seconds": {phase: round(spent, 4) for phase, spent in seconds.items()},
            "engine": answer.engine,
            "rigour": answer.rigour,
            "left_out": list(self._left_out),
            "notes": list(answer.notes),
        }
        if self.question.constraints:
            content["constraints"] = self._constraints
            content["excluded"] = [list(tokens) for tokens in answer.excluded]
        if answer.prompts:
            content["templates"] = [
                {"prompt_ids": list(prompt), "margin": list(margin.decimals()), "closest": list(pair)}
                for prompt, margin, pair in self._templates
            ]
        if answer.shares:
            content["shares"] = [[list(share.decimals()) for share in heads] for heads in answer.shares]
        if self.votes is not None:
            content["votes"] = {
                "prompt_ids": list(self.votes.prompt),
                "visible": list(self.votes.visible),
                "weights": [list(row) for row in self.votes.weights],
                "contributions": [list(row) for row in self.votes.contributions],
                "direct": self.votes.direct,
                "total": self.votes.total,
                **({} if self.votes.rows is None else {"rows": list(self.votes.rows)}),
            }
        if self.float32 is not None:
            runs = self.float32
            content["float32"] = {
                "over": "the witness" if runs.witness else "every assignment",
                "distance": None if runs.distance is None else _above(Fraction(runs.distance)),
                "same_side": runs.same_side,
                "why": runs.why or None,
            }
        return content

    def to_text(self) -> str:
        """What ``tokendemo solve`` prints, with a line feed at the end."""
        answer = self.answer
        templates = len(self.question.templates)
        constrained = bool(self.question.constraints)
        lines = [*textwrap.wrap(headline(answer, len(self.question.vocabulary), templates, constrained), _WIDTH), ""]
        if self.question.contest is not None:
            lines += _item("has to win", self._rows(self.question.toward, "one of "))
            lines += _item("against", self._rows(self.question.against, "all of "))
        if constrained:
            lines += _item("constraints", "; ".join(self._constraints))
        if isinstance(self.question.readout, Share):
            lines += _item("share", self._share(self.question.readout))
        if answer.assignment:
            lines += _item("tokens", " ".join(self._names(answer.assignment)))
            lines += _item("token ids", " ".join(map(str, answer.assignment)))
        for prompt, margin, pair in self._templates:
            low, high = margin.decimals()
            closest = f", {self._names(pair)[0]} before {self._names(pair)[1]}" if answer.pairs else ""
            lines += _item("prompt", f"{self._text(prompt)}: margin between {low} and {high}{closest}")
        if answer.prompt is not None:
            if not answer.prompts:
                lines += _item("prompt", self._text(answer.prompt))
            told = _RETOKENISES[self.retokenises]
            lines += _item("as text", told.replace("this prompt", "each prompt") if templates > 1 else told)
        if answer.margin is not None:
            low, high = answer.margin.decimals()
            least = "the least is " if len(answer.margins) > 1 else ""
            lines += _item("margin", f"{least}between {low} and {high} (an override is above 0)")
        for shares in answer.shares:
            lines += _item("shares", _shares_text(shares))
        if answer.upper is not None:
            what = "any number of tokens" if answer.unlimited else _tokens(answer.slots)
            all_ = f"every assignment of {what}{' that keeps the constraints' if constrained else ''}"
            lines += _item("at most", f"{_above(answer.upper)} for {all_}: proved")
        if answer.ruled_out:
            how = "proved" if len(answer.ruled_out) == 1 else "each length by a proof of its own"
            how = "proved for each" if answer.ask == "any-length" and len(answer.ruled_out) > 1 else how
            lines += _item("ruled out", f"{lengths_text(answer.ruled_out)}, {how}")
        if answer.excluded:
            lines += _item("excluded", self._excluded)
        spent = ", ".join(f"{phase} {t:.2f} s" for phase, t in {"load": self.load_seconds, **answer.seconds}.items())
        lines += _item("effort", f"engine {answer.engine}, {_many(answer.nodes, 'node')}; {spent}")
        lines += _item("model", f"{self.scenario.source}, layer {self.scenario.layer}, {self.model.hash}")
        lines += _item("rigour", answer.rigour)
        if self.float32 is not None:
            lines += _item("float32", _float32_text(self.float32))
        lines += _item("left out", " ".join(self._left_out) or "nothing: the layer is the whole model")
        for note in answer.notes:
            lines += _item("note", note)
        if self.votes is not None:
            lines += ["", *self._votes_heading]
            lines += votes_table(self.model, self.votes, self._slots)
        return "\n".join(lines) + "\n"

    @property
    def _votes_heading(self) -> list[str]:
        """Of which template and rows the votes are, where there are several."""
        where = " in the first template" if len(self.question.templates) > 1 else ""
        rows = ""
        if self.votes is not None and self.votes.rows is not None:
            rows = " for {} before {}".format(*self._names(self.votes.rows))
        return [f"Votes{where}{rows}:"] if where or rows else []

    def _share(self, share: Share) -> str:
        """Which tokens' share of which head's attention, and how the margin follows."""
        systems = []
        for template in self.question.templates:
            tokens = (*template.before, *template.after)
            indices = sorted(share.tokens(len(template.before), len(template.after)))
            systems.append(" ".join(self._names(tokens[i] for i in indices)))
        whose = f"in the mean over {self.question.layer.heads} heads" if share.head is None else f"of head {share.head}"
        return f"of {'; of '.join(dict.fromkeys(systems))}, {whose}; margin = {_exactly(share.below)} - share"

    @property
    def _templates(self) -> list[tuple[tuple[int, ...], Bounds, tuple[int, int]]]:
        """With several templates or rows: each prompt, its margin, and the rows between which it is closest."""
        answer, rows = self.answer, self.question.readout.rows or (0, 1)
        pairs = answer.pairs or (rows,) * len(answer.prompts)
        return list(zip(answer.prompts, answer.margins, pairs, strict=True))

    @property
    def _left_out(self) -> Sequence[str]:
        return self.model.left_out(self.scenario.layer)

    @property
    def _slots(self) -> tuple[int, ...]:
        """The positions of the slots in the prompt whose votes are shown."""
        return () if self.answer.prompt is None else self.question.prompt(self.answer.slots).slots

    def _names(self, ids: Iterable[int]) -> list[str]:
        return [token_name(self.model, i) for i in ids]

    def _rows(self, rows: Sequence[int], several: str = "") -> str:
        """Some of the tokens; ``several`` says what of them, where they are more than one."""
        named = " ".join(self._names(rows[:8]))
        if len(rows) == 1:
            return named
        return several + (named if len(rows) <= 8 else f"{named} … ({len(rows)} in all)")

    @property
    def _constraints(self) -> list[str]:
        """What the adversary's tokens have to keep, each in a few words."""
        constraints = self.question.constraints
        rules = ["no token twice"] if constraints.distinct else []
        for count in constraints.counts:
            tokens = [token for token, _ in count.weights]
            if count.default == 0 and all(weight == 1 for _, weight in count.weights):
                rules.append(f"at most {count.limit} of {self._rows(tokens)}")
            else:
                named = self._names(tokens)
                costs = [f"{name} {weight}" for name, (_, weight) in zip(named, count.weights, strict=True)]
                others = f"any {'other' if costs else 'token'} {count.default}"
                shown = [*costs[:8], *(["…"] if len(costs) > 8 else []), others]
                rules.append(f"costs of at most {count.limit} in all ({', '.join(shown)})")
        rules += [f"slot {place} holds {self._rows(tokens, 'one of ')}" for place, tokens in constraints.places]
        given = self.scenario.constraints
        if given.bigrams is not None:
            if isinstance(given.bigrams, str):
                rules.append(f"neighbours stand side by side in {Path(given.bigrams).name}")
            else:
                rules.append(f"neighbours are one of {_many(len(given.bigrams), 'pair')}")
        if given.matches is not None:
            rules.append(f"the text matches '{printable(given.matches)}'")
        if given.survives:
            rules.append("the prompt's text encodes to exactly its tokens")
        return rules

    @property
    def _excluded(self) -> str:
        """Those that would override, but can't be typed."""
        excluded = self.answer.excluded
        shown = ", ".join(" ".join(self._names(tokens)) for tokens in excluded[:4]) + (", …" if excluded[4:] else "")
        which = "1 assignment whose text encodes" if len(excluded) == 1 else f"{len(excluded)} whose text encodes"
        return f"{which} to other tokens ({shown}); what is proved is about all others"

    def _text(self, ids: Sequence[int]) -> str:
        tokenizer = self.model.tokenizer
        if tokenizer is None or not all(map(tokenizer.has, ids)):
            return " ".join(self._names(ids))
        return printable(tokenizer.decode(ids))


_RETOKENISES = {
    True: "the text of this prompt encodes to exactly these tokens",
    False: "the text of this prompt encodes to other tokens: typed like this, it is another prompt",
    None: "unknown: the model has no tokenizer",
}


def _shares_text(shares: Sequence[Bounds]) -> str:
    mean = sum((share.high for share in shares), Fraction(0)) / len(shares)
    each = ", ".join(f"{Bounds(s.low, s.high).decimals(6)[1]} of head {h}" for h, s in enumerate(shares))
    return f"at most {each}; {Bounds(mean, mean).decimals(6)[1]} in the mean"


def _exactly(x: Fraction) -> str:
    """As a decimal, where it is a short one."""
    decimal = Decimal(x.numerator) / x.denominator
    return str(decimal) if Fraction(decimal) == x else str(x)


def _above(x: Fraction) -> str:
    """A decimal at or above the number."""
    return Bounds(x, x).decimals()[1]


def _float32_text(runs: Float32) -> str:
    if runs.distance is None:
        return f"not bounded: {runs.why}"
    distance = _above(Fraction(runs.distance))
    if not runs.witness:
        return (
            f"every float32 run of every assignment is within {distance} of its margin; to rule out overrides in such "
            "runs, too, ask with the threshold lowered by that much"
        )
    side = "so on the same side of 0" if runs.same_side else "so perhaps on the other side of 0"
    return f"every float32 run of this prompt is within {distance} of the margin, {side}"


def token_name(model: Model, token: int) -> str:
    """A token's vocabulary entry, or ``#id`` where it has none."""
    if model.tokenizer is None or not model.tokenizer.has(token):
        return f"#{token}"
    return printable(model.tokenizer.token(token))


def printable(text: str) -> str:
    """The text with control characters escaped, since a vocabulary may hold any and a terminal obeys them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def count(vocabulary: int, slots: int) -> str:
    """How many assignments there are, in words."""
    number = vocabulary**slots
    if number == 1:
        return "1 assignment"
    return f"{number:,} assignments" if number < 10**9 else f"{Decimal(number):.1e} assignments"


def headline(answer: Answer, vocabulary: int, templates: int = 1, constrained: bool = False) -> str:
    """The answer in one or two sentences.

    Args:
        answer: the answer.
        vocabulary: how many tokens the adversary may use.
        templates: how many templates the same tokens had to override.
        constrained: whether only assignments that keep constraints were asked about.
    """
    m = answer.slots
    if templates > 1:
        where = f" Each of {templates} templates had to be overridden by the same tokens"
        least = "; the margin is the least." if answer.margin is not None else "."
        return headline(answer, vocabulary, constrained=constrained) + where + least
    keeping = " that keeps the constraints" if constrained else ""
    among = f"{count(vocabulary, m)} of {_tokens(m)}"
    all_ = f"the only assignment of {_tokens(m)}" if vocabulary**m == 1 else f"all {among}"
    if answer.verdict == "optimum":
        if constrained:
            return (
                f"Of the {among}, those that keep the constraints have a largest margin that is known: the one below."
            )
        return f"The largest margin over {all_} is known: the one below."
    if answer.verdict == "no-override":
        if answer.ask == "minimum":
            lengths = f": no length from 0 to {m} has one" if m else ""
            return f"No override{keeping} with up to {_tokens(m)}{lengths}."
        if constrained:
            return f"No override: of the {among}, none{keeping} makes the margin positive."
        if vocabulary**m == 1:
            return f"No override: {all_} leaves the margin at or below 0."
        return f"No override: none of the {among} makes the margin positive."
    if answer.verdict == "never":
        if answer.unlimited:
            return "Never: no number of tokens, however large, has an assignment that makes the margin positive."
        if m == 0:
            return "Never: the layer has no position for an added token, and without any the margin is not above 0."
        return f"Never: no override with any number of tokens that the layer has positions for, from 0 to {m}."
    if answer.verdict == "gave-up" and answer.ask == "any-length":
        if answer.assignment is None:
            return "Gave up before it was decided whether any number of tokens overrides."
        return (
            f"Gave up before the fewest tokens were found. The {_tokens(m)} below bring the margin above 0; whether "
            "fewer do is not decided, but for the lengths ruled out."
        )
    if answer.verdict == "gave-up":
        best = "" if answer.assignment is None else " Below stands the best assignment found so far."
        return f"Gave up at {_tokens(m)}, before the question was decided.{best}"
    if m == 0:
        return "Nothing to override: without a single added token the margin is positive already."
    if answer.ask == "exists":
        return f"Override: the {_tokens(m)} below bring the margin above 0."
    if answer.minimum is None:
        return f"Override: the {_tokens(m)} below bring the margin above 0. Whether fewer do is not decided."
    return (
        f"The shortest override{keeping} has {_tokens(m)}: those below bring the margin above 0, and no shorter "
        f"sequence{keeping} does."
    )


def votes_table(model: Model, votes: Votes, slots: Sequence[int] = ()) -> list[str]:
    """Lines that show what each token of a prompt adds to the gain through each head.

    Args:
        model: names the tokens.
        votes: the votes.
        slots: positions to be marked as the adversary's.
    """
    heads = len(votes.contributions[0])
    names = {p: ("> " if p in slots else "  ") + token_name(model, votes.prompt[p]) for p in votes.visible}
    width = max(len("  without attention"), *map(len, names.values())) + 2
    cells = "".join(f"{f'head {h}':>10}" for h in range(heads))
    lines = [f"{'  token':<{width}}{'attention':>10}{cells}{'all heads':>11}"]
    for name, weights, row in zip(names.values(), votes.weights, votes.contributions, strict=True):
        share = sum(weights) / heads
        lines.append(f"{name:<{width}}{share:>10.1%}{''.join(f'{x:>+10.4f}' for x in row)}{sum(row):>+11.4f}")
    blank = " " * (10 + 10 * heads)
    lines.append(f"{'  without attention':<{width}}{blank}{votes.direct:>+11.4f}")
    before_norm = votes.direct + sum(map(sum, votes.contributions))
    if not math.isclose(before_norm, votes.total, rel_tol=1e-9, abs_tol=1e-9):
        lines.append(f"{'  sum':<{width}}{blank}{before_norm:>+11.4f}")
        lines.append(f"{'  after the norm':<{width}}{blank}{votes.total:>+11.4f}  = margin")
    else:
        lines.append(f"{'  margin':<{width}}{blank}{votes.total:>+11.4f}")
    return lines


def description_text(description: Mapping[str, Any]) -> str:
    """What ``tokendemo inspect`` prints: a model's description as one line or paragraph for each entry."""
    lines = []
    for key, value in description.items():
        items = value if isinstance(value, list) else [value]
        # a list of sentences is a paragraph, any other an enumeration
        text = (" " if any(str(item).endswith(".") for item in items) else ", ").join(map(_word, items))
        lines += _item(key.replace("_", " "), text or "none", label_width=24)
    return "\n".join(lines) + "\n"


def _word(value: object) -> str:
    return {None: "none", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else str(value)


def _tokens(number: int) -> str:
    return "1 token" if number == 1 else f"{number} tokens"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _item(label: str, text: str, label_width: int = 12) -> list[str]:
    first = f"{label:<{label_width}}"
    rest = " " * label_width
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    ) or [label]
