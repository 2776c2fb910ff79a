"""Which similarities a landscape compares."""

# The engine's similarities, and the parameters of the check boxes that choose them for a landscape.
COMPARED = {
    "ncc": "surveyNCC",
    "gradient-ncc": "surveyGradientNCC",
    "local-ncc": "surveyLocalNCC",
    "tone-free": "surveyToneFree",
    "mutual-information": "surveyMutualInformation",
    "learned": "surveyLearned",
}


def compared(parameters):
    """Names of the similarities that are checked."""
    return [name for name, field in COMPARED.items() if getattr(parameters, field)]
