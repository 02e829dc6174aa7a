"""Without positions order does not matter: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.setting import E_S, E_U


def prove(p: Proof) -> None:
    p.refute(
        shows={"the share in front": E_S / (E_S + E_U), "behind": E_S / (E_U + E_S)},
        because="both are 1/2",
    )


if __name__ == "__main__":
    main("shift_erodes_without_positions", prove)
