"""Section Inputs: nodes, geometry from DICOM, and what is missing, said beside each field."""

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SphericalRegUI import DicomHeaders
from SphericalRegUI.Feedback import ERROR_STYLE, reported, say, showPath
from SphericalRegUI.Preparation import calibrationPath, fillGeometry, imageSize, viewFields

# Which label tells about which of the engine's fields.
_LABELS = {
    "sdd": "sdd",
    "sad": "sad",
    "row_mm": "spacing",
    "column_mm": "spacing",
    "off_center": "offCenter",
    "angles": "angles",
}


class InputsSection(VTKObservationMixin):
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    """

    def __init__(self, ui, parameters):
        VTKObservationMixin.__init__(self)
        self.ui = ui
        self._parameters = parameters
        self._watched = []
        self._filled = {}
        self._shownSegments = None
        ui.segmentsComboBox.connect("checkedIndexesChanged()", self._onSegmentsChecked)
        ui.calibrationPathLineEdit.connect("currentPathChanged(QString)", self._onCalibrationChosen)
        for number in (1, 2):
            button = getattr(ui, f"dicom{number}Button")
            button.connect("clicked()", lambda n=number: self.fillFromDicom(n))

    def update(self):
        """Say what is missing; returns all of it, empty where a registration can begin."""
        parameters = self._parameters()
        self._watch()
        self._fillNewImages()
        self._showSegments()
        found = []
        ct = _("Choose the CT.") if parameters.ctVolume is None else ""
        say(self.ui.ctProblemLabel, ct, ERROR_STYLE)
        found += [ct] if ct else []
        showPath(self.ui.calibrationPathLineEdit, parameters.calibrationFile)
        calibration = calibrationPath(parameters)
        missing = calibration is not None and not calibration.is_file()
        text = _("There is no file {path}.").format(path=calibration) if missing else ""
        say(self.ui.calibrationProblemLabel, text, ERROR_STYLE)
        found += [text] if text else []
        for number in (1, 2):
            found += self._updateView(number, calibration is not None)
        self._countLandmarks()
        return found

    def forget(self):
        """Watch nothing any more: the scene is being closed."""
        self.removeObservers()
        self._watched = []

    def _watch(self):
        """Follow landmarks and segments that are added, renamed or removed while they are chosen."""
        parameters = self._parameters()
        marks = (parameters.ctLandmarks, parameters.xray1Landmarks, parameters.xray2Landmarks)
        chosen = [*marks, parameters.segmentation]
        if chosen == self._watched:
            return
        self.forget()
        self._watched = chosen
        Markups, Segmentation = slicer.vtkMRMLMarkupsNode, slicer.vtkSegmentation
        for node in {node.GetID(): node for node in marks if node is not None}.values():
            for event in (Markups.PointPositionDefinedEvent, Markups.PointModifiedEvent, Markups.PointRemovedEvent):
                self.addObserver(node, event, self._onLandmarksChanged)
        if parameters.segmentation is not None:
            segmentation = parameters.segmentation.GetSegmentation()
            for event in (Segmentation.SegmentAdded, Segmentation.SegmentRemoved, Segmentation.SegmentModified):
                self.addObserver(segmentation, event, self._onSegmentsChanged)

    def _onLandmarksChanged(self, caller, event):
        if self._parameters() is not None:
            self._countLandmarks()

    def _onSegmentsChanged(self, caller, event):
        if self._parameters() is not None:
            self._showSegments()

    def fillFromDicom(self, number):
        """Read the geometry of an X-ray from its header, and say what the header does not tell."""
        parameters = self._parameters()
        label = getattr(self.ui, f"dicom{number}Label")
        volume = getattr(parameters, f"xray{number}Volume")
        if volume is None:
            say(label, _("Choose the X-ray first."), ERROR_STYLE)
            return
        with reported(label):
            from SphericalRegLib.control.geometry_fields import fields_from_dicom

            header = DicomHeaders.readHeader(volume)
            if header is None:
                say(label, _("No DICOM header is known of this image: type its geometry, or choose a calibration."))
                return
            dataset, frame = header
            fields, missing = fields_from_dicom(dataset, frame)
            geometry = getattr(parameters, f"geometry{number}")
            with slicer.util.NodeModify(parameters):
                fillGeometry(geometry, fields)
                geometry.tone = type(geometry.tone)(DicomHeaders.toneOf(dataset))
            say(label, " ".join(missing) if missing else _("Filled from the DICOM header."))

    def _fillNewImages(self):
        """Fill once for each newly chosen image whose fields are still empty: what a user typed stays."""
        parameters = self._parameters()
        for number in (1, 2):
            volume = getattr(parameters, f"xray{number}Volume")
            identity = volume.GetID() if volume is not None else None
            if self._filled.get(number) == identity:
                continue
            self._filled[number] = identity
            if identity is not None and getattr(parameters, f"geometry{number}").sdd == 0 and self._canFill():
                self.fillFromDicom(number)
            elif identity is None:
                say(getattr(self.ui, f"dicom{number}Label"), "")

    def fillAgain(self):
        """Look at the chosen images anew: packages were installed, or a scene was loaded."""
        self._filled = {}
        self.update()

    def _canFill(self):
        from SphericalRegLib.control.packages import missing_packages

        return not missing_packages(["torch", "pydicom", "SimpleITK"])

    def _updateView(self, number, calibrated):
        """The problems of one view, shown beside its fields."""
        from SphericalRegLib.control.geometry_fields import problems

        parameters = self._parameters()
        volume = getattr(parameters, f"xray{number}Volume")
        several = parameters.xray1Volume is not None and parameters.xray2Volume is not None
        text = ""
        if number == 1 and volume is None:
            text = _("Choose an X-ray.")
        elif volume is not None and imageSize(volume) is None:
            text = _("This image has no pixels.")
        say(getattr(self.ui, f"xray{number}ProblemLabel"), text, ERROR_STYLE)
        found = {}
        if volume is not None and not calibrated:
            fields = viewFields(getattr(parameters, f"geometry{number}"))
            found = problems(fields, imageSize(volume), several)
        told = dict.fromkeys(_LABELS.values(), "")
        for field, words in found.items():
            told[_LABELS[field]] = words
        for name, words in told.items():
            say(getattr(self.ui, f"{name}{number}ProblemLabel"), words, ERROR_STYLE)
        prefix = _("X-ray {number}: ").format(number=number)
        return [prefix + words for words in [text, *found.values()] if words]

    def _countLandmarks(self):
        """How many landmarks have a partner, so that misspelled names are seen at once."""
        parameters = self._parameters()
        inCT = _names(parameters.ctLandmarks)
        lines = []
        for number in (1, 2):
            inXray = _names(getattr(parameters, f"xray{number}Landmarks"))
            if not inXray:
                continue
            unknown = sorted(inXray - inCT)
            words = _("X-ray {number}: {count} landmarks paired with the CT by name.").format(
                number=number, count=len(inXray & inCT)
            )
            if unknown:
                words += " " + _("Not in the CT: {names}.").format(names=", ".join(unknown))
            lines.append(words)
        say(self.ui.landmarksLabel, "\n".join(lines))

    def _showSegments(self):
        """List the segments of the chosen segmentation, checked as the parameter node says."""
        parameters = self._parameters()
        box = self.ui.segmentsComboBox
        names = _segments(parameters.segmentation)
        wanted = (names, tuple(parameters.segments))
        if wanted == self._shownSegments:
            return
        self._shownSegments = wanted
        blocked = box.blockSignals(True)
        box.clear()
        for identity, name in names:
            box.addItem(name, identity)
            checked = qt.Qt.Checked if identity in parameters.segments else qt.Qt.Unchecked
            box.setCheckState(box.checkableModel().index(box.count - 1, 0), checked)
        box.blockSignals(blocked)
        box.enabled = bool(names)

    def _onCalibrationChosen(self, path):
        if self._parameters() is not None:
            self._parameters().calibrationFile = path

    def _onSegmentsChecked(self):
        parameters = self._parameters()
        if parameters is None:
            return
        box = self.ui.segmentsComboBox
        checked = [box.itemData(index.row()) for index in box.checkedIndexes()]
        self._shownSegments = (_segments(parameters.segmentation), tuple(checked))
        parameters.segments = checked


def _names(markupsNode):
    """Names of the points that have been placed."""
    if markupsNode is None:
        return set()
    placed = slicer.vtkMRMLMarkupsNode.PositionDefined
    count = markupsNode.GetNumberOfControlPoints()
    return {
        markupsNode.GetNthControlPointLabel(index).strip()
        for index in range(count)
        if markupsNode.GetNthControlPointPositionStatus(index) == placed
    }


def _segments(segmentationNode):
    """((ID, name), …) of a segmentation, empty for None."""
    if segmentationNode is None:
        return ()
    segmentation = segmentationNode.GetSegmentation()
    identities = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
    return tuple((identity, segmentation.GetSegment(identity).GetName()) for identity in identities)
