"""Adversary tokens whose readouts are 0 keep the sign of a sum over heads that agree: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import each, fresh
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_positive
from tokendemo_formal.theorems.defences import adversary_in, mass_in, system_in
from tokendemo_formal.theorems.setting import H, a_S, a_U, ah_S, ah_U, m, s_S, s_U, sh_S, sh_U


def prove(p: Proof) -> None:
    agree = p.assumption("the system's own readout is positive in every head")
    null = p.assumption("the adversary's readouts are 0")
    h = fresh("h")
    here = p.kernel.assume(h < H)

    p.say("In a head h the adversary's readouts are 0 and the system's is positive, so its margin is positive.")
    own = p.have(system_in(h) > 0, [p.kernel.at(agree, h), here])
    silent = p.have(each(m, lambda j: ah_U(h, j).eq(0)), [p.kernel.at(null, h), here])
    head = {
        s_S: lambda i: sh_S(h, i),
        s_U: lambda j: sh_U(h, j),
        a_S: lambda i: ah_S(h, i),
        a_U: lambda j: ah_U(h, j),
    }
    kept = p.use("null_values_keep_the_sign", {}, head, [own, silent])
    margin = p.have((system_in(h) + adversary_in(h)) / mass_in(h) > 0, [kept])
    margins = p.kernel.each(margin, h, H, "h")
    added = p.lemma(sum_positive, H, lambda h: (system_in(h) + adversary_in(h)) / mass_in(h))
    p.conclude([margins, added, p.assumption("there is a head")])


if __name__ == "__main__":
    main("null_values_keep_the_sign_where_every_head_agrees", prove)
