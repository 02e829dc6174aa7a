"""A sink turns the sign of two heads' sum: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.defences import heads_margin, heads_sunk


def prove(p: Proof) -> None:
    p.say("Without the sink the heads say 1 and -3/2; with it 1/2 and -3/22, since their masses are 1 and 1/10.")
    p.refute(
        {"the sum without a sink": heads_margin, "the sum with it": heads_sunk},
        because="below 0 without the sink and above 0 with it",
    )


if __name__ == "__main__":
    main("sink_is_neutral_for_several_heads", prove)
