"""What the section Result says of a result: verdict, cautions, figures."""

from slicer.i18n import tr as _

from SphericalRegUI.Feedback import BAD_STYLE, GOOD_STYLE


def verdict(content, moved=None):
    """(words, style): what it means first, then why. A verdict is of one pose: that of a moved result is none.

    :param content: the result's record.
    :param moved: (degrees, mm) since the registration, or None.
    """
    if moved is not None:
        was = _("Was accepted") if content["accepted"] else _("Was rejected")
        words = _("{was}; moved since by {degrees}° and {mm} mm. Verdict and figures are of the pose before.").format(
            was=was, degrees=f"{moved[0]:.1f}", mm=f"{moved[1]:.1f}"
        )
        style = ""
    elif content["accepted"]:
        words, style = _("Accepted: the projected CT matches the X-ray."), GOOD_STYLE
    else:
        words, style = _("Rejected: do not rely on this pose."), BAD_STYLE
    return "\n".join([words, *content["reasons"]]), style


def cautions(content):
    """What to bear in mind whatever the verdict; empty where there is nothing."""
    return "\n".join(content["cautions"])


def figures(content):
    """Uncertainty, and errors as far as they are known."""
    # results of former versions do not tell it
    if content.get("depth_known", True):
        text = _("Unexplained structure {cost} %; depth uncertainty ±{depth} mm (noise alone); {seconds} s.")
    else:
        text = _("Unexplained structure {cost} %; depth not known from one view; {seconds} s.")
    lines = [
        text.format(
            cost=_told(content["verdict_cost"], 100, 1),
            depth=_told(content["depth_sd_mm"], 1, 2),
            seconds=f"{content['seconds']:.1f}",
        )
    ]
    errors = content.get("errors") or {}
    if errors:
        lines.append(
            _("Against the true pose: mTRE {mtre} mm, mPE {mpe} mm, mRPE {mrpe} mm.").format(
                mtre=_told(errors["mtre_mm"]), mpe=_told(errors["mpe_mm"]), mrpe=_told(errors["mrpe_mm"])
            )
        )
    landmarks = content.get("landmark_errors_mm") or {}
    if "tre_mm" in landmarks:
        lines.append(
            _("Landmarks against the true pose: mTRE {mtre} mm, mPE {mpe} mm, mRPE {mrpe} mm.").format(
                mtre=_told(landmarks["tre_mm"]),
                mpe=_told(landmarks.get("projection_mm")),
                mrpe=_told(landmarks.get("reprojection_mm")),
            )
        )
    if "mark_detector_mm" in landmarks:
        lines.append(
            _("Landmarks against their marks: {detector} mm on the detector, {patient} mm at the patient.").format(
                detector=_told(landmarks["mark_detector_mm"]), patient=_told(landmarks.get("mark_patient_mm"))
            )
        )
    return "\n".join(lines)


def _told(number, factor=1, digits=2):
    """A number in words; what was not finite is null in a record."""
    return "—" if number is None else f"{factor * number:.{digits}f}"
