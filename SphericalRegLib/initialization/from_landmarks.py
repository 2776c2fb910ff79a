"""Where to start when landmarks were marked in the CT and in the X-rays."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.initialization.around import Around
from SphericalRegLib.initialization.case import Case, Conditions
from SphericalRegLib.initialization.contract import Making, Starts, at_once
from SphericalRegLib.initialization.landmarks import match_by_name, pose_from_landmarks
from SphericalRegLib.initialization.search import SearchRange


@dataclass(frozen=True)
class FromLandmarks(Around):
    """Perspective-n-point on the marks of all views; see :mod:`~SphericalRegLib.initialization.landmarks`.

    Marks are some millimeters off, which moves a pose much less than a guessed view is off.
    """

    reach: SearchRange = SearchRange(8.0, 15.0, 40.0)
    candidates: int = 8

    def start(self, case: Case, conditions: Conditions) -> Making:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        marks = case.landmarks
        if marks is None or not any(marks.points):
            raise InputError("There are no landmarks in the CT: mark at least 4, or start in another way.")
        if not any(marks.pixels):
            raise InputError("There are no landmarks in the X-ray: mark them there too, by the same names.")
        pairs = [
            (xray.view, match_by_name(points, pixels))
            for xray, points, pixels in zip(case.xrays, marks.points, marks.pixels, strict=True)
            if pixels
        ]
        solved = pose_from_landmarks(
            [world for _, (_, world, _) in pairs],
            [image for _, (_, _, image) in pairs],
            [view for view, _ in pairs],
            names=[names for _, (names, _, _) in pairs],
        )
        outliers = [
            name
            for (_, (names, _, _)), inlier in zip(pairs, solved.inliers, strict=True)
            for name, good in zip(names, inlier.tolist(), strict=True)
            if not good
        ]
        left_out = f", without {', '.join(outliers)}, which do not fit" if outliers else ""
        count = int(torch.stack([inlier.sum() for inlier in solved.inliers]).sum())
        origin = f"{count} landmarks, {solved.rms_px:.2f} px rms{left_out}"
        return at_once(Starts(solved.pose, self.reach, self.candidates, origin))
