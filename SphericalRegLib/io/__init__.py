"""Files in and out, and the door at which DICOM's and ITK's LPS becomes RAS."""
