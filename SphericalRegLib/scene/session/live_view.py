"""The DRRs of the C-arm that moves, by hand or in a registration: drawn anew wherever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from SphericalRegLib.app.control.failure import failure_of
from SphericalRegLib.app.control.latest_wins import LatestWins
from SphericalRegLib.app.control.signal import Signal
from SphericalRegLib.app.jobs.job import Scheduler

if TYPE_CHECKING:
    from SphericalRegLib.app.panel.live_drr import LiveDRR
    from SphericalRegLib.geometry.view import View
    from SphericalRegLib.geometry.volume import Volume
    from SphericalRegLib.scene.nodes import Node, Scene


class LiveView:
    """Draws the newest pose asked for, soon.

    Args:
        scene: the MRML scene.
        schedule: calls a function later, soon.

    Attributes:
        drawn: with the pose node of a C-arm whose DRRs were drawn.
        message: with what the user should know of a drawing that failed.
    """

    def __init__(self, scene: Scene, schedule: Scheduler) -> None:
        self.drawn: Signal[[Node]] = Signal("a drawn DRR")
        self.message: Signal[[str]] = Signal("a message")
        self._scene = scene
        self._latest: LatestWins[Node] = LatestWins(schedule, self._draw, self._failed)
        self._renderer: LiveDRR | None = None
        self._key: Any = None
        self._edges_shown = False
        # IDs of those C-arms whose bones were drawn at another pose
        self._stale_bones: set[str] = set()

    def draw(self, node: Node, volume: Volume, views: Sequence[View]) -> None:
        """Draw a CT at a C-arm's pose, soon."""
        from SphericalRegLib.app.panel.live_drr import LiveDRR

        key = (id(volume), *(view.intrinsics.tolist() for view in views))
        if key != self._key:
            self._renderer, self._key = LiveDRR(volume, views), key
        self._latest.ask(node)

    def show_edges(self, shown: bool, node: Node) -> bool:
        """Draw bones as well from now on, or not; whether those of a C-arm that is shown must be drawn anew for it."""
        self._edges_shown = shown
        return shown and node.GetID() in self._stale_bones

    def was_drawn(self, node: Node) -> None:
        """Somebody else has drawn a C-arm's DRRs and bones."""
        self._stale_bones.discard(node.GetID())
        self.drawn.emit(node)

    def cancel(self) -> None:
        """Forget what waits to be drawn."""
        self._latest.cancel()

    def forget(self) -> None:
        """Keep nothing: the scene is closed."""
        self.cancel()
        self._renderer = self._key = None
        self._stale_bones = set()

    def _draw(self, node: Node) -> None:
        from SphericalRegLib.scene.carm import set_drr
        from SphericalRegLib.scene.overlay import refresh_overlay
        from SphericalRegLib.scene.poses import pose_from_transform

        # deleted between the request and its turn
        if self._renderer is None or not self._scene.IsNodePresent(node):
            return
        pose = pose_from_transform(node)
        drrs = self._renderer.render(pose)
        # twice the work, so only where the bones' edges are what is shown
        bones = self._renderer.render_bones(pose) if self._edges_shown else [None] * len(drrs)
        for index, (drr, bone) in enumerate(zip(drrs, bones, strict=True)):
            set_drr(node, index, drr, bone)
            refresh_overlay(node, index)
        if self._edges_shown:
            self._stale_bones.discard(node.GetID())
        else:
            self._stale_bones.add(node.GetID())
        self.drawn.emit(node)

    def _failed(self, error: Exception) -> None:
        self.message.emit(failure_of(error).text)
