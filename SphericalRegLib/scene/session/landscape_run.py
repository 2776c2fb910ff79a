"""A landscape of similarities about a pose, computed and put into the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from SphericalRegLib.app.control.controller import Controller
from SphericalRegLib.app.control.events import Event, Finished
from SphericalRegLib.app.control.failure import told_later
from SphericalRegLib.app.control.signal import Signal
from SphericalRegLib.app.jobs.job import Scheduler
from SphericalRegLib.app.panel.snapshot import LandscapeChoices, Snapshot
from SphericalRegLib.errors import InputError
from SphericalRegLib.scene.session.converted_ct import ConvertedCT

if TYPE_CHECKING:
    from SphericalRegLib.app.jobs.landscape_job import LandscapeJob
    from SphericalRegLib.landscape import Landscape
    from SphericalRegLib.scene.nodes import Node, Scene


@dataclass(frozen=True)
class _Run:
    snapshot: Snapshot
    middle: Node
    name: str

    def uses(self, node: Node) -> bool:
        used = [self.middle, *self.snapshot.nodes_in_use]
        return any(one is not None and one.GetID() == node.GetID() for one in used)


class LandscapeRun:
    """Computes one landscape at a time.

    Args:
        scene: the MRML scene.
        schedule: calls a function later, soon.
        slice_s: see :class:`~SphericalRegLib.app.control.controller.Controller`.
        converted: the chosen CT.

    Attributes:
        controller: the run's state and events.
        kept: with the table of a new landscape, before anybody else hears of the run's end.
        message: with what the user should know of a landscape that cannot be kept.
    """

    def __init__(self, scene: Scene, schedule: Scheduler, slice_s: float, converted: ConvertedCT) -> None:
        self.controller = Controller(schedule, slice_s)
        self.kept: Signal[[Node]] = Signal("a new landscape")
        self.message: Signal[[str]] = Signal("a message")
        self._scene, self._schedule, self._converted = scene, schedule, converted
        self._run: _Run | None = None
        self.controller.events.connect(self._on_event)

    def start(self, snapshot: Snapshot, choices: LandscapeChoices, middle: Node, name: str) -> int:
        """Begin; returns the run's number.

        Args:
            snapshot: CT and X-rays.
            choices: of axes and similarities.
            middle: node of the pose in the middle, or None, which is told as an error of the run.
            name: of the landscape.

        Raises:
            BusyError: while another one is under way.
        """

        def engine() -> LandscapeJob:
            from SphericalRegLib.app.jobs.landscape_job import axis, landscape_by_name
            from SphericalRegLib.scene.poses import pose_from_transform
            from SphericalRegLib.scene.session.inputs import xrays_of

            if middle is None:
                raise InputError("There is no pose in the middle: register first, or choose a current pose.")
            return landscape_by_name(
                self._converted.chosen(snapshot).volume,
                xrays_of(snapshot),
                pose_from_transform(middle),
                axis(choices.first_parameter, choices.first_extent, choices.first_steps),
                axis(choices.second_parameter, choices.second_extent, choices.second_steps),
                choices.compared_similarities,
                choices.landscape_size,
                model=snapshot.model_file or None,
                bones=bool(snapshot.segments),
            )

        number = self.controller.start(engine)
        self._run = _Run(snapshot, middle, name)
        return number

    def node_removed(self, node: Node) -> str | None:
        """A node leaves the scene: a run that uses it is stopped. Returns the node's name if one was, or None."""
        if not self.controller.state.busy or self._run is None or not self._run.uses(node):
            return None
        self.controller.abandon()
        return str(node.GetName())

    def forget(self) -> None:
        """Stop at once and keep nothing: the scene is closed."""
        self.controller.abandon()
        self._run = None

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Finished):
            with told_later(self._schedule, self.message):
                self._keep(event.result)

    def _keep(self, found: Landscape) -> None:
        from SphericalRegLib.app.jobs.landscape_job import display_axis
        from SphericalRegLib.scene.landscape import Axis, add_landscape

        assert self._run is not None
        x, y = (Axis(*display_axis(one)) for one in (found.first, found.second))
        # rows of the surface are y
        values = {name: grid.T for name, grid in zip(found.names, found.values, strict=True)}
        origin = _beside_patient(self._run.snapshot.ct_volume)
        table = add_landscape(self._scene, x, y, values, self._run.name, current=(0.0, 0.0), origin=origin)
        self.kept.emit(table)


def _beside_patient(ct: Node) -> list[float]:
    """Where a landscape is drawn, world mm: off the CT and its C-arms, so that it hides nothing."""
    bounds = [0.0] * 6
    if ct is not None:
        ct.GetRASBounds(bounds)
    return [bounds[0] - 600.0, (bounds[2] + bounds[3]) / 2, (bounds[4] + bounds[5]) / 2]
