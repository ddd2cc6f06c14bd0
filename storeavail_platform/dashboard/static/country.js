// A country's page: reads what is chosen, adds it up, shows it.

const summary = JSON.parse(byId("summary").textContent);
const clock = clockOf(summary.timezone);
const PERIODS = ["now", "24h", "7d", "30d"];

const storeName = (data, store) => data.names[store] ?? "(no name)";
const cityOf = (data, store) => data.cities[data.store_city[store]] ?? MISSING;
const brandOf = (data, store) => data.brands[data.store_brand[store]] ?? MISSING;

function storeButton(data, store) {
  const button = element("button", { type: "button", class: "link" }, storeName(data, store));
  button.addEventListener("click", () => {
    state.set({ store: data.ids[store] });
    byId("store").scrollIntoView({ block: "start" });
  });
  return button;
}

const storeColumns = (data, storeOf) => [
  { title: "Store", value: (row) => storeName(data, storeOf(row)), shown: (row) => storeButton(data, storeOf(row)) },
  { title: "Id", value: (row) => data.ids[storeOf(row)] },
  { title: "City", value: (row) => cityOf(data, storeOf(row)) },
  { title: "Brand", value: (row) => brandOf(data, storeOf(row)) },
];

function fillSelect(id, names, all) {
  const select = byId(id);
  select.replaceChildren(new Option(all, ""), ...names.map((name) => new Option(name, name)));
  select.value = state.get(id);
  select.addEventListener("change", () => state.set({ [id]: select.value }));
  state.listeners.push(() => {
    select.value = state.get(id);
  });
}

function filters(data) {
  const countries = byId("country");
  countries.replaceChildren(...summary.countries.map((code) => new Option(code, code, code === summary.country, code === summary.country)));
  countries.addEventListener("change", () => location.assign(`../${countries.value}/index.html`));
  fillSelect("city", data.cities, "All cities");
  fillSelect("brand", data.brands, "All brands");
  const search = byId("search");
  search.value = state.get("search");
  search.addEventListener("input", () => state.set({ search: search.value }));
  const period = byId("period");
  period.value = state.get("period") || "24h";
  period.addEventListener("change", () => state.set({ period: period.value }));
  byId("clear").addEventListener("click", () => {
    search.value = "";
    state.set({ city: "", brand: "", search: "", store: "" });
  });
}

const isFiltered = () => ["city", "brand", "search"].some((name) => state.get(name));

/** A period's minutes: as the tables say for the whole country, added up here for a choice. */
function minutesOf(data, stores, period, isBefore) {
  if (isFiltered()) return total(data, stores, period, isBefore);
  const known = isBefore ? summary.periods[period].before : summary.periods[period];
  return Object.fromEntries(Object.keys(noMinutes()).map((name) => [name, known[`${name}_minutes`]]));
}

function cards(data, stores) {
  byId("cards").replaceChildren(
    ...PERIODS.map((period) => {
      const minutes = minutesOf(data, stores, period, false);
      const value = availability(minutes);
      const before = availability(minutesOf(data, stores, period, true));
      const level = value === null ? "" : value >= summary.objective ? "good" : "bad";
      return element(
        "article",
        { class: `card ${level}`, id: `card-${period}` },
        element("h2", {}, PERIOD_NAMES[period]),
        element("p", { class: "figure" }, percent(value, 2)),
        element("p", {}, value === null ? "nothing known" : `${level === "good" ? "meets" : "below"} the objective of ${percent(summary.objective)}`),
        element("p", { class: "note" }, `${points(value, before)} · coverage ${percent(coverage(minutes), 2)} · ${duration(minutes.missing)} missed`),
      );
    }),
  );
  const states = { available: 0, missing: 0, rogue: 0, unknown: 0, closed: 0 };
  for (const store of stores) {
    const current = currentState(data, store);
    if (current) states[current[0]]++;
  }
  const text = Object.entries(states).map(([name, number]) => `${count(number)} ${name}`);
  byId("states").textContent = `Stores now: ${text.join(", ")}`;
}

function offenders(data, stores, period) {
  const byCity = new Map();
  const byBrand = new Map();
  const rows = [];
  for (const store of stores) {
    const minutes = periodMinutes(data, store, period);
    if (minutes.missing) rows.push({ store, minutes });
    for (const [groups, name] of [[byCity, cityOf(data, store)], [byBrand, brandOf(data, store)]]) {
      if (!groups.has(name)) groups.set(name, noMinutes());
      addMinutes(groups.get(name), minutes);
    }
  }
  const worst = (a, b) => b.minutes.missing - a.minutes.missing;
  const columns = [
    { title: "Availability", value: (row) => availability(row.minutes), shown: (row) => percent(availability(row.minutes)), isNumber: true },
    { title: "Missed", value: (row) => row.minutes.missing, shown: (row) => duration(row.minutes.missing), isNumber: true },
  ];
  const grouped = (title, name, groups) =>
    tablePanel(title, [{ title: name, value: (row) => row.name }, ...columns], [...groups].map(([key, minutes]) => ({ name: key, minutes })).filter((row) => row.minutes.missing).sort(worst), { name: `${summary.country}-${name.toLowerCase()}`, nothing: "Nobody missed a minute." });
  return [
    tablePanel("Top offenders: stores", [...storeColumns(data, (row) => row.store), ...columns], rows.sort(worst), { name: `${summary.country}-stores`, note: `By missed minutes, ${PERIOD_NAMES[period]}`, nothing: "Nobody missed a minute." }),
    grouped("Top offenders: cities", "City", byCity),
    grouped("Top offenders: brands", "Brand", byBrand),
  ];
}

function lists(data, stores, period) {
  const chosen = new Set(stores);
  const end = Date.parse(summary.window_end);
  const outages = data.outages.filter(([store]) => chosen.has(store));
  const rogues = stores.filter((store) => currentState(data, store)?.[0] === "rogue").map((store) => ({ store, minutes: periodMinutes(data, store, period) }));
  byId("lists").replaceChildren(
    tablePanel(
      "Current outages",
      [
        ...storeColumns(data, (row) => row[0]),
        { title: "Since", value: (row) => new Date(row[1] * 1000).toISOString(), shown: (row) => `${row[3] ? "before " : ""}${clock.full(row[1] * 1000)}` },
        { title: "For", value: (row) => Math.round((end / 1000 - row[1]) / 60), shown: (row) => duration((end / 1000 - row[1]) / 60), isNumber: true },
        { title: "Missed", value: (row) => row[2], shown: (row) => duration(row[2]), isNumber: true },
      ],
      outages,
      { name: `${summary.country}-outages`, nothing: "No store is missing." },
    ),
    ...offenders(data, stores, period),
    tablePanel(
      "Rogue stores now",
      [
        ...storeColumns(data, (row) => row.store),
        { title: "Why", value: (row) => (currentState(data, row.store)[1] ?? "").replaceAll("_", " ") },
        { title: "Rogue", value: (row) => row.minutes.rogue, shown: (row) => duration(row.minutes.rogue), isNumber: true },
      ],
      rogues.sort((a, b) => b.minutes.rogue - a.minutes.rogue),
      { name: `${summary.country}-rogue`, note: "Online without being expected to be", nothing: "No store is online outside its hours." },
    ),
    tablePanel(
      "Suspect windows, gaps, waiting windows",
      [
        { title: "Window", value: (row) => new Date(row[0] * 1000).toISOString(), shown: (row) => clock.full(row[0] * 1000) },
        { title: "What", value: (row) => row[1] },
        { title: "Why", value: (row) => row[2] },
      ],
      data.troubles,
      { name: `${summary.country}-windows`, note: "Of 30 days", nothing: "Every window was observed and looks right." },
    ),
  );
}

/** One store: who it is, its 48 hours as runs, its 30 dates. */
function drillDown(data) {
  const place = byId("store");
  const store = data.ids.indexOf(state.get("store"));
  place.hidden = store < 0;
  if (store < 0) return;
  const close = element("button", { type: "button", class: "small" }, "Close");
  close.addEventListener("click", () => state.set({ store: "" }));
  const bar = element("div", { class: "runs", role: "img", "aria-label": "Status over 48 hours" });
  const rows = [];
  for (const [start, length, [status, reason, expected]] of runsOf(data, store)) {
    const from = data.windows[start][0] * 1000;
    const run = element("span", { class: `run ${status}`, title: `${clock.full(from)}, ${duration(length * 15)}: ${status}${reason ? `, ${reason}` : ""}` });
    run.style.left = `${(start / WINDOWS) * 100}%`;
    run.style.width = `${(length / WINDOWS) * 100}%`;
    bar.append(run);
    rows.push({ from, length, status, reason, expected });
  }
  const days = data.dates.slice(-30).map((date, index) => {
    const at = (store + 1) * DAYS - 30 + index;
    const minutes = { expected: data.day_expected[at], missing: data.day_missing[at], unknown: data.day_unknown[at], rogue: data.day_rogue[at] };
    return { date, ...minutes, available: minutes.expected - minutes.missing - minutes.unknown };
  });
  place.replaceChildren(
    element("header", {}, element("h2", {}, `${storeName(data, store)} (${data.ids[store]})`), close),
    element("p", { class: "note" }, `${cityOf(data, store)} · ${brandOf(data, store)}`),
    bar,
    element("p", { class: "legend" }, ...["available", "missing", "rogue", "unknown", "closed"].map((name) => element("span", {}, element("i", { class: `run ${name}` }), ` ${name} `))),
    tablePanel(
      "48 hours",
      [
        { title: "From", value: (row) => new Date(row.from).toISOString(), shown: (row) => clock.full(row.from) },
        { title: "For", value: (row) => row.length * 15, shown: (row) => duration(row.length * 15), isNumber: true },
        { title: "Status", value: (row) => row.status },
        { title: "Reason", value: (row) => (row.reason ?? "").replaceAll("_", " ") },
      ],
      rows.reverse(),
      { name: `${summary.country}-store-${data.ids[store]}` },
    ),
    tablePanel(
      "30 days",
      [
        { title: "Date", value: (row) => row.date },
        { title: "Availability", value: availability, shown: (row) => percent(availability(row)), isNumber: true },
        { title: "Expected", value: (row) => row.expected, shown: (row) => duration(row.expected), isNumber: true },
        { title: "Missed", value: (row) => row.missing, shown: (row) => duration(row.missing), isNumber: true },
        { title: "Rogue", value: (row) => row.rogue, shown: (row) => duration(row.rogue), isNumber: true },
      ],
      days.reverse().filter((row) => row.expected || row.rogue),
      { name: `${summary.country}-store-${data.ids[store]}-days`, nothing: "Never expected to be open." },
    ),
  );
}

async function show(data) {
  const stores = chosenStores(data, state.get("city"), state.get("brand"), state.get("search"), "");
  const period = state.get("period") || "24h";
  byId("chosen").textContent = `${count(stores.length)} of ${count(data.ids.length)} stores`;
  cards(data, stores);
  lists(data, stores, period);
  drillDown(data);
  const heatOf = state.get("city") ? ["city", state.get("city")] : state.get("brand") ? ["brand", state.get("brand")] : ["all", null];
  byId("heat-of").textContent = heatOf[1] ? `Of all stores of ${heatOf[1]}, 30 days` : "Of the country, 30 days";
  byId("distribution-of").textContent = `Stores by availability, ${PERIOD_NAMES[period]}`;
  await Promise.all([
    drawTimeline(data, timeline(data, stores), summary.objective, clock),
    drawDistribution(distribution(data, stores, period)),
    drawHeat(data, ...heatOf),
  ]);
  document.body.dataset.ready = String(Number(document.body.dataset.ready ?? 0) + 1);
}

async function start() {
  themeButton();
  watchFreshness(summary, (text, level) => {
    byId("freshness").textContent = text;
    byId("freshness").className = `badge ${level}`;
  });
  byId("suspect").hidden = !summary.suspect;
  byId("suspect").textContent = summary.suspect ? `The newest window is suspect: ${summary.suspect}` : "";
  byId("held").hidden = !summary.held_back.length;
  byId("held").append(...summary.held_back.map((each) => element("li", {}, `Alerts ${each}`)));
  const data = await unpack(byId("data").textContent);
  filters(data);
  let pending = Promise.resolve();
  state.listeners.push(() => {
    pending = pending.then(() => show(data));
  });
  await show(data);
}

start();
