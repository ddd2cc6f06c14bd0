// What lies below the first screen: periods, offenders, cities and brands, windows that something was wrong with.

const PERIODS = ["now", "24h", "7d", "30d"];
/** Minutes beyond one reading: a store is an offender from the second bad reading on. */
const ONE_READING = 15;

/** A period's minutes: as the tables say for the whole country, added up here for a choice. */
function minutesOf(data, stores, period, isBefore) {
  if (isFiltered()) return total(data, stores, period, isBefore);
  const known = isBefore ? summary.periods[period].before : summary.periods[period];
  return Object.fromEntries(Object.keys(noMinutes()).map((name) => [name, known[`${name}_minutes`]]));
}

/** How much of a period is there, in words; "" where all of it is; null where a shorter one says as much. */
function thereText(period) {
  const { there_minutes: minutes, there_dates: dates } = summary.periods[period];
  if (period === "24h") {
    if (minutes <= ONE_READING) return null;
    return minutes < 1440 ? `${duration(minutes)} of 24 h` : "";
  }
  if (period === "now") return "";
  if (dates <= (period === "7d" ? 1 : 7)) return null;
  return dates < PERIOD_DAYS[period] ? `${dates} of ${PERIOD_DAYS[period]} days` : "";
}

function periodCard(data, stores, period) {
  const minutes = minutesOf(data, stores, period, false);
  const value = availability(minutes);
  const before = availability(minutesOf(data, stores, period, true));
  const level = value === null ? "" : value >= summary.objective ? "good" : "bad";
  const title = period === "now" ? element("h2", {}, "Available ", nowText()) : element("h2", {}, PERIOD_NAMES[period]);
  const met = value === null ? "nothing known" : `${level === "good" ? "meets" : "below"} the objective of ${percent(summary.objective)}`;
  const parts = [thereText(period), points(value, before), `coverage ${percent(coverage(minutes), 2)}`, `${storeHours(minutes.missing)} missed`];
  return element("article", { class: `card ${level}`, id: `card-${period}` }, title, element("p", { class: "figure" }, percent(value, 2)), element("p", {}, met), element("p", { class: "note" }, parts.filter(Boolean).join(" · ")));
}

function cards(data, stores) {
  const shown = PERIODS.filter((period) => thereText(period) !== null);
  byId("cards").replaceChildren(...shown.map((period) => periodCard(data, stores, period)));
}

const shareColumn = () => ({ title: "Availability", unit: "%", value: (row) => availability(row.minutes), file: (row) => inPercent(availability(row.minutes)), shown: (row) => percent(availability(row.minutes)), isNumber: true });
const inHours = (minutes) => Math.round(minutes / 6) / 10;
const inPercent = (share) => (share === null ? "" : Math.round(share * 10_000) / 100);

function offendersPanel(data, stores, period) {
  const rows = stores.map((store) => ({ store, minutes: periodMinutes(data, store, period), dates: badDates(data, store) })).filter((row) => row.minutes.missing > ONE_READING);
  const columns = [
    ...storeColumns(data, (row) => row.store),
    { ...shareColumn(), isSide: true },
    { title: "Missed", unit: "minutes", value: (row) => row.minutes.missing, shown: (row) => duration(row.minutes.missing), isNumber: true },
    { title: "Bad days", unit: "of 30", value: (row) => row.dates, shown: (row) => `${row.dates} of 30`, isNumber: true },
    ...stateColumns(data, (row) => row.store),
  ];
  rows.sort((a, b) => b.minutes.missing - a.minutes.missing);
  return tablePanel("Top offenders: stores", columns, rows, { name: `${summary.country}-stores`, note: `Two bad readings or more, ${PERIOD_NAMES[period]}`, nothing: "No store had two bad readings." });
}

/** Minutes of stores by a name of theirs. */
function grouped(data, stores, period, nameOf) {
  const groups = new Map();
  for (const store of stores) {
    const name = nameOf(data, store);
    if (!groups.has(name)) groups.set(name, noMinutes());
    addMinutes(groups.get(name), periodMinutes(data, store, period));
  }
  return [...groups].map(([name, minutes]) => ({ name, minutes })).filter((row) => row.minutes.missing);
}

/** Cities or brands: by size, and by what they miss beyond what the country's share would be. */
function groupPanel(data, stores, period, title, heading, nameOf) {
  const rows = grouped(data, stores, period, nameOf);
  const all = minutesOf(data, stores, period, false);
  const share = all.expected - all.unknown ? all.missing / (all.expected - all.unknown) : 0;
  const excess = ({ minutes }) => minutes.missing - share * (minutes.expected - minutes.unknown);
  const columns = [
    { title: heading, value: (row) => row.name },
    shareColumn(),
    { title: "Missed", unit: "store-hours", value: (row) => inHours(row.minutes.missing), shown: (row) => inStoreHours(row.minutes.missing), isNumber: true },
    { title: "Above average", unit: "store-hours", value: (row) => inHours(excess(row)), shown: (row) => (excess(row) > 0 ? inStoreHours(excess(row)) : MISSING), isNumber: true },
    ...countryColumns(),
  ];
  rows.sort((a, b) => excess(b) - excess(a));
  return tablePanel(title, columns, rows, { name: `${summary.country}-${heading.toLowerCase()}`, note: `Store-hours, by what is missed beyond the average of ${isFiltered() ? "the choice" : (summary.brand ?? "the country")}, ${PERIOD_NAMES[period]}`, nothing: "Nobody missed a minute." });
}

function roguePanel(data, stores, period) {
  const rows = stores.filter((store) => currentState(data, store)?.[0] === "rogue").map((store) => ({ store, minutes: periodMinutes(data, store, period) }));
  const columns = [
    ...storeColumns(data, (row) => row.store),
    { title: "Why", value: (row) => words(currentState(data, row.store)[1]) },
    { title: "Rogue", unit: "minutes", value: (row) => row.minutes.rogue, shown: (row) => duration(row.minutes.rogue), isNumber: true },
    observedColumn(),
  ];
  return tablePanel("Rogue stores", columns, rows.sort((a, b) => b.minutes.rogue - a.minutes.rogue), { name: `${summary.country}-rogue`, note: `Online without being expected to be; rogue: ${PERIOD_NAMES[period]}`, nothing: "No store is online outside its hours." });
}

function troublesPanel(data) {
  const columns = [
    { title: "Window", unit: summary.timezone, value: (row) => clock.whole(row[0] * 1000), shown: (row) => clock.full(row[0] * 1000) },
    { title: "What", value: (row) => row[1] },
    { title: "Why", value: (row) => row[2] },
    ...countryColumns(),
  ];
  return tablePanel("Suspect windows, gaps, waiting windows", columns, data.troubles, { name: `${summary.country}-windows`, note: "Of 30 days", nothing: "Every window was observed and looks right." });
}

function lists(data, stores, period) {
  byId("lists").replaceChildren(
    offendersPanel(data, stores, period),
    groupPanel(data, stores, period, "Top offenders: cities", "City", cityOf),
    ...(summary.brand ? [] : [groupPanel(data, stores, period, "Top offenders: brands", "Brand", brandOf)]),
    roguePanel(data, stores, period),
    troublesPanel(data),
  );
}
