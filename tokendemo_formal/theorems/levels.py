"""What a defence can promise against an adversary who fills some slots with tokens."""

from __future__ import annotations

from enum import Enum


class Level(Enum):
    """A level of protection, for one layer with system tokens S, against every choice U of the adversary's tokens.

    M_S(U) is the system's share of attention and f(U) the margin. A *preference* is safe without an adversary,
    f(∅) >= tau, and some U breaks it. A *constraint* is broken by no U: L2 at tau = 0, L3 at tau > 0. L3 gives L2
    (``margin_keeps_the_sign``), and L4 with f(∅) >= tau gives L3 (``non_interference_keeps_the_margin``). The order
    is otherwise not one of strength: L1 does not give L3 (``reserved_share_gives_no_margin``), nor L3 L1
    (``safe_with_a_vanishing_share``).
    """

    L0 = "share floor up to a length"
    """For each m there is phi > 0 with M_S(U) >= phi for every U of at most m tokens."""

    L1 = "share floor at any length"
    """There is phi > 0 with M_S(U) >= phi for every U."""

    L2 = "sign at any length"
    """f(U) > 0 for every U; f may come as close to 0 as it likes."""

    L3 = "margin at any length"
    """f(U) >= tau for every U, where tau > 0."""

    L4 = "non-interference"
    """f(U) = f(∅) for every U."""
