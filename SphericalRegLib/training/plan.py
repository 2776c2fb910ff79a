"""What is to be trained: the X-ray system, the ranges of poses, and how long."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_preset
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.dense import HEATMAPS
from SphericalRegLib.training.encoders import EncoderSettings
from SphericalRegLib.training.trainer import Schedule

# 1/mm: about 300 HU at the energy of the renderer.
_BONE = 0.03
# Pixels, at the isocenter: finer ones cost time and show networks nothing.
_VOXEL = 1.2


@dataclass(frozen=True)
class Plan:
    """All choices of a training; the defaults are those of the shipped model.

    Attributes:
        sdd, sad: source-to-detector and source-to-isocenter distance, mm.
        detector_mm: side of the square detector.
        pixels: along each side of the images that the regressor sees.
        encoder_pixels: and the encoders. Few pixels and many pairs a step train them best: far from the truth only the
            coarse is alike, and the step's derivatives are so noisy that batches must be large.
        preset: the view in the middle of the poses.
        truth: how far true poses lie from it.
        reach: how far starts lie from the truth, for the encoders.
        randomization: "strong", or "paper" for exactly the published steps at their published probability.
        backbone, backbone_width: of the regressor.
        regressor: its schedule; None: no regressor.
        encoder: settings of the encoders.
        encoders: their schedule; None: no encoders.
        mixed: half precision on CUDA.
        dense: schedule of a network that tells of pixels where they belong, at the regressor's size; None: none.
        dense_kind, dense_width: of that network.
        orientation: (9,) rows of the camera's rotation from the world, in the middle of the poses, in place of the
            preset's; None: the preset's.
    """

    sdd: float = 1000.0
    sad: float = 700.0
    detector_mm: float = 358.4
    pixels: int = 64
    encoder_pixels: int = 32
    preset: str = "AP"
    truth: SearchRange = field(default_factory=lambda: SearchRange(22, 55, 110))
    reach: SearchRange = field(default_factory=lambda: SearchRange(45, 80, 150))
    randomization: str = "strong"
    backbone: str = "resnet18"
    backbone_width: int = 32
    regressor: Schedule | None = field(
        default_factory=lambda: Schedule(steps=5000, batch=32, learning_rate=1e-3, weight_decay=1e-2)
    )
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    encoders: Schedule | None = field(default_factory=lambda: Schedule(steps=2500, batch=64, learning_rate=1e-3))
    mixed: bool = False
    dense: Schedule | None = None
    dense_kind: str = HEATMAPS
    dense_width: int = 8
    orientation: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name, usual in (("pixels", 64), ("encoder_pixels", 32)):
            if (size := getattr(self, name)) < 32 or size % 32:
                raise InputError(f"{name} is {size}: train at a multiple of 32, usually {usual}.")
        if not self.detector_mm > 0:
            raise InputError(f"detector_mm is {self.detector_mm}: give the detector's side in mm, e.g. 358.4.")
        if self.randomization not in ("strong", "paper"):
            raise InputError(f"There is no randomization {self.randomization!r}: choose strong or paper.")
        if self.regressor is None and self.encoders is None and self.dense is None:
            raise InputError("There is nothing to train: give steps to the regressor, to the encoders, or both.")
        self.view()

    def told(self) -> dict[str, Any]:
        """For JSON, as folders and models keep it."""
        told = asdict(self) | {"encoder": self.encoder.told()}
        # as plans were told before there were such networks
        new = {name for name in told if "dense" in name and self.dense is None}
        new |= {"orientation"} if self.orientation is None else set()
        return {name: value for name, value in told.items() if name not in new}

    def view(self, pixels: int | None = None) -> View:
        """The X-ray system, by default at the size that the regressor sees."""
        size = self.pixels if pixels is None else pixels
        spacing = self.detector_mm / size
        return View.from_spacing(size, size, self.sdd, (spacing, spacing), sad=self.sad, name="trained")

    def nominal(self, isocenter: Tensor) -> Tensor:
        """(4, 4) rig_from_world of the preset, or of the orientation, with the isocenter on the central ray."""
        if self.orientation is not None:
            turn = torch.tensor(self.orientation, dtype=torch.float64).view(3, 3)
            middle = torch.tensor([0.0, 0.0, self.sad], dtype=torch.float64)
            return se3.from_parts(turn, middle - turn @ isocenter.double())
        return pose_from_preset(self.preset, self.sad, isocenter)


def prepared_volume(volume: Volume, plan: Plan, pixels: int) -> Volume:
    """A CT with voxels not much larger than a pixel of the training images, at the isocenter.

    Raises:
        InputError: for a CT that holds NaN, or no bone: nothing in its X-rays would tell the pose.
    """
    density = volume.density
    if not bool(torch.isfinite(density).all()):
        raise InputError("The CT holds NaN or infinity: repair it, or export it again, before training.")
    if float(density.sum(0).amax()) < _BONE:
        raise InputError(
            f"The CT holds no bone (densest voxel {float(density.sum(0).amax()):.4f}/mm, bone begins at {_BONE}): "
            "training would not find a pose. Is it in Hounsfield units, and the right series?"
        )
    pixel = _VOXEL * plan.detector_mm / pixels * plan.sad / plan.sdd
    factors = tuple(max(1, round(pixel / float(s))) for s in volume.spacing)
    return volume.coarsened((factors[0], factors[1], factors[2]))
