"""Names that modules had before they moved: an import of one still works, with a DeprecationWarning that says the new.

Nothing in this project uses a former name; whoever wrote a script upon one has time to change it.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_PACKAGE = "SphericalRegLib"

#: {former module: where it is now}, within this package.
MODULES = {
    "app.calibration": "app.panel.calibration",
    "app.cases": "app.panel.cases",
    "app.child_process": "app.jobs.child_process",
    "app.controller": "app.control.controller",
    "app.evaluation_job": "app.jobs.evaluation_job",
    "app.events": "app.control.events",
    "app.failure": "app.control.failure",
    "app.filling": "app.panel.filling",
    "app.former_parameters": "app.panel.former_parameters",
    "app.geometry_fields": "app.panel.geometry_fields",
    "app.job": "app.jobs.job",
    "app.landscape_job": "app.jobs.landscape_job",
    "app.landscape_study_job": "app.jobs.landscape_study_job",
    "app.latest_wins": "app.control.latest_wins",
    "app.live_drr": "app.panel.live_drr",
    "app.methods": "app.panel.methods",
    "app.packs": "app.panel.packs",
    "app.registration_job": "app.jobs.registration_job",
    "app.signal": "app.control.signal",
    "app.snapshot": "app.panel.snapshot",
    "app.state": "app.control.state",
    "app.steps": "app.jobs.steps",
    "app.training_job": "app.jobs.training_job",
    "cli.accepted": "cli.parsing.accepted",
    "cli.arguments": "cli.parsing.arguments",
    "cli.calibrated_start": "cli.reading.calibrated_start",
    "cli.choices": "cli.parsing.choices",
    "cli.command_table": "cli.parsing.command_table",
    "cli.config_files": "cli.parsing.config_files",
    "cli.ct_reading": "cli.reading.ct_reading",
    "cli.demo": "cli.commands.demo",
    "cli.describe_file": "cli.commands.describe_file",
    "cli.describe_stack": "cli.commands.describe_stack",
    "cli.describe_xray": "cli.commands.describe_xray",
    "cli.evaluate": "cli.commands.evaluate",
    "cli.faults": "cli.process.faults",
    "cli.info": "cli.commands.info",
    "cli.inputs": "cli.reading.inputs",
    "cli.landscape": "cli.commands.landscape",
    "cli.library_warnings": "cli.process.library_warnings",
    "cli.nominal_view": "cli.reading.nominal_view",
    "cli.options": "cli.parsing.options",
    "cli.parser": "cli.parsing.parser",
    "cli.register": "cli.commands.register",
    "cli.remedies": "cli.process.remedies",
    "cli.render": "cli.commands.render",
    "cli.signals": "cli.process.signals",
    "cli.simulate": "cli.commands.simulate",
    "cli.simulated_xrays": "cli.commands.simulated_xrays",
    "cli.stopping": "cli.process.stopping",
    "cli.system_choice": "cli.reading.system_choice",
    "cli.systems": "cli.commands.systems",
    "cli.train": "cli.commands.train",
    "cli.usage_errors": "cli.parsing.usage_errors",
    "cli.xray_reading": "cli.reading.xray_reading",
    "registration.contest": "registration.judging.contest",
    "registration.geometry_doubt": "registration.judging.geometry_doubt",
    "registration.misread": "registration.judging.misread",
    "registration.opinion": "registration.judging.opinion",
    "registration.rivals": "registration.judging.rivals",
    "registration.sharpness": "registration.judging.sharpness",
    "registration.simulated": "registration.judging.simulated",
    "registration.uncertainty": "registration.judging.uncertainty",
    "registration.verdict": "registration.judging.verdict",
    "cli.device": "app.device",
    "control": "app",
    "control.child_process": "app.jobs.child_process",
    "control.controller": "app.control.controller",
    "control.events": "app.control.events",
    "control.failure": "app.control.failure",
    "control.geometry_fields": "app.panel.geometry_fields",
    "control.job": "app.jobs.job",
    "control.landscape_job": "app.jobs.landscape_job",
    "control.latest_wins": "app.control.latest_wins",
    "control.live_drr": "app.panel.live_drr",
    "control.methods": "app.panel.methods",
    "control.models": "app.models",
    "control.packages": "app.packages",
    "control.registration_job": "app.jobs.registration_job",
    "control.state": "app.control.state",
    "evaluation.description": "reporting.description",
    "evaluation.figures": "reporting.figures",
    "evaluation.landmark_errors": "reporting.landmark_errors",
    "evaluation.outcome": "reporting.outcome",
    "evaluation.report": "reporting.report",
    "evaluation.report_style": "reporting.report_style",
    "geometry.calibration_files": "io.calibration_files",
    "geometry.detector_area": "io.dicom.detector_area",
    "geometry.dicom_angles": "io.dicom.angles",
    "geometry.dicom_distances": "io.dicom.distances",
    "geometry.dicom_geometry": "io.dicom.geometry",
    "geometry.dicom_tags": "io.dicom.tags",
    "geometry.rt_image_geometry": "io.dicom.rt_image",
    "imaging.degrade": "simulation.degrade",
    "imaging.dicom_writer": "simulation.dicom_writer",
    "imaging.instruments": "simulation.instruments",
    "imaging.randomize": "simulation.randomize",
    "imaging.randomize_strong": "simulation.randomize_strong",
    "imaging.siddon": "simulation.siddon",
    "imaging.simulate": "simulation.simulate",
    "imaging.spectrum": "simulation.spectrum",
    "imaging.tissue": "simulation.tissue",
    "imaging.collimation": "imaging.mask.field",
    "imaging.ct_dicom": "io.dicom_ct.series",
    "imaging.ct_file": "io.ct_file",
    "imaging.data_file": "io.images.data_file",
    "imaging.dicom_file": "io.dicom.file",
    "imaging.dicom_pixels": "io.dicom.pixels",
    "imaging.dicom_slices": "io.dicom_ct.slices",
    "imaging.grid": "io.images.grid",
    "imaging.image_formats": "io.images.image_formats",
    "imaging.image_grid": "io.images.image_grid",
    "imaging.isolated_itk": "io.images.isolated_itk",
    "imaging.itk_io": "io.images.itk_io",
    "imaging.itk_writer": "io.images.itk_writer",
    "imaging.lattice": "io.images.lattice",
    "imaging.meta_header": "io.images.meta_header",
    "imaging.meta_space": "io.images.meta_space",
    "imaging.metal": "imaging.mask.metal",
    "imaging.modality": "io.dicom.modality",
    "imaging.native_output": "io.images.native_output",
    "imaging.nifti": "io.images.nifti",
    "imaging.nifti_affine": "io.images.nifti_affine",
    "imaging.nrrd_header": "io.images.nrrd_header",
    "imaging.nrrd_space": "io.images.nrrd_space",
    "imaging.picture": "io.picture",
    "imaging.picture_size": "io.picture_size",
    "imaging.pose_file": "io.pose_file",
    "imaging.segment_names": "io.segment_names",
    "imaging.sent_pixels": "io.dicom.sent_pixels",
    "imaging.series_choice": "io.dicom_ct.series_choice",
    "imaging.shutter": "io.dicom.shutter",
    "imaging.slice_pixels": "io.dicom_ct.slice_pixels",
    "imaging.slice_stack": "io.dicom_ct.slice_stack",
    "imaging.tone_tags": "io.dicom.tone_tags",
    "imaging.transform_checks": "io.transform_checks",
    "imaging.transform_file": "io.transform_file",
    "imaging.xray_dicom": "io.dicom.xray",
    "imaging.xray_file": "io.xray_file",
    "initialization.landmark_files": "io.landmarks.files",
    "initialization.landmark_table": "io.landmarks.table",
    "initialization.markups_files": "io.landmarks.markups",
    "initialization.markups_on_image": "io.landmarks.markups_on_image",
}

#: {module: {name that it held: (module, name) now}}; the module must take its ``__getattr__`` from :func:`served`.
NAMES: dict[str, dict[str, tuple[str, str]]] = {
    "imaging.ct": {
        "MAX_VOXELS": ("io.ct", "MAX_VOXELS"),
        "read_ct": ("io.ct", "read_ct"),
    },
    "imaging.labels": {
        "GridHints": ("io.labels", "GridHints"),
        "read_label_names": ("io.labels", "read_label_names"),
        "read_labels": ("io.labels", "read_labels"),
    },
    "imaging.xray": {
        "SENTENCES": ("io.xray", "SENTENCES"),
        "TONE_UNTOLD": ("io.xray", "TONE_UNTOLD"),
        "read_xray": ("io.xray", "read_xray"),
    },
    "rendering.projection": {
        "KERNELS": ("rendering.table", "KERNELS"),
    },
    "io.dicom.geometry": {
        "DicomGeometry": ("geometry.nominal", "NominalGeometry"),
    },
    "training.validation": {
        "HeldOut": ("evaluation.simulated", "SimulatedCase"),
    },
}


class FormerModules:
    """A finder and loader for ``sys.meta_path``: a former module is the new one itself, not a copy."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See :class:`importlib.abc.MetaPathFinder`."""
        package, _, name = fullname.partition(".")
        return ModuleSpec(fullname, self) if package == _PACKAGE and name in MODULES else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """See :class:`importlib.abc.Loader`: an empty module, to be replaced."""

    def exec_module(self, module: ModuleType) -> None:
        """Import the new module and put it in the old one's place, from where Python takes what was imported."""
        former = module.__name__
        name = f"{_PACKAGE}.{MODULES[former.partition('.')[2]]}"
        warnings.warn(f"{former} is now {name}.", DeprecationWarning, stacklevel=2)
        sys.modules[former] = importlib.import_module(name)


def served(module: str) -> Callable[[str], object]:
    """The ``__getattr__`` of a module that some names have left."""
    moved = NAMES[module.partition(".")[2]]

    def attribute(name: str) -> object:
        if name not in moved:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, new_name = moved[name]
        warnings.warn(f"{module}.{name} is now {_PACKAGE}.{home}.{new_name}.", DeprecationWarning, stacklevel=2)
        value: object = getattr(importlib.import_module(f"{_PACKAGE}.{home}"), new_name)
        return value

    return attribute


def install() -> None:
    """Let Python find former modules; also after the package was forgotten and is imported anew."""
    # an instance of the forgotten package's class is of another type
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__qualname__ != FormerModules.__qualname__]
    # first: the files of a package lie under its former name's path as well, and would be loaded twice
    sys.meta_path.insert(0, FormerModules())
