"""Self-test: the fields, what is said beside them, and the overlay. Runs in 3D Slicer only."""

import os
import sys

import slicer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from SelfTestCase import SelfTestCase


class SphericalRegPanelTest(SelfTestCase):
    def test_TheGeometryIsFilledFromDicom(self):
        widget, parameters = self.loadSample()
        self.assertAlmostEqual(parameters.geometry1.sdd, 1200.0, places=6)
        self.assertAlmostEqual(parameters.geometry1.rowSpacing, 0.8, places=6)
        self.assertAlmostEqual(widget.ui.sdd1SpinBox.value, 1200.0, places=2)
        self.assertTrue(parameters.geometry1.anglesKnown)

    def test_AMissingDistanceIsToldBesideItsFieldAsItIsTyped(self):
        widget, _parameters = self.loadSample()
        widget.ui.sdd1SpinBox.value = 0.0
        self.assertIn("Missing", widget.ui.sdd1ProblemLabel.text)
        self.assertFalse(widget.ui.registerButton.enabled)
        widget.ui.sdd1SpinBox.value = 1200.0
        self.assertEqual(widget.ui.sdd1ProblemLabel.text, "")
        self.assertTrue(widget.ui.registerButton.enabled)

    def test_ACompleteGeometryIsOneLineAndThePanelStaysNarrow(self):
        widget, _parameters = self.loadSample()
        ui = widget.ui
        self.assertTrue(ui.geometry1GroupBox.collapsed)
        self.assertIn("SDD 1200 mm", ui.geometry1GroupBox.title)
        ui.sdd1SpinBox.value = 0.0
        self.assertFalse(ui.geometry1GroupBox.collapsed)
        ui.sdd1SpinBox.value = 1200.0
        panel = ui.registerCollapsibleButton.parent()
        self.assertLess(panel.minimumSizeHint.width(), 460)
        if slicer.app.layoutManager() is not None:
            ui.geometry1GroupBox.collapsed = ui.moreInputsGroupBox.collapsed = True
            bottom = ui.registerButton.rect.bottomLeft
            self.waitUntil(lambda: ui.registerButton.mapTo(panel, bottom()).y() < 700, 10)

    def test_SegmentsCanBeChosenByName(self):
        widget, parameters = self.loadSample()
        box = widget.ui.segmentsComboBox
        names = [box.itemText(index) for index in range(box.count)]
        self.assertIn("sacrum", [name.lower() for name in names])
        self.assertEqual(list(parameters.segments), [])

    def test_TheOverlayIsShown(self):
        if slicer.app.layoutManager() is None:
            self.skipTest("There are no views")
        widget, _parameters = self.loadSample()
        self.register(widget)
        widget.ui.overlayButton.click()
        composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
        self.assertIsNotNone(composite.GetBackgroundVolumeID())
        self.assertIsNotNone(composite.GetForegroundVolumeID())
        widget.ui.beamButton.click()
        self.assertEqual(widget.ui.resultStatusLabel.text, "")

    def test_DraggingThePoseDrawsItsDRR(self):
        widget, parameters = self.loadSample()
        widget.ui.placeButton.click()
        node = parameters.currentPose
        self.assertIsNotNone(node, widget.ui.registerStatusLabel.text)
        drawn = []
        self.addCleanup(widget.logic.session.drawn.connect(lambda one: drawn.append(one.GetID())))
        matrix = slicer.util.arrayFromTransformMatrix(node)
        for step in range(5):
            matrix[0, 3] += step
            slicer.util.updateTransformMatrixFromArray(node, matrix)
        self.waitUntil(lambda: drawn)
        self.assertEqual(set(drawn), {node.GetID()})
        self.assertLess(len(drawn), 5)

    def test_APlacedCArmIsShownAndPlacingAnotherTakesItsHandlesAway(self):
        if slicer.app.layoutManager() is None:
            self.skipTest("There are no views")
        widget, parameters = self.loadSample()
        composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")

        def shows(node):
            volume = slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID() or "")
            return volume is not None and volume.GetParentTransformNode() is node

        widget.ui.placeButton.click()
        first = parameters.currentPose
        self.waitUntil(lambda: shows(first), 20)
        for button in (widget.ui.overlayButton, widget.ui.beamButton, widget.ui.overviewButton):
            self.assertTrue(button.enabled)
        self.assertFalse(widget.ui.reportButton.enabled)
        for selector in (widget.ui.ctSelector, widget.ui.xray1Selector):
            names = [selector.nodeFromIndex(index).GetName() for index in range(selector.nodeCount())]
            self.assertEqual(names, ["Pelvis CT", "Pelvis X-ray AP"])
        widget.ui.placeButton.click()
        second = parameters.currentPose
        self.waitUntil(lambda: shows(second), 20)
        self.assertFalse(first.GetDisplayNode().GetEditorVisibility())
        self.assertTrue(second.GetDisplayNode().GetEditorVisibility())
        slicer.mrmlScene.RemoveNode(first)
        slicer.mrmlScene.RemoveNode(second)
        xray = parameters.xray1Volume
        self.waitUntil(lambda: composite.GetBackgroundVolumeID() == xray.GetID(), 20)

    def test_NoVerdictStandsBesideAnotherPosesOverlay(self):
        if slicer.app.layoutManager() is None:
            self.skipTest("There are no views")
        widget, parameters = self.loadSample()
        self.register(widget)
        self.assertTrue(widget.ui.verdictLabel.text.startswith("Accepted"))
        widget.ui.placeButton.click()
        node = parameters.currentPose
        self.assertEqual(parameters.method.value, "current pose")
        self.waitUntil(lambda: "views show" in widget.ui.verdictLabel.text, 20)
        from SphericalRegLib.scene.poses import pose_from_transform

        apart = (pose_from_transform(node) - pose_from_transform(parameters.currentResult)).abs().max()
        self.assertLess(float(apart), 1e-6)
        widget.ui.overlayButton.click()
        self.assertTrue(widget.ui.verdictLabel.text.startswith("Accepted"))

    def test_ThePoseIsToldInNumbersAndTyped(self):
        widget, parameters = self.loadSample()
        self.register(widget)
        ui, node = widget.ui, parameters.currentResult
        self.assertIn("source", ui.poseLabel.text)
        self.waitUntil(lambda: "Cost here" in ui.poseLabel.text, 20)
        from SphericalRegLib.scene.readout import readout

        before = readout(node).setting
        self.assertAlmostEqual(ui.posePrimarySpinBox.value, before.primary_deg, delta=0.01)
        ui.posePrimarySpinBox.value = before.primary_deg - 3.0
        after = readout(node).setting
        self.assertAlmostEqual(after.primary_deg, before.primary_deg - 3.0, delta=0.01)
        self.assertAlmostEqual(after.table_head, before.table_head, places=6)
        self.assertIn("moved since", ui.verdictLabel.text)

    def test_TwoResultsAreComparedAndBlink(self):
        widget, parameters = self.loadSample()
        self.register(widget)
        first = parameters.currentResult
        self.register(widget)
        ui = widget.ui
        ui.compareSelector.setCurrentNode(first)
        self.assertIn("in the plane", ui.compareLabel.text)
        ui.blinkButton.checked = True
        self.waitUntil(lambda: widget.panel.result.shown() is first, 10)
        ui.blinkButton.checked = False
        self.assertIs(widget.panel.result.shown(), parameters.currentResult)

    def test_TheBonesFollowTheMouseAndGoBack(self):
        if slicer.app.layoutManager() is None:
            self.skipTest("There are no views")
        widget, parameters = self.loadSample()
        self.register(widget)
        ui, node = widget.ui, parameters.currentResult
        from SphericalRegLib.scene.readout import readout

        before = readout(node).setting
        ui.pushCheckBox.checked = True
        interactor = slicer.app.layoutManager().sliceWidget("Red").sliceView().interactor()
        width, height = interactor.GetSize()
        begin, end = (width // 2, height // 2), (width // 2 + 40, height // 2)
        for position, event in (
            (begin, "LeftButtonPressEvent"),
            (end, "MouseMoveEvent"),
            (end, "LeftButtonReleaseEvent"),
        ):
            interactor.SetEventInformation(*position, 0, 0, "\0", 0, None)
            interactor.InvokeEvent(event)
        moved = readout(node).setting
        # AP: to the right in the image is to the patient's left
        self.assertGreater(moved.table_left, before.table_left + 5.0)
        self.assertIn("moved since", ui.verdictLabel.text)
        interactor.SetKeyEventInformation(0, 0, "\0", 0, "Left")
        interactor.InvokeEvent("KeyPressEvent")
        self.assertAlmostEqual(readout(node).setting.table_left, moved.table_left - 1.0, places=1)
        interactor.InvokeEvent("MouseWheelForwardEvent")
        self.assertGreater(readout(node).source_mm, 1.0)
        self.assertTrue(ui.backButton.enabled)
        ui.backButton.click()
        self.assertAlmostEqual(readout(node).setting.table_left, before.table_left, places=6)
        self.assertTrue(ui.verdictLabel.text.startswith("Accepted"))
        ui.pushCheckBox.checked = False
        interactor.SetEventInformation(*begin, 0, 0, "\0", 0, None)
        interactor.InvokeEvent("LeftButtonPressEvent")
        interactor.InvokeEvent("LeftButtonReleaseEvent")
        self.assertAlmostEqual(readout(node).setting.table_left, before.table_left, places=6)

    def test_NothingIsPlacedWithoutAnXray(self):
        widget, parameters = self.loadSample()
        self.assertTrue(widget.ui.placeButton.enabled)
        parameters.xray1Volume = None
        self.assertFalse(widget.ui.placeButton.enabled)

    def test_WhatALandscapeComparesIsChecked(self):
        widget, parameters = self.enter()
        ui = widget.ui
        self.assertTrue(ui.nccCheckBox.checked)
        self.assertTrue(ui.toneFreeCheckBox.checked)
        ui.gradientNCCCheckBox.click()
        ui.nccCheckBox.click()
        self.assertEqual(list(parameters.comparedSimilarities), ["gradient-ncc", "tone-free"])
        parameters.comparedSimilarities = ["local-ncc"]
        self.assertTrue(ui.localNCCCheckBox.checked)
        self.assertFalse(ui.toneFreeCheckBox.checked)

    def test_OpacityIsForItsOwnOverlayOnly(self):
        widget, parameters = self.loadSample()
        self.assertTrue(widget.ui.opacitySlider.enabled)
        parameters.overlayMode = type(parameters.overlayMode)("edges")
        self.assertFalse(widget.ui.opacitySlider.enabled)
