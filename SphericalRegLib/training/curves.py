"""The log of a training as a picture."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from SphericalRegLib.errors import InputError
from SphericalRegLib.whole_file import write_whole

# Steps that a loss is averaged over, of the logged ones.
_SMOOTH = 15


def save_curves(log: str | os.PathLike[str], picture: str | os.PathLike[str]) -> None:
    """Loss and held-out error of each phase, over time, as PNG.

    Args:
        log: the log.csv of a :class:`~SphericalRegLib.training.run.TrainingRun`.
        picture: .png, written whole or not at all.

    Raises:
        InputError: for a log that cannot be read, or a place that cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    try:
        with Path(log).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        phases = list(dict.fromkeys(row["phase"] for row in rows))
    except (OSError, KeyError) as error:
        raise InputError(f"The training log {log} cannot be read ({error}).") from error
    if not phases:
        raise InputError(f"The training log {log} is empty: there is nothing to draw.")
    figure = Figure(figsize=(5.2 * len(phases), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, phase in zip(figure.subplots(1, len(phases), squeeze=False)[0], phases, strict=True):
        mine = [row for row in rows if row["phase"] == phase]
        minutes = [float(row["seconds"]) / 60 for row in mine]
        losses = [float(row["loss"]) for row in mine]
        smooth = [
            sum(part) / len(part) for n in range(len(losses)) if (part := losses[max(0, n + 1 - _SMOOTH) : n + 1])
        ]
        axes.plot(minutes, losses, color="0.8", linewidth=0.8)
        axes.plot(minutes, smooth, color="tab:blue", label="loss (training)")
        axes.set(title=phase.capitalize(), xlabel="minutes", ylabel="loss", ylim=(0, None))
        held_out = [
            (m, float(row["validation_mm"])) for m, row in zip(minutes, mine, strict=True) if row["validation_mm"]
        ]
        if held_out:
            right = axes.twinx()
            right.plot(*zip(*held_out, strict=True), "o-", color="tab:orange", markersize=3, label="held-out X-rays")
            right.set(ylabel="median mTRE, mm", ylim=(0, None))
            lines = [*axes.get_lines()[1:], *right.get_lines()]
        else:
            lines = axes.get_lines()[1:]
        axes.legend(lines, [str(line.get_label()) for line in lines], fontsize="small", loc="upper right")
    image = io.BytesIO()
    figure.savefig(image, dpi=130, format="png")
    write_whole(picture, image.getvalue())
