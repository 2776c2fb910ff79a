"""A CT as a DICOM series: slices found, chosen, stacked and decoded."""
