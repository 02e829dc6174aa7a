"""Defences that act on the system's share or on the adversary's readouts: Spotlight, null values, a reserved share."""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import (
    Function,
    Term,
    Variable,
    both,
    each,
    exp,
    function,
    iff,
    implies,
    ite,
    log,
    real,
    total,
)
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.theorems.setting import (
    E_S,
    E_U,
    N_S,
    A,
    H,
    Z,
    a,
    a_S,
    a_U,
    ah_S,
    ah_U,
    d,
    k,
    lo,
    log_of,
    m,
    margin,
    rho,
    s_S,
    s_U,
    sh_S,
    sh_U,
    share,
    sink,
    tau,
)
from tokendemo_formal.theorems.theorem import Theorem

psi = real("psi")
s = real("s")

# Several heads


def share_in(h: Variable) -> Term:
    """The system's share in head h."""
    own = total(k, lambda i: exp(sh_S(h, i)))
    return own / (own + total(m, lambda j: exp(sh_U(h, j))))


def mass_in(h: Variable) -> Term:
    """Σ e^score in head h."""
    return total(k, lambda i: exp(sh_S(h, i))) + total(m, lambda j: exp(sh_U(h, j)))


def system_in(h: Variable) -> Term:
    """Σ_S e^score readout in head h."""
    return total(k, lambda i: exp(sh_S(h, i)) * ah_S(h, i))


def adversary_in(h: Variable) -> Term:
    """Σ_U e^score readout in head h."""
    return total(m, lambda j: exp(sh_U(h, j)) * ah_U(h, j))


heads_margin = total(H, lambda h: (system_in(h) + adversary_in(h)) / mass_in(h))
heads_sunk = total(H, lambda h: (system_in(h) + adversary_in(h)) / (mass_in(h) + sink))

SINK_FOR_SEVERAL_HEADS = Theorem(
    name="sink_is_neutral_for_several_heads",
    entry=26,
    claims=("C5",),
    sentence="With several heads, a sink in each head's denominator leaves the criterion at threshold 0 unchanged.",
    assumptions={"the sink's mass is not negative": sink >= 0, "there is a token": k + m > 0},
    conclusion=iff(heads_sunk < 0, heads_margin < 0),
    about=("sh_S", "sh_U", "ah_S", "ah_U"),
    expected="refuted",
    witness=Instance(
        {"H": 1, "k": 1, "m": 1, "sh_S": [[0]], "sh_U": [[0]], "ah_S": [[1]], "ah_U": [[0]], "sink": 1}, "one head"
    ),
    refutation=Instance(
        {
            "H": 2,
            "k": 1,
            "m": 1,
            "sh_S": [[log_of(3, 4)], [log_of(1, 20)]],
            "sh_U": [[log_of(1, 4)], [log_of(1, 20)]],
            "ah_S": [[2], [0]],
            "ah_U": [[-2], [-3]],
            "sink": 1,
        },
        "a head of mass 1 says f = 1, one of mass 1/10 says f = -3/2",
    ),
    why="A claim about one head need not survive a second.",
    idea="The sink divides each head's margin by 1 + sink / Z of its own: it silences a head of small mass first.",
    limits="At equal masses Z the claim holds: all heads are divided by the same number.",
)

# Spotlight (attention steering by a bias of log(psi / share) where the share is below psi)


def spotlight(own: Term, other: Term, measured: Term, boosted: Term) -> Term:
    """The share after the bias, where the measured share decides."""
    return ite(measured < psi, boosted / (boosted + other), own / (own + other))


boosted = total(k, lambda i: exp(s_S(i) + log(psi / share)))
steered = spotlight(E_S, E_U, share, boosted)

_SPOT = Instance(
    {"k": 1, "m": 1, "s_S": [0], "s_U": [log_of(9)], "psi": Fraction(1, 2)},
    "share 1/10, wanted 1/2: the weight is multiplied by 5, the share becomes 5/14",
)

SPOTLIGHT_FLOOR = Theorem(
    name="spotlight_floor",
    entry=29,
    claims=("C5",),
    sentence="Adding log(psi / share) to the system's scores wherever this query's share is below psi makes the share "
    "psi / (1 + psi - share): always above psi / (1 + psi), and below the psi that was asked for.",
    assumptions={"there is a system token": k > 0, "psi is positive": psi > 0},
    conclusion=both(
        psi / (1 + psi) < steered,
        implies(share < psi, both(steered.eq(psi / (1 + psi - share)), steered < psi)),
    ),
    about=("s_S", "s_U", "psi"),
    witness=_SPOT,
    sharp={
        "there is a system token": _SPOT.but("nothing to steer to: log(psi / 0)", k=0),
        "psi is positive": _SPOT.but("psi = -2 asks for nothing, and psi / (1 + psi) = 2", psi=-2),
    },
    probes=(
        _SPOT.but("a share of 1/1000: the floor is almost met", s_U=[log_of(999)]),
        _SPOT.but("a share just below psi", s_U=[0], psi=Fraction(501, 1000)),
        _SPOT.but("a share above psi is left alone", s_U=[log_of(1, 9)]),
    ),
    why="Steering that looks at the share itself is a defence at any length, though one never gets what one asks for.",
    idea="The system's weight c becomes psi, the adversary's stays 1 - c; divide by the new total.",
    limits="For psi <= 1 the floor is at most 1/2. The share has to be this head's at this query: see "
    "spotlight_floor_with_an_averaged_share.",
)

averaged = total(H, share_in) / H


def averaged_steered(h: Variable) -> Term:
    """Head h's share after a bias that the average share over heads decides."""
    own = total(k, lambda i: exp(sh_S(h, i)))
    return spotlight(
        own,
        total(m, lambda j: exp(sh_U(h, j))),
        averaged,
        total(k, lambda i: exp(sh_S(h, i) + log(psi / averaged))),
    )


SPOTLIGHT_AVERAGED = Theorem(
    name="spotlight_floor_with_an_averaged_share",
    entry=29,
    claims=("C5",),
    sentence="Adding log(psi / share) to the system's scores wherever the share averaged over heads is below psi "
    "leaves every head's share above psi / (1 + psi).",
    assumptions={"there is a system token": k > 0, "psi is positive": psi > 0},
    conclusion=each(H, lambda h: psi / (1 + psi) < averaged_steered(h)),
    about=("sh_S", "sh_U", "psi"),
    expected="refuted",
    witness=Instance({"H": 1, "k": 1, "m": 1, "sh_S": [[0]], "sh_U": [[log_of(9)]], "psi": Fraction(1, 2)}, "one head"),
    refutation=Instance(
        {
            "H": 2,
            "k": 1,
            "m": 1,
            "sh_S": [[log_of(9)], [0]],
            "sh_U": [[0], [log_of(999_999)]],
            "psi": Fraction(2, 5),
        },
        "heads with shares 9/10 and 1/1000000",
    ),
    why="The same formula with the share averaged, as is cheap to do, is no defence.",
    idea="The first head's large share lifts the average over psi, so that no bias is added; the second has nothing.",
    limits="Averages over queries fail in the same way.",
)

# Null values: adversary tokens that are attended to and say nothing

_NULL = Instance(
    {"k": 1, "m": 2, "s_S": [0], "s_U": [0, log_of(2)], "a_S": [2], "a_U": [0, 0]},
    "f = 2 without the adversary, 1/2 with it",
)

NULL_VALUES_KEEP_THE_SIGN = Theorem(
    name="null_values_keep_the_sign",
    entry=30,
    claims=("C5",),
    sentence="In one head, adversary tokens whose readout is 0 scale the system's own margin by its share and so never "
    "turn its sign.",
    assumptions={
        "the system's own readout is positive": N_S > 0,
        "the adversary's readouts are 0": each(m, lambda j: a_U(j).eq(0)),
    },
    conclusion=both(margin.eq(share * (N_S / E_S)), margin > 0),
    about=("s_S", "s_U", "a_S", "a_U"),
    witness=_NULL,
    sharp={
        "the system's own readout is positive": _NULL.but("a negative one", a_S=[-2]),
        "the adversary's readouts are 0": _NULL.but("two that dissent", a_U=[-3, -3]),
    },
    why="Emptying the values of untrusted text keeps the decision's sign, whatever the length.",
    idea="Only the system contributes to the numerator; the denominator stays positive.",
    limits="One head, threshold 0. The margin falls with the share (null_values_do_not_keep_a_margin).",
)

NULL_VALUES_LOSE_THE_MARGIN = Theorem(
    name="null_values_do_not_keep_a_margin",
    entry=30,
    claims=("C2", "C5"),
    sentence="In one head, more than (N_S - tau E_S) / (tau e^lo) adversary tokens bring the margin below any tau > 0, "
    "though their readouts are 0.",
    assumptions={
        "the adversary's readouts are 0": each(m, lambda j: a_U(j).eq(0)),
        "the adversary's scores are at least lo": each(m, lambda j: lo <= s_U(j)),
        "the threshold is positive": tau > 0,
        "the adversary has enough tokens": (N_S - tau * E_S) / (tau * exp(lo)) < m,
    },
    conclusion=margin < tau,
    about=("s_S", "s_U", "a_S", "tau"),
    witness=_NULL.but("2 tokens suffice for tau = 1", m=2, lo=0, tau=1),
    sharp={
        "the adversary's readouts are 0": _NULL.but("they agree with the system", lo=0, tau=1, a_U=[2, 2]),
        "the adversary's scores are at least lo": _NULL.but(
            "weights 1/100 each", lo=0, tau=1, s_U=[log_of(1, 100), log_of(1, 100)]
        ),
        "the threshold is positive": _NULL.but("f > 0 > tau", lo=0, tau=-1),
        "the adversary has enough tokens": _NULL.but("none", m=0, lo=0, tau=1),
    },
    probes=(
        _NULL.but("just enough: f = 2/101", m=100, s_U=lambda j: 0, a_U=lambda j: 0, lo=0, tau=Fraction(200, 10_001)),
    ),
    why="Null values protect a sign, not a margin: with any noise or any threshold above 0 length wins.",
    idea="f = N_S / (E_S + E_U), and E_U is at least m e^lo.",
    limits="One head, plain softmax, unbounded length.",
)


def _null(h: Variable) -> Term:
    return each(m, lambda j: ah_U(h, j).eq(0))


_HEADS = Instance(
    {
        "H": 2,
        "k": 1,
        "m": 1,
        "sh_S": [[0], [0]],
        "sh_U": [[log_of(9)], [log_of(1, 9)]],
        "ah_S": [[2], [1]],
        "ah_U": [[0], [0]],
    },
    "margins 2/10 and 9/10",
)

NULL_VALUES_IN_EVERY_HEAD = Theorem(
    name="null_values_keep_the_sign_where_every_head_agrees",
    entry=30,
    claims=("C5",),
    sentence="Where the system's own readout is positive in every head, adversary tokens whose readouts are 0 never "
    "turn the sign of the sum over heads.",
    assumptions={
        "there is a head": H > 0,
        "the system's own readout is positive in every head": each(H, lambda h: system_in(h) > 0),
        "the adversary's readouts are 0": each(H, _null),
    },
    conclusion=heads_margin > 0,
    about=("sh_S", "sh_U", "ah_S", "ah_U"),
    witness=_HEADS,
    sharp={
        "there is a head": _HEADS.but("a sum over no head is 0", H=0),
        "the system's own readout is positive in every head": _HEADS.but("2 and -1: 1/5 - 9/10", ah_S=[[2], [-1]]),
        "the adversary's readouts are 0": _HEADS.but("a dissenter", ah_U=[[-9], [0]]),
    },
    uses=("null_values_keep_the_sign",),
    why="It tells which multi-head decisions null values protect: those on which all heads agree.",
    idea="Each head's margin is positive by itself.",
    limits="One head against is enough to lose it (null_values_keep_the_sign_of_a_sum).",
)

NULL_VALUES_SUM = Theorem(
    name="null_values_keep_the_sign_of_a_sum",
    entry=30,
    claims=("C5",),
    sentence="Where the heads' margins add up to more than 0 without an adversary, tokens whose readouts are 0 never "
    "turn the sign of the sum.",
    assumptions={
        "the system alone is above 0": total(H, lambda h: system_in(h) / total(k, lambda i: exp(sh_S(h, i)))) > 0,
        "the adversary's readouts are 0": each(H, _null),
    },
    conclusion=heads_margin > 0,
    about=("sh_S", "sh_U", "ah_S", "ah_U"),
    expected="refuted",
    witness=_HEADS,
    refutation=_HEADS.but("heads +2 and -1, of which only the first is diluted", ah_S=[[2], [-1]]),
    why="Tokens that say nothing can still decide who is heard.",
    idea="Scores differ by head: the adversary dilutes the heads that speak for the system, and no others.",
    limits="Where every head agrees the claim holds (null_values_keep_the_sign_where_every_head_agrees).",
)

# A reserved share: o = rho o_S + (1 - rho) o_all

reserved = rho * (N_S / E_S) + (1 - rho) * margin
reserved_weight = total(k, lambda i: rho * (exp(s_S(i)) / E_S) + (1 - rho) * (exp(s_S(i)) / Z))
"""The system's share where a part rho is reserved for it."""

_RESERVED = Instance(
    {"k": 1, "m": 2, "s_S": [0], "s_U": [0, log_of(2)], "a_S": [1], "a_U": [-1, -1], "rho": Fraction(3, 5)},
    "the share 1/4 becomes 3/5 + 1/10",
)

RESERVED_SHARE = Theorem(
    name="reserved_share",
    entry=31,
    claims=("C5",),
    sentence="Where the output is rho times the system's own plus 1 - rho times all attention's, the system's share is "
    "rho + (1 - rho) M_S: at least rho, at any length.",
    assumptions={"there is a system token": k > 0, "rho is at most 1": rho <= 1},
    conclusion=both(reserved_weight.eq(rho + (1 - rho) * share), rho <= reserved_weight),
    about=("s_S", "rho"),
    witness=_RESERVED,
    sharp={
        "there is a system token": _RESERVED.but("nobody to reserve it for", k=0),
        "rho is at most 1": _RESERVED.but("more than everything", rho=2),
    },
    probes=(
        _RESERVED.but("the floor is almost met", s_U=[log_of(500), log_of(499)]),
        _RESERVED.but("all is reserved", rho=1),
    ),
    why="A floor under the system's share needs no argument about scores if it is built in.",
    idea="Add up the system's weights in both parts.",
    limits="rho has to be a constant: one that is computed from the query is the adversary's where the query is.",
)

own_margin = N_S.eq(a * E_S)
"""a is what the system says by itself, N_S / E_S."""

_ENOUGH = _RESERVED.but("a = A = 1: f = 3/5 - 1/5 against tau = 1/5", a=1, A=1, tau=Fraction(1, 5))

RESERVED_MARGIN = Theorem(
    name="reserved_share_keeps_the_margin",
    entry=31,
    claims=("C5",),
    sentence="With a reserved share rho >= (A + tau) / (a + A), a the system's own margin and -A the adversary's least "
    "readout, the margin is at least tau at any length.",
    assumptions={
        "there is a system token": k > 0,
        "rho is at most 1": rho <= 1,
        "the system's own margin is a": own_margin,
        "the adversary's readouts are at least -A": each(m, lambda j: -A <= a_U(j)),
        "the system outbids the adversary": a + A > 0,
        "rho is enough": (A + tau) / (a + A) <= rho,
    },
    conclusion=tau <= reserved,
    about=("s_S", "s_U", "a_S", "a_U", "rho", "tau"),
    witness=_ENOUGH,
    sharp={
        "there is a system token": _ENOUGH.but("nobody to reserve it for", k=0),
        "rho is at most 1": _ENOUGH.but("the adversary's part turned round", rho=2, tau=3, a_U=[5, 5]),
        "the system's own margin is a": _ENOUGH.but("it is -1", a_S=[-1]),
        "the adversary's readouts are at least -A": _ENOUGH.but("-100", a_U=[-100, -100]),
        "the system outbids the adversary": _ENOUGH.but("a + A = -1", A=-2, a_U=[2, 2], tau=3, rho=-1),
        "rho is enough": _ENOUGH.but("for tau = 1/2 it is not", tau=Fraction(1, 2)),
    },
    probes=(
        _ENOUGH.but("nothing but rho: met exactly", tau=1, rho=1),
        _ENOUGH.but("almost met", s_U=[log_of(9_999), 0]),
    ),
    why="A reserved share that is large enough for the values is a constraint: no text of any length breaks it.",
    idea="The system's share w is at least rho, and f >= w a - (1 - w) A = w (a + A) - A, which grows with w.",
    limits="a and A have to be known: values without bound need a share of 1.",
)

worst = total(m, lambda j: exp(s) * -A)
worst_mass = total(m, lambda j: exp(s))
reserved_worst = rho * (N_S / E_S) + (1 - rho) * ((N_S + worst) / (E_S + worst_mass))
"""The margin where the adversary repeats a token of score s and readout -A."""

_TOO_LITTLE = Instance(
    {"k": 1, "m": 4, "s_S": [0], "a_S": [1], "s": 0, "a": 1, "A": 1, "rho": Fraction(1, 2), "tau": Fraction(1, 5)},
    "P = 4/5 and each token takes e^s (A + tau - rho (a + A)) = 1/5: 4 tokens reach tau and do not cross it",
)

TOO_SMALL_A_RESERVED_SHARE = Theorem(
    name="too_small_a_reserved_share_is_overridden",
    entry=31,
    claims=("C3", "C5"),
    sentence="With a reserved share rho < (A + tau) / (a + A), m copies of a token of score s and readout -A override "
    "exactly if m > (N_S - tau E_S) / (e^s (A + tau - rho (a + A))): some length does.",
    assumptions={
        "there is a system token": k > 0,
        "the system's own margin is a": own_margin,
        "the system outbids the adversary": a + A > 0,
        "rho is too small": rho < (A + tau) / (a + A),
    },
    conclusion=iff(reserved_worst < tau, (N_S - tau * E_S) / (exp(s) * (A + tau - rho * (a + A))) < m),
    about=("s_S", "a_S", "rho", "tau"),
    witness=_TOO_LITTLE,
    sharp={
        "there is a system token": _TOO_LITTLE.but("nobody to reserve it for", k=0),
        "the system's own margin is a": _TOO_LITTLE.but("it is 3", a_S=[3], m=15),
        "the system outbids the adversary": _TOO_LITTLE.but("a + A = -1", A=-2, tau=3, rho=-2, m=1),
        "rho is too small": _TOO_LITTLE.but("it is enough for tau = -1/5", tau=Fraction(-1, 5)),
    },
    probes=(
        _TOO_LITTLE.but("one token more crosses it", m=5),
        _TOO_LITTLE.but("tau a little more: 4 tokens cross it", tau=Fraction(2005, 10_000)),
    ),
    why="With reserved_share_keeps_the_margin: protected at any length exactly if rho >= (A + tau) / (a + A).",
    idea="Multiply by E_S + m e^s: f < tau says N_S - tau E_S < m e^s (A + tau - rho (a + A)).",
    limits="One head, plain softmax; the adversary's worst token has to be repeatable.",
)

# rho computed from the query

q = function("q")
q_0 = function("q_0")
gate = function("gate")
key_S = function("key_S", 2)
key_U = function("key_U", 2)


def reserved_by(query: Function) -> Term:
    """rho = sigmoid⟨query, gate⟩."""
    odds = exp(total(d, lambda c: query(c) * gate(c)))
    return odds / (1 + odds)


def _key_weight(key: Function, i: Variable) -> Term:
    return exp(total(d, lambda c: q(c) * key(i, c)))


_own_mass = total(k, lambda i: _key_weight(key_S, i))
_own_sum = total(k, lambda i: _key_weight(key_S, i) * a_S(i))
gated = reserved_by(q) * (_own_sum / _own_mass) + (1 - reserved_by(q)) * (
    (_own_sum + total(m, lambda j: _key_weight(key_U, j) * a_U(j)))
    / (_own_mass + total(m, lambda j: _key_weight(key_U, j)))
)
"""The margin for query q, where the reserved share is read off the query."""

_GATED = Instance(
    {
        "d": 1,
        "k": 1,
        "m": 3,
        "q_0": [log_of(9)],
        "q": [log_of(1, 9)],
        "gate": [1],
        "key_S": [[0]],
        "key_U": [[0]] * 3,
        "a_S": [1],
        "a_U": [-1] * 3,
        "a": 1,
        "A": 1,
        "tau": 0,
    },
    "the template's query reserves 9/10, the adversary's 1/10; all scores are 0, readouts 1 against three times -1",
)

RESERVED_BY_THE_QUERY = Theorem(
    name="reserved_share_read_off_the_query",
    entry=31,
    claims=("C5",),
    sentence="A reserved share rho = sigmoid⟨q, gate⟩ that is enough for the template's query q_0 keeps the margin at "
    "least tau for the query q that the text leads to.",
    assumptions={
        "there is a system token": k > 0,
        "the system's readouts are at least a": each(k, lambda i: a <= a_S(i)),
        "the adversary's readouts are at least -A": each(m, lambda j: -A <= a_U(j)),
        "the system outbids the adversary": a + A > 0,
        "rho is enough for the template's query": (A + tau) / (a + A) <= reserved_by(q_0),
    },
    conclusion=tau <= gated,
    about=("q", "gate", "a_S", "a_U", "tau"),
    expected="refuted",
    witness=_GATED.but("the template's query itself", q=[log_of(9)]),
    refutation=_GATED,
    why="A defence that reads its own strength off the adversary's text is the adversary's to switch off.",
    idea="The gate opens for q_0 and closes for q; what is left is plain attention, three against one.",
    limits="For a constant rho, or a lower bound on it over all queries, the claim holds "
    "(reserved_share_keeps_the_margin).",
)

THEOREMS = (
    SINK_FOR_SEVERAL_HEADS,
    SPOTLIGHT_FLOOR,
    SPOTLIGHT_AVERAGED,
    NULL_VALUES_KEEP_THE_SIGN,
    NULL_VALUES_LOSE_THE_MARGIN,
    NULL_VALUES_IN_EVERY_HEAD,
    NULL_VALUES_SUM,
    RESERVED_SHARE,
    RESERVED_MARGIN,
    TOO_SMALL_A_RESERVED_SHARE,
    RESERVED_BY_THE_QUERY,
)
