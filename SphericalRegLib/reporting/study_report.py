"""A study as one HTML page: tables, curves, paired tests, small print, and what made them."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from SphericalRegLib.evaluation.study.result import RowResult, StudyResult, TableResult
from SphericalRegLib.reporting.outcome import DISCLAIMER
from SphericalRegLib.reporting.report_style import STYLE
from SphericalRegLib.reporting.study_figures import Drawn
from SphericalRegLib.reporting.study_tables import CAUTIONS, cells, columns, sentence, small_print, tests, titles_of

_OWN_STYLE = (
    ".wide{overflow-x:auto}.wide table{font-size:.85em;white-space:nowrap}.published{color:#888}"
    "tr.failed td,tr.failed th{color:#a33}tr.failed td.published{color:#888}img{max-width:100%}"
)


def study_html(study: StudyResult, figures: Sequence[Drawn]) -> str:
    """The whole page, with its pictures in it.

    Args:
        study: the result.
        figures: of it.
    """
    parts = [f"<h1>Study: {html.escape(study.name)}</h1>", f"<p>{html.escape(DISCLAIMER)}</p>"]
    for number, table in enumerate(study.tables, 1):
        parts.append(_table(table))
        own = [figure for figure in figures if figure.name.startswith(f"table{number}-")]
        parts += [_picture(figure) for figure in own]
    others = [figure for figure in figures if not figure.name.startswith("table")]
    parts += [_picture(figure) for figure in others]
    parts.append("<h2>How to read it</h2>" + _list(CAUTIONS))
    parts.append("<h2>What made it</h2>" + _list([f"{what}: {words}" for what, words in study.made.items()]))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Study: {html.escape(study.name)}</title>'
        f"<style>{STYLE}{_OWN_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _table(table: TableResult) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns(table))
    body = "".join(_row(row) for row in table.rows)
    titles = titles_of(table)
    return (
        f"<h2>{html.escape(table.title)}</h2><div class='wide'><table><tr>{head}</tr>{body}</table></div>"
        "<h3>Paired tests on the same cases</h3>"
        + _list([sentence(pair, titles) for pair in tests(table)])
        + "<h3>Small print</h3>"
        + _list(small_print(table))
    )


def _row(row: RowResult) -> str:
    title, *others, published = cells(row)
    failed = " class='failed'" if row.bars.failures() else ""
    return (
        f"<tr{failed}><th>{html.escape(title)}</th>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in others)
        + f"<td class='published'>{html.escape(published)}</td></tr>"
    )


def _picture(figure: Drawn) -> str:
    data = base64.b64encode(figure.png).decode("ascii")
    caption = html.escape(figure.caption)
    return f'<h3>{caption}</h3><img alt="{caption}" src="data:image/png;base64,{data}">'


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"
