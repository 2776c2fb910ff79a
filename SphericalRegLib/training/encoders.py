"""Trains a pair of encoders ξm and ξf, and a volume network Ψ, on what an optimizer makes of their similarity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3, so4
from SphericalRegLib.geometry.view import View
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.networks.pairs import PAIR_NETWORKS
from SphericalRegLib.networks.volume_network import VOLUME_NETWORKS, VolumeNetwork, volume_network
from SphericalRegLib.similarity.learned import LearnedSimilarity
from SphericalRegLib.similarity.least_squares import Residual
from SphericalRegLib.similarity.manifolds import MANIFOLDS
from SphericalRegLib.training.losses import gradient_loss, gradient_of_distance, learned_step, step_loss
from SphericalRegLib.training.pairs import Pairs, PairSampler
from SphericalRegLib.training.trainer import Schedule, Trainer

# Of Ψ's kernels, in pixels at the isocenter: two voxels of the coarsened CT (``plan.prepared_volume``).
_RADIUS = 2.4

#: The encoders ξ of this project, where other networks can stand.
OWN = "encoders"

#: What encoders can be trained for: the LM step; the gradient's directions, of rotation and of translation apart; or
#: the gradient literally as published, by either distance between poses.
LOSSES = ("step", "gradient directions", "gradient se3", "gradient so4", "gradient so4 projected")


@dataclass(frozen=True)
class EncoderSettings:
    """How encoders are made and compared.

    Attributes:
        manifold: where features are compared, by name.
        loss: from :data:`LOSSES`. The gradient's directions learn fastest, but end farther off after a whole training.
        unrolled: Levenberg-Marquardt steps that each pair takes; the loss is the mean over them.
        shared: whether DRR and X-ray have one encoder. It learns several times as fast as two
            (Testing/Benchmarks/paper_ablation.py).
        channels: of each encoder's features.
        width: of each encoder's transformer.
        blocks: of each encoder's transformer.
        length: mm that count as one radian.
        volume_network: Ψ, trained along with them: equivariant, plain, or none.
        network: what compares: our CNN-Transformer encoders, or a network of both images by name
            (``networks/pairs``), of which manifold, shared, channels, width and blocks tell nothing.
    """

    manifold: str = "spherical"
    loss: str = "step"
    unrolled: int = 1
    shared: bool = True
    channels: int = 16
    width: int = 64
    blocks: int = 2
    length: float = 100.0
    volume_network: str = "none"
    network: str = OWN

    def told(self) -> dict[str, Any]:
        """For JSON, as checkpoints keep it; our own encoders are told as they were before there were others."""
        told = asdict(self)
        return told if self.network != OWN else {name: value for name, value in told.items() if name != "network"}

    def __post_init__(self) -> None:
        if self.network not in (OWN, *PAIR_NETWORKS):
            raise InputError(f"There is no network {self.network!r}: choose from {OWN}, {', '.join(PAIR_NETWORKS)}.")
        if self.volume_network not in VOLUME_NETWORKS:
            raise InputError(
                f"There is no volume network {self.volume_network!r}: choose from {', '.join(VOLUME_NETWORKS)}."
            )
        if self.manifold not in MANIFOLDS:
            raise InputError(f"There is no manifold {self.manifold!r}: choose from {', '.join(MANIFOLDS)}.")
        if self.loss not in LOSSES:
            raise InputError(f"There is no loss {self.loss!r}: choose from {', '.join(LOSSES)}.")
        if self.unrolled < 1:
            raise InputError(f"unrolled is {self.unrolled}: train through 1 step or more.")


class EncoderTrainer(Trainer):
    """Encoders and the damping of the step, and what trains them.

    Args:
        samplers: of pairs, one for each CT; each batch is of one CT, drawn at random.
        schedule: of training.
        settings: of the encoders.
        mixed: half precision where it is safe; for CUDA.

    Raises:
        InputError: without a sampler.
    """

    def __init__(
        self, samplers: Sequence[PairSampler], schedule: Schedule, settings: EncoderSettings, mixed: bool = False
    ) -> None:
        super().__init__("encoder training", schedule, settings.told())
        self.mixed = mixed
        if not samplers:
            raise InputError("There is no CT to train on: give one or several.")
        self.settings = settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(schedule.seed)
            shape = {"channels": settings.channels, "width": settings.width, "blocks": settings.blocks}
            self.moving = Encoder(**shape)
            # from equal weights on, so that at the true pose features agree before anything was learned
            self.still = self.moving if settings.shared else Encoder(**shape)
            self.still.load_state_dict(self.moving.state_dict())
            self.network = psi(settings.volume_network, samplers[0].xrays.view)
        self.samplers = [replace(sampler, network=self.network) for sampler in samplers]
        self.log_damping = nn.Parameter(torch.tensor(math.log(0.1)))
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.prepare(samplers[0].xrays.volume.density.device)

    @property
    def similarity(self) -> LearnedSimilarity:
        """As trained so far."""
        return LearnedSimilarity(self.moving, self.still, MANIFOLDS[self.settings.manifold])

    @property
    def damping(self) -> float:
        """λ, as trained so far."""
        return float(self.log_damping.detach().exp())

    def batch_loss(self, count: int) -> Tensor:
        """See :class:`~SphericalRegLib.training.trainer.Trainer`."""
        chosen = int(torch.randint(len(self.samplers), (), generator=self.generator))
        sampler = self.samplers[chosen]
        pairs = sampler.draw(count, self.generator)
        center = sampler.xrays.volume.center
        fixed = self._compared().fix_batch(pairs.xrays.images.to(pairs.drrs), pairs.xrays.masks.to(pairs.drrs))
        drrs, jacobians, poses = pairs.drrs, pairs.jacobians, pairs.poses
        losses = []
        for left in reversed(range(self.settings.unrolled)):
            found = fixed.residual(drrs, jacobians, pairs.xrays.masks.to(drrs))
            losses.append(self._loss(found, pairs, poses, sampler).mean())
            if left:
                # the step moves the pose; the image there is new data, not a function of the weights
                poses = se3.about(self._step(found), poses, center)
                drrs, jacobians = sampler.redraw(poses)
        return torch.stack(losses).mean()

    def _compared(self) -> LearnedSimilarity:
        """The similarity, its networks in half precision if so asked; points and residuals are always in full."""
        whole = self.similarity
        return replace(whole, moving=_Mixed(self.moving), fixed=_Mixed(self.still)) if self.mixed else whole

    def _loss(self, found: Residual, pairs: Pairs, poses: Tensor, sampler: PairSampler) -> Tensor:
        center = sampler.xrays.volume.center
        if self.settings.loss == "step":
            twists = se3.difference_about(pairs.xrays.poses, poses, center)
            return step_loss(found, twists.to(found.values), self.log_damping.exp(), self.settings.length)
        distance = distance_of(self.settings.loss, self.settings.length, sampler.xrays.view.sdd)
        target = gradient_of_distance(poses, pairs.xrays.poses, center, partial(distance, isocenter=center))
        if self.settings.loss == "gradient directions":
            return gradient_loss(found, target)
        return gradient_loss(found, target, distance, self.log_scale.exp())

    def _step(self, found: Residual) -> Tensor:
        """(B, 6) twists of the damped step, without gradients."""
        with torch.no_grad():
            step = learned_step(found, self.log_damping.exp(), self.settings.length)
        return step.cpu().double()


class _Mixed:
    """An encoder in half precision."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def __call__(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            features: Tensor = self._encoder(images)
        return features.float()

    def linearize(self, images: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Encoder.linearize`."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            features, derivatives = self._encoder.linearize(images, directions)
        return features.float(), derivatives.float()


def psi(kind: str, view: View) -> VolumeNetwork | None:
    """Ψ for voxels of the size that X-rays of this view are trained with; None for "none"."""
    if kind == "none":
        return None
    pixel = view.spacing[0] * (1.0 if view.sad is None else view.sad / view.sdd)
    made = volume_network(kind, radius=_RADIUS * pixel)
    assert isinstance(made, VolumeNetwork)
    return made


def distance_of(loss: str, length: float, sdd: float) -> Callable[..., Tensor]:
    """Between poses, that a loss by gradients follows."""
    if "so4" in loss:
        return partial(so4.distance_so4, f=sdd, projected=loss.endswith("projected"))
    return partial(so4.geodesic_se3, length=length)
