"""Self-test: Reload takes the panel's files and the library anew. Runs in 3D Slicer only."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from SelfTestCase import SelfTestCase


class SphericalRegReloadTest(SelfTestCase):
    def test_TheLibraryIsReloadedToo(self):
        widget, _parameters = self.enter()
        before = {
            name: sys.modules[name] for name in ("SphericalRegUI.Panel", "SphericalRegLib.app.control.controller")
        }
        widget.onReload()
        widget, parameters = self.enter()
        self.assertIsNotNone(parameters)
        for name, module in before.items():
            self.assertIsNot(sys.modules[name], module)

    def test_TheSampleIsAcceptedAfterAReload(self):
        self.enter()[0].onReload()
        widget, parameters = self.loadSample()
        self.register(widget)
        self.assertIsNotNone(parameters.currentResult)
