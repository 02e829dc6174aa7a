"""Heads that mask the adversary's tokens don't hear them: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Variable, exp, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_zero
from tokendemo_formal.proving.tactics import at_index
from tokendemo_formal.theorems.guarantees import head, head_alone, visible
from tokendemo_formal.theorems.setting import H, ah_U, k, m, sh_S, sh_U


def prove(p: Proof) -> None:
    masked = p.assumption("every head masks every adversary token")

    def of(h: Variable) -> list[Fact]:
        """The adversary's part of both sums of a head is 0, and the system's mass is positive."""
        hidden = at_index(p.kernel, masked, h)
        votes = p.each(m, lambda j: (visible(h, j) * exp(sh_U(h, j)) * ah_U(h, j)).eq(0), [hidden])
        mass = p.each(m, lambda j: (visible(h, j) * exp(sh_U(h, j))).eq(0), [hidden])
        no_votes = p.have(
            total(m, lambda j: visible(h, j) * exp(sh_U(h, j)) * ah_U(h, j)).eq(0),
            [votes, p.lemma(sum_zero, m, lambda j: visible(h, j) * exp(sh_U(h, j)) * ah_U(h, j))],
        )
        no_mass = p.have(
            total(m, lambda j: visible(h, j) * exp(sh_U(h, j))).eq(0),
            [mass, p.lemma(sum_zero, m, lambda j: visible(h, j) * exp(sh_U(h, j)))],
        )
        system = p.have(
            total(k, lambda i: exp(sh_S(h, i))) > 0,
            [p.assumption("there is a system token"), p.lemma(mass_positive, k, lambda i: sh_S(h, i))],
            "exp is positive",
        )
        return [no_votes, no_mass, system]

    p.say("In any head, masked tokens add 0 to both sums, so its readout is that of the system's tokens alone.")
    same = p.each(H, lambda h: head(h).eq(head_alone(h)), of)
    p.say("So is the sum over the heads.")
    p.conclude([p.kernel.same(total(H, head), total(H, head_alone), same)])


if __name__ == "__main__":
    main("role_masks_are_non_interference", prove)
