"""The guided note as a marimo notebook, on the embedded default: `make notebook`, or `marimo edit
zeppelin/guided.py`.

It reads the tables of the configuration ($STOREAVAIL_CONFIG, else the demo's) and changes nothing.
"""

import marimo

app = marimo.App(width="medium", app_title="Store availability, guided")


@app.cell
def imports():
    import marimo as mo

    from storeavail_platform import analyst

    return analyst, mo


@app.cell(hide_code=True)
def welcome(mo):
    mo.md("""
        # Store availability, guided

        Every 15 minutes the platform compares which stores should be open (PostgreSQL) with which are online (the index behind the app).
        A store that should be open is **available** or **missing**; one that is online and should not be is **rogue**; where nothing is known it
        is **unknown**. *Availability* = available / (expected - unknown) minutes, *coverage* = 1 - unknown / expected minutes.

        Each step below is a few lines of Python. Change them: nothing you do here changes the tables.
        """)
    return


@app.cell(hide_code=True)
def tables_title(mo):
    mo.md("## 1. What there is")
    return


@app.cell
def what_there_is(analyst, mo):
    known_tables = analyst.tables(form="pandas")
    mo.ui.table(known_tables, selection=None)
    return (known_tables,)


@app.cell(hide_code=True)
def live_title(mo):
    mo.md("## 2. Now, in all countries")
    return


@app.cell
def live(analyst, mo):
    availability = analyst.sql(
        """
        SELECT country, window_start,
          SUM(available_minutes) / SUM(expected_minutes - unknown_minutes) AS availability,
          1 - SUM(unknown_minutes) / SUM(expected_minutes) AS coverage,
          CAST(SUM(stores_missing) AS BIGINT) AS missing, CAST(SUM(stores_rogue) AS BIGINT) AS rogue
        FROM availability_summary s
        WHERE window_start = (SELECT MAX(window_start) FROM availability_summary n WHERE n.country = s.country)
        GROUP BY country, window_start ORDER BY country
        """,
        form="pandas",
    )
    mo.hstack(
        [
            mo.stat(
                value="-" if row.availability != row.availability else f"{row.availability:.1%}",
                label=row.country,
                caption=f"{row.missing} missing, {row.rogue} rogue",
                bordered=True,
            )
            for row in availability.itertuples()
        ]
    )
    return (availability,)


@app.cell(hide_code=True)
def one_title(mo):
    mo.md("## 3. One country")
    return


@app.cell
def choose(availability, mo):
    country = mo.ui.dropdown(
        list(availability["country"]), value=availability["country"].iloc[0], label="Country"
    )
    mo.vstack([country])
    return (country,)


@app.cell
def cities(analyst, country, mo):
    by_city = analyst.sql(
        f"""
        SELECT city, SUM(available_minutes) / SUM(expected_minutes - unknown_minutes) AS availability,
          CAST(SUM(missing_minutes) AS BIGINT) AS missing_minutes
        FROM availability_summary WHERE country = '{country.value}'
        GROUP BY city ORDER BY missing_minutes DESC
        """,
        form="pandas",
    )
    mo.ui.table(by_city, selection=None)
    return (by_city,)


@app.cell(hide_code=True)
def worst_title(mo):
    mo.md("## 4. The worst stores, and since when they are down")
    return


@app.cell
def worst(analyst, country, mo):
    worst_stores = analyst.sql(
        f"""
        SELECT d.store_id, d.name, d.city, d.availability, d.missing_minutes, o.started_at AS down_since
        FROM daily_store_availability d
        LEFT JOIN store_outages o ON o.country = d.country AND o.local_date = d.local_date AND o.store_id = d.store_id AND o.ended_at IS NULL
        WHERE d.country = '{country.value}' AND d.missing_minutes > 0
          AND d.local_date = (SELECT MAX(local_date) FROM daily_store_availability n WHERE n.country = d.country)
        ORDER BY d.missing_minutes DESC, d.store_id LIMIT 20
        """,
        form="pandas",
    )
    mo.ui.table(worst_stores, selection=None)
    return (worst_stores,)


@app.cell(hide_code=True)
def how_title(mo):
    mo.md("""
        ## 5. How a figure was made

        One store in the newest window, from the fact back to what was read: the fact, what its hours say (a bit a minute of the window), and the
        document of the index. All three carry the run that made them.
        """)
    return


@app.cell
def how(analyst, country, mo):
    fact = analyst.sql(
        f"""
        SELECT window_start, store_id, status, reason, expected_minutes, is_online, observed_at, run_id
        FROM store_availability f
        WHERE country = '{country.value}'
          AND window_start = (SELECT MAX(window_start) FROM store_availability n WHERE n.country = f.country)
        ORDER BY CASE WHEN status = 'missing' THEN 0 ELSE 1 END, store_id LIMIT 1
        """,
        form="pandas",
    )
    store, start = fact["store_id"].iloc[0], fact["window_start"].iloc[0]
    quoted = store.replace("'", "''")
    of = (
        f"country = '{country.value}' AND window_start = TIMESTAMPTZ '{start}' AND store_id ="
        f" '{quoted}'"
    )
    schedule = analyst.sql(f"SELECT * FROM expected_schedules WHERE {of}", form="pandas")
    document = analyst.sql(f"SELECT * FROM online_index WHERE {of}", form="pandas")
    mo.vstack([mo.ui.table(found, selection=None) for found in (fact, schedule, document)])
    return document, fact, schedule


if __name__ == "__main__":
    app.run()
