"""Writes docs/questions.md: every example on the shipped model, with what it prints.

Run from the repository's root: python -m benchmarks.questions
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from tokendemo_formal.cli import main as tokendemo

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "questions.md"
HEAD = """\
# Questions that can be asked

`tokendemo new` writes the plainest question: how few tokens turn one prompt's answer around? Others follow, simple ones
first. Each example runs on the model that comes with the package, in seconds: `tokendemo solve examples/NAME.toml`.
This page is made by `python -m benchmarks.questions`; the effort is left out of what is printed.
"""
ORDER = ("maximum", "first_choice", "universal", "share", "any_length", "distinct", "budget", "bigrams", "regex")
"""Of the examples, as a reader may want them; any others stand behind."""


def examples() -> list[Path]:
    found = [path for path in sorted((ROOT / "examples").glob("*.toml")) if "bundled:" in path.read_text("utf-8")]
    place = {f"guard_{name}": number for number, name in enumerate(ORDER)}
    return sorted(found, key=lambda path: place.get(path.stem, len(ORDER)))


def printed(path: Path) -> str:
    """What ``tokendemo solve`` prints, less the effort."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = tokendemo(["solve", str(path)])
    if code != 0:
        raise SystemExit(f"{path}: exit code {code}")
    return re.sub(r"^effort .*\n(?: .*\n)*", "", out.getvalue(), flags=re.MULTILINE)


def section(path: Path) -> str:
    """What the example asks, by the comment at its head, and the answer."""
    comment = "\n".join(re.findall(r"\A(?:# ?.*\n)+", path.read_text("utf-8"))).replace("# ", "")
    return f"## {path.name}\n\n{comment}\n```text\n{printed(path)}```\n"


def page() -> str:
    return "\n".join([HEAD, *map(section, examples())])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
