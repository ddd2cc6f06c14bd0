// The page of all countries, from each one's summary: what needs attention first.

const { countries, total } = JSON.parse(byId("summary").textContent);

/** How much a country needs attention: no figures, then figures that are old, then suspect ones, then by how far below its objective. */
function attention({ summary }) {
  if (summary === null) return 3e3;
  if (ageOf(summary).level === "stale") return 2e3;
  const value = summary.periods.now.availability;
  return (summary.suspect ? 1e3 : 0) + (value === null ? 0 : summary.objective - value);
}

const worst = ({ summary }) => summary?.causes?.[0] ?? null;
const nowOf = ({ summary }) => summary?.periods.now ?? null;
// all countries together have no objective
const levelOf = (row) => (row.isTotal || !nowOf(row) || nowOf(row).availability === null ? "" : nowOf(row).availability >= row.summary.objective ? "good" : "bad");

function badge(row) {
  const made = element("span", { class: "badge" });
  watchFreshness(row.summary, (text, level, moment) => {
    made.textContent = text;
    made.className = `badge ${level}`;
    const line = byId(row.id);
    if (line) greyWhenOld(line, level, moment);
  });
  return made;
}

function countryCell(row) {
  const trend = element("small", { class: "instead" }, `24 hours: ${trendText(row)}`);
  if (row.isTotal) return element("span", {}, "All countries", trend);
  if (row.summary === null) return element("span", {}, countryName(row.code), element("small", {}, " no figures: this country's page is missing"));
  const { waiting, gaps, held_back: held } = row.summary;
  const notes = [waiting.length ? `${waiting.length} windows waiting` : "", gaps.length ? `${gaps.length} not observed` : "", ...held.map((each) => `alerts ${each}`)].filter(Boolean);
  // where there is no room for a column of its own
  const verdict = element("small", { class: "instead" }, row.summary.verdict);
  return element("span", {}, element("a", { href: `${row.code}/index.html` }, countryName(row.code)), " ", row.badge, verdict, trend, element("small", {}, notes.join(" · ")));
}

function trendText({ summary }) {
  if (!summary) return MISSING;
  const day = summary.periods["24h"];
  return day.availability === null ? MISSING : `${percent(day.availability, 2)} (${points(day.availability, day.before.availability)})`;
}

const columns = [
  { title: "Country", value: (row) => countryName(row.code), shown: countryCell },
  { title: "Available", unit: "%", value: (row) => nowOf(row)?.availability ?? null, file: (row) => percent(nowOf(row)?.availability, 2), shown: (row) => element("span", { class: `figure ${levelOf(row)}` }, percent(nowOf(row)?.availability, 2)), isNumber: true },
  { title: "How it stands", value: (row) => row.summary?.verdict ?? "", isSide: true },
  { title: "Missing", unit: "stores", value: (row) => row.summary?.stores.missing ?? null, shown: (row) => (row.summary ? count(row.summary.stores.missing) : MISSING), isNumber: true },
  { title: "24 hours", value: (row) => row.summary?.periods["24h"].availability ?? null, shown: trendText, isNumber: true, isSide: true },
  { title: "Rogue", unit: "stores", value: (row) => row.summary?.stores.rogue ?? null, shown: (row) => (row.summary ? count(row.summary.stores.rogue) : MISSING), isNumber: true, isSide: true },
  { title: "Worst incident", value: (row) => worst(row)?.stores ?? null, file: (row) => worst(row)?.name ?? "", shown: (row) => worst(row)?.name ?? MISSING, isSide: true },
];

const rows = Object.entries(countries).map(([code, summary]) => ({ code, summary, id: `country-${code}`, isOld: () => summary !== null && ageOf(summary).level === "stale" }));
for (const row of rows) if (row.summary) row.badge = badge(row);
rows.sort((a, b) => attention(b) - attention(a));
themeButton();
restoreTables();
byId("countries").replaceChildren(tablePanel("Countries", columns, rows, { name: "countries", note: "What needs attention first", foot: rows.length > 1 ? { isTotal: true, code: "", summary: { ...total, verdict: "", objective: 0 } } : null }));
document.body.dataset.ready = "1";
// the next one that is due; of a country that is late already nothing is known
const due = rows.filter((row) => row.summary).map((row) => Date.parse(row.summary.next_at)).filter((moment) => moment > Date.now());
keepTrue(due.length ? Math.min(...due) : Date.now(), `${rows.find((row) => row.summary)?.code}/alive.js`);
