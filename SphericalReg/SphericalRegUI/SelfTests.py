"""Finds and runs the self-tests of Testing/Slicer."""

import importlib.util
import logging
import pathlib
import unittest


def selfTestFolder(moduleFolder):
    """Where the self-tests lie: beside the sources, or beside the installed module."""
    here = pathlib.Path(moduleFolder)
    for folder in (here.parent / "Testing" / "Slicer", here / "SphericalRegSelfTests"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"No self-tests were installed with {here}: run them from the sources.")


def runSelfTests(moduleFolder):
    """Run them all; returns a summary.

    :raises AssertionError: where one fails, with the messages.
    """
    suite = unittest.TestSuite()
    loader = unittest.TestLoader()
    for path in sorted(selfTestFolder(moduleFolder).glob("SphericalReg*Test.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        suite.addTests(loader.loadTestsFromModule(module))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for case, reason in result.skipped:
        logging.warning("Skipped %s: %s", case, reason)
    broken = [f"{case}:\n{message}" for case, message in [*result.failures, *result.errors]]
    if broken:
        raise AssertionError("\n\n".join(broken))
    if not result.testsRun:
        raise AssertionError("There is no self-test.")
    return f"{result.testsRun} self-tests passed, {len(result.skipped)} skipped."
