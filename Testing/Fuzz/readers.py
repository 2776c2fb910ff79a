"""The public readers, as the commands and the panel call them, by the kind of file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from SphericalRegLib.app.models import find_models, read_model_file
from SphericalRegLib.cli.commands.info import describe
from SphericalRegLib.cli.main import main
from SphericalRegLib.errors import InputError
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.labels import read_label_names
from SphericalRegLib.io.landmarks.files import read_landmarks
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.networks.model import load_model

Reader = Callable[[Path, Path], None]


def _ct(path: Path, seeds: Path) -> None:
    try:
        describe(path)
    except InputError:
        read_ct(path, units="hu")
        raise


def _tiff_ct(path: Path, seeds: Path) -> None:
    read_ct(path, spacing=(1.0, 2.0, 3.0), units="hu")


def _xray(path: Path, seeds: Path) -> None:
    try:
        describe(path, frame=0)
    except InputError:
        read_xray(path, frame=0, channel=0, sdd=1200.0, sad=800.0, spacing=(0.5, 0.5))
        raise
    read_xray(path, frame=0, channel=0, sdd=1200.0, sad=800.0, spacing=(0.5, 0.5))


def _labels(path: Path, seeds: Path) -> None:
    read_ct(seeds / "ct.nrrd", labels=path)


def _label_names(path: Path, seeds: Path) -> None:
    read_label_names(path)


def _landmarks(path: Path, seeds: Path) -> None:
    read_landmarks([path], [seeds / "xray.png"])


def _markups(path: Path, seeds: Path) -> None:
    read_landmarks((path, seeds / "on_image.mrk.json"), [seeds / "xray_plain.nrrd"])


def _markups_on_image(path: Path, seeds: Path) -> None:
    read_landmarks((seeds / "points.mrk.json", path), [seeds / "xray_plain.nrrd"])


def _pose(path: Path, seeds: Path) -> None:
    read_pose(path)


def _calibration(path: Path, seeds: Path) -> None:
    describe(path)


def _model(path: Path, seeds: Path) -> None:
    find_models([path.parent])
    try:
        read_model_file(path)
    finally:
        load_model(path)


def _config(path: Path, seeds: Path) -> None:
    try:
        code = main(["info", "--quiet", "--config", str(path)])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 2
    if code == 2:
        raise InputError("refused by the command line")


#: By kind: each reads (mutated file, folder of the valid files).
READERS: dict[str, Reader] = {
    "ct": _ct,
    "tiff ct": _tiff_ct,
    "xray": _xray,
    "labels": _labels,
    "label names": _label_names,
    "landmarks": _landmarks,
    "markups": _markups,
    "markups on image": _markups_on_image,
    "pose": _pose,
    "calibration": _calibration,
    "model": _model,
    "config": _config,
}
