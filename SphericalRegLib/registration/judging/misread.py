"""What a rejected registration most likely got wrong: X-rays read with bone dark for bright, or as mirror images.

Both happen with files that do not tell: a PNG of a picture archive, fluoroscopy seen from the other side. Nothing in a
rejected result shows them, but the same registration of X-rays that are read the other way fits.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry.view import mirrored_view
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.mask import estimate_mask
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import Conditions, Starts
from SphericalRegLib.registration.alignment import Alignment
from SphericalRegLib.registration.result import Progress
from SphericalRegLib.registration.system import System

_TONE = (
    "Read with bone bright for dark, and dark for bright, the X-ray would fit: give intensity as it is ('inverted' "
    "where bone is dark in the picture, 'attenuation' where it is bright)."
)
_MIRROR = "Read as a mirror image the X-ray would fit: give mirrored, or a view that says so."
_BOTH = (
    "Read as a mirror image, with bone bright for dark and dark for bright, the X-ray would fit: give mirrored and "
    "intensity."
)

#: (tone reversed, mirrored, what to say), in the order in which they are tried.
_READINGS = ((True, False, _TONE), (False, True, _MIRROR), (True, True, _BOTH))


def looks_for_misreading(system: System) -> bool:
    """Whether a system can tell right poses from wrong ones well enough to say that another reading fits."""
    limits = system.judge.limits
    return bool(system.stages) and limits.sharpness is not None and limits.cost is not None


def misread(
    volume: Volume,
    xrays: Sequence[XRay],
    starts: Starts,
    system: System,
    conditions: Conditions,
    survey_cost: float,
) -> Generator[Progress, None, str | None]:
    """Registers the X-rays read otherwise: the first stage and the two before the finest, without second tries, and not
    where a survey finds nothing better than it found as they were read.

    Args:
        volume: the CT's attenuation.
        xrays: as they were read.
        starts: where the rejected registration began.
        system: whose result was rejected; :func:`looks_for_misreading` says whether it can be asked.
        conditions: of the run.
        survey_cost: the lowest that a survey found in the X-rays as they were read; infinite where there was none.

    Returns:
        A sentence that says what to change, or None where no other reading fits either.
    """
    limits = system.judge.limits.of_views(len(xrays))
    assert limits.cost is not None
    assert limits.sharpness is not None
    first, *rest = system.stages[:-1] or system.stages
    quick = replace(system, stages=(first, *rest[-2:]), retries=0, again=(), rivals=False)
    for reversed_tone, mirrored, words in _READINGS:
        read = [read_otherwise(xray, reversed_tone, mirrored) for xray in xrays]
        try:
            alignment = Alignment(volume, read, starts, quick, conditions)
            for step in alignment:
                # to whoever waits, all of this is the end of the last level
                yield replace(step, stage=f"misread? {step.stage}", level=step.levels - 1)
                if _fits_less(alignment, survey_cost):
                    break
        except GeometryError:
            # an X-ray far off its axis may show nothing when it is mirrored: then that is not it
            continue
        if _fits_less(alignment, survey_cost):
            continue
        cost, sharp = alignment.likeness()
        if cost <= limits.cost and sharp <= limits.sharpness:
            return words
    return None


def _fits_less(alignment: Alignment, survey_cost: float) -> bool:
    """Whether another reading's survey, once it is done, fits less than that of the X-rays as they were read."""
    return survey_cost < alignment.survey_cost < float("inf")


def read_otherwise(xray: XRay, reversed_tone: bool, mirrored: bool) -> XRay:
    """The same X-ray with bright and dark exchanged, or with its left and right.

    Lead that was read as air was not left out: of a negative the mask is looked for once more.
    """
    image, mask = xray.image, xray.mask
    if reversed_tone:
        image = image.max() + image.min() - image
        mask = estimate_mask(image, mask)
    return replace(xray, image=image, mask=mask, view=mirrored_view(xray.view) if mirrored else xray.view)
