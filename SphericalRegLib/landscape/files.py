"""Landscapes in files: CSV for spreadsheets, .npz with all that is needed to draw or measure one again."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np

from SphericalRegLib import __version__
from SphericalRegLib.errors import InputError
from SphericalRegLib.landscape.grid import Axis
from SphericalRegLib.landscape.survey import Landscape
from SphericalRegLib.whole_file import write_whole


def write_csv(path: str | Path, landscape: Landscape) -> None:
    """One line a pose: both parameters (with their unit in the heading) and each cost; empty where there is none.

    Raises:
        InputError: where the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    axes = (landscape.first, landscape.second)
    writer.writerow([*(f"{axis.parameter}_{axis.unit}" for axis in axes), *landscape.names])
    for i, a in enumerate(landscape.first.values.tolist()):
        for j, b in enumerate(landscape.second.values.tolist()):
            costs = landscape.values[:, i, j].tolist()
            writer.writerow([a, b, *("" if np.isnan(cost) else cost for cost in costs)])
    write_whole(path, text.getvalue())


def write_npz(path: str | Path, landscape: Landscape) -> None:
    """All of a landscape; :func:`read_npz` gives it back.

    Keys: ``values`` (S, N, M) with rows for the first parameter; ``names``; ``parameters``, ``units`` and ``extents``
    of both axes, ``first`` (N,) and ``second`` (M,) their values; ``pose_rig_from_world_ras_mm``, ``isocenter_ras_mm``,
    ``camera_from_rig_mm``, ``mm_per_radian``, ``gauss_newton_conditions`` (S,), ``version``.

    Raises:
        InputError: where the file cannot be written.
    """
    buffer = io.BytesIO()
    axes = (landscape.first, landscape.second)
    np.savez_compressed(
        buffer,
        values=landscape.values,
        names=np.array(landscape.names),
        parameters=np.array([axis.parameter for axis in axes]),
        units=np.array([axis.unit for axis in axes]),
        extents=np.array([axis.extent for axis in axes]),
        first=landscape.first.values,
        second=landscape.second.values,
        pose_rig_from_world_ras_mm=landscape.pose,
        isocenter_ras_mm=landscape.isocenter,
        camera_from_rig_mm=landscape.camera_from_rig,
        mm_per_radian=np.array(landscape.length),
        gauss_newton_conditions=landscape.conditions,
        version=np.array(__version__),
    )
    write_whole(path, buffer.getvalue())


def read_npz(path: str | Path) -> Landscape:
    """The landscape in a file that :func:`write_npz` made.

    Raises:
        InputError: for a file that is not there, is damaged or is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            (first, second), (wide, high) = stored["parameters"].tolist(), stored["extents"].tolist()
            values = stored["values"]
            return Landscape(
                first=Axis(first, wide, values.shape[1]),
                second=Axis(second, high, values.shape[2]),
                names=tuple(stored["names"].tolist()),
                values=values,
                pose=stored["pose_rig_from_world_ras_mm"],
                isocenter=stored["isocenter_ras_mm"],
                camera_from_rig=stored["camera_from_rig_mm"],
                length=float(stored["mm_per_radian"]),
                conditions=stored["gauss_newton_conditions"],
            )
    # the last three: an array file, another's keys, or other shapes
    except (OSError, EOFError, zipfile.BadZipFile, ValueError, TypeError, KeyError, IndexError) as error:
        raise InputError(f"{path} is no landscape that can be read: {error}. Compute it again.") from None
