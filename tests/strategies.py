"""Hypothesis strategies shared by the property tests, one section per subject."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

# ---------------------------------------------------------------------------------- geometry
# Boxes are (x1, y1, x2, y2) in 0..1000, spans (start, end) in seconds, masks (height, width).

anything = st.floats(allow_nan=True, allow_infinity=True)
coordinates = st.one_of(
    st.integers(0, 1000).map(float), st.floats(0, 1000, allow_subnormal=False).map(float)
)


def _ordered(a: float, b: float) -> tuple[float, float]:
    return (a, b) if a <= b else (b, a)


spans_s = st.builds(_ordered, coordinates, coordinates).filter(lambda s: s[1] - s[0] > 1e-3)
boxes_1000 = st.builds(lambda x, y: (x[0], y[0], x[1], y[1]), spans_s, spans_s)
any_boxes = st.tuples(anything, anything, anything, anything)
any_spans = st.tuples(anything, anything)
tracks_1000 = st.dictionaries(st.integers(1, 32), boxes_1000, max_size=12)
points_1000 = st.tuples(coordinates, coordinates)
point_lists = st.lists(points_1000, max_size=7)


@st.composite
def mask_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two bool masks of one size, up to 24 × 24 pixels."""
    shape = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    masks = hnp.arrays(np.bool_, shape, elements=st.booleans(), fill=st.booleans())
    return draw(masks), draw(masks)
