"""What the section Result says of a result: verdict, cautions, figures."""

from slicer.i18n import tr as _

from SphericalRegUI.Feedback import BAD_STYLE, DOUBT_STYLE, GOOD_STYLE


def verdict(content, moved=None):
    """(words, style): what it means first, then why. A verdict is of one pose: that of a moved result is none.

    :param content: the result's record.
    :param moved: (degrees, mm) since the registration, or None.
    """
    if moved is not None:
        was = _("Was accepted") if content["accepted"] else _("Was rejected")
        if planeOnly(content):
            was = _("Was accepted in the plane only")
        words = _("{was}; moved since by {degrees}° and {mm} mm. Verdict and figures are of the pose before.").format(
            was=was, degrees=f"{moved[0]:.1f}", mm=f"{moved[1]:.1f}"
        )
        style = ""
    elif planeOnly(content):
        words, style = _("Accepted in the plane only: do not rely on depth."), DOUBT_STYLE
    elif content["accepted"]:
        words, style = _("Accepted: the projected CT matches the X-ray."), GOOD_STYLE
    else:
        words, style = _("Rejected: do not rely on this pose."), BAD_STYLE
    return "\n".join([words, *content["reasons"]]), style


def ofAnother(result, shown, words):
    """The verdict of a result while the views show another C-arm: it is not one of what is seen."""
    return (
        _("The views show '{shown}', not '{result}'. Of that result:").format(shown=shown, result=result) + "\n" + words
    )


def planeOnly(content):
    """Whether rotation and place in the plane can be relied upon, and depth cannot. Older records do not know."""
    return content.get("verdict") == "accepted in the plane only"


def cautions(content):
    """What to bear in mind whatever the verdict; empty where there is nothing."""
    return "\n".join(content["cautions"])


def figures(content):
    """Uncertainty, and errors as far as they are known."""
    lines = [
        _("Cost {cost}; {seconds} s.").format(
            cost=_told(content["verdict_cost"], 1, 3), seconds=f"{content['seconds']:.1f}"
        )
    ]
    known = content.get("half_widths_95")
    if known:
        lines.insert(
            0,
            _("Known (95 %): rotation {rotation}, in the plane {plane}, depth {depth}.").format(
                rotation=_width(known["rotation_deg"], "°"),
                plane=_width(known["plane_mm"], " mm"),
                depth=_width(known["depth_mm"], " mm"),
            ),
        )
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


def _width(number, unit):
    """Half of an interval in words; what is not known is null in a record."""
    return _("not known") if number is None else f"±{number:.2f}{unit}"
