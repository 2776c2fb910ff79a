"""``sphericalreg info``: what each kind of file is, where its numbers come from, and all that is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK
import torch

from SphericalRegLib.cli.main import main
from SphericalRegLib.io.transform_file import write_transform
from SphericalRegLib.sample import sample_path
from Testing.Python.io import builders


def told(capsys: pytest.CaptureFixture[str], *files: object, code: int = 0) -> dict[str, Any]:
    """The facts of one or several files."""
    assert main(["info", *map(str, files), "--json", "-q"]) == code
    facts = json.loads(capsys.readouterr().out)
    return dict(facts[str(files[0])]) if len(files) == 1 else dict(facts)


def pixels(*shape: int) -> np.ndarray:
    return np.arange(int(np.prod(shape)), dtype=np.uint16).reshape(shape)


def test_every_number_of_an_xray_comes_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    sample = sample_path("pelvis_lumbar_3mm_ap.dcm")
    facts = told(capsys, sample)
    assert facts["source_to_detector_from"] == "DistanceSourceToDetector (0018,1110)"
    assert facts["spacing_row_column_from"] == "ImagerPixelSpacing (0018,1164)"
    assert facts["pixels"] == "12 bits, unsigned, MONOCHROME2, Explicit VR Little Endian"
    assert (facts["missing"], facts["notes"]) == ("nothing", [])
    assert main(["info", str(sample), "-q"]) == 0
    text = capsys.readouterr().out
    assert "1200 mm, from DistanceSourceToDetector (0018,1110)" in text
    assert "180°, 0°, from PositionerPrimaryAngle (0018,1510)" in text


def test_all_that_is_missing_is_named_at_once_with_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = {"DistanceSourceToDetector": None, "DistanceSourceToPatient": None, "ImagerPixelSpacing": None}
    facts = told(capsys, builders.write_xray(tmp_path / "x.dcm", pixels(40, 30), **bare))
    for words in ("DistanceSourceToDetector", "--sdd", "ImagerPixelSpacing", "--spacing", "--sad", "--angles"):
        assert words in facts["missing"]
    assert facts["source_to_detector_mm"] is None
    assert facts["spacing_row_column_mm"] is None


def test_an_implausible_distance_is_noted_with_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tags = {"DistanceSourceToDetector": 120, "DistanceSourceToPatient": 80, "ImagerPixelSpacing": [1, 1]}
    facts = told(capsys, builders.write_xray(tmp_path / "x.dcm", pixels(40, 30), **tags))
    assert facts["source_to_detector_mm"] == 120
    assert facts["notes"] == [
        "The source-to-detector distance is 120 mm (DistanceSourceToDetector (0018,1110)), which no X-ray room has (it "
        "may be in cm): give --sdd in mm, usually 900 to 1500."
    ]


def test_a_run_tells_its_frames_and_the_angles_of_the_first_and_the_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = builders.write_xray(
        tmp_path / "x.dcm",
        pixels(5, 40, 30),
        PositionerPrimaryAngle=180,
        PositionerSecondaryAngle=0,
        PositionerPrimaryAngleIncrement="-4.5",
    )
    facts = told(capsys, run)
    assert facts["frames"] == 5
    assert facts["carm_angles_of_first_and_last_frame_deg"] == [[180, 0], [162, 0]]
    assert "--frame 0 to --frame 4" in facts["notes"][-1]
    assert main(["info", str(run), "--json", "--quiet", "--frame", "2"]) == 0
    assert json.loads(capsys.readouterr().out)[str(run)]["carm_primary_and_secondary_deg"] == [171, 0]


@pytest.mark.parametrize(("modality", "words"), [("MR", "magnetic"), ("SEG", "segment"), ("RTSTRUCT", "contours")])
def test_other_modalities_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], modality: str, words: str
) -> None:
    facts = told(capsys, builders.write_xray(tmp_path / "x.dcm", pixels(6, 8), Modality=modality))
    assert words in facts["kind"]
    assert "not read" in facts["missing"]


def test_a_tiff_of_several_pages_may_be_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = told(capsys, builders.write_itk(tmp_path / "ct.tif", pixels(7, 256, 8)))
    assert facts["pages"] == 7
    assert facts["kind"] == "a CT or frames of an X-ray"
    for words in ("--ct_spacing", "--ct_axes", "--frame", "--view"):
        assert words in facts["missing"]


def a_ct(rng: np.random.Generator) -> np.ndarray:
    """(K, J, I) HU with air, soft tissue and bone."""
    hu = np.full((8, 20, 20), -1000.0)
    hu[:, 4:16, 4:16] = 40
    hu[:, 8:12, 8:12] = 700
    return hu + rng.normal(0, 15, hu.shape)


class TestStacks:
    """Several pictures in one file: slices, or frames."""

    def test_hounsfield_units_make_a_tiff_a_ct(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = builders.write_itk(tmp_path / "ct.tif", a_ct(np.random.default_rng(0)).astype(np.int16))
        facts = told(capsys, file)
        assert facts["kind"] == "CT"
        assert facts["kind_from"].startswith("as it has 8 pictures and values from -10")
        assert "--ct_spacing" in facts["missing"]
        assert "--frame" not in facts["missing"]
        assert main(["info", str(file), "-q", "--json", "--ct-spacing", "0.8,0.8,1.5"]) == 0
        read = json.loads(capsys.readouterr().out)[str(file)]
        assert read["spacing_ijk_mm"] == [0.8, 0.8, 1.5]
        assert read["kind_from"].startswith("as it has 8 slices, voxels of 0.8 × 0.8 × 1.5 mm, and values from -10")

    @pytest.mark.parametrize("name", ["ct.tif", "ct.nrrd"])
    def test_air_and_tissue_1024_apart_make_a_ct(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stored = np.clip(a_ct(np.random.default_rng(0)) + 1024, 0, None).astype(np.uint16)
        file = builders.write_itk(tmp_path / name, stored)
        facts = told(capsys, file, code=2 if name.endswith(".nrrd") else 0)
        assert facts["kind"] == "CT"
        assert "HU + 1024" in facts["kind_from"]
        assert "--ct_rescale" in facts["missing"] + facts.get("error", "")

    def test_pictures_of_8_bits_are_frames(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        values = np.random.default_rng(0).integers(0, 256, (5, 20, 30)).astype(np.uint8)
        for name in ("run.tif", "run.mha"):
            file = builders.write_itk(tmp_path / name, values)
            facts = told(capsys, file)
            assert facts["kind"] == "frames of an X-ray"
            assert "8 bits" in facts["kind_from"]
            assert "--frame" in facts["missing"]
            assert main(["info", str(file), "-q", "--json", "--frame", "3"]) == 0
            chosen = json.loads(capsys.readouterr().out)[str(file)]
            assert (chosen["kind"], chosen["frame"], chosen["rows_and_columns"]) == ("X-ray", 3, [20, 30])
            assert chosen["kind_from"].startswith("as --frame is given")

    def test_what_lies_apart_is_a_ct_even_where_its_values_are_none(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        values = np.random.default_rng(0).random((4, 20, 256), dtype=np.float32) * 5
        image = SimpleITK.GetImageFromArray(values)
        for spacing, kind in (((0.7, 0.7, 2.5), "CT"), ((1.0, 1.0, 1.0), "a CT or frames of an X-ray")):
            image.SetSpacing(spacing)
            SimpleITK.WriteImage(image, str(tmp_path / "stack.nrrd"))
            facts = told(capsys, tmp_path / "stack.nrrd", code=2)
            assert facts["kind"] == kind
            assert "does not look like Hounsfield units" in facts["error"]

    def test_pictures_smaller_than_any_detector_are_slices(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        facts = told(capsys, builders.write_itk(tmp_path / "bone.tif", pixels(12, 45, 65)))
        assert facts["kind"] == "CT"
        assert facts["kind_from"] == "as it has 12 pictures of 45 × 65 pixels, fewer than any detector has"

    def test_a_volume_that_is_read_says_by_what_it_is_a_ct(self, capsys: pytest.CaptureFixture[str]) -> None:
        facts = told(capsys, sample_path("pelvis_lumbar_3mm.nii.gz"))
        assert re.fullmatch(
            r"as it has 112 slices, voxels of 3 × 3 × 3 mm, and values from -\d+ to \d+", facts["kind_from"]
        )
        assert main(["info", str(sample_path("pelvis_lumbar_3mm.nii.gz")), "-q"]) == 0
        assert re.search(r"kind +CT, as it has 112 slices", capsys.readouterr().out)

    def test_a_slice_of_a_ct_is_doubted_as_an_xray(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = builders.write_itk(tmp_path / "slice.tif", a_ct(np.random.default_rng(0))[4].astype(np.int16))
        facts = told(capsys, file)
        assert facts["kind"] == "X-ray"
        assert "look like Hounsfield units" in facts["notes"][0]

    def test_a_volume_with_values_that_are_not_finite_is_refused_for_that(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        values = a_ct(np.random.default_rng(0)).astype(np.float32)
        values[2, 3, 4] = np.nan
        assert "not finite" in told(capsys, builders.write_itk(tmp_path / "ct.nrrd", values), code=2)["error"]


def test_a_mask_is_not_taken_for_an_xray(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = builders.write_itk(tmp_path / "mask.tif", (pixels(6, 8) > 20).astype(np.uint8) * 255)
    assert "mask" in told(capsys, mask)["notes"][0]


def test_what_is_not_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "femur.stl").write_bytes(b"solid femur")
    (tmp_path / "calibration.txt").write_text("JT_INTCALIB\n1198\n0\n0\n0.373\n")
    facts = told(capsys, tmp_path / "femur.stl", tmp_path / "calibration.txt")
    assert facts[str(tmp_path / "femur.stl")]["kind"] == "surface"
    assert "--sdd" in facts[str(tmp_path / "calibration.txt")]["missing"]


def test_files_around_a_registration_are_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_transform(tmp_path / "pose.tfm", torch.eye(4, dtype=torch.float64))
    (tmp_path / "l.json").write_text(json.dumps({"a": {"world_ras_mm": [1, 2, 3], "pixel": [4, 5]}}))
    point = {"label": "tip", "position": [1, 2, 3]}
    markups = {"markups": [{"coordinateSystem": "LPS", "controlPoints": [point]}]}
    (tmp_path / "p.mrk.json").write_text(json.dumps(markups))
    assert told(capsys, tmp_path / "pose.tfm")["rig_from_world_ras_mm"] == np.eye(4).tolist()
    assert told(capsys, tmp_path / "l.json")["names"] == ["a"]
    assert told(capsys, tmp_path / "p.mrk.json")["names"] == ["tip"]
    assert told(capsys, sample_path("pelvis_lumbar_3mm_labels.nii.gz"))["labels"] == list(range(1, 23))
    assert told(capsys, sample_path("pelvis_lumbar_3mm_labels.json"))["labels"]["8"] == "sacrum"
    assert "view_1" in told(capsys, sample_path("pelvis_lumbar_3mm_ap_truth.json"))
    model = told(capsys, sample_path("pelvis_lumbar_3mm_model.safetensors"))
    assert (model["trained_for"], model["finds_the_start"]) == ("one CT", True)


def test_an_unreadable_file_does_not_hide_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.nrrd").write_text("no image")
    sample = sample_path("pelvis_lumbar_3mm_ap.dcm")
    facts = told(capsys, tmp_path / "broken.nrrd", tmp_path / "absent.dcm", sample, code=2)
    assert "broken.nrrd" in facts[str(tmp_path / "broken.nrrd")]["error"]
    assert "absent.dcm" in facts[str(tmp_path / "absent.dcm")]["error"]
    assert facts[str(sample)]["kind"] == "X-ray"


def test_notes_of_an_xrays_file_are_among_the_cautions_of_a_registration(
    case: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = pydicom.dcmread(case.xray)
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(tmp_path / "x.dcm")
    arguments = ["register", "--ct", case.ct, "--xray", str(tmp_path / "x.dcm"), "--truth", case.truth]
    assert main([*arguments, "--output", str(tmp_path / "out")]) in (0, 3)
    assert "x.dcm: BurnedInAnnotation (0028,0301) is YES" in capsys.readouterr().err
    cautions = json.loads((tmp_path / "out" / "result.json").read_text())["cautions"]
    assert any("BurnedInAnnotation" in caution for caution in cautions)


def test_a_picture_without_tags_needs_its_geometry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = SimpleITK.GetImageFromArray(np.random.default_rng(0).random((40, 30), dtype=np.float32))
    SimpleITK.WriteImage(image, str(tmp_path / "x.nrrd"))
    facts = told(capsys, tmp_path / "x.nrrd")
    assert facts["rows_and_columns"] == [40, 30]
    assert "--sdd" in facts["missing"]
