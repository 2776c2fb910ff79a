"""What a user deletes a part of goes as a whole: the rest of it is listed nowhere, or can be chosen no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from SphericalRegLib.app.jobs.job import Scheduler

if TYPE_CHECKING:
    from SphericalRegLib.scene.nodes import Node


def is_carm(node: Node) -> bool:
    """Whether a node of a scene is the pose of a C-arm of ours. Asked at any time, so without torch."""
    return node is not None and node.GetScene() is not None and node.GetAttribute("SphericalReg.Views") is not None


def is_drr_carm(node: Node) -> bool:
    """Whether a C-arm is moved by its numbers and has no X-ray; without torch too."""
    return is_carm(node) and node.GetAttribute("SphericalReg.DRRCArm") is not None


def is_landscape(node: Node) -> bool:
    """Whether a node is the table of a landscape of ours; without torch too."""
    return bool(node.IsA("vtkMRMLTableNode")) and node.GetAttribute("SphericalReg.Landscape") is not None


def remove_rest_of_carm(node: Node, schedule: Scheduler, done: Callable[[], None]) -> None:
    """Of a C-arm whose pose leaves the scene remove the rest, a little later; ``done`` is called then."""
    if not is_carm(node):
        return
    from SphericalRegLib.scene.carm import belongings
    from SphericalRegLib.scene.nodes import remove_node

    left = belongings(node)

    def remove() -> None:
        for one in left:
            remove_node(one)
        done()

    schedule(remove)


def remove_rest_of_landscape(node: Node, schedule: Scheduler) -> None:
    """Of a landscape whose table leaves the scene remove surfaces and marks, a little later."""
    if not is_landscape(node):
        return
    from SphericalRegLib.scene.landscape import belongings, remove_belongings

    left = belongings(node)
    schedule(lambda: remove_belongings(left))
