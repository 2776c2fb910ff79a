"""Simulated X-rays as DICOM files: X-Ray Angiographic images (PS3.3 A.14) with the C-arm's geometry."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, XRayAngiographicImageStorage

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import carm
from SphericalRegLib.geometry.view import View
from SphericalRegLib.io.dicom.geometry import dicom_tags_from_view
from SphericalRegLib.simulation.instruments import Collimator, Margins, Polygon
from SphericalRegLib.simulation.simulate import SimulatedXRay
from SphericalRegLib.whole_file import write_whole

# Type 2: must be there, may be empty; a date would make every file differ.
_EMPTY = (
    *("StudyDate", "StudyTime", "ContentDate", "ContentTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    *("PatientBirthDate", "PatientSex", "PatientOrientation", "XRayTubeCurrent", "ExposureTime", "Exposure"),
)


def write_xray_dicom(
    path: str | Path,
    xray: SimulatedXRay,
    view: View,
    *,
    primary_deg: float | None = None,
    secondary_deg: float | None = None,
    patient_name: str = "Simulated^SphericalReg",
    patient_id: str = "SIMULATED",
    study: str = "SphericalReg simulation",
    comment: str = "",
) -> None:
    """Write a simulated X-ray as an XA image that DICOM viewers, pydicom and SimpleITK read.

    The file appears whole or not at all. All identifiers follow from the content, so that writing the same X-ray twice
    gives the same bytes; images with the same ``study`` and patient belong together. Geometry goes into DICOM's own
    tags; an off-center principal point into PositionOfIsocenterProjection, since classic XA has no other place for it.

    Args:
        path: of the file to write; its folder must exist.
        xray: what :func:`~SphericalRegLib.simulation.simulate.simulate` returned.
        view: the geometry it was simulated with.
        primary_deg, secondary_deg: what the C-arm would report, in degrees (both or neither). A real C-arm knows its
            nominal angles, not the pose of the patient: give those of the truth only if the file may tell it.
        patient_name, patient_id, study: Patient's Name, Patient ID, Study Description.
        comment: added to Image Comments, up to 9,000 characters.

    Raises:
        GeometryError: for a view that DICOM cannot describe (skewed or upside-down pixels) or angles that are not
            finite.
        InputError: if image and view differ in size, only one angle is given (or none with a mirrored view), or the
            file cannot be written.
    """
    if xray.intensity.shape != (view.height, view.width):
        raise InputError(
            f"The X-ray has {xray.intensity.shape[0]} × {xray.intensity.shape[1]} pixels (rows × columns), its view "
            f"{view.height} × {view.width}: give the view that it was simulated with."
        )
    if (primary_deg is None) != (secondary_deg is None):
        raise InputError(f"Give both C-arm angles or neither, not primary {primary_deg} and secondary {secondary_deg}.")
    if view.mirrored and primary_deg is None:
        raise InputError(
            "DICOM tells a mirrored image by PatientOrientation, which needs the C-arm's angles: give primary_deg and "
            "secondary_deg."
        )
    dataset = _dataset(xray, view, primary_deg, secondary_deg)
    dataset.PatientName, dataset.PatientID, dataset.StudyDescription = patient_name, patient_id, study
    dataset.ImageComments = f"SIMULATED X-ray, not for diagnosis. {comment}".strip()
    _identify(dataset)
    write_whole(path, lambda file: dataset.save_as(file, enforce_file_format=True))


def _dataset(xray: SimulatedXRay, view: View, primary_deg: float | None, secondary_deg: float | None) -> FileDataset:
    """All but patient, study and identifiers."""
    dataset = FileDataset("", {}, preamble=b"\0" * 128)
    dataset.SOPClassUID = XRayAngiographicImageStorage
    dataset.Modality = "XA"
    dataset.ImageType = ["DERIVED", "PRIMARY", "SINGLE PLANE", "SIMULATED"]
    dataset.DerivationDescription = "Simulated from a CT: polychromatic exact line integrals, scatter, noise, detector"
    dataset.Manufacturer = "SphericalReg"
    for keyword in _EMPTY:
        setattr(dataset, keyword, "")
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.RadiationSetting = "GR"
    dataset.KVP = f"{xray.degradations.kvp:.6g}"
    pose = None
    if primary_deg is not None and secondary_deg is not None:
        # only its directions are used; where the isocenter lies is not written
        pose = carm.pose_from_angles(primary_deg, secondary_deg, view.sad or view.sdd / 2, view.intrinsics.new_zeros(3))
    for keyword, value in dicom_tags_from_view(view, pose).items():
        setattr(dataset, keyword, value)
    if xray.degradations.collimation is not None:
        _describe_collimator(dataset, xray.degradations.collimation, view)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, xray.bits, xray.bits - 1
    dataset.PixelRepresentation = 0
    display = xray.degradations.display
    if display is None:
        dataset.PixelIntensityRelationship = "LOG" if xray.log_output else "LIN"
    else:
        dataset.PixelIntensityRelationship = "DISP"
    # 1: lower values where less of the beam arrives
    dataset.PixelIntensityRelationshipSign = -1 if display is not None and display.bone_bright else 1
    dataset.LossyImageCompression = "00"
    low, high = (float(p) for p in np.percentile(xray.intensity[xray.valid], [0.5, 99.5]))
    dataset.WindowCenter, dataset.WindowWidth = f"{(low + high) / 2:.8g}", f"{max(high - low, 1.0):.8g}"
    dataset.PixelData = xray.intensity.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def _describe_collimator(dataset: FileDataset, collimation: Collimator, view: View) -> None:
    """The X-Ray Collimator module (PS3.3 C.8.7.3), in rows and columns counted from 1."""
    if isinstance(collimation, Margins):
        dataset.CollimatorShape = "RECTANGULAR"
        dataset.CollimatorLeftVerticalEdge = round(collimation.left * view.width)
        dataset.CollimatorRightVerticalEdge = round((1 - collimation.right) * view.width) + 1
        dataset.CollimatorUpperHorizontalEdge = round(collimation.top * view.height)
        dataset.CollimatorLowerHorizontalEdge = round((1 - collimation.bottom) * view.height) + 1
    elif isinstance(collimation, Polygon):
        dataset.CollimatorShape = "POLYGONAL"
        corners = [(round(v * view.height + 0.5), round(u * view.width + 0.5)) for u, v in collimation.corners]
        dataset.VerticesOfThePolygonalCollimator = [number for corner in corners for number in corner]
    else:
        dataset.CollimatorShape = "CIRCULAR"
        u, v = collimation.center
        dataset.CenterOfCircularCollimator = [round(v * view.height + 0.5), round(u * view.width + 0.5)]
        dataset.RadiusOfCircularCollimator = round(collimation.diameter * min(view.height, view.width) / 2)


def _identify(dataset: FileDataset) -> None:
    """Set the identifiers, as hashes of what they identify (UUID-derived, PS3.5 B.2)."""
    study = f"{dataset.PatientID}|{dataset.PatientName}|{dataset.StudyDescription}"
    content = hashlib.sha256(dataset.to_json().encode()).hexdigest()
    dataset.StudyInstanceUID = _uid(study)
    dataset.SeriesInstanceUID = _uid(f"series|{study}|{content}")
    dataset.SOPInstanceUID = _uid(f"instance|{study}|{content}")
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _uid(name: str) -> UID:
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}")
