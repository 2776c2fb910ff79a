"""Looks by the names of their similarities: what a landscape shows is what a registration minimizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.system import System
from SphericalRegLib.registration.systems import default_system
from SphericalRegLib.registration.trained import Trained
from SphericalRegLib.similarity.table import LEARNED, SIMILARITIES, entry_of, similarity_entry, similarity_title


def looks_by_name(
    names: Sequence[str],
    size: int = 64,
    *,
    bones: bool = False,
    footprint_mm: float | None = None,
    model: Model | None = None,
) -> dict[str, Look]:
    """A look for each name of a similarity, with the parameters that the default system gives it.

    Args:
        names: of ``similarity.SIMILARITIES``, former ones too, and ``similarity.LEARNED`` with a model.
        size: pixels along the longer side of the X-rays.
        bones: whether only chosen bones are rendered.
        footprint_mm: compare only what lies this close to the DRR, mm at the isocenter; None: as the system does.
        model: a trained one.

    Raises:
        InputError: for a name that there is not, a learned similarity without a model that has one, or a size below 8.
    """
    system = default_system(bones)
    own_footprint = system.judge.look.footprint_mm if footprint_mm is None else footprint_mm
    looks = {}
    for name in names:
        if name == LEARNED:
            if model is None or not model.learns_similarity:
                remedy = "choose one" if model is None else f"{model.card.name!r} has no encoders, choose another"
                raise InputError(f"The learned similarity needs a trained model: {remedy}.")
            look = replace(Look(Trained(), 0).of(model), size=size)
        elif name in SIMILARITIES or any(name in entry.former for entry in SIMILARITIES.values()):
            look = replace(_used_by(system, name), size=size)
        else:
            raise InputError(f"There is no similarity {name!r}: choose among {', '.join([*SIMILARITIES, LEARNED])}.")
        looks[name] = replace(look, footprint_mm=own_footprint)
    return looks


def looks_of(system: System, model: Model | None = None) -> dict[str, Look]:
    """What each stage of a system minimizes, by stage and similarity.

    Raises:
        InputError: for a system without stages.
        CheckpointError: for one that needs a model, without a model that fits.
    """
    if not system.stages:
        raise InputError(f"The system {system.name!r} has no stage to look at: choose another one.")
    looks: dict[str, Look] = {}
    for stage in (stage.of(model) for stage in system.stages):
        title = "learned" if stage.look.adapt or stage.name == "learned" else similarity_title(stage.look.similarity)
        looks[f"{stage.name} {stage.look.size}: {title}"] = stage.look
    return looks


def _used_by(system: System, name: str) -> Look:
    """The last look of a system with a similarity, or else one with the similarity's own parameters."""
    entry = similarity_entry(name)
    surveyed = () if system.survey is None else system.survey.looks
    for look in (*(stage.look for stage in reversed(system.stages)), *surveyed):
        if entry_of(look.similarity) == entry:
            return replace(look, robust_scale=Look(entry.make(), 64).robust_scale)
    return Look(entry.make(), 64)
