"""Cheap looks at inputs, made as they are chosen, so that what cannot work is said before a run. No Qt."""

import pathlib

# As many as a pose needs.
LEAST_PAIRS = 4


def sliceCount(volumeNode):
    """How many slices a volume has; 0 where it has no pixels."""
    image = None if volumeNode is None else volumeNode.GetImageData()
    return 0 if image is None or image.GetNumberOfPoints() == 0 else image.GetDimensions()[2]


def placedNames(markupsNode):
    """Names of the points that have been placed."""
    if markupsNode is None:
        return set()
    placed = markupsNode.PositionDefined
    return {
        markupsNode.GetNthControlPointLabel(index).strip()
        for index in range(markupsNode.GetNumberOfControlPoints())
        if markupsNode.GetNthControlPointPositionStatus(index) == placed
    }


def pairCounts(parameters):
    """How many landmarks of each chosen X-ray have a partner in the CT."""
    inCT = placedNames(parameters.ctLandmarks)
    chosen = [
        (parameters.xray1Volume, parameters.xray1Landmarks),
        (parameters.xray2Volume, parameters.xray2Landmarks),
    ]
    return [len(inCT & placedNames(marks)) for volume, marks in chosen if volume is not None]


def lostSegments(segmentationNode, segments):
    """Those of some segments (by ID) that a segmentation, or None, does not have."""
    if segmentationNode is None:
        return list(segments)
    segmentation = segmentationNode.GetSegmentation()
    return [identity for identity in segments if segmentation.GetSegment(identity) is None]


def sameData(one, other):
    """Whether two X-rays cannot be two views: the same node, or the same pixels in memory."""
    if one is None or other is None:
        return False
    return one.GetID() == other.GetID() or (
        one.GetImageData() is not None and one.GetImageData() is other.GetImageData()
    )


class CalibrationCheck:
    """Reads a calibration file once for each state of it.

    :param read: makes views of a path; raises an error with words for the user.
    """

    def __init__(self, read):
        self._read = read
        self._key = None
        self._found = ([], "")

    def __call__(self, path):
        """(views, in words why it cannot be used): one of the two is empty."""
        path = pathlib.Path(path)
        stamp = path.stat()
        key = (str(path), stamp.st_mtime_ns, stamp.st_size)
        if key != self._key:
            from SphericalRegLib.errors import SphericalRegError

            try:
                self._found = (self._read(path), "")
            except SphericalRegError as error:
                self._found = ([], str(error))
            self._key = key
        return self._found
