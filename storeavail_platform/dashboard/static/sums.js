// Adding up what is chosen: stores over windows and days. Minutes are added up and divided last, as in the tables.

const WINDOWS = 192;
const DAY_WINDOWS = 96;
const DAYS = 60;
const PERIOD_DAYS = { "7d": 7, "30d": 30 };
const PERIOD_NAMES = { now: "Now", "24h": "24 hours", "7d": "7 days", "30d": "30 days" };

const noMinutes = () => ({ expected: 0, available: 0, missing: 0, unknown: 0, rogue: 0 });

/** The same as domain/availability.py; null where the divisor is 0. */
function availability({ available, expected, unknown }) {
  const known = expected - unknown;
  return known ? available / known : null;
}

const coverage = ({ expected, unknown }) => (expected ? 1 - unknown / expected : null);

/** The numbers of the stores that are chosen; status is one, or one with its reason: `missing.absent`. */
function chosenStores(data, city, brand, search, status) {
  const wanted = { city: city ? data.cities.indexOf(city) : null, brand: brand ? data.brands.indexOf(brand) : null };
  const text = search.trim().toLowerCase();
  const found = [];
  for (let number = 0; number < data.ids.length; number++) {
    if (wanted.city !== null && data.store_city[number] !== wanted.city) continue;
    if (wanted.brand !== null && data.store_brand[number] !== wanted.brand) continue;
    if (text && data.ids[number] !== text && !(data.names[number] ?? "").toLowerCase().includes(text)) continue;
    if (status && !isIn(currentState(data, number), status)) continue;
    found.push(number);
  }
  return found;
}

const isIn = (now, status) => now !== null && (now[0] === status || `${now[0]}.${now[1]}` === status);

/** How many of some stores are in each status, and for which reasons. */
function countStates(data, stores) {
  const counts = Object.fromEntries(["available", "missing", "rogue", "unknown", "closed"].map((status) => [status, { all: 0, reasons: {} }]));
  for (const store of stores) {
    const now = currentState(data, store);
    if (!now) continue;
    const counted = counts[now[0]];
    counted.all++;
    if (now[1]) counted.reasons[now[1]] = (counted.reasons[now[1]] ?? 0) + 1;
  }
  return counts;
}

/** Add a state of some windows to minutes. */
function addState(minutes, [status, , expected], windows) {
  minutes.expected += expected * windows;
  if (status in minutes && status !== "rogue") minutes[status] += expected * windows;
  if (status === "rogue") minutes.rogue += 15 * windows;
}

/** A store's runs: [first window, windows, state]. */
function* runsOf(data, store) {
  for (let run = data.run_first[store]; run < data.run_first[store + 1]; run++)
    yield [data.run_start[run], data.run_length[run], data.states[data.run_state[run]]];
}

/** Minutes of a store in windows first..last. */
function windowMinutes(data, store, first, last) {
  const minutes = noMinutes();
  for (const [start, length, stateOf] of runsOf(data, store)) {
    const windows = Math.min(start + length - 1, last) - Math.max(start, first) + 1;
    if (windows > 0) addState(minutes, stateOf, windows);
  }
  return minutes;
}

/** Minutes of a store on `days` local dates that end `back` dates before the newest one. */
function dayMinutes(data, store, days, back = 0) {
  const minutes = noMinutes();
  const end = (store + 1) * DAYS - back;
  for (let at = end - days; at < end; at++) {
    minutes.expected += data.day_expected[at];
    minutes.missing += data.day_missing[at];
    minutes.unknown += data.day_unknown[at];
    minutes.rogue += data.day_rogue[at];
  }
  minutes.available = minutes.expected - minutes.missing - minutes.unknown;
  return minutes;
}

/** Minutes of each store in a period, or in the one before it, once they were asked for. */
const knownMinutes = new Map();

function periodMinutes(data, store, period, isBefore = false) {
  const name = `${period}${isBefore}`;
  if (!knownMinutes.has(name)) knownMinutes.set(name, []);
  const known = knownMinutes.get(name);
  known[store] ??= minutesIn(data, store, period, isBefore);
  return known[store];
}

function minutesIn(data, store, period, isBefore) {
  if (period === "now") return windowMinutes(data, store, WINDOWS - 1 - isBefore, WINDOWS - 1 - isBefore);
  if (period === "24h") return isBefore ? windowMinutes(data, store, 0, DAY_WINDOWS - 1) : windowMinutes(data, store, DAY_WINDOWS, WINDOWS - 1);
  return dayMinutes(data, store, PERIOD_DAYS[period], isBefore ? PERIOD_DAYS[period] : 0);
}

function addMinutes(sum, minutes) {
  for (const name of Object.keys(sum)) sum[name] += minutes[name];
  return sum;
}

const total = (data, stores, period, isBefore) => stores.reduce((sum, store) => addMinutes(sum, periodMinutes(data, store, period, isBefore)), noMinutes());

/** A store's run that goes on in the newest window: [first window, windows, state]; or null. */
function lastRun(data, store) {
  const last = data.run_first[store + 1] - 1;
  if (last < data.run_first[store] || data.run_start[last] + data.run_length[last] < WINDOWS) return null;
  return [data.run_start[last], data.run_length[last], data.states[data.run_state[last]]];
}

/** A store's state in the newest window, or null. */
const currentState = (data, store) => lastRun(data, store)?.[2] ?? null;

/** Minutes of the chosen stores by window. */
function timeline(data, stores) {
  // what begins and ends in each, then added up
  const windows = Array.from({ length: WINDOWS + 1 }, noMinutes);
  for (const store of stores)
    for (const [start, length, stateOf] of runsOf(data, store)) {
      addState(windows[start], stateOf, 1);
      addState(windows[start + length], stateOf, -1);
    }
  for (let window = 1; window < WINDOWS; window++) addMinutes(windows[window], windows[window - 1]);
  return windows.slice(0, WINDOWS);
}

/** On how many of the last 30 local dates a store was missing. */
function badDates(data, store) {
  let dates = 0;
  for (let at = (store + 1) * DAYS - 30; at < (store + 1) * DAYS; at++) dates += data.day_missing[at] > 0;
  return dates;
}

const BINS = [0, 0.5, 0.8, 0.9, 0.95, 0.99, 1];
const BIN_NAMES = ["below 50 %", "50–80 %", "80–90 %", "90–95 %", "95–99 %", "99–100 %", "100 %"];

/** How many stores have which availability in a period: a mean hides the bad tail. */
function distribution(data, stores, period) {
  const counts = new Array(BINS.length).fill(0);
  for (const store of stores) {
    const value = availability(periodMinutes(data, store, period));
    if (value === null) continue;
    let bin = BINS.length - 1;
    while (value < BINS[bin]) bin--;
    counts[bin]++;
  }
  return counts;
}
