"""A study's tables as text: markdown, CSV and LaTeX, from the same cells, with the small print of every row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from SphericalRegLib.evaluation.capture_report import SUCCESS_MM
from SphericalRegLib.evaluation.comparison import Pair, paired
from SphericalRegLib.evaluation.statistics import bootstrap_interval, percentile, smsr, wilson_interval
from SphericalRegLib.evaluation.study.result import RowResult, StudyResult, TableResult

#: What counts as found in the published tables of success rates.
FOUND_MM = 10.0
#: Of every table, for its readers.
CAUTIONS = (
    "Published figures stand beside ours, of other X-rays, other training and other machines: they are context, not "
    "what ours are measured by. Those of DeepFluoro very likely count what DiffPose's evaluator prints as mTRE, about "
    "a fifth of a projection error (column DiffPose's number), and no target registration error; times count unlike "
    "things.",
    "Published figures of SOPI's family may hold another thing: its public test script takes, for every parameter of "
    "the pose, whichever of start and result is nearer to the truth. Nothing here sees the truth.",
    "The order of rows says nothing that a paired test below does not say.",
)


def columns(table: TableResult) -> list[str]:
    """Headings."""
    return [
        "method",
        f"< {SUCCESS_MM:g} mm, % (95 %)",
        "other seeds, %",
        "mTRE median, mm (95 %)",
        "75 %",
        "95 %",
        f"< {FOUND_MM:g} mm, %",
        "mPE, mm",
        "mRPE, mm",
        "rotation, °",
        "in plane, mm",
        "depth, mm",
        "DiffPose's number",
        "s a case, median / 95 %",
        "training, min",
        "weights",
        "pixels",
        "bars",
        "published",
    ]


def cells(row: RowResult) -> list[str]:
    """What stands in a row; of the first training seed, but for the column of the others."""
    report = row.reports[0]
    summary, mtre = report.summary(), [one.mtre_mm for one in report.rows]
    low, high = wilson_interval(sum(error < SUCCESS_MM for error in mtre), len(mtre))
    bottom, top = bootstrap_interval(mtre)
    others = [smsr([one.mtre_mm for one in other.rows], SUCCESS_MM) for other in row.reports[1:]]
    trained = row.trained[0] if row.trained else None
    return [
        row.title,
        f"{100 * summary['smsr']:.1f} ({100 * low:.0f} to {100 * high:.0f})",
        ", ".join(f"{100 * share:.1f}" for share in others) or "–",
        f"{_number(summary['median_mm'])} ({_number(bottom)} to {_number(top)})",
        _number(summary["p75_mm"]),
        _number(summary["p95_mm"]),
        f"{100 * smsr(mtre, FOUND_MM):.0f}",
        _number(summary["median_mpe_mm"]),
        _number(summary["median_mrpe_mm"]),
        _number(summary["median_rotation_deg"]),
        _number(summary["median_in_plane_mm"]),
        _number(summary["median_depth_mm"]),
        _number(summary["median_mtre_diffpose_not_a_tre"]),
        f"{_number(summary['median_s'])} / {_number(percentile([one.seconds for one in report.rows], 95))}",
        "–" if trained is None else _number(trained.minutes),
        "–" if trained is None else f"{trained.weights:,}",
        "–" if trained is None else ", ".join(str(size) for size in trained.pixels.values()),
        "FAILED" if row.bars.failures() else "cleared",
        "; ".join(f"{data}: {figure}" for data, figure in row.published.items()) or "–",
    ]


def small_print(table: TableResult) -> list[str]:
    """Below the table: what goes for all, each row's notes, and why rows failed."""
    told = [table.data + ".", *table.notes]
    for row in table.rows:
        notes = [*([row.reference] if row.reference else []), *row.notes]
        told.append(f"{row.title}: {'; '.join(notes)}.")
        if failures := row.bars.failures():
            told.append(f"{row.title} FAILED, and its figures are no result: {'; '.join(failures)}.")
    return told


def tests(table: TableResult) -> list[Pair]:
    """On the same cases: each row against the last one, and exchanges against what they differ from in one part."""
    reports = {row.name: row.reports[0] for row in table.rows}
    names = list(reports)
    exchanges = [("diffpose", "diffpose-lm"), ("prost-m", "prost-m-lm"), ("own", "own-sgd"), ("se3", "so4")]
    wanted = [(names[-1], name) for name in names[:-1]]
    wanted += [pair for pair in exchanges if set(pair) <= set(names) and pair not in wanted]
    return [replace(paired(reports[first], reports[second]), first=first, second=second) for first, second in wanted]


def sentence(pair: Pair, titles: Mapping[str, str]) -> str:
    """A test in words."""
    first, second = titles[pair.first], titles[pair.second]
    told = (
        f"{second} against {first}: below {SUCCESS_MM:g} mm by it alone {pair.only_second}, by the other alone "
        f"{pair.only_first} (McNemar p = {pair.success_p:.2g})"
    )
    if math.isnan(pair.median_difference_mm):
        return told + "."
    return told + f"; where both are, {pair.median_difference_mm:+.3f} mm (Wilcoxon p = {pair.error_p:.2g})."


def titles_of(table: TableResult) -> dict[str, str]:
    """{name of a row: its title}."""
    return {row.name: row.title for row in table.rows}


def markdown(study: StudyResult) -> str:
    """All tables."""
    parts = [f"# Study: {study.name}", ""]
    for table in study.tables:
        head = columns(table)
        parts += [f"## {table.title}", "", _line(head), _line(["---"] * len(head))]
        parts += [_line(cells(row)) for row in table.rows]
        parts += ["", "Paired tests on the same cases:", ""]
        parts += [f"- {sentence(pair, titles_of(table))}" for pair in tests(table)]
        parts += ["", "Small print:", "", *(f"- {note}" for note in small_print(table)), ""]
    parts += [*(f"- {caution}" for caution in CAUTIONS), ""]
    parts += [f"- {what}: {words}" for what, words in study.made.items()]
    return "\n".join(parts) + "\n"


def as_csv(study: StudyResult) -> str:
    """All tables below one another, each row with its table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, table in enumerate(study.tables):
        if number == 0:
            writer.writerow(["table", *columns(table), "failures", "small print"])
        for row in table.rows:
            writer.writerow([table.title, *cells(row), "; ".join(row.bars.failures()), "; ".join(row.notes)])
    return text.getvalue()


def latex(study: StudyResult) -> str:
    """All tables, for booktabs; the columns of the paper, the small print below."""
    parts = []
    for table in study.tables:
        head = [r"method", r"$<1$\,mm (\%)", "median (mm)", r"75\,\%", r"95\,\%", r"time (s)", "published"]
        parts += [
            r"\begin{table}",
            rf"\caption{{{_tex(table.title)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 2)}l}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
        ]
        for row in table.rows:
            found = dict(zip(columns(table), cells(row), strict=True))
            chosen = [found[name] for name in (*_PAPER, "s a case, median / 95 %", "published")]
            mark = r"$^\ast$" if row.bars.failures() else ""
            parts.append(" & ".join([_tex(row.title) + mark, *map(_tex, chosen)]) + r" \\")
        parts += [r"\bottomrule", r"\end{tabular}", r"\par\footnotesize", r"$^\ast$ did not clear its bars."]
        parts += [_tex(note) + r"\\" for note in small_print(table)]
        parts += [r"\end{table}", ""]
    return "\n".join(parts)


_PAPER = (f"< {SUCCESS_MM:g} mm, % (95 %)", "mTRE median, mm (95 %)", "75 %", "95 %")
_TEX = {"\\": r"\textbackslash{}", "%": r"\%", "&": r"\&", "#": r"\#", "_": r"\_", "<": "$<$", "°": r"$^\circ$"}
_TEX |= {"Ψ": r"$\Psi$", "ξ": r"$\xi$", "±": r"$\pm$", "–": "--", "−": "$-$", "×": r"$\times$", "²": "$^2$"}


def _tex(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)


def _line(words: Sequence[str]) -> str:
    return "| " + " | ".join(word.replace("|", "\\|") for word in words) + " |"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "∞"
    return f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.3g}"
