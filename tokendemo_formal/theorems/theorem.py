"""What a theorem is: a statement with evidence that it is not vacuous. Proofs live elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tokendemo_formal.errors import InputError
from tokendemo_formal.logic.terms import Sort, Term
from tokendemo_formal.logic.values import Instance

Claim: TypeAlias = Literal["C1", "C2", "C3", "C4", "C5"]

CLAIMS: Mapping[str, str] = {
    "C1": "equality: a transformer processes all tokens as equals",
    "C2": "same arena: safety instructions compete with adversarial input for the same attention",
    "C3": "override: adversarial input can outweigh the safety instruction",
    "C4": "position: positional shifts erode a prompt's effect",
    "C5": "limits: prompting or fine-tuning creates preferences, not constraints",
}
"""The claims of the abstract of "Token Democracy" (R. Young, arXiv 2501.15446v1) that theorems speak to."""


@dataclass(frozen=True)
class Theorem:
    """A statement: for all values of its free variables and sequences, the assumptions imply the conclusion.

    Args:
        name: spells the conclusion.
        entry: its number in the catalogue.
        claims: which claims of the abstract it speaks to; may be none.
        sentence: what it says, in one English sentence.
        assumptions: by name; each is needed (``sharp``).
        conclusion: a proposition.
        about: names of variables or sequences that the conclusion has to mention: the object it is about.
        expected: ``"proved"``, or ``"refuted"`` for a claim that is false as told.
        witness: an instance that meets all assumptions (and the conclusion, where that is true).
        sharp: for each assumption an instance that breaks the conclusion while all other assumptions hold. Of a
            statement expected to be refuted: empty.
        refutation: of a statement expected to be refuted: an instance that meets all assumptions and breaks the
            conclusion.
        probes: more instances that meet all assumptions; those at which a bound is tight show that it is.
        uses: names of theorems that the proof rests on.
        surviving: for mutants (see :mod:`tokendemo_formal.theorems.scrutiny`, by label) that no instance refutes: why.
        correction: where the catalogue's wording was corrected: what it said, and what is right.
        why: why it matters, for a student.
        idea: the idea of the proof, or of the counterexample.
        limits: where it stops.
    """

    name: str
    entry: int
    claims: tuple[Claim, ...]
    sentence: str
    assumptions: Mapping[str, Term]
    conclusion: Term
    about: tuple[str, ...]
    witness: Instance
    sharp: Mapping[str, Instance] = field(default_factory=dict)
    probes: tuple[Instance, ...] = ()
    expected: Literal["proved", "refuted"] = "proved"
    refutation: Instance | None = None
    uses: tuple[str, ...] = ()
    surviving: Mapping[str, str] = field(default_factory=dict)
    correction: str = ""
    why: str = ""
    idea: str = ""
    limits: str = ""

    def __post_init__(self) -> None:
        for name, t in {**self.assumptions, "conclusion": self.conclusion}.items():
            if t.sort is not Sort.PROPOSITION:
                raise InputError(f"{self.name}: {name} has to be a proposition, found the number {t}")
        if not self.name.isidentifier():
            raise InputError(f"{self.name!r} can't name a theorem: its proof is a module of that name")
        unknown = set(self.sharp) - set(self.assumptions)
        if unknown:
            raise InputError(f"{self.name}: sharp names no assumption: {sorted(unknown)}")
        if (self.refutation is None) == (self.expected == "refuted"):
            raise InputError(f"{self.name}: exactly the statements expected to be refuted have a refutation")

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All instances that come with it."""
        refutation = () if self.refutation is None else (self.refutation,)
        return (self.witness, *self.sharp.values(), *self.probes, *refutation)
