"""The DICOM header behind an image in the scene."""

import pathlib

import slicer


def headerFile(volumeNode):
    """The file of the frame that a volume shows: from the DICOM database, else that it was read from; or None."""
    from SphericalRegLib.scene.xray import dicom_instance_uids

    uids = dicom_instance_uids(volumeNode)
    if uids:
        frame = frameOf(volumeNode)
        uid = uids[frame] if len(uids) > frame else uids[0]
        # not there while the DICOM module is off
        database = getattr(slicer, "dicomDatabase", None)
        path = database.fileForInstance(uid) if database is not None and database.isOpen else ""
        if path:
            return pathlib.Path(path)
    storage = volumeNode.GetStorageNode()
    name = storage.GetFileName() if storage is not None else None
    return pathlib.Path(name) if name else None


def frameOf(volumeNode):
    """The frame that a sequence's proxy shows, counted from 0; 0 for any other image."""
    from SphericalRegLib.scene.xray import frame_number

    # a browser where nothing was selected yet says -1
    return max(0, frame_number(volumeNode) or 0)


def readHeader(volumeNode):
    """(dataset without pixels, frame), or None where no DICOM file is behind the image."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    path = headerFile(volumeNode)
    if path is None or not path.is_file():
        return None
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except InvalidDicomError:
        return None
    several = int(dataset.get("NumberOfFrames") or 1) > 1
    return dataset, frameOf(volumeNode) if several else 0
