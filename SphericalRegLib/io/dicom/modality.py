"""What kind of DICOM object a file is: a projection that can be registered to, a volume, or neither."""

from __future__ import annotations

from typing import Literal

from pydicom.dataset import Dataset
from pydicom.uid import UID

from SphericalRegLib.io.dicom import tags

Kind = Literal["X-ray", "CT", "other"]

# X-ray 3D angiographic and craniofacial images: volumes that a C-arm reconstructed, with an X-ray's modality.
_RECONSTRUCTED = ("1.2.840.10008.5.1.4.1.1.13.1.1", "1.2.840.10008.5.1.4.1.1.13.1.2")
_X_RAYS = {
    "XA": "angiogram or C-arm image",
    "RF": "fluoroscopy",
    "CR": "computed radiograph",
    "DX": "digital radiograph",
    "DR": "digital radiograph",
    "RG": "radiograph",
    "RTIMAGE": "image of a linear accelerator",
    "MG": "mammogram",
    "IO": "intraoral radiograph",
    "PX": "panoramic radiograph",
    # Captured or converted pictures often keep no better word.
    "OT": "other image",
    "SC": "captured image",
    "XC": "photograph",
    "": "image of no stated modality",
}
_OTHERS = {
    "MR": "magnetic resonance image",
    "PT": "positron emission tomogram",
    "NM": "nuclear medicine image",
    "US": "ultrasound image",
    "SEG": "segmentation",
    "RTSTRUCT": "set of contours (structure set)",
    "RTPLAN": "treatment plan",
    "RTDOSE": "dose distribution",
    "REG": "registration",
    "SR": "report",
    "PR": "presentation state",
    "KO": "selection of images",
    "DOC": "document",
}


def kind_of(dataset: Dataset) -> Kind:
    """Whether a header is of a projection, a CT (or another volume of attenuation), or of neither."""
    if str(dataset.get("SOPClassUID") or "") in _RECONSTRUCTED:
        return "CT"
    modality = tags.text(dataset, "Modality")
    if modality == "CT":
        # A CT's scout is a projection, but of a fan beam that moves along the patient: no C-arm's geometry fits.
        return "other" if is_scout(dataset) else "CT"
    return "other" if modality in _OTHERS or tags.element(dataset, "Rows") is None else "X-ray"


def is_scout(dataset: Dataset) -> bool:
    """Whether a CT image is its localizer."""
    return "LOCALIZER" in tags.texts(dataset, "ImageType")


def described(dataset: Dataset) -> str:
    """``"XA, angiogram or C-arm image (X-Ray Angiographic Image Storage)"``, as far as a header says."""
    modality = tags.text(dataset, "Modality")
    uid = str(dataset.get("SOPClassUID") or "")
    storage = f" ({UID(uid).name})" if uid else ""
    if is_scout(dataset):
        return f"CT, localizer (scout){storage}"
    words = _X_RAYS.get(modality) or _OTHERS.get(modality) or ("slice or volume" if modality == "CT" else "")
    return (", ".join(part for part in (modality, words) if part) or "no modality") + storage
