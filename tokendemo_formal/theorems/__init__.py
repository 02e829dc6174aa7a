"""The catalogue of theorems: statements with witnesses and counterexamples. Importing it proves nothing.

Every module of this package that defines ``THEOREMS`` belongs to the catalogue; :func:`catalogue` collects them.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from types import MappingProxyType

from tokendemo_formal.errors import InputError
from tokendemo_formal.theorems.levels import Level
from tokendemo_formal.theorems.theorem import CLAIMS, Claim, Theorem

__all__ = ["CLAIMS", "Claim", "Level", "Theorem", "catalogue", "chosen", "theorem"]


@cache
def catalogue() -> MappingProxyType[str, Theorem]:
    """All theorems by name, in the order of the catalogue's numbers."""
    found: dict[str, Theorem] = {}
    for module in pkgutil.iter_modules(__path__):
        for t in getattr(import_module(f"{__name__}.{module.name}"), "THEOREMS", ()):
            if t.name in found:
                raise InputError(f"two theorems have the name {t.name}")
            found[t.name] = t
    return MappingProxyType(dict(sorted(found.items(), key=lambda item: item[1].entry)))


def theorem(name: str) -> Theorem:
    """The theorem of that name.

    Raises:
        InputError: where there is none; the text names near ones.
    """
    known = catalogue()
    if name not in known:
        import difflib

        near = difflib.get_close_matches(name, known, 3) or list(known)
        raise InputError(f"there is no theorem {name!r}; there is {', '.join(near)}")
    return known[name]


def chosen(names: Iterable[str]) -> list[Theorem]:
    """The theorems of those names; without any name all of them.

    Raises:
        InputError: where there are none of some names; the text names near ones.
    """
    wanted = list(dict.fromkeys(names))
    errors = []
    for name in wanted:
        try:
            theorem(name)
        except InputError as error:
            errors.append(str(error))
    if errors:
        raise InputError("; ".join(errors))
    return [theorem(name) for name in wanted] or list(catalogue().values())
