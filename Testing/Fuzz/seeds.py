"""Small valid files of every kind that the public readers take; the same bytes each time."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import SimpleITK
import torch

from SphericalRegLib.geometry.view import View
from SphericalRegLib.io.calibration_files import write_autoscoper, write_json
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.networks.model import Model, ModelCard
from SphericalRegLib.networks.regressor import PoseRegressor
from Testing.Fuzz import dicom_seeds


@dataclass(frozen=True)
class Seed:
    """A valid file.

    Attributes:
        kind: of :data:`Testing.Fuzz.readers.READERS`.
        path: of the file that is mutated; files beside it in a folder of its own belong to it.
        alone: whether it needs no file beside it.
    """

    kind: str
    path: Path
    alone: bool = True


def make_seeds(folder: Path) -> list[Seed]:
    """Write all of them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *_volumes(folder),
        *_pictures(folder),
        *[Seed("xray", path) for path in dicom_seeds.xrays(folder)],
        Seed("ct", dicom_seeds.enhanced_ct(folder / "ct_enhanced.dcm")),
        *[Seed("ct", path, alone=False) for path in dicom_seeds.series(folder / "series")],
        *_texts(folder),
        *_transforms(folder),
        *_models(folder),
    ]


def _ct_image() -> SimpleITK.Image:
    _, j, i = np.mgrid[:6, :8, :10]
    hu = np.where((i - 5) ** 2 + (j - 4) ** 2 < 12, 300, -1000) + np.random.default_rng(0).integers(-20, 20, i.shape)
    image = SimpleITK.GetImageFromArray(hu.astype(np.int16))
    image.SetSpacing((0.8, 0.9, 2.5))
    image.SetOrigin((-10.0, 20.0, 30.0))
    image.SetDirection((0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))
    return image


def _volumes(folder: Path) -> list[Seed]:
    image = _ct_image()
    seeds = []
    for name, compressed in (
        ("ct.nrrd", False), ("ct_gz.nrrd", True), ("ct.nhdr", False), ("ct.mha", False), ("ct_z.mha", True),
        ("ct.mhd", False), ("ct.nii", False), ("ct.nii.gz", True),
    ):  # fmt: skip
        alone = not name.endswith((".nhdr", ".mhd"))
        path = folder / name if alone else folder / f"of_{name}" / name
        path.parent.mkdir(exist_ok=True)
        SimpleITK.WriteImage(image, str(path), useCompression=compressed)
        seeds.append(Seed("ct", path, alone))
    SimpleITK.WriteImage(SimpleITK.Cast(image, SimpleITK.sitkFloat32), str(folder / "ct_float.nii"))
    SimpleITK.WriteImage(image, str(folder / "pages.tif"))
    labels = SimpleITK.Cast(image > 0, SimpleITK.sitkUInt8)
    for key, value in {"Segment0_LabelValue": "1", "Segment0_Name": "bone", "Segment0_Layer": "0"}.items():
        labels.SetMetaData(key, value)
    SimpleITK.WriteImage(labels, str(folder / "labels.seg.nrrd"))
    SimpleITK.WriteImage(labels, str(folder / "labels.nii.gz"))
    return [
        *seeds,
        Seed("ct", folder / "ct_float.nii"),
        Seed("tiff ct", folder / "pages.tif"),
        Seed("labels", folder / "labels.seg.nrrd"),
        Seed("labels", folder / "labels.nii.gz"),
    ]


def _pictures(folder: Path) -> list[Seed]:
    gray = np.random.default_rng(1).integers(0, 4000, (20, 24)).astype(np.uint16)
    small = (gray >> 4).astype(np.uint8)
    names = []
    for name, pixels in (
        ("xray.png", gray), ("xray_8.png", small), ("xray_color.png", np.stack([small] * 3, axis=-1)),
        ("xray.tif", gray), ("xray_8.tif", small), ("xray_8.jpg", small), ("xray_8.bmp", small),
    ):  # fmt: skip
        cv2.imwrite(str(folder / name), pixels)
        names.append(name)
    plain = SimpleITK.GetImageFromArray(gray.astype(np.float32))
    for name in ("xray_plain.nrrd", "xray_plain.mha", "xray_float.tif"):
        SimpleITK.WriteImage(plain, str(folder / name))
        names.append(name)
    return [Seed("xray", folder / name) for name in names]


def _texts(folder: Path) -> list[Seed]:
    points = {"L4": [1.0, 2.0, 3.0], "L5": [4.5, -5.0, 6e1], "S1": [7.0, 8.0, -9.25]}
    table = "name,x,y,z,u,v\n" + "".join(f"{n},{x},{y},{z},10.5,7\n" for n, (x, y, z) in points.items())
    both = {name: {"world_ras_mm": place, "pixel": [10.5, 7]} for name, place in points.items()}
    controls = [{"id": n, "label": n, "position": p, "positionStatus": "defined"} for n, p in points.items()]
    markups = {"markups": [{"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": controls}]}
    pixels = [{**point, "position": [2.0 + n, 3.0 + n, 0.0]} for n, point in enumerate(controls)]
    on_image = {"markups": [{**markups["markups"][0], "controlPoints": pixels}]}
    fcsv = "# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n# columns = id,x,y,z,ow,ox,oy,oz,vis,sel"
    fcsv += ",lock,label,desc,associatedNodeID\n"
    fcsv += "".join(f"{n},{x},{y},{z},0,0,0,1,1,1,0,{n},,\n" for n, (x, y, z) in points.items())
    view = View.from_spacing(20, 24, 1200.0, (0.5, 0.5), sad=800.0)
    write_json(folder / "views.json", [view, view], torch.eye(4, dtype=torch.float64))
    from_rig = torch.eye(4, dtype=torch.float64)
    from_rig[2, 3] = 800.0
    write_autoscoper(folder / "camera.txt", replace(view, camera_from_rig=from_rig))
    contents = {
        "landmarks.csv": ("landmarks", table),
        "landmarks.json": ("landmarks", json.dumps(both, indent=1)),
        "points.mrk.json": ("markups", json.dumps(markups, indent=1)),
        "on_image.mrk.json": ("markups on image", json.dumps(on_image, indent=1)),
        "points.fcsv": ("markups", fcsv),
        "names.json": ("label names", json.dumps({"1": "sacrum", "2": "L5"})),
        "pose.json": ("pose", json.dumps({"rig_from_world_ras_mm": np.eye(4).tolist()}, indent=1)),
        "options.yaml": ("config", f"file:\n- {folder / 'views.json'}\nframe: 0\njson: true\nquiet: true\n"),
    }
    for name, (_, text) in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    seeds = [Seed(kind, folder / name) for name, (kind, _) in contents.items()]
    return [*seeds, Seed("calibration", folder / "views.json"), Seed("calibration", folder / "camera.txt")]


def _transforms(folder: Path) -> list[Seed]:
    euler = SimpleITK.Euler3DTransform((10.0, 20.0, 30.0), 0.3, -0.2, 0.5, (1.0, 2.0, 3.0))
    names = ("pose.tfm", "pose.h5", "pose.mat")
    affine = SimpleITK.AffineTransform(3)
    affine.SetMatrix(euler.GetMatrix())
    affine.SetTranslation((5.0, 6.0, 700.0))
    for name in names:
        SimpleITK.WriteTransform(euler if name == "pose.tfm" else affine, str(folder / name))
    return [Seed("pose", folder / name) for name in names]


def _models(folder: Path) -> list[Seed]:
    torch.manual_seed(0)
    lengths = {"rotation_deg": 20.0, "in_plane_mm": 40.0, "depth_mm": 80.0}
    card = ModelCard(
        "seed", "2026-01-01", "0", [[200.0, 0.0, 15.5], [0.0, 200.0, 15.5], [0.0, 0.0, 1.0]], 32, 32, 1200.0, 800.0,
        torch.eye(4).tolist(), lengths, lengths, history={"validation": {"regressed_mtre_mm": [3.0, 4.0]}},
    )  # fmt: skip
    encoder = Encoder(4, 16, 1)
    Model(card, moving=encoder, fixed=encoder).save(folder / "encoders.safetensors")
    Model(card, PoseRegressor("posenet", 8, 32)).save(folder / "regressor.safetensors")
    return [Seed("model", folder / "encoders.safetensors"), Seed("model", folder / "regressor.safetensors")]
