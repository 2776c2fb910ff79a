"""Self-test: sample data → register → accepted; cancel; landscape. Runs in 3D Slicer only."""

import os
import sys

import slicer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from SelfTestCase import SelfTestCase


class SphericalRegRunTest(SelfTestCase):
    def test_TheSampleIsAccepted(self):
        from SphericalRegLib.scene.results import record

        widget, parameters = self.loadSample()
        self.register(widget)
        content = record(parameters.currentResult)
        self.assertTrue(content["accepted"], content["reasons"])
        self.assertLess(content["errors"]["mtre_mm"], 1.0)
        self.assertIn("Accepted", widget.ui.verdictLabel.text)
        self.assertTrue(widget.ui.reportButton.enabled)

    def test_ASecondResultStandsBesideTheFirst(self):
        from SphericalRegLib.scene.results import results

        widget, parameters = self.loadSample()
        self.register(widget)
        first = parameters.currentResult
        self.register(widget)
        self.assertEqual(len(results(slicer.mrmlScene)), 2)
        self.assertNotEqual(parameters.currentResult.GetID(), first.GetID())

    def test_CancellingLeavesNoResult(self):
        widget, parameters = self.loadSample()
        session = widget.logic.session
        widget.ui.registerButton.click()
        self.waitUntil(lambda: session.preview is not None or not session.registration.state.busy)
        widget.ui.cancelButton.click()
        self.waitUntil(lambda: not session.registration.state.busy)
        self.assertEqual(session.registration.state.value, "idle")
        self.assertIsNone(parameters.currentResult)
        self.assertIsNone(session.preview)
        self.assertTrue(widget.ui.registerButton.enabled)

    def test_DeletingTheCTInMidRunStopsIt(self):
        widget, parameters = self.loadSample()
        session = widget.logic.session
        widget.ui.registerButton.click()
        self.waitUntil(lambda: session.preview is not None or not session.registration.state.busy)
        slicer.mrmlScene.RemoveNode(parameters.ctVolume)
        self.waitUntil(lambda: not session.registration.state.busy)
        self.assertEqual(session.registration.state.value, "idle")
        self.assertIn("deleted", widget.ui.registerStatusLabel.text)

    def test_ALandscapeIsShown(self):
        widget, parameters = self.loadSample()
        self.register(widget)
        parameters.firstSteps = parameters.secondSteps = 7
        session = widget.logic.session
        widget.ui.computeButton.click()
        self.waitUntil(lambda: not session.survey.state.busy)
        self.assertEqual(session.survey.state.value, "idle", widget.ui.landscapeStatusLabel.text)
        self.assertEqual(parameters.currentLandscape.GetTable().GetNumberOfRows(), 49)
        self.assertGreater(widget.ui.shownSimilarityComboBox.count, 1)

    def test_ALandscapeIsATableTooAndCanBeHiddenAndRemoved(self):
        from SphericalRegLib.scene.landscape import belongings, landscapes, shown_similarity

        widget, parameters = self.loadSample()
        ui = widget.ui
        tables = [self.computeLandscape(widget, parameters) for _ in range(2)]
        self.assertEqual([shown_similarity(table) is None for table in tables], [True, False])
        self.assertEqual(ui.shownSimilarityComboBox.currentText, shown_similarity(tables[1]))
        self.assertIsNone(ui.landscapeTableView.mrmlTableNode())
        ui.landscapeTableGroupBox.collapsed = False
        self.assertEqual(ui.landscapeTableView.mrmlTableNode().GetID(), tables[1].GetID())
        self.assertEqual(ui.landscapeTableView.model().rowCount(), 9)
        ui.landscapeTableGroupBox.collapsed = True
        ui.shownSimilarityComboBox.setCurrentIndex(0)
        self.assertIsNone(shown_similarity(tables[1]))
        ui.shownSimilarityComboBox.setCurrentIndex(2)
        self.assertEqual(ui.shownSimilarityComboBox.currentText, shown_similarity(tables[1]))
        ui.removeLandscapeButton.click()
        self.assertEqual([one.GetID() for one in landscapes(slicer.mrmlScene)], [tables[0].GetID()])
        self.assertEqual(parameters.currentLandscape.GetID(), tables[0].GetID())
        drawn = [node.GetID() for node in belongings(tables[0])]
        slicer.mrmlScene.RemoveNode(tables[0])
        self.waitUntil(lambda: not any(slicer.mrmlScene.GetNodeByID(one) for one in drawn), seconds=10)
        self.assertEqual(ui.shownSimilarityComboBox.count, 0)
        self.assertFalse(ui.removeLandscapeButton.enabled)

    def test_ClosingTheSceneEmptiesTheLandscapeSection(self):
        widget, parameters = self.loadSample()
        self.computeLandscape(widget, parameters)
        slicer.mrmlScene.Clear()
        self.assertEqual(widget.ui.shownSimilarityComboBox.count, 0)
        self.assertFalse(widget.ui.exportTableButton.enabled)

    def computeLandscape(self, widget, parameters):
        """A small one about a C-arm that is placed for it."""
        if parameters.currentPose is None:
            widget.ui.placeButton.click()
        parameters.firstSteps = parameters.secondSteps = 3
        session = widget.logic.session
        widget.ui.computeButton.click()
        self.waitUntil(lambda: not session.survey.state.busy)
        self.assertEqual(session.survey.state.value, "idle", widget.ui.landscapeStatusLabel.text)
        return parameters.currentLandscape
