"""The chosen CT as the engine takes it, converted once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from SphericalRegLib.errors import InputError

if TYPE_CHECKING:
    from SphericalRegLib.app.panel.snapshot import Snapshot
    from SphericalRegLib.geometry.volume import Volume
    from SphericalRegLib.imaging.ct import CT
    from SphericalRegLib.scene.nodes import Node


class Converted(NamedTuple):
    """A CT in Hounsfield units, and its attenuation on the device that computes; of the segments alone, if any."""

    scan: CT
    volume: Volume


class ConvertedCT:
    """Converts, and keeps what it converted until the CT or what was chosen of it changes."""

    def __init__(self) -> None:
        self._key: object = None
        self._kept: Converted | None = None

    def forget(self) -> None:
        """Let the converted CT go: the scene was closed."""
        self._key = self._kept = None

    def chosen(self, snapshot: Snapshot) -> Converted:
        """That of a panel's choices.

        Raises:
            InputError: for a CT that is not there or cannot be used.
            DeviceError: for a device that is not there.
        """
        return self.of(snapshot.ct_volume, snapshot.segmentation, snapshot.segments, snapshot.device)

    def of(self, ct: Node, segmentation: Node, segments: Sequence[str], device: Any) -> Converted:
        """That of a scalar volume node.

        Args:
            ct: the node.
            segmentation: node, or None.
            segments: IDs of its segments, which alone are kept where there are any.
            device: by name.

        Raises:
            InputError, DeviceError: see :meth:`chosen`.
        """
        if ct is None:
            raise InputError("There is no CT: choose one under Inputs.")
        key = (_stamp(ct), _stamp(segmentation), tuple(segments), device)
        if self._kept is None or key != self._key:
            from SphericalRegLib.app.device import choose_device
            from SphericalRegLib.imaging.volume import to_volume
            from SphericalRegLib.scene.ct import ct_from_volume

            chosen = list(segments) or None
            scan = ct_from_volume(ct, segmentation, chosen)
            labels = sorted(scan.label_names) if chosen else None
            volume = to_volume(scan, labels=labels).to(choose_device(device))
            self._key, self._kept = key, Converted(scan, volume)
        return self._kept


def _stamp(node: Node) -> object:
    """What tells whether a volume or segmentation is as it was."""
    if node is None:
        return None
    image = node.GetImageData() if node.IsA("vtkMRMLVolumeNode") else node.GetSegmentation()
    return node.GetID(), node.GetMTime(), image.GetMTime() if image else 0, _chain_time(node.GetParentTransformNode())


def _chain_time(transform_node: Node) -> int:
    """The latest change of a transform and of all that it hangs under."""
    latest = 0
    while transform_node is not None:
        transform = transform_node.GetTransformToParent()
        latest = max(latest, transform_node.GetMTime(), transform.GetMTime() if transform else 0)
        transform_node = transform_node.GetParentTransformNode()
    return latest
