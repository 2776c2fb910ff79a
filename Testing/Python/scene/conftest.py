"""A real MRML scene with Slicer's logics, from the pip packages slicer-core and trame-slicer (extra "scene")."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from Testing.Python.skips import NEEDS_SCENE

try:
    import slicer
    import trame_slicer  # noqa: F401
except ImportError:
    slicer = None


class _WithoutSlicer(pytest.Module):
    """A test file that is not even imported, because it could not be."""

    def collect(self) -> Any:
        pytest.skip(NEEDS_SCENE, allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return _WithoutSlicer.from_parent(parent, path=module_path) if slicer is None else None


@pytest.fixture
def a_slicer_app() -> Iterator[Any]:
    from Testing.Python.scene.builders import application

    app = application()
    yield app
    app.scene.Clear(True)


@pytest.fixture
def a_scene(a_slicer_app: Any) -> Any:
    return a_slicer_app.scene


@pytest.fixture
def oblique_pose() -> torch.Tensor:
    """camera_from_world: turned about all axes, the world's origin 700 mm before the source and off the axis."""
    twist = torch.tensor([1.1, -0.7, 0.4, 0.0, 0.0, 0.0], dtype=torch.float64)
    offset = torch.tensor([[31.0, -17.0, 702.0]], dtype=torch.float64)
    return se3.from_parts(se3.exp(twist)[:3, :3], offset[0])


@pytest.fixture
def off_center_view() -> View:
    """Pixels that are not square, a principal point far off the middle, another number of rows than columns."""
    return View.from_spacing(48, 64, 1013.0, (1.9, 2.3), principal_point=(11.25, 40.5), sad=640.0, name="off-center")


@pytest.fixture
def mirrored_view() -> View:
    """As fluoroscopes store them: columns run the other way; with a skew, and turned within its rig."""
    k = torch.tensor([[-610.0, 1.5, 30.25], [0.0, 505.0, 13.5], [0.0, 0.0, 1.0]], dtype=torch.float64)
    rig = se3.exp(torch.tensor([0.2, 1.4, -0.3, 120.0, -40.0, 310.0], dtype=torch.float64))
    return View(k, 40, 56, 1180.0, rig, sad=700.0, name="mirrored")


@pytest.fixture
def oblique_matrix() -> np.ndarray:
    """IJK to RAS: rotated, anisotropic, off-center."""
    rotation = se3.exp(torch.tensor([0.5, -0.8, 0.3, 0, 0, 0], dtype=torch.float64))[:3, :3].numpy()
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * [0.7, 1.3, 2.9]
    matrix[:3, 3] = [-211.7, 93.1, 488.3]
    return matrix
