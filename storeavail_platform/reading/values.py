"""What a trial's values say, for `storeavail check`: how much of a reading is usable, with examples
of what is not, and how far both sides speak of the same stores.

What is usable is the tables' word (`problem`): here rows are only counted and quoted. Nothing
usable, or nothing in common, is an error; below `ENOUGH` is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from storeavail_platform.config import Country
from storeavail_platform.domain.clock import offset_text
from storeavail_platform.domain.finding import Finding, Level
from storeavail_platform.domain.id_forms import likeness
from storeavail_platform.domain.text import moment
from storeavail_platform.pipeline.observe import INDEX, POSTGRES
from storeavail_platform.pipeline.trial import Trial

ENOUGH = 0.95
"""Share below which something is wrong with the whole, not with single rows."""
EXAMPLES = 3
LONGEST_EXAMPLE = 200
ISO = (
    "weekdays are ISO, 1 for Monday to 7 for Sunday. Where 0 is Sunday, write CASE weekday WHEN 0"
    " THEN 7 ELSE weekday END in postgres.hours_query; where 0 is Monday, weekday + 1"
    " (docs/schemas.md, Weekdays otherwise)"
)


def value_findings(trial: Trial, settings: Country) -> list[Finding]:
    """Findings on the values of what was read; of a source that gave nothing none."""
    look = _Look(trial, settings)
    has_documents = INDEX in trial.read and look.number("SELECT COUNT(*) FROM raw_online_index")
    has_stores = POSTGRES in trial.read and look.number("SELECT COUNT(*) FROM raw_stores")
    return [
        *(look.documents() if has_documents else ()),
        *(look.stores() if has_stores else ()),
        *(look.both() if has_documents and has_stores else ()),
    ]


class _Look:
    """Looks at a trial's tables."""

    def __init__(self, trial: Trial, settings: Country) -> None:
        self.session, self.settings = trial.session, settings

    def row(self, sql: str) -> dict[str, Any]:
        (row,) = self.session.rows(sql)
        return row

    def number(self, sql: str) -> int:
        return int(next(iter(self.row(sql).values())) or 0)

    def examples(self, sql: str) -> str:
        """The first few different values of a column, in words; empty where there are none."""
        values = self.session.rows(
            f"SELECT DISTINCT value FROM ({sql}) q(value) ORDER BY value LIMIT {EXAMPLES}"
        )
        return ", ".join(_quoted(row["value"]) for row in values)

    def share(
        self, what: str, counts: dict[str, Any], examples: str, advice: str, least: Level = "error"
    ) -> Finding:
        """A verdict on `usable` of `total` things.

        Args:
            examples: a query of values that are not usable.
            least: the verdict where nothing is usable.
        """
        total, usable = counts["total"], counts["usable"]
        if usable == total:
            return Finding("ok", what, f"all {total:,} are usable")
        level: Level = least if not usable else "warning" if usable < ENOUGH * total else "ok"
        found = f"{usable:,} of {total:,} are usable"
        if shown := self.examples(examples):
            found += f"; not {shown}"
        return Finding(level, what, f"{found}: {advice}" if level != "ok" else found)

    def documents(self) -> Iterator[Finding]:
        fields = self.settings.online_index
        yield self.share(
            f"ids of the index ({fields.store_id})",
            self.row("SELECT COUNT(*) AS total, COUNT(store_id) AS usable FROM online_index"),
            "SELECT source_id FROM online_index WHERE store_id IS NULL",
            "set online_index.store_id to the field that names the store",
        )
        yield from self.twice("online_index", "documents", "online_index.several says which counts")
        yield self.share(
            f"online flags ({fields.online.field})",
            self.row("SELECT COUNT(*) AS total, COUNT(is_online) AS usable FROM online_index"),
            "SELECT online FROM raw_online_index"
            " WHERE online IS NULL OR LOWER(online) NOT IN ('true', 'false')",
            "name the words that mean online and offline: online_index.online: {field:"
            f" {fields.online.field}, online: [...], offline: [...]}}",
        )
        yield self.times()

    def times(self) -> Finding:
        """When the indexer wrote the documents, and whether it stands still."""
        field = self.settings.online_index.updated_at
        what = f"update times ({field})"
        still = "an indexer that stands still cannot be noticed"
        if not self.number("SELECT COUNT(updated_at_text) FROM raw_online_index"):
            return Finding(
                "warning",
                what,
                f"no document has the field {field!r}: {still}; set online_index.updated_at",
            )
        found = self.share(
            what,
            self.row("SELECT COUNT(*) AS total, COUNT(updated_at) AS usable FROM online_index"),
            "SELECT updated_at_text FROM raw_online_index CROSS JOIN window_settings"
            " WHERE updated_at IS NULL OR updated_at > latest_update",
            f"{still}; a date, ISO 8601 or epoch seconds are read",
            "warning",
        )
        quality = self.row("SELECT newest_updated_at, observed_at FROM window_quality")
        newest = quality["newest_updated_at"]
        if newest is None:
            return found
        age = quality["observed_at"] - newest
        said = f"{found.message}; the newest is {moment(newest)}, {offset_text(-age)} the reading"
        stale_after = self.settings.suspect.stale_after
        if age > stale_after:
            said += f": nothing was written for longer than {_hours(stale_after)}, is it running?"
            return Finding("warning", what, said)
        return Finding(found.level, what, said)

    def twice(self, table: str, rows: str, advice: str) -> Iterator[Finding]:
        """A warning where ids occur more than once."""
        copies = f"SELECT store_id FROM {table} WHERE problem = 'duplicate store_id'"
        found = self.row(f"SELECT COUNT(DISTINCT store_id) AS ids, COUNT(*) AS n FROM ({copies}) q")
        if found["ids"]:
            yield Finding(
                "warning",
                f"ids of several {rows}",
                f"{found['ids']:,}, of {found['n']:,} {rows}: {self.examples(copies)}; their stores"
                f" are unknown: {advice}",
            )

    def stores(self) -> Iterator[Finding]:
        query = "postgres.stores_query"
        yield self.share(
            "ids of stores",
            self.row("SELECT COUNT(*) AS total, COUNT(store_id) AS usable FROM stores"),
            "SELECT source_id FROM stores WHERE store_id IS NULL",
            f"give another column as store_id ({query})",
        )
        yield from self.twice("stores", "rows of stores", f"one row a store ({query})")
        yield self.share(
            "time zones",
            self.without("unknown timezone"),
            "SELECT timezone FROM stores WHERE problem = 'unknown timezone'",
            f"give IANA names, such as {self.settings.timezone}, or NULL for it ({query})",
        )
        unreadable = self.without("unreadable value")
        if unreadable["usable"] < unreadable["total"]:
            yield self.share(
                "other values of stores",
                unreadable,
                "SELECT source FROM stores WHERE problem = 'unreadable value'",
                f"give booleans and UTF-8 ({query})",
            )
        yield from self.hours()

    def without(self, problem: str) -> dict[str, Any]:
        """How many rows of stores there are, and how many do not have a problem."""
        return self.row(
            "SELECT COUNT(*) AS total,"
            f" COUNT(CASE WHEN problem = '{problem}' THEN NULL ELSE 1 END) AS usable FROM stores"
        )

    def hours(self) -> Iterator[Finding]:
        active = "SELECT DISTINCT store_id FROM stores WHERE is_active AND problem IS NULL"
        schedules = f"FROM expected_schedules JOIN ({active}) a USING (store_id)"
        counts = self.row(
            "SELECT COUNT(*) AS total,"
            f" COUNT(CASE WHEN hours_kind <> 'none' THEN 1 END) AS usable {schedules}"
        )
        if counts["total"]:
            found = self.share(
                "active stores with hours",
                counts,
                f"SELECT store_id {schedules} WHERE hours_kind = 'none'",
                "the others are not judged; is the table of hours filled, and may this user see"
                " it? Where they are always open, set without_hours: always_open",
            )
            yield Finding(found.level, found.what, found.message.replace("are usable", "have any"))
        share = self.row("SELECT usable_hours_share AS share FROM window_quality")["share"]
        if not counts["usable"] or share is None:
            return
        bad = "FROM store_hours WHERE problem IS NOT NULL"
        rows = self.number(f"SELECT COUNT(*) {bad}")
        level: Level = "error" if not share else "warning" if share < ENOUGH else "ok"
        said = f"of {share * 100:.1f} % of the stores with hours they are usable"
        if rows:
            shown = self.examples(f"SELECT problem || ' (' || source || ')' {bad}")
            said += f"; {rows:,} rows are not: {shown}"
        yield Finding(level, "opening hours", said)
        yield from self.weekdays(level)

    def weekdays(self, level: Level) -> Iterator[Finding]:
        """A weekday that no ISO numbering has, where there is one."""
        zero = "FROM raw_store_hours WHERE kind = 'weekly' AND weekday = 0"
        stores = self.number(f"SELECT COUNT(DISTINCT source_id) {zero}")
        if stores:
            worst: Level = "warning" if level == "ok" else level
            yield Finding(worst, "weekdays", f"{stores:,} stores have hours of a weekday 0: {ISO}")

    def both(self) -> Iterator[Finding]:
        yield self.shared()
        quality = self.row("SELECT suspect, suspect_reason FROM window_quality")
        counts = self.session.rows(
            "SELECT status, COUNT(*) AS n FROM store_availability GROUP BY ALL ORDER BY 2 DESC, 1"
        )
        said = ", ".join(f"{row['n']:,} {row['status']}" for row in counts)
        if quality["suspect"]:
            yield Finding("warning", "this window", f"{said}; suspect: {quality['suspect_reason']}")
        else:
            yield Finding("ok", "this window", said)

    def shared(self) -> Finding:
        """How many stores both sides know."""
        what = "ids of both sides"
        counts = self.row(
            "WITH d AS (SELECT DISTINCT store_id FROM online_index WHERE store_id IS NOT NULL),"
            " s AS (SELECT store_id, BOOL_OR(is_active) AS is_active FROM stores"
            "  WHERE store_id IS NOT NULL GROUP BY store_id)"
            " SELECT (SELECT COUNT(*) FROM d) AS documents,"
            " (SELECT COUNT(*) FROM s WHERE is_active) AS stores,"
            " (SELECT COUNT(*) FROM d JOIN s USING (store_id)) AS listed,"
            " (SELECT COUNT(*) FROM d JOIN s USING (store_id) WHERE is_active) AS active"
        )
        if not counts["documents"] or not counts["stores"]:
            return Finding("error", what, "none: one side has no usable id")
        said = (
            f"{counts['listed']:,} of {counts['documents']:,} ids of the index are stores;"
            f" {counts['active']:,} of {counts['stores']:,} active stores are listed"
        )
        enough = (
            counts["listed"] >= ENOUGH * counts["documents"]
            and counts["active"] >= ENOUGH * counts["stores"]
        )
        if enough:
            return Finding("ok", what, said)
        level: Level = "warning" if counts["listed"] else "error"
        return Finding(level, what, f"{said}{self.why()}")

    def why(self) -> str:
        """What ids that are on one side alone look like, and what would match."""
        alone = {
            table: f"SELECT DISTINCT t.store_id FROM {table} t ANTI JOIN {other} o"
            " ON o.store_id = t.store_id WHERE t.store_id IS NOT NULL"
            for table, other in (("stores", "online_index"), ("online_index", "stores"))
        }
        said = "".join(
            f"; only {side}: {shown}"
            for table, side in (("online_index", "in the index"), ("stores", "in PostgreSQL"))
            if (shown := self.examples(alone[table]))
        )
        stores, documents = (
            self.session.table(alone[table]).column(0).combine_chunks()
            for table in ("stores", "online_index")
        )
        like = likeness(stores, documents) if len(stores) and len(documents) else None
        if like is None:
            return said
        advice = "" if like.sql is None else like.sql.format("store_id")
        if advice:
            advice = f", where stores_query and hours_query give {advice} AS store_id"
        return (
            f"{said}. {like.how[0].upper()}{like.how[1:]} {like.matches:,} of {like.tried:,} would"
            f" match: {like.store_id!r} and {like.document_id!r}{advice}"
        )


def _quoted(value: Any) -> str:
    return "nothing" if value is None else repr(str(value)[:LONGEST_EXAMPLE])


def _hours(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:g} minutes"
