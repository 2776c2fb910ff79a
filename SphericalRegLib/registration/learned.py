"""The pipeline with a trained model: regressed poses, the learned similarity, then the engine's own stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.regressed import RegressedPose, regressed_poses
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.model import Model
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.registration.settings import Opinion, Settings, Stage
from SphericalRegLib.similarity.learned import LearnedSimilarity
from SphericalRegLib.similarity.manifolds import MANIFOLDS

# What regressed poses leave to be found: several times their usual error.
_LEFT = SearchRange(8.0, 15.0, 50.0)
_CANDIDATES = 4
# Of these: perspective makes poses from the opposite side some three times as rough as the others.
_STRAYED = 4.0


@dataclass(frozen=True)
class Prepared:
    """What to register with.

    Attributes:
        starts: (S, 4, 4) rig_from_world: the regressed ones first, then the given ones. Without a given one, those from
            the opposite side stand between.
        settings: with the learned stage in front, where the model has encoders.
        regressed: what the model said of each view.
        notes: in words, for the user.
    """

    starts: Tensor
    settings: Settings
    regressed: tuple[RegressedPose, ...]
    notes: tuple[str, ...]


def prepare(
    model: Model,
    volume: Volume,
    xrays: Sequence[XRay],
    given: Tensor | None,
    settings: Settings,
    fallback: Tensor | None = None,
) -> Prepared:
    """Starts and settings for a :class:`~SphericalRegLib.registration.pipeline.Registration` with a model.

    Args:
        model: with a regressor, encoders, or both.
        volume: the CT.
        xrays: the views.
        given: (S, 4, 4) poses that the user knows, or None: then the side that the beam came from is not known either.
        settings: without a model.
        fallback: (S, 4, 4) poses to search around as well, where the X-ray looks like none the model knows.

    Raises:
        CheckpointError: for a model of another CT, or one without a regressor where nothing was given.
    """
    model.check_ct(volume)
    regressed: list[RegressedPose] = []
    notes: list[str] = []
    starts = torch.empty(0, 4, 4, dtype=torch.float64) if given is None else given.reshape(-1, 4, 4)
    if model.regressor is not None or given is None:
        regressed = regressed_poses(model, volume, xrays)
        both = [one.pose for one in regressed] + ([] if given is not None else [one.opposite for one in regressed])
        starts = torch.cat([torch.stack(both), starts])
        doubtful = [one.inside for one in regressed if one.inside < 0.5]
        if not doubtful:
            limits = replace(settings.thresholds, strayed=_STRAYED)
            settings = replace(settings, candidates=_CANDIDATES, range=_LEFT, thresholds=limits)
        else:
            # searched as if there were no model, from its guess and from whatever else is known
            starts = starts if fallback is None else torch.cat([starts, fallback.reshape(-1, 4, 4)])
            notes.append(
                f"The X-ray looks as if taken from outside of the poses that the model {model.card.name!r} was trained "
                f"for ({_told(model)} around its nominal view; probability of being inside {min(doubtful):.2f})."
            )
    stage = learned_stage(model)
    if stage is not None and (limit := model.card.cost_limit) is not None:
        settings = replace(settings, opinion=Opinion(stage, limit))
    return Prepared(starts, settings, tuple(regressed), tuple(notes))


def learned_similarity(model: Model) -> LearnedSimilarity | None:
    """The model's similarity, if it has encoders."""
    if model.moving is None or model.fixed is None:
        return None
    return LearnedSimilarity(model.moving, model.fixed, MANIFOLDS[model.card.manifold])


def learned_stage(model: Model) -> Stage | None:
    """Levenberg-Marquardt under the model's similarity at the size it was trained for."""
    similarity = learned_similarity(model)
    if similarity is None:
        return None
    optimizer = LevenbergMarquardt(iterations=30, tolerance=1.0, damping=model.card.damping)
    size = model.card.encoder_pixels
    return Stage(model.card.manifold, size, similarity, optimizer, keep=4, adapt=model.volume_network)


def _told(model: Model) -> str:
    truth = model.card.truth
    return f"±{truth['rotation_deg']:g}°, ±{truth['in_plane_mm']:g} mm in plane, ±{truth['depth_mm']:g} mm in depth"
