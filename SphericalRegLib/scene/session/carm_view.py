"""The C-arm that a user moves by its numbers: its DRR follows with few pixels, and is drawn with all when it rests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SphericalRegLib.app.control.failure import failure_of
from SphericalRegLib.app.control.latest_wins import LatestWins
from SphericalRegLib.app.control.signal import Signal
from SphericalRegLib.app.jobs.job import Scheduler
from SphericalRegLib.scene.session.converted_ct import ConvertedCT

if TYPE_CHECKING:
    from SphericalRegLib.app.panel.carm_drr import CArmDRR
    from SphericalRegLib.app.panel.snapshot import Snapshot
    from SphericalRegLib.geometry.carm_setting import CArmSetting
    from SphericalRegLib.scene.nodes import Node, Scene


@dataclass(frozen=True)
class CArmLook:
    """What is to be drawn.

    Attributes:
        setting: of the C-arm.
        bone_only: whether what is not denser than soft tissue is left out.
        gamma, inverted: see :class:`~SphericalRegLib.imaging.gray_tone.GrayTone`.
        markups: node whose points are projected, or None.
    """

    setting: CArmSetting
    bone_only: bool = False
    gamma: float = 1.0
    inverted: bool = False
    markups: Any = None


class CArmView:
    """Draws the newest look asked for, soon.

    Args:
        scene: the MRML scene.
        schedule: calls a function later, soon.
        schedule_slowly: calls a function later, after a pause in which a hand would have moved on.
        converted: the chosen CT.
        name: of the C-arm.

    Attributes:
        drawn: with the pose node and whether all pixels are drawn.
        moving: whether it is being moved to what was asked for, by nobody else.
        message: with what the user should know of a drawing that failed; empty after one that did not.
    """

    def __init__(
        self,
        scene: Scene,
        schedule: Scheduler,
        schedule_slowly: Scheduler,
        converted: ConvertedCT,
        name: str = "C-arm",
    ) -> None:
        self.drawn: Signal[[Node, bool]] = Signal("a drawn DRR")
        self.message: Signal[[str]] = Signal("a message")
        self._scene, self._schedule, self._schedule_slowly = scene, schedule, schedule_slowly
        self._converted, self._name = converted, name
        self._latest: LatestWins[tuple[Snapshot, CArmLook]] = LatestWins(schedule, self._draw, self._failed)
        self._renderer: CArmDRR | None = None
        self._ticket = 0
        self._bone_only: bool | None = None
        self.moving = False

    @property
    def node(self) -> Node | None:
        """The C-arm's pose node in the scene, the newest where there are several, or None."""
        from SphericalRegLib.scene.drr_carm import drr_carms

        found = drr_carms(self._scene)
        return found[-1] if found else None

    def ask(self, snapshot: Snapshot, look: CArmLook) -> None:
        """Draw the chosen CT so, soon, and with all pixels when nothing else has been asked for a while."""
        self._ticket += 1
        self._latest.ask((snapshot, look))

    def cancel(self) -> None:
        """Forget what waits to be drawn, at rest too."""
        self._ticket += 1
        self._latest.cancel()

    def forget(self) -> None:
        """Keep nothing: the scene is closed."""
        self.cancel()
        self._renderer = self._bone_only = None

    def _draw(self, request: tuple[Snapshot, CArmLook]) -> None:
        from SphericalRegLib.app.panel.carm_drr import CArmDRR
        from SphericalRegLib.scene import drr_carm

        snapshot, look = request
        volume = self._converted.chosen(snapshot).volume
        if self._renderer is None or self._renderer.volume is not volume:
            self._renderer = CArmDRR(volume)
        node = self._carm_of(snapshot.ct_volume, look)
        self._put(node, self._renderer.moving(look.setting, look.bone_only), look)
        drr_carm.project(node, look.markups)
        self.message.emit("")
        self.drawn.emit(node, False)
        ticket = self._ticket
        self._schedule_slowly(lambda: self._rest(ticket, node, look))

    def _carm_of(self, ct: Node, look: CArmLook) -> Node:
        """The C-arm at the setting; another CT gets it too, rather than one of its own."""
        from SphericalRegLib.scene import carm, drr_carm

        node = self.node
        if node is None:
            return drr_carm.add_drr_carm(self._scene, look.setting, ct, self._name)
        carm.refer(node, "CT", ct)
        self.moving = True
        try:
            drr_carm.set_setting(node, look.setting)
        finally:
            self.moving = False
        return node

    def _put(self, node: Node, image: Any, look: CArmLook) -> None:
        from SphericalRegLib.scene import drr_carm

        first = drr_carm.drr_node(node) is None
        drr_carm.put_drr(node, image)
        drr_carm.set_curve(node, look.gamma, look.inverted)
        if self._bone_only is not None and look.bone_only != self._bone_only and not first:
            # bones alone attenuate less: the former window would show them gray
            drr_carm.fit_window(node)
        self._bone_only = look.bone_only

    def _rest(self, ticket: int, node: Node, look: CArmLook) -> None:
        if self._stale(ticket, node) or self._renderer is None:
            return
        self._go_on(ticket, node, look, self._renderer.resting(look.setting, look.bone_only))

    def _go_on(self, ticket: int, node: Node, look: CArmLook, bands: Iterator[Any]) -> None:
        if self._stale(ticket, node):
            return
        try:
            image = next(bands)
            if image is None:
                self._schedule(lambda: self._go_on(ticket, node, look, bands))
                return
            self._put(node, image, look)
        except Exception as error:
            self._failed(error)
            return
        self.drawn.emit(node, True)

    def _stale(self, ticket: int, node: Node) -> bool:
        """Whether something else was asked for meanwhile, or the C-arm was deleted."""
        return ticket != self._ticket or not self._scene.IsNodePresent(node)

    def _failed(self, error: Exception) -> None:
        self.message.emit(failure_of(error).text)
