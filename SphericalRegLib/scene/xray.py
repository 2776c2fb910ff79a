"""X-rays from volume nodes: one slice of gray values, as the DICOM module or a sequence's proxy brings them."""

from __future__ import annotations

import numpy as np
from vtk.util import numpy_support

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.nominal import NominalGeometry
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.mask import judged_mask
from SphericalRegLib.imaging.tone import TONES, Tone, to_attenuation
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.scene import nodes
from SphericalRegLib.scene.nodes import Node

_WORDS: dict[Tone, str] = {
    "intensity": "intensity, converted with the logarithm",
    "inverted": "stored low where dense, inverted",
    "attenuation": "stored high where dense, taken as it is",
}


def pixels(node: Node, frame: int | None = None) -> np.ndarray:
    """(H, W) stored values of an X-ray volume node, first row on top, not copied.

    Args:
        node: vtkMRMLScalarVolumeNode with one slice; a sequence's proxy shows one frame, the one taken.
        frame: which slice, counted from 0, of a volume that holds a run of images.

    Raises:
        InputError: for color, several slices without a choice, and other nodes; the message names the remedy.
    """
    if node is not None and node.IsA("vtkMRMLSequenceNode"):
        raise InputError(
            f"'{node.GetName()}' is a sequence: choose the volume that shows its current frame (its proxy node)."
        )
    if node is not None and node.IsA("vtkMRMLVectorVolumeNode"):
        raise InputError(
            f"'{node.GetName()}' is a color image ({_components(node)} values per pixel): an X-ray has gray values. "
            "Load the original, or convert it (Vector to Scalar Volume)."
        )
    nodes.require(node, "vtkMRMLScalarVolumeNode", "X-ray volume")
    name = f"The X-ray '{node.GetName()}'"
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError(f"{name} is a label map: choose the image itself.")
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise InputError(f"{name} is empty: load its pixels first.")
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(f"{name} has {image.GetNumberOfScalarComponents()} values per pixel: an X-ray has one.")
    width, height, slices = image.GetDimensions()
    if frame is None and slices != 1:
        raise InputError(
            f"{name} has {slices} slices: an X-ray has one. Choose the frame, counted from 0 to {slices - 1}; or is it "
            "a CT?"
        )
    index = 0 if frame is None else frame
    if not 0 <= index < slices:
        raise InputError(f"{name} has no frame {frame}: it holds {slices}, counted from 0.")
    values: np.ndarray = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    return values.reshape(slices, height, width)[index]


def xray_from_volume(
    node: Node,
    view: View,
    tone: Tone = "attenuation",
    *,
    i0: float | None = None,
    frame: int | None = None,
    usable: np.ndarray | None = None,
    start_angles: tuple[float, float] | None = None,
    geometry: NominalGeometry | None = None,
) -> XRay:
    """An X-ray for registration from a volume node. Where the node lies in the scene does not matter: its view tells.

    Args:
        node: as for :func:`pixels`.
        view: its projection geometry, of the same rows and columns.
        tone: what the stored values are.
        i0: for "intensity": the value with nothing in the beam.
        frame: as for :func:`pixels`.
        usable: (H, W) bool, pixels that may count; what is collimated or saturated is found besides.
        start_angles: the C-arm's (primary, secondary) angles, degrees.
        geometry: what a DICOM header said.

    Raises:
        InputError: as :func:`pixels`, and for values that cannot be used.
        GeometryError: for a view or mask of another size.
    """
    values = pixels(node, frame)
    if tone not in TONES:
        raise InputError(f"tone={tone!r} is none of {', '.join(TONES)}.")
    for what, shape in (("geometry", (view.height, view.width)), ("mask", None if usable is None else usable.shape)):
        if shape is not None and shape != values.shape:
            raise GeometryError(
                f"The X-ray '{node.GetName()}' has {values.shape[0]} rows and {values.shape[1]} columns, its {what} is "
                f"for {shape[0]} and {shape[1]}: give that of this image."
            )
    image = to_attenuation(values, tone, i0)
    mask, notes = judged_mask(image, None if usable is None else usable.astype(bool))
    return XRay(
        image=image,
        view=view,
        mask=mask,
        start_angles=start_angles,
        geometry=geometry,
        path=node.GetName(),
        frame=frame or 0,
        conversion=f"{_WORDS[tone]} (as chosen)",
        notes=notes,
    )


def dicom_instance_uids(node: Node) -> list[str]:
    """SOP instance UIDs of the files that a volume was loaded from; of its sequence's, for a proxy; none otherwise.

    For looking up geometry tags in Slicer's DICOM database.
    """
    scene = nodes.scene_of(node)
    for candidate in [node, *_sequences(scene, node)]:
        text = candidate.GetAttribute("DICOM.instanceUIDs")
        if text:
            return str(text).split()
    return []


def frame_number(node: Node) -> int | None:
    """For a sequence's proxy volume: which frame it shows, counted from 0; None for any other node."""
    for browser in _browsers(nodes.scene_of(node)):
        if browser.GetSequenceNode(node) is not None:
            return int(browser.GetSelectedItemNumber())
    return None


def _browsers(scene: nodes.Scene) -> list[Node]:
    kind = "vtkMRMLSequenceBrowserNode"
    return [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]


def _sequences(scene: nodes.Scene, proxy: Node) -> list[Node]:
    found = (browser.GetSequenceNode(proxy) for browser in _browsers(scene))
    return [sequence for sequence in found if sequence is not None]


def _components(node: Node) -> int:
    return 0 if node.GetImageData() is None else int(node.GetImageData().GetNumberOfScalarComponents())
