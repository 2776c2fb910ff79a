"""The calibration file of all X-rays, or of each, in place of what is typed; and what is wrong with it."""

import pathlib

from slicer.i18n import tr as _

from SphericalRegLib.app.panel.calibration import CalibrationCheck, matched_views
from SphericalRegLib.errors import InputError
from SphericalRegLib.scene.session.input_checks import image_size
from SphericalRegUI.Feedback import ERROR_STYLE, onPathTyped, say, showPath


class CalibrationFields:
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param possible: whether files can be read: packages may be missing.
    """

    def __init__(self, ui, parameters, possible):
        self.ui = ui
        self._parameters = parameters
        self._possible = possible
        self._read = (CalibrationCheck(), CalibrationCheck())
        onPathTyped(ui.calibrationPathLineEdit, lambda path: self._onChosen("calibrationFile", path))
        onPathTyped(ui.calibration2PathLineEdit, lambda path: self._onChosen("calibrationFile2", path))

    def update(self):
        """Show the files, and what is wrong with them; returns (whether there are any, what is wrong, in words)."""
        parameters = self._parameters()
        names = (parameters.calibrationFile, parameters.calibrationFile2)
        showPath(self.ui.calibrationPathLineEdit, names[0])
        showPath(self.ui.calibration2PathLineEdit, names[1])
        paths = [pathlib.Path(name) for name in names if name]
        text = self._problem(paths) if paths else ""
        say(self.ui.calibrationProblemLabel, text, ERROR_STYLE)
        return bool(paths), text

    def _problem(self, paths):
        for path in paths:
            if not path.is_file():
                return _("There is no file {path}.").format(path=path)
        if not self._possible():
            return ""
        found = []
        for path, read in zip(paths, self._read, strict=False):
            views, text = read(path)
            if text:
                return text
            found.append((path, views))
        parameters = self._parameters()
        volumes = [one for one in (parameters.xray1Volume, parameters.xray2Volume) if one is not None]
        if not volumes:
            return ""
        try:
            views = matched_views(found, len(volumes))
        except InputError as error:
            return str(error)
        for view, volume in zip(views, volumes, strict=True):
            size = image_size(volume)
            if size is not None and size != (view.height, view.width):
                words = _(
                    "{file} is for images of {rows} rows and {columns} columns; '{name}' has {imageRows} and "
                    "{imageColumns}."
                )
                return words.format(
                    file=" + ".join(path.name for path in paths),
                    rows=view.height,
                    columns=view.width,
                    name=volume.GetName(),
                    imageRows=size[0],
                    imageColumns=size[1],
                )
        return ""

    def _onChosen(self, field, path):
        parameters = self._parameters()
        if parameters is not None and getattr(parameters, field) != path:
            setattr(parameters, field, path)
