"""The module's folder on the path, as Slicer puts it there; the sample in Slicer's scene, and what works on it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch

import SphericalRegLib
from SphericalRegLib.app.panel.filling import fill
from SphericalRegLib.app.panel.geometry_fields import ViewFields, fields_from_dicom
from SphericalRegLib.app.panel.packs import write_pack
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.sample import sample_path
from Testing.Python.app.doubles import Diary, HandTurned
from Testing.Python.module.builders import NAME, choice, volume_node
from Testing.Python.module.parameters import stand_in
from Testing.Python.skips import NEEDS_SCENE

MODULE = Path(SphericalRegLib.__file__).resolve().parents[1] / "SphericalReg"


@pytest.fixture(autouse=True)
def module_on_the_path(monkeypatch):
    """So that SphericalRegUI can be imported."""
    monkeypatch.syspath_prepend(str(MODULE))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "SphericalRegUI"]:
        del sys.modules[name]


@pytest.fixture
def scene():
    """Slicer's real one, from slicer-core."""
    pytest.importorskip("slicer", reason=NEEDS_SCENE)
    app = pytest.importorskip("trame_slicer.core", reason=NEEDS_SCENE).SlicerApp()
    yield app.scene
    app.scene.Clear(True)


@pytest.fixture(scope="session")
def truth():
    return read_pose(sample_path(f"{NAME}_ap_truth.json"))


@pytest.fixture(scope="session")
def scan():
    return read_ct(sample_path(f"{NAME}.nii.gz"))


@pytest.fixture
def parameters(scene, scan, truth):
    """The sample, as the panel holds it once it is loaded and filled from DICOM; from near the truth, to be quick."""
    from SphericalRegLib.scene.poses import transform_from_pose

    path = sample_path(f"{NAME}_ap.dcm")
    header = pydicom.dcmread(path)
    made = stand_in()
    made.levels, made.method = choice("fast"), choice("current pose")
    near = truth.clone()
    near[:3, 3] += torch.tensor([3.0, -2.0, 6.0], dtype=torch.float64)
    made.currentPose = transform_from_pose(scene, near, "near the truth")
    made.ctVolume = volume_node(scene, "CT", scan.hu, scan.world_from_voxel)
    # already bright where dense
    made.xray1Volume = volume_node(scene, "X-ray", read_xray(path).image[None], np.diag([-0.8, -0.8, 1.0, 1.0]))
    fields, missing = fields_from_dicom(header)
    assert missing == []
    from_header = fill(ViewFields(), None, replace(fields, tone="attenuation"), 0)
    write_pack(made.geometry1, from_header.fields)
    made.geometry1.filled = from_header.filling.text()
    return made


@pytest.fixture
def scheduler():
    return HandTurned()


@pytest.fixture
def session(scene, scheduler):
    from SphericalRegUI.Session import Session

    # a step a turn and a picture a step, however fast the machine is
    made = Session(scene, scheduler, scheduler, sliceSeconds=0.0, pictureSeconds=0.0)
    yield made
    made.close()


@pytest.fixture
def diary(session):
    diary = Diary()
    session.registration.events.connect(diary)
    session.survey.events.connect(diary)
    return diary
