"""The camera of the application's 3D view."""

import slicer


def cameraNode():
    """That of the first 3D view, or None where there is none."""
    viewNode = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLViewNode")
    return None if viewNode is None else slicer.modules.cameras.logic().GetViewActiveCameraNode(viewNode)
