"""Letters in the beam and in the picture."""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation.instruments import transmission
from SphericalRegLib.simulation.system.markers import lettering, random_marker, random_text

VIEW = View.from_spacing(128, 160, 1000.0, (2.0, 2.0))


def test_an_l_has_its_foot_to_the_right() -> None:
    opaque = 1 - transmission(lettering("L", (20.0, 20.0), 40.0), 80, 80)
    rows, columns = np.nonzero(opaque > 0.5)
    assert (rows.min(), rows.max()) == pytest.approx((20, 60), abs=3.5)
    assert (columns.min(), columns.max()) == pytest.approx((20, 44), abs=3.5)
    assert opaque[55:64, 36].max() > 0.9
    assert opaque[25, 30:50].max() < 0.1


def test_unknown_letters_are_refused() -> None:
    with pytest.raises(InputError, match="Q"):
        lettering("LQ", (0.0, 0.0), 10.0)


@pytest.mark.parametrize("draw", [random_marker, random_text])
def test_random_letters_lie_near_an_edge_within_the_picture(draw) -> None:
    for seed in range(20):
        letters = draw(np.random.default_rng(seed), VIEW)
        assert letters == draw(np.random.default_rng(seed), VIEW)
        rows, columns = np.nonzero(transmission(letters, 128, 160) < 0.6)
        assert 5 < len(rows) < 900
        edges = min(rows.min(), 127 - rows.max(), columns.min(), 159 - columns.max())
        assert edges < 0.2 * 128
