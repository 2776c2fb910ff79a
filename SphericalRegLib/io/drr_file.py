"""DRRs as files: PNG for the eye, NRRD at the detector's place in the world, DICOM with the C-arm's geometry.

Beside each lies a calibration (``NAME.geometry.json``) with every digit of view and pose, which all commands read, for
what a format cannot say: PNG says nothing, NRRD not where the source is, DICOM no rotation about the beam but quarter
turns, and not where the patient lies.
"""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import numpy as np
import SimpleITK
import torch
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, XRayAngiographicImageStorage
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import frames, se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.gray_tone import GrayTone
from SphericalRegLib.io.calibration_files import write_json
from SphericalRegLib.io.dicom.geometry import dicom_tags_from_view
from SphericalRegLib.io.images.itk_writer import write_itk_image
from SphericalRegLib.io.picture import encode_png
from SphericalRegLib.whole_file import write_whole

#: By their ending, what a DRR can be written as.
SUFFIXES = (".png", ".nrrd", ".dcm")

# mm: no detector is farther from its source; a beam that is parallel is.
_FARTHEST = 1e5
# Of the one slice of an NRRD, mm.
_THICKNESS = 1.0


def write_drr(path: str | Path, image: NDArray[np.floating], view: View, pose: Tensor, tone: GrayTone) -> Path:
    """Write a DRR, and its calibration beside it; each whole or not at all.

    Args:
        path: of the file; its ending is one of :data:`SUFFIXES`.
        image: (H, W) line integrals, of the view's size.
        view: its geometry.
        pose: (4, 4) rig_from_world, RAS mm.
        tone: of a PNG; window of a DICOM image, whose values and those of NRRD are the line integrals.

    Returns:
        The calibration's path.

    Raises:
        InputError: for another ending, an image of another size, or where a file cannot be written.
        GeometryError: for a geometry that the format cannot describe, as a parallel beam in DICOM.
    """
    path = Path(path)
    if image.shape != (view.height, view.width):
        raise InputError(
            f"The DRR has {image.shape} pixels (rows, columns), its view {(view.height, view.width)}: wait until it is "
            "drawn with all pixels."
        )
    suffix = path.suffix.lower()
    calibration = path.with_suffix(".geometry.json")
    if suffix == ".png":
        write_whole(path, encode_png(tone.gray(image)))
    elif suffix == ".nrrd":
        write_itk_image(path, _at_detector(image, view, pose))
    elif suffix == ".dcm":
        dataset = _dataset(image, view, pose, tone)
        write_whole(path, lambda file: dataset.save_as(file, enforce_file_format=True))
    else:
        raise InputError(f"{path.name}: a DRR is written as {', '.join(SUFFIXES)}: give one of these endings.")
    write_json(calibration, [view], pose)
    return calibration


def world_from_pixels(view: View, pose: Tensor) -> Tensor:
    """(4, 4) float64 world RAS mm of (column, row, depth in mm): where a view's pixels lie on its detector.

    The third axis is the one that makes the three right-handed.
    """
    columns = view.detector_from_pixel()
    normal = torch.linalg.cross(columns[:, 0], columns[:, 1])
    camera = torch.eye(4, dtype=torch.float64)
    camera[:3, 0], camera[:3, 1], camera[:3, 3] = columns[:, 0], columns[:, 1], columns[:, 2]
    camera[:3, 2] = normal / normal.norm()
    return se3.inverse(view.camera_from_world(pose.to(torch.float64))) @ camera


def _at_detector(image: NDArray[np.floating], view: View, pose: Tensor) -> SimpleITK.Image:
    lps = frames.flip_affine(world_from_pixels(view, pose))
    spacing = lps[:3, :3].norm(dim=0)
    picture = SimpleITK.GetImageFromArray(image.astype(np.float32)[None])
    picture.SetSpacing((float(spacing[0]), float(spacing[1]), _THICKNESS))
    picture.SetOrigin(lps[:3, 3].tolist())
    picture.SetDirection((lps[:3, :3] / spacing).flatten().tolist())
    return picture


def _dataset(image: NDArray[np.floating], view: View, pose: Tensor, tone: GrayTone) -> FileDataset:
    """An XA image whose rescaled values are the line integrals."""
    if view.sdd > _FARTHEST:
        raise GeometryError("DICOM has no words for a parallel beam: save as NRRD, or turn the parallel beam off.")
    dataset = FileDataset("", {}, preamble=b"\0" * 128)
    dataset.SOPClassUID = XRayAngiographicImageStorage
    dataset.Modality = "XA"
    dataset.ImageType = ["DERIVED", "PRIMARY", "SINGLE PLANE", "DRR"]
    dataset.DerivationDescription = "Digitally reconstructed radiograph: line integrals of attenuation through a CT"
    dataset.ImageComments = "DRR, computed from a CT; not for diagnosis."
    dataset.Manufacturer = "SphericalReg"
    dataset.PatientName, dataset.PatientID = "DRR^SphericalReg", "DRR"
    for keyword in _EMPTY:
        setattr(dataset, keyword, "")
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.RadiationSetting = "GR"
    for keyword, value in dicom_tags_from_view(view, view.camera_from_world(pose.to(torch.float64))).items():
        setattr(dataset, keyword, value)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    # higher values where less of the beam arrives
    dataset.PixelIntensityRelationshipSign = -1
    slope = f"{max(float(image.max()), 1e-6) / (2**16 - 1):.9e}"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = slope, "0", "US"
    dataset.LossyImageCompression = "00"
    dataset.WindowCenter, dataset.WindowWidth = f"{(tone.low + tone.high) / 2:.8g}", f"{tone.high - tone.low:.8g}"
    stored = np.clip(np.round(image.astype(np.float64) / float(slope)), 0, 2**16 - 1)
    dataset.PixelData = stored.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    content = hashlib.sha256(dataset.to_json().encode()).hexdigest()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (
        UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{level}|{content}').int}") for level in ("study", "series", "DRR")
    )
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


# Type 2: must be there, may be empty.
_EMPTY = (
    *("StudyDate", "StudyTime", "ContentDate", "ContentTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    *("PatientBirthDate", "PatientSex", "KVP", "XRayTubeCurrent", "ExposureTime", "Exposure"),
)
