"""Python packages that registration needs: which are missing, and their installation in Slicer's own ways."""

import logging

import slicer
from slicer.i18n import tr as _

REQUESTER = "SphericalReg"
_TORCH = ">=2.5"


def missing():
    """Names of the packages that are missing; nothing is imported."""
    from SphericalRegLib.app.packages import missing_packages

    return missing_packages()


def install(requirementsPath):
    """Ask for and install what is missing; returns what is missing still, for example because the user declined.

    PyTorch comes through the PyTorch extension where it is there, since that chooses the build for the graphics card.
    Nothing is installed under ``--testing``.
    """
    if slicer.app.testingEnabled():
        logging.info("Testing: nothing is installed")
        return missing()
    if "torch" in missing() and not _installTorch():
        return missing()
    _ensure(_requirements(requirementsPath))
    return missing()


def _installTorch():
    try:
        import PyTorchUtils
    except ImportError:
        return _ensure([f"torch{_TORCH}"])
    torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=_TORCH)
    return torch is not None


def _requirements(path):
    with open(path, encoding="utf-8") as file:
        lines = (line.partition("#")[0].strip() for line in file)
        return [line for line in lines if line]


def _ensure(requirements):
    """Whether the requirements are there in the end; False where the user declined."""
    try:
        import slicer.packaging
    except ImportError:
        return _ensureWithPip(requirements)  # Slicer 5.10
    try:
        slicer.packaging.pip_ensure(requirements, requester=REQUESTER)
    except RuntimeError as error:
        # so it says that the user declined
        logging.info("%s", error)
        return False
    return True


def _ensureWithPip(requirements):
    question = _("{packages} will be downloaded and installed. This may take some minutes. Continue?").format(
        packages=", ".join(requirements)
    )
    if not slicer.util.confirmOkCancelDisplay(question, REQUESTER):
        return False
    from SphericalRegLib.app.packages import already_imported

    replaced = already_imported(missing())
    slicer.util.pip_install(requirements)
    question = _("Slicer already uses an older {packages}: it must be started anew. Restart now?").format(
        packages=", ".join(replaced)
    )
    if replaced and slicer.util.confirmYesNoDisplay(question, REQUESTER):
        slicer.util.restart()
    return True
