"""What the panel sets going, on Slicer's real scene (slicer-core), without Qt and with a scheduler turned by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import torch

from SphericalRegLib.control import Cancelled, Failed, Finished, Progressed, State
from SphericalRegLib.control.geometry_fields import fields_from_dicom
from SphericalRegLib.evaluation.metrics import mtre
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.ct import read_ct
from SphericalRegLib.imaging.pose_file import read_pose
from SphericalRegLib.imaging.xray import read_xray
from SphericalRegLib.sample import sample_path
from Testing.Python.control.doubles import Diary, HandTurned
from Testing.Python.module.parameters import stand_in

try:
    import slicer
    import trame_slicer.core as trame_core
except ImportError as error:
    pytest.skip(f"needs Slicer's MRML ({error}): pip install -e '.[scene]'", allow_module_level=True)

NAME = "pelvis_lumbar_3mm"


@pytest.fixture
def scene():
    app = trame_core.SlicerApp()
    yield app.scene
    app.scene.Clear(True)


@pytest.fixture(scope="module")
def truth():
    return read_pose(sample_path(f"{NAME}_ap_truth.json"))


@pytest.fixture(scope="module")
def scan():
    return read_ct(sample_path(f"{NAME}.nii.gz"))


def volume_node(scene, name, kji, world_from_ijk):
    from slicer.util import updateVolumeFromArray

    from SphericalRegLib.scene.matrices import to_vtk

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    updateVolumeFromArray(node, kji)
    node.SetIJKToRASMatrix(to_vtk(world_from_ijk))
    return node


@pytest.fixture
def parameters(scene, scan, truth):
    """The sample, as the panel holds it once it is loaded and filled from DICOM; from near the truth, to be quick."""
    from SphericalRegUI.Preparation import fillGeometry

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
    fillGeometry(made.geometry1, fields)
    return made


@pytest.fixture
def scheduler():
    return HandTurned()


@pytest.fixture
def session(scene, scheduler):
    from SphericalRegUI.Session import Session

    made = Session(scene, scheduler, scheduler)
    yield made
    made.close()


@pytest.fixture
def diary(session):
    diary = Diary()
    session.registration.listen(diary)
    session.survey.listen(diary)
    return diary


def choice(value):
    return SimpleNamespace(value=value)


def node_count(scene):
    return scene.GetNumberOfNodes()


class TestRegistering:
    def test_the_sample_becomes_an_accepted_result_that_is_chosen(
        self, session, scheduler, parameters, diary, truth, scan
    ):
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.poses import pose_from_transform
        from SphericalRegLib.scene.results import record, results

        parameters.method = choice("automatic")
        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        assert len(diary.of(Finished)) == 1, diary.words[-2:]
        node = parameters.currentResult
        assert results(session.scene) == [node]
        assert record(node)["accepted"] is True, record(node)["reasons"]
        corners = scan.world_from_voxel @ np.array([[0, 0, 0, 1], [100, 100, 100, 1]]).T
        assert float(mtre(pose_from_transform(node), truth, torch.from_numpy(corners[:3].T.copy()))) < 1.5
        found = carm_nodes(node)
        assert (found.ct, found.xrays) == (parameters.ctVolume, [parameters.xray1Volume])
        assert found.drrs[0].GetImageData().GetDimensions() == (512, 512, 1)

    def test_a_second_run_leaves_the_first_result_as_it_was(self, session, scheduler, parameters):
        from SphericalRegLib.scene.poses import pose_from_transform
        from SphericalRegLib.scene.results import results

        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        first = parameters.currentResult
        before = pose_from_transform(first)
        parameters.currentPose = first
        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        assert [node.GetID() for node in results(session.scene)] == [first.GetID(), parameters.currentResult.GetID()]
        assert torch.equal(pose_from_transform(first), before)
        assert first.GetName() != parameters.currentResult.GetName()

    def test_the_carm_follows_the_iterations(self, session, scheduler, parameters, diary):
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.poses import pose_from_transform

        drawn = []
        session.onDrawn = lambda node: drawn.append(pose_from_transform(node))
        session.register(parameters, "Registration")
        while len(diary.of(Progressed)) < 12:
            scheduler.turn()
        assert torch.allclose(pose_from_transform(session.preview), diary.of(Progressed)[-1].step.pose, atol=1e-9)
        assert carm_nodes(session.preview).drrs[0] is not None
        assert len(drawn) > 3

    def test_landmarks_start_it_and_tell_its_errors(self, session, scheduler, parameters, truth, diary):
        from SphericalRegLib.scene.landmarks import markups_from_landmarks, markups_on_image
        from SphericalRegLib.scene.results import record

        view = read_xray(sample_path(f"{NAME}_ap.dcm")).view
        points = {
            f"P{n}": p
            for n, p in enumerate(
                np.array([[0, 0, 0], [40, 10, 30], [-50, 20, -30], [20, -30, 60], [-20, 40, 10]], float)
            )
        }
        middle = scene_center(parameters.ctVolume)
        points = {name: p + middle for name, p in points.items()}
        pixels = view.project(torch.tensor(np.array(list(points.values()))), truth[None])[0].numpy()
        parameters.ctLandmarks = markups_from_landmarks(session.scene, points, "CT landmarks")
        parameters.xray1Landmarks = markups_on_image(
            session.scene, dict(zip(points, pixels, strict=True)), parameters.xray1Volume, "X-ray landmarks"
        )
        parameters.method = choice("landmarks")
        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        assert diary.of(Failed) == []
        content = record(parameters.currentResult)
        assert "5 landmarks" in content["settings"]["start"]
        assert len(content["landmarks"]) == 5

    def test_chosen_segments_alone_are_rendered(self, session, scheduler, parameters, scan, diary):
        segmentation, identity = bones_of(session.scene, parameters.ctVolume, scan)
        parameters.segmentation, parameters.segments = segmentation, [identity]
        from SphericalRegUI.Preparation import Snapshot

        inputs = session.preparation.inputs(Snapshot(parameters))
        assert inputs.bones == ["all bone"]
        assert inputs.settings.footprint_mm == 3.0
        whole = session.preparation.scanAndVolume(Snapshot(stand_with(parameters, segments=[])))[1]
        assert float(inputs.volume.density.sum()) < 0.6 * float(whole.density.sum())


def bones_of(scene, ct_node, scan):
    """A segmentation with one segment, of all that is dense."""
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "temporary")
    slicer.util.updateVolumeFromArray(labels, (scan.hu > 300).astype(np.int16))
    labels.CopyOrientation(ct_node)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bones")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
    oriented = slicer.vtkSlicerSegmentationsModuleLogic.CreateOrientedImageDataFromVolumeNode(labels)
    oriented.UnRegister(None)
    identity = segmentation.AddSegmentFromBinaryLabelmapRepresentation(oriented, "all bone")
    scene.RemoveNode(labels)
    return segmentation, identity


def scene_center(volume):
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    return np.array([bounds[0] + bounds[1], bounds[2] + bounds[3], bounds[4] + bounds[5]]) / 2


def stand_with(parameters, **changes):
    return SimpleNamespace(**{**vars(parameters), **changes})


class TestInputsThatCannotBeUsed:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"ctVolume": None}, "no CT: choose one"),
            ({"xray1Volume": None}, "no X-ray: choose one"),
            ({"currentPose": None}, "no current pose"),
            ({"method": choice("landmarks")}, "no landmarks in the CT"),
            ({"device": "abacus"}, "no device 'abacus'"),
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


class TestInMidRun:
    def begin(self, session, scheduler, parameters, diary, steps=6):
        session.register(parameters, "Registration")
        while len(diary.of(Progressed)) < steps:
            scheduler.turn()
        assert session.preview is not None

    def test_cancelling_takes_the_moving_carm_away_with_all_that_belongs_to_it(
        self, session, scheduler, parameters, diary
    ):
        before = node_count(session.scene)
        self.begin(session, scheduler, parameters, diary)
        assert node_count(session.scene) > before
        session.registration.cancel()
        scheduler.run_out()
        assert len(diary.of(Cancelled)) == 1
        # folders of the subject hierarchy node are items, not nodes; the node itself may have been made
        left = node_count(session.scene) - before
        assert left <= 1
        assert parameters.currentResult is None

    @pytest.mark.parametrize("used", ["ctVolume", "xray1Volume"])
    def test_deleting_a_node_in_use_stops_the_run_and_says_so(self, session, scheduler, parameters, diary, used):
        self.begin(session, scheduler, parameters, diary)
        node = getattr(parameters, used)
        assert session.nodeRemoved(node) == node.GetName()
        session.scene.RemoveNode(node)
        scheduler.run_out()
        assert session.registration.state is State.IDLE
        assert len(diary.of(Cancelled)) == 1
        assert diary.of(Failed) == []

    def test_deleting_the_moving_carm_itself_stops_the_run(self, session, scheduler, parameters, diary):
        self.begin(session, scheduler, parameters, diary)
        node = session.preview
        assert session.nodeRemoved(node) == node.GetName()
        session.scene.RemoveNode(node)
        scheduler.run_out()
        assert session.registration.state is State.IDLE
        assert session.preview is None

    def test_deleting_any_other_node_stops_nothing(self, session, scheduler, parameters, diary):
        self.begin(session, scheduler, parameters, diary)
        other = session.scene.AddNewNodeByClass("vtkMRMLTableNode")
        assert session.nodeRemoved(other) is None
        scheduler.run_out(5000)
        assert len(diary.of(Finished)) == 1

    def test_choosing_another_ct_belongs_to_the_next_run(self, session, scheduler, parameters, diary):
        from SphericalRegLib.scene.carm import carm_nodes

        self.begin(session, scheduler, parameters, diary)
        first = parameters.ctVolume
        parameters.ctVolume = session.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "other")
        scheduler.run_out(5000)
        assert carm_nodes(parameters.currentResult).ct is first

    @pytest.mark.parametrize("steps", [0, 6])
    def test_closing_the_scene_stops_everything_and_the_next_run_works(
        self, session, scheduler, parameters, diary, scan, steps
    ):
        if steps:
            self.begin(session, scheduler, parameters, diary, steps)
        else:
            session.register(parameters, "Registration")
        session.sceneCloses()
        session.scene.Clear(False)
        told = len(diary.events)
        scheduler.run_out()
        assert len(diary.events) == told
        assert session.registration.state is State.IDLE
        assert not session.busy

    def test_dragging_is_not_drawn_while_a_registration_runs(self, session, scheduler, parameters, diary):
        near = parameters.currentPose
        node = session.placeCArm(parameters, "C-arm")
        parameters.currentPose = near
        scheduler.run_out()
        drawn = []
        session.onDrawn = lambda one: drawn.append(one.GetID())
        self.begin(session, scheduler, parameters, diary)
        session.poseMoved(parameters, node)
        scheduler.run_out(5000)
        assert node.GetID() not in drawn


class TestPlacingByHand:
    def test_the_carm_stands_at_the_chosen_view_and_is_the_current_pose(self, session, scheduler, parameters):
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.poses import pose_from_transform

        parameters.preset = choice("left lateral")
        node = session.placeCArm(parameters, "C-arm")
        assert parameters.currentPose is node
        beam = pose_from_transform(node)[2, :3]
        # the detector at the patient's left: the beam goes to -x
        assert torch.allclose(beam, torch.tensor([-1.0, 0.0, 0.0], dtype=torch.float64), atol=1e-9)
        scheduler.run_out()
        assert carm_nodes(node).drrs[0] is not None

    def test_dragging_draws_the_newest_pose_once(self, session, scheduler, parameters):
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.detector import array_of
        from SphericalRegLib.scene.poses import pose_from_transform, set_pose

        node = session.placeCArm(parameters, "C-arm")
        scheduler.run_out()
        before = array_of(carm_nodes(node).drrs[0]).copy()
        drawn = []
        session.onDrawn = drawn.append
        center = torch.from_numpy(scene_center(parameters.ctVolume))
        pose = pose_from_transform(node)
        for n in range(1, 6):
            twist = torch.tensor([0, 0, math.radians(4 * n), 0, 0, 0], dtype=torch.float64)
            set_pose(node, se3.about(twist, pose, center))
            session.poseMoved(parameters, node)
            assert len(scheduler.waiting) == 1
        scheduler.run_out()
        assert drawn == [node]
        after = array_of(carm_nodes(node).drrs[0])
        assert np.abs(after - before).max() > 0.5

    def test_a_node_deleted_before_its_turn_is_not_drawn(self, session, scheduler, parameters):
        from SphericalRegLib.scene.carm import remove_carm

        node = session.placeCArm(parameters, "C-arm")
        drawn, said = [], []
        session.onDrawn, session.onMessage = drawn.append, said.append
        remove_carm(node)
        scheduler.run_out()
        assert (drawn, said) == ([], [])

    @pytest.mark.parametrize("why", ["switched off", "no C-arm", "another CT"])
    def test_what_should_not_be_drawn_is_not(self, session, scheduler, parameters, why):
        node = session.placeCArm(parameters, "C-arm")
        scheduler.run_out()
        if why == "switched off":
            parameters.liveRendering = False
        elif why == "no C-arm":
            node = session.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        else:
            parameters.ctVolume = session.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        session.poseMoved(parameters, node)
        assert scheduler.waiting == []

    def test_edges_are_drawn_anew_when_they_are_chosen_after_a_drag(self, session, scheduler, parameters):
        from SphericalRegLib.scene.carm import carm_nodes

        node = session.placeCArm(parameters, "C-arm")
        scheduler.run_out()
        assert carm_nodes(node).bone_drrs[0] is None
        parameters.overlayMode = choice("edges")
        session.overlayChosen(parameters, node)
        scheduler.run_out()
        assert carm_nodes(node).bone_drrs[0] is not None


class TestConverting:
    def test_the_ct_is_converted_once_and_anew_when_it_was_moved_or_edited(self, session, parameters):
        from SphericalRegUI.Preparation import Snapshot

        prepare = lambda: session.preparation.scanAndVolume(Snapshot(parameters))[1]  # noqa: E731
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

    def test_a_calibration_file_replaces_the_fields(self, session, parameters, tmp_path):
        from SphericalRegUI.Preparation import Snapshot

        from SphericalRegLib.errors import InputError
        from SphericalRegLib.geometry.calibration_files import write_json

        view = read_xray(sample_path(f"{NAME}_ap.dcm")).view
        path = tmp_path / "views.json"
        write_json(path, [view])
        parameters.calibrationFile = str(path)
        parameters.geometry1.sdd = 0.0
        (xray,) = session.preparation.xrays(Snapshot(parameters))
        assert xray.view.sdd == view.sdd
        write_json(path, [view, view])
        with pytest.raises(InputError, match="holds 2 views for 1 X-rays"):
            session.preparation.xrays(Snapshot(parameters))


class TestLandscapes:
    def test_one_about_the_result_is_put_into_the_scene_in_degrees(self, session, scheduler, parameters, truth, diary):
        from SphericalRegLib.scene.landscape import landscape_nodes
        from SphericalRegLib.scene.poses import transform_from_pose

        parameters.currentPose = transform_from_pose(session.scene, truth, "pose")
        parameters.firstSteps = parameters.secondSteps = 5
        session.computeLandscape(parameters, "Landscape")
        scheduler.run_out()
        assert diary.of(Failed) == []
        table = parameters.currentLandscape
        assert table.GetTable().GetNumberOfRows() == 25
        assert set(landscape_nodes(table).surfaces) == {"ncc", "tone-free"}

    def test_without_a_pose_it_says_what_to_do(self, session, scheduler, parameters, diary):
        parameters.currentPose = None
        session.computeLandscape(parameters, "Landscape")
        scheduler.run_out()
        assert "register first" in diary.of(Failed)[0].failure.text

    def test_deleting_its_pose_stops_it(self, session, scheduler, parameters, truth, diary):
        from SphericalRegLib.scene.poses import transform_from_pose

        parameters.currentPose = transform_from_pose(session.scene, truth, "pose")
        session.computeLandscape(parameters, "Landscape")
        assert session.nodeRemoved(parameters.currentPose) == "pose"
        assert session.survey.state is State.IDLE


class TestReports:
    def test_one_of_a_result_is_written_and_one_of_a_loaded_result_is_refused(
        self, session, scheduler, parameters, tmp_path
    ):
        from SphericalRegLib.errors import InputError

        session.register(parameters, "Registration")
        scheduler.run_out(5000)
        node = parameters.currentResult
        assert session.canReport(node)
        session.writeReport(node, tmp_path / "report")
        written = {path.name for path in (tmp_path / "report").iterdir()}
        assert {"report.html", "result.json", "pose.tfm"} <= written
        session._registered.clear()
        with pytest.raises(InputError, match="register again"):
            session.writeReport(node, tmp_path / "second")
        assert not (tmp_path / "second").exists()

    def test_a_removed_result_leaves_nothing_behind(self, session, scheduler, parameters):
        from SphericalRegLib.scene.results import results

        session.register(parameters, "Registration")
        before = node_count(session.scene)
        scheduler.run_out(5000)
        session.removeResult(parameters.currentResult)
        assert results(session.scene) == []
        assert node_count(session.scene) - before <= 1
