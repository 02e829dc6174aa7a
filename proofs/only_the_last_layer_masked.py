"""Masks in the last layer alone let the adversary in through earlier states: refutation."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import one, two


def prove(p: Proof) -> None:
    p.refute(
        {
            "first run, output of layer 0": one.output(0, 0, 0, 0),
            "first run, output of layer 1": one.output(1, 0, 0, 0),
            "second run, output of layer 0": two.output(0, 0, 0, 0),
            "second run, output of layer 1": two.output(1, 0, 0, 0),
        },
        "the system's last states are -4 and 5",
    )


if __name__ == "__main__":
    main("only_the_last_layer_masked", prove)
