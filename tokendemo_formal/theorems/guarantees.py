"""What a share of attention, the hull of the values, and masks guarantee; and what they don't."""

from __future__ import annotations

from fractions import Fraction

from tokendemo_formal.logic.terms import (
    Function,
    Numeric,
    Term,
    absolute,
    between,
    both,
    each,
    exp,
    function,
    iff,
    implies,
    indices,
    natural,
    real,
    total,
)
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.theorems.setting import (
    E_S,
    N_S,
    A,
    H,
    V,
    Z,
    a,
    a_S,
    a_U,
    a_V,
    ah_S,
    ah_U,
    d,
    eps,
    from_vocabulary,
    hi,
    k,
    lo,
    log_of,
    m,
    margin,
    mass,
    n,
    rho,
    s_S,
    s_V,
    sh_S,
    sh_U,
    share,
    tau,
    weighted,
)
from tokendemo_formal.theorems.theorem import Theorem

SOME_TOKEN = k + m > 0
SHARE_FLOOR = rho * Z <= E_S
"""M_S >= rho, multiplied out."""

low = real("low")
high = real("high")

# Levels: inputs are numbered, 0 is the empty one. Over a finite vocabulary there are as many inputs as numbers, so what
# holds for the first N, whatever N is, holds for all.

inputs = natural("N")
f = function("f")

MARGIN_KEEPS_THE_SIGN = Theorem(
    name="margin_keeps_the_sign",
    entry=13,
    claims=("C5",),
    sentence="A positive margin whatever the adversary says (L3) keeps the sign (L2).",
    assumptions={
        "every input leaves a margin of at least tau": each(inputs, lambda u: f(u) >= tau),
        "tau is positive": tau > 0,
    },
    conclusion=each(inputs, lambda u: f(u) > 0),
    about=("f",),
    witness=Instance({"N": 2, "f": [1, 2], "tau": 1}, "two inputs with margins 1 and 2"),
    sharp={
        "every input leaves a margin of at least tau": Instance(
            {"N": 2, "f": [1, -1], "tau": 1}, "the second input takes the margin to -1"
        ),
        "tau is positive": Instance({"N": 2, "f": [1, 0], "tau": 0}, "a margin of 0 has no sign"),
    },
    why="It orders two of the levels of protection.",
    idea="A number of at least tau > 0 is positive.",
    limits="The converse fails: a margin that is positive for every input may come as close to 0 as it likes.",
)

NON_INTERFERENCE_KEEPS_THE_MARGIN = Theorem(
    name="non_interference_keeps_the_margin",
    entry=33,
    claims=("C5",),
    sentence="If the adversary's tokens change nothing (L4) and the system is safe without them, it is safe (L3).",
    assumptions={
        "no input changes the margin": each(inputs, lambda u: f(u).eq(f(0))),
        "it is safe without an adversary": f(0) >= tau,
    },
    conclusion=each(inputs, lambda u: f(u) >= tau),
    about=("f", "tau"),
    witness=Instance({"N": 2, "f": [1, 1], "tau": 1}, "two inputs, both with the margin 1 = tau"),
    sharp={
        "no input changes the margin": Instance({"N": 2, "f": [1, -1], "tau": 1}, "the second input is an override"),
        "it is safe without an adversary": Instance({"N": 2, "f": [0, 0], "tau": 1}, "unsafe before anyone speaks"),
    },
    why="Non-interference alone says nothing about safety: it freezes whatever was there, good or bad.",
    idea="f(U) = f(∅) >= tau.",
    limits="What freezes the decision against the adversary freezes it against every honest user too.",
)

# Shares

SHARE_FLOOR_IS_NOT_ENOUGH = Theorem(
    name="share_floor_is_not_enough",
    entry=13,
    claims=("C5",),
    sentence="Claim: a guaranteed share of attention keeps the system safe.",
    assumptions={
        "every token votes at most 1": both(each(k, lambda i: a_S(i) <= 1), each(m, lambda j: absolute(a_U(j)) <= 1)),
        "it is safe without an adversary": N_S >= tau * E_S,
        "the share is at least rho": share >= rho,
        "rho is positive": rho > 0,
    },
    conclusion=margin >= tau,
    about=("a_U", "tau"),
    witness=Instance(
        {"k": 1, "m": 1, "s_S": [0], "s_U": [0], "a_S": [1], "a_U": [1], "tau": 0, "rho": Fraction(1, 2)},
        "an adversary token that agrees",
    ),
    expected="refuted",
    refutation=Instance(
        {"k": 1, "m": 2, "s_S": [0], "s_U": [0, 0], "a_S": [1], "a_U": [-1, -1], "tau": 0, "rho": Fraction(1, 3)},
        "three tokens of equal weight: one for (+1), two against (-1)",
    ),
    why="Reserving attention for the instruction is a common defence. A floor under the share is not yet a floor under "
    "the margin.",
    idea="With a third of the attention one vote for loses to two against.",
    limits="A large enough share is safe: see majority.",
)

HALF_THE_ATTENTION_IS_NOT_ENOUGH = Theorem(
    name="half_the_attention_is_not_enough",
    entry=13,
    claims=("C5",),
    sentence="Claim: half of the attention keeps the system safe, where no vote is larger than 1.",
    assumptions={
        "every system token votes 1": each(k, lambda i: a_S(i).eq(1)),
        "no adversary token votes less than -1": each(m, lambda j: a_U(j) >= -1),
        "it is safe without an adversary": both(k > 0, tau <= 1),
        "the share is at least one half": share >= Fraction(1, 2),
    },
    conclusion=margin >= tau,
    about=("a_U", "tau"),
    witness=Instance(
        {"k": 1, "m": 1, "s_S": [0], "s_U": [0], "a_S": [1], "a_U": [-1], "tau": 0}, "one against one is 0"
    ),
    expected="refuted",
    refutation=Instance(
        {"k": 1, "m": 1, "s_S": [0], "s_U": [0], "a_S": [1], "a_U": [-1], "tau": Fraction(1, 10)},
        "one vote for (+1), one against (-1), and a threshold of 1/10",
    ),
    why="Half is what suffices at the threshold 0; a positive threshold takes more.",
    idea="At one half the votes +1 and -1 cancel.",
    limits="At threshold 0 one half is enough for votes of equal size (majority).",
)

RESERVED_SHARE_GIVES_NO_MARGIN = Theorem(
    name="reserved_share_gives_no_margin",
    entry=13,
    claims=("C5",),
    sentence="Claim: a share floor at any length (L1) keeps a margin at any length (L3).",
    assumptions={
        "it is safe without an adversary": both(k > 0, N_S >= tau * E_S),
        "tau is positive": tau > 0,
        "a share rho is reserved": both(0 < rho, rho < 1),
    },
    conclusion=rho * (N_S / E_S) + (1 - rho) * margin >= tau,
    about=("rho", "a_U", "tau"),
    witness=Instance(
        {"k": 1, "m": 0, "s_S": [0], "s_U": [], "a_S": [1], "a_U": [], "tau": 1, "rho": Fraction(1, 2)},
        "no adversary",
    ),
    expected="refuted",
    refutation=Instance(
        {
            "k": 1, "m": 3, "s_S": [0], "s_U": [0, 0, 0], "a_S": [1], "a_U": [-3, -3, -3], "tau": Fraction(1, 2),
            "rho": Fraction(1, 2),
        },
        "half of the output is reserved, and three adversary tokens vote -3 on the other half",
    ),
    why="The output rho o_S + (1 - rho) o_all leaves the system at least the share rho against every input: L1. It may "
    "be overridden all the same, so L1 does not give L3.",
    idea="The share that is left to the adversary carries votes that are large enough.",
    limits="From rho = (A + tau) / (a + A) on, it does give the margin.",
)  # fmt: skip


_THREE_QUARTERS = Instance(
    {
        "k": 1, "m": 1, "s_S": [log_of(3)], "s_U": [0], "a_S": [1], "a_U": [-1], "a": 1, "A": 1, "tau": Fraction(1, 4),
        "rho": Fraction(3, 4),
    },
    "three quarters of the attention vote +1, one quarter votes -1",
)  # fmt: skip

MAJORITY = Theorem(
    name="majority",
    entry=14,
    claims=("C5",),
    sentence="A share above (A + tau) / (a + A) is safe if the system votes at least a and the adversary at least -A.",
    assumptions={
        "the system's readouts are at least a": each(k, lambda i: a_S(i) >= a),
        "the adversary's readouts are at least -A": each(m, lambda j: a_U(j) >= -A),
        "the adversary can vote lower than the system": a + A >= 0,
        "the share is at least rho": SHARE_FLOOR,
        "rho is above (A + tau) / (a + A)": rho * (a + A) > A + tau,
        "there is a token": SOME_TOKEN,
    },
    conclusion=margin > tau,
    about=("s_S", "s_U", "a_S", "a_U", "tau"),
    witness=_THREE_QUARTERS,
    sharp={
        "the system's readouts are at least a": _THREE_QUARTERS.but("the system abstains", a_S=[0]),
        "the adversary's readouts are at least -A": _THREE_QUARTERS.but("the adversary votes -3", a_U=[-3]),
        "the adversary can vote lower than the system": _THREE_QUARTERS.but(
            "the system alone, and it votes -3: more of its attention is worse", m=0, a=-3, a_S=[-3], rho=-1
        ),
        "the share is at least rho": _THREE_QUARTERS.but("the share is one half", s_S=[0]),
        "rho is above (A + tau) / (a + A)": _THREE_QUARTERS.but("one half", s_S=[0], rho=Fraction(1, 2)),
        "there is a token": _THREE_QUARTERS.but("nothing at all", k=0, m=0),
    },
    probes=(_THREE_QUARTERS.but("the margin 1/2 is hardly above tau", tau=Fraction(499, 1000)),),
    why="It says how much attention is enough: the price of safety in share of attention.",
    idea="The margin is a mean of the two sides' readouts with weights M_S and 1 - M_S, so it is at least "
    "M_S (a + A) - A, which grows with M_S.",
    limits="One head. That no smaller share will do is majority_is_exact; how a layer can guarantee such a share is "
    "another matter.",
)

MAJORITY_IS_EXACT = Theorem(
    name="majority_is_exact",
    entry=14,
    claims=("C5",),
    sentence="If the system votes just a and the adversary just -A, the share decides alone: safe above the bound of "
    "majority, and only there.",
    assumptions={
        "the system's readouts are a": each(k, lambda i: a_S(i).eq(a)),
        "the adversary's readouts are -A": each(m, lambda j: a_U(j).eq(-A)),
        "there is a token": SOME_TOKEN,
    },
    conclusion=iff(margin > tau, share * (a + A) > A + tau),
    about=("s_S", "s_U", "a_S", "a_U", "tau"),
    witness=_THREE_QUARTERS,
    sharp={
        "the system's readouts are a": _THREE_QUARTERS.but("the system abstains", a_S=[0]),
        "the adversary's readouts are -A": _THREE_QUARTERS.but("the adversary votes -3", a_U=[-3]),
        "there is a token": _THREE_QUARTERS.but("nothing at all", k=0, m=0),
    },
    probes=(
        _THREE_QUARTERS.but("just enough", tau=Fraction(499, 1000)),
        _THREE_QUARTERS.but("just too little", tau=Fraction(501, 1000)),
    ),
    why="No bound on the share smaller than that of majority is enough, whatever the number of tokens.",
    idea="The margin is exactly M_S a - (1 - M_S) A.",
    limits="It needs an adversary token that votes -A: the bound is the best for such a vocabulary.",
)

# The hull

R = real("R")
WITHIN_R = each(k, lambda i: between(low - R, a_S(i), high + R))

_ONE_AGAINST_THREE = Instance(
    {
        "k": 1, "m": 3, "V": 2, "s_S": [0], "a_S": [5], "s_V": [0, 0], "a_V": [-1, 1], "s_U": [0, 0, 0],
        "a_U": [1, 1, 1], "low": -1, "high": 1, "R": 4, "lo": 0, "hi": 0, "eps": Fraction(1, 4),
    },
    "one system token that reads 5 and three equally heavy words that read 1; the other word reads -1",
)  # fmt: skip
_BELOW = _ONE_AGAINST_THREE.but("the same from below", a_S=[-5], a_U=[-1, -1, -1])

OUTPUT_NEARS_THE_VOCABULARYS_HULL = Theorem(
    name="output_nears_the_vocabularys_hull",
    entry=15,
    claims=("C2", "C5"),
    sentence="The readout is within M_S R of what the vocabulary's words can read, if the system's readouts are within "
    "R of that.",
    assumptions={
        "the adversary's tokens are from the vocabulary": from_vocabulary(),
        "the vocabulary's readouts lie in [low, high]": each(V, lambda v: between(low, a_V(v), high)),
        "the system's readouts lie within R of [low, high]": WITHIN_R,
        "there is a token": SOME_TOKEN,
    },
    conclusion=both(low - share * R <= margin, margin <= high + share * R),
    about=("s_S", "s_U", "a_S", "a_U"),
    witness=_ONE_AGAINST_THREE,
    sharp={
        "the adversary's tokens are from the vocabulary": _ONE_AGAINST_THREE.but("foreign tokens", a_U=[9, 9, 9]),
        "the vocabulary's readouts lie in [low, high]": _ONE_AGAINST_THREE.but(
            "a word reads 9", a_V=[-1, 9], a_U=[9, 9, 9]
        ),
        "the system's readouts lie within R of [low, high]": _ONE_AGAINST_THREE.but("the system reads 50", a_S=[50]),
        "there is a token": _ONE_AGAINST_THREE.but("nothing at all", k=0, m=0),
    },
    probes=(_BELOW,),
    why="Whatever the system says moves the output out of the adversary's reach only as far as its share goes.",
    idea="The output is a mean of the system's and the adversary's part, with weights M_S and 1 - M_S; the second lies "
    "in the hull of the vocabulary's values.",
    limits="One head, plain attention. As it holds for every readout direction, it speaks about the distance to the "
    "convex hull in each direction.",
)

ASYMPTOTIC_IRRELEVANCE = Theorem(
    name="asymptotic_irrelevance",
    entry=15,
    claims=("C2", "C5"),
    sentence="From m >= k e^(hi - lo) (1 - eps) / eps tokens on, the readout is within eps R of the vocabulary's hull, "
    "whatever the system says.",
    assumptions={
        "the adversary's tokens are from the vocabulary": from_vocabulary(),
        "the vocabulary's readouts lie in [low, high]": each(V, lambda v: between(low, a_V(v), high)),
        "the vocabulary's scores are at least lo": each(V, lambda v: lo <= s_V(v)),
        "the system's readouts lie within R of [low, high]": WITHIN_R,
        "the system's scores are at most hi": each(k, lambda i: s_S(i) <= hi),
        "there are enough tokens": k * exp(hi) * (1 - eps) <= eps * m * exp(lo),
        "R is a distance": R >= 0,
        "there is a token": SOME_TOKEN,
    },
    conclusion=both(low - eps * R <= margin, margin <= high + eps * R),
    about=("s_S", "s_U", "a_S", "a_U"),
    witness=_ONE_AGAINST_THREE,
    sharp={
        "the adversary's tokens are from the vocabulary": _ONE_AGAINST_THREE.but("foreign tokens", a_U=[9, 9, 9]),
        "the vocabulary's readouts lie in [low, high]": _ONE_AGAINST_THREE.but(
            "a word reads 9", a_V=[-1, 9], a_U=[9, 9, 9]
        ),
        "the vocabulary's scores are at least lo": _ONE_AGAINST_THREE.but(
            "the words weigh next to nothing", s_V=[log_of(1, 100)] * 2, s_U=[log_of(1, 100)] * 3
        ),
        "the system's readouts lie within R of [low, high]": _ONE_AGAINST_THREE.but("the system reads 50", a_S=[50]),
        "the system's scores are at most hi": _ONE_AGAINST_THREE.but("the system weighs 100", s_S=[log_of(100)]),
        "there are enough tokens": _ONE_AGAINST_THREE.but("an eps of 1/10 takes nine tokens", eps=Fraction(1, 10)),
        "R is a distance": _ONE_AGAINST_THREE.but(
            "a system well inside the hull doesn't pull the output inside for ever",
            R=Fraction(-1, 2), a_S=[Fraction(1, 2)], eps=Fraction(1, 2),
        ),
        "there is a token": _ONE_AGAINST_THREE.but("nothing at all", k=0, m=0),
    },
    probes=(_BELOW,),
    uses=("dilution", "output_nears_the_vocabularys_hull"),
    why="In the limit of long inputs, the system's words don't matter: every limit point is a mixture of the "
    "vocabulary's values, and every mixture is one (every_mixture_is_approached).",
    idea="The share falls below eps by dilution, and the output is within M_S R of the hull.",
    limits="Plain attention, one head, a finite vocabulary. Defences that keep a share at any length (L1) escape; so "
    "do several heads together (several_heads_do_not_mix).",
)  # fmt: skip

target = real("N")
mixture = function("lam", latex=r"\lambda")
counts = indices("n_V")
C_V = total(V, lambda v: counts(v) * exp(s_V(v)))
P_V = total(V, lambda v: counts(v) * exp(s_V(v)) * a_V(v))
E_V = mass(V, s_V)
mixed = total(V, lambda v: mixture(v) * a_V(v))

_EVEN = Instance(
    {
        "k": 1, "V": 2, "s_S": [0], "a_S": [3], "s_V": [0, 0], "a_V": [-1, 1], "lam": [Fraction(1, 2)] * 2, "N": 8,
        "n_V": [4, 4], "R": 3,
    },
    "four tokens of each of two words, for an even mixture",
)  # fmt: skip

EVERY_MIXTURE_IS_APPROACHED = Theorem(
    name="every_mixture_is_approached",
    entry=15,
    claims=("C2", "C5"),
    sentence="floor(N lam_v e^(-s_v)) tokens of each word v bring the readout within R (E_S + E_V) / (E_S + N - E_V) "
    "of the mixture Σ lam_v a_v, whatever the system says.",
    assumptions={
        "the mixture's weights sum to 1": total(V, lambda v: mixture(v)).eq(1),
        "each count is N lam e^(-s) rounded down": each(
            V,
            lambda v: between(
                counts(v) * exp(s_V(v)), target * mixture(v), (counts(v) + 1) * exp(s_V(v))
            ),
        ),
        "the system's readouts are within R of the mixture": each(k, lambda i: absolute(a_S(i) - mixed) <= R),
        "the vocabulary's readouts are within R of the mixture": each(V, lambda v: absolute(a_V(v) - mixed) <= R),
        "N is large": E_V < E_S + target,
    },
    conclusion=both(
        absolute((N_S + P_V) / (E_S + C_V) - mixed) <= R * (E_S + E_V) / (E_S + target - E_V), target - E_V <= C_V
    ),
    about=("s_S", "a_S", "n_V", "lam", "a_V"),
    witness=_EVEN,
    sharp={
        "the mixture's weights sum to 1": _EVEN.but(
            "weights that sum to 3 are no mixture", lam=[0, 3], N=800, n_V=[0, 2400], R=4
        ),
        "each count is N lam e^(-s) rounded down": _EVEN.but("no tokens at all", n_V=[0, 0]),
        "the system's readouts are within R of the mixture": _EVEN.but("the system reads 300", a_S=[300]),
        "the vocabulary's readouts are within R of the mixture": _EVEN.but(
            "three tokens against four, and R = 0", a_S=[0], n_V=[3, 4], R=0
        ),
        "N is large": _EVEN.but("N = 1 rounds down to no tokens", N=1, n_V=[0, 0]),
    },
    probes=(
        _EVEN.but("nothing to approach: all readouts are equal", a_S=[1], a_V=[1, 1], R=0),
        _EVEN.but("each count rounded down by a whole token", n_V=[3, 3]),
        Instance(
            {
                "k": 0, "V": 2, "s_S": [], "a_S": [], "s_V": [log_of(1, 1000), 0], "a_V": [Fraction(1, 999), -1],
                "lam": [Fraction(999, 1000), Fraction(1, 1000)], "N": 1000, "n_V": [999_000, 0], "R": 1,
            },
            "the heavy word is rounded down by a whole token: the distance is 1/999, the bound 1001/998999",
        ),
    ),
    why="With asymptotic_irrelevance it says what long inputs can do: bring the output near every mixture of the "
    "vocabulary's values, and near nothing else.",
    idea="n_v tokens of weight e^(s_v) weigh N lam_v up to one token of rounding. Against the mixture, the system "
    "pulls with at most R E_S and the rounding with at most R E_V, out of a mass of at least E_S + N - E_V.",
    limits="U is given by its counts: n_v tokens of word v add n_v e^(s_v) to the mass, which grows with N, and with "
    "it the length. One head: several heads share the counts (several_heads_do_not_mix).",
)  # fmt: skip

n_A, n_B = natural("n_A"), natural("n_B")
x_A, y_A = real("x_A"), real("y_A")


def vote_share(score: Numeric) -> Term:
    """The share of n_A words A of some score among these and n_B words B of score 0."""
    return n_A * exp(score) / (n_A * exp(score) + n_B)


_TWO_TASTES = Instance(
    {"n_A": 1, "n_B": 2, "x_A": log_of(2), "y_A": 0}, "votes 1/2 in the first head, 1/3 in the second"
)

SEVERAL_HEADS_DO_NOT_MIX = Theorem(
    name="several_heads_do_not_mix",
    entry=15,
    claims=("C2", "C5"),
    sentence="Two heads that weigh word A by e^x and e^y, and word B by 1, differ in their votes f and g for A by at "
    "least (1 - e^(y - x)) f (1 - f), however many words of each there are.",
    assumptions={"there is a word": n_A + n_B > 0},
    conclusion=(exp(x_A) - exp(y_A)) / exp(x_A) * (vote_share(x_A) * (1 - vote_share(x_A)))
    <= vote_share(x_A) - vote_share(y_A),
    about=("n_A", "n_B", "x_A", "y_A"),
    witness=_TWO_TASTES,
    sharp={"there is a word": _TWO_TASTES.but("nothing at all", n_A=0, n_B=0)},
    probes=(
        _TWO_TASTES.but("among a thousand words B the bound is nearly met", n_B=1000),
        _TWO_TASTES.but("no word A", n_A=0),
    ),
    why="For one head the limits of long inputs are all mixtures of the words' outputs. For several heads they are no "
    "convex set: word A alone gives the votes (1, 1), word B alone (0, 0), but where x > y nothing gives, or comes "
    "near, the mixture (1/2, 1/2).",
    idea="Both heads count the same words, but the odds for A differ by the factor e^(x - y).",
    limits="Two heads and two words are enough to show it; it is no description of the joint limits.",
)

weight = function("w")
readout = function("a")

_CONVEX = Instance({"n": 2, "w": [1, 0], "a": [1, 2], "low": 1, "high": 2}, "all weight on the token that reads least")

OUTPUT_STAYS_IN_THE_HULL = Theorem(
    name="output_stays_in_the_hull",
    entry=16,
    claims=("C5",),
    sentence="With weights that are not negative and sum to 1, the output stays in the hull of the values.",
    assumptions={
        "no weight is negative": each(n, lambda i: weight(i) >= 0),
        "the weights sum to 1": total(n, lambda i: weight(i)).eq(1),
        "the readouts lie in [low, high]": each(n, lambda i: between(low, readout(i), high)),
    },
    conclusion=between(low, total(n, lambda i: weight(i) * readout(i)), high),
    about=("w", "a"),
    witness=_CONVEX,
    sharp={
        "no weight is negative": _CONVEX.but("one token votes against itself", w=[2, -1]),
        "the weights sum to 1": _CONVEX.but("half of the weight is missing", w=[Fraction(1, 4)] * 2),
        "the readouts lie in [low, high]": _CONVEX.but("a readout below low", a=[0, 2]),
    },
    probes=(_CONVEX.but("all weight on the other", w=[0, 1]),),
    why="It covers every normaliser that gives a probability distribution: softmax with any positions, biases and "
    "masks, and sparsemax.",
    idea="A mean lies between the least and the largest of what it is taken of.",
    limits="It holds in every readout direction, which is to say in the convex hull. Weights with a sign, or without "
    "the sum 1, leave it.",
)

_ALL_SAFE = Instance(
    {
        "k": 1, "m": 3, "V": 1, "s_S": [0], "a_S": [2], "s_V": [0], "a_V": [2], "s_U": [0] * 3, "a_U": [2] * 3,
        "tau": 2, "lo": 0, "hi": 0, "eps": Fraction(1, 4),
    },
    "every token reads just tau = 2",
)  # fmt: skip

_HULL_SAFETY = {
    "the system's readouts are at least tau": each(k, lambda i: a_S(i) >= tau),
    "the vocabulary's readouts are at least tau": each(V, lambda v: a_V(v) >= tau),
    "the adversary's tokens are from the vocabulary": from_vocabulary(),
    "there is a token": SOME_TOKEN,
}
_HULL_SAFETY_SHARP = {
    "the system's readouts are at least tau": _ALL_SAFE.but("the system itself votes against", a_S=[-1]),
    "the vocabulary's readouts are at least tau": _ALL_SAFE.but("a word reads -1", a_V=[-1], a_U=[-1] * 3),
    "the adversary's tokens are from the vocabulary": _ALL_SAFE.but("foreign tokens", a_U=[-1] * 3),
    "there is a token": _ALL_SAFE.but("nothing at all", k=0, m=0),
}

HULL_SAFETY = Theorem(
    name="hull_safety",
    entry=16,
    claims=("C5",),
    sentence="If every token, the system's and the vocabulary's, reads at least tau, no input of any length overrides.",
    assumptions=_HULL_SAFETY,
    conclusion=margin >= tau,
    about=("s_S", "s_U", "a_S", "a_U", "tau"),
    witness=_ALL_SAFE,
    sharp=_HULL_SAFETY_SHARP,
    why="A constraint that prompting can't break (L3) comes from the values, not from attention.",
    idea="The margin is a mean of readouts of at least tau.",
    limits="One head, softmax. Differential, signed or unnormalised attention leaves the hull, and so do heads that "
    "are added up (the refuted claims named hull_safety_of_…).",
)

SAFE_WITH_A_VANISHING_SHARE = Theorem(
    name="safe_with_a_vanishing_share",
    entry=16,
    claims=("C5",),
    sentence="A layer can keep the margin at any length (L3) while the system's share falls below every eps (no L1).",
    assumptions={
        **_HULL_SAFETY,
        "the system's scores are at most hi": each(k, lambda i: s_S(i) <= hi),
        "the vocabulary's scores are at least lo": each(V, lambda v: lo <= s_V(v)),
        "there are enough tokens": k * exp(hi) * (1 - eps) <= eps * m * exp(lo),
    },
    conclusion=both(margin >= tau, share <= eps),
    about=("s_S", "s_U", "a_S", "a_U", "tau", "eps"),
    witness=_ALL_SAFE,
    sharp={
        **_HULL_SAFETY_SHARP,
        "the system's scores are at most hi": _ALL_SAFE.but("the system weighs 100", s_S=[log_of(100)]),
        "the vocabulary's scores are at least lo": _ALL_SAFE.but(
            "the words weigh next to nothing", s_V=[log_of(1, 100)], s_U=[log_of(1, 100)] * 3
        ),
        "there are enough tokens": _ALL_SAFE.but("an eps of 1/10 takes nine tokens", eps=Fraction(1, 10)),
    },
    uses=("hull_safety", "dilution"),
    why="A share of attention is neither enough for safety nor needed for it.",
    idea="Plain attention whose readouts all are at least tau: dilution takes the share, the hull keeps the margin.",
    limits="Here the vocabulary holds no dissenter at all.",
)

t_S = function("t_S")
t_U = function("t_U")
second_share = mass(k, t_S) / (mass(k, t_S) + mass(m, t_U))
second_margin = (weighted(k, t_S, a_S) + weighted(m, t_U, a_U)) / (mass(k, t_S) + mass(m, t_U))
lam = real("lam")

_TWO_MAPS = Instance(
    {
        "k": 1, "m": 1, "s_S": [0], "s_U": [0], "t_S": [0], "t_U": [0], "a_S": [1], "a_U": [3], "tau": 1,
        "lam": Fraction(1, 2),
    },
    "two equal maps",
)  # fmt: skip

HULL_SAFETY_OF_DIFFERENTIAL_ATTENTION = Theorem(
    name="hull_safety_of_differential_attention",
    entry=16,
    claims=("C5",),
    sentence="Claim: differential attention, rescaled to total weight 1, is safe if every token reads at least tau.",
    assumptions={
        "every readout is at least tau": both(each(k, lambda i: a_S(i) >= tau), each(m, lambda j: a_U(j) >= tau)),
        "the second map counts with 0 < lam < 1": both(0 < lam, lam < 1),
        "there is a token": SOME_TOKEN,
    },
    conclusion=(margin - lam * second_margin) / (1 - lam) >= tau,
    about=("s_S", "t_S", "a_S", "a_U", "tau", "lam"),
    witness=_TWO_MAPS,
    expected="refuted",
    refutation=_TWO_MAPS.but(
        "weights 3/4 and 1/4 in the first map, 1/4 and 3/4 in the second, readouts 1 and 3",
        s_S=[log_of(3)], t_U=[log_of(3)],
    ),
    why="Subtracting a second softmax gives weights with a sign, so safe values no longer make a safe output.",
    idea="A token that reads far above tau, and that the second map prefers, is subtracted.",
    limits="The differential transformer normalises each head afterwards; a positive factor does not change the sign.",
)  # fmt: skip

x = function("x")
_LINEAR = Instance({"n": 2, "x": [1, 1], "a": [1, 2], "tau": 1}, "two tokens of weight 1")

HULL_SAFETY_OF_SIGNED_LINEAR_ATTENTION = Theorem(
    name="hull_safety_of_signed_linear_attention",
    entry=16,
    claims=("C5",),
    sentence="Claim: linear attention, normalised by its total, is safe if every token reads at least tau.",
    assumptions={
        "every readout is at least tau": each(n, lambda i: readout(i) >= tau),
        "the weights have a positive sum": total(n, lambda i: x(i)) > 0,
    },
    conclusion=total(n, lambda i: x(i) * readout(i)) / total(n, lambda i: x(i)) >= tau,
    about=("x", "a", "tau"),
    witness=_LINEAR,
    expected="refuted",
    refutation=_LINEAR.but("weights 2 and -1, readouts 1 and 2", x=[2, -1]),
    why="A scalar product of query and key may be negative; without an exponential the weight keeps its sign.",
    idea="A token of negative weight turns a good readout into a bad vote.",
    limits="With a feature map of positive values, all weights are positive, and output_stays_in_the_hull applies.",
)

HULL_SAFETY_OF_UNNORMALISED_LINEAR_ATTENTION = Theorem(
    name="hull_safety_of_unnormalised_linear_attention",
    entry=16,
    claims=("C5",),
    sentence="Claim: linear attention without a normaliser is safe if every token reads at least tau.",
    assumptions={
        "every readout is at least tau": each(n, lambda i: readout(i) >= tau),
        "every weight is positive": each(n, lambda i: x(i) > 0),
        "there is a token": n > 0,
    },
    conclusion=total(n, lambda i: x(i) * readout(i)) >= tau,
    about=("x", "a", "tau"),
    witness=_LINEAR,
    expected="refuted",
    refutation=_LINEAR.but("weights 1/4 and 1/4, readouts 1 and 2", x=[Fraction(1, 4)] * 2),
    why="Without a normaliser the size of the output is the adversary's too.",
    idea="Small weights shrink the margin.",
    limits="The sign is kept where all weights and readouts are positive: L2, not L3.",
)

sh = function("s", 2)
ah = function("a", 2)

_TWO_HEADS = Instance(
    {"H": 2, "n": 2, "s": [[0, 0], [0, 0]], "a": [[0, 3], [3, 0]], "tau": 3}, "two heads that look at both words evenly"
)

HULL_SAFETY_OF_SUMMED_HEADS = Theorem(
    name="hull_safety_of_summed_heads",
    entry=16,
    claims=("C5",),
    sentence="Claim: several heads are safe if every token's readouts, added over the heads, are at least tau.",
    assumptions={
        "every token's readouts sum to at least tau": each(n, lambda i: total(H, lambda h: ah(h, i)) >= tau),
        "there is a token": n > 0,
    },
    conclusion=total(
        H, lambda h: total(n, lambda i: exp(sh(h, i)) * ah(h, i)) / total(n, lambda i: exp(sh(h, i)))
    )
    >= tau,
    about=("s", "a", "tau"),
    witness=_TWO_HEADS,
    expected="refuted",
    refutation=_TWO_HEADS.but(
        "each of two heads looks mostly at the word that reads 0 for it", s=[[log_of(2), 0], [0, log_of(2)]]
    ),
    why="Checking a vocabulary word by word is not enough for several heads: a mixture can be worse than each word.",
    idea="Heads weigh the same tokens differently, and each may prefer the token that is worst for it.",
    limits="Head by head the hull is kept: the sum of the heads' least readouts is a bound.",
)  # fmt: skip

# Privilege and influence

m_W = natural("m_W")
s_W = function("s_W")
a_W = function("a_W")
E_W = mass(m_W, s_W)
margin_W = (N_S + weighted(m_W, s_W, a_W)) / (E_S + E_W)

_TWO_INPUTS = Instance(
    {
        "k": 1, "m": 1, "m_W": 1, "V": 1, "s_S": [0], "a_S": [1], "s_U": [0], "a_U": [-1], "s_W": [0], "a_W": [1],
        "low": -1, "high": 1, "rho": Fraction(1, 2),
    },
    "one system token, and two inputs of one token each, which read -1 and 1",
)  # fmt: skip

_PRIVILEGE = {
    "the first input's readouts lie in [low, high]": each(m, lambda j: between(low, a_U(j), high)),
    "the second input's readouts lie in [low, high]": each(m_W, lambda j: between(low, a_W(j), high)),
    "the share is at least rho with the first input": SHARE_FLOOR,
    "the share is at least rho with the second input": rho * (E_S + E_W) <= E_S,
    "there is a token with each input": both(k + m > 0, k + m_W > 0),
}

PRIVILEGE_COSTS_UTILITY = Theorem(
    name="privilege_costs_utility",
    entry=17,
    claims=("C5",),
    sentence="If the system keeps the share rho, the input moves the readout by at most (1 - rho) times the range of "
    "all readouts, the system's included.",
    assumptions={
        "the system's readouts lie in [low, high]": each(k, lambda i: between(low, a_S(i), high)),
        **_PRIVILEGE,
    },
    conclusion=absolute(margin - margin_W) <= (1 - rho) * (high - low),
    about=("s_S", "s_U", "s_W", "a_S", "a_U", "a_W"),
    witness=_TWO_INPUTS,
    sharp={
        "the system's readouts lie in [low, high]": _TWO_INPUTS.but(
            "the system reads 9, and the second input is empty", a_S=[9], m_W=0
        ),
        "the first input's readouts lie in [low, high]": _TWO_INPUTS.but("the first input reads -9", a_U=[-9]),
        "the second input's readouts lie in [low, high]": _TWO_INPUTS.but("the second input reads 9", a_W=[9]),
        "the share is at least rho with the first input": _TWO_INPUTS.but(
            "the share is 1/2 with the first input, 100/101 with the second", rho=Fraction(9, 10), s_W=[log_of(1, 100)]
        ),
        "the share is at least rho with the second input": _TWO_INPUTS.but(
            "the share is 100/101 with the first input, 1/2 with the second",
            rho=Fraction(9, 10), s_U=[log_of(1, 100)], a_W=[-1],
        ),
        "there is a token with each input": _TWO_INPUTS.but("nothing at all", k=0, m=0, rho=0),
    },
    probes=(_TWO_INPUTS.but("the other way round", a_U=[1], a_W=[-1]),),
    why="Attention that is reserved for the instruction is lost for the user: a share is paid for in influence.",
    idea="Both readouts are mixtures of the same system part with an input part of weight at most 1 - rho.",
    limits="One head; the reader and the system's tokens are fixed. The range has to include the system's readouts: "
    "with the vocabulary's alone the bound is false (privilege_costs_utility_by_the_vocabulary).",
)  # fmt: skip

PRIVILEGE_COSTS_UTILITY_BY_THE_VOCABULARY = Theorem(
    name="privilege_costs_utility_by_the_vocabulary",
    entry=17,
    claims=("C5",),
    sentence="Claim: if the system keeps the share rho, the input moves the readout by at most (1 - rho) times the "
    "range of the inputs' readouts alone.",
    assumptions=_PRIVILEGE,
    conclusion=absolute(margin - margin_W) <= (1 - rho) * (high - low),
    about=("s_S", "s_U", "s_W", "a_S", "a_U", "a_W"),
    witness=_TWO_INPUTS,
    expected="refuted",
    refutation=_TWO_INPUTS.but(
        "the only word reads 0 and the system reads 1; the first input is that word, the second is empty",
        a_U=[0], m_W=0, s_W=[], a_W=[], low=0, high=0,
    ),
    why="An input that says nothing of its own still takes attention from the system.",
    idea="Its mere presence halves the system's vote.",
    limits="Between inputs that leave the same share, the vocabulary's range is enough.",
)  # fmt: skip

s = function("s")
t = function("t", latex="s'")
s_x, s_y, a_x, a_y = real("s_x"), real("s_y"), real("a_x"), real("a_y")
others = mass(n, s)


def with_token(score: Numeric, value: Numeric, scores: Function = s) -> Term:
    """The readout of n tokens and one more."""
    return (weighted(n, scores, readout) + exp(score) * value) / (mass(n, scores) + exp(score))


_ONE_OF_THREE = Instance(
    {
        "n": 2, "s": [0, 0], "a": [0, 0], "s_x": log_of(4), "a_x": 1, "s_y": 0, "a_y": 0, "lo": 0, "hi": log_of(4),
        "low": 0, "high": 1,
    },
    "a token of weight 4 that reads 1, beside two of weight 1 that read 0, becomes one that reads 0",
)  # fmt: skip

ONE_TOKEN_INFLUENCE = Theorem(
    name="one_token_influence",
    entry=18,
    claims=("C2",),
    sentence="Exchanging one of n + 1 tokens, not the reader, moves the readout by at most its range times "
    "e^hi / (n e^lo + e^hi).",
    assumptions={
        "the other tokens' scores are at least lo": each(n, lambda i: lo <= s(i)),
        "the token's score was at most hi": s_x <= hi,
        "the new token's score is at most hi": s_y <= hi,
        "the other tokens' readouts lie in [low, high]": each(n, lambda i: between(low, readout(i), high)),
        "the token's readout was in [low, high]": between(low, a_x, high),
        "the new token's readout is in [low, high]": between(low, a_y, high),
    },
    conclusion=absolute(with_token(s_x, a_x) - with_token(s_y, a_y))
    <= (high - low) * exp(hi) / (n * exp(lo) + exp(hi)),
    about=("s", "a", "s_x", "s_y", "a_x", "a_y"),
    witness=_ONE_OF_THREE,
    sharp={
        "the other tokens' scores are at least lo": _ONE_OF_THREE.but(
            "the others weigh 1/100", s=[log_of(1, 100), log_of(1, 100)]
        ),
        "the token's score was at most hi": _ONE_OF_THREE.but("the token weighs 100", s_x=log_of(100)),
        "the new token's score is at most hi": _ONE_OF_THREE.but(
            "the new token weighs 100", a_x=0, s_y=log_of(100), a_y=1
        ),
        "the other tokens' readouts lie in [low, high]": _ONE_OF_THREE.but(
            "the others read 9", a=[9, 9], a_x=0, s_y=log_of(1, 100)
        ),
        "the token's readout was in [low, high]": _ONE_OF_THREE.but("the token reads 9", a_x=9),
        "the new token's readout is in [low, high]": _ONE_OF_THREE.but("the new token reads 9", a_y=9),
    },
    probes=(_ONE_OF_THREE.but("the other way round", s_x=0, a_x=0, s_y=log_of(4), a_y=1),),
    uses=("privilege_costs_utility",),
    why="With bounded scores a single token among many has little say: 1/n up to a constant (the shape of Hahn 2020).",
    idea="The readout is a mixture of the others' readout, which stays, with the token's, whose weight is largest if "
    "it weighs e^hi and the n others e^lo each.",
    limits="The token must not be the reader, whose change moves all scores (one_token_influence_of_the_reader). One "
    "layer; without a bound on the scores one token can take everything.",
)

ONE_TOKEN_INFLUENCE_OF_THE_READER = Theorem(
    name="one_token_influence_of_the_reader",
    entry=18,
    claims=("C2",),
    sentence="Claim: exchanging the reader, too, moves the readout by at most its range times e^hi / (n e^lo + e^hi).",
    assumptions={
        "all scores lie in [lo, hi], before and after": both(
            each(n, lambda i: both(between(lo, s(i), hi), between(lo, t(i), hi))),
            between(lo, s_x, hi),
            between(lo, s_y, hi),
        ),
        "all readouts lie in [low, high]": both(
            each(n, lambda i: between(low, readout(i), high)), between(low, a_x, high), between(low, a_y, high)
        ),
    },
    conclusion=absolute(with_token(s_x, a_x) - with_token(s_y, a_y, t))
    <= (high - low) * exp(hi) / (n * exp(lo) + exp(hi)),
    about=("s", "t", "a"),
    witness=_ONE_OF_THREE.but("the other tokens' scores stay", t=[0, 0]),
    expected="refuted",
    refutation=Instance(
        {
            "n": 6, "s": [log_of(4)] * 3 + [0] * 3, "t": [0] * 3 + [log_of(4)] * 3, "a": [1] * 3 + [0] * 3, "s_x": 0,
            "s_y": 0, "a_x": 0, "a_y": 0, "lo": 0, "hi": log_of(4), "low": 0, "high": 1,
        },
        "a new reader finds the other half of the six other tokens heavy",
    ),
    why="Queries are the exception to a token's small influence: who asks decides what is looked at.",
    idea="The readers' scores weigh the same tokens differently: 12/16 against 3/16 for the readout 1.",
    limits="softmax_is_tanh_stable bounds the move by how far the scores move.",
)  # fmt: skip

delta = real("delta")
shift = real("shift")
vote = function("c")
tanh = (exp(delta) - 1) / (exp(delta) + 1)
_MOVED = each(n, lambda i: absolute(t(i) - s(i) - shift) <= delta)

_SWAPPED = Instance(
    {"n": 2, "s": [0, log_of(2)], "t": [log_of(2), 0], "shift": 0, "delta": log_of(2), "c": [1, 0]},
    "weights 1/3 and 2/3 are swapped by moving each score by log 2",
)

VOTES_ARE_TANH_STABLE = Theorem(
    name="votes_are_tanh_stable",
    entry=19,
    claims=(),
    sentence="If scores move by at most delta, a mean of votes in [0, 1] moves by at most tanh(delta / 2).",
    assumptions={
        "the scores move by at most delta, up to a common shift": _MOVED,
        "the votes lie in [0, 1]": each(n, lambda i: between(0, vote(i), 1)),
        "there is a token": n > 0,
    },
    conclusion=absolute(
        total(n, lambda i: vote(i) * exp(t(i))) / mass(n, t) - total(n, lambda i: vote(i) * exp(s(i))) / mass(n, s)
    )
    <= tanh,
    about=("s", "t", "c", "delta"),
    witness=_SWAPPED,
    sharp={
        "the scores move by at most delta, up to a common shift": _SWAPPED.but("they stay, it is said", delta=0),
        "the votes lie in [0, 1]": _SWAPPED.but("a vote of 9", c=[9, 0]),
        "there is a token": _SWAPPED.but("nothing at all", n=0),
    },
    probes=(
        _SWAPPED.but("a further shift of all scores changes nothing", t=[log_of(6), log_of(3)], shift=log_of(3)),
        _SWAPPED.but("the vote for the other", c=[0, 1]),
    ),
    why="It bounds what any change of scores can do: a change of position, of temperature, of precision.",
    idea="In the worst case there are two blocks: all voters gain delta, all others lose it. Then odds change by the "
    "factor e^(2 delta), which moves a share furthest from 1 / (1 + e^delta) to e^delta / (1 + e^delta).",
    limits="Scores and weights only; values are fixed. Attained, so not to be improved.",
)

SOFTMAX_IS_TANH_STABLE = Theorem(
    name="softmax_is_tanh_stable",
    entry=19,
    claims=(),
    sentence="If scores move by at most delta, softmax moves by at most tanh(delta / 2) in total variation.",
    assumptions={
        "the scores move by at most delta, up to a common shift": _MOVED,
        "there is a token": n > 0,
    },
    conclusion=Fraction(1, 2) * total(n, lambda i: absolute(exp(t(i)) / mass(n, t) - exp(s(i)) / mass(n, s))) <= tanh,
    about=("s", "t", "delta"),
    witness=_SWAPPED,
    sharp={
        "the scores move by at most delta, up to a common shift": _SWAPPED.but("they stay, it is said", delta=0),
        "there is a token": _SWAPPED.but("there is none, and delta is negative", n=0, delta=log_of(1, 2)),
    },
    probes=(_SWAPPED.but("a further shift of all scores changes nothing", t=[log_of(6), log_of(3)], shift=log_of(3)),),
    uses=("votes_are_tanh_stable",),
    why="The distance between two attention patterns is controlled by the largest change of a score, at any length.",
    idea="The total variation is the largest move of a mean of votes: vote 1 where the weight grew, 0 elsewhere.",
    limits="The change of scores is measured up to a common shift, which softmax does not see; without one, delta is "
    "the largest change. tanh(delta / 2) is written (e^delta - 1) / (e^delta + 1).",
)

DIFFERENTIAL_CAN_VOTE_NEGATIVE = Theorem(
    name="differential_can_vote_negative",
    entry=32,
    claims=(),
    sentence="Claim: the system's net attention in differential attention is never negative.",
    assumptions={
        "the second map counts with 0 < lam < 1": both(0 < lam, lam < 1),
        "there is a token": SOME_TOKEN,
    },
    conclusion=share - lam * second_share >= 0,
    about=("s_S", "s_U", "t_S", "t_U", "lam"),
    witness=_TWO_MAPS,
    expected="refuted",
    refutation=_TWO_MAPS.but(
        "the system has the share 1/4 in the first map and 3/4 in the second, which counts half",
        s_U=[log_of(3)], t_S=[log_of(3)],
    ),
    why="In differential attention an instruction may speak against itself: more attention to it in the second map "
    "turns its vote round.",
    idea="1/4 - 1/2 · 3/4 = -1/8.",
    limits="It happens where the share in the first map is less than lam times that in the second, and only there.",
)  # fmt: skip

# Masks

visible = function("visible", 2)


def head(h: Numeric) -> Term:
    """One head's readout; visible[h, j] is 1 where the head sees adversary token j and 0 where that is masked."""
    numerator = total(k, lambda i: exp(sh_S(h, i)) * ah_S(h, i)) + total(
        m, lambda j: visible(h, j) * exp(sh_U(h, j)) * ah_U(h, j)
    )
    return numerator / (total(k, lambda i: exp(sh_S(h, i))) + total(m, lambda j: visible(h, j) * exp(sh_U(h, j))))


def head_alone(h: Numeric) -> Term:
    """One head's readout of the system's tokens only."""
    return total(k, lambda i: exp(sh_S(h, i)) * ah_S(h, i)) / total(k, lambda i: exp(sh_S(h, i)))


_MASKED = Instance(
    {
        "H": 2, "k": 1, "m": 1, "sh_S": [[0], [0]], "ah_S": [[1], [2]], "sh_U": [[log_of(3)], [log_of(3)]],
        "ah_U": [[-9], [-9]], "visible": [[0], [0]],
    },
    "two heads, an adversary token of weight 3 that reads -9, and neither sees it",
)  # fmt: skip

ROLE_MASKS_ARE_NON_INTERFERENCE = Theorem(
    name="role_masks_are_non_interference",
    entry=33,
    claims=("C5",),
    sentence="If every head masks the adversary's tokens, the margin is what it is without them (L4).",
    assumptions={
        "every head masks every adversary token": each(H, lambda h: each(m, lambda j: visible(h, j).eq(0))),
        "there is a system token": k > 0,
    },
    conclusion=total(H, head).eq(total(H, head_alone)),
    about=("sh_S", "sh_U", "ah_S", "ah_U"),
    witness=_MASKED,
    sharp={
        "every head masks every adversary token": _MASKED.but("the second head sees it", visible=[[0], [1]]),
        "there is a system token": _MASKED.but("nobody speaks", k=0),
    },
    why="The only defence here that takes the adversary out of the decision altogether, whatever scores and values it "
    "can make, at any length.",
    idea="Masked tokens add 0 to both sums of every head.",
    limits="One layer with given scores and values of the system; role_masks_at_depth is about many. The price is that "
    "the decision does not hear the user at all.",
)

ALL_BUT_ONE_HEAD_MASKED = Theorem(
    name="all_but_one_head_masked",
    entry=33,
    claims=("C5",),
    sentence="Claim: if all heads but one mask the adversary's tokens, the margin is what it is without them.",
    assumptions={
        "every head but the first masks every adversary token": each(
            H, lambda h: implies(h > 0, each(m, lambda j: visible(h, j).eq(0)))
        ),
        "there is a system token": k > 0,
    },
    conclusion=total(H, head).eq(total(H, head_alone)),
    about=("sh_S", "sh_U", "ah_S", "ah_U"),
    witness=_MASKED,
    expected="refuted",
    refutation=_MASKED.but("the first head sees the adversary's token", visible=[[1], [0]]),
    why="Masks have to be complete: what one head sees, the sum of the heads says.",
    idea="The first head's readout falls from 1 to -13/2.",
    limits="A head whose readout is always 0 does no harm.",
)

L = natural("L")


class Run:
    """The symbols of one run of a deep model: the system's states, and what each layer computes from them.

    The states are state[l, i, c], token i's coordinate c before layer l. Head h of layer l gives query token i and key
    token j the score score[l, h, i, j], and key token j the value value[l, h, j, c]. The adversary's tokens, whose
    scores and values are arbitrary, are seen where visible[l, h, i, j] is not 0.
    """

    def __init__(self, mark: str) -> None:
        self.m = natural(f"m{mark}")
        self.state = function(f"x{mark}", 3)
        self.score = function(f"s_S{mark}", 4)
        self.value = function(f"v_S{mark}", 4)
        self.score_U = function(f"s_U{mark}", 4)
        self.value_U = function(f"v_U{mark}", 4)
        self.visible = function(f"visible{mark}", 4)

    def over(self, layer: Numeric, h: Numeric, i: Numeric, c: Numeric) -> Term:
        """Σ weight · value."""
        return total(k, lambda j: exp(self.score(layer, h, i, j)) * self.value(layer, h, j, c)) + total(
            self.m,
            lambda j: self.visible(layer, h, i, j) * exp(self.score_U(layer, h, i, j)) * self.value_U(layer, h, j, c),
        )

    def under(self, layer: Numeric, h: Numeric, i: Numeric) -> Term:
        """Σ weight."""
        return total(k, lambda j: exp(self.score(layer, h, i, j))) + total(
            self.m, lambda j: self.visible(layer, h, i, j) * exp(self.score_U(layer, h, i, j))
        )

    def output(self, layer: Numeric, h: Numeric, i: Numeric, c: Numeric) -> Term:
        """What head h adds up for system token i."""
        return self.over(layer, h, i, c) / self.under(layer, h, i)

    def masked(self) -> Term:
        """No system token sees an adversary token, in any head of any layer."""
        return each(
            L,
            lambda layer: each(
                H, lambda h: each(k, lambda i: each(self.m, lambda j: self.visible(layer, h, i, j).eq(0)))
            ),
        )


one, two = Run(""), Run("'")


def same_state(layer: Numeric, i: Numeric) -> Term:
    """System token i's state before a layer is the same in both runs."""
    return each(d, lambda c: one.state(layer, i, c).eq(two.state(layer, i, c)))


def same_outputs(layer: Numeric, i: Numeric) -> Term:
    """All heads' outputs for system token i are the same in both runs."""
    return each(H, lambda h: each(d, lambda c: one.output(layer, h, i, c).eq(two.output(layer, h, i, c))))


_DEEP = Instance(
    {
        "L": 2, "H": 1, "k": 1, "d": 1, "m": 1, "m'": 1,
        **{name: lambda *_: 1 for name in ("x", "x'", "v_S", "v_S'")},
        **{name: lambda *_: 0 for name in ("s_S", "s_S'", "s_U", "s_U'", "visible", "visible'")},
        "v_U": lambda *_: -9, "v_U'": lambda *_: 9,
    },
    "two layers, one head, one system token with the state 1; the adversary's tokens have the values -9 and 9",
)  # fmt: skip

# the state rises after layer 1 of the second run
_LATE = {"x'": lambda layer, i, c: 2 if layer == 2 else 1}

# two runs of one model on the same system tokens, whatever its layers compute
_SAME_MODEL = {
    "the system's tokens are the same": each(k, lambda i: same_state(0, i)),
    "scores are computed from states": each(
        L,
        lambda layer: each(
            H,
            lambda h: each(
                k,
                lambda i: each(
                    k,
                    lambda j: implies(
                        both(same_state(layer, i), same_state(layer, j)),
                        one.score(layer, h, i, j).eq(two.score(layer, h, i, j)),
                    ),
                ),
            ),
        ),
    ),
    "values are computed from states": each(
        L,
        lambda layer: each(
            H,
            lambda h: each(
                k,
                lambda j: implies(
                    same_state(layer, j),
                    each(d, lambda c: one.value(layer, h, j, c).eq(two.value(layer, h, j, c))),
                ),
            ),
        ),
    ),
    "the next state is computed from the state and the heads' outputs": each(
        L,
        lambda layer: each(
            k,
            lambda i: implies(both(same_state(layer, i), same_outputs(layer, i)), same_state(layer + 1, i)),
        ),
    ),
}

ROLE_MASKS_AT_DEPTH = Theorem(
    name="role_masks_at_depth",
    entry=33,
    claims=("C5",),
    sentence="If no system token, the reader included, sees the adversary's tokens in any head of any layer, its "
    "states are the same whatever the adversary says, at any depth (L4).",
    assumptions={
        **_SAME_MODEL,
        "the adversary's tokens are masked in the first run": one.masked(),
        "the adversary's tokens are masked in the second run": two.masked(),
    },
    conclusion=each(k, lambda i: same_state(L, i)),
    about=("x", "x'"),
    witness=_DEEP,
    sharp={
        "the system's tokens are the same": _DEEP.but("another prompt", **{"x'": lambda *_: 2}),
        "scores are computed from states": _DEEP.but(
            "two system tokens of values 1 and 0; the second run scores the first higher in layer 1",
            **_LATE,
            k=2,
            **{
                "s_S'": lambda layer, h, i, j: log_of(3) if (layer, j) == (1, 0) else 0,
                "v_S": lambda layer, h, j, c: 1 - j,
                "v_S'": lambda layer, h, j, c: 1 - j,
            },
        ),
        "values are computed from states": _DEEP.but(
            "the second run's layer 1 has the value 2 for the same state",
            **_LATE,
            **{"v_S'": lambda layer, h, j, c: 1 + layer},
        ),
        "the next state is computed from the state and the heads' outputs": _DEEP.but(
            "the second run's layer 1 gives the state 2 for the same input", **_LATE
        ),
        "the adversary's tokens are masked in the first run": _DEEP.but(
            "layer 1 sees the first adversary's token", **_LATE, visible=lambda layer, h, i, j: layer
        ),
        "the adversary's tokens are masked in the second run": _DEEP.but(
            "layer 1 sees the second adversary's token", **_LATE, **{"visible'": lambda layer, h, i, j: layer}
        ),
    },
    why="It says what a role mask has to cover in a deep model: not the last layer's reader alone, but every system "
    "token in every layer, else the adversary's content comes in through their states.",
    idea="Induction on the layers: equal states give equal scores and values, masked tokens add 0, so the heads' "
    "outputs are equal, and so the next states.",
    limits="What a layer computes from a state (norms, projections, positions, the MLP) may be any function, the same "
    "in both runs; the adversary's own states are arbitrary. Positions of system tokens must not move with the input.",
)  # fmt: skip


def _masked_last(run: Run) -> Term:
    """No system token sees an adversary token in the last layer."""
    return each(
        L,
        lambda layer: implies(
            (layer + 1).eq(L),
            each(H, lambda h: each(k, lambda i: each(run.m, lambda j: run.visible(layer, h, i, j).eq(0)))),
        ),
    )


ONLY_THE_LAST_LAYER_MASKED = Theorem(
    name="only_the_last_layer_masked",
    entry=33,
    claims=("C5",),
    sentence="Claim: it is enough that the decision's own layer, the last, masks the adversary's tokens.",
    assumptions={
        **_SAME_MODEL,
        "the last layer masks the adversary's tokens in the first run": _masked_last(one),
        "the last layer masks the adversary's tokens in the second run": _masked_last(two),
    },
    conclusion=each(k, lambda i: same_state(L, i)),
    about=("x", "x'"),
    witness=_DEEP,
    expected="refuted",
    refutation=Instance(
        {
            **_DEEP.values,
            "visible": lambda layer, h, i, j: 1 - layer, "visible'": lambda layer, h, i, j: 1 - layer,
            "x": lambda layer, i, c: 1 if layer == 0 else -4, "x'": lambda layer, i, c: 1 if layer == 0 else 5,
            "v_S": lambda layer, h, j, c: 1 if layer == 0 else -4,
            "v_S'": lambda layer, h, j, c: 1 if layer == 0 else 5,
        },
        "two layers that pass on what their only head adds up; the system token, of value 1, sees in the first layer "
        "an adversary token of value -9 in one run and 9 in the other",
    ),
    why="A mask on the layer that decides leaves open the way through the states of earlier layers.",
    idea="After the first layer the system's state is (1 - 9) / 2 = -4 or (1 + 9) / 2 = 5, and the second keeps it.",
    limits="With masks in every layer it holds: role_masks_at_depth.",
)  # fmt: skip

THEOREMS = (
    MARGIN_KEEPS_THE_SIGN,
    SHARE_FLOOR_IS_NOT_ENOUGH,
    HALF_THE_ATTENTION_IS_NOT_ENOUGH,
    RESERVED_SHARE_GIVES_NO_MARGIN,
    MAJORITY,
    MAJORITY_IS_EXACT,
    OUTPUT_NEARS_THE_VOCABULARYS_HULL,
    ASYMPTOTIC_IRRELEVANCE,
    EVERY_MIXTURE_IS_APPROACHED,
    SEVERAL_HEADS_DO_NOT_MIX,
    OUTPUT_STAYS_IN_THE_HULL,
    HULL_SAFETY,
    SAFE_WITH_A_VANISHING_SHARE,
    HULL_SAFETY_OF_DIFFERENTIAL_ATTENTION,
    HULL_SAFETY_OF_SIGNED_LINEAR_ATTENTION,
    HULL_SAFETY_OF_UNNORMALISED_LINEAR_ATTENTION,
    HULL_SAFETY_OF_SUMMED_HEADS,
    PRIVILEGE_COSTS_UTILITY,
    PRIVILEGE_COSTS_UTILITY_BY_THE_VOCABULARY,
    ONE_TOKEN_INFLUENCE,
    ONE_TOKEN_INFLUENCE_OF_THE_READER,
    VOTES_ARE_TANH_STABLE,
    SOFTMAX_IS_TANH_STABLE,
    DIFFERENTIAL_CAN_VOTE_NEGATIVE,
    ROLE_MASKS_ARE_NON_INTERFERENCE,
    ALL_BUT_ONE_HEAD_MASKED,
    NON_INTERFERENCE_KEEPS_THE_MARGIN,
    ROLE_MASKS_AT_DEPTH,
    ONLY_THE_LAST_LAYER_MASKED,
)
