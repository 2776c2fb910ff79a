"""Trains a network of two images so that the gradient of its cost leads to the true pose (ProST, CDreg)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks.pairs import pair_network
from SphericalRegLib.similarity.network_cost import NetworkCost
from SphericalRegLib.training.encoders import EncoderSettings, distance_of, psi
from SphericalRegLib.training.losses import gradient_mismatch, gradient_of_distance
from SphericalRegLib.training.pairs import PairSampler
from SphericalRegLib.training.trainer import Schedule, Trainer


class PairTrainer(Trainer):
    """A network of two images, perhaps with a volume network Ψ, and what trains them.

    Two losses are weighed against one another by what they are sure of, as CDreg has it: L/(2σ²) + log σ each.

    Args:
        samplers: of pairs, one for each CT; each batch is of one CT, drawn at random.
        schedule: of training.
        settings: of them ``network``, ``loss``, ``length`` and ``volume_network`` count.

    Raises:
        InputError: without a sampler, for a network that there is not, or a loss of the optimizer's step, which no
            network without least squares has.
    """

    def __init__(self, samplers: Sequence[PairSampler], schedule: Schedule, settings: EncoderSettings) -> None:
        super().__init__("pair training", schedule, settings.told())
        if not samplers:
            raise InputError("There is no CT to train on: give one or several.")
        if not settings.loss.startswith("gradient"):
            raise InputError(
                f"The network {settings.network} has no Levenberg-Marquardt step to be trained by: choose a loss of "
                "the gradient."
            )
        self.settings = settings
        view = samplers[0].xrays.view
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(schedule.seed)
            self.pair = pair_network(settings.network, size=view.height)
            self.network = psi(settings.volume_network, view)
        self.samplers = [replace(sampler, network=self.network) for sampler in samplers]
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.log_sigmas = nn.Parameter(torch.zeros(2))
        self.prepare(samplers[0].xrays.volume.density.device)

    @property
    def similarity(self) -> NetworkCost:
        """As trained so far."""
        return NetworkCost(self.pair)

    def batch_loss(self, count: int) -> Tensor:
        """See :class:`~SphericalRegLib.training.trainer.Trainer`."""
        sampler = self.samplers[int(torch.randint(len(self.samplers), (), generator=self.generator))]
        pairs = sampler.draw(count, self.generator)
        center = sampler.xrays.volume.center
        fixed = self.similarity.fix_batch(pairs.xrays.images.to(pairs.drrs), pairs.xrays.masks.to(pairs.drrs))
        _, gradient = fixed.linearize(pairs.drrs, pairs.jacobians, again=True)
        distance = distance_of(self.settings.loss, self.settings.length, sampler.xrays.view.sdd)
        target = gradient_of_distance(pairs.poses, pairs.xrays.poses, center, partial(distance, isocenter=center))
        literal = self.settings.loss != "gradient directions"
        scale = self.log_scale.exp()
        loss = gradient_mismatch(gradient, target, distance if literal else None, scale).mean()
        further = self.pair.regularizer(fixed.drrs(pairs.drrs), fixed.xrays)
        if further is None:
            return loss
        first, second = (-2 * self.log_sigmas).exp()
        return loss * first / 2 + further.mean() * second / 2 + self.log_sigmas.sum()
