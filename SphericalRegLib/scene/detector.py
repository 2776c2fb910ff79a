"""Where an X-ray's pixels lie in space: images as one-slice volumes at the detector.

Voxel (i, j, 0) of such a volume is pixel (column i, row j), and its center is the pixel's on the detector plane, in the
rig's frame; the pose node above it puts the rig into the world. So a point that the engine projects to (u, v) lies on
the ray from the source to the volume's (u, v, 0): no half pixel lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import vtk
from vtk.util import numpy_support

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.scene import matrices, nodes
from SphericalRegLib.scene.nodes import Node, Scene

# Of the one slice, mm: slice views find it within half of this.
THICKNESS = 1.0


def rig_from_ijk(view: View) -> np.ndarray:
    """(4, 4) float64: the rig's frame, mm, of a view's pixels as voxels (column, row, 0).

    The third axis is the detector's normal that makes the three right-handed: away from the source, or for images that
    are stored mirrored toward it.
    """
    columns = view.detector_from_pixel().numpy()
    normal = np.cross(columns[:, 0], columns[:, 1])
    camera_from_ijk = np.eye(4)
    camera_from_ijk[:3, 0] = columns[:, 0]
    camera_from_ijk[:3, 1] = columns[:, 1]
    camera_from_ijk[:3, 2] = THICKNESS * normal / np.linalg.norm(normal)
    camera_from_ijk[:3, 3] = columns[:, 2]
    return np.asarray(np.linalg.inv(view.camera_from_rig.numpy()) @ camera_from_ijk)


def rig_from_pixels(view: View, pixels: np.ndarray) -> np.ndarray:
    """(N, 3) mm in the rig's frame of pixels (N, 2) = (u, v) on the detector."""
    matrix = rig_from_ijk(view)
    return np.asarray(np.asarray(pixels, float).reshape(-1, 2) @ matrix[:3, :2].T + matrix[:3, 3])


def source_in_rig(view: View) -> np.ndarray:
    """(3,) mm: the X-ray source in the rig's frame."""
    return np.asarray(np.linalg.inv(view.camera_from_rig.numpy())[:3, 3])


def corners_in_rig(view: View) -> np.ndarray:
    """(4, 3) mm in the rig's frame: the outer corners of the detector, around it from pixel (0, 0)'s."""
    right, bottom = view.width - 0.5, view.height - 0.5
    return rig_from_pixels(view, np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]]))


def add_image(
    scene: Scene, image: np.ndarray, view: View, name: str, parent: Node | None, hidden: bool = False
) -> Node:
    """A new one-slice volume node at a view's detector, under a pose node.

    Args:
        scene: to add it to.
        image: (H, W) gray values, or (H, W, 3) uint8 colors; of the view's size, or another number of pixels over the
            same detector area.
        view: its geometry.
        name: of the node.
        parent: pose node (world_from_rig).
        hidden: whether selectors leave it out.
    """
    kind = "vtkMRMLVectorVolumeNode" if image.ndim == 3 else "vtkMRMLScalarVolumeNode"
    title = nodes.unique_name(scene, name)
    node = nodes.add_hidden(scene, kind, title) if hidden else scene.AddNewNodeByClass(kind, title)
    put_image(node, image, view)
    node.CreateDefaultDisplayNodes()  # after its pixels: how to show them depends on what they are
    if parent is not None:
        node.SetAndObserveTransformNodeID(parent.GetID())
    return node


def put_image(node: Node, image: np.ndarray, view: View) -> None:
    """Replace a volume node's pixels and grid: see :func:`add_image`."""
    height, width = image.shape[:2]
    components = 1 if image.ndim == 2 else image.shape[2]
    values = np.ascontiguousarray(image)
    old = node.GetImageData()
    kind = numpy_support.get_vtk_array_type(values.dtype)
    same = (
        old is not None
        and old.GetDimensions() == (width, height, 1)
        and old.GetScalarType() == kind
        and old.GetNumberOfScalarComponents() == components
    )
    if same:
        array = numpy_support.vtk_to_numpy(old.GetPointData().GetScalars())
        array[...] = values.reshape(array.shape)
        old.GetPointData().GetScalars().Modified()
        old.Modified()
    else:
        data = vtk.vtkImageData()
        data.SetDimensions(width, height, 1)
        data.AllocateScalars(kind, components)
        array = numpy_support.vtk_to_numpy(data.GetPointData().GetScalars())
        array[...] = values.reshape(array.shape)
        node.SetAndObserveImageData(data)
    of_this_size = view if (view.height, view.width) == (height, width) else view.resized(height, width)
    placed, current = matrices.to_vtk(rig_from_ijk(of_this_size)), vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(current)
    if any(current.GetElement(i, j) != placed.GetElement(i, j) for i in range(3) for j in range(4)):
        # every view looks at the node anew
        node.SetIJKToRASMatrix(placed)


def array_of(node: Node) -> np.ndarray:
    """(H, W) or (H, W, 3) pixels of a one-slice volume node, not copied."""
    data = node.GetImageData()
    width, height, _ = data.GetDimensions()
    array: np.ndarray = numpy_support.vtk_to_numpy(data.GetPointData().GetScalars())
    return array.reshape((height, width) if data.GetNumberOfScalarComponents() == 1 else (height, width, -1))


def set_window(node: Node, low: float, high: float) -> None:
    """Show a scalar volume from black at ``low`` to white at ``high``, by hand rather than automatically."""
    display = node.GetDisplayNode()
    top = float(high) if high > low else float(low) + 1.0
    display.SetAutoWindowLevel(False)
    # scene files keep six digits: with no more here, a scene looks the same after loading
    display.SetWindow(float(f"{top - low:.5g}"))
    display.SetLevel(float(f"{(top + low) / 2:.5g}"))


def describe_view(view: View) -> dict[str, Any]:
    """A view as JSON, every digit; under the keys of our calibration files."""
    return {
        "name": view.name,
        "rows": view.height,
        "columns": view.width,
        "intrinsics_px": view.intrinsics.tolist(),
        "source_to_detector_mm": view.sdd,
        "source_to_isocenter_mm": view.sad,
        "camera_from_rig_mm": view.camera_from_rig.tolist(),
    }


def view_described(description: dict[str, Any]) -> View:
    """The inverse of :func:`describe_view`.

    Raises:
        GeometryError: for a description that is not one.
    """
    try:
        return View(
            torch.tensor(description["intrinsics_px"], dtype=torch.float64),
            description["rows"],
            description["columns"],
            description["source_to_detector_mm"],
            torch.tensor(description["camera_from_rig_mm"], dtype=torch.float64),
            description["source_to_isocenter_mm"],
            description["name"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GeometryError(f"A view in the scene cannot be read ({error!r}): register again.") from None
