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
        original = widget.logic.session.onDrawn
        widget.logic.session.onDrawn = lambda one: (drawn.append(one.GetID()), original(one))
        matrix = slicer.util.arrayFromTransformMatrix(node)
        for step in range(5):
            matrix[0, 3] += step
            slicer.util.updateTransformMatrixFromArray(node, matrix)
        self.waitUntil(lambda: drawn)
        self.assertEqual(set(drawn), {node.GetID()})
        self.assertLess(len(drawn), 5)
