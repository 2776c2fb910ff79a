"""Scenes of the sample for tests of the panel's session."""

from types import SimpleNamespace

import numpy as np

NAME = "pelvis_lumbar_3mm"


def volume_node(scene, name, kji, world_from_ijk):
    from slicer.util import updateVolumeFromArray

    from SphericalRegLib.scene.matrices import to_vtk

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    updateVolumeFromArray(node, kji)
    node.SetIJKToRASMatrix(to_vtk(world_from_ijk))
    return node


def choice(value):
    return SimpleNamespace(value=value)


def node_count(scene):
    return scene.GetNumberOfNodes()


def bones_of(scene, ct_node, scan):
    """A segmentation with one segment, of all that is dense."""
    import slicer

    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "temporary")
    slicer.util.updateVolumeFromArray(labels, (scan.hu > 300).astype(np.int16))
    labels.CopyOrientation(ct_node)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bones")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
    oriented = slicer.vtkSlicerSegmentationsModuleLogic.CreateOrientedImageDataFromVolumeNode(labels)
    oriented.UnRegister(None)
    identity = segmentation.AddSegmentFromBinaryLabelmapRepresentation(oriented, "all bone")
    scene.RemoveNode(labels)
    return segmentation, identity


def scene_center(volume):
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    return np.array([bounds[0] + bounds[1], bounds[2] + bounds[3], bounds[4] + bounds[5]]) / 2


def stand_with(parameters, **changes):
    return SimpleNamespace(**{**vars(parameters), **changes})
