"""A share of attention does not keep the system safe: refutation."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.setting import margin, share


def prove(p: Proof) -> None:
    p.refute({"share": share, "margin": margin}, "the margin -1/3 is below the threshold 0")


if __name__ == "__main__":
    main("share_floor_is_not_enough", prove)
