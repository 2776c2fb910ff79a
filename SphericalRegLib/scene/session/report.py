"""The report of a result in the scene, its DRRs drawn anew from its CT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from SphericalRegLib.errors import InputError
from SphericalRegLib.scene.session.converted_ct import ConvertedCT

if TYPE_CHECKING:
    from SphericalRegLib.scene.nodes import Node


def write_report(node: Node, folder: str | Path, converted: ConvertedCT, device: str = "auto") -> None:
    """Write result.json, pose.tfm, pictures and report.html of a result.

    Raises:
        InputError: for a node that bears no result, and where what it was made of was deleted since.
    """
    from SphericalRegLib.reporting.report import write_record
    from SphericalRegLib.scene.carm import carm_nodes
    from SphericalRegLib.scene.report import kept_record, where_registered
    from SphericalRegLib.whole_file import whole_folder

    record, found = kept_record(node), carm_nodes(node)
    if found.ct is None or (found.segments and found.segmentation is None):
        raise InputError(
            f"The report draws the CT of '{node.GetName()}' anew, and "
            f"{'it' if found.ct is None else 'its segmentation'} was deleted: load it again and register again."
        )
    volume = converted.of(found.ct, found.segmentation, found.segments, device).volume
    with whole_folder(folder) as stage:
        write_record(stage, record, where_registered(volume, node))
