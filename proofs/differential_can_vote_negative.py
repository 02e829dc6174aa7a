"""The net attention of differential attention can be negative: refutation."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import lam, second_share
from tokendemo_formal.theorems.setting import share


def prove(p: Proof) -> None:
    p.refute(
        {
            "share in the first map": share,
            "in the second": second_share,
            "net": share - lam * second_share,
        },
        "the system's net attention is -1/8",
    )


if __name__ == "__main__":
    main("differential_can_vote_negative", prove)
