"""Models by their headers, runs with them, what training tells, and packages that are missing."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from importlib import metadata

import pytest
import torch

from SphericalRegLib.app.models import find_models, read_model_file, training_arguments, training_news
from SphericalRegLib.app.packages import NEEDED, already_imported, missing_packages
from SphericalRegLib.app.panel.methods import LEARNED_FIRST, METHODS, Advanced, system_for
from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.imaging.fingerprint import fingerprint
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.networks.checkpoint import save_checkpoint
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.networks.model import Model, ModelCard, load_model
from SphericalRegLib.networks.regressor import PoseRegressor
from SphericalRegLib.registration import Case, Registration
from SphericalRegLib.sample import sample_path

RANGE = {"rotation_deg": 20.0, "in_plane_mm": 40.0, "depth_mm": 80.0}


@pytest.fixture(scope="module")
def a_volume():
    return to_volume(read_ct(sample_path("pelvis_lumbar_3mm.nii.gz")))


@pytest.fixture(scope="module")
def an_xray():
    return read_xray(sample_path("pelvis_lumbar_3mm_ap.dcm"))


@pytest.fixture
def a_model(a_volume):
    """Untrained: it says the nominal pose for every X-ray."""
    torch.manual_seed(0)
    nominal = pose_from_angles(180.0, 0.0, 800.0, torch.zeros(3, dtype=torch.float64))
    card = ModelCard(
        name="Jane",
        created="2026-11-23",
        version="0",
        intrinsics=[[200.0, 0.0, 31.5], [0.0, 200.0, 31.5], [0.0, 0.0, 1.0]],
        height=64,
        width=64,
        sdd=1200.0,
        sad=800.0,
        nominal=nominal.tolist(),
        truth=RANGE,
        reach=RANGE,
        fingerprint=fingerprint(a_volume),
        history={"validation": {"regressed_mtre_mm": [3.0, 9.0, 4.0, 5.0], "cost_at_start": [0.3]}},
    )
    return Model(card, PoseRegressor("resnet18", 32, 64))


@pytest.fixture
def a_file(tmp_path, a_model):
    path = tmp_path / "jane.safetensors"
    a_model.save(path)
    return path


@pytest.fixture
def encoders_file(tmp_path, a_model):
    """A model that has a similarity, untrained, and no regressor."""
    path = tmp_path / "encoders.safetensors"
    encoder = Encoder(4, 16, 1)
    Model(a_model.card, moving=encoder, fixed=encoder).save(path)
    return path


def test_a_file_tells_what_its_card_says(a_file, a_model):
    found = read_model_file(a_file)
    assert (found.name, found.created, found.parts) == ("Jane", "2026-11-23", ("regressor",))
    assert found.poses == "around its nominal view ±20°, ±40 mm, ±80 mm in depth"
    assert found.patient == "one CT of " + " × ".join(f"{s:.0f}" for s in a_model.card.fingerprint.size_mm) + " mm"
    assert found.validation_mm == 4.5
    assert "finds the start" in found.text
    assert "4.5 mm" in found.text


def test_a_model_of_many_patients_says_so(tmp_path, a_model):
    path = tmp_path / "many.safetensors"
    replace(a_model, card=replace(a_model.card, fingerprint=None, history={})).save(path)
    found = read_model_file(path)
    assert (found.patient, found.validation_mm) == ("many patients", None)


@pytest.mark.parametrize(
    "content",
    [b"", b"short", b"\xff" * 64, (2).to_bytes(8, "little") + b"{}"],
    ids=["empty", "short", "noise", "another program's"],
)
def test_files_of_others_are_an_error_and_not_listed(tmp_path, a_file, content):
    other = tmp_path / "other.safetensors"
    other.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"other\.safetensors is no model of SphericalReg"):
        read_model_file(other)
    found = find_models([tmp_path, tmp_path / "absent"])
    assert [model.name for model in found.models] == ["Jane"]


def test_a_checkpoint_of_ours_that_is_no_model_is_not_listed(tmp_path):
    save_checkpoint(tmp_path / "half.safetensors", "training", {"weight": torch.ones(3)}, {})
    assert find_models([tmp_path]) == ([], [])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_one_bad_file_leaves_the_others_listed_and_is_named(tmp_path, a_file):
    whole = a_file.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    outer = json.loads(whole[8 : 8 + length])
    header = json.loads(outer["__metadata__"]["sphericalreg"])

    def written(name, **changes):
        changed = json.dumps({**header, **changes})
        text = json.dumps({**outer, "__metadata__": {"sphericalreg": changed}}).encode()
        (tmp_path / name).write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])

    card = header["card"]
    written("a_huge.safetensors", card={**card, "fingerprint": {"size_mm": [10**400] * 3, "density": [0] * 512}})
    written("b_list.safetensors", card=[1, 2])
    written("c_range.safetensors", card={**card, "truth": {"rotation_deg": 10**400, "in_plane_mm": 1, "depth_mm": 1}})
    written("d_plan.safetensors", card={**card, "history": {"plan": "AP"}})
    written("e_parts.safetensors", parts=7)
    written("f_newer.safetensors", version=99)
    (tmp_path / "g_nested.safetensors").write_bytes((100_000).to_bytes(8, "little") + b"[" * 100_000)
    (tmp_path / "h_latin.safetensors").write_bytes((4).to_bytes(8, "little") + b'"\xe4"\n')
    (tmp_path / "i_folder.safetensors").mkdir()
    (tmp_path / "j_link.safetensors").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "k_pipe.safetensors")
    found = find_models([tmp_path])
    assert [model.name for model in found.models] == ["Jane"]
    for letter, problem in zip("abcdefghijk", found.problems, strict=True):
        assert f"{letter}_" in problem


class TestRunsWithAModel:
    LEARNED = Advanced(similarity=LEARNED_FIRST)

    @staticmethod
    def begun(system, case):
        """With its first step done, so that it knows its starts."""
        registration = Registration(case, system)
        next(iter(registration))
        return registration

    def test_begin_with_its_pose(self, a_file, a_model, a_volume, an_xray):
        case = Case(a_volume, [an_xray], model=load_model(a_file))
        registration = self.begun(system_for("automatic", model=True), case)
        assert registration.origin == "the model 'Jane'"
        nominal, first = a_model.card.nominal_pose(a_volume.center), registration.starts.poses[0]
        # an untrained head says about nothing
        assert math.degrees(math.acos(float(((first[:3, :3] @ nominal[:3, :3].T).trace() - 1) / 2))) < 10
        assert registration.system.stages == system_for("automatic").stages

    def test_of_another_ct_are_refused(self, a_file, a_volume, an_xray):
        other = replace(a_volume, density=a_volume.density[:, : a_volume.density.shape[1] // 2])
        with pytest.raises(CheckpointError, match="another CT"):
            Registration(Case(other, [an_xray], model=load_model(a_file)), system_for("automatic", model=True))

    @pytest.mark.parametrize("preset", ["AP", None])
    def test_align_by_its_similarity_first_where_that_is_chosen(self, encoders_file, a_volume, an_xray, preset):
        plain, learned = (system_for("automatic", model=True, advanced=one) for one in (None, self.LEARNED))
        case = Case(a_volume, [an_xray], preset=preset, model=load_model(encoders_file))
        before, after = self.begun(plain, case), self.begun(learned, case)
        assert torch.equal(after.starts.poses, before.starts.poses)
        assert [s.name for s in learned.stages] == ["learned", *(s.name for s in plain.stages[1:])]
        assert after.origin == f"{before.origin}, then the learned similarity of the model 'Jane'"
        assert after.notes == ()
        # and without it nothing of this model is used
        assert "Nothing of the model 'Jane' was used" in before.notes[0]

    @pytest.mark.parametrize("method", METHODS)
    def test_every_method_can_align_by_its_similarity_first(self, encoders_file, a_volume, an_xray, method):
        plain, learned = (system_for(method, model=True, advanced=one) for one in (None, self.LEARNED))
        assert [s.name for s in learned.stages] == ["learned", *(s.name for s in plain.stages[1:])]
        assert learned.initializer == plain.initializer
        assert learned.stages[-1] == plain.stages[-1]
        Registration(Case(a_volume, [an_xray], preset="AP", model=load_model(encoders_file)), learned)

    @pytest.mark.parametrize("method", METHODS)
    def test_bones_are_never_aligned_by_it(self, encoders_file, a_volume, an_xray, method):
        learned = system_for(method, bones=True, model=True, advanced=self.LEARNED)
        case = Case(a_volume, [an_xray], whole=a_volume, preset="AP", model=load_model(encoders_file))
        with pytest.raises(InputError, match="compares whole CTs"):
            Registration(case, learned)

    def test_cannot_align_by_a_similarity_that_is_not_there_or_another_patients(
        self, a_file, encoders_file, a_volume, an_xray
    ):
        learned = system_for("search", model=True, advanced=self.LEARNED)
        with pytest.raises(CheckpointError, match="'Jane' has no encoders"):
            Registration(Case(a_volume, [an_xray], model=load_model(a_file)), learned)
        other = replace(a_volume, density=a_volume.density[:, : a_volume.density.shape[1] // 2])
        with pytest.raises(CheckpointError, match="another CT"):
            Registration(Case(other, [an_xray], model=load_model(encoders_file)), learned)


class TestTraining:
    def test_its_command_is_one_that_the_command_line_knows(self):
        from SphericalRegLib.cli.main import main

        arguments = training_arguments(
            "python",
            "ct.nii",
            "out.safetensors",
            "old.safetensors",
            "cpu",
            {"preset": "left lateral", "sdd": 1200.0, "sad": 800.0, "detector_mm": 300.5},
        )
        assert (arguments[0], arguments[1], arguments[3]) == ("python", "-c", "train")
        assert "--start" in arguments
        assert "--start" not in training_arguments("python", "ct.nii", "out.safetensors")
        # the CT does not exist: it gets as far as reading it, so every option was understood
        with pytest.raises(SystemExit) as end:
            sys.exit(main([*arguments[3:-2], "--quiet"]))
        assert end.value.code == 2

    def test_its_process_finds_this_library_whatever_the_environment_says(self, tmp_path):
        arguments = training_arguments(sys.executable, str(tmp_path / "no.nii"), str(tmp_path / "m.safetensors"))
        nowhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(arguments, cwd=tmp_path, env=nowhere, capture_output=True, text=True, timeout=200)
        assert done.returncode == 2
        assert "no.nii" in done.stderr

    def test_its_news_are_those_of_the_lines(self):
        progress = {
            "phase": "regressor",
            "step": 20,
            "steps": 100,
            "done": 0.15,
            "loss": 0.5,
            "seconds": 7.0,
            "seconds_left": 130.0,
            "validation_mm": None,
            "notice": "",
        }
        later = {**progress, "step": 30, "done": 0.2, "loss": 0.25, "validation_mm": 12.34}
        news = training_news(["Reading ...", json.dumps(progress), json.dumps(later), "{broken"])
        assert news.done == 0.2
        assert news.losses == (("regressor", 0.5), ("regressor", 0.25))
        assert news.text == "{broken"
        news = training_news([json.dumps(later)])
        assert news.text == "regressor, step 30 of 100: loss 0.250, 2 min left; held-out X-rays 12.3 mm"

    def test_silence_is_no_news(self):
        news = training_news([])
        assert (news.done, news.losses, news.text) == (None, (), "")

    def test_the_figures_at_its_end_are_no_progress(self):
        assert training_news(['{"model": "a.safetensors", "bytes": 3}']).done is None


def test_missing_packages_are_named_as_they_are_installed(monkeypatch):
    assert missing_packages() == []
    monkeypatch.setitem(NEEDED, "no_such_package_at_all", ("no-such", "1"))
    assert missing_packages(["cv2", "no_such_package_at_all"]) == ["no-such"]
    assert missing_packages()[-1] == "no-such"


@pytest.mark.parametrize(
    ("found", "missing"), [("2.4.4", True), ("3.0.0", False), ("3", False), ("3.1.0rc1", False), ("10.0", False)]
)
def test_packages_that_are_too_old_count_as_missing(found, missing, monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda package: found)
    assert missing_packages(["pydicom"]) == (["pydicom"] if missing else [])


def test_packages_that_are_imported_already_are_told(monkeypatch):
    monkeypatch.setitem(NEEDED, "no_such_package_at_all", ("no-such", "1"))
    assert already_imported(["no-such", "numpy", "opencv-python-headless"])[0] == "numpy"
    assert "no-such" not in already_imported(["no-such"])


def test_what_a_panel_needs_at_first_imports_nothing_heavy():
    """The panel loads, and says what is missing, on a Slicer without torch."""
    modules = "controller events failure job latest_wins state child_process geometry_fields methods models packages"
    code = "import sys\n" + "".join(f"import SphericalRegLib.app.{name}\n" for name in modules.split())
    code += "print(sorted({'torch', 'numpy', 'scipy', 'numba', 'cv2', 'SimpleITK', 'pydicom'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
