"""Scores of one number against another: relative accuracy, rounding, tolerance.

Arguments come as `(pred, target)`, both already floats: reading "1,234 cm" is the parser's
work. Nothing here raises on NaN or infinity; NaN never scores.

| function | definition | source |
|---|---|---|
| `mra` (`onethinker`) | share of θ in 0.5, 0.55 … 0.95: relative error < 1 − θ | `eval_bench.py` |
| `mra` (`vsi`) | the same with ≤, the error over the *signed* target | VSI-Bench |
| `equal_at` | both round to the same decimals, half to even, on binary floats | `eval_bench.py` |
| `within_tolerance` | abs(p − t) ≤ max(absolute, relative · abs(t)) | common practice |

`eval_bench.py` is OneThinker's evaluator; VSI-Bench's is `lmms_eval/tasks/vsibench/utils.py`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import isnan
from typing import TYPE_CHECKING, Literal

from onethinker_eval.errors import unknown_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["equal_at", "mra", "mra_batch", "within_tolerance"]

MraRule = Literal["onethinker", "vsi"]

# Ascending limits of the relative error, to the last bit as the two sources compute them:
# 1.0 - (0.5 + 0.05 * k) and 1 - numpy.linspace(0.5, 0.95, 10). They differ in two places.
_LIMITS: dict[str, tuple[float, ...]] = {
    "onethinker": tuple(sorted(1.0 - (0.5 + 0.05 * k) for k in range(10))),
    "vsi": tuple(sorted(1.0 - (0.5 + k * ((0.95 - 0.5) / 9)) for k in range(10))),
}
# Upstream scores a target this close to zero as wrong instead of dividing by it.
_ZERO = 1e-12


def mra(pred: float, target: float, rule: MraRule = "onethinker") -> float:
    """Return the mean relative accuracy of one number, a tenth in 0, 0.1 … 1.

    `onethinker`: strictly below each limit; a target within 1e-12 of zero scores 0 whatever
    the prediction. `vsi`: on the limit counts, and the division by the signed target makes
    every prediction right when the target is negative, as in the benchmark's own code
    (whose targets are positive); that code divides by zero for a zero target, here the
    score is then 1 for an exact zero and 0 otherwise.

    >>> mra(10.4, 10.0), mra(6.0, 10.0), mra(6.0, 10.0, rule="vsi")
    (1.0, 0.2, 0.3)
    >>> mra(0.0, 0.0), mra(0.0, 0.0, rule="vsi")
    (0.0, 1.0)
    """
    if rule == "onethinker":
        if abs(target) < _ZERO:
            return 0.0
        error = abs(pred - target) / abs(target)
        # For NaN every comparison is false, so the bisection ends at 10: no limit is met.
        return (10 - bisect_right(_LIMITS["onethinker"], error)) / 10.0
    if rule != "vsi":
        raise unknown_name("MRA rule", rule, _LIMITS)
    if target == 0:
        return 1.0 if pred == 0 else 0.0
    error = abs(pred - target) / target
    if isnan(error):
        return 0.0
    return (10 - bisect_left(_LIMITS["vsi"], error)) / 10.0


def mra_batch(
    pred: ArrayLike, target: ArrayLike, rule: MraRule = "onethinker"
) -> NDArray[np.float64]:
    """Return `mra` of each pair; `pred` and `target` broadcast against each other.

    >>> mra_batch([10.4, 6.0, float("nan")], 10.0).tolist()
    [1.0, 0.2, 0.0]
    """
    import numpy as np

    if rule not in _LIMITS:
        raise unknown_name("MRA rule", rule, _LIMITS)
    limits = np.asarray(_LIMITS[rule])
    guess, truth = np.broadcast_arrays(
        np.asarray(pred, dtype=np.float64), np.asarray(target, dtype=np.float64)
    )
    strict = rule == "onethinker"
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        error = np.abs(guess - truth) / (np.abs(truth) if strict else truth)
    # NaN is sorted behind every limit, so searchsorted gives it 10 and it scores 0.
    met = 10 - np.searchsorted(limits, error, side="right" if strict else "left")
    score = met / 10.0
    if strict:
        return np.where(np.abs(truth) < _ZERO, 0.0, score)
    return np.where(truth == 0, np.where(guess == 0, 1.0, 0.0), score)


def equal_at(pred: float, target: float, decimals: int = 2) -> bool:
    """Tell whether both numbers round to the same value at `decimals` places.

    Python's `round`: half to even, on binary floats, as upstream. So 0.125 is not 0.13, and
    2.675 (stored a little below) is not 2.68. Infinity equals itself; NaN equals nothing.

    >>> equal_at(3.14159, 3.14), equal_at(0.125, 0.13), equal_at(0.125, 0.12)
    (True, False, True)
    """
    return round(pred, decimals) == round(target, decimals)


def within_tolerance(
    pred: float, target: float, *, relative: float = 0.0, absolute: float = 0.0
) -> bool:
    """Tell whether `pred` lies within the larger of two tolerances around `target`.

    Both ends count. With no tolerance given the numbers must be equal. A NaN on either side
    is outside; an infinity is only within reach of itself.

    >>> within_tolerance(10.5, 10.0, relative=0.05), within_tolerance(10.6, 10.0, relative=0.05)
    (True, False)
    """
    if not (relative >= 0.0 and absolute >= 0.0):
        raise ValueError(
            f"tolerances must be 0 or more, got relative={relative}, absolute={absolute}"
        )
    if pred == target:
        return True
    difference = abs(pred - target)
    return difference < float("inf") and difference <= max(absolute, relative * abs(target))
