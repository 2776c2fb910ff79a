"""Scenes of the sample for tests of the panel's session."""

from dataclasses import dataclass
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


def encoders_of_the_sample(folder):
    """The shipped model without its regressor, which would need timm."""
    from SphericalRegLib.networks.checkpoint import load_checkpoint, save_checkpoint
    from SphericalRegLib.networks.model import KIND
    from SphericalRegLib.sample import sample_path

    tensors, header = load_checkpoint(sample_path(f"{NAME}_model.safetensors"), KIND)
    header["parts"].pop("regressor")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("regressor.")}
    path = folder / "encoders.safetensors"
    save_checkpoint(path, KIND, kept, {"card": header["card"], "parts": header["parts"]})
    return str(path)


@dataclass(frozen=True)
class Choice:
    """In place of an enumeration's member."""

    value: str


def choice(value):
    return Choice(value)


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
