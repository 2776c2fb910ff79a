"""What a data set holds, read from end to end, and what is wrong with it: patient by patient, so that one does not hide
the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.datasets.contract import Dataset, Subject
from SphericalRegLib.evaluation.datasets.landmark_check import farthest_px
from SphericalRegLib.imaging.labels import labels_present
from SphericalRegLib.imaging.volume import body_box


@dataclass(frozen=True)
class Finding:
    """About one subject.

    Attributes:
        name: of the subject.
        frames: how many it has.
        checked: frames whose landmarks were compared with their marks.
        farthest_px: the largest distance of a projected landmark from its mark.
        voxels: of its CT (i, j, k); None where it was not read.
        labels: of its CT.
        flagged: frames with flags.
        notes: what should be known, in sentences.
        problems: for which data are refused, in sentences.
    """

    name: str
    frames: int = 0
    checked: int = 0
    farthest_px: float = 0.0
    voxels: tuple[int, int, int] | None = None
    labels: int = 0
    flagged: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def check_dataset(dataset: Dataset, images: bool = True) -> Iterator[Finding]:
    """Read it, subject by subject.

    Args:
        dataset: as opened.
        images: whether CTs and X-rays are read as well; without, poses and landmarks alone.
    """
    for name in dataset.names:
        try:
            subject = dataset.subject(name)
        except InputError as error:
            yield Finding(name, problems=(str(error),))
            continue
        yield _looked_at(subject, images)


def _looked_at(subject: Subject, images: bool) -> Finding:
    marked = [frame for frame in subject.frames if frame.marks]
    off = [farthest_px(frame.view, frame.pose, subject.points, frame.marks)[0] for frame in marked]
    notes = [*subject.notes, *(f"{frame.name}: {note}" for frame in subject.frames for note in frame.notes)]
    problems: list[str] = []
    voxels, labels = None, 0
    if images:
        try:
            ct = subject.ct()
            voxels = (ct.hu.shape[2], ct.hu.shape[1], ct.hu.shape[0])
            labels = 0 if ct.labels is None else len(labels_present(ct.labels))
            if subject.density == "hounsfield":
                body_box(ct.hu, subject.name)
        except InputError as error:
            problems.append(str(error))
        for frame in subject.frames:
            try:
                frame.xray()
            except InputError as error:
                problems.append(f"{frame.name}: {error}")
    return Finding(
        subject.name,
        len(subject.frames),
        len(marked),
        max(off, default=0.0),
        voxels,
        labels,
        sum(bool(frame.flags) for frame in subject.frames),
        tuple(notes),
        tuple(problems),
    )
