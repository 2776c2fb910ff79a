"""Remedies in the library's errors name its keywords; on the command line they are options."""

from __future__ import annotations

import re

# Keyword with its value, as the errors spell it, and the option that does the same.
_OPTIONS = (
    (r"rescale=\(([^,()]+), ([^,()]+)\)( \(slope, intercept\))?", r"--ct_rescale \1 \2\3"),
    (r"units='hu'", "--ct_units hu"),
    (r"spacing=\(i, j, k\)", "--ct_spacing I J K"),
    (r"\baxes='(\w+)'", r"--ct_axes \1"),
    (r"\bnifti_affine='(\w+)'", r"--ct_affine \1"),
    (r"\bphase='([^'=]+=[^']*)'", r"--ct_phase '\1'"),
    (r"\baxes=(?= )", "--ct_axes"),
    (r"\bnifti_affine=(?= )", "--ct_affine"),
    (r"\bphase=(?= )", "--ct_phase"),
    (r"\bspacing= \(", "--spacing ("),
    (r"\bsdd= \(", "--sdd ("),
    (r"\b([Gg]ive|[Cc]heck|or|and) (sdd|sad|spacing|intensity|mirrored)\b(?=[,.;: ])", r"\1 --\2"),
    (r"\ba calibration of its view\b", "a calibration with --view"),
    (r"\bGive the frame's angles \(primary_deg, secondary_deg\), or a\b", "Give a"),
    (r"\bseries=", "--series "),
    (r"\bmask='(none|auto)'", r"--mask \1"),
    (r"\bkernel='([^']+)'", r"--kernel \1"),
    (r"\bmask=FILE", "--mask FILE"),
    (r"\bgeometry_tolerance=(?=;)", "--geometry_tolerance.sdd_mm, .spacing_mm, .center_mm"),
    (r"\bgeometry_tolerance\.(?=\w)", "--geometry_tolerance."),
    (r"\b(downsample|max_voxels|channel|frame|threads)=(-?\d+)", r"--\1 \2"),
)


def in_options(message: str) -> str:
    """The message with keywords replaced by options."""
    for keyword, option in _OPTIONS:
        message = re.sub(keyword, option, message)
    return message
