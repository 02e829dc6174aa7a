"""How a question's margin is read from the residual stream, in any kind of number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tokendemo_formal.attention import Alibi, Norm, Reading, Weights, fold
from tokendemo_formal.numbers.balls import BALLS, ball
from tokendemo_formal.numbers.base import Array, Numbers
from tokendemo_formal.override.question import Question, Readout, Share


def read(numbers: Numbers, question: Question) -> tuple[Array, Array]:
    """(d, 1) the direction that the residual stream is read in, and the constant added: the gain, up to the final norm.

    With a final norm the direction is the folded one, to be divided by the deviation. A share reads nothing of the
    stream: its direction is 0, and what it reads of the attention is said by :func:`share_readouts`.
    """
    if isinstance(question.readout, Share):
        return numbers.constant(np.zeros((question.layer.width, 1))), numbers.constant(question.readout.below)
    readout, norm = question.readout, question.layer.final_norm
    direction = (numbers.constant(readout.toward) - numbers.constant(readout.against)).reshape(-1, 1)
    constant = constant_of(numbers, readout)
    if readout.final_norm and norm is not None:
        folded = fold(numbers, norm, direction, None)
        direction = folded.weights
        if folded.bias is not None:
            constant = constant + folded.bias[0]
    return direction, constant


def constant_of(numbers: Numbers, readout: Readout) -> Array:
    """What is added to the reading: the difference of the biases, less the threshold."""
    return (
        numbers.constant(readout.toward_bias)
        - numbers.constant(readout.against_bias)
        - numbers.constant(readout.threshold)
    )


def votes_of(question: Question, reading: Reading, raw: Array, visible: Sequence[int]) -> tuple[Array, Array]:
    """Scores and readouts, (n, H) each, of the rows of a prompt that the reader sees."""
    numbers = reading.computation.numbers
    votes = [reading.votes(raw[p : p + 1], p) for p in visible]
    scores = numbers.stack([s[0] for s, _ in votes])
    if isinstance(question.readout, Share):
        return scores, numbers.constant(share_readouts(question, len(raw), visible))
    return scores, numbers.stack([r[0, :, 0] for _, r in votes])


def share_readouts(question: Question, length: int, positions: Sequence[int]) -> NDArray[np.object_]:
    """(n, H) Fractions: what a unit of a head's attention to a position adds to below - share.

    A system position adds -1 for the head that is looked at, or -1/H for each where it is the mean; all others nothing.

    Args:
        question: of a share.
        length: of the prompt.
        positions: in it.
    """
    share, heads = question.readout, question.layer.heads
    assert isinstance(share, Share), "rows are read by their direction"
    each = [Fraction(-1, heads) if share.head is None else Fraction(-(h == share.head)) for h in range(heads)]
    system = set(question.system(length))
    rows = [each if position in system else [Fraction(0)] * heads for position in positions]
    return np.array(rows, dtype=object).reshape(len(rows), heads)


def attention_alone(question: Question) -> Question:
    """The same question of a share, to a layer without what it does not read: values, and heads that don't count."""
    share, layer = question.readout, question.layer
    assert isinstance(share, Share), "rows are read of the residual stream, which values make"
    heads = slice(None) if share.head is None else slice(share.head, share.head + 1)
    first = 0 if share.head is None else layer.group_of(share.head)
    groups = slice(None) if share.head is None else slice(first, first + 1)

    def chosen(array: Weights | None, which: slice) -> Weights | None:
        return None if array is None else array[which]

    positions = layer.positions
    wq, wk = layer.wq[heads], layer.wk[groups]
    alone = replace(
        layer,
        wq=wq,
        wk=wk,
        wv=np.zeros((len(wk), layer.width, 1)),
        wo=np.zeros((len(wq), 1, layer.width)),
        bq=chosen(layer.bq, heads),
        bk=chosen(layer.bk, groups),
        bv=None,
        bo=None,
        positions=Alibi(positions.slopes[heads]) if isinstance(positions, Alibi) else positions,
        score_bias=chosen(layer.score_bias, heads),
        residual=False,
    )
    return replace(question, layer=alone, readout=replace(share, head=None))


@dataclass(frozen=True)
class LinearReading:
    """A linear function of the residual stream z that stands in for the gain, in balls.

    Attributes:
        direction: (d, 1).
        constant: scalar.
        target: what the linear function is compared with.
        kind: ``plain``: the gain itself; ``share``: likewise, less what is read of the attention; ``folded``: of its
            sign; ``tangent``, ``deviation``: above it. So gain > asked target ⇔ <direction, z> + constant > target for
            the first three, and ⇒ for the others.
        point: of a tangent, e.
    """

    direction: Array
    constant: Array
    target: float
    kind: Literal["plain", "share", "folded", "tangent", "deviation"]
    point: tuple[float, ...] = ()


def final_norm(question: Question) -> Norm | None:
    """The norm between the residual stream and the readout, if there is one."""
    return question.layer.final_norm if question.readout.final_norm else None


def norm_offset(question: Question) -> Fraction:
    """β in gain = N(z)/σ(z) + β, for a readout through a final norm; exact."""
    readout, norm = question.row_readout, final_norm(question)
    offset = Fraction(readout.toward_bias) - Fraction(readout.against_bias) - Fraction(readout.threshold)
    if norm is not None and norm.bias is not None:
        rows = zip(readout.toward.tolist(), readout.against.tolist(), norm.bias.tolist(), strict=True)
        offset += sum((Fraction(t) - Fraction(a)) * Fraction(b) for t, a, b in rows)
    return offset


def plain_reading(question: Question, target: float) -> LinearReading | None:
    """The gain as a linear function of the stream, where it is one or has the sign of one; else None.

    A final norm's gain and centring are folded into the direction. What is left of it is the factor 1/σ > 0, which
    leaves the sign of gain - target alone where nothing is added after it: where norm_offset equals the target.
    """
    if final_norm(question) is None:
        direction, constant = read(BALLS, question)
        kind: Literal["plain", "share"] = "share" if isinstance(question.readout, Share) else "plain"
        return LinearReading(direction, constant, target, kind)
    if norm_offset(question) == Fraction(target):
        direction, _ = read(BALLS, question)
        return LinearReading(direction, ball(0), 0.0, "folded")
    return None


def tangent_reading(
    question: Question, target: float, stream: NDArray[np.float64], largest_deviation: float
) -> LinearReading:
    """A linear upper bound for a readout through a final norm.

    gain > target ⇔ N(z) - κ σ(z) > 0 with κ = target - norm_offset and σ(z) = |(Pz/√d, √eps)|, P the norm's centring
    or the identity.

    * κ > 0: σ >= <e, (Pz/√d, √eps)> for every |e| <= 1 (Cauchy and Schwarz), with equality where e points to it. So
      the closer the stream at good assignments is to the one given, the tighter.
    * κ < 0: σ <= largest_deviation.

    Args:
        question: its readout goes through a final norm.
        target: what the gain has to exceed.
        stream: (d,) the residual stream to be tangent at; any one is sound.
        largest_deviation: an upper bound of σ over all assignments; used where κ < 0.
    """
    norm = final_norm(question)
    assert norm is not None, "without a final norm the gain is linear already"
    direction, _ = read(BALLS, question)
    kappa = Fraction(target) - norm_offset(question)
    if kappa <= 0:
        return LinearReading(direction, ball(-kappa) * ball(largest_deviation), 0.0, "deviation")
    d = len(stream)
    centred = stream - stream.mean() if norm.centred else stream
    point = np.append(centred / np.sqrt(d), np.sqrt(norm.eps))
    point *= (1 - 2.0**-40) / np.sqrt(point @ point)
    assert sum(Fraction(x) ** 2 for x in point.tolist()) <= 1, "e has to be a contraction"
    e = BALLS.constant(point[:-1]).reshape(-1, 1)
    if norm.centred:
        e = e - BALLS.sum(e, 0).reshape(1, 1) / ball(d)
    constant = ball(kappa) * ball(float(point[-1])) * ball(norm.eps).sqrt()
    return LinearReading(
        direction - e * (ball(kappa) / ball(d).sqrt()), -constant, 0.0, "tangent", tuple(point.tolist())
    )
