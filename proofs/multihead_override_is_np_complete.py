"""Finding an override of several heads is NP-complete: proof, the complexity classes by hand."""

from __future__ import annotations

from collections.abc import Callable

from tokendemo_formal.logic.terms import Term, Variable, each, iff, implies, negation
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.tactics import at_index, for_each
from tokendemo_formal.theorems.complexity import b, covered, half, has, table, table_gain
from tokendemo_formal.theorems.setting import H, m


def prove(p: Proof) -> None:
    either_way = p.assumption("an element is in a set or not")

    def each_slot(goal: Callable[[Term, Term], Term], because: str) -> Fact:
        def in_head(h: Variable) -> list[Fact]:
            return [for_each(p.kernel, m, lambda i: goal(h, i), [at_index(p.kernel, either_way, h)])]

        return p.each(H, lambda h: each(m, lambda i: goal(h, i)), in_head, because)

    p.say("The reduction's weights meet what set_cover_is_an_override asks for.")
    weights = [
        each_slot(lambda h, i: table(h, i) >= 0, "1/m where there is a slot, or 2H"),
        each_slot(lambda h, i: implies(has(h, i).eq(1), table(h, i) >= 2 * H), "it is 2H"),
        each_slot(lambda h, i: implies(negation(has(h, i).eq(1)), m * table(h, i) <= 1), "it is 1/m"),
    ]
    same = p.use("set_cover_is_an_override", functions={b: table}, by=weights)

    p.say("So the reduction keeps answers. What is left speaks about machines, which terms do not.")
    complete = p.by_hand(
        iff(covered, table_gain > half),
        "In NP: m tokens are a certificate of at most m log V bits; their gain is a sum of H quotients of sums of "
        "table entries, a rational number of polynomially many digits, to be compared with the threshold. NP-hard: "
        "SET COVER is NP-complete (R. Karp, Reducibility among combinatorial problems, 1972); from H elements, V "
        "sets and m the reduction writes a table of H V entries, each 2H or 1/m, and the threshold -1/2, in polynomial "
        "time.",
        [same],
    )
    p.conclude([complete])


if __name__ == "__main__":
    main("multihead_override_is_np_complete", prove)
