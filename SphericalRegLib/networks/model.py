"""A trained model: regressor and encoders in one file, with all that tells what they are for."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from SphericalRegLib.checkpoint_header import check_card
from SphericalRegLib.errors import CheckpointError, GeometryError, InputError
from SphericalRegLib.geometry.view import View, is_rigid
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.fingerprint import Fingerprint, fingerprint
from SphericalRegLib.networks.checkpoint import load_checkpoint, save_checkpoint
from SphericalRegLib.networks.dense import DenseNetwork
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.networks.pairs import PairNetwork, pair_network
from SphericalRegLib.networks.part_settings import check_settings
from SphericalRegLib.networks.regressor import PoseRegressor, half_precision
from SphericalRegLib.networks.volume_network import VolumeNetwork, volume_network

KIND = "model"

#: Networks that a model may hold; the names of their tensors begin with these.
PARTS = ("regressor", "moving", "fixed", "volume_network", "pair", "dense")

# Small whatever their bounded settings say, and made of constants that have to be computed.
_BUILT_AT_ONCE = ("volume_network",)
# What makes a part again from its settings in the header.
_MAKERS: dict[str, Callable[..., nn.Module]] = {
    "regressor": PoseRegressor,
    "moving": Encoder,
    "fixed": Encoder,
    "volume_network": lambda kind, **settings: volume_network(kind, **settings),
    "pair": lambda kind, **settings: pair_network(kind, **settings),
    "dense": DenseNetwork,
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
        dense: what tells of pixels where they belong in the patient.
        pair: a network of both images, in place of encoders: the learned similarity of another method.
    """

    card: ModelCard
    regressor: PoseRegressor | None = None
    moving: Encoder | None = None
    fixed: Encoder | None = None
    volume_network: VolumeNetwork | None = None
    pair: PairNetwork | None = None
    dense: DenseNetwork | None = None

    def __post_init__(self) -> None:
        for part in self._parts().values():
            part.requires_grad_(False).eval()

    @property
    def learns_similarity(self) -> bool:
        """Whether it says how unlike a DRR and an X-ray are: by encoders, or by a network of both."""
        return self.pair is not None or (self.moving is not None and self.fixed is not None)

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
    card = _card(header.get("card"), str(path))
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{path} is damaged: the weights {name} are not finite. Copy or train it again.")
    parts = header.get("parts")
    if not isinstance(parts, dict) or not set(parts) <= set(PARTS):
        raise CheckpointError(f"{path} does not describe a model of ours: its parts are {str(parts)[:200]}.")
    built = {name: _built(name, options, tensors, str(path)) for name, options in parts.items()}
    return Model(card, **built)


def _card(content: Any, path: str) -> ModelCard:
    fields = check_card(content, path)
    if (seen := fields.get("fingerprint")) is not None:
        fields["fingerprint"] = Fingerprint(tuple(seen["size_mm"]), tuple(seen["density"]))
    card = ModelCard(**fields)
    try:
        card.view()
    except GeometryError as error:
        raise CheckpointError(f"{path} does not describe a model of ours: {error}") from error
    if not is_rigid(torch.tensor(card.nominal, dtype=torch.float64)):
        raise CheckpointError(
            f"{path} does not describe a model of ours: nominal is {card.nominal}, which is not rigid."
        )
    return card


def _built(name: str, options: Any, tensors: Mapping[str, Tensor], path: str) -> Any:
    """A part with its weights; its settings are believed only as far as they fit the tensors that are there.

    Raises:
        CheckpointError: for settings that are none, or tensors of other names and shapes than they ask for.
    """
    weights = {key[len(name) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{name}.")}
    try:
        check_settings(options)
        if name not in _BUILT_AT_ONCE:
            with torch.device("meta"):  # shapes alone, without memory
                _compare(_MAKERS[name](**options), weights, name, path)
        part = _MAKERS[name](**options)
    except (InputError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not describe a model of ours: its {name} cannot be built with {str(options)[:200]} "
            f"({str(error)[:200]}). Train it again."
        ) from error
    _compare(part, weights, name, path)
    part.load_state_dict({key: value.float() for key, value in weights.items()})
    return part


def _compare(part: nn.Module, weights: Mapping[str, Tensor], name: str, path: str) -> None:
    expected = {key: tuple(value.shape) for key, value in part.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in weights.items()}
    for key in sorted(set(expected) | set(found)):
        if expected.get(key) != found.get(key):
            raise CheckpointError(
                f"{path} has another architecture than its header says: {name}.{key} is {found.get(key, 'absent')} "
                f"there, {expected.get(key, 'absent')} by its settings."
            )
        if not weights[key].is_floating_point():
            raise CheckpointError(f"{path} has another architecture: {name}.{key} holds {weights[key].dtype}.")
