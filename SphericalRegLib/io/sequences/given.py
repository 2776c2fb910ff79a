"""An X-ray that is in memory already, as a sequence of one frame, 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.sequences.contract import XRaySequence


@dataclass(frozen=True)
class GivenXRay:
    """One view; a :class:`FrameSource`."""

    xray: XRay

    @property
    def name(self) -> str:
        """Of the view."""
        return self.xray.view.name

    @property
    def numbers(self) -> Sequence[int]:
        """See :class:`FrameSource`."""
        return (0,)

    def read(self, number: int) -> XRay:
        """See :class:`FrameSource`."""
        return self.xray


def one_frame(xrays: Sequence[XRay]) -> XRaySequence:
    """X-rays of one moment as a sequence of it.

    Raises:
        InputError: without one.
    """
    return XRaySequence(tuple(GivenXRay(xray) for xray in xrays))
