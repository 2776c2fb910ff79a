"""Headers behind images of the scene."""

import numpy as np

from SphericalRegLib.sample import sample_path
from Testing.Python.module.builders import NAME, volume_node


def xray(scene, uids=None):
    node = volume_node(scene, "X-ray", np.zeros((1, 4, 5), np.float32), np.eye(4))
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(sample_path(f"{NAME}_ap.dcm")))
    node.SetAndObserveStorageNodeID(storage.GetID())
    if uids:
        node.SetAttribute("DICOM.instanceUIDs", uids)
    return node


def test_where_the_dicom_module_is_off_the_file_itself_is_read(scene, monkeypatch):
    import slicer
    from SphericalRegUI import DicomHeaders

    monkeypatch.delattr(slicer, "dicomDatabase", raising=False)
    dataset, frame = DicomHeaders.readHeader(xray(scene, uids="1.2.3"))
    assert dataset.Modality
    assert frame == 0


def test_an_image_of_no_sequence_shows_the_first_frame(scene):
    from SphericalRegUI import DicomHeaders

    assert DicomHeaders.frameOf(xray(scene)) == 0
