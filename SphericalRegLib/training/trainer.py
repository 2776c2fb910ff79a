"""What all training has in common: steps of an optimizer that stop, resume to the bit, and never spoil the weights."""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from SphericalRegLib.errors import CheckpointError, InputError, TrainingError, is_memory_shortage
from SphericalRegLib.networks.checkpoint import load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class Schedule:
    """How an optimizer (AdamW) runs.

    Attributes:
        steps: of the optimizer.
        batch: images or pairs a step.
        learning_rate: at its highest; it rises over the first 5 % of steps and falls as a cosine to 0.
        weight_decay: of AdamW.
        seed: of weights and images.
    """

    steps: int = 1500
    batch: int = 12
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: train with 1 or more.")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate is {self.learning_rate}: give a value above 0, 0.001 for instance.")

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 1."""
        rise = max(1, self.steps // 20)
        if step <= rise:
            return self.learning_rate * step / rise
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, self.steps - rise)))

    def share(self, step: int) -> float:
        """Of the training, 0 to 1, that is done after so many steps."""
        return step / self.steps


@dataclass(frozen=True)
class TrainingStep:
    """One step.

    Attributes:
        step: its number, from 1.
        loss: mean over the batch.
        seconds: since this run began.
        notice: in words, what the user should know of; usually empty.
    """

    step: int
    loss: float
    seconds: float
    notice: str = ""


class Trainer(nn.Module, ABC):
    """Networks and what trains them; a subclass adds its networks and :meth:`batch_loss`, then calls :meth:`prepare`.

    Images are drawn from a generator that each step seeds anew, so that a resumed run sees what an uncut one would. On
    several processes (torchrun) each draws its own images, and gradients are averaged.

    Args:
        kind: of checkpoint.
        schedule: of the optimizer.
        shape: further settings that a resumed run must share, for JSON.
    """

    def __init__(self, kind: str, schedule: Schedule, shape: dict[str, Any]) -> None:
        super().__init__()
        self.kind, self.schedule, self.shape = kind, schedule, shape
        self.batch = schedule.batch
        self.generator = torch.Generator()
        self.losses: list[float] = []
        # steps that the last checkpoint holds
        self.kept = 0

    def prepare(self, device: torch.device) -> None:
        """Put all networks on a device, and make the optimizer for what they then hold."""
        self.to(device)
        self.optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.schedule.learning_rate, weight_decay=self.schedule.weight_decay
        )

    @abstractmethod
    def batch_loss(self, count: int) -> Tensor:
        """Mean loss of ``count`` fresh examples drawn from ``self.generator``."""

    def steps(self) -> Iterator[TrainingStep]:
        """Train from where it is to the end, one step at a time; stop whenever you like, and save.

        A batch that does not fit into memory is halved, and the step says so.

        Raises:
            TrainingError: if the loss or its gradient is not finite, or memory is short even for one example; the
                weights are those before that step. They may be spoiled already: the last checkpoint is not.
        """
        began = time.perf_counter()
        while self.schedule.share(len(self.losses)) < 1:
            step = len(self.losses) + 1
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.rate(step)
            value, norm, notice = self._gradients(step)
            if not math.isfinite(value) or not math.isfinite(norm):
                what = f"The loss became {value}" if not math.isfinite(value) else f"The loss's gradient became {norm}"
                rate = self.schedule.learning_rate
                begin = f"goes on from the checkpoint of step {self.kept}" if self.kept else "begins anew"
                raise TrainingError(
                    f"{what} at step {step}: most often the learning rate is too high ({rate:g}). The same training "
                    f"with a smaller one ({rate / 3:.1g}, say) {begin}."
                )
            self.optimizer.step()
            self.losses.append(value)
            yield TrainingStep(step, value, time.perf_counter() - began, notice)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Everything that training needs to go on exactly as if it had not stopped.

        Raises:
            CheckpointError: where it cannot be written.
        """
        tensors = {f"weights.{name}": value for name, value in self.state_dict().items()}
        for name, parameter in self.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = value
        tensors["losses"] = torch.tensor(self.losses, dtype=torch.float64)
        # a shared encoder's two names must not share memory, which safetensors refuses
        apart = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        save_checkpoint(path, self.kind, apart, {"settings": self._settings(), "batch": self.batch})
        self.kept = len(self.losses)

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Take up training where :meth:`save` left it; the learning rate may be another from here on.

        Raises:
            CheckpointError: for a file that cannot be used, or that was trained with other settings.
        """
        tensors, header = load_checkpoint(path, self.kind)
        mine, theirs = self._settings(), header.get("settings", {})
        mine.pop("learning_rate")
        if different := [f"{k} {theirs.get(k)!r} there, {mine[k]!r} here" for k in mine if theirs.get(k) != mine[k]]:
            raise CheckpointError(f"{path} was trained with other settings: {'; '.join(different)}.")
        self.load_weights({name[8:]: value for name, value in tensors.items() if name.startswith("weights.")}, path)
        for name, parameter in self.named_parameters():
            prefix = f"optimizer.{name}."
            state = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
            if state:
                self.optimizer.state[parameter] = {
                    key: value if key == "step" else value.to(parameter) for key, value in state.items()
                }
        self.batch = int(header.get("batch", self.schedule.batch))
        self.losses = tensors["losses"].tolist()
        self.kept = len(self.losses)

    def load_weights(self, weights: dict[str, Tensor], path: str | os.PathLike[str]) -> None:
        """Weights by name, of a checkpoint or a model.

        Raises:
            CheckpointError: if one is missing or has another shape; the message names it.
        """
        for name, value in self.state_dict().items():
            found = weights.get(name)
            if found is None or found.shape != value.shape:
                shape = "absent" if found is None else f"of shape {tuple(found.shape)}"
                raise CheckpointError(
                    f"{path} has another architecture: {name} is {shape} there, {tuple(value.shape)} here."
                )
        self.load_state_dict({name: weights[name] for name in self.state_dict()})

    def _gradients(self, step: int) -> tuple[float, float, str]:
        """Loss and norm of the gradient, which is left in the parameters, and what to tell."""
        notice = ""
        while True:
            self.optimizer.zero_grad(set_to_none=True)
            self.generator.manual_seed((self.schedule.seed * 1_000_003 + step) * _processes() + _rank())
            loss: Tensor | None = None
            try:
                loss = self.batch_loss(self.batch)
                value = float(loss.detach())
                if math.isfinite(value):
                    loss.backward()
            except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
                if not is_memory_shortage(error):
                    raise
                # its graph would stay while the smaller batch is computed
                loss = None
                if self.batch == 1:
                    raise TrainingError(
                        f"Memory is short even for a batch of 1 ({error}): train at a smaller size, or with a CT of "
                        "fewer voxels (downsample)."
                    ) from error
                self.batch //= 2
                notice = f"The batch did not fit into memory: {self.batch} a step from here on."
                continue
            if not _all_finite(value, loss.device):
                return value if not math.isfinite(value) else math.nan, math.nan, notice
            self._average_over_processes()
            norm = float(nn.utils.clip_grad_norm_(self.parameters(), 1.0))
            return value, norm, notice

    def _average_over_processes(self) -> None:
        if _processes() > 1:
            for parameter in self.parameters():
                if parameter.grad is not None:
                    dist.all_reduce(parameter.grad)
                    parameter.grad /= _processes()

    def _settings(self) -> dict[str, Any]:
        return asdict(self.schedule) | self.shape


def _all_finite(value: float, device: torch.device) -> bool:
    """Whether it is finite in every process: one that stopped alone would leave the others waiting."""
    if _processes() == 1:
        return math.isfinite(value)
    flag = torch.tensor([float(not math.isfinite(value))], device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return not bool(flag.item())


def _processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
