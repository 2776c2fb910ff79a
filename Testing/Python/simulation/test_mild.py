"""The level "mild" is the simulator as it always was: its draws and pixels against numbers that were stored once.

Published figures were measured on these X-rays. Whatever is added for harder levels must leave them as they are.
"""

from __future__ import annotations

import numpy as np
import pytest

from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation.degrade import Degradations, random_degradations
from SphericalRegLib.simulation.instruments import Margins, Rectangle, Wire
from SphericalRegLib.simulation.simulate import simulate

VIEW = View.from_spacing(10, 12, 1000.0, (28.0, 28.0), sad=700.0)

DRAWN = {
    1: Degradations(
        kvp=117.02782177955612,
        photons=45005.17940390166,
        electronic_noise=9.58919557709795,
        focal_spot_sigma_px=0.12473258080419419,
        blur_sigma_px=0.5963285142808029,
        scatter_fraction=0.25692564845511046,
        scatter_sigma_mm=25.229978409229034,
        gain=1.0946343189057535,
        gamma=0.716535467945841,
        log_output=False,
        bits=16,
        collimation=Margins(
            left=0.06457719758631339, top=0.03956780597989106, right=0.09461144441140852, bottom=0.0363833795149974
        ),
        instruments=(
            Rectangle(
                center=(5.665184804260692, 2.8042501834829885),
                size=(1.3972298172311772, 0.8848373369466095),
                angle=0.8240816632707127,
            ),
            Wire(
                points=((4.155433567082735, 4.896336821021445), (12.169902015435554, 3.9215673831930955)),
                width=0.07437334682481674,
                transmission=0.02,
            ),
        ),
    ),
    2: Degradations(
        kvp=77.9094686048474,
        photons=296470.82218115247,
        electronic_noise=2.7353275370807753,
        focal_spot_sigma_px=0.2400402103862616,
        blur_sigma_px=0.8099923687682562,
        scatter_fraction=0.09697526834165086,
        scatter_sigma_mm=16.378665683326705,
        gain=0.7099877471624152,
        gamma=1.0944598089253557,
        log_output=True,
        bits=12,
        collimation=Margins(
            left=0.018007471596640335, top=0.05191569489657446, right=0.08031567582894243, bottom=0.050734160792415335
        ),
    ),
}

# Rows 4 to 6.
PIXELS = {
    1: [
        [22674, 23970, 17288, 12382, 7561, 4732, 5292, 9721, 12292, 15022, 16928, 6557],
        [22691, 24043, 17318, 12322, 7646, 5477, 6212, 9831, 12699, 16223, 18937, 7154],
        [26093, 31181, 21419, 14841, 11730, 10355, 10494, 12151, 14847, 20646, 26193, 9608],
    ],
    2: [
        [3243, 2735, 1982, 1368, 767, 236, 456, 1036, 1437, 1881, 2085, 1650],
        [3244, 2736, 1984, 1384, 856, 455, 604, 1066, 1441, 1880, 2083, 1645],
        [3398, 3015, 2353, 1718, 1306, 1096, 1127, 1356, 1728, 2273, 2520, 2014],
    ],
}


def phantom() -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid of soft tissue with a column of bone: HU and grid."""
    k, j, i = np.mgrid[:20, :24, :28].astype(float)
    hu = np.full((20, 24, 28), -1000.0)
    hu[((k - 9.5) / 9) ** 2 + ((j - 11.5) / 11) ** 2 + ((i - 13.5) / 13) ** 2 < 1] = 40
    column = hu[:, 8:14, 10:16]
    column[column > 0] = 700
    grid = np.diag([8.0, 8.0, 8.0, 1.0])
    grid[:3, 3] = [-108.0, -92.0, -76.0]
    return hu, grid


@pytest.mark.parametrize("seed", DRAWN)
def test_draws_are_those_that_figures_were_measured_with(seed: int) -> None:
    assert random_degradations(np.random.default_rng(seed), VIEW, occluder=seed % 2 == 1) == DRAWN[seed]


@pytest.mark.parametrize("seed", DRAWN)
def test_pixels_are_the_same_to_the_bit(seed: int) -> None:
    pose = np.eye(4)
    pose[2, 3] = 700.0
    xray = simulate(*phantom(), VIEW, pose, DRAWN[seed], seed=seed)
    np.testing.assert_array_equal(xray.intensity[4:7], PIXELS[seed])
