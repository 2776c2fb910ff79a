"""Small DICOM files: X-rays of every kind, a series of CT slices, and an enhanced CT."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

_PIXELS = np.random.default_rng(1).integers(0, 4096, (20, 24)).astype(np.uint16)


def _dataset(sop_class: str, modality: str, pixels: np.ndarray) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = sop_class
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    data.file_meta.ImplementationClassUID = "1.2.826.0.1.3680043.8.498.2"
    data.preamble = b"\0" * 128
    data.Modality, data.PatientName, data.PatientID = modality, "Fuzz^Seed", "1"
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    bits = pixels.dtype.itemsize * 8
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit, data.PixelRepresentation = bits - 1, int(pixels.dtype.kind == "i")
    data.PixelData = pixels.tobytes()
    data["PixelData"].VR = "OW"
    return data


def _angiogram(pixels: np.ndarray = _PIXELS) -> Dataset:
    data = _dataset(uid.XRayAngiographicImageStorage, "XA", pixels)
    data.DistanceSourceToDetector, data.DistanceSourceToPatient = "1200", "800"
    data.ImagerPixelSpacing = ["0.4", "0.3"]
    data.PositionerPrimaryAngle, data.PositionerSecondaryAngle = "30", "-10"
    data.PixelIntensityRelationship, data.PixelIntensityRelationshipSign = "LIN", 1
    data.PixelPaddingValue = 0
    data.ShutterShape = ["RECTANGULAR"]
    data.ShutterLeftVerticalEdge, data.ShutterRightVerticalEdge = 2, 22
    data.ShutterUpperHorizontalEdge, data.ShutterLowerHorizontalEdge = 2, 18
    return data


def _radiograph() -> Dataset:
    data = _dataset(uid.DigitalXRayImageStorageForPresentation, "DX", _PIXELS)
    data.PhotometricInterpretation = "MONOCHROME1"
    data.DistanceSourceToDetector, data.ImagerPixelSpacing = "1800", ["0.2", "0.2"]
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = "1.5", "-3", "US"
    return data


def _plate() -> Dataset:
    data = _dataset(uid.ComputedRadiographyImageStorage, "CR", _PIXELS)
    data.DistanceSourceToDetector, data.PixelSpacing = "1500", ["0.2", "0.2"]
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4096, 0, 16], "US"
    table.LUTData = np.arange(4096, dtype=np.uint16)[::-1].tobytes()
    table["LUTData"].VR = "OW"
    data.ModalityLUTSequence = [table]
    return data


def _rt_image() -> Dataset:
    data = _dataset(uid.RTImageStorage, "RTIMAGE", _PIXELS)
    data.RTImagePlane, data.RTImageSID, data.RadiationMachineSAD = "NORMAL", "1500", "1000"
    data.ImagePlanePixelSpacing, data.RTImagePosition = ["0.4", "0.4"], ["-4.6", "3.8"]
    data.GantryAngle, data.BeamLimitingDeviceAngle, data.XRayImageReceptorAngle = "90", "0", "0"
    data.XRayImageReceptorTranslation = ["0", "0", "-500"]
    data.RTImageOrientation = ["1", "0", "0", "0", "-1", "0"]
    return data


def _enhanced_angiogram() -> Dataset:
    data = _angiogram(np.stack([_PIXELS, _PIXELS[::-1]]))
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = uid.EnhancedXAImageStorage
    group, frame, angles = Dataset(), Dataset(), Dataset()
    frame.PixelIntensityRelationship, frame.PixelIntensityRelationshipSign = "LOG", -1
    group.FramePixelDataPropertiesSequence = [frame]
    angles.PositionerPrimaryAngle, angles.PositionerSecondaryAngle = 30.0, 5.0
    data.SharedFunctionalGroupsSequence = [group]
    per_frame = []
    for _ in range(2):
        item = Dataset()
        item.PositionerPositionSequence = [angles]
        per_frame.append(item)
    data.PerFrameFunctionalGroupsSequence = per_frame
    return data


def _encapsulated(data: Dataset, syntax: uid.UID, frames: list[bytes]) -> Dataset:
    data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = encapsulate(frames)
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    return data


def _jpeg() -> Dataset:
    small = (_PIXELS >> 4).astype(np.uint8)
    return _encapsulated(_angiogram(small), uid.JPEGBaseline8Bit, [cv2.imencode(".jpg", small)[1].tobytes()])


def _jpeg2000() -> Dataset:
    large = np.tile(_PIXELS, (4, 3))  # its six resolutions need more pixels
    boxed = cv2.imencode(".jp2", large)[1].tobytes()
    codestream = boxed[boxed.index(b"jp2c") + 4 :]
    return _encapsulated(_angiogram(large), uid.JPEG2000, [codestream])


def _run_length() -> Dataset:
    data = _angiogram(np.stack([_PIXELS, _PIXELS]))
    data.compress(uid.RLELossless, generate_instance_uid=False)
    return data


def _deflated() -> Dataset:
    data = _angiogram()
    data.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    return data


def _implicit() -> Dataset:
    data = _angiogram()
    data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    return data


def xrays(folder: Path) -> list[Path]:
    """Write X-rays of all kinds."""
    datasets = {
        "xa": _angiogram(),
        "xa_frames": _angiogram(np.stack([_PIXELS, _PIXELS])),
        "dx": _radiograph(),
        "cr": _plate(),
        "rt": _rt_image(),
        "xa_enhanced": _enhanced_angiogram(),
        "xa_jpeg": _jpeg(),
        "xa_j2k": _jpeg2000(),
        "xa_rle": _run_length(),
        "xa_deflated": _deflated(),
        "xa_implicit": _implicit(),
    }
    paths = []
    for name, data in datasets.items():
        paths.append(folder / f"{name}.dcm")
        pydicom.dcmwrite(paths[-1], data, enforce_file_format=True)
    return paths


def _hounsfield() -> np.ndarray:
    hu = np.full((5, 8, 10), 24, np.uint16)
    hu[:, 2:6, 3:7] = 1300
    return hu


def series(folder: Path) -> list[Path]:
    """Write the slices of a CT; returned are the first and the one in the middle."""
    folder.mkdir(exist_ok=True)
    paths = []
    for k, plane in enumerate(_hounsfield()):
        data = _dataset(uid.CTImageStorage, "CT", plane)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{k + 1}"
        data.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
        data.ImagePositionPatient = ["-10", "20", f"{2.5 * k}"]
        data.PixelSpacing, data.SliceThickness = ["0.9", "0.8"], "2.5"
        data.RescaleSlope, data.RescaleIntercept = "1", "-1024"
        data.InstanceNumber = k + 1
        paths.append(folder / f"slice{k}.dcm")
        pydicom.dcmwrite(paths[-1], data, enforce_file_format=True)
    return [paths[0], paths[2]]


def enhanced_ct(path: Path) -> Path:
    """Write a multi-frame CT."""
    data = _dataset(uid.EnhancedCTImageStorage, "CT", _hounsfield())
    measures, orientation, values, shared = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = ["0.9", "0.8"], "2.5"
    orientation.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = "1", "-1024", "HU"
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    shared.PixelValueTransformationSequence = [values]
    data.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(5):
        frame, plane, content = Dataset(), Dataset(), Dataset()
        plane.ImagePositionPatient = ["-10", "20", f"{2.5 * k}"]
        content.InStackPositionNumber, content.StackID = k + 1, "1"
        content.DimensionIndexValues = [1, k + 1]
        frame.PlanePositionSequence, frame.FrameContentSequence = [plane], [content]
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = frames
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path
