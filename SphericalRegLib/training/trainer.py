"""Trains a pair of encoders through the Levenberg-Marquardt step, resumable to the bit."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from SphericalRegLib.errors import CheckpointError, InputError, TrainingError
from SphericalRegLib.networks.checkpoint import load_checkpoint, save_checkpoint
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.similarity.learned import LearnedSimilarity
from SphericalRegLib.similarity.manifolds import MANIFOLDS
from SphericalRegLib.training.losses import step_loss
from SphericalRegLib.training.pairs import PairSampler

KIND = "encoders"


@dataclass(frozen=True)
class TrainingSettings:
    """How encoders are trained.

    Attributes:
        steps: of the optimizer.
        batch: pairs a step.
        learning_rate: at its highest; it rises over the first 5 % of steps and falls as a cosine to 0.
        manifold: where features are compared, by name.
        shared: whether DRR and X-ray have one encoder.
        channels, width, blocks: of each encoder.
        length: mm that count as one radian.
        seed: of weights and pairs.
    """

    steps: int = 1500
    batch: int = 12
    learning_rate: float = 1e-3
    manifold: str = "spherical"
    shared: bool = False
    channels: int = 16
    width: int = 64
    blocks: int = 2
    length: float = 100.0
    seed: int = 0


@dataclass(frozen=True)
class TrainingStep:
    """One step: its number (from 1), the loss, and seconds since this run began."""

    step: int
    loss: float
    seconds: float


class EncoderTrainer(nn.Module):
    """Encoders ξm and ξf and the damping, and what trains them.

    Args:
        sampler: of pairs.
        settings: of training.

    Raises:
        InputError: for an unknown manifold.
    """

    def __init__(self, sampler: PairSampler, settings: TrainingSettings) -> None:
        super().__init__()
        if settings.manifold not in MANIFOLDS:
            raise InputError(f"There is no manifold {settings.manifold!r}: choose from {', '.join(MANIFOLDS)}.")
        self.sampler, self.settings = sampler, settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            shape = {"channels": settings.channels, "width": settings.width, "blocks": settings.blocks}
            self.moving = Encoder(**shape)
            self.still = self.moving if settings.shared else Encoder(**shape)
        self.log_damping = nn.Parameter(torch.tensor(math.log(0.1)))
        self.to(sampler.volume.density.device)
        self.optimizer = torch.optim.AdamW(self.parameters(), lr=settings.learning_rate, weight_decay=1e-4)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.losses: list[float] = []

    @property
    def similarity(self) -> LearnedSimilarity:
        """As trained so far."""
        return LearnedSimilarity(self.moving, self.still, MANIFOLDS[self.settings.manifold])

    def loss(self) -> Tensor:
        """Mean step loss of a fresh batch."""
        pairs = self.sampler.draw(self.settings.batch, self.generator)
        mask = torch.ones_like(pairs.drrs[0])
        fixed = self.similarity.fix_batch(pairs.xrays.to(pairs.drrs), mask)
        found = fixed.residual(pairs.drrs, pairs.jacobians, mask.expand_as(pairs.drrs))
        return step_loss(found, pairs.twists.to(found.values), self.log_damping.exp(), self.settings.length).mean()

    def steps(self) -> Iterator[TrainingStep]:
        """Train from where it is to the end, one step at a time; stop whenever you like, and save.

        Raises:
            TrainingError: if the loss is not finite; the weights are those before that step.
        """
        began = time.perf_counter()
        while len(self.losses) < self.settings.steps:
            step = len(self.losses) + 1
            for group in self.optimizer.param_groups:
                group["lr"] = self.settings.learning_rate * self._share(step)
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss()
            value = float(loss.detach())
            if math.isfinite(value):
                loss.backward()
                norm = float(nn.utils.clip_grad_norm_(self.parameters(), 1.0))
            if not math.isfinite(value) or not math.isfinite(norm):
                raise TrainingError(
                    f"The loss became {value} at step {step} (learning rate {self.settings.learning_rate:g}): train "
                    "on from the last checkpoint with a smaller learning rate."
                )
            self.optimizer.step()
            self.losses.append(value)
            yield TrainingStep(step, value, time.perf_counter() - began)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Everything that training needs to go on exactly as if it had not stopped.

        Raises:
            CheckpointError: where it cannot be written.
        """
        tensors = {f"weights.{name}": value for name, value in self.state_dict().items()}
        for name, parameter in self.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = value
        tensors["generator"] = self.generator.get_state()
        tensors["losses"] = torch.tensor(self.losses, dtype=torch.float64)
        save_checkpoint(path, KIND, _unshared(tensors), {"settings": asdict(self.settings)})

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Take up training where :meth:`save` left it.

        Raises:
            CheckpointError: for a file that cannot be used, or that was trained with other settings.
        """
        tensors, header = load_checkpoint(path, KIND)
        mine = asdict(self.settings)
        theirs = header.get("settings", {})
        if different := [f"{k} {theirs.get(k)!r} there, {mine[k]!r} here" for k in mine if theirs.get(k) != mine[k]]:
            raise CheckpointError(f"{path} was trained with other settings: {'; '.join(different)}.")
        weights = {name: tensors.get(f"weights.{name}") for name in self.state_dict()}
        if missing := [n for n, v in weights.items() if v is None or v.shape != self.state_dict()[n].shape]:
            raise CheckpointError(f"{path} has another architecture: {missing[0]} does not fit.")
        self.load_state_dict(weights)
        for name, parameter in self.named_parameters():
            prefix = f"optimizer.{name}."
            state = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
            if state:
                self.optimizer.state[parameter] = {
                    key: value if key == "step" else value.to(parameter) for key, value in state.items()
                }
        self.generator.set_state(tensors["generator"])
        self.losses = tensors["losses"].tolist()

    def _share(self, step: int) -> float:
        """Of the highest learning rate."""
        rise = max(1, self.settings.steps // 20)
        if step <= rise:
            return step / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, self.settings.steps - rise)))


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies, so that a shared encoder's two names do not share memory, which safetensors refuses."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
