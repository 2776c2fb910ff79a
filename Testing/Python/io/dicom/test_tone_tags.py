"""Dense becomes bright whatever turns the values on their way, and wherever that is said."""

import numpy as np
import pytest
import SimpleITK
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.tone import to_attenuation
from SphericalRegLib.io.dicom.tone_tags import tone_as_itk_reads, tone_from_tags
from SphericalRegLib.io.xray import read_xray
from Testing.Python.io import builders

TOP = 4095


def shadow() -> np.ndarray:
    """Line integrals, dense at the upper left."""
    rows, columns = np.mgrid[:40, :30]
    return 0.3 + 0.02 * rows + 2.0 * np.exp(-((rows - 12) ** 2 + (columns - 8) ** 2) / 50)


INTENSITY = np.round(4000 * np.exp(-shadow())).astype(np.uint16)
DENSITY = (TOP - INTENSITY).astype(np.uint16)


def lut(rising: bool) -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [TOP + 1, 0, 16], "US"
    entries = np.arange(TOP + 1) if rising else TOP - np.arange(TOP + 1)
    item.LUTData = entries.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item


def correlation(image: np.ndarray) -> float:
    return float(np.corrcoef(image.ravel(), shadow().ravel())[0, 1])


def write(tmp_path, dense_is_high: bool, **tags: object):
    pixels = DENSITY if dense_is_high else INTENSITY
    return builders.write_xray(tmp_path / "x.dcm", pixels, BitsStored=12, HighBit=11, **tags)


FALLS = {"RescaleSlope": "-1", "RescaleIntercept": str(TOP)}
SIGN = "PixelIntensityRelationshipSign"


@pytest.mark.parametrize(
    ("tags", "dense_is_high"),
    [
        # the sign is of what is stored; a falling step behind turns it
        ({SIGN: 1, **FALLS}, False),
        ({SIGN: -1, **FALLS}, True),
        ({SIGN: 1, "RescaleSlope": "-2"}, False),
        ({SIGN: -1, "Modality": "DX", **FALLS}, True),
        ({SIGN: 1, "ModalityLUTSequence": [lut(False)]}, False),
        ({SIGN: -1, "ModalityLUTSequence": [lut(False)]}, True),
        ({SIGN: -1, "ModalityLUTSequence": [lut(True)]}, True),
        # without a sign, what is displayed is behind the modality's step: bone dark in XA, so stored it is high
        ({**FALLS}, True),
        ({"ModalityLUTSequence": [lut(False)]}, True),
        ({"Modality": "CR", **FALLS}, False),
        ({"Modality": "CR", "PhotometricInterpretation": "MONOCHROME1", **FALLS}, True),
        # a VOI LUT that falls turns only what is displayed
        ({"Modality": "CR", "VOILUTSequence": [lut(False)]}, False),
        ({"Modality": "CR", "VOILUTSequence": [lut(True)]}, True),
        ({"Modality": "CR", SIGN: -1, "VOILUTSequence": [lut(False)]}, True),
        # the shape says what MONOCHROME1 says, not its reverse
        (
            {"Modality": "DX", "PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
            False,
        ),
        ({"Modality": "DX", SIGN: -1, "PresentationLUTShape": "INVERSE"}, True),
        # optical density is high where the film is dark
        ({"Modality": "CR", "RescaleSlope": "0.001", "RescaleIntercept": "0", "RescaleType": "OD"}, False),
    ],
)
def test_dense_is_bright_whatever_turns_the_values(tmp_path, tags, dense_is_high):
    path = write(tmp_path, dense_is_high, **tags)
    assert correlation(read_xray(path).image) > 0.85


def group(macro: str, **values: object) -> Dataset:
    item, result = Dataset(), Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    setattr(result, macro, Sequence([item]))
    return result


@pytest.mark.parametrize("place", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_values_mean_is_looked_up_in_functional_groups(tmp_path, place, sign):
    groups = group("FramePixelDataPropertiesSequence", PixelIntensityRelationship="LOG", **{SIGN: sign})
    path = write(tmp_path, sign == -1, **{place: [groups], SIGN: -sign})
    assert correlation(read_xray(path).image) > 0.85


def test_a_slope_in_a_functional_group_is_applied_and_turns(tmp_path):
    groups = group("PixelValueTransformationSequence", RescaleSlope="-2", RescaleIntercept="9000", RescaleType="US")
    path = write(tmp_path, False, SharedFunctionalGroupsSequence=[groups], **{SIGN: 1})
    np.testing.assert_allclose(read_xray(path).image, 9000 - 2.0 * INTENSITY)
    np.testing.assert_allclose(read_xray(path, intensity="attenuation").image, 9000 - 2.0 * INTENSITY)


def test_a_pixel_intensity_relationship_lut_is_not_applied_and_turns_nothing(tmp_path):
    item = lut(False)
    item.LUTFunction = "TO_LINEAR"
    groups = Dataset()
    groups.PixelIntensityRelationshipLUTSequence = Sequence([item])
    path = write(tmp_path, True, SharedFunctionalGroupsSequence=[groups], **{SIGN: -1})
    np.testing.assert_array_equal(read_xray(path).image, DENSITY)


def test_a_slope_alone_or_an_intercept_alone_counts(tmp_path):
    image = read_xray(write(tmp_path, False, RescaleSlope="-1"), intensity="attenuation").image
    np.testing.assert_array_equal(image, -1.0 * INTENSITY)
    image = read_xray(write(tmp_path, False, RescaleIntercept="5"), intensity="attenuation").image
    np.testing.assert_array_equal(image, INTENSITY + 5.0)
    with pytest.raises(InputError, match=r"x\.dcm.*RescaleSlope \(0028,1053\) is 0"):
        read_xray(write(tmp_path, False, RescaleSlope="0"))


def test_turned_linear_values_are_intensity_only_where_zero_is_still_no_beam(tmp_path):
    turned = {"PixelIntensityRelationship": "LIN", SIGN: -1}
    whole = read_xray(write(tmp_path, True, **turned, **FALLS), i0=4000)
    np.testing.assert_allclose(whole.image, shadow(), atol=0.01)
    below = read_xray(write(tmp_path, True, **turned, RescaleSlope="-1", RescaleIntercept="0"))
    assert "inverted" in below.conversion
    assert correlation(below.image) > 0.85


def test_a_shape_that_contradicts_is_told(tmp_path):
    path = write(tmp_path, True, Modality="DX", PresentationLUTShape="INVERSE")
    assert "PresentationLUTShape (2050,0020) INVERSE contradicts" in " ".join(read_xray(path).notes)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "tags",
    [
        {SIGN: 1},
        {SIGN: -1},
        {SIGN: 1, **FALLS},
        {SIGN: -1, **FALLS},
        {SIGN: 1, "ModalityLUTSequence": [lut(False)]},
        {SIGN: 1, "PixelIntensityRelationship": "LIN"},
        {
            SIGN: 1,
            "SharedFunctionalGroupsSequence": [
                group("PixelValueTransformationSequence", RescaleSlope="-1", RescaleIntercept="4095")
            ],
        },
    ],
)
def test_what_itk_hands_over_becomes_bright_where_dense_too(tmp_path, tags, photometric):
    """The panel gets its values from Slicer, which reads DICOM through ITK."""
    path = write(tmp_path, tags[SIGN] == -1, PhotometricInterpretation=photometric, **tags)
    values = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).reshape(INTENSITY.shape)
    dataset = builders.xray_dataset(INTENSITY, BitsStored=12, PhotometricInterpretation=photometric, **tags)
    assert correlation(to_attenuation(values, tone_as_itk_reads(dataset))) > 0.85


def test_the_tone_says_what_decided():
    dataset = builders.xray_dataset(INTENSITY, **{SIGN: -1}, **FALLS)
    tone = tone_from_tags(dataset)
    assert tone.tone == "inverted"
    assert "sign -1, turned by a falling" in tone.reason
