"""A training for the chosen CT, as a child process."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from SphericalRegLib.app.control.controller import Controller
from SphericalRegLib.app.jobs.child_process import ProcessJob
from SphericalRegLib.app.jobs.job import Scheduler
from SphericalRegLib.app.models import training_arguments
from SphericalRegLib.app.panel.snapshot import Snapshot
from SphericalRegLib.scene.session.input_checks import image_size

if TYPE_CHECKING:
    from SphericalRegLib.scene.nodes import Node


class TrainingRun:
    """Runs one training at a time; cancelling it ends the process and its children.

    Args:
        schedule: calls a function later, after a pause: a step looks at the process and never waits for it.

    Attributes:
        controller: the run's state and events.
    """

    def __init__(self, schedule: Scheduler) -> None:
        self.controller = Controller(schedule)

    def start(self, snapshot: Snapshot, folder: Path, python: str, start_from: str | None = None) -> int:
        """Write what the training reads, and begin; returns the run's number.

        Args:
            snapshot: the CT, the X-rays that the model will meet, and what computes.
            folder: where the model goes; made if it is not there.
            python: the interpreter.
            start_from: the model to fine-tune.

        Raises:
            BusyError: while another one is under way.
            InputError: for a CT that cannot be used, or a file that cannot be written.
        """
        ct, name = training_file(snapshot.ct_volume, folder)
        output = folder / f"{name}.safetensors"
        arguments = training_arguments(
            python, str(ct), str(output), start_from, snapshot.device, training_options(snapshot)
        )
        return self.controller.start(lambda: ProcessJob(arguments))


def training_file(node: Node, folder: Path) -> tuple[Path, str]:
    """(file for training, name for a model): the volume's own file if it holds what the scene shows, else a copy.

    Args:
        node: scalar volume node of the CT.
        folder: where a copy goes; made if it is not there.
    """
    from SphericalRegLib.io.ct_file import write_ct
    from SphericalRegLib.scene.ct import ct_from_volume, rescale_of
    from SphericalRegLib.whole_file import whole_file

    storage = node.GetStorageNode()
    own = Path(storage.GetFileName() or "") if storage is not None else Path()
    as_loaded = not node.GetModifiedSinceRead() and node.GetParentTransformNode() is None and rescale_of(node) is None
    if own.is_file() and as_loaded:
        return own, own.name.split(".")[0]
    name = re.sub(r"[^\w-]+", "_", node.GetName()).strip("_") or "CT"
    copy = folder / f"{name}_for_training.nrrd"
    with whole_file(copy) as path:
        write_ct(path, ct_from_volume(node))
    return copy, name


def training_options(snapshot: Snapshot) -> dict[str, str | float]:
    """What is known of the X-rays that a model will meet, as options of the training: view and X-ray system.

    Only presets can be trained around: the choices "automatic" and the C-arm's own angles become AP.
    """
    from SphericalRegLib.geometry.carm import PRESETS

    options: dict[str, str | float] = {"preset": snapshot.preset if snapshot.preset in PRESETS else "AP"}
    fields, size = snapshot.geometry1, image_size(snapshot.xray1_volume)
    if fields.sdd > fields.sad > 0:
        options |= {"sdd": fields.sdd, "sad": fields.sad}
    if size is not None and fields.row_spacing > 0 and fields.column_spacing > 0:
        options["detector_mm"] = max(size[0] * fields.row_spacing, size[1] * fields.column_spacing)
    return options
