"""Kernels that turn a distance (0 or more, any unit) into a similarity in 0..1.

A distance and its scale share one unit: 0..1000 grid units for points, seconds for key frames.
Distance 0 gives 1; an infinite or undefined (NaN) distance gives 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["gaussian", "laplace"]


@overload
def gaussian(distance: float, sigma: float) -> float: ...
@overload
def gaussian(distance: NDArray[np.floating], sigma: float) -> NDArray[np.float64]: ...
def gaussian(distance: float | NDArray[np.floating], sigma: float) -> float | NDArray[np.float64]:
    """Gaussian kernel exp(-d² / 2σ²) of a distance (number or array, same unit as `sigma`).

    Source: OneThinker (arXiv 2512.03043), section 3.2: σ = 50 on the 0..1000 grid, σ = 1 s.
    `sigma` must be above 0, else `ValueError`.

    >>> round(gaussian(50.0, 50.0), 4)
    0.6065
    """
    _require_positive(sigma, "sigma")
    if isinstance(distance, (int, float)):
        value = math.exp(-(distance * distance) / (2.0 * sigma * sigma))
        return 0.0 if math.isnan(value) else value
    import numpy as np

    d = np.asarray(distance, dtype=np.float64)
    with np.errstate(over="ignore"):
        values: NDArray[np.float64] = np.exp(-(d * d) / (2.0 * sigma * sigma))
    return np.where(np.isnan(values), 0.0, values)


@overload
def laplace(distance: float, scale: float) -> float: ...
@overload
def laplace(distance: NDArray[np.floating], scale: float) -> NDArray[np.float64]: ...
def laplace(distance: float | NDArray[np.floating], scale: float) -> float | NDArray[np.float64]:
    """Laplace kernel exp(-|d| / scale) of a distance (number or array, same unit as `scale`).

    Source: the released reward code of OneThinker, which uses it with 2 s for the key frame of
    a video mask although the paper states a Gaussian with σ = 1 s. At 2 s the two give 0.368
    and 0.135. `scale` must be above 0, else `ValueError`.

    >>> round(laplace(-2.0, 2.0), 4)
    0.3679
    """
    _require_positive(scale, "scale")
    if isinstance(distance, (int, float)):
        value = math.exp(-abs(distance) / scale)
        return 0.0 if math.isnan(value) else value
    import numpy as np

    d = np.asarray(distance, dtype=np.float64)
    values: NDArray[np.float64] = np.exp(-np.abs(d) / scale)
    return np.where(np.isnan(values), 0.0, values)


def _require_positive(value: float, name: str) -> None:
    if not value > 0:
        raise ValueError(f"expected {name} above 0, got {value!r}")
