"""The dashboard: a self-contained HTML page a country, and an overview of all. No server, no
outside address, no Dagster.

`tables.py` opens a country's committed rows as the relations that `relations.py` declares;
`kept.py` keeps what was made of files for the next page. `figures.py`, `now.py`, `stores.py` and
`hours.py` make the numbers, `encoding.py` packs them, `page.py` makes HTML, `publish.py` writes the
files, `summaries.py` reads a country's figures again, `serving.py` says what is answered to who
asks for one. Briefs are made by `briefs.py`, a month's value by `values.py`, with the HTML of
`report_page.py`. What runs in the browser lies in `static/`.
"""

from storeavail_platform.dashboard.publish import (
    PageWritten,
    preview,
    write_country_page,
    write_overview,
)
from storeavail_platform.dashboard.summaries import FOLDER

__all__ = ["FOLDER", "PageWritten", "preview", "write_country_page", "write_overview"]
