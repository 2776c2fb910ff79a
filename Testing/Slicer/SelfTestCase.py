"""What the self-tests share. They run in 3D Slicer only: ctest, or "Reload and Test" in the module's panel.

Run in Slicer 5.13 built from its sources. Where the application is not at hand they are compiled and checked for names
(Testing/Python/module/test_self_tests.py).
"""

import os
import tempfile
import time
import unittest

import slicer


class SelfTestCase(unittest.TestCase):
    """An empty scene, and the module's panel where there is one."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def tearDown(self):
        widget = self.widget()
        widget.logic.session.sceneCloses()
        slicer.mrmlScene.Clear()

    def widget(self):
        """The module's widget, set up."""
        return slicer.modules.sphericalreg.widgetRepresentation().self()

    def enter(self):
        """Open the module, as a user does; returns its widget and parameter node."""
        if slicer.util.mainWindow() is not None:
            slicer.util.selectModule("SphericalReg")
        widget = self.widget()
        widget.enter()
        return widget, widget._parameterNode

    def skipWithoutPackages(self):
        """Skip, and say so: under --testing nothing is installed."""
        from SphericalRegUI import Dependencies

        missing = Dependencies.missing()
        if missing:
            self.skipTest(f"These packages are missing: {', '.join(missing)}")

    def waitUntil(self, condition, seconds=120.0):
        """Let the application handle its events until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f"It took longer than {seconds} s")
            slicer.app.processEvents()

    def loadSample(self):
        """Open the module and load the sample; returns its widget and parameter node."""
        self.skipWithoutPackages()
        widget, parameters = self.enter()
        widget.ui.sampleButton.click()
        self.assertIsNotNone(parameters.ctVolume)
        self.assertTrue(widget.ui.registerButton.enabled, widget.ui.registerButton.toolTip)
        return widget, parameters

    def savedAndLoaded(self):
        """Save the scene, close it and load it; returns the module's widget and the loaded parameter node."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "scene.mrb")
            self.assertTrue(slicer.util.saveScene(path))
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(path)
        return self.enter()

    def register(self, widget):
        """Press Register and wait for the end."""
        session = widget.logic.session
        widget.ui.registerButton.click()
        self.assertTrue(session.registration.state.busy, widget.ui.registerStatusLabel.text)
        self.waitUntil(lambda: not session.registration.state.busy)
        self.assertEqual(session.registration.state.value, "idle", widget.ui.registerStatusLabel.text)
