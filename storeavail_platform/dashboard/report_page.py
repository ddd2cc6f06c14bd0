"""A report (the brief, the value report) as HTML: a page of its own, and what a mail shows. Nothing
runs in either, and every text that is put into them is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from storeavail_platform.dashboard.page import report_page_of
from storeavail_platform.domain.masking import masked_page
from storeavail_platform.reading.brief_text import ReportText

MAIL_STYLE = "font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; max-width: 640px"


def page_html(
    text: ReportText,
    picture: str,
    *,
    country: str,
    up: str,
    made: str,
    earlier: Sequence[tuple[str, str]] = (),
) -> str:
    """A page.

    Args:
        picture: PNG, as base64.
        up: the address of the country's page from this one.
        made: when it was made, in words.
        earlier: reports before it: what they are called, and their addresses from this page.
    """
    links = " · ".join(f'<a href="{escape(to)}">{escape(name)}</a>' for name, to in earlier)
    return masked_page(
        report_page_of(
            title=escape(text.title),
            country=escape(country),
            up=escape(up),
            made=escape(made),
            warnings="".join(
                f'<p class="warning" role="alert">{escape(each)}</p>\n' for each in text.warnings
            ),
            headline=escape(text.headline),
            picture=f"data:image/png;base64,{picture}",
            alt=escape(f"{text.title}: {text.headline}"),
            sections="\n".join(_sections(text)),
            earlier=f"<h2>Earlier</h2><p>{links}</p>" if links else "",
        )
    )


def mail_html(text: ReportText, picture_name: str, link: str | None, late_mark: str) -> str:
    """What a mail shows: HTML that needs nothing but the picture that comes with it.

    Args:
        link: address of the page; None: it is not known.
        late_mark: stands where the mail says that it is late.
    """
    warnings = "".join(f"<p><b>{escape(each)}</b></p>" for each in text.warnings)
    to_page = "" if link is None else f'<p><a href="{escape(link)}">Open the page</a></p>'
    return masked_page(
        f'<div style="{MAIL_STYLE}"><h1 style="font-size: 18px">{escape(text.title)}</h1>'
        f"{late_mark}{warnings}"
        f'<p style="font-size: 17px"><b>{escape(text.headline)}</b></p>'
        f'<p><img src="cid:{picture_name}" alt="{escape(text.headline)}" width="600"></p>'
        f"{''.join(_sections(text))}{to_page}</div>"
    )


def _sections(text: ReportText) -> list[str]:
    return [
        f"<h2>{escape(section.title)}</h2>\n<ul>"
        + "".join(f"<li>{escape(line)}</li>" for line in section.shown())
        + "</ul>"
        for section in text.sections
    ]
