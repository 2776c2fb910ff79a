"""The choices of a panel at one moment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from SphericalRegLib.app.panel.filling import Filling, typed_fields
from SphericalRegLib.app.panel.geometry_fields import ViewFields
from SphericalRegLib.app.panel.methods import Advanced
from SphericalRegLib.app.panel.packs import read_pack

#: A node of the scene, or None where none is chosen.
Choice = Any


@dataclass(frozen=True)
class Snapshot:
    """The choices at the moment when Register was pressed: what is changed afterwards belongs to the next run.

    Fields are the panel's parameters by the same names (:mod:`packs`); ``filled`` is what headers filled in of each
    geometry (:mod:`filling`).
    """

    ct_volume: Choice
    segmentation: Choice
    xray1_volume: Choice
    xray2_volume: Choice
    ct_landmarks: Choice
    xray1_landmarks: Choice
    xray2_landmarks: Choice
    truth: Choice
    current_pose: Choice
    segments: tuple[str, ...]
    geometry1: ViewFields
    geometry2: ViewFields
    filled: tuple[str, str]
    calibration_file: str
    calibration_file2: str
    preset: str
    method: str
    device: str
    model_file: str
    advanced: Advanced

    @staticmethod
    def of(parameters: Any) -> Snapshot:
        """Of a parameter node, or of anything with its parameters."""
        return read_pack(
            Snapshot,
            parameters,
            # of a segmentation that is not chosen any more
            segments=tuple(parameters.segments) if parameters.segmentation else (),
            advanced=read_pack(Advanced, parameters),
            filled=(parameters.geometry1.filled, parameters.geometry2.filled),
        )

    @property
    def xray_volumes(self) -> list[Any]:
        """One or two volume nodes."""
        return [node for node in (self.xray1_volume, self.xray2_volume) if node is not None]

    @property
    def view_fields(self) -> list[ViewFields]:
        """The geometry of each chosen X-ray."""
        return [self.geometry1, self.geometry2][: len(self.xray_volumes)]

    @property
    def typed(self) -> list[set[str]]:
        """Of each chosen X-ray, the fields of its geometry that the user typed."""
        pairs = zip(self.view_fields, self.filled, strict=False)
        return [typed_fields(fields, Filling.from_text(text)) for fields, text in pairs]

    @property
    def calibration_paths(self) -> list[Path]:
        """The calibration file, or one for each X-ray; empty where none was chosen."""
        return [Path(name) for name in (self.calibration_file, self.calibration_file2) if name]

    @property
    def nodes_in_use(self) -> list[Any]:
        """Nodes whose removal stops a run."""
        return [node for node in (getattr(self, name) for name in CHOSEN_NODES) if node is not None]


#: The fields that hold a node.
CHOSEN_NODES = tuple(field.name for field in fields(Snapshot) if field.type == "Choice")


@dataclass(frozen=True)
class LandscapeChoices:
    """What a landscape is of: two pose parameters, how far and in how many steps, similarities, size of the images."""

    first_parameter: str
    first_extent: float
    first_steps: int
    second_parameter: str
    second_extent: float
    second_steps: int
    landscape_size: int
    compared_similarities: tuple[str, ...]

    @staticmethod
    def of(parameters: Any) -> LandscapeChoices:
        """Of a parameter node, or of anything with its parameters."""
        return read_pack(LandscapeChoices, parameters, compared_similarities=tuple(parameters.comparedSimilarities))
