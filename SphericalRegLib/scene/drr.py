"""A DRR of a CT in the scene, in three lines of Python::

from SphericalRegLib.scene.drr import drr_of
node = drr_of(slicer.util.getNode("CT"), "LAO 30 CRA 15", sdd=1200, sad=800, rows=768, columns=1024)
pixels = slicer.util.arrayFromVolume(node)[0]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from SphericalRegLib.app.device import DeviceName, choose_device
from SphericalRegLib.app.panel.carm_drr import CArmDRR
from SphericalRegLib.geometry.carm_setting import CArmSetting
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.scene import drr_carm, nodes
from SphericalRegLib.scene.ct import ct_from_volume
from SphericalRegLib.scene.nodes import Node


def drr_of(
    ct_node: Node,
    view: str | CArmSetting = "AP",
    *,
    segmentation: Node | None = None,
    segments: Sequence[str] | None = None,
    bone_only: bool = False,
    device: DeviceName = "auto",
    name: str = "C-arm",
    **numbers: Any,
) -> Node:
    """Draw a DRR, with its C-arm in the scene.

    Args:
        ct_node: vtkMRMLScalarVolumeNode in Hounsfield units.
        view: one of ``carm_words.NAMED_VIEWS`` (AP, PA, inlet …), angles in words (RAO 30 CAU 15), or a whole setting.
        segmentation, segments: where only these are drawn: see :func:`~SphericalRegLib.scene.ct.ct_from_volume`.
        bone_only: whether what is not denser than soft tissue is left out.
        device: what computes: auto, cpu, cuda, mps.
        name: of the C-arm.
        numbers: of the C-arm, fields of :class:`~SphericalRegLib.geometry.carm_setting.CArmSetting`.

    Returns:
        vtkMRMLScalarVolumeNode of one slice at the detector: line integrals of attenuation, without unit. Its parent
        transform is the C-arm's pose, of which ``drr_carm.save`` writes PNG, NRRD or DICOM.

    Raises:
        InputError: for nodes that are no CT or have no such segments.
        GeometryError: for a view that is not known, or numbers that no C-arm has.
    """
    setting = view if isinstance(view, CArmSetting) else CArmSetting().seen_from(view)
    setting = replace(setting, **numbers)
    scan = ct_from_volume(ct_node, segmentation, segments)
    labels = sorted(scan.label_names) if segmentation is not None and segments is not None else None
    volume = to_volume(scan, labels=labels).to(choose_device(device))
    hub = drr_carm.add_drr_carm(nodes.scene_of(ct_node), setting, ct_node, name)
    *_, image = CArmDRR(volume).resting(setting, bone_only)
    assert image is not None
    return drr_carm.put_drr(hub, image)
