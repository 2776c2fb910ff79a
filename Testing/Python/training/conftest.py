"""A small patient with bone, as CT and as a volume."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.sample import sample_path


@pytest.fixture(scope="session")
def sample_ct() -> CT:
    """The shipped CT at 6 mm: small enough to train on within a test."""
    return read_ct(sample_path("pelvis_lumbar_3mm.nii.gz"), downsample=2)


@pytest.fixture
def ct_without_bone(sample_ct: CT) -> CT:
    from dataclasses import replace

    return replace(sample_ct, hu=np.minimum(sample_ct.hu, 50))


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in one order, so that runs can be compared to the bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
