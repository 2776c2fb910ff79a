"""The sample that comes with the extension, loaded from its own files: no network."""

import json
import logging
import pathlib

import slicer
from slicer.i18n import tr as _

CATEGORY = "SphericalReg"
SAMPLE_NAME = "SphericalRegPelvis"
_NAME = "pelvis_lumbar_3mm"
_PART = "SphericalReg.Sample"
# mm: what storing a transform may cost.
_ROUNDING = 1e-6
_FILES = (f"{_NAME}.nii.gz", f"{_NAME}_ap.dcm", f"{_NAME}_labels.nii.gz")


def registerSampleData(iconsFolder):
    """Offer the sample in Slicer's module Sample Data."""
    import SampleData

    from SphericalRegLib.sample import sample_path

    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):  # Slicer 5.10 lacks it
        logic.registerCustomSampleDataCategory(CATEGORY, title=_("SphericalReg"))
    logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        uris=[pathlib.Path(sample_path(name)).as_uri() for name in _FILES],
        fileNames=list(_FILES),
        nodeNames=["Pelvis CT", "Pelvis X-ray AP", "Pelvis bones"],
        loadFileTypes=["VolumeFile", "VolumeFile", "SegmentationFile"],
        thumbnailFileName=str(pathlib.Path(iconsFolder) / f"{SAMPLE_NAME}.png"),
        customDownloader=lambda source: loadSample(),
    )


def loadSample():
    """Load what is not there yet of CT, X-ray and bones; returns their nodes in this order."""
    ct, xray, bones = (
        _once(part, load, lambda node, name=name: _isOfFile(node, name))
        for part, load, name in zip(("CT", "X-ray", "bones"), (_loadCT, _loadXray, _loadBones), _FILES, strict=True)
    )
    _showXray(xray)
    return [ct, xray, bones]


def _loadCT():
    from SphericalRegLib.sample import sample_path

    return slicer.util.loadVolume(str(sample_path(_FILES[0])), {"name": "Pelvis CT"})


def _loadXray():
    from SphericalRegLib.sample import sample_path

    options = {"name": "Pelvis X-ray AP", "singleFile": True, "show": False}
    return slicer.util.loadVolume(str(sample_path(_FILES[1])), options)


def _loadBones():
    from SphericalRegLib.sample import sample_path

    bones = slicer.util.loadSegmentation(str(sample_path(_FILES[2])), {"name": "Pelvis bones"})
    _nameSegments(bones, _boneNames())
    bones.GetDisplayNode().SetVisibility(False)
    return bones


def _boneNames():
    """{label in the file: name}."""
    from SphericalRegLib.sample import sample_path

    return json.loads(sample_path(f"{_NAME}_labels.json").read_text(encoding="utf-8"))


def loadTruth(scene):
    """A transform with the sample X-ray's true pose, made where there is none yet."""
    from SphericalRegLib.io.pose_file import read_pose
    from SphericalRegLib.sample import sample_path
    from SphericalRegLib.scene.poses import pose_from_transform, transform_from_pose

    truth = read_pose(sample_path(f"{_NAME}_ap_truth.json"))
    return _once(
        "truth",
        lambda: transform_from_pose(scene, truth, _("Pelvis true pose")),
        lambda node: float((pose_from_transform(node) - truth).abs().max()) < _ROUNDING,
    )


def _isOfFile(node, name):
    """Whether a node was read from that file of the sample: a copy of it was not, nor one of a saved scene."""
    from SphericalRegLib.sample import sample_path

    if node.IsA("vtkMRMLSegmentationNode") and node.GetSegmentation().GetNumberOfSegments() != len(_boneNames()):
        return False
    storage = node.GetStorageNode()
    path = storage.GetFileName() if storage is not None else None
    return bool(path) and pathlib.Path(path) == pathlib.Path(sample_path(name))


def _once(part, load, unchanged):
    """A node of the sample: the one that was loaded before, else loaded and marked, so that it is found again."""
    scene = slicer.mrmlScene
    for index in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(index)
        if node.GetAttribute(_PART) == part and unchanged(node):
            return node
    node = load()
    node.SetAttribute(_PART, part)
    return node


def modelPath():
    """The model that was trained for the sample."""
    from SphericalRegLib.sample import sample_path

    return sample_path(f"{_NAME}_model.safetensors")


def _showXray(volumeNode):
    """In the red view, where the overlay comes; the CT stays in the others."""
    composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    layout = slicer.app.layoutManager()
    if composite is None or layout is None:
        return
    composite.SetBackgroundVolumeID(volumeNode.GetID())
    layout.sliceWidget("Red").sliceLogic().FitSliceToAll()


def _nameSegments(segmentationNode, names):
    """Give segments their bones' names by the label that each had in the file."""
    segmentation = segmentationNode.GetSegmentation()
    for index in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(index)
        name = names.get(str(segment.GetLabelValue()))
        if name is None:
            logging.warning("The sample's label %d has no name", segment.GetLabelValue())
        else:
            segment.SetName(name)
