// One store: who it is, its 48 hours as runs of one status over its opening hours, its 30 dates.

/** How many windows the bars show: 48 hours, and what is left of the country's day. */
const barWindows = (data) => WINDOWS + Math.round((midnight(data) + 86_400_000 - Date.parse(summary.window_end)) / 900_000);

/** A bar; each run is [first window, windows, class, title]. */
function bar(label, whole, runs) {
  const made = element("div", { class: "runs", role: "img", "aria-label": label });
  for (const [start, length, kind, title] of runs) {
    const run = element("span", { class: `run ${kind}`, title });
    run.style.left = `${(start / whole) * 100}%`;
    run.style.width = `${(length / whole) * 100}%`;
    made.append(run);
  }
  return made;
}

/** The clock below the bars: every sixth hour of the country's day. */
function barAxis(data, whole) {
  const axis = element("div", { class: "axis", "aria-hidden": "true" });
  for (let window = 0; window < whole; window++) {
    const [start, offset] = data.windows[Math.min(window, WINDOWS - 1)];
    const moment = start + Math.max(0, window - WINDOWS + 1) * 900;
    const minutes = (moment / 60 + offset) % 1440;
    if (minutes % 360) continue;
    const tick = element("span", {}, minutes ? clock.time(moment * 1000) : clock.full(moment * 1000).split(" ")[0]);
    tick.style.left = `${(window / whole) * 100}%`;
    axis.append(tick);
  }
  return axis;
}

/** Opening hours as runs: as they were, and as they are for the rest of today. */
function openRuns(data, store, rows, whole) {
  const now = (Date.parse(summary.window_end) - midnight(data)) / 60_000;
  const ahead = (hoursOf(data, store, 0) ?? []).filter(([, closes]) => closes > now).map(([opens, closes]) => {
    const [first, end] = [opens, closes].map((minutes) => Math.min(whole, WINDOWS + Math.max(0, minutes - now) / 15));
    return [first, end - first, "open", `open ${clockText(opens)}–${clockText(closes)}`];
  });
  return [...rows.filter((row) => row.expected).map((row) => [row.start, row.length, "open", `open ${clock.full(row.from)}`]), ...ahead];
}

const runRows = (data, store) => [...runsOf(data, store)].map(([start, length, [status, reason, expected]]) => ({ start, from: data.windows[start][0] * 1000, length, status, reason, expected }));

function runsPanel(data, store, rows) {
  const columns = [
    { title: "From", unit: summary.timezone, value: (row) => clock.whole(row.from), shown: (row) => clock.full(row.from) },
    { title: "For", unit: "minutes", value: (row) => row.length * 15, shown: (row) => duration(row.length * 15), isNumber: true },
    { title: "Status", value: (row) => row.status },
    { title: "Reason", value: (row) => words(row.reason) },
    { title: "Store", inFile: true, value: () => data.ids[store] },
    { title: "Country", inFile: true, value: () => summary.country },
  ];
  return tablePanel("48 hours", columns, [...rows].reverse(), { name: `${summary.country}-store-${data.ids[store]}` });
}

function datesPanel(data, store) {
  const rows = data.dates.slice(-30).map((date, index) => {
    const at = (store + 1) * DAYS - 30 + index;
    const minutes = { expected: data.day_expected[at], missing: data.day_missing[at], unknown: data.day_unknown[at], rogue: data.day_rogue[at] };
    return { date, minutes: { ...minutes, available: minutes.expected - minutes.missing - minutes.unknown } };
  });
  const minutes = (title, name, isSide) => ({ title, unit: "minutes", value: (row) => row.minutes[name], shown: (row) => duration(row.minutes[name]), isNumber: true, isSide });
  const columns = [
    { title: "Date", value: (row) => row.date },
    shareColumn(),
    minutes("Open", "expected", true),
    minutes("Missed", "missing"),
    minutes("Rogue", "rogue", true),
    { title: "Store", inFile: true, value: () => data.ids[store] },
  ];
  return tablePanel("30 days", columns, rows.reverse().filter((row) => row.minutes.expected || row.minutes.rogue), { name: `${summary.country}-store-${data.ids[store]}-days`, nothing: "Never expected to be open." });
}

function drillDown(data) {
  const place = byId("store");
  const store = isWhole(data) ? data.ids.indexOf(state.get("store")) : -1;
  place.hidden = store < 0;
  if (store < 0) return;
  const [rows, whole] = [runRows(data, store), barWindows(data)];
  const address = data.addresses.find(([number]) => number === store);
  const close = element("button", { type: "button", class: "small" }, "Close");
  close.addEventListener("click", () => state.set({ store: "" }));
  const text = (row) => `${clock.full(row.from)}, ${duration(row.length * 15)}: ${row.status}${row.reason ? `, ${words(row.reason)}` : ""}`;
  place.replaceChildren(
    element("header", {}, element("h2", {}, `${storeName(data, store)} (${data.ids[store]})`), close),
    element("p", { class: "note" }, [address?.[1], cityOf(data, store), brandOf(data, store)].filter(Boolean).join(" · ")),
    element("p", {}, `Opening hours today: ${hoursText(data, store, 0)}; tomorrow: ${hoursText(data, store, 1)} (${summary.zone})`),
    bar("Status over 48 hours", whole, rows.map((row) => [row.start, row.length, row.status, text(row)])),
    bar("Opening hours over 48 hours and for the rest of today", whole, openRuns(data, store, rows, whole)),
    barAxis(data, whole),
    element("p", { class: "legend" }, ...[...STATUSES, "open"].map((name) => element("span", {}, element("i", { class: `run ${name}` }), ` ${name === "open" ? "opening hours" : name} `))),
    ...(summary.brand ? [] : [element("p", { class: "note" }, "Why is it so? ", element("code", {}, `storeavail why ${data.ids[store]} --country ${summary.country}`))]),
    runsPanel(data, store, rows),
    datesPanel(data, store),
  );
}
