// The first screen: the verdict, the counts that filter, what is down by cause, the stores that are.

const STATUSES = ["available", "missing", "rogue", "unknown", "closed"];

/** "now", which turns into "at 15:22" when the figures are old. */
const nowText = () => element("span", { "data-now": "" }, "now");

/** The counts of stores by status: a click shows these alone, a second one all again. */
function tiles(data, stores) {
  const chosen = state.get("status");
  const choose = (status) => () => state.set({ status: chosen === status ? "" : status });
  const reason = (status, [code, number]) => {
    const full = `${status}.${code}`;
    return linkButton(`${count(number)} ${words(code)}`, choose(full), { "aria-pressed": String(chosen === full) });
  };
  const largest = ([, one], [, other]) => other - one;
  const made = Object.entries(countStates(data, stores)).map(([status, { all, reasons }]) => {
    const main = element("button", { type: "button", class: "count", "aria-pressed": String(chosen === status) }, element("b", {}, count(all)), ` ${status}`);
    main.addEventListener("click", choose(status));
    const kinds = ["missing", "rogue"].includes(status) ? Object.entries(reasons).sort(largest) : [];
    return element("div", { class: `tile ${status}`, id: `tile-${status}` }, main, element("p", { class: "reasons" }, ...kinds.map((kind) => reason(status, kind))));
  });
  byId("tiles").replaceChildren(...made);
}

/** Whether a store is in the scope of a cause. */
function isOf(data, store, cause) {
  if (cause.scope === "unexplained") return false;
  if (cause.city && data.cities[data.store_city[store]] !== cause.city) return false;
  return !cause.brand || data.brands[data.store_brand[store]] === cause.brand;
}

/** The name of the cause that a missing store belongs to; "single store" where there is none. */
function causeOf(data, store) {
  if (summary.causes === null) return null;
  const found = summary.causes.find((cause) => cause.kind === "missing" && isOf(data, store, cause));
  return found ? found.name : "single store";
}

const historyText = ({ past_days: days }) => (days === 0 ? "no history" : days < 7 ? `rates from ${days} ${days === 1 ? "day" : "days"}: weak` : `rates from ${days} days`);

/** A cause as a button that shows its stores alone; what it rests on stands below where there is no room for columns. */
function causeCell(cause) {
  const choose = () => state.set({ city: cause.city ?? "", brand: cause.brand ?? "", status: cause.kind });
  const rests = [`usual ${cause.usual.toFixed(1)}`, cause.share_explained === null ? "" : `explains ${percent(cause.share_explained, 0)}`, historyText(cause)].filter(Boolean).join(" · ");
  const kind = cause.kind === "missing" ? [] : [element("small", {}, cause.kind)];
  return element("span", {}, linkButton(cause.name, choose), ...kind, element("small", { class: "instead" }, rests), ...cause.held.map((each) => element("small", {}, each)));
}

/** What is down by cause, each with what it rests on. */
function causesPanel() {
  const causes = summary.causes;
  const columns = [
    {
      title: "Cause",
      value: (cause) => cause.name,
      shown: causeCell,
    },
    { title: "Since", unit: summary.timezone, value: (cause) => clock.whole(Date.parse(cause.since)), shown: (cause) => sinceText(Date.parse(cause.since)) },
    { title: "Stores", value: (cause) => cause.stores, shown: (cause) => `${count(cause.stores)} of ${count(cause.known)}`, isNumber: true },
    { title: "Usual", value: (cause) => Math.round(cause.usual * 10) / 10, isNumber: true, isSide: true },
    { title: "Explains", unit: "share", value: (cause) => cause.share_explained, shown: (cause) => percent(cause.share_explained, 0), isNumber: true, isSide: true },
    { title: "Missed", unit: "minutes", value: (cause) => cause.missed_minutes, shown: (cause) => storeHours(cause.missed_minutes), isNumber: true, isSide: true },
    { title: "Rests on", value: historyText, isSide: true },
    { title: "Held back", inFile: true, value: (cause) => cause.held.join("; ") },
    ...countryColumns(),
  ];
  const nothing = causes === null ? "Causes are not judged yet." : "Nothing beyond the usual.";
  return tablePanel("Down by cause", columns, causes ?? [], { name: `${summary.country}-causes`, nothing });
}

/** A time of today, or with its day; with its date where that is not within a week. */
function sinceText(moment) {
  const [full, now] = [clock.full(moment), Date.parse(summary.window_end) - 1];
  if (full.split(", ")[0] === clock.full(now).split(", ")[0]) return clock.time(moment);
  return Math.abs(moment - now) < 6 * 86_400_000 ? `${full.slice(0, 3)} ${clock.time(moment)}` : full;
}

const since = (row) => row[1] * 1000;

const downColumns = (data) => [
  ...storeColumns(data, (row) => row[0]),
  { title: "Since", unit: summary.timezone, value: (row) => clock.whole(since(row)), shown: (row) => `${row[3] ? "before " : ""}${sinceText(since(row))}` },
  { title: "Missed", unit: "minutes", value: (row) => row[2], shown: (row) => duration(row[2]), isNumber: true },
];

/** What a file says in each row that is not of a store. */
const countryColumns = () => [{ title: "Country", inFile: true, value: () => summary.country }, observedColumn()];

const observedColumn = () => ({ title: "Observed", unit: summary.timezone, inFile: true, value: () => (summary.observed_at ? clock.whole(Date.parse(summary.observed_at)) : "") });

/** The stores that are missing; where a status is chosen, the stores in that one. */
function storesPanel(data, stores) {
  const status = state.get("status");
  const chosen = new Set(stores);
  if (status && !status.startsWith("missing")) return statusPanel(data, stores, status);
  const rows = data.missing.filter(([store]) => chosen.has(store));
  const why = (row) => words(currentState(data, row[0])?.[1]);
  const columns = [...downColumns(data), { title: "Why", value: why }, { title: "Cause", value: (row) => causeOf(data, row[0]), isSide: true }, observedColumn()];
  const panel = tablePanel("Missing stores", columns, rows, { name: `${summary.country}-missing`, note: `Since: ${summary.zone}; missed: minutes of opening hours since then`, nothing: "No store is missing." });
  panel.id = "missing";
  return panel;
}

function statusPanel(data, stores, status) {
  const rows = stores.map((store) => ({ store, run: lastRun(data, store) }));
  const columns = [
    ...storeColumns(data, (row) => row.store),
    { title: "Why", value: (row) => words(row.run[2][1]) },
    { title: "For", unit: "minutes", value: (row) => row.run[1] * 15, shown: (row) => (row.run[0] === 0 ? "48 h or more" : duration(row.run[1] * 15)), isNumber: true },
    observedColumn(),
  ];
  const panel = tablePanel(`Stores: ${words(status).replace(".", ", ")}`, columns, rows, { name: `${summary.country}-${status}`, nothing: "None." });
  panel.id = "missing";
  return panel;
}

/** What is down now, by cause and by store. */
function down(data, stores) {
  byId("down").replaceChildren(causesPanel(), storesPanel(data, stores), closedPanel(data, stores));
}

/** Stores that were missing when they closed: nobody can see yet whether they come back. */
function closedPanel(data, stores) {
  const chosen = new Set(stores);
  const opens = (row) => opensAt(data, row[0]);
  const columns = [
    ...downColumns(data),
    { title: "Opens", unit: summary.timezone, value: (row) => opens(row) && clock.whole(opens(row)), shown: (row) => (opens(row) ? sinceText(opens(row)) : MISSING) },
    ...stateColumns(data, (row) => row[0]),
  ];
  return tablePanel("Was down when it closed", columns, data.closed.filter(([store]) => chosen.has(store)), { name: `${summary.country}-closed`, note: `Times: ${summary.zone}; missed: minutes of opening hours since then`, nothing: "None." });
}
