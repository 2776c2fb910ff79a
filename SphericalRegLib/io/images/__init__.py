"""Image files by ITK: what their headers say is checked before ITK believes it."""
