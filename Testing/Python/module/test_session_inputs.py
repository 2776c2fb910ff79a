"""What the panel holds becomes what the engine takes, or an error that says what to do."""

from typing import get_args

import numpy as np
import pydicom
import pytest
import torch

from SphericalRegLib.app import Failed, State
from SphericalRegLib.app.panel.snapshot import Snapshot
from SphericalRegLib.cli.reading.inputs import Preset
from SphericalRegLib.geometry.carm import PRESETS
from SphericalRegLib.geometry.tolerance import EXACT
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.sample import sample_path
from SphericalRegLib.scene.session import ConvertedCT
from SphericalRegLib.scene.session.training_run import training_file, training_options
from Testing.Python.module.builders import NAME, choice, node_count, stand_with


class TestInputsThatCannotBeUsed:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"ctVolume": None}, "no CT: choose one"),
            ({"xray1Volume": None}, "no X-ray: choose one"),
            ({"currentPose": None}, "no current pose"),
            ({"method": choice("landmarks")}, "no landmarks in the CT"),
            ({"device": "abacus"}, "no device 'abacus'"),
            ({"similarity": choice("learned, then default")}, "needs a model: choose one under Model"),
        ],
    )
    def test_lead_to_failed_with_a_remedy_and_leave_the_scene_alone(
        self, session, scheduler, parameters, diary, change, words
    ):
        for name, value in change.items():
            setattr(parameters, name, value)
        before = node_count(session.scene)
        session.register(parameters, "Registration")
        scheduler.run_out()
        assert words in diary.of(Failed)[0].failure.text
        assert node_count(session.scene) == before
        assert session.registration.state is State.FAILED

    def test_missing_geometry_is_named(self, session, scheduler, parameters, diary):
        parameters.geometry1.sdd = 0.0
        session.register(parameters, "Registration")
        scheduler.run_out()
        assert "source-to-detector distance" in diary.of(Failed)[0].failure.text

    def test_a_true_pose_without_points_to_tell_errors_at_is_an_error(
        self, session, scheduler, parameters, diary, truth
    ):
        from SphericalRegLib.scene.poses import transform_from_pose

        parameters.truth = transform_from_pose(session.scene, truth, "truth")
        session.register(parameters, "Registration")
        scheduler.run_out()
        assert "choose bones or landmarks" in diary.of(Failed)[0].failure.text

    def test_a_second_xray_needs_to_say_how_it_lies_to_the_first(self, session, scheduler, parameters, diary):
        parameters.xray2Volume = parameters.xray1Volume
        session.register(parameters, "Registration")
        scheduler.run_out()
        assert "X-ray is not complete" in diary.of(Failed)[0].failure.text


class TestConverting:
    def test_the_ct_is_converted_once_and_anew_when_it_was_moved_or_edited(self, session, parameters):
        converted = ConvertedCT()
        prepare = lambda: converted.chosen(Snapshot.of(parameters)).volume  # noqa: E731
        first = prepare()
        assert prepare() is first
        transform = session.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        parameters.ctVolume.SetAndObserveTransformNodeID(transform.GetID())
        second = prepare()
        assert second is not first
        from SphericalRegLib.scene.matrices import to_vtk

        shift = np.eye(4)
        shift[0, 3] = 25.0
        transform.SetMatrixTransformToParent(to_vtk(shift))
        third = prepare()
        assert torch.allclose(third.center - second.center, torch.tensor([25.0, 0, 0], dtype=torch.float64), atol=1e-6)

    def test_what_was_typed_is_not_taken_as_exact(self, session, parameters):
        from SphericalRegLib.scene.session.inputs import xrays_of

        def tolerance():
            (xray,) = xrays_of(Snapshot.of(parameters))
            return xray.view.tolerance

        assert tolerance() == EXACT
        parameters.geometry1.sdd += 10.0
        assert tolerance().focal == pytest.approx(0.01)
        parameters.geometry1.rowSpacing *= 1.1
        assert tolerance().focal == pytest.approx(0.01 * 2**0.5)
        parameters.typedTolerance = 0.0
        assert tolerance() == EXACT

    def test_a_calibration_file_replaces_the_fields(self, session, parameters, tmp_path):
        from SphericalRegLib.errors import InputError
        from SphericalRegLib.io.calibration_files import write_json
        from SphericalRegLib.scene.session.inputs import xrays_of

        view = read_xray(sample_path(f"{NAME}_ap.dcm")).view
        path = tmp_path / "views.json"
        write_json(path, [view])
        parameters.calibrationFile = str(path)
        parameters.geometry1.sdd = 0.0
        (xray,) = xrays_of(Snapshot.of(parameters))
        assert xray.view.sdd == view.sdd
        write_json(path, [view, view])
        with pytest.raises(InputError, match="holds 2 views for 1 X-ray:"):
            xrays_of(Snapshot.of(parameters))


class TestTrainingFile:
    def test_is_the_volumes_own_where_it_holds_what_the_scene_shows(self, session, tmp_path):
        import slicer

        node = session.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
        storage = session.scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        storage.SetFileName(str(sample_path(f"{NAME}.nii.gz")))
        assert storage.ReadData(node)
        node.SetAndObserveStorageNodeID(storage.GetID())
        assert training_file(node, tmp_path) == (sample_path(f"{NAME}.nii.gz"), NAME)
        assert list(tmp_path.iterdir()) == []
        slicer.util.updateVolumeFromArray(node, np.linspace(-1000, 1500, 512).astype(np.int16).reshape(8, 8, 8))
        assert training_file(node, tmp_path)[0] == tmp_path / "CT_for_training.nrrd"

    def test_of_a_ct_that_was_moved_is_a_copy_where_the_scene_shows_it(self, session, parameters, tmp_path):
        from SphericalRegLib.io.ct import read_ct
        from SphericalRegLib.scene.ct import ct_from_volume
        from SphericalRegLib.scene.poses import transform_from_pose

        turned = torch.eye(4, dtype=torch.float64)
        turned[:3, 3] = torch.tensor([15.0, -40.0, 25.0])
        turned[:2, :2] = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
        node = parameters.ctVolume
        node.SetName("Mrs. Ångström: CT/1")
        node.SetAndObserveTransformNodeID(transform_from_pose(session.scene, turned, "moves it").GetID())
        path, name = training_file(node, tmp_path / "models")
        assert (path.parent, name) == (tmp_path / "models", "Mrs_Ångström_CT_1")
        read, shown = read_ct(path), ct_from_volume(node)
        np.testing.assert_array_equal(read.hu, shown.hu)
        np.testing.assert_allclose(read.world_from_voxel, shown.world_from_voxel, atol=1e-4)

    def test_the_training_is_for_the_view_and_the_system_of_the_xray(self, session, parameters):
        assert get_args(Preset) == tuple(PRESETS)
        options = training_options(Snapshot.of(stand_with(parameters, preset=choice("PA"))))
        header = pydicom.dcmread(sample_path(f"{NAME}_ap.dcm"))
        assert options["preset"] == "PA"
        assert options["sdd"] == pytest.approx(float(header.DistanceSourceToDetector))
        assert options["sad"] == pytest.approx(float(header.DistanceSourceToPatient))
        assert options["detector_mm"] == pytest.approx(header.Rows * float(header.ImagerPixelSpacing[0]))
        parameters.geometry1.sdd = parameters.geometry1.rowSpacing = 0.0
        left = training_options(Snapshot.of(stand_with(parameters, preset=choice("angles"))))
        assert left == {"preset": "AP"}
