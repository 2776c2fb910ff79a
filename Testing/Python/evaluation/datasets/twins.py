"""Synthetic twins of the data sets: a few hundred kilobytes in exactly their layout, simulated at known poses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_preset
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.calibration_files import write_json
from SphericalRegLib.rendering import render

ROWS, COLUMNS = 32, 40
SPACING = np.array([1.1, 0.9, 1.3])
ORIGIN_LPS = np.array([-31.0, 17.0, 5.0])
SDD, SAD, PIXEL = 200.0, 140.0, 1.2
LPS = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64))
TURN = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))
SAMPLES = 96


@dataclass(frozen=True)
class Truth:
    """What a twin was written from.

    ``view`` is of the image as it should be given, ``shown`` its attenuation.
    """

    view: View
    pose: Tensor
    shown: Tensor
    marks: dict[str, tuple[float, float]]


def phantom(size: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """HU (K, J, I) of a soft ball with a bright marker off its middle, and its world_from_voxel, RAS."""
    grid = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), -1)
    middle = (size - 1) / 2
    hu = np.full((size,) * 3, -1000.0, np.float32)
    hu[((grid - middle) ** 2).sum(-1) < (0.42 * size) ** 2] = 40
    hu[((grid - np.array([9, 15, 7])) ** 2).sum(-1) < 9] = 1200
    hu[12:20, 5:8, 14:17] = 800
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag(SPACING)
    matrix[:3, 3] = ORIGIN_LPS
    return hu, LPS.numpy() @ matrix


def landmarks(matrix: np.ndarray) -> dict[str, Tensor]:
    """World RAS mm."""
    voxels = {
        "FH-l": [7, 15, 9],
        "FH-r": [15, 6, 15],
        "ASIS-l": [5, 8, 20],
        "ASIS-r": [18, 18, 4],
        "SPS-l": [12, 3, 11],
    }
    return {
        name: torch.from_numpy(matrix[:3, :3] @ np.array(voxel, float) + matrix[:3, 3])
        for name, voxel in voxels.items()
    }


def truth(index: int, mirrored: bool = True) -> Truth:
    """Frame ``index``: the pose is the AP view turned and moved a little, the principal point off the middle."""
    hu, matrix = phantom()
    volume = to_volume(CT(hu, matrix), crop=False)
    focal = SDD / PIXEL
    k = torch.tensor([[focal, 0, 21.3], [0, -focal if mirrored else focal, 13.6], [0, 0, 1]], dtype=torch.float64)
    view = View(k, ROWS, COLUMNS, SDD, sad=None)
    nominal = pose_from_preset("AP", SAD, volume.center)
    twist = torch.tensor([0.2 * index, -0.1 * index, 0.15, 2.0 * index, -1.5, 4.0], dtype=torch.float64)
    pose = se3.about(twist, nominal, volume.center)
    points = landmarks(matrix)
    seen = view.project(torch.stack(list(points.values())), pose)
    marks = {name: (float(u), float(v)) for name, (u, v) in zip(points, seen, strict=True)}
    return Truth(view, pose, render(volume, view, pose[None], samples=SAMPLES)[0, 0], marks)


def intensity(shown: Tensor) -> np.ndarray:
    """Raw detector values of line integrals."""
    return (60000 * torch.exp(-shown)).numpy().astype(np.float32)


def file_camera(view: View, pose: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """K with negative focal lengths and camera_from_lps (z to the source), as xReg writes them."""
    return (-view.intrinsics @ TURN[:3, :3]).numpy(), (TURN @ pose @ LPS).numpy()


def write_deepfluoro(path: Path, flagged: int | None = 1, marks_turned: bool = False, **changes: Any) -> list[Truth]:
    """A specimen with three frames, one of them flagged; returns their truths, the flagged one's as it is displayed.

    Args:
        path: of the file.
        flagged: which frame.
        marks_turned: whether the flagged frame's marks are stored turned already.
        changes: {place in the file: what stands there instead}; None deletes it.
    """
    import h5py

    hu, matrix = phantom()
    rng = np.random.default_rng(3)
    extrinsic = se3.exp(torch.from_numpy(np.r_[rng.normal(0, 0.3, 3), rng.normal(0, 20, 3)])[None])[0].numpy()
    truths = [truth(n) for n in range(3)]
    with h5py.File(path, "w") as file:
        k, _ = file_camera(truths[0].view, truths[0].pose)
        shared = {"extrinsic": extrinsic, "intrinsic": k, "num-rows": ROWS, "num-cols": COLUMNS}
        for key, value in {**shared, "pixel-row-spacing": PIXEL, "pixel-col-spacing": PIXEL}.items():
            file[f"proj-params/{key}"] = value
        for place, pixels in (("vol", hu), ("vol-seg/image", (hu > 500).astype(np.uint8))):
            file[f"17-1882/{place}/pixels"] = pixels
            file[f"17-1882/{place}/spacing"] = SPACING[:, None]
            file[f"17-1882/{place}/origin"] = ORIGIN_LPS[:, None]
            file[f"17-1882/{place}/dir-mat"] = np.eye(3)
        file["17-1882/vol-seg/labels-def/1"] = "left hemipelvis"
        for name, point in landmarks(matrix).items():
            file[f"17-1882/vol-landmarks/{name}"] = (point.numpy() * [-1, -1, 1])[:, None]
        for number, one in enumerate(truths):
            place = f"17-1882/projections/{number:03d}"
            _, camera_from_lps = file_camera(one.view, one.pose)
            file[f"{place}/image/pixels"] = intensity(one.shown)
            file[f"{place}/gt-poses/cam-to-pelvis-vol"] = np.linalg.inv(np.linalg.inv(extrinsic) @ camera_from_lps)
            file[f"{place}/rot-180-for-up"] = int(number == flagged)
            for name, (u, v) in one.marks.items():
                turned = marks_turned and number == flagged
                mark = (COLUMNS - 1 - u, ROWS - 1 - v) if turned else (u, v)
                file[f"{place}/gt-landmarks/{name}"] = np.array(mark)[:, None]
        change(file, changes)
    return [turned_truth(one) if number == flagged else one for number, one in enumerate(truths)]


def change(file: Any, changes: dict[str, Any]) -> None:
    """Replace or delete what stands at places of a file."""
    for place, value in changes.items():
        del file[place]
        if value is not None:
            file[place] = value


def turned_truth(one: Truth) -> Truth:
    """The same frame as it is displayed, turned by 180°."""
    flip = torch.tensor([[-1.0, 0, COLUMNS - 1], [0, -1, ROWS - 1], [0, 0, 1]], dtype=torch.float64)
    view = View(flip @ one.view.intrinsics, ROWS, COLUMNS, SDD)
    marks = {name: (COLUMNS - 1 - u, ROWS - 1 - v) for name, (u, v) in one.marks.items()}
    return Truth(view, one.pose, one.shown.flip(0, 1), marks)


def write_ljubljana(path: Path, **changes: Any) -> list[Truth]:
    """A patient with an anteroposterior and a lateral frame; vessels alone, stored (x, y, z)."""
    import h5py

    hu, matrix = phantom()
    vessels = np.where(hu > 500, hu + 1500, 300).astype(np.float32)
    points = torch.stack(list(landmarks(matrix).values())).numpy() * [-1, -1, 1]
    truths = []
    with h5py.File(path, "w") as file:
        file["subject01/volume/pixels"] = vessels.transpose(2, 1, 0)
        file["subject01/volume/spacing"], file["subject01/volume/origin"] = SPACING, ORIGIN_LPS
        file["subject01/points"] = points
        for number, name in enumerate(("proj-ap-max", "proj-lat-max")):
            one = truth(2 * number)
            from SphericalRegLib.geometry.volume import Volume

            density = torch.from_numpy(np.maximum(vessels - 1000, 0))[None] * 2e-5
            shown = render(Volume(density, torch.from_numpy(matrix)), one.view, one.pose[None], samples=SAMPLES)[0, 0]
            truths.append(Truth(one.view, one.pose, shown, {}))
            k, extrinsic = file_camera(one.view, one.pose)
            place = f"subject01/{name}"
            file[f"{place}/pixels"], file[f"{place}/intrinsic"] = intensity(shown), k
            file[f"{place}/extrinsic"] = extrinsic
            file[f"{place}/row-spacing"] = file[f"{place}/col-spacing"] = PIXEL
        change(file, changes)
    return truths


def write_spine(root: Path, name: str, oblique: bool = False, other_grid: bool = False, group: str = "COLONOG") -> None:
    """A CT with two labelled vertebrae, as NIfTI."""
    shape = (20, 24, 28)
    hu = np.full(shape, -1000, np.int16)
    hu[2:18, 3:21, 3:25] = 30
    labels = np.zeros(shape, np.uint8)
    for label, top in ((19, 12), (20, 4)):
        # a body, and behind it (towards P, +y of LPS) a process and two wings
        labels[top : top + 5, 8:14, 10:18] = label
        labels[top + 1 : top + 3, 14:19, 13:15] = label
        labels[top + 1 : top + 3, 14:16, 6:22] = label
    hu[labels > 0] = 700
    direction = np.eye(3)
    if oblique:
        c, s = np.cos(0.2), np.sin(0.2)
        direction = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    for kind, values, end in (("volumes", hu, ""), ("labels", labels, "_seg")):
        image = SimpleITK.GetImageFromArray(values)
        image.SetSpacing((1.5, 1.5, 2.0))
        image.SetOrigin((3.7, -20.0, 4.0) if not (other_grid and end) else (3.2, -20.0, 4.0))
        image.SetDirection(direction.ravel().tolist())
        folder = root / "raw_data" / kind / group
        folder.mkdir(parents=True, exist_ok=True)
        SimpleITK.WriteImage(image, str(folder / f"{name}{end}.nii.gz"))


def write_folder(root: Path, patient: str = "anna") -> list[Truth]:
    """A patient with two frames in the plain layout; returns their truths."""
    hu, matrix = phantom()
    lps = LPS.numpy() @ matrix
    place = root / patient
    (place / "xrays").mkdir(parents=True)
    for name, values in (("ct", hu), ("labels", (hu > 500).astype(np.uint8))):
        image = SimpleITK.GetImageFromArray(values)
        image.SetSpacing(np.diag(lps)[:3].tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        SimpleITK.WriteImage(image, str(place / f"{name}.nii.gz"))
    (place / "labels.json").write_text('{"1": "marker"}')
    points = landmarks(matrix)
    truths = [truth(n, mirrored=False) for n in range(2)]
    for number, one in enumerate(truths):
        stem = place / "xrays" / f"x{number}"
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(one.shown.numpy()), f"{stem}.nrrd")
        write_json(f"{stem}.json", [one.view], one.pose)
        rows = [f"{n},{','.join(map(repr, points[n].tolist()))},{u!r},{v!r}" for n, (u, v) in one.marks.items()]
        stem.with_suffix(".csv").write_text("\n".join(["name,x,y,z,u,v", *rows]))
    return truths
