"""How large the system's share of attention can be."""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import (
    Numeric,
    Term,
    both,
    each,
    exp,
    function,
    iff,
    implies,
    larger,
    log,
    natural,
    real,
    total,
)
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.theorems.setting import (
    E_S,
    E_U,
    N_S,
    N_U,
    V,
    a_S,
    a_U,
    cap,
    eps,
    hi,
    k,
    lo,
    m,
    mass,
    s_S,
    s_U,
    s_V,
    share,
    surplus,
    tau,
    votes,
    weighted,
)
from tokendemo_formal.theorems.theorem import Theorem

_TWO_AGAINST_THREE = Instance(
    {
        "k": 2,
        "m": 3,
        "lo": 0,
        "hi": Log(Fraction(4)),
        "s_S": [Log(Fraction(4)), Log(Fraction(2))],
        "s_U": [0, 0, Log(Fraction(3))],
    },
    "two system tokens of weight 4 and 2 against three of weight 1, 1 and 3",
)

DILUTION = Theorem(
    name="dilution",
    entry=9,
    claims=("C2", "C5"),
    sentence="In plain softmax attention the system's share falls at least as fast as k e^hi / (k e^hi + m e^lo).",
    assumptions={
        "the system's scores are at most hi": each(k, lambda i: s_S(i) <= hi),
        "the adversary's scores are at least lo": each(m, lambda j: lo <= s_U(j)),
        "there is a token": k + m > 0,
    },
    conclusion=share <= k * exp(hi) / (k * exp(hi) + m * exp(lo)),
    about=("s_S", "s_U"),
    witness=_TWO_AGAINST_THREE,
    sharp={
        "the system's scores are at most hi": _TWO_AGAINST_THREE.but(
            "a system token of weight 100 is beyond e^hi = 4", s_S=[Log(Fraction(100)), Log(Fraction(2))]
        ),
        "the adversary's scores are at least lo": _TWO_AGAINST_THREE.but(
            "adversary tokens of weight 1/100 are below e^lo = 1",
            s_S=[Log(Fraction(4))] * 2,
            s_U=[Log(Fraction(1, 100))] * 3,
        ),
        "there is a token": _TWO_AGAINST_THREE.but("nothing at all", k=0, m=0),
    },
    probes=(_TWO_AGAINST_THREE.but("the bound is met", s_S=[Log(Fraction(4))] * 2, s_U=[0, 0, 0]),),
    why="However the instruction is worded, enough further tokens leave it as little attention as they like.",
    idea="Each system token weighs at most e^hi and each adversary token at least e^lo; the share grows with the first "
    "and falls with the second.",
    limits="Only at unbounded length: up to a length the share has a floor (share_floor_up_to_a_length).",
)


_EIGHT = Instance(
    {
        "k": 2,
        "m": 8,
        "lo": 0,
        "hi": Log(Fraction(4)),
        "eps": Fraction(1, 2),
        "s_S": [Log(Fraction(4))] * 2,
        "s_U": [0] * 8,
    },
    "two system tokens of weight 4 meet eight of weight 1: a share of 1/2",
)

DILUTION_LENGTH = Theorem(
    name="dilution_length",
    entry=9,
    claims=("C2", "C5"),
    sentence="In plain softmax attention m >= k e^(hi - lo) (1 - eps) / eps adversary tokens, whichever they are, "
    "leave the system at most the share eps.",
    assumptions={
        "the system's scores are at most hi": DILUTION.assumptions["the system's scores are at most hi"],
        "the adversary's scores are at least lo": DILUTION.assumptions["the adversary's scores are at least lo"],
        "there is a token": DILUTION.assumptions["there is a token"],
        "eps is positive": eps > 0,
        "the adversary has that many tokens": k * exp(hi - lo) * (1 - eps) / eps <= m,
    },
    conclusion=share <= eps,
    about=("s_S", "s_U", "eps"),
    witness=_EIGHT,
    sharp={
        "the system's scores are at most hi": _EIGHT.but("beyond e^hi = 4", s_S=[Log(Fraction(5))] * 2),
        "the adversary's scores are at least lo": _EIGHT.but("below e^lo = 1", s_U=[Log(Fraction(1, 2))] * 8),
        "there is a token": _EIGHT.but("nothing at all", k=0, m=0),
        "eps is positive": _EIGHT.but("no share is negative", eps=-1),
        "the adversary has that many tokens": _EIGHT.but("one token less", m=7),
    },
    probes=(_EIGHT.but("more than enough", m=8, eps=Fraction(3, 4)),),
    uses=("dilution",),
    why="For every share, however small, there is a length from which on the instruction gets no more than that.",
    idea="The bound of dilution is at most eps exactly from that length on.",
    limits="The length grows like e^(hi - lo) / eps: for a spread of 20 and one system token, half of the attention "
    "takes 485 million tokens. Up to a length the share has a floor (share_floor_up_to_a_length).",
)

_FLOOR = _TWO_AGAINST_THREE.but(
    "two system tokens of weight 4 and 2 against three of weight 1, 1 and 3; room for 4", cap=4
)

_floor = k * exp(lo) / (k * exp(lo) + cap * exp(hi))

SHARE_FLOOR_UP_TO_A_LENGTH = Theorem(
    name="share_floor_up_to_a_length",
    entry=9,
    claims=("C2", "C5"),
    sentence="In plain softmax attention at most cap adversary tokens, whichever they are, leave the system a share of "
    "at least k e^lo / (k e^lo + cap e^hi), which is positive.",
    assumptions={
        "the system's scores are at least lo": each(k, lambda i: lo <= s_S(i)),
        "the adversary's scores are at most hi": each(m, lambda j: s_U(j) <= hi),
        "there is a system token": k > 0,
        "the adversary has at most cap tokens": m <= cap,
    },
    conclusion=both(0 < _floor, _floor <= share),
    about=("s_S", "s_U"),
    witness=_FLOOR,
    sharp={
        "the system's scores are at least lo": _FLOOR.but(
            "system tokens of weight 1/100", s_S=[Log(Fraction(1, 100))] * 2
        ),
        "the adversary's scores are at most hi": _FLOOR.but(
            "adversary tokens of weight 100", s_U=[Log(Fraction(100))] * 3
        ),
        "there is a system token": _FLOOR.but("no system, no share", k=0),
        "the adversary has at most cap tokens": _FLOOR.but(
            "one token of weight 4 where there is room for none", cap=0, m=1, s_U=[Log(Fraction(4))]
        ),
    },
    probes=(_FLOOR.but("the floor is met", cap=3, s_S=[0, 0], s_U=[Log(Fraction(4))] * 3),),
    why="A context has a length. Within it, a bounded layer gives the instruction a guaranteed share: level L0.",
    idea="Each system token weighs at least e^lo, each of at most cap adversary tokens at most e^hi.",
    limits="A share is not yet a safe margin (share_floor_is_not_enough), and the floor tends to 0 as cap grows "
    "(dilution).",
)

x, y = real("x"), real("y")

SHARE_BOUNDS_ARE_MET = Theorem(
    name="share_bounds_are_met",
    entry=9,
    claims=("C2", "C5"),
    sentence="If all system tokens have score x and all adversary tokens score y, the share is k e^x / (k e^x + m "
    "e^y): for x = hi, y = lo the bound of dilution, for x = lo, y = hi the floor.",
    assumptions={
        "every system token has score x": each(k, lambda i: s_S(i).eq(x)),
        "every adversary token has score y": each(m, lambda j: s_U(j).eq(y)),
        "there is a token": k + m > 0,
    },
    conclusion=share.eq(k * exp(x) / (k * exp(x) + m * exp(y))),
    about=("s_S", "s_U"),
    witness=Instance(
        {"k": 2, "m": 3, "x": Log(Fraction(4)), "y": 0, "s_S": [Log(Fraction(4))] * 2, "s_U": [0] * 3},
        "two of weight 4 against three of weight 1",
    ),
    sharp={
        "every system token has score x": Instance(
            {"k": 2, "m": 3, "x": Log(Fraction(4)), "y": 0, "s_S": [Log(Fraction(4)), 0], "s_U": [0] * 3},
            "one system token is weaker",
        ),
        "every adversary token has score y": Instance(
            {
                "k": 2,
                "m": 3,
                "x": Log(Fraction(4)),
                "y": 0,
                "s_S": [Log(Fraction(4))] * 2,
                "s_U": [0, 0, Log(Fraction(2))],
            },
            "one adversary token is stronger",
        ),
        "there is a token": Instance({"k": 0, "m": 0, "x": 0, "y": 0, "s_S": [], "s_U": []}, "nothing at all"),
    },
    why="Neither bound can be improved, for any numbers of tokens and any range of scores.",
    idea="The sums have equal terms.",
    limits="In a real vocabulary the extreme scores belong to particular tokens; positions may rule out to have them "
    "everywhere.",
)

# One token of score x, beside whatever else the adversary has
_needed = log(E_S) + log((1 - eps) / eps)

_ONE_TOKEN = Instance(
    {
        "k": 2,
        "m": 1,
        "eps": Fraction(1, 4),
        "s_S": [Log(Fraction(1)), Log(Fraction(2))],
        "s_U": [Log(Fraction(5))],
        "x": Log(Fraction(9)),
    },
    "a token of weight 9 against a system of weight 3: a share of 1/4",
)

ONE_TOKEN_OVERRIDE = Theorem(
    name="one_token_override",
    entry=10,
    claims=("C2",),
    sentence="One token leaves the system at most the share eps exactly if its score is at least "
    "log E_S + log((1 - eps) / eps); more tokens beside it can't help the system.",
    assumptions={
        "there is a system token": k > 0,
        "eps is positive": eps > 0,
        "eps is less than 1": eps < 1,
    },
    conclusion=both(
        iff(_needed <= x, E_S / (E_S + exp(x)) <= eps),
        implies(_needed <= x, E_S / (E_S + E_U + exp(x)) <= eps),
    ),
    about=("s_S", "s_U", "x", "eps"),
    witness=_ONE_TOKEN,
    sharp={
        "there is a system token": _ONE_TOKEN.but("no system: log 0", k=0),
        "eps is positive": _ONE_TOKEN.but("no share is 0 under softmax: log of 1/0", eps=0),
        "eps is less than 1": _ONE_TOKEN.but("every score will do: log 0", eps=1),
    },
    probes=(
        _ONE_TOKEN.but("a little too weak", x=Log(Fraction(8))),
        _ONE_TOKEN.but("alone", m=0, s_U=[]),
        _ONE_TOKEN.but("stronger than needed", x=Log(Fraction(10))),
    ),
    why="Length is not needed where scores are unbounded: a single token whose key fits the query outweighs any "
    "instruction.",
    idea="E_S / (E_S + e^x) <= eps says e^x >= E_S (1 - eps) / eps.",
    limits="Whether a token of such a score exists is another question: not for every eps where scores are bounded "
    "(bounded_scores_leave_a_share), as in a finite vocabulary, or behind LayerNorm or QK-norm.",
)

_one_floor = k * exp(lo) / (k * exp(lo) + exp(hi))

_VOCABULARY = Instance(
    {
        "k": 2,
        "V": 3,
        "lo": 0,
        "hi": Log(Fraction(4)),
        "s_S": [0, Log(Fraction(2))],
        "s_V": [0, Log(Fraction(3)), Log(Fraction(4))],
    },
    "a vocabulary of weights 1, 3 and 4 against a system of weight 3",
)

BOUNDED_SCORES_LEAVE_A_SHARE = Theorem(
    name="bounded_scores_leave_a_share",
    entry=10,
    claims=("C2",),
    sentence="Where scores are bounded, no single token of the vocabulary presses the system's share below "
    "k e^lo / (k e^lo + e^hi), which is positive.",
    assumptions={
        "the system's scores are at least lo": each(k, lambda i: lo <= s_S(i)),
        "the vocabulary's scores are at most hi": each(V, lambda v: s_V(v) <= hi),
        "there is a system token": k > 0,
    },
    conclusion=both(0 < _one_floor, each(V, lambda v: _one_floor <= E_S / (E_S + exp(s_V(v))))),
    about=("s_S", "s_V"),
    witness=_VOCABULARY,
    sharp={
        "the system's scores are at least lo": _VOCABULARY.but("weights of 1/100", s_S=[Log(Fraction(1, 100))] * 2),
        "the vocabulary's scores are at most hi": _VOCABULARY.but(
            "one token of weight 100", s_V=[0, 0, Log(Fraction(100))]
        ),
        "there is a system token": _VOCABULARY.but("no system, no share", k=0),
    },
    probes=(_VOCABULARY.but("the floor is met", s_S=[0, 0]),),
    uses=("share_floor_up_to_a_length",),
    why="With one_token_override: one token suffices for every share exactly where scores are unbounded. A deployed "
    "layer's vocabulary is finite and its inputs are normalised, so its scores are bounded.",
    idea="share_floor_up_to_a_length for one token.",
    limits="Soft prompts, images and other inputs that are not tokens of a vocabulary can be unbounded unless a norm "
    "bounds them.",
)

# An adversary's scores alone (s_U) and beside the system (t_U)
t_U = function("t_U")
c = real("c")
_Z_beside = E_S + mass(m, t_U)
_share_beside = E_S / _Z_beside

_BESIDE = Instance(
    {
        "k": 1,
        "m": 2,
        "c": Log(Fraction(2)),
        "s_S": [Log(Fraction(4))],
        "a_S": [1],
        "s_U": [0, Log(Fraction(3))],
        "t_U": [Log(Fraction(2)), Log(Fraction(6))],
        "a_U": [-1, Fraction(1, 2)],
    },
    "a system token of weight 4 beside adversary tokens of weights 1 and 3, which it doubles",
)

SYSTEM_ACTS_AS_A_FIXED_BIAS = Theorem(
    name="system_acts_as_a_fixed_bias",
    entry=11,
    claims=("C2",),
    sentence="Where the system shifts the adversary's scores by a constant at most, it leaves the ratios of the "
    "adversary's weights as they are without it, and the margin is (1 - M_S) o_U + M_S o_S with o_U the margin "
    "without it.",
    assumptions={
        "the system shifts the adversary's scores alike": each(m, lambda j: t_U(j).eq(s_U(j) + c)),
        "there is a system token": k > 0,
        "there is an adversary token": m > 0,
    },
    conclusion=both(
        each(
            m,
            lambda i: each(
                m,
                lambda j: ((exp(t_U(i)) / _Z_beside) / (exp(t_U(j)) / _Z_beside)).eq(
                    (exp(s_U(i)) / E_U) / (exp(s_U(j)) / E_U)
                ),
            ),
        ),
        ((N_S + weighted(m, t_U, a_U)) / _Z_beside).eq((1 - _share_beside) * (N_U / E_U) + _share_beside * (N_S / E_S)),
    ),
    about=("s_S", "a_S", "s_U", "t_U", "a_U"),
    witness=_BESIDE,
    sharp={
        "the system shifts the adversary's scores alike": _BESIDE.but(
            "the system shifts one of them only, as a change of rotary distance does",
            t_U=[Log(Fraction(2)), Log(Fraction(3))],
        ),
        "there is a system token": _BESIDE.but("no system has no output of its own", k=0),
        "there is an adversary token": _BESIDE.but("no adversary has no output of its own", m=0),
    },
    probes=(_BESIDE.but("no shift at all", c=0, t_U=[0, Log(Fraction(3))]),),
    why="Within one layer the instruction doesn't tell the query which of the adversary's tokens to trust: it only "
    "pulls the outcome towards one fixed value, with a weight that the adversary dilutes.",
    idea="Z cancels in every ratio of weights, and so does e^c.",
    limits="One layer: in a second one the adversary's states have seen the system "
    "(system_acts_as_a_fixed_bias_at_depth). The query must not depend on the system, and the normaliser must be "
    "softmax (system_acts_as_a_fixed_bias_under_sparsemax).",
)

t_0, t_1 = real("t_0"), real("t_1")


def sparse_weight(j: Numeric, threshold: Numeric) -> Term:
    """Sparsemax's weight of adversary token j."""
    return larger(0, s_U(j) - threshold)


SYSTEM_ACTS_AS_A_FIXED_BIAS_UNDER_SPARSEMAX = Theorem(
    name="system_acts_as_a_fixed_bias_under_sparsemax",
    entry=11,
    claims=("C2",),
    sentence="Under sparsemax the system leaves the ratios of the adversary's weights as they are without it.",
    assumptions={
        "t_0 is the threshold without the system": total(m, lambda j: sparse_weight(j, t_0)).eq(1),
        "t_1 is the threshold with it": (
            total(k, lambda i: larger(0, s_S(i) - t_1)) + total(m, lambda j: sparse_weight(j, t_1))
        ).eq(1),
    },
    conclusion=each(
        m,
        lambda i: each(
            m,
            lambda j: (sparse_weight(i, t_1) * sparse_weight(j, t_0)).eq(sparse_weight(j, t_1) * sparse_weight(i, t_0)),
        ),
    ),
    about=("s_U",),
    witness=Instance(
        {"k": 1, "m": 2, "s_S": [0], "s_U": [1, 1], "t_0": Fraction(1, 2), "t_1": Fraction(1, 2)},
        "a system token that gets no weight",
    ),
    expected="refuted",
    refutation=Instance(
        {"k": 1, "m": 2, "s_S": [1], "s_U": [1, Fraction(1, 2)], "t_0": Fraction(1, 4), "t_1": Fraction(1, 2)},
        "a system token of score 1 beside adversary tokens of scores 1 and 1/2",
    ),
    why="A sparse normaliser lets the system's tokens decide which of the adversary's count at all.",
    idea="Without the system the weights are 3/4 and 1/4, with it 1/2 and 0.",
    limits="What sparsemax guarantees instead is sparse_floor.",
)

# Two layers: the score of adversary token j in the second is what its query reads in the first
q_S, q_U = function("q_S", 2), function("q_U", 2)
v_S, v_U = function("v_S"), function("v_U")


def second_score(j: Numeric, k: Numeric) -> Term:
    """What adversary token j reads in the first layer: of k system tokens and the adversary's own."""
    weights = total(k, lambda i: exp(q_S(j, i))) + total(m, lambda i: exp(q_U(j, i)))
    return (total(k, lambda i: exp(q_S(j, i)) * v_S(i)) + total(m, lambda i: exp(q_U(j, i)) * v_U(i))) / weights


SYSTEM_ACTS_AS_A_FIXED_BIAS_AT_DEPTH = Theorem(
    name="system_acts_as_a_fixed_bias_at_depth",
    entry=11,
    claims=("C2",),
    sentence="With a second layer too the system leaves the ratios of the adversary's weights as they are without it.",
    assumptions={},
    conclusion=each(
        m,
        lambda i: each(
            m,
            lambda j: (exp(second_score(i, k)) / exp(second_score(j, k))).eq(
                exp(second_score(i, 0)) / exp(second_score(j, 0))
            ),
        ),
    ),
    about=("q_S", "v_S"),
    witness=Instance(
        {"k": 1, "m": 2, "q_S": [[0], [0]], "q_U": [[0, 0]] * 2, "v_S": [0], "v_U": [0, 0]},
        "a system whose value is 0",
    ),
    expected="refuted",
    refutation=Instance(
        {
            "k": 1,
            "m": 2,
            "q_S": [[Log(Fraction(2))], [Log(Fraction(6))]],
            "q_U": [[0, 0], [0, 0]],
            "v_S": [Log(Fraction(81))],
            "v_U": [0, 0],
        },
        "in the first layer the adversary's tokens give the system 1/2 and 3/4 of their attention; their own values "
        "are 0",
    ),
    why="At depth a system can tell the adversary's tokens apart: what holds of one layer doesn't add up.",
    idea="The tokens' scores in the second layer become log 9 and log 27, where without the system both are 0: a "
    "ratio of 1/3 instead of 1.",
    limits="The adversary's tokens have to look at the system, which a causal mask allows where the system stands "
    "before them.",
)

# Bias

beta = real("beta")
r = natural("r")
_E_biased = total(k, lambda i: exp(s_S(i) + beta))
_N_biased = total(k, lambda i: exp(s_S(i) + beta) * a_S(i))
_margin_biased = (_N_biased + N_U) / (_E_biased + E_U)

_BIASED = Instance(
    {
        "k": 2,
        "m": 2,
        "r": 3,
        "beta": Log(Fraction(3)),
        "s_S": [0, Log(Fraction(2))],
        "a_S": [1, Fraction(1, 2)],
        "s_U": [0, Log(Fraction(5))],
        "a_U": [Fraction(1, 4), -1],
    },
    "two system tokens of weight 1 and 2 that a bias of log 3 triples",
)

BIAS_IS_REPLICATION = Theorem(
    name="bias_is_replication",
    entry=12,
    claims=("C5",),
    sentence="Adding log r to the system's scores has the same effect on the margin as repeating the system r times.",
    assumptions={"the bias is the logarithm of r": exp(beta).eq(r), "there is a token": k + m > 0},
    conclusion=_margin_biased.eq((total(r, lambda copy: N_S) + N_U) / (total(r, lambda copy: E_S) + E_U)),
    about=("s_S", "a_S", "s_U", "a_U", "beta", "r"),
    witness=_BIASED,
    sharp={
        "the bias is the logarithm of r": _BIASED.but("a bias of log 3, a system said twice", r=2),
        "there is a token": _BIASED.but("nothing at all", k=0, m=0),
    },
    why="A constant bonus for the system's tokens (PASTA-like steering, role biases) does no more than saying the "
    "instruction again and again, which an adversary can answer at length.",
    idea="e^(s + log r) = r e^s, in numerator and denominator.",
    limits="Whole numbers r have a meaning as repetitions; what any bias does is bias_multiplies_the_length. Segment "
    "embeddings also shift values, so they are no pure bias.",
)

UNIFORM_BIAS_CHANGES_NOTHING = Theorem(
    name="uniform_bias_changes_nothing",
    entry=12,
    claims=("C5",),
    sentence="A bias that all tokens get leaves the margin as it is.",
    assumptions={"there is a token": k + m > 0},
    conclusion=(
        (_N_biased + total(m, lambda j: exp(s_U(j) + beta) * a_U(j)))
        / (_E_biased + total(m, lambda j: exp(s_U(j) + beta)))
    ).eq((N_S + N_U) / (E_S + E_U)),
    about=("s_S", "a_S", "s_U", "a_U"),
    witness=_BIASED,
    sharp={"there is a token": _BIASED.but("nothing at all", k=0, m=0)},
    why="Only a difference between system and adversary counts: temperature aside, no overall setting protects.",
    idea="e^beta cancels.",
    limits="In floating point a large bias loses precision unless the largest score is subtracted first.",
)

_P_biased = total(k, lambda i: exp(s_S(i) + beta) * (a_S(i) - tau))

_OUTWEIGHED = _BIASED.but("protection 2 tripled to 6, against tokens of pull 1/4 and 5", tau=0)

BIAS_MULTIPLIES_THE_LENGTH = Theorem(
    name="bias_multiplies_the_length",
    entry=12,
    claims=("C5",),
    sentence="A bias of beta on the system's scores multiplies what the adversary has to outweigh by e^beta, and "
    "nothing else: P = Σ_S e^s (a - tau) becomes e^beta P, and the margin is below tau exactly if the adversary's "
    "pull exceeds that.",
    assumptions={"there is a token": k + m > 0},
    conclusion=both(_P_biased.eq(exp(beta) * surplus), iff(_margin_biased < tau, exp(beta) * surplus < votes)),
    about=("s_S", "a_S", "s_U", "a_U", "beta", "tau"),
    witness=_OUTWEIGHED,
    sharp={"there is a token": _OUTWEIGHED.but("nothing at all", k=0, m=0)},
    probes=(
        _OUTWEIGHED.but("a tie: pull 6", s_U=[0, Log(Fraction(5))], a_U=[-1, -1]),
        Instance(
            {"k": 1, "m": 1, "beta": 0, "tau": 10, "s_S": [0], "a_S": [11], "s_U": [0], "a_U": [Fraction(1799, 200)]},
            "overridden by little: a margin of 9.9975 against 10",
        ),
    ),
    uses=("override_is_linear",),
    why="The least number of tokens that override, which is a ratio P / g, is multiplied by e^beta: a price, not a "
    "wall.",
    idea="f < tau says that the sum of e^score (readout - tau) is negative; the bias multiplies the system's part.",
    limits="One head. With several, the bias moves the heads' shares against each other.",
)

g = real("g")

_REPEATED = Instance(
    {
        "k": 1,
        "m": 7,
        "beta": Log(Fraction(3)),
        "tau": 0,
        "g": 1,
        "s_S": [Log(Fraction(2))],
        "a_S": [1],
        "s_U": [0] * 7,
        "a_U": [-1] * 7,
    },
    "protection 2 tripled to 6; seven dissenters of pull 1",
)

BIASED_SYSTEM_IS_OVERRIDDEN = Theorem(
    name="biased_system_is_overridden",
    entry=12,
    claims=("C5",),
    sentence="However large the bias: m tokens of pull g = e^s (tau - a) override the biased system exactly if "
    "m g > e^beta P; where g > 0, that is from a length on.",
    assumptions={
        "every adversary token pulls g": each(m, lambda j: (exp(s_U(j)) * (tau - a_U(j))).eq(g)),
        "there is a token": k + m > 0,
    },
    conclusion=iff(_margin_biased < tau, exp(beta) * surplus < m * g),
    about=("s_S", "a_S", "s_U", "a_U", "beta", "tau", "m"),
    witness=_REPEATED,
    sharp={
        "every adversary token pulls g": _REPEATED.but("they pull half as much", a_U=[Fraction(-1, 2)] * 7),
        "there is a token": _REPEATED.but("nothing at all", k=0, m=0),
    },
    probes=(
        _REPEATED.but("a tie: six tokens", m=6),
        _REPEATED.but("they pull the other way", g=-1, a_U=[1] * 7),
        Instance(
            {
                "k": 1,
                "m": 1,
                "beta": 0,
                "tau": 10,
                "g": Fraction(201, 200),
                "s_S": [0],
                "a_S": [11],
                "s_U": [0],
                "a_U": [Fraction(1799, 200)],
            },
            "overridden by little: a margin of 9.9975 against 10",
        ),
    ),
    uses=("bias_multiplies_the_length",),
    why="Constant score biases and steering by a constant are preferences wherever some token dissents (a < tau).",
    idea="m equal pulls add up to m g.",
    limits="One head, no positions, room for that many tokens.",
)

THEOREMS = (
    DILUTION,
    DILUTION_LENGTH,
    SHARE_FLOOR_UP_TO_A_LENGTH,
    SHARE_BOUNDS_ARE_MET,
    ONE_TOKEN_OVERRIDE,
    BOUNDED_SCORES_LEAVE_A_SHARE,
    SYSTEM_ACTS_AS_A_FIXED_BIAS,
    SYSTEM_ACTS_AS_A_FIXED_BIAS_UNDER_SPARSEMAX,
    SYSTEM_ACTS_AS_A_FIXED_BIAS_AT_DEPTH,
    BIAS_IS_REPLICATION,
    UNIFORM_BIAS_CHANGES_NOTHING,
    BIAS_MULTIPLIES_THE_LENGTH,
    BIASED_SYSTEM_IS_OVERRIDDEN,
)
