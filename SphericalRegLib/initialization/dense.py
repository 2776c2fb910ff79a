"""Where to start when a network tells of an X-ray's pixels where they belong: landmarks, or coordinates of bone.

Both end in perspective-n-point: no similarity is looked at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.onto_view import onto_view
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.case import Case, Conditions
from SphericalRegLib.initialization.contract import Initializer, Making, Starts
from SphericalRegLib.initialization.known import Known
from SphericalRegLib.initialization.landmarks import MIN_LANDMARKS, pose_from_landmarks
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.dense import COORDINATES, HEATMAPS, UNIT_MM, DenseNetwork
from SphericalRegLib.similarity.learned import standardized

# Of the published settings for 512²: the reprojection error of an inlier, rounds and confidence of RANSAC.
_INLIER_SHARE, _ROUNDS, _CONFIDENCE = 20 / 512, 1000, 0.99
# Pixels of each surface that RANSAC looks at.
_PIXELS = 400
# Around a peak, in deviations of the heatmap: what is compared with a peak as it should be.
_PATCH = 4


class Peak(NamedTuple):
    """Where a heatmap has its peak, pixels (u, v), and how much it looks like one, a correlation."""

    place: tuple[float, float]
    likeness: float


@dataclass(frozen=True)
class _Dense(ABC):
    """What both have.

    Attributes:
        reach: what the pose leaves to be found.
        candidates: poses tried around it.
        otherwise: where to start when the network tells too little.
    """

    kind: ClassVar[str]
    reach: SearchRange = SearchRange(8.0, 15.0, 40.0)
    candidates: int = 1
    otherwise: Initializer = field(default_factory=Known)

    @property
    def needs_model(self) -> bool:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        return True

    def start(self, case: Case, conditions: Conditions) -> Making:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`; by the first view."""
        model = case.model
        if model is None or model.dense is None or model.dense.kind != self.kind:
            raise CheckpointError(
                f"This system starts where a network of {self.kind} says, and the model has none: train one "
                "(sphericalreg study), or choose another system."
            )
        model.check_ct(case.volume)
        try:
            pose, words = self.solved(model.dense, model.card.view(), case, case.xrays[0], conditions.seed)
        except InputError as error:
            known = yield from self.otherwise.start(case, conditions)
            return replace(known, notes=(*known.notes, f"The network's {self.kind} tell no pose: {error}"))
        rig = se3.inverse(case.xrays[0].view.camera_from_rig) @ pose
        return Starts(rig, self.reach, self.candidates, words)

    @abstractmethod
    def solved(self, network: DenseNetwork, view: View, case: Case, xray: XRay, seed: int) -> tuple[Tensor, str]:
        """The pose (4, 4) of the X-ray's camera, and where it comes from.

        Raises:
            InputError: where no pose can be told.
        """

    def searching(self, reach: SearchRange | None = None, candidates: int | None = None) -> _Dense:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`; the reach is that of ``otherwise``."""
        return replace(
            self,
            candidates=self.candidates if candidates is None else candidates,
            otherwise=self.otherwise.searching(reach, candidates),
        )


@dataclass(frozen=True)
class Heatmaps(_Dense):
    """A landmark for each map, where its peak looks like one; then perspective-n-point.

    Attributes:
        likeness: of a peak's surroundings with a Gaussian, less than which it is not found.
        sigma: of the Gaussian, pixels.
    """

    kind: ClassVar[str] = HEATMAPS
    likeness: float = 0.8
    sigma: float = 1.5

    def solved(self, network: DenseNetwork, view: View, case: Case, xray: XRay, seed: int) -> tuple[Tensor, str]:
        """See :class:`_Dense`."""
        peaks = [peak_of(one, self.sigma) for one in _maps(network, view, xray)]
        found = [number for number, peak in enumerate(peaks) if peak.likeness >= self.likeness]
        if len(found) < MIN_LANDMARKS:
            raise InputError(f"{len(found)} of {len(peaks)} landmarks were found, {MIN_LANDMARKS} are needed.")
        world = torch.tensor(network.points, dtype=torch.float64) + case.volume.center
        pixels = torch.tensor([peaks[number].place for number in found], dtype=torch.float64)
        solved = pose_from_landmarks(
            world[found], pixels, view, threshold_px=max(2.0, _INLIER_SHARE * network.size), seed=seed
        )
        good = int(solved.inliers[0].sum())
        return solved.pose, f"{good} of {len(peaks)} landmarks that a network found, {solved.rms_px:.2f} px rms"


@dataclass(frozen=True)
class SceneCoordinates(_Dense):
    """Of pixels that are sure, where their rays enter and leave bone; then perspective-n-point with RANSAC."""

    kind: ClassVar[str] = COORDINATES

    def solved(self, network: DenseNetwork, view: View, case: Case, xray: XRay, seed: int) -> tuple[Tensor, str]:
        """See :class:`_Dense`."""
        maps = _maps(network, view, xray)
        points, pixels = sure_pixels(maps, _PIXELS, seed)
        pose, inliers = ransac_pose(points * UNIT_MM, pixels, view, seed)
        pose[:3, 3] -= pose[:3, :3] @ case.volume.center
        return pose, f"{inliers} of {len(pixels)} pixels whose place in bone a network told"


def peak_of(heatmap: Tensor, sigma: float) -> Peak:
    """The peak of a map (H, W), to a fraction of a pixel, and how much its surroundings look like a Gaussian."""
    height, width = heatmap.shape
    v, u = divmod(int(heatmap.argmax()), width)
    radius = max(2, round(_PATCH * sigma))
    rows = torch.arange(max(0, v - radius), min(height, v + radius + 1))
    columns = torch.arange(max(0, u - radius), min(width, u + radius + 1))
    patch = heatmap[rows][:, columns].double()
    # of a Gaussian whose logarithm is a parabola: its top, from both neighbors
    place = [_top(heatmap[v, :].double(), u), _top(heatmap[:, u].double(), v)]
    gaussian = torch.exp(-((columns[None] - place[0]) ** 2 + (rows[:, None] - place[1]) ** 2) / (2 * sigma**2)).double()
    both = torch.stack([patch.flatten(), gaussian.flatten()])
    likeness = float(torch.corrcoef(both)[0, 1].nan_to_num(-1.0)) if float(patch.std()) > 0 else -1.0
    return Peak((place[0], place[1]), likeness)


def _top(line: Tensor, at: int) -> float:
    """Where a line's Gaussian has its top near its largest value."""
    if at == 0 or at == len(line) - 1:
        return float(at)
    low = float(line.min()) - 1e-6
    a, b, c = (float(torch.log(line[n] - low)) for n in (at - 1, at, at + 1))
    curved = a - 2 * b + c
    return at + (max(-0.5, min(0.5, 0.5 * (a - c) / curved)) if curved < 0 else 0.0)


def sure_pixels(maps: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Points (N, 3) in the network's units, and pixels (N, 2), of those of both surfaces that are sure.

    Args:
        maps: (8, H, W): entry, its log deviation, exit, its log deviation.
        count: at most so many of each surface, chosen at random.
        seed: of the choice.

    Raises:
        InputError: for fewer than six.
    """
    generator = torch.Generator().manual_seed(seed)
    points, pixels = [], []
    for surface in (maps[:4], maps[4:]):
        v, u = torch.nonzero(surface[3] < 0, as_tuple=True)
        chosen = torch.randperm(len(u), generator=generator)[:count]
        points.append(surface[:3, v[chosen], u[chosen]].T)
        pixels.append(torch.stack([u[chosen], v[chosen]], dim=1))
    if sum(map(len, pixels)) < 6:
        raise InputError("hardly a pixel is sure of its place.")
    return torch.cat(points).double(), torch.cat(pixels).double()


def ransac_pose(points: Tensor, pixels: Tensor, view: View, seed: int) -> tuple[Tensor, int]:
    """The pose (4, 4) camera_from_world that most pixels (N, 2) of points (N, 3) mm agree on, and how many do.

    Raises:
        InputError: where none is found.
    """
    p, q, camera = points.numpy(), pixels.numpy(), view.intrinsics.numpy()
    cv2.setRNGSeed(seed)
    try:
        solved, rotation, offset, inliers = cv2.solvePnPRansac(
            p, q, camera, None, iterationsCount=_ROUNDS, reprojectionError=max(1.0, _INLIER_SHARE * view.height),
            confidence=_CONFIDENCE, flags=cv2.SOLVEPNP_SQPNP,
        )  # fmt: skip
        if not solved or inliers is None or len(inliers) < 6:
            raise InputError("no pose explains the pixels' places.")
        which = inliers[:, 0]
        rotation, offset = cv2.solvePnPRefineLM(p[which], q[which], camera, None, rotation, offset)
    except cv2.error as error:
        raise InputError(f"no pose explains the pixels' places ({str(error)[:80]}).") from None
    matrix, _ = cv2.Rodrigues(rotation)
    if not np.isfinite(matrix).all() or not np.isfinite(offset).all():
        raise InputError("no pose explains the pixels' places.")
    return se3.from_parts(torch.from_numpy(matrix), torch.from_numpy(offset[:, 0])), len(which)


def _maps(network: DenseNetwork, view: View, xray: XRay) -> Tensor:
    """(C, size, size) of the X-ray, seen as the network was trained to."""
    image, mask = onto_view(xray.image, xray.mask, xray.view, view)
    weights = next(network.parameters())
    with torch.no_grad():
        maps: Tensor = network(standardized(image[None], mask[None])[:, None].to(weights))[0].cpu()
    return F.relu(maps) if network.kind == HEATMAPS else maps


#: For tests and tables: both, in the order in which they are offered.
DENSE: Sequence[type[_Dense]] = (Heatmaps, SceneCoordinates)
