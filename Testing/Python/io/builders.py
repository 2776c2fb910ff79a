"""Small images written by ITK and pydicom directly, as other software would write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    XRayAngiographicImageStorage,
    generate_uid,
)
from scipy.spatial.transform import Rotation

LANDMARK = np.array([13.0, -42.0, 27.5])  # RAS mm
LPS = np.array([-1.0, -1.0, 1.0])


def oblique_grid() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spacing (i, j, k), direction columns and origin, in LPS mm: oblique, anisotropic, off center."""
    directions = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
    spacing = np.array([0.7, 1.1, 2.3])
    middle = (np.array([24, 20, 12]) - 1) / 2
    return spacing, directions, LANDMARK * LPS + [3.0, 2.0, -4.0] - directions @ (spacing * middle)


def blob(spacing: np.ndarray, directions: np.ndarray, origin: np.ndarray, size=(24, 20, 12)) -> np.ndarray:
    """(K, J, I) int16 HU: air, with a dense blob whose center of mass lies at LANDMARK."""
    k, j, i = np.mgrid[: size[2], : size[1], : size[0]]
    lps = np.stack([i, j, k], axis=-1) * spacing @ directions.T + origin
    squared = ((lps * LPS - LANDMARK) ** 2).sum(-1)
    return np.round(2000 * np.exp(-squared / (2 * 2.2**2)) - 1000).astype(np.int16)


def center_of_mass(hu: np.ndarray, world_from_voxel: np.ndarray) -> np.ndarray:
    """RAS mm."""
    mass = hu.astype(float) + 1000
    index = np.array([(mass * axis).sum() / mass.sum() for axis in np.mgrid[tuple(slice(n) for n in hu.shape)]])[::-1]
    return world_from_voxel[:3, :3] @ index + world_from_voxel[:3, 3]


def write_itk(path: Path, values: np.ndarray, spacing=None, directions=None, origin=None) -> Path:
    image = SimpleITK.GetImageFromArray(values)
    if spacing is not None:
        image.SetSpacing([float(s) for s in spacing])
    if directions is not None:
        image.SetDirection([float(c) for c in np.asarray(directions).ravel()])
    if origin is not None:
        image.SetOrigin([float(o) for o in origin])
    SimpleITK.WriteImage(image, str(path))
    return path


def empty_dicom(sop_class, modality: str) -> FileDataset:
    dataset = FileDataset("", {}, preamble=b"\0" * 128)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality = modality
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    return dataset


def write_series(
    folder: Path, values: np.ndarray, spacing, directions, origin, *, uid: str | None = None, name: str = "slice"
) -> list[Path]:
    """One file a slice, named against their order, each with its own rescale."""
    uid = uid or generate_uid()
    folder.mkdir(exist_ok=True)
    files = []
    for k, plane in enumerate(values):
        dataset = empty_dicom(CTImageStorage, "CT")
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = uid, "1.2.3"
        dataset.SeriesDescription = "test series"
        dataset.ImageOrientationPatient = [f"{c:.10f}" for c in [*directions[:, 0], *directions[:, 1]]]
        dataset.ImagePositionPatient = [f"{c:.8f}" for c in origin + directions[:, 2] * spacing[2] * k]
        dataset.PixelSpacing = [f"{spacing[1]:.8f}", f"{spacing[0]:.8f}"]
        dataset.SliceThickness = "99"  # says nothing about the spacing of slices
        dataset.Rows, dataset.Columns = plane.shape
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        slope, intercept = (1, -1000) if k % 2 else (0.5, -1024)
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        dataset.PixelData = np.round((plane - intercept) / slope).astype("<i2").tobytes()
        files.append(folder / f"{name}{len(values) - k:03d}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    return files


def enhanced_ct(
    values: np.ndarray, spacing, directions, origin, *, order: Sequence[int] | None = None, shared: bool = True
) -> FileDataset:
    """A multi-frame CT whose frames k are stored in any ``order``, each with its own rescale.

    What all frames have in common stands in the shared functional group, or (not ``shared``) in each frame's own.
    """
    dataset = empty_dicom(EnhancedCTImageStorage, "CT")
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = generate_uid(), "1.2.3"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    order = list(range(len(values))) if order is None else list(order)
    dataset.NumberOfFrames = len(order)
    dataset.Rows, dataset.Columns = values.shape[1:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    common, frames, pixels = Dataset(), [], []
    for k in order:
        frame, plane, scale = Dataset(), Dataset(), Dataset()
        plane.ImagePositionPatient = [f"{c:.8f}" for c in origin + directions[:, 2] * spacing[2] * k]
        slope, intercept = (1, -1000) if k % 2 else (0.5, -1024)
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = slope, intercept, "HU"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [plane], [scale]
        frames.append(frame)
        pixels.append(np.round((values[k] - intercept) / slope).astype("<i2"))
    for group in [common] if shared else frames:
        measures, orientation = Dataset(), Dataset()
        measures.PixelSpacing = [f"{spacing[1]:.8f}", f"{spacing[0]:.8f}"]
        measures.SliceThickness = "99"
        orientation.ImageOrientationPatient = [f"{c:.10f}" for c in [*directions[:, 0], *directions[:, 1]]]
        group.PixelMeasuresSequence, group.PlaneOrientationSequence = [measures], [orientation]
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [common], frames
    dataset.PixelData = np.stack(pixels).tobytes()
    return dataset


def save(dataset: FileDataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def xray_dataset(pixels: np.ndarray, **tags: object) -> FileDataset:
    """An XA image of (H, W) or (frames, H, W) integers with complete geometry; tags replace or (None) remove."""
    dataset = empty_dicom(XRayAngiographicImageStorage, "XA")
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.DistanceSourceToDetector, dataset.DistanceSourceToPatient = 1000.0, 600.0
    dataset.ImagerPixelSpacing = [0.4, 0.3]
    for keyword, value in tags.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def write_xray(path: Path, pixels: np.ndarray, **tags: object) -> Path:
    pydicom.dcmwrite(path, xray_dataset(pixels, **tags), enforce_file_format=True)
    return path


def write_xa_frames(path: Path, angles: Sequence[tuple[float, float]], sad: float | None) -> Path:
    """An XA run of 24 × 32 pixels whose C-arm stands at (primary, secondary) degrees in each frame."""
    rows, columns = np.indices((24, 32))
    pixels = np.stack([20 + 3 * rows + 2 * columns + 5 * number for number in range(len(angles))]).astype(np.uint16)
    steps = np.array(angles) - np.array(angles[0])
    return write_xray(
        path,
        pixels,
        PositionerPrimaryAngle=angles[0][0],
        PositionerSecondaryAngle=angles[0][1],
        PositionerPrimaryAngleIncrement=steps[:, 0].tolist(),
        PositionerSecondaryAngleIncrement=steps[:, 1].tolist(),
        PositionerMotion="DYNAMIC",
        DistanceSourceToPatient=sad,
    )
