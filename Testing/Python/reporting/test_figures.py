"""What the report's pictures show."""

import numpy as np

from SphericalRegLib.reporting.figures import unused_hatched


def test_what_is_not_compared_is_hatched_and_outlined_and_the_rest_stays():
    xray = np.full((60, 80), 100, np.uint8)
    mask = np.ones((60, 80), bool)
    mask[:, 50:] = False
    picture = unused_hatched(xray, mask)
    assert (picture[:, :50] == 100).all()
    red = (picture[..., 0] > 200) & (picture[..., 1] < 100)
    assert red[:, 50].all()
    assert 0.1 < red[:, 52:].mean() < 0.5
    assert not (unused_hatched(xray, np.ones_like(mask)) != 100).any()
