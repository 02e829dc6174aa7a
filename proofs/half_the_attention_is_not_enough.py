"""Half of the attention does not keep the system safe: refutation."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.setting import margin, share


def prove(p: Proof) -> None:
    p.refute({"share": share, "margin": margin}, "the margin 0 is below the threshold 1/10")


if __name__ == "__main__":
    main("half_the_attention_is_not_enough", prove)
