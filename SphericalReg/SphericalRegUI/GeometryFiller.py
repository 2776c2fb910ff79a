"""A view's geometry from its image's DICOM header: by the button, and whenever another image is chosen."""

import slicer
from slicer.i18n import tr as _

from SphericalRegLib.app.packages import missing_packages
from SphericalRegLib.app.panel.filling import Filling, fill, taken_back
from SphericalRegLib.app.panel.geometry_fields import ViewFields, fields_from_dicom
from SphericalRegLib.app.panel.packs import read_pack, write_pack
from SphericalRegLib.scene.session.input_checks import image_size
from SphericalRegUI import DicomHeaders
from SphericalRegUI.Feedback import ERROR_STYLE, reported, say


class GeometryFiller:
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    """

    def __init__(self, ui, parameters):
        self.ui = ui
        self._parameters = parameters
        self._seen = {}
        self._complete = False
        for number in (1, 2):
            button = getattr(ui, f"dicom{number}Button")
            button.connect("clicked()", lambda n=number: self.fillFromDicom(n))

    def forget(self):
        """Look at the chosen images as if for the first time."""
        self._seen = {}

    def changed(self):
        """Whether another image or frame is there than was looked at last."""
        return any(self._seen.get(number) != self._imageKey(number) for number in (1, 2))

    def fillFromDicom(self, number):
        """Read the geometry of an X-ray from its header, and say what the header does not tell."""
        label = getattr(self.ui, f"dicom{number}Label")
        if getattr(self._parameters(), f"xray{number}Volume") is None:
            say(label, _("Choose the X-ray first."), ERROR_STYLE)
            return
        with reported(label):
            self._fill(number, everything=True)

    def follow(self):
        """Fill where another image is chosen or another frame is shown: what a user typed stays."""
        for number in (1, 2):
            key, first = self._imageKey(number), number not in self._seen
            if not first and self._seen[number] == key:
                continue
            self._seen[number] = key
            with reported(getattr(self.ui, f"dicom{number}Label")):
                self._imageChosen(number, key, first)

    def _imageKey(self, number):
        """What decides whether an image is another one: (ID, frame of a sequence, size), or None."""
        volume = getattr(self._parameters(), f"xray{number}Volume")
        if volume is None:
            return None
        return volume.GetID(), DicomHeaders.frameOf(volume) if self.possible() else 0, image_size(volume)

    def _imageChosen(self, number, key, first):
        parameters, label = self._parameters(), getattr(self.ui, f"dicom{number}Label")
        source, geometry = getattr(parameters, f"filledImage{number}"), getattr(parameters, f"geometry{number}")
        filling = Filling.from_text(geometry.filled)
        same = filling is not None and key is not None and source is not None and source.GetID() == key[0]
        if same and filling.frame == key[1]:
            if first:
                say(label, "")
        elif first and filling is None and geometry.sdd != 0:
            # of a scene, or set by a script: complete as it is
            say(label, "")
        elif key is not None and self.possible():
            self._fill(number)
        else:
            self._takeBack(number)
            say(label, "")

    def _fill(self, number, everything=False):
        """Fill from the header, and say what it does not tell; ``everything``: what the user typed too."""
        parameters, label = self._parameters(), getattr(self.ui, f"dicom{number}Label")
        volume, geometry = getattr(parameters, f"xray{number}Volume"), getattr(parameters, f"geometry{number}")
        try:
            header = DicomHeaders.readHeader(volume)
            told, missing = (None, []) if header is None else fields_from_dicom(*header)
        except Exception:
            self._takeBack(number)
            raise
        if told is None:
            words = [_("No DICOM header is known of this image: type its geometry, or choose a calibration.")]
            if not everything and self._takeBack(number):
                words.append(_("What another image's header had filled in was cleared."))
            say(label, " ".join(words))
            return
        fields, filling = read_pack(ViewFields, geometry), Filling.from_text(geometry.filled)
        filled = fill(fields, filling, told, DicomHeaders.frameOf(volume), everything)
        with slicer.util.NodeModify(parameters):
            write_pack(geometry, filled.fields)
            geometry.filled = filled.filling.text()
            setattr(parameters, f"filledImage{number}", volume)
        # that it was filled stands in the title of the geometry
        words = missing
        if filled.kept:
            names = ", ".join(_groupName(group) for group in filled.kept)
            words = [*words, _("Kept as typed, though the header says otherwise: {names}.").format(names=names)]
        say(label, " ".join(words))

    def _takeBack(self, number):
        """Clear what another image's header had filled in; whether there was any."""
        parameters = self._parameters()
        geometry = getattr(parameters, f"geometry{number}")
        fields = read_pack(ViewFields, geometry)
        left = taken_back(fields, Filling.from_text(geometry.filled))
        with slicer.util.NodeModify(parameters):
            write_pack(geometry, left)
            geometry.filled = ""
            setattr(parameters, f"filledImage{number}", None)
        return left != fields

    def possible(self):
        """Whether headers can be read."""
        # looked for until they are there, not again with each change
        self._complete = self._complete or not missing_packages(["torch", "pydicom", "SimpleITK"])
        return self._complete


def _groupName(group):
    """What a group of fields is called in the panel."""
    return {
        "sdd": _("source to detector"),
        "sad": _("source to isocenter"),
        "spacing": _("pixel size"),
        "off_center": _("off center"),
        "mirrored": _("mirror image"),
        "angles": _("angles and rotation"),
        "tone": _("values"),
    }[group]
