"""A trained model: regressor and encoders in one file, with all that tells what they are for."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.fingerprint import Fingerprint, fingerprint
from SphericalRegLib.networks.checkpoint import load_checkpoint, save_checkpoint
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.networks.regressor import PoseRegressor, half_precision
from SphericalRegLib.networks.volume_network import VolumeNetwork, volume_network

KIND = "model"

#: Networks that a model may hold; the names of their tensors begin with these.
PARTS = ("regressor", "moving", "fixed", "volume_network")

# What makes a part again from its settings in the header.
_MAKERS: dict[str, Callable[..., nn.Module]] = {
    "regressor": PoseRegressor,
    "moving": Encoder,
    "fixed": Encoder,
    "volume_network": lambda kind, **settings: volume_network(kind, **settings),
}


@dataclass(frozen=True)
class ModelCard:
    """What a model is for.

    Attributes:
        name: what the user calls it.
        created: date, ISO 8601.
        version: of SphericalReg.
        intrinsics, height, width, sdd, sad: of the X-ray system, at the size that the regressor sees.
        nominal: (4, 4) rig_from_world of the middle of its poses, for a CT whose isocenter is the origin.
        truth: half widths of the poses, degrees and mm: rotation_deg, in_plane_mm, depth_mm.
        reach: half widths of the starts around them.
        encoder_pixels: along each side of the X-rays that the encoders were trained on.
        manifold: where encoders' features are compared.
        damping: of the Levenberg-Marquardt step that was trained.
        length: mm that count as one radian.
        fingerprint: of the CT; None for a model of many patients.
        intensities: what X-rays were made to look like.
        history: of training: steps, losses, seconds, validation.
    """

    name: str
    created: str
    version: str
    intrinsics: list[list[float]]
    height: int
    width: int
    sdd: float
    sad: float
    nominal: list[list[float]]
    truth: dict[str, float]
    reach: dict[str, float]
    encoder_pixels: int = 32
    manifold: str = "spherical"
    damping: float = 0.1
    length: float = 100.0
    fingerprint: Fingerprint | None = None
    intensities: dict[str, Any] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=dict)

    @property
    def cost_limit(self) -> float | None:
        """Above this learned cost no right pose is expected; None where it was not measured.

        Halfway in proportion (the geometric mean) between the highest cost of held-out X-rays at their truth and the
        median at starts far off; but at least a quarter above the former.
        """
        found = self.history.get("validation", {})
        right, wrong = found.get("cost_at_truth"), found.get("cost_at_start")
        if not right or not wrong:
            return None
        highest = max(right)
        return max(1.25 * highest, math.sqrt(highest * sorted(wrong)[len(wrong) // 2]))

    def view(self) -> View:
        """The X-ray system."""
        return View(torch.tensor(self.intrinsics, dtype=torch.float64), self.height, self.width, self.sdd, sad=self.sad)

    def nominal_pose(self, isocenter: Tensor) -> Tensor:
        """(4, 4) rig_from_world for a CT with its isocenter (3,) there."""
        pose = torch.tensor(self.nominal, dtype=torch.float64)
        pose[:3, 3] -= pose[:3, :3] @ isocenter.to(pose)
        return pose


@dataclass(frozen=True, eq=False)
class Model:
    """Networks in evaluation mode, without gradients; None for one that was not trained.

    Attributes:
        card: what it is for.
        regressor: of poses.
        moving, fixed: encoders of DRRs and X-rays.
        volume_network: Ψ, through which the CT goes before the encoder of DRRs sees it.
    """

    card: ModelCard
    regressor: PoseRegressor | None = None
    moving: Encoder | None = None
    fixed: Encoder | None = None
    volume_network: VolumeNetwork | None = None

    def __post_init__(self) -> None:
        for part in self._parts().values():
            part.requires_grad_(False).eval()

    def to(self, device: torch.device | str) -> Model:
        """The same model, its networks moved to a device."""
        for part in self._parts().values():
            part.to(device)
        return self

    def check_ct(self, volume: Volume) -> None:
        """See that a CT is the one the model was trained for.

        Raises:
            CheckpointError: if it is not; the message says how they differ.
        """
        expected = self.card.fingerprint
        if expected is not None and (difference := expected.difference(fingerprint(volume))) is not None:
            raise CheckpointError(
                f"The model {self.card.name!r} was trained for another CT: {difference}. Train a model for this CT "
                "(sphericalreg train), or register without one."
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it, weights in 16 bits, whole or not at all.

        Raises:
            CheckpointError: where it cannot be written.
            InputError: for weights that do not fit into 16 bits.
        """
        parts = self._parts()
        tensors = {
            f"{name}.{key}": value
            for name, part in parts.items()
            for key, value in half_precision(part.state_dict()).items()
        }
        settings: dict[str, Any] = {name: part.settings for name, part in parts.items()}
        if self.volume_network is not None:
            settings["volume_network"] = {"kind": self.volume_network.kind, **self.volume_network.settings}
        save_checkpoint(path, KIND, tensors, {"card": asdict(self.card), "parts": settings})

    def _parts(self) -> dict[str, nn.Module]:
        return {name: part for name in PARTS if (part := getattr(self, name)) is not None}


def load_model(path: str | os.PathLike[str]) -> Model:
    """A model from its file.

    Raises:
        CheckpointError: for a file that is absent, damaged, newer, no model, or of another architecture.
    """
    tensors, header = load_checkpoint(path, KIND)
    try:
        fields = dict(header["card"])
        if fields.get("fingerprint") is not None:
            seen = fields["fingerprint"]
            fields["fingerprint"] = Fingerprint(tuple(seen["size_mm"]), tuple(seen["density"]))
        card = ModelCard(**fields)
        parts: dict[str, Any] = {str(name): _MAKERS[name](**options) for name, options in header["parts"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"The header of {path} does not describe a model of ours ({error}): train it again."
        ) from error
    for name, part in parts.items():
        state = {key[len(name) + 1 :]: value.float() for key, value in tensors.items() if key.startswith(f"{name}.")}
        try:
            part.load_state_dict(state)
        except RuntimeError as error:
            detail = str(error).splitlines()[-1].strip()
            raise CheckpointError(f"{path} has another architecture than its header says: {detail}") from error
    return Model(card, **parts)
