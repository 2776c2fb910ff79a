"""DICOM headers and pixels: an X-ray, its projection geometry, its tone."""
