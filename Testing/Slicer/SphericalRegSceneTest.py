"""Self-test: a result survives saving and loading; closing the scene in mid-run does no harm. In 3D Slicer only."""

import os
import sys
import tempfile

import slicer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from SelfTestCase import SelfTestCase


class SphericalRegSceneTest(SelfTestCase):
    def test_AResultIsTheSameAfterSavingAndLoading(self):
        from SphericalRegLib.scene.carm import missing
        from SphericalRegLib.scene.poses import pose_from_transform
        from SphericalRegLib.scene.results import record

        widget, parameters = self.loadSample()
        self.register(widget)
        before = pose_from_transform(parameters.currentResult)
        verdict = widget.ui.verdictLabel.text
        widget, parameters = self.savedAndLoaded()
        node = parameters.currentResult
        self.assertIsNotNone(node)
        self.assertEqual(missing(node), [])
        self.assertTrue(record(node)["accepted"])
        self.assertLess(float((pose_from_transform(node) - before).abs().max()), 1e-6)
        self.assertEqual(widget.ui.verdictLabel.text, verdict)
        self.assertIsNotNone(parameters.ctVolume)
        self.assertAlmostEqual(parameters.geometry1.sdd, 1200.0, places=6)
        self.assertTrue(widget.ui.reportButton.enabled)
        with tempfile.TemporaryDirectory() as folder:
            widget.logic.session.writeReport(node, folder)
            self.assertIn("report.html", os.listdir(folder))
        # moved from outside of the panel its verdict is of the past, until it is moved back
        matrix = slicer.util.arrayFromTransformMatrix(node)
        moved = matrix.copy()
        moved[0, 3] += 10.0
        slicer.util.updateTransformMatrixFromArray(node, moved)
        self.assertIn("moved since", widget.ui.verdictLabel.text)
        self.assertEqual(widget.ui.verdictLabel.styleSheet, "")
        slicer.util.updateTransformMatrixFromArray(node, matrix)
        self.assertEqual(widget.ui.verdictLabel.text, verdict)
        # nothing of it is said of an empty scene
        slicer.mrmlScene.Clear()
        self.assertEqual(widget.ui.verdictLabel.text, "No result yet.")
        self.assertEqual(widget.ui.figuresLabel.text, "")
        self.assertFalse(widget.ui.landmarkTableView.visible)

    def test_TheShownSurfaceIsTheSameAfterSavingAndLoading(self):
        from SphericalRegLib.scene.landscape import shown_similarity

        widget, parameters = self.loadSample()
        widget.ui.placeButton.click()
        parameters.firstSteps = parameters.secondSteps = 3
        session = widget.logic.session
        widget.ui.computeButton.click()
        self.waitUntil(lambda: not session.survey.state.busy)
        widget.ui.shownSimilarityComboBox.setCurrentIndex(2)
        shown = widget.ui.shownSimilarityComboBox.currentText
        widget, parameters = self.savedAndLoaded()
        self.assertEqual(widget.ui.shownSimilarityComboBox.currentText, shown)
        self.assertEqual(shown_similarity(parameters.currentLandscape), shown)

    def test_ASceneOfAnEarlierVersionKeepsItsChoices(self):
        widget, _parameters = self.enter()
        node = widget._parameterNode.parameterNode
        widget.exit()
        for name, value in {
            "geometry1.sdd": "1234.0",
            "geometry1.tone": "INVERTED",
            "optimizer": "GRADIENT_DESCENT",
            "similarity": "LEARNED_FIRST",
            "surveyNCC": "False",
            "surveyLocalNCC": "True",
            "surveyToneFree": "False",
        }.items():
            node.SetParameter(name, value)
        widget.enter()
        parameters = widget._parameterNode
        self.assertEqual(parameters.geometry1.sdd, 1234.0)
        self.assertEqual(parameters.geometry1.tone.value, "inverted")
        self.assertEqual(parameters.optimizer.value, "sgd")
        self.assertEqual(parameters.similarity.value, "learned, then default")
        self.assertEqual(list(parameters.comparedSimilarities), ["local-ncc"])
        self.assertTrue(widget.ui.localNCCCheckBox.checked)
        self.assertFalse(widget.ui.nccCheckBox.checked)

    def test_ClosingTheSceneInMidRunStopsItAndTheNextRunWorks(self):
        widget, _parameters = self.loadSample()
        session = widget.logic.session
        widget.ui.registerButton.click()
        self.waitUntil(lambda: session.preview is not None or not session.registration.state.busy)
        slicer.mrmlScene.Clear()
        self.assertFalse(session.busy)
        for _ in range(20):
            slicer.app.processEvents()
        widget, parameters = self.loadSample()
        self.register(widget)
        self.assertIsNotNone(parameters.currentResult)
