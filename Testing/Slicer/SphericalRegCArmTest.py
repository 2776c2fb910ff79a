"""Self-test: the C-arm that is moved by its numbers, without an X-ray. Runs in 3D Slicer only."""

import logging
import os
import sys
import tempfile
import time

import slicer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from SelfTestCase import SelfTestCase


class SphericalRegCArmTest(SelfTestCase):
    def openSection(self):
        """The sample's CT alone, and the section unfolded: (widget, parameter node, what was drawn)."""
        self.skipWithoutPackages()
        widget, parameters = self.enter()
        from SphericalRegUI import Samples

        drawn = []
        self.addCleanup(widget.logic.session.cArm.drawn.connect(lambda node, whole: drawn.append(whole)))
        widget.ui.carmCollapsibleButton.collapsed = True
        parameters.ctVolume = Samples._loadCT()
        self.assertEqual(drawn, [])
        widget.ui.carmCollapsibleButton.collapsed = False
        self.waitUntil(lambda: True in drawn)
        return widget, parameters, drawn

    def tearDown(self):
        self.widget().ui.carmCollapsibleButton.collapsed = True
        SelfTestCase.tearDown(self)

    def node(self, widget):
        return widget.logic.session.cArm.node

    def test_ACTAloneIsDrawnInTheRedViewAndAtTheDetector(self):
        from SphericalRegLib.scene.drr_carm import drr_node

        widget, parameters, _drawn = self.openSection()
        drr = drr_node(self.node(widget))
        self.assertEqual(drr.GetImageData().GetDimensions(), (512, 512, 1))
        self.assertGreater(drr.GetImageData().GetScalarRange()[1], 3.0)
        self.assertIsNone(parameters.xray1Volume)
        if slicer.app.layoutManager() is not None:
            composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
            self.assertEqual(composite.GetBackgroundVolumeID(), drr.GetID())
            self.assertTrue(slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").GetSliceVisible())

    def test_AngleWordsAndViews(self):
        widget, parameters, _drawn = self.openSection()
        ui = widget.ui
        self.assertEqual(ui.carmViewComboBox.currentData, "AP")
        ui.carmPrimarySlider.value = -30.0
        ui.carmSecondarySlider.value = 15.0
        self.assertAlmostEqual(parameters.carm.primaryAngle, -30.0)
        self.assertEqual((ui.carmPrimarySlider.suffix, ui.carmSecondarySlider.suffix), ("° RAO", "° CRA"))
        self.assertEqual(ui.carmViewComboBox.currentIndex, 0)
        index = ui.carmViewComboBox.findData("outlet")
        ui.carmViewComboBox.setCurrentIndex(index)
        ui.carmViewComboBox.activated(index)
        self.assertEqual((parameters.carm.primaryAngle, parameters.carm.secondaryAngle), (180.0, 40.0))
        self.assertEqual(ui.carmViewComboBox.currentData, "outlet")

    def test_ItIsCoarseWhileASliderMovesAndFineAtRest(self):
        widget, _parameters, drawn = self.openSection()
        slider = widget.ui.carmPrimarySlider
        # a machine may be busy with other things
        begun, worked = time.monotonic(), time.process_time()
        count = len(drawn)
        for step in range(40):
            slider.value = 140.0 + step
            seen = len(drawn)
            self.waitUntil(lambda seen=seen: len(drawn) > seen, 10)
        frames = len(drawn) - count
        seconds, worked = time.monotonic() - begun, time.process_time() - worked
        logging.info("C-arm: %.1f frames a second, %.1f a second of a processor", frames / seconds, frames / worked)
        self.assertNotIn(True, drawn[count:])
        self.waitUntil(lambda: drawn[-1], 20)
        self.assertGreater(frames / worked, 3.0)

    def test_HandlesAndOtherModulesMoveTheNumbers(self):
        widget, parameters, drawn = self.openSection()
        from SphericalRegLib.scene.poses import pose_from_transform, set_pose

        node = self.node(widget)
        pose = pose_from_transform(node)
        pose[0, 3] += 25.0
        count = len(drawn)
        set_pose(node, pose)
        self.waitUntil(lambda: True in drawn[count:])
        # AP: columns run to the patient's left
        self.assertAlmostEqual(parameters.carm.tableLeft, 25.0, places=2)
        self.assertAlmostEqual(parameters.carm.primaryAngle, 180.0, places=2)

    def test_TheWindowIsTypedAndFollowsTheMouse(self):
        widget, _parameters, _drawn = self.openSection()
        from SphericalRegLib.scene.drr_carm import drr_node, tone

        ui, display = widget.ui, drr_node(self.node(widget)).GetDisplayNode()
        ui.carmToneGroupBox.collapsed = False
        self.addCleanup(lambda: setattr(ui.carmToneGroupBox, "collapsed", True))
        ui.carmLowSpinBox.value = 1.0
        ui.carmHighSpinBox.value = 4.0
        self.assertAlmostEqual(display.GetWindow(), 3.0, places=2)
        display.SetWindowLevel(2.0, 5.0)
        self.assertAlmostEqual(ui.carmLowSpinBox.value, 4.0, places=2)
        ui.carmInvertedCheckBox.click()
        self.waitUntil(lambda: tone(self.node(widget)).inverted, 20)

    def test_MarkupsAreProjectedIntoATable(self):
        widget, parameters, drawn = self.openSection()
        markups = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
        bounds = [0.0] * 6
        parameters.ctVolume.GetRASBounds(bounds)
        markups.AddControlPoint([sum(bounds[2 * n : 2 * n + 2]) / 2 for n in range(3)], "middle")
        count = len(drawn)
        parameters.carmMarkups = markups
        self.waitUntil(lambda: len(drawn) > count)
        table = widget.ui.carmMarkupsTableView.mrmlTableNode().GetTable()
        told = [float(table.GetValueByName(0, name).ToString()) for name in ("u", "v")]
        for number in told:
            self.assertAlmostEqual(number, 255.5, places=1)

    def test_ItIsSavedAsPngNrrdAndDicom(self):
        widget, parameters, _drawn = self.openSection()
        from SphericalRegLib.io.xray import read_xray

        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("png", "nrrd", "dcm"):
                widget.panel.carm.saveAs(os.path.join(folder, f"drr.{suffix}"))
                self.assertIn("Written", widget.ui.carmStatusLabel.text)
            xray = read_xray(os.path.join(folder, "drr.dcm"))
        self.assertAlmostEqual(xray.view.sdd, parameters.carm.sdd, places=6)
        self.assertEqual(xray.geometry.primary_deg, 180.0)

    def test_TheCameraAndTheBeamLookAlongEachOther(self):
        if slicer.app.layoutManager() is None:
            self.skipTest("There are no views")
        widget, parameters, drawn = self.openSection()
        count = len(drawn)
        parameters.carm.primaryAngle = -40.0
        parameters.carm.secondaryAngle = 20.0
        self.waitUntil(lambda: True in drawn[count:])
        widget.ui.carmBeamButton.click()
        parameters.carm.primaryAngle = 90.0
        widget.ui.carmFromCameraButton.click()
        self.assertAlmostEqual(parameters.carm.primaryAngle, -40.0, places=1)
        self.assertAlmostEqual(parameters.carm.secondaryAngle, 20.0, places=1)

    def test_ImpossibleNumbersAreSaidAndNothingIsDrawn(self):
        widget, _parameters, drawn = self.openSection()
        count = len(drawn)
        widget.ui.carmSadSpinBox.value = 1300.0
        self.assertIn("before the detector", widget.ui.carmProblemLabel.text)
        slicer.app.processEvents()
        self.assertEqual(len(drawn), count)

    def test_ItIsSavedWithTheSceneAndRemoved(self):
        widget, parameters, _drawn = self.openSection()
        parameters.carm.primaryAngle = 33.0
        widget, parameters = self.savedAndLoaded()
        self.assertAlmostEqual(parameters.carm.primaryAngle, 33.0)
        self.assertIsNotNone(self.node(widget))
        widget.ui.carmRemoveButton.click()
        self.assertIsNone(self.node(widget))
        self.assertTrue(widget.ui.carmCollapsibleButton.collapsed)
