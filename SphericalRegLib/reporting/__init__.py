"""One registration, reported: its outcome as data, its figures, its errors at landmarks, and its page."""
