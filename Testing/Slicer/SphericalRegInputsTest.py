"""Self-test: nodes that are deleted, fields that are cleared, inputs that cannot work. Runs in 3D Slicer only."""

import os
import sys
import tempfile

import qt
import slicer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from SelfTestCase import SelfTestCase


class SphericalRegInputsTest(SelfTestCase):
    def test_TheOnlyCTAndTheOnlyXrayAreChosenOnEntering(self):
        self.skipWithoutPackages()
        widget, _parameters = self.enter()
        widget.exit()
        from SphericalRegUI import Samples

        ct, xray, _bones = Samples.loadSample()
        widget, parameters = self.enter()
        self.assertEqual((parameters.ctVolume.GetID(), parameters.xray1Volume.GetID()), (ct.GetID(), xray.GetID()))
        self.assertAlmostEqual(parameters.geometry1.sdd, 1200.0, places=6)
        parameters.xray1Volume = None
        widget.exit()
        widget.enter()
        self.assertIsNone(widget._parameterNode.xray1Volume)

    def test_ACTThatIsNoHUIsSaidToBeOne(self):
        widget, parameters = self.loadSample()
        ui = widget.ui
        self.assertFalse(ui.ctValuesFrame.isVisibleTo(ui.ctFrame))
        other = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, parameters.ctVolume, "HU + 1024")
        stored = (slicer.util.arrayFromVolume(parameters.ctVolume) + 1024).clip(min=0)
        slicer.util.updateVolumeFromArray(other, stored)
        parameters.ctVolume = other
        self.assertIn("below 0", ui.ctProblemLabel.text)
        self.assertFalse(ui.registerButton.enabled)
        self.assertTrue(ui.ctValuesFrame.isVisibleTo(ui.ctFrame))
        ui.ctValuesComboBox.setCurrentIndex(1)
        ui.ctValuesComboBox.activated(1)
        self.assertEqual(ui.ctProblemLabel.text, "")
        self.assertTrue(ui.registerButton.enabled, ui.registerButton.toolTip)
        from SphericalRegLib.scene.ct import ct_from_volume

        self.assertAlmostEqual(float(ct_from_volume(other).hu.min()), -1024.0, delta=30.0)

    def test_ATruePoseAndAModelOfAnotherCTAreDroppedWithAWord(self):
        widget, parameters = self.loadSample()
        self.assertIsNotNone(parameters.truth)
        self.assertNotEqual(parameters.modelFile, "")
        other = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, parameters.ctVolume, "my CT")
        parameters.ctVolume = other
        self.assertIsNone(parameters.truth)
        self.assertIn("another CT", widget.ui.truthProblemLabel.text)
        self.assertEqual(parameters.modelFile, "")
        self.assertIn("another CT", widget.ui.modelLabel.text)
        widget.ui.sampleButton.click()
        self.assertIsNotNone(parameters.truth)
        self.assertEqual(widget.ui.truthProblemLabel.text, "")

    def test_ADeletedNodeLeavesItsFieldEmpty(self):
        widget, parameters = self.loadSample()
        ui = widget.ui
        # others of the same kind, which the selectors could take
        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Another pose")
        volumes = slicer.modules.volumes.logic()
        volumes.CloneVolume(slicer.mrmlScene, parameters.ctVolume, "Another CT")
        for field, selector, label in (
            ("truth", ui.truthSelector, ui.truthProblemLabel),
            ("segmentation", ui.segmentationSelector, ui.segmentsProblemLabel),
            ("xray1Volume", ui.xray1Selector, ui.xray1ProblemLabel),
            ("ctVolume", ui.ctSelector, ui.ctProblemLabel),
        ):
            if field == "segmentation":
                parameters.segments = [parameters.segmentation.GetSegmentation().GetNthSegmentID(0)]
            node = getattr(parameters, field)
            name = node.GetName()
            slicer.mrmlScene.RemoveNode(node)
            slicer.app.processEvents()
            self.assertIsNone(getattr(parameters, field), field)
            self.assertIsNone(selector.currentNode(), field)
            self.assertIn(name, label.text)
            self.assertIn("deleted", label.text)
        self.assertFalse(ui.registerButton.enabled)
        self.assertIn("deleted", ui.registerButton.toolTip)
        self.assertEqual(list(parameters.segments), [])
        # the header's geometry went with its image
        self.assertEqual(parameters.geometry1.sdd, 0.0)
        self.assertEqual(ui.dicom1Label.text, "")

    def test_AnotherXrayDoesNotInheritTheGeometry(self):
        widget, parameters = self.loadSample()
        ui, first = widget.ui, parameters.xray1Volume
        ui.rotation1SpinBox.value = 90.0
        other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "No header")
        other.SetAndObserveImageData(first.GetImageData())
        ui.xray1Selector.setCurrentNode(other)
        self.assertEqual(parameters.geometry1.sdd, 0.0)
        self.assertEqual(parameters.geometry1.rotation, 90.0)
        self.assertIn("No DICOM header", ui.dicom1Label.text)
        self.assertIn("cleared", ui.dicom1Label.text)
        ui.sdd1SpinBox.value = 1100.0
        ui.xray1Selector.setCurrentNode(first)
        self.assertEqual(parameters.geometry1.sdd, 1100.0)
        self.assertAlmostEqual(parameters.geometry1.rowSpacing, 0.8, places=6)
        self.assertIn("Kept as typed", ui.dicom1Label.text)
        ui.dicom1Button.click()
        self.assertAlmostEqual(parameters.geometry1.sdd, 1200.0, places=6)
        self.assertIn("from DICOM", ui.geometry1GroupBox.title)

    def test_AnotherFrameOfASequenceIsFilledFromItsOwnHeader(self):
        from SphericalRegUI import DicomHeaders

        widget, parameters = self.loadSample()
        image = parameters.xray1Volume
        dataset, _frame = DicomHeaders.readHeader(image)
        sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Run")
        for index in range(2):
            sequence.SetDataNodeAtValue(image, str(index))
        browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Run browser")
        browser.AddSynchronizedSequenceNode(sequence)
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)

        def header(volume):
            frame = DicomHeaders.frameOf(volume)
            dataset.PositionerPrimaryAngle = 10.0 + 20.0 * frame
            return dataset, frame

        original, DicomHeaders.readHeader = DicomHeaders.readHeader, header
        try:
            widget.ui.xray1Selector.setCurrentNode(browser.GetProxyNode(sequence))
            self.assertAlmostEqual(parameters.geometry1.primaryAngle, 10.0, places=6)
            browser.SetSelectedItemNumber(1)
            self.waitUntil(lambda: parameters.geometry1.primaryAngle == 30.0, seconds=5.0)
            widget.ui.primaryAngle1SpinBox.value = 33.0
            browser.SetSelectedItemNumber(0)
            for _ in range(5):
                slicer.app.processEvents()
            self.assertEqual(parameters.geometry1.primaryAngle, 33.0)
            self.assertIn("angles", widget.ui.dicom1Label.text)
        finally:
            DicomHeaders.readHeader = original

    def test_LeavingAndEnteringKeepsWhatWasFilled(self):
        widget, parameters = self.loadSample()
        widget.exit()
        widget.enter()
        parameters = widget._parameterNode
        self.assertAlmostEqual(parameters.geometry1.sdd, 1200.0, places=6)
        self.assertEqual(parameters.filledImage1.GetID(), parameters.xray1Volume.GetID())
        self.assertIn("from DICOM", widget.ui.geometry1GroupBox.title)

    def test_PathsCanBeClearedByErasingThem(self):
        widget, parameters = self.loadSample()
        ui = widget.ui
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bad.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"a": 1}')
            ui.calibrationPathLineEdit.currentPath = path
            self.assertIn("not a geometry file", ui.calibrationProblemLabel.text)
            self.assertFalse(ui.registerButton.enabled)
        ui.calibrationPathLineEdit.findChildren(qt.QLineEdit)[0].clear()
        self.assertEqual(parameters.calibrationFile, "")
        self.assertEqual(ui.calibrationProblemLabel.text, "")
        self.assertTrue(ui.registerButton.enabled)
        ui.modelFolderPathLineEdit.findChildren(qt.QLineEdit)[0].clear()
        self.assertEqual(parameters.modelFolder, "")

    def test_TheModelThatIsUsedIsShownWhereverItLies(self):
        widget, parameters = self.loadSample()
        ui, path = widget.ui, parameters.modelFile
        with tempfile.TemporaryDirectory() as folder:
            parameters.modelFolder = folder
            self.assertEqual(parameters.modelFile, path)
            box = ui.modelComboBox
            self.assertEqual(box.itemData(box.currentIndex), path)
            self.assertTrue(ui.fineTuneButton.enabled)
            box.setCurrentIndex(0)
            self.assertEqual(parameters.modelFile, "")
            self.assertIn("No model is chosen", ui.modelLabel.text)
            self.assertFalse(ui.fineTuneButton.enabled)
            parameters.modelFile = os.path.join(folder, "gone.safetensors")
            self.assertIn("There is no model", ui.modelLabel.text)
            self.assertFalse(ui.registerButton.enabled)

    def test_InputsThatCannotWorkAreSaidBesideTheirFields(self):
        widget, parameters = self.loadSample()
        ui, xray, ct = widget.ui, parameters.xray1Volume, parameters.ctVolume
        ui.ctSelector.setCurrentNode(xray)
        self.assertIn("one slice", ui.ctProblemLabel.text)
        ui.ctSelector.setCurrentNode(ct)
        ui.xray1Selector.setCurrentNode(ct)
        self.assertIn("slices", ui.xray1ProblemLabel.text)
        ui.xray1Selector.setCurrentNode(xray)
        ui.xray2Selector.setCurrentNode(xray)
        self.assertIn("X-ray 1", ui.xray2ProblemLabel.text)
        self.assertFalse(ui.registerButton.enabled)
        ui.xray2Selector.setCurrentNode(None)
        self.assertTrue(ui.registerButton.enabled, ui.registerButton.toolTip)
        ui.anglesKnown1CheckBox.checked = False
        ui.presetComboBox.setCurrentIndex(ui.presetComboBox.count - 1)
        self.assertIn("angles", ui.presetProblemLabel.text)
        self.assertFalse(ui.registerButton.enabled)
        ui.presetComboBox.setCurrentIndex(0)
        ui.methodComboBox.setCurrentIndex(2)
        marks = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Marks")
        ui.ctLandmarksSelector.setCurrentNode(marks)
        ui.xray1LandmarksSelector.setCurrentNode(marks)
        for index in range(4):
            self.assertFalse(ui.registerButton.enabled)
            marks.AddControlPoint([0.0, float(index), 0.0], f"m{index}")
        self.assertTrue(ui.registerButton.enabled, ui.registerButton.toolTip)

    def test_DeletedSegmentsAreUnchecked(self):
        widget, parameters = self.loadSample()
        segmentation = parameters.segmentation.GetSegmentation()
        first, second = (segmentation.GetNthSegmentID(index) for index in (0, 1))
        parameters.segments = [first, second]
        segmentation.RemoveSegment(first)
        self.assertEqual(list(parameters.segments), [second])
        self.assertIn("not there any more", widget.ui.segmentsProblemLabel.text)
        # another segmentation whose segments have the same IDs
        other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Other bones")
        other.GetSegmentation().AddEmptySegment(second)
        widget.ui.segmentationSelector.setCurrentNode(other)
        self.assertEqual(list(parameters.segments), [])
        self.assertIn("whole CT", widget.ui.segmentsProblemLabel.text)

    def test_LoadingTheSampleAgainAddsNothing(self):
        widget, _parameters = self.loadSample()
        xray = widget._parameterNode.xray1Volume
        # a copy of the sample is not the sample
        copy = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, xray, "A copy")
        widget.ui.xray1Selector.setCurrentNode(copy)
        count = slicer.mrmlScene.GetNumberOfNodes()
        widget.ui.sdd1SpinBox.value = 900.0
        widget.ui.sampleButton.click()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)
        self.assertEqual(widget._parameterNode.xray1Volume.GetID(), xray.GetID())
        self.assertAlmostEqual(widget._parameterNode.geometry1.sdd, 1200.0, places=6)

    def test_MessagesOfRunsGoWithTheScene(self):
        widget, parameters = self.loadSample()
        widget.ui.placeButton.click()
        parameters.firstSteps = parameters.secondSteps = 51
        session = widget.logic.session
        widget.ui.computeButton.click()
        self.assertTrue(session.survey.state.busy, widget.ui.landscapeStatusLabel.text)
        self.assertFalse(widget.ui.sampleButton.enabled)
        slicer.mrmlScene.RemoveNode(parameters.xray1Volume)
        self.waitUntil(lambda: not session.survey.state.busy)
        self.assertIn("deleted", widget.ui.landscapeStatusLabel.text)
        self.assertNotIn("stopped", widget.ui.registerStatusLabel.text)
        self.assertTrue(widget.ui.sampleButton.enabled)
        slicer.mrmlScene.Clear()
        self.assertEqual(widget.ui.landscapeStatusLabel.text, "")
        self.assertNotIn("deleted", widget.ui.registerStatusLabel.text)
