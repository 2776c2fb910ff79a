"""The pipeline with a trained model: regressed poses, the learned similarity, then the engine's own stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.regressed import RegressedPose, regressed_poses
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.model import Model
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.registration.pipeline import register
from SphericalRegLib.registration.settings import Opinion, Settings, Stage
from SphericalRegLib.similarity.learned import LearnedSimilarity
from SphericalRegLib.similarity.manifolds import MANIFOLDS

# What regressed poses leave to be found: several times their usual error.
_LEFT = SearchRange(8.0, 15.0, 50.0)
_CANDIDATES = 4
# Of these: perspective makes poses from the opposite side some three times as rough as the others.
_STRAYED = 4.0
# Degrees or mm: the verdict takes a search range of less for this much (``Thresholds.strayed``).
_SMALLEST_RANGE = 5.0


@dataclass(frozen=True)
class Prepared:
    """What to register with.

    Attributes:
        starts: (S, 4, 4) rig_from_world: the regressed ones first, then the given ones. Without a given one, those from
            the opposite side stand between.
        settings: with what the regressor leaves to be searched, and with the learned stage and the learned opinion
            where they apply.
        regressed: what the model said of each view; empty without a regressor.
        notes: in words, for the user.
        origin: in words, where the starts come from, and whether the learned stage moves them first.
    """

    starts: Tensor
    settings: Settings
    regressed: tuple[RegressedPose, ...]
    notes: tuple[str, ...]
    origin: str


def prepare(
    model: Model,
    volume: Volume,
    xrays: Sequence[XRay],
    given: Tensor | None,
    settings: Settings,
    fallback: Tensor | None = None,
    *,
    origin: str = "the given start",
    learned_first: bool = False,
    whole: Volume | None = None,
) -> Prepared:
    """Starts and settings for a :class:`~SphericalRegLib.registration.pipeline.Registration` with a model.

    Args:
        model: with a regressor, encoders, or both.
        volume: the CT.
        xrays: the views.
        given: (S, 4, 4) poses that the user knows, or None: then the side that the beam came from is not known either.
        settings: without a model.
        fallback: (S, 4, 4) poses to search around as well, where the X-ray looks like none the model knows, and alone
            where nothing was given and the model has no regressor.
        origin: in words, where ``given`` or else ``fallback`` comes from.
        learned_first: see :func:`with_learned_stage`.
        whole: the whole CT, where ``volume`` is of chosen bones alone. The model knows no other: with it the whole CT
            is registered, which gives the start, and nothing else in the settings changes.

    Raises:
        CheckpointError: for a model of another CT, one without a regressor where there is no other start, or one
            without encoders where they are to align first.
        InputError: for bones alone, where the learned similarity is to align first.
    """
    if whole is not None:
        if learned_first:
            raise InputError(
                "The learned similarity compares whole CTs: align bones alone without it (leave out --learned_stage; "
                "in the panel choose another similarity under Advanced)."
            )
        return _from_whole(model, whole, xrays, given, settings, fallback, origin)
    model.check_ct(volume)
    regressed: list[RegressedPose] = []
    notes: list[str] = []
    besides = given
    if model.regressor is None and given is None:
        besides = fallback
    starts = torch.empty(0, 4, 4, dtype=torch.float64) if besides is None else besides.reshape(-1, 4, 4)
    if model.regressor is not None or besides is None:
        regressed = regressed_poses(model, volume, xrays)
        both = [one.pose for one in regressed] + ([] if given is not None else [one.opposite for one in regressed])
        starts = torch.cat([torch.stack(both), starts])
        doubtful = [one.inside for one in regressed if one.inside < 0.5]
        if not doubtful:
            limits = replace(settings.thresholds, strayed=_STRAYED)
            settings = replace(settings, candidates=_CANDIDATES, range=_LEFT, thresholds=limits)
        else:
            # searched as if there were no model, from its guess and from whatever else is known
            if fallback is not None:
                besides = fallback
                starts = torch.cat([starts, fallback.reshape(-1, 4, 4)])
            notes.append(
                f"The X-ray looks as if taken from outside of the poses that the model {model.card.name!r} was trained "
                f"for ({_told(model)} around its nominal view; probability of being inside {min(doubtful):.2f})."
            )
    if (opinion := _opinion(model)) is not None:
        settings = replace(settings, opinion=opinion)
    sources = ([f"the model {model.card.name!r}"] if regressed else []) + ([origin] if besides is not None else [])
    origin = " and ".join(sources)
    if learned_first:
        settings = with_learned_stage(model, volume, settings)
        origin = then_learned(origin, model)
    elif not regressed and opinion is None:
        notes.append(
            f"Nothing of the model {model.card.name!r} was used: it does not tell where to start, and what its "
            "similarity costs at right poses of this patient was not measured. To align by its similarity first, "
            "choose that (--learned_stage; in the panel under Advanced, Similarity)."
        )
    return Prepared(starts, settings, tuple(regressed), tuple(notes), origin)


def _from_whole(
    model: Model,
    whole: Volume,
    xrays: Sequence[XRay],
    given: Tensor | None,
    settings: Settings,
    fallback: Tensor | None,
    origin: str,
) -> Prepared:
    """Bones start where the whole CT comes to lie: one that has moved within the patient lies near."""
    of_whole = Settings(kernel=settings.kernel, seed=settings.seed)
    prepared = prepare(model, whole, xrays, given, of_whole, fallback, origin=origin)
    result = register(whole, xrays, prepared.starts, prepared.settings)
    notes = prepared.notes
    if not result.verdict.accepted:
        notes += (
            "The bones were started from a pose of the whole CT that was itself rejected: "
            + " ".join(result.verdict.reasons),
        )
    words = f"the whole CT's pose, found from {prepared.origin}"
    return Prepared(result.pose[None], settings, prepared.regressed, notes, words)


def with_learned_stage(model: Model, volume: Volume, settings: Settings) -> Settings:
    """Settings that align under the model's similarity first, then by intensity; for far starts.

    The learned stage takes the place of the first one, the search at the coarsest level; the last one always stays.
    The verdict lets a pose lie as much farther from its start as the similarity was trained to reach.

    Raises:
        CheckpointError: for a model without encoders, or one of another CT.
    """
    model.check_ct(volume)
    stage = learned_stage(model)
    if stage is None:
        raise CheckpointError(
            f"The model {model.card.name!r} has no encoders, so there is no learned similarity to align under: choose "
            "a model that has them (sphericalreg train, --encoder_steps above 0), or register without the learned "
            "stage."
        )
    searched, reach = settings.range, SearchRange(**model.card.reach)
    farther = max(
        getattr(reach, axis) / max(getattr(searched, axis), _SMALLEST_RANGE)
        for axis in ("rotation_deg", "in_plane_mm", "depth_mm")
    )
    limits = replace(settings.thresholds, strayed=max(settings.thresholds.strayed, 1.0 + farther))
    stages = (stage, *settings.stages[1:-1], settings.stages[-1])
    return replace(settings, stages=stages, thresholds=limits)


def then_learned(origin: str, model: Model) -> str:
    """The words for where starts come from that the learned stage moves first."""
    return f"{origin}, then the learned similarity of the model {model.card.name!r}"


def learned_similarity(model: Model) -> LearnedSimilarity | None:
    """The model's similarity, if it has encoders.

    Raises:
        CheckpointError: for a model of a manifold that there is not.
    """
    if model.moving is None or model.fixed is None:
        return None
    if model.card.manifold not in MANIFOLDS:
        raise CheckpointError(
            f"The model {model.card.name!r} compares features on {model.card.manifold!r}, which is none of "
            f"{', '.join(MANIFOLDS)}: train it again."
        )
    return LearnedSimilarity(model.moving, model.fixed, MANIFOLDS[model.card.manifold])


def learned_stage(model: Model) -> Stage | None:
    """Levenberg-Marquardt under the model's similarity at the size it was trained for."""
    similarity = learned_similarity(model)
    if similarity is None:
        return None
    optimizer = LevenbergMarquardt(iterations=30, tolerance=1.0, damping=model.card.damping)
    size = model.card.encoder_pixels
    return Stage(model.card.manifold, size, similarity, optimizer, keep=4, adapt=model.volume_network)


def _opinion(model: Model) -> Opinion | None:
    """The learned cost as a second judge, where a limit was measured that holds for this CT."""
    stage, limit = learned_stage(model), model.card.cost_limit
    # The limit comes from X-rays of the CTs trained on. Of a model of several CTs nobody knows whether this patient is
    # among them, and what right poses of another one cost was not measured: it could refuse them all, or none.
    if stage is None or limit is None or model.card.fingerprint is None:
        return None
    return Opinion(stage, limit)


def _told(model: Model) -> str:
    truth = model.card.truth
    return f"±{truth['rotation_deg']:g}°, ±{truth['in_plane_mm']:g} mm in plane, ±{truth['depth_mm']:g} mm in depth"
