"""What goes wrong, named.

Every error that a user can cause derives from :class:`TokenDemoError`; its text says what was asked, the values and
shapes found, what was expected, and the likely cure.
"""

from __future__ import annotations


class TokenDemoError(Exception):
    """Base of all errors that this package raises on purpose."""


class InputError(TokenDemoError):
    """The input can't be used as it is.

    Cause: a file, a scenario or an argument with a wrong value. Cure: the text names the place and the expectation.
    """


class ModelFileError(InputError):
    """A model's files are damaged or incomplete.

    Cause: a truncated file, a missing tensor, a wrong shape, a value that is not finite, a duplicate key.
    Cure: the text names file, tensor, shape expected and found.
    """


class ScenarioError(InputError):
    """A scenario asks for something that makes no sense for its model.

    Cause: an unknown key, a token outside the vocabulary, a slot that the reader can't see. Cure: the text names the
    key of the TOML file.
    """


class UnsupportedError(TokenDemoError):
    """The operation exists, but not for this kind of number or this layer.

    Cause: for example ``exp`` of a symbolic Z3 term. Cure: the text names the operation and a kind that has it.
    """
