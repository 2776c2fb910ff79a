"""The CT by volume rendering: its bones, without presets from files, so that it looks the same everywhere."""

from __future__ import annotations

import vtk

from SphericalRegLib.errors import InputError
from SphericalRegLib.scene import nodes
from SphericalRegLib.scene.nodes import Node

# (HU, opacity) and (HU, red, green, blue): skin and muscle are left out, bone turns from reddish to ivory.
_OPACITY = ((-1024.0, 0.0), (140.0, 0.0), (260.0, 0.25), (700.0, 0.7), (3000.0, 0.85))
_COLORS = (
    (-1024.0, 0.0, 0.0, 0.0),
    (140.0, 0.65, 0.35, 0.25),
    (300.0, 0.88, 0.72, 0.52),
    (700.0, 1.0, 0.96, 0.88),
    (3000.0, 1.0, 1.0, 1.0),
)


def show_ct_in_3d(ct_node: Node, logic: Node, visible: bool = True) -> Node:
    """Show or hide a CT's bones in the 3D views; the user's own settings of a rendering that is there stay.

    Args:
        ct_node: vtkMRMLScalarVolumeNode in Hounsfield units.
        logic: of the Volume Rendering module (``slicer.modules.volumerendering.logic()``).
        visible: whether to show it.

    Returns:
        The volume rendering display node.

    Raises:
        InputError: for another node.
    """
    nodes.require(ct_node, "vtkMRMLScalarVolumeNode", "CT volume")
    display = logic.GetFirstVolumeRenderingDisplayNode(ct_node)
    if display is None:
        display = logic.CreateDefaultVolumeRenderingNodes(ct_node)
        if display is None:
            raise InputError(f"'{ct_node.GetName()}' cannot be shown by volume rendering: is it empty?")
        look = display.GetVolumePropertyNode().GetVolumeProperty()
        opacity, colors = vtk.vtkPiecewiseFunction(), vtk.vtkColorTransferFunction()
        for point in _OPACITY:
            opacity.AddPoint(*point)
        for color in _COLORS:
            colors.AddRGBPoint(*color)
        look.SetScalarOpacity(opacity)
        look.SetColor(colors)
        look.ShadeOn()
        look.SetInterpolationTypeToLinear()
        look.SetAmbient(0.25)
        look.SetDiffuse(0.8)
        look.SetSpecular(0.1)
    display.SetVisibility(visible)
    return display
