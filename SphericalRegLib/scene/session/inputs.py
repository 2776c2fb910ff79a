"""From what a panel holds to what the engine takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.app.jobs.registration_job import Inputs
from SphericalRegLib.app.panel.calibration import views_for
from SphericalRegLib.app.panel.cases import case_for
from SphericalRegLib.app.panel.geometry_fields import nominal, views_of
from SphericalRegLib.app.panel.methods import LEARNED_FIRST, system_for
from SphericalRegLib.app.panel.snapshot import Snapshot
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.nominal import NominalGeometry
from SphericalRegLib.geometry.tolerance import GeometryTolerance, Tolerance
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.tone import Tone
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import starts_of
from SphericalRegLib.initialization.landmarks import match_by_name
from SphericalRegLib.networks.model import Model, load_model
from SphericalRegLib.registration import Case
from SphericalRegLib.registration.systems import SYSTEMS
from SphericalRegLib.scene.landmarks import landmarks_from_markups, pixels_from_markups
from SphericalRegLib.scene.nodes import Node
from SphericalRegLib.scene.poses import pose_from_transform
from SphericalRegLib.scene.session.converted_ct import ConvertedCT
from SphericalRegLib.scene.session.input_checks import image_size
from SphericalRegLib.scene.xray import xray_from_volume

#: ({name: world mm}, for each view {name: pixel}).
Landmarks = tuple[Mapping[str, np.ndarray], Sequence[Mapping[str, np.ndarray]]]


def xrays_of(snapshot: Snapshot) -> list[XRay]:
    """The X-rays with their views in one rig.

    Raises:
        InputError, GeometryError: for what is missing or cannot be used.
    """
    volumes, fields = snapshot.xray_volumes, snapshot.view_fields
    if not volumes:
        raise InputError("There is no X-ray: choose one under Inputs.")
    if snapshot.xray1_volume is None:
        raise InputError("X-ray 2 is chosen and X-ray 1 is not: choose the first one first.")
    views: Sequence[View]
    geometries: Sequence[NominalGeometry | None]
    if snapshot.calibration_paths:
        views = views_for(snapshot.calibration_paths, len(volumes))
        geometries = [None] * len(volumes)
    else:
        sizes = [image_size(node) or (0, 0) for node in volumes]
        views = [
            replace(view, tolerance=_tolerance(view, typed, snapshot.advanced.typed_tolerance))
            for view, typed in zip(
                views_of(fields, sizes, [node.GetName() for node in volumes]), snapshot.typed, strict=True
            )
        ]
        geometries = [nominal(one, view) for one, view in zip(fields, views, strict=True)]
    return [
        xray_from_volume(node, view, cast(Tone, one.tone), geometry=geometry)
        for node, view, one, geometry in zip(volumes, views, fields, geometries, strict=True)
    ]


def _tolerance(view: View, typed: set[str], percent: float) -> Tolerance:
    """How well a view is known: what was typed to so many percent, what a header told exactly."""
    return GeometryTolerance().of(
        view.sdd,
        view.spacing,
        sdd_typed="sdd" in typed,
        spacing_typed=bool(typed & {"row_spacing", "column_spacing"}),
        unstated=percent / 100,
    )


def landmarks_of(snapshot: Snapshot) -> Landmarks:
    """The landmarks in the CT and in the chosen X-rays."""
    points = landmarks_from_markups(snapshot.ct_landmarks) if snapshot.ct_landmarks else {}
    images = snapshot.xray_volumes
    marked = (snapshot.xray1_landmarks, snapshot.xray2_landmarks)[: len(images)]
    return points, [
        pixels_from_markups(marks, image) if marks else {} for marks, image in zip(marked, images, strict=True)
    ]


def matched_landmarks(snapshot: Snapshot) -> Landmarks:
    """As :func:`landmarks_of`, before any work is spent.

    Raises:
        InputError: for names in an X-ray that the CT lacks.
    """
    points, pixels = landmarks_of(snapshot)
    for seen in pixels:
        match_by_name(points, seen)
    return points, pixels


def view_pose(snapshot: Snapshot, volume: Volume, xrays: Sequence[XRay]) -> Tensor:
    """(4, 4) rig_from_world of the chosen view."""
    case = _case(snapshot, "search", volume, xrays, landmarks_of(snapshot))
    return starts_of(SYSTEMS["search"].initializer, case).poses[0]


def inputs_of(snapshot: Snapshot, converted: ConvertedCT, landmarks: Landmarks | None = None) -> Inputs:
    """All that a registration job takes.

    Args:
        snapshot: what is chosen.
        converted: the CT.
        landmarks: as :func:`matched_landmarks` gives them; read here where they are not given.

    Raises:
        SphericalRegError: for what is missing or cannot be used; the message says what to do.
    """
    advanced = snapshot.advanced
    landmarks = landmarks or matched_landmarks(snapshot)
    if advanced.similarity == LEARNED_FIRST and not snapshot.model_file:
        raise InputError(
            "The learned similarity needs a model: choose one under Model, or another similarity under Advanced."
        )
    scan, volume = converted.chosen(snapshot)
    xrays = xrays_of(snapshot)
    bones, device = bool(snapshot.segments), volume.density.device
    model = load_model(snapshot.model_file).to(device) if snapshot.model_file else None
    # a model knows whole CTs
    whole = to_volume(replace(scan, labels=None)).to(device) if bones and model is not None else None
    return Inputs(
        scan=scan,
        case=_case(snapshot, snapshot.method, volume, xrays, landmarks, whole, model),
        system=system_for(snapshot.method, bones, model is not None, advanced),
        conditions=advanced.conditions,
        bones=sorted(scan.label_names.values()) if bones else None,
        truth=_pose(snapshot.truth),
        points=_targets(snapshot, scan, landmarks[0]),
    )


def _case(
    snapshot: Snapshot,
    method: str,
    volume: Volume,
    xrays: Sequence[XRay],
    landmarks: Landmarks,
    whole: Volume | None = None,
    model: Model | None = None,
) -> Case:
    points, pixels = landmarks
    return case_for(
        method,
        volume,
        xrays,
        whole=whole,
        model=model,
        preset=snapshot.preset,
        current=_pose(snapshot.current_pose),
        points=points,
        pixels=pixels,
    )


def _pose(node: Node) -> Tensor | None:
    return None if node is None else pose_from_transform(node)


def _targets(snapshot: Snapshot, scan: CT, points: Mapping[str, np.ndarray]) -> Tensor | None:
    """(N, 3) points at which errors against the truth are told: those of bones, else landmarks, else the CT."""
    if snapshot.truth is None or scan.labels is not None:
        return None
    if not points:
        raise InputError(
            "A true pose is chosen, but no points to tell errors at: choose bones or landmarks in the CT, or no true "
            "pose."
        )
    return torch.from_numpy(np.array(list(points.values())))
