"""A registration that is seen while it runs: its C-arm moves in the scene, and bears the result in the end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SphericalRegLib.app.control.controller import Controller
from SphericalRegLib.app.control.events import Cancelled, Event, Failed, Finished, Progressed
from SphericalRegLib.app.control.failure import told_later
from SphericalRegLib.app.control.signal import Signal
from SphericalRegLib.app.jobs.job import Scheduler
from SphericalRegLib.app.panel.snapshot import Snapshot
from SphericalRegLib.scene.session.converted_ct import ConvertedCT
from SphericalRegLib.scene.session.live_view import LiveView

if TYPE_CHECKING:
    from torch import Tensor

    from SphericalRegLib.app.jobs.registration_job import Inputs, Registered, RegistrationJob
    from SphericalRegLib.scene.nodes import Node, Scene
    from SphericalRegLib.scene.session.inputs import Landmarks


@dataclass
class _Run:
    """What a run is of; the engine's part comes with its first call."""

    snapshot: Snapshot
    name: str
    inputs: Inputs | None = None
    landmarks: Landmarks | None = None


class RegistrationRun:
    """Runs one registration at a time.

    Args:
        scene: the MRML scene.
        schedule: calls a function later, soon.
        slice_s: see :class:`~SphericalRegLib.app.control.controller.Controller`.
        converted: the chosen CT.
        live: draws the moving C-arm.
        picture_s: seconds between two pictures of a run: each costs as much as some iterations.

    Attributes:
        controller: the run's state and events.
        kept: with the pose node of a new result, before anybody else hears of the run's end.
        message: with what the user should know of a result that cannot be kept.
    """

    def __init__(
        self,
        scene: Scene,
        schedule: Scheduler,
        slice_s: float,
        converted: ConvertedCT,
        live: LiveView,
        picture_s: float = 0.3,
    ) -> None:
        self.controller = Controller(schedule, slice_s)
        self.kept: Signal[[Node]] = Signal("a new result")
        self.message: Signal[[str]] = Signal("a message")
        self._scene, self._schedule = scene, schedule
        self._converted, self._live = converted, live
        self._run: _Run | None = None
        self._preview: Node = None
        self._picture_s, self._shown_at = picture_s, 0.0
        self.controller.events.connect(self._on_event)

    @property
    def preview(self) -> Node:
        """The C-arm that moves, or None."""
        return self._preview

    def start(self, snapshot: Snapshot, name: str) -> int:
        """Begin; the new result will have that name. Returns the run's number.

        The inputs are converted within the run's first call, so the panel can say "preparing" before it blocks.

        Raises:
            BusyError: while another one is under way.
        """
        run = _Run(snapshot, name)

        def engine() -> RegistrationJob:
            from SphericalRegLib.app.jobs.registration_job import RegistrationJob
            from SphericalRegLib.scene.session.inputs import inputs_of, matched_landmarks

            run.landmarks = matched_landmarks(snapshot)
            run.inputs = inputs_of(snapshot, self._converted, run.landmarks)
            return RegistrationJob(run.inputs)

        number = self.controller.start(engine)
        self._run = run
        return number

    def node_removed(self, node: Node) -> str | None:
        """A node leaves the scene: a run that uses it is stopped. Returns the node's name if one was, or None."""
        if not self.controller.state.busy or self._run is None:
            return None
        used = [*self._run.snapshot.nodes_in_use, self._preview]
        if not any(one is not None and one.GetID() == node.GetID() for one in used):
            return None
        if self._preview is not None and self._preview.GetID() == node.GetID():
            self._preview = None
        self.controller.abandon()
        return str(node.GetName())

    def forget(self) -> None:
        """Stop at once and keep nothing: the scene is closed, and takes the moving C-arm with it."""
        self._preview = None
        self.controller.abandon()
        self._run = None

    def close(self) -> None:
        """Stop at once and take the moving C-arm away."""
        self.controller.abandon()
        self._drop_preview()

    def _on_event(self, event: Event) -> None:
        with told_later(self._schedule, self.message):
            if isinstance(event, Progressed):
                self._show(event.step)
            elif isinstance(event, Finished):
                self._keep(event.result)
            elif isinstance(event, Cancelled | Failed):
                self._drop_preview()

    def _show(self, step: Any) -> None:
        """Move the run's C-arm to the best pose so far, and its DRR with it."""
        from SphericalRegLib.scene.poses import set_pose

        case = self._begun()[1].case
        now = time.monotonic()
        if self._preview is not None and now - self._shown_at < self._picture_s:
            return
        self._shown_at = now
        if self._preview is None:
            self._preview = self._add_carm(step.pose)
        else:
            set_pose(self._preview, step.pose)
        self._live.draw(self._preview, case.volume, [one.view for one in case.xrays])

    def _add_carm(self, pose: Tensor) -> Node:
        from SphericalRegLib.scene.carm import add_carm

        run, inputs = self._begun()
        return add_carm(
            self._scene,
            inputs.case.xrays,
            pose,
            run.name,
            ct_node=run.snapshot.ct_volume,
            xray_nodes=run.snapshot.xray_volumes,
            segmentation=run.snapshot.segmentation,
            segments=run.snapshot.segments,
        )

    def _keep(self, registered: Registered) -> None:
        """Make the run's C-arm the bearer of its result."""
        from SphericalRegLib.scene.carm import remove_carm, set_drr
        from SphericalRegLib.scene.results import record_result

        self._live.cancel()
        run, inputs = self._begun()
        node, self._preview = self._preview or self._add_carm(registered.outcome.result.pose), None
        try:
            points, marked = run.landmarks or ({}, [])
            record_result(node, registered.outcome, points=points or None, marked=marked, truth=inputs.truth)
            for index, (drr, bone) in enumerate(zip(registered.drrs, registered.bones, strict=True)):
                set_drr(node, index, drr, bone)
        except Exception:
            remove_carm(node)
            raise
        self.kept.emit(node)
        self._live.was_drawn(node)

    def _begun(self) -> tuple[_Run, Inputs]:
        """The run, once its engine was made."""
        assert self._run is not None
        assert self._run.inputs is not None
        return self._run, self._run.inputs

    def _drop_preview(self) -> None:
        self._live.cancel()
        node, self._preview = self._preview, None
        if node is not None and self._scene.IsNodePresent(node):
            from SphericalRegLib.scene.carm import remove_carm

            remove_carm(node)
