"""Everything that the panel remembers, saved with the scene."""

from typing import Annotated

from slicer import (
    vtkMRMLLinearTransformNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
)
from slicer.parameterNodeWrapper import Default, WithinRange, parameterNodeWrapper, parameterPack

from SphericalRegUI.Choices import Levels, Method, Optimizer, OverlayMode, PoseParameter, Preset, Similarity, Tone


@parameterPack
class ViewGeometry:
    """
    The geometry of one X-ray as it is saved: the fields of ``SphericalRegLib.app.panel.geometry_fields.ViewFields``,
    which says what they are, and the ranges in which they can be typed.

    filled - What of all this a DICOM header filled in, see ``SphericalRegLib.app.panel.filling``.
    """

    sdd: Annotated[float, WithinRange(0.0, 10000.0)] = 0.0
    sad: Annotated[float, WithinRange(0.0, 10000.0)] = 0.0
    rowSpacing: Annotated[float, WithinRange(0.0, 100.0)] = 0.0
    columnSpacing: Annotated[float, WithinRange(0.0, 100.0)] = 0.0
    offCenterColumns: Annotated[float, WithinRange(-10000.0, 10000.0)] = 0.0
    offCenterRows: Annotated[float, WithinRange(-10000.0, 10000.0)] = 0.0
    primaryAngle: Annotated[float, WithinRange(-360.0, 360.0)] = 0.0
    secondaryAngle: Annotated[float, WithinRange(-90.0, 90.0)] = 0.0
    rotation: Annotated[float, WithinRange(-360.0, 360.0)] = 0.0
    mirrored: bool = False
    anglesKnown: bool = False
    tone: Tone = Tone.ATTENUATION
    filled: str = ""


@parameterPack
class CArmGeometry:
    """
    The C-arm that is moved by its numbers: the fields of ``SphericalRegLib.app.panel.carm_fields.CArmFields``, which
    says what they are, and the ranges in which they can be typed.
    """

    primaryAngle: Annotated[float, WithinRange(-180.0, 180.0)] = 180.0
    secondaryAngle: Annotated[float, WithinRange(-90.0, 90.0)] = 0.0
    rotation: Annotated[float, WithinRange(-180.0, 180.0)] = 0.0
    sdd: Annotated[float, WithinRange(0.0, 10000.0)] = 1200.0
    sad: Annotated[float, WithinRange(0.0, 10000.0)] = 800.0
    detectorWidth: Annotated[float, WithinRange(0.0, 2000.0)] = 409.6
    detectorHeight: Annotated[float, WithinRange(0.0, 2000.0)] = 409.6
    rowSpacing: Annotated[float, WithinRange(0.0, 100.0)] = 0.8
    columnSpacing: Annotated[float, WithinRange(0.0, 100.0)] = 0.8
    offCenterColumns: Annotated[float, WithinRange(-10000.0, 10000.0)] = 0.0
    offCenterRows: Annotated[float, WithinRange(-10000.0, 10000.0)] = 0.0
    tableLeft: Annotated[float, WithinRange(-500.0, 500.0)] = 0.0
    tableFront: Annotated[float, WithinRange(-500.0, 500.0)] = 0.0
    tableHead: Annotated[float, WithinRange(-1000.0, 1000.0)] = 0.0
    mirrored: bool = False
    parallel: bool = False


@parameterNodeWrapper
class SphericalRegParameterNode:
    """
    The parameters needed by the module.

    ctVolume - The CT, in Hounsfield units.
    segmentation, segments - Bones; where segments (by ID) are named, only these are rendered.
    carm - The C-arm whose DRR is drawn without an X-ray.
    carmBoneOnly, carmGamma, carmInverted - How its DRR looks; the window is the picture's own.
    carmMarkups - Points that are projected into it.
    xray1Volume, xray2Volume - One or two X-rays.
    geometry1, geometry2 - Their geometry.
    filledImage1, filledImage2 - The images whose headers filled it.
    calibrationFile, calibrationFile2 - A file with the geometry of all views, or one for each, in place of the fields.
    preset - The view to start from.
    ctLandmarks, xray1Landmarks, xray2Landmarks - Landmarks of the same names.
    truth - The true pose, for evaluation.
    modelFile, modelFolder - The trained model that the automatic method starts from, and whose similarity aligns first
        where that is chosen; and where models lie.
    device - What computes: auto, cpu, cuda, mps.
    method - Where the search begins and how far it goes.
    currentPose - The pose to start from, to be dragged by hand.
    liveRendering - Whether the DRR follows while the current pose is dragged.
    similarity, optimizer, levels, iterations, seed - Advanced choices.
    toleranceMm, toleranceDeg - What the user needs.
    typedTolerance - Percent, to which typed distances and spacings are known.
    simulatedUncertainty - Whether intervals come from X-rays simulated of this patient.
    currentResult - The result that is shown.
    overlayMode, overlayOpacity - How.
    firstParameter … secondSteps, landscapeSize - Of a landscape.
    comparedSimilarities - By name, those of the tables and the model's.
    currentLandscape - The landscape that is shown.
    """

    ctVolume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    segments: list[str]
    carm: CArmGeometry
    carmBoneOnly: bool = False
    carmGamma: Annotated[float, WithinRange(0.1, 5.0)] = 1.0
    carmInverted: bool = False
    carmMarkups: vtkMRMLMarkupsFiducialNode
    xray1Volume: vtkMRMLScalarVolumeNode
    xray2Volume: vtkMRMLScalarVolumeNode
    geometry1: ViewGeometry
    geometry2: ViewGeometry
    filledImage1: vtkMRMLScalarVolumeNode
    filledImage2: vtkMRMLScalarVolumeNode
    calibrationFile: str = ""
    calibrationFile2: str = ""
    preset: Preset = Preset.AUTOMATIC
    ctLandmarks: vtkMRMLMarkupsFiducialNode
    xray1Landmarks: vtkMRMLMarkupsFiducialNode
    xray2Landmarks: vtkMRMLMarkupsFiducialNode
    truth: vtkMRMLLinearTransformNode

    modelFile: str = ""
    modelFolder: str = ""
    device: str = "auto"

    method: Method = Method.AUTOMATIC
    currentPose: vtkMRMLLinearTransformNode
    liveRendering: bool = True
    similarity: Similarity = Similarity.DEFAULT
    optimizer: Optimizer = Optimizer.DEFAULT
    levels: Levels = Levels.DEFAULT
    iterations: Annotated[int, WithinRange(0, 1000)] = 0
    seed: Annotated[int, WithinRange(0, 1000000)] = 0
    toleranceMm: Annotated[float, WithinRange(0.1, 50.0)] = 1.0
    toleranceDeg: Annotated[float, WithinRange(0.1, 45.0)] = 1.0
    typedTolerance: Annotated[float, WithinRange(0.0, 20.0)] = 1.0
    simulatedUncertainty: bool = False

    currentResult: vtkMRMLLinearTransformNode
    overlayMode: OverlayMode = OverlayMode.OPACITY
    overlayOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.5

    firstParameter: PoseParameter = PoseParameter.TX
    firstExtent: Annotated[float, WithinRange(0.1, 500.0)] = 30.0
    firstSteps: Annotated[int, WithinRange(3, 201)] = 31
    secondParameter: PoseParameter = PoseParameter.RZ
    secondExtent: Annotated[float, WithinRange(0.1, 500.0)] = 15.0
    secondSteps: Annotated[int, WithinRange(3, 201)] = 31
    comparedSimilarities: Annotated[list[str], Default(generator=lambda: ["ncc", "tone-free"])]
    landscapeSize: Annotated[int, WithinRange(8, 512)] = 64
    currentLandscape: vtkMRMLTableNode
