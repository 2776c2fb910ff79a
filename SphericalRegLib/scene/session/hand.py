"""A hand in an X-ray's slice view that pushes the bones: mouse, wheel and arrow keys; the C-arm moves in the scene.

While a button is held the image under the mouse is taken to stay where it was: so the bones follow it, whatever the
view shows by then. Positions are those of the slice view's window, (x, y) from its lower left corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from SphericalRegLib.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from SphericalRegLib.geometry.view import View
    from SphericalRegLib.scene.nodes import Node

# Degrees for a movement as long as the image's longer side.
_BALL_DEG = 90.0
# mm and degrees of one step; a hundredth of a meter would be a leap, and a tenth of a mm is not seen.
_STEP_MM, _STEP_DEG, _WHEEL_MM = 1.0, 1.0, 5.0
_FINE = 0.1
#: Keys that move the bones, as VTK calls them: (to the right, down, away from the source).
KEYS = {
    "Left": (-1.0, 0.0, 0.0),
    "Right": (1.0, 0.0, 0.0),
    "Up": (0.0, -1.0, 0.0),
    "Down": (0.0, 1.0, 0.0),
    "Prior": (0.0, 0.0, -1.0),
    "Next": (0.0, 0.0, 1.0),
}


@dataclass(frozen=True)
class _Grip:
    """What was held when the button went down."""

    node: Node
    index: int
    pose: Tensor
    pixel_from_xy: np.ndarray
    start: tuple[float, float]
    way: str


class Hand:
    """Moves one C-arm at a time. Views are counted as the C-arm counts them."""

    def __init__(self) -> None:
        self._grip: _Grip | None = None

    @property
    def holds(self) -> bool:
        """Whether a button is held."""
        return self._grip is not None

    def press(
        self, pose_node: Node, index: int, slice_node: Node, xy: tuple[float, float], shift: bool, control: bool
    ) -> None:
        """A button goes down: the bones are shifted; with Shift turned as a ball; with Control about the beam.

        Raises:
            InputError: where the view has no image.
        """
        import numpy as np

        from SphericalRegLib.scene import carm, matrices
        from SphericalRegLib.scene.poses import pose_from_transform

        found = carm.carm_nodes(pose_node)
        image = found.images[index] or found.drrs[index]
        if image is None:
            raise InputError(f"The image of '{pose_node.GetName()}' is not there: register, or place a C-arm.")
        world_from_xy = matrices.from_vtk(slice_node.GetXYToRAS())
        width, height, _ = image.GetImageData().GetDimensions()
        view = carm.views(pose_node)[index]
        # a DRR may have fewer pixels over the same detector
        scale = np.diag([view.width / width, view.height / height, 1.0, 1.0])
        scale[:2, 3] = [0.5 * view.width / width - 0.5, 0.5 * view.height / height - 0.5]
        pixel_from_xy = scale @ np.linalg.inv(matrices.world_from_ijk(image)) @ world_from_xy
        way = "ball" if shift else "beam" if control else "shift"
        start = _at(pixel_from_xy, xy)
        self._grip = _Grip(pose_node, index, pose_from_transform(pose_node), pixel_from_xy, start, way)

    def move(self, xy: tuple[float, float]) -> None:
        """The mouse moves while the button is held."""
        from SphericalRegLib.geometry import pushing

        grip = self._grip
        if grip is None:
            return
        view, center = _seen(grip.node, grip.index)
        end = _at(grip.pixel_from_xy, xy)
        if grip.way == "shift":
            pose = pushing.shifted(grip.pose, view, center, grip.start, end)
        elif grip.way == "beam":
            pose = pushing.rolled(grip.pose, view, center, grip.start, end)
        else:
            share = _BALL_DEG / max(view.height, view.width)
            across, down = (share * (b - a) for a, b in zip(grip.start, end, strict=True))
            pose = pushing.turned(grip.pose, view, center, across, down, 0.0)
        _put(grip.node, pose)

    def release(self) -> None:
        """The button goes up."""
        self._grip = None

    def turn_wheel(self, pose_node: Node, index: int, steps: float, fine: bool = False) -> None:
        """The wheel turns forward by so many steps: the bones come nearer to the detector; finely a tenth as far."""
        from SphericalRegLib.geometry import pushing
        from SphericalRegLib.scene.poses import pose_from_transform

        view, center = _seen(pose_node, index)
        mm = _WHEEL_MM * steps * (_FINE if fine else 1.0)
        _put(pose_node, pushing.pulled(pose_from_transform(pose_node), view, center, mm))

    def press_key(self, pose_node: Node, index: int, key: str, shift: bool = False, control: bool = False) -> bool:
        """An arrow key, or page up and down: 1 mm, with Shift 1°, with Control a tenth; whether it was one of these."""
        from SphericalRegLib.geometry import pushing
        from SphericalRegLib.scene.poses import pose_from_transform

        if key not in KEYS:
            return False
        right, down, away = (way * (_FINE if control else 1.0) for way in KEYS[key])
        view, center = _seen(pose_node, index)
        pose = pose_from_transform(pose_node)
        if shift:
            pose = pushing.turned(pose, view, center, _STEP_DEG * right, _STEP_DEG * down, _STEP_DEG * away)
        elif away:
            pose = pushing.pulled(pose, view, center, _STEP_MM * away)
        else:
            pose = pushing.nudged(pose, view, _STEP_MM * right, _STEP_MM * down)
        _put(pose_node, pose)
        return True


def back_to_registered(pose_node: Node) -> None:
    """Move a result back to the pose that was registered.

    Raises:
        InputError: for a C-arm that bears no result.
    """
    import torch

    from SphericalRegLib.scene.results import record

    content = record(pose_node)
    if content is None:
        raise InputError(f"'{pose_node.GetName()}' bears no result: there is no registered pose to go back to.")
    _put(pose_node, torch.tensor(content["pose_rig_from_world_ras_mm"], dtype=torch.float64))


def _at(pixel_from_xy: np.ndarray, xy: tuple[float, float]) -> tuple[float, float]:
    u, v = (pixel_from_xy @ [xy[0], xy[1], 0.0, 1.0])[:2]
    return float(u), float(v)


def _seen(pose_node: Node, index: int) -> tuple[View, Tensor]:
    """A view, and the middle of the CT before it."""
    from SphericalRegLib.scene import carm
    from SphericalRegLib.scene.readout import center_of

    return carm.views(pose_node)[index], center_of(pose_node)


def _put(pose_node: Node, pose: Tensor) -> None:
    from SphericalRegLib.scene.poses import set_pose

    set_pose(pose_node, pose)
