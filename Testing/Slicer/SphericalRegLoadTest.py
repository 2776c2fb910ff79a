"""Self-test: the module loads with and without main window, with and without torch. Runs in 3D Slicer only."""

import os
import sys

import slicer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from SelfTestCase import SelfTestCase


class SphericalRegLoadTest(SelfTestCase):
    def test_TheModuleIsThere(self):
        self.assertIn("SphericalReg", slicer.app.moduleManager().modulesNames())
        self.assertIn("Not for clinical use", slicer.modules.sphericalreg.helpText)

    def test_ThePanelIsMadeAndEntered(self):
        widget, parameters = self.enter()
        self.assertIsNotNone(parameters)
        self.assertIn("Not for clinical use", widget.ui.noticeLabel.text)
        self.assertFalse(widget.ui.registerButton.enabled)

    def test_LeavingAndEnteringAgainKeepsTheChoices(self):
        widget, parameters = self.enter()
        parameters.iterations = 7
        widget.exit()
        widget.enter()
        self.assertEqual(widget.ui.iterationsSpinBox.value, 7)

    def test_MissingPackagesAreNamedAndThePanelStaysUsable(self):
        from SphericalRegUI import Dependencies

        widget, _parameters = self.enter()
        # installation too: outside of --testing it would ask, and then install
        install, Dependencies.install = Dependencies.install, lambda path: ["torch"]
        original, Dependencies.missing = Dependencies.missing, lambda: ["torch"]
        try:
            self.assertFalse(widget.panel.ensurePackages())
            self.assertIn("torch", widget.ui.dependencyLabel.text)
            self.assertTrue(widget.ui.ctSelector.enabled)
        finally:
            Dependencies.missing, Dependencies.install = original, install
            widget.panel.showMissingPackages()

    def test_OpeningThePanelDoesNotImportTorch(self):
        if "torch" in sys.modules:
            self.skipTest("torch was imported before this test began")
        self.enter()
        self.assertNotIn("torch", sys.modules)
