"""A share floor at any length gives no margin: refutation."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.setting import E_S, N_S, margin, rho


def prove(p: Proof) -> None:
    system = N_S / E_S
    p.refute(
        {"the system's readout": system, "everyone's": margin, "the output": rho * system + (1 - rho) * margin},
        "half of 1 and half of -2 are below 1/2",
    )


if __name__ == "__main__":
    main("reserved_share_gives_no_margin", prove)
