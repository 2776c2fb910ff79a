"""The mask of the study's own X-rays against the collimator that was drawn for them."""

import numpy as np
import pytest
from scipy import ndimage

from SphericalRegLib.evaluation.cases import capture_view, draw_case, simulated_xray
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.instruments import Circle, Margins


def true_field(collimator: Margins | Circle | None, size: int) -> np.ndarray:
    rows, columns = (np.mgrid[:size, :size] + 0.5) / size
    if collimator is None:
        return np.ones((size, size), bool)
    if isinstance(collimator, Circle):
        return np.hypot(rows - 0.5, columns - 0.5) < collimator.diameter / 2
    across = (columns > collimator.left) & (columns < 1 - collimator.right)
    return across & (rows > collimator.top) & (rows < 1 - collimator.bottom)


@pytest.fixture(scope="module")
def ct() -> CT:
    return read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"))


# Narrow and noisy borders: noise beyond the collimator was once taken for anatomy, and a frame for metal around it all.
@pytest.mark.parametrize(("seed", "index"), [(2000, 13), (2000, 45), (2000, 99), (0, 59), (2000, 1), (2000, 2)])
def test_the_field_is_found_and_kept(ct: CT, seed: int, index: int) -> None:
    view = capture_view()
    case = draw_case(index, seed, view, to_volume(ct).center)
    mask = simulated_xray(case, ct, view).mask
    field = true_field(case.degradations.collimation, view.height)
    assert (mask & ~field).mean() < 0.01
    visible = ndimage.binary_erosion(field, iterations=4, border_value=1)
    assert mask[visible].mean() > 0.9
