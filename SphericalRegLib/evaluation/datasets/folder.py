"""A folder of one's own CTs, X-rays and poses. No licence but its owner's; nothing is written to it.

    DATA/
      dataset.yaml              optional: tone, bones, licence
      PATIENT/
        ct.nii.gz               or .nii, .nrrd, .mha; or ct/ with a DICOM series
        labels.nii.gz           optional, on the CT's grid; labels.json gives the names
        xrays/
          NAME.dcm              or .png, .tif, .tiff, .nrrd, .mha
          NAME.json             its geometry and true pose, as `sphericalreg simulate --truth` writes them
          NAME.csv              optional: landmarks, name,x,y,z,u,v (world RAS mm, pixels)

``dataset.yaml`` may say ``tone`` (intensity, inverted or attenuation: what the pixels of all X-rays are, where their
files do not tell), ``bones`` (a list of labels that are registered) and ``licence`` (a text for reports).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.evaluation.datasets.contract import Frame, Subject
from SphericalRegLib.evaluation.datasets.landmark_check import check_marks
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.tone import TONES
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.calibration_files import read_json
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.landmarks.table import read_table
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.text_files import read_text

_CT_ENDS = (".nii.gz", ".nii", ".nrrd", ".mha")
_XRAY_ENDS = (".dcm", ".png", ".tif", ".tiff", ".nrrd", ".mha")
_SETTINGS = "dataset.yaml"
# mm: one landmark has one place in a patient
_SAME_PLACE_MM = 1e-3


@dataclass(frozen=True)
class Folder:
    """See the module.

    Args:
        path: the folder DATA.

    Raises:
        InputError: for a folder without a patient, or settings that are none.
    """

    path: str

    def __post_init__(self) -> None:
        if not Path(self.path).is_dir():
            raise InputError(f"There is no folder {self.path}: check the path.")
        self._settings()
        if not self.names:
            raise InputError(
                f"{self.path} holds no patient: a folder for each, with a CT named ct ({', '.join(_CT_ENDS)}, or a "
                "folder with a DICOM series)."
            )

    @property
    def names(self) -> Sequence[str]:
        """Of the patients: folders that hold a CT."""
        folders = sorted(one for one in Path(self.path).iterdir() if one.is_dir())
        return tuple(one.name for one in folders if _file(one, "ct", _CT_ENDS) is not None)

    @property
    def notes(self) -> Sequence[str]:
        """The licence, and folders that hold no CT."""
        told = []
        if licence := self._settings().get("licence"):
            told.append(f"licence: {licence}")
        known = set(self.names)
        others = sorted(one.name for one in Path(self.path).iterdir() if one.is_dir() and one.name not in known)
        if others:
            told.append(f"folders without a CT are passed over: {', '.join(others)}")
        return told

    def subject(self, name: str) -> Subject:
        """See :class:`~SphericalRegLib.evaluation.datasets.contract.Dataset`."""
        if name not in self.names:
            raise InputError(f"{self.path} has no patient {name!r}: it has {', '.join(self.names)}.")
        settings, place = self._settings(), Path(self.path) / name
        points: dict[str, Tensor] = {}
        frames = []
        for image in _images(place / "xrays"):
            frame, own = _frame(image, settings.get("tone"))
            for landmark, point in own.items():
                known = points.setdefault(landmark, point)
                if float((known - point).norm()) > _SAME_PLACE_MM:
                    raise InputError(
                        f"{image.with_suffix('.csv')}: the landmark {landmark!r} lies at {point.tolist()} mm, in "
                        f"another file of {name} at {known.tolist()}: a landmark has one place in a patient."
                    )
            frames.append(frame)
        bones = settings.get("bones")
        ct = _file(place, "ct", _CT_ENDS)
        assert ct is not None
        labels = _file(place, "labels", _CT_ENDS)
        if bones and labels is None:
            raise InputError(f"{place} has no labels, and {_SETTINGS} names the bones {bones}: add labels.nii.gz.")
        return Subject(
            name,
            partial(_read_ct, ct, labels, place / "labels.json"),
            points,
            tuple(frames),
            bones=tuple(bones) if bones else None,
        )

    def _settings(self) -> Mapping[str, Any]:
        path = Path(self.path) / _SETTINGS
        if not path.is_file():
            return {}
        try:
            settings = yaml.safe_load(read_text(path)) or {}
        except yaml.YAMLError as error:
            raise InputError(f"{path} is no YAML ({str(error)[:200]}).") from None
        if not isinstance(settings, dict):
            raise InputError(f"{path} is no table: tone, bones and licence may stand there.")
        if unknown := sorted(str(key) for key in set(settings) - {"tone", "bones", "licence"}):
            raise InputError(f"{path} has the keys {', '.join(unknown)}: tone, bones and licence may stand there.")
        if settings.get("tone") not in (None, *TONES):
            raise InputError(f"{path}: tone is {settings['tone']!r}: choose from {', '.join(TONES)}.")
        bones = settings.get("bones")
        if bones is not None and not (isinstance(bones, list) and all(type(one) is int and one > 0 for one in bones)):
            raise InputError(f"{path}: bones is {bones!r}: give a list of labels, whole numbers above 0.")
        return settings


def _frame(image: Path, tone: Any) -> tuple[Frame, dict[str, Tensor]]:
    """A frame, and the points that its landmarks are."""
    geometry = image.with_suffix(".json")
    if not geometry.is_file():
        raise InputError(
            f"{image} has no {geometry.name} beside it, which tells its geometry and its true pose: write one with "
            "`sphericalreg simulate --truth`, or by the layout in the README."
        )
    calibration = read_json(geometry)
    if len(calibration.views) != 1 or calibration.pose is None:
        raise GeometryError(
            f"{geometry} holds {len(calibration.views)} views and {'no' if calibration.pose is None else 'a'} pose: "
            "give one view of this X-ray and its true pose (rig_from_world_ras_mm)."
        )
    (stored,) = calibration.views
    pose = stored.camera_from_rig @ calibration.pose
    view = View(stored.intrinsics, stored.height, stored.width, stored.sdd, sad=stored.sad, name=image.stem)
    table = image.with_suffix(".csv")
    points: dict[str, Tensor] = {}
    marks: dict[str, tuple[float, float]] = {}
    notes: tuple[str, ...] = ("no landmarks: its pose could not be checked",)
    if table.is_file():
        world, pixels = read_table(table)
        points = {name: torch.tensor(place, dtype=torch.float64) for name, place in world.items()}
        marks = {name: (place[0], place[1]) for name, place in pixels.items()}
        check_marks(str(table), view, pose, points, marks)
        notes = ()
    return Frame(image.stem, view, pose, marks, partial(_read_xray, image, view, tone), notes=notes), points


def _read_xray(path: Path, view: View, tone: Any) -> XRay:
    return read_xray(path, view, intensity=tone or "auto")


def _read_ct(path: Path, labels: Path | None, names: Path) -> CT:
    return read_ct(path, labels, names if labels is not None and names.is_file() else None)


def _file(folder: Path, stem: str, ends: Sequence[str]) -> Path | None:
    """The one file of a stem.

    Raises:
        InputError: where there are two.
    """
    found = [folder / f"{stem}{end}" for end in ends if (folder / f"{stem}{end}").is_file()]
    if (folder / stem).is_dir():
        found.append(folder / stem)
    if len(found) > 1:
        raise InputError(f"{folder} holds {' and '.join(one.name for one in found)}: which is it? Leave one out.")
    return found[0] if found else None


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = sorted(one for one in folder.iterdir() if one.suffix.lower() in _XRAY_ENDS)
    stems = [one.stem for one in found]
    if doubled := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise InputError(f"{folder} holds two images named {doubled[0]}: leave one out.")
    return found
