"""Exact answers about one attention layer: can adversarial tokens outweigh the safety instruction, and how few?

    from tokendemo_formal import read_scenario, solve

    scenario = read_scenario("question.toml")
    answer = solve(scenario.question(), "minimum")
    print(answer.verdict, answer.minimum, answer.assignment)

=============================================  =======================================================================
name                                           what it is
=============================================  =======================================================================
``load_model``, ``Model``                      a stored model, opened; its ``layer(i)`` is a ``Layer``
``from_arrays``, ``from_multihead_attention``  a ``Layer`` from arrays in memory
``read_scenario``, ``parse_scenario``,         a question as a TOML file, a TOML text, or an object with the same keys
``Scenario``
``Question``, ``Readout``, ``Prompt``          the question with every token resolved; for layers in memory, start here
``Template``                                   further templates for the same tokens to override: ``Question.also``
``Contest``                                    rows of which one has to beat several others: ``Question.contest``
``Constraints``, ``Count``                     what an adversary's tokens have to satisfy besides
``Share``                                      in place of a readout: a share of attention that is to be kept
``solve``, ``Answer``, ``Bounds``,             the answer and what it proves, and how far a long search is
``Progress``
``votes``, ``Votes``                           what each token of a prompt adds through each head
``float32_distance``                           how far a float32 run of the layer can be from the margin
``TokenDemoError`` and its subclasses          what goes wrong: see :mod:`tokendemo_formal.errors`
=============================================  =======================================================================

Names load on first use: importing the package loads neither NumPy nor a solver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokendemo_formal.attention import Layer
    from tokendemo_formal.errors import InputError, ModelFileError, ScenarioError, TokenDemoError, UnsupportedError
    from tokendemo_formal.models import Model, from_arrays, from_multihead_attention, load_model
    from tokendemo_formal.override.answer import Answer, Bounds
    from tokendemo_formal.override.constraints import Constraints, Count
    from tokendemo_formal.override.float32 import float32_distance
    from tokendemo_formal.override.question import Contest, Prompt, Question, Readout, Share, Template
    from tokendemo_formal.override.run import Progress
    from tokendemo_formal.override.solve import solve
    from tokendemo_formal.override.votes import Votes, votes
    from tokendemo_formal.scenario import Scenario, parse_scenario, read_scenario

__version__ = "0.1.0"

_HOMES = {
    "attention": ("Layer",),
    "errors": ("InputError", "ModelFileError", "ScenarioError", "TokenDemoError", "UnsupportedError"),
    "models": ("Model", "from_arrays", "from_multihead_attention", "load_model"),
    "override.answer": ("Answer", "Bounds"),
    "override.constraints": ("Constraints", "Count"),
    "override.float32": ("float32_distance",),
    "override.question": ("Contest", "Prompt", "Question", "Readout", "Share", "Template"),
    "override.run": ("Progress",),
    "override.solve": ("solve",),
    "override.votes": ("Votes", "votes"),
    "scenario": ("Scenario", "parse_scenario", "read_scenario"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Answer",
    "Bounds",
    "Constraints",
    "Contest",
    "Count",
    "InputError",
    "Layer",
    "Model",
    "ModelFileError",
    "Progress",
    "Prompt",
    "Question",
    "Readout",
    "Scenario",
    "ScenarioError",
    "Share",
    "Template",
    "TokenDemoError",
    "UnsupportedError",
    "Votes",
    "float32_distance",
    "from_arrays",
    "from_multihead_attention",
    "load_model",
    "parse_scenario",
    "read_scenario",
    "solve",
    "votes",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
