"""Section Inputs: nodes, geometry from DICOM, and what is missing, said beside each field."""

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SphericalRegLib.app.panel.geometry_fields import ViewFields, group_of, problems
from SphericalRegLib.app.panel.made_for import MadeFor
from SphericalRegLib.app.panel.packs import camel_case, read_pack
from SphericalRegLib.scene.session.input_checks import (
    image_size,
    lost_segments,
    only_inputs,
    placed_names,
    same_data,
    segment_names,
    slice_count,
)
from SphericalRegUI.CalibrationFields import CalibrationFields
from SphericalRegUI.Choices import Method, Preset
from SphericalRegUI.CTValues import CTValues
from SphericalRegUI.Feedback import ERROR_STYLE, say
from SphericalRegUI.GeometryFiller import GeometryFiller

# Groups of fields with a label beside them; the others can hold nothing wrong.
_TOLD = ("sdd", "sad", "spacing", "off_center", "angles")


class InputsSection(VTKObservationMixin):
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param refresh: brings the whole panel up to date.
    """

    def __init__(self, ui, parameters, refresh):
        VTKObservationMixin.__init__(self)
        self.ui = ui
        self._parameters = parameters
        self._refresh = refresh
        self._watched = []
        self.geometry = GeometryFiller(ui, parameters)
        self._shownSegments = None
        self._segmentsOf = None
        self._segmentsNote = ""
        self._deleted = {}
        self._told = None
        self._folded = {}
        self._unfolded = ()
        self._truthOf = MadeFor()
        self._truthNote = ""
        self._ctValues = CTValues(ui, parameters, refresh)
        self._calibration = CalibrationFields(ui, parameters, self.geometry.possible)
        ui.segmentsComboBox.connect("checkedIndexesChanged()", self._onSegmentsChecked)

    def update(self):
        """Say what is missing; returns (of the inputs, of what only a registration needs), empty where it can begin."""
        parameters = self._parameters()
        self._watch()
        # in the middle of loading a scene, what is chosen may not be there yet
        if not (slicer.mrmlScene.IsImporting() or slicer.mrmlScene.IsClosing()):
            self.geometry.follow()
            self._pruneSegments()
        self._showSegments()
        self._forgetDeleted()
        found = []
        ct = self._problemOfCT(parameters.ctVolume)
        values = self._ctValues.update()
        ct = ct or values
        say(self.ui.ctProblemLabel, ct, ERROR_STYLE)
        found += [ct] if ct else []
        calibrated, text = self._calibration.update()
        found += [text] if text else []
        for number in (1, 2):
            found += self._updateView(number, calibrated)
        preset = self._problemOfPreset(calibrated)
        say(self.ui.presetProblemLabel, preset, ERROR_STYLE)
        say(self.ui.truthProblemLabel, self._noteOfTruth())
        pairs = self._countLandmarks()
        self._unfoldMore(text, *pairs)
        return found, [*([preset] if preset else []), *pairs]

    def _unfoldMore(self, *problems):
        """What is wrong with a calibration or landmarks is not hidden."""
        told = tuple(problem for problem in problems if problem)
        if told and told != self._unfolded:
            self.ui.moreInputsGroupBox.collapsed = False
        self._unfolded = told

    def _noteOfTruth(self):
        """Let go of a true pose that is of another CT or X-ray; what became of the one that was chosen, in words."""
        parameters = self._parameters()
        owners = (parameters.ctVolume, parameters.xray1Volume)
        truth = parameters.truth
        if self._truthOf.lost(*_identities(truth), _identities(*owners)):
            self._truthNote = _("'{name}' is of another CT or X-ray: no true pose is chosen now.").format(
                name=truth.GetName()
            )
            parameters.truth = None
        elif truth is not None:
            self._truthNote = ""
        return self._deletedText("truth", _("no true pose is chosen now.")) or self._truthNote

    def preselect(self):
        """Choose what leaves no choice, where nothing is chosen yet: the only CT and the only X-ray of the scene."""
        parameters = self._parameters()
        if parameters.ctVolume is None and parameters.xray1Volume is None and not slicer.mrmlScene.IsImporting():
            ct, xray = only_inputs(slicer.mrmlScene)
            with slicer.util.NodeModify(parameters):
                parameters.ctVolume, parameters.xray1Volume = ct, xray

    def nodeDeleted(self, fields, name):
        """A node of that name is about to leave the scene, and these fields choose nothing now."""
        self._deleted |= dict.fromkeys(fields, name)

    def _forgetDeleted(self):
        """What was chosen anew needs no word about what was deleted."""
        parameters = self._parameters()
        self._deleted = {field: name for field, name in self._deleted.items() if getattr(parameters, field) is None}

    def _deletedText(self, field, remedy):
        """That the field's node was deleted, with the remedy; empty where it was not."""
        if field not in self._deleted:
            return ""
        return _("'{name}' was deleted: {remedy}").format(name=self._deleted[field], remedy=remedy)

    def _problemOfCT(self, volume):
        if volume is None:
            return self._deletedText("ctVolume", _("choose a CT.")) or _("Choose the CT.")
        slices = slice_count(volume)
        if slices == 0:
            return _("This volume has no voxels.")
        return _("This is an image of one slice: choose a CT.") if slices == 1 else ""

    def _problemOfPreset(self, calibrated):
        """The angles are needed only where the search begins at the chosen view."""
        parameters = self._parameters()
        fromView = parameters.method in (Method.AUTOMATIC, Method.SEARCH)
        if parameters.preset is not Preset.ANGLES or not fromView or parameters.xray1Volume is None:
            return ""
        if calibrated:
            return _("A calibration file tells no angles of the C-arm: choose another view.")
        if not parameters.geometry1.anglesKnown:
            return _("The angles of X-ray 1 are not known: type them and check that they are known, or choose a view.")
        return ""

    def forget(self):
        """Watch nothing any more: the scene is being closed."""
        self.removeObservers()
        self._watched = []

    def startAnew(self):
        """Another parameter node, or none: nothing is known of what was chosen before."""
        self.forget()
        self.geometry.forget()
        self._segmentsOf = None
        self._shownSegments = None
        self._truthOf.forget()
        self._folded = {}

    def forgetNews(self):
        """What was said of deleted nodes has been read: a run begins, or the scene was closed."""
        self._deleted = {}
        self._segmentsNote = self._truthNote = ""

    def _watch(self):
        """Follow landmarks and segments that are added, renamed or removed while they are chosen."""
        parameters = self._parameters()
        marks = (parameters.ctLandmarks, parameters.xray1Landmarks, parameters.xray2Landmarks)
        images = (parameters.xray1Volume, parameters.xray2Volume)
        chosen = [*marks, parameters.segmentation, *images]
        if chosen == self._watched:
            return
        self.forget()
        self._watched = chosen
        Markups, Segmentation = slicer.vtkMRMLMarkupsNode, slicer.vtkSegmentation
        for node in {node.GetID(): node for node in marks if node is not None}.values():
            for event in (Markups.PointPositionDefinedEvent, Markups.PointModifiedEvent, Markups.PointRemovedEvent):
                self.addObserver(node, event, self._onLandmarksChanged)
        for node in {node.GetID(): node for node in images if node is not None}.values():
            # a sequence that shows another frame
            self.addObserver(node, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, self._onImageChanged)
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onImageChanged)
        if parameters.segmentation is not None:
            segmentation = parameters.segmentation.GetSegmentation()
            for event in (Segmentation.SegmentAdded, Segmentation.SegmentRemoved, Segmentation.SegmentModified):
                self.addObserver(segmentation, event, self._onSegmentsChanged)

    def _onLandmarksChanged(self, caller, event):
        # with each movement of a point: the panel only where something else is to be said
        if self._parameters() is not None and self._told != self._pairing():
            self._refresh()

    def _onSegmentsChanged(self, caller, event):
        if self._parameters() is not None:
            self._refresh()

    def _onImageChanged(self, caller, event):
        if self._parameters() is not None and self.geometry.changed():
            self._refresh()

    def fillAgain(self):
        """Look at the chosen images anew: packages were installed, or the sample was chosen once more."""
        self.geometry.forget()
        self.update()

    def _updateView(self, number, calibrated):
        """The problems of one view, shown beside its fields."""
        parameters = self._parameters()
        volume = getattr(parameters, f"xray{number}Volume")
        several = parameters.xray1Volume is not None and parameters.xray2Volume is not None
        text = ""
        if number == 1 and volume is None:
            text = self._deletedText("xray1Volume", _("choose an X-ray.")) or _("Choose an X-ray.")
        elif volume is None:
            text = self._deletedText("xray2Volume", _("no second X-ray is chosen now."))
        elif slice_count(volume) == 0:
            text = _("This image has no pixels.")
        elif slice_count(volume) > 1:
            text = _("This volume has {count} slices: choose an image of one slice.").format(count=slice_count(volume))
        elif number == 2 and same_data(parameters.xray1Volume, volume):
            text = _("This is the image of X-ray 1: choose another one, or none.")
        say(getattr(self.ui, f"xray{number}ProblemLabel"), text, ERROR_STYLE)
        found = {}
        if volume is not None and not calibrated:
            fields = read_pack(ViewFields, getattr(parameters, f"geometry{number}"))
            found = problems(fields, image_size(volume), several)
        told = {group_of(field): words for field, words in found.items()}
        for group in _TOLD:
            name = camel_case(group)
            say(getattr(self.ui, f"{name}{number}ProblemLabel"), told.get(group, ""), ERROR_STYLE)
        self._foldGeometry(number, volume, bool(found), calibrated)
        prefix = _("X-ray {number}: ").format(number=number)
        return [
            prefix + words for words in [text if number == 1 or volume is not None else "", *found.values()] if words
        ]

    def _foldGeometry(self, number, volume, incomplete, calibrated):
        """A geometry that is complete is one line; one that lacks something is unfolded, as soon as it does."""
        group = getattr(self.ui, f"geometry{number}GroupBox")
        geometry = getattr(self._parameters(), f"geometry{number}")
        if calibrated:
            words = _("Geometry: of the calibration file")
        elif volume is None or incomplete:
            words = _("Geometry")
        else:
            origin = _("from DICOM") if geometry.filled else _("as typed")
            words = _("Geometry: SDD {sdd} mm, {row} × {column} mm, {origin}").format(
                sdd=f"{geometry.sdd:g}",
                row=f"{geometry.rowSpacing:.4g}",
                column=f"{geometry.columnSpacing:.4g}",
                origin=origin,
            )
        if group.title != words:
            group.title = words
        state = (None if volume is None else volume.GetID(), incomplete)
        if state != self._folded.get(number):
            if volume is not None and incomplete:
                group.collapsed = False
            elif state[0] != self._folded.get(number, (None,))[0]:
                # another image; while numbers are typed, what is open stays open
                group.collapsed = True
            self._folded[number] = state

    def _pairing(self):
        """For each X-ray with landmarks: (number, pairs with the CT, names that the CT lacks)."""
        parameters = self._parameters()
        inCT = placed_names(parameters.ctLandmarks)
        found = []
        for number in (1, 2):
            inXray = placed_names(getattr(parameters, f"xray{number}Landmarks"))
            if inXray:
                found.append((number, len(inXray & inCT), tuple(sorted(inXray - inCT))))
        return found

    def _countLandmarks(self):
        """How many landmarks have a partner, so that misspelled names are seen at once; returns what stops a run."""
        self._told = self._pairing()
        lines, problems = [], []
        for field in ("ctLandmarks", "xray1Landmarks", "xray2Landmarks"):
            deleted = self._deletedText(field, _("no landmarks are chosen in its place."))
            lines += [deleted] if deleted else []
        for number, count, unknown in self._told:
            words = _("X-ray {number}: {count} landmarks paired with the CT by name.").format(
                number=number, count=count
            )
            if unknown:
                names = _("Not in the CT: {names}.").format(names=", ".join(unknown))
                words += " " + names
                if getattr(self._parameters(), f"xray{number}Volume") is not None:
                    problems.append(_("Landmarks of X-ray {number}: ").format(number=number) + names)
            lines.append(words)
        say(self.ui.landmarksLabel, "\n".join(lines), ERROR_STYLE if problems else "")
        return problems

    def _pruneSegments(self):
        """Let go of segments that are not there, or that were another segmentation's: IDs are alike in all of them."""
        parameters = self._parameters()
        node = parameters.segmentation
        identity, segments = None if node is None else node.GetID(), tuple(parameters.segments)
        former, self._segmentsOf = self._segmentsOf, (identity, segments)
        if former is not None and former != self._segmentsOf:
            self._segmentsNote = ""
        if "segmentation" in self._deleted:
            self._segmentsNote = self._deletedText("segmentation", _("the whole CT is rendered now."))
        another = former is not None and former[0] != identity and former[1] == segments
        lost = list(segments) if another else lost_segments(node, segments)
        if lost:
            left = [one for one in segments if one not in lost]
            self._segmentsOf = (identity, tuple(left))
            if "segmentation" not in self._deleted:
                self._segmentsNote = (
                    _("Segments that had been chosen are not there any more.")
                    if left
                    else _("The segments that had been chosen are not there any more: the whole CT is rendered now.")
                )
            parameters.segments = left
        say(self.ui.segmentsProblemLabel, self._segmentsNote, ERROR_STYLE)

    def _showSegments(self):
        """List the segments of the chosen segmentation, checked as the parameter node says."""
        parameters = self._parameters()
        box = self.ui.segmentsComboBox
        names = segment_names(parameters.segmentation)
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

    def _onSegmentsChecked(self):
        parameters = self._parameters()
        if parameters is None:
            return
        box = self.ui.segmentsComboBox
        checked = [box.itemData(index.row()) for index in box.checkedIndexes()]
        self._shownSegments = (segment_names(parameters.segmentation), tuple(checked))
        parameters.segments = checked


def _identities(*nodes):
    return tuple(None if node is None else node.GetID() for node in nodes)
