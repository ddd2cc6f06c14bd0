// A country's page: reads what is chosen, and has it shown.

const summary = JSON.parse(byId("summary").textContent);
const clock = clockOf(summary.timezone);

const storeName = (data, store) => data.names[store] ?? "(no name)";
const cityOf = (data, store) => data.cities[data.store_city[store]] ?? MISSING;
const brandOf = (data, store) => data.brands[data.store_brand[store]] ?? MISSING;

function storeLink(data, store) {
  const open = () => {
    state.set({ store: data.ids[store] });
    byId("store").scrollIntoView({ block: "start" });
  };
  // where there is no room for columns of their own
  const where = element("small", { class: "instead" }, `${cityOf(data, store)} · ${brandOf(data, store)}`);
  return element("span", {}, linkButton(storeName(data, store), open), where);
}

const storeColumns = (data, storeOf) => [
  { title: "Country", inFile: true, value: () => summary.country },
  { title: "Store", value: (row) => storeName(data, storeOf(row)), shown: (row) => storeLink(data, storeOf(row)) },
  { title: "Id", value: (row) => data.ids[storeOf(row)], isSide: true },
  { title: "City", value: (row) => cityOf(data, storeOf(row)), isSide: true },
  { title: "Brand", value: (row) => brandOf(data, storeOf(row)), isSide: true },
  { title: "Status", inFile: true, value: (row) => currentState(data, storeOf(row))?.[0] ?? "" },
];

/** What a file says of a store's newest window beside the table. */
const stateColumns = (data, storeOf) => [{ title: "Reason", inFile: true, value: (row) => words(currentState(data, storeOf(row))?.[1]) }, observedColumn()];

function fillSelect(id, names, all) {
  const select = byId(id);
  select.replaceChildren(new Option(all, ""), ...names.map((name) => new Option(name, name)));
  select.value = state.get(id);
  select.addEventListener("change", () => state.set({ [id]: select.value }));
  state.listeners.push(() => {
    select.value = state.get(id);
  });
}

const CHOICES = ["city", "brand", "search", "status"];
const isFiltered = () => CHOICES.some((name) => state.get(name));

fileWords = () => [...CHOICES.map((name) => state.get(name)), clock.whole(Date.parse(summary.window_end) - 900_000)];

function clear() {
  byId("search").value = "";
  state.set({ city: "", brand: "", search: "", status: "", store: "" });
}

/** Beside the sentence, which is of the whole country: what is shown below is of a choice. */
function scopeText(stores, all) {
  byId("scope").hidden = !isFiltered();
  const chosen = CHOICES.map((name) => words(state.get(name)).replace(".", ", ")).filter(Boolean).join(" · ");
  byId("scope").replaceChildren(`Below: ${chosen}, ${count(stores)} of ${count(all)} stores. `, linkButton("Show all", clear));
}

function filters(data) {
  const countries = byId("country");
  countries.replaceChildren(...summary.countries.map((code) => new Option(countryName(code), code, code === summary.country, code === summary.country)));
  countries.parentElement.hidden = summary.countries.length < 2;
  countries.addEventListener("change", () => location.assign(`../${countries.value}/index.html`));
  fillSelect("city", data.cities, "All cities");
  fillSelect("brand", data.brands, "All brands");
  byId("brand").parentElement.hidden = Boolean(summary.brand);
  const search = byId("search");
  search.value = state.get("search");
  search.addEventListener("input", () => state.set({ search: search.value }));
  const period = byId("period");
  period.value = state.get("period") || "24h";
  period.addEventListener("change", () => state.set({ period: period.value }));
  byId("clear").addEventListener("click", clear);
  // a phone's first screen is for what is down
  byId("filters").open = isFiltered() || innerWidth > 800;
}

/** A choice that names nothing says so: a city or brand that is not there, a search without a result. */
function nothingText(data, stores) {
  for (const [name, known] of [["city", data.cities], ["brand", data.brands]]) {
    const value = state.get(name);
    if (value && !known.includes(value)) return `No ${name} of this page is called “${value}”.`;
  }
  if (state.get("store") && !data.ids.includes(state.get("store"))) return `No store of this page has the id “${state.get("store")}”.`;
  return isFiltered() && !stores.length ? "No store is like that: clear a filter to see others." : "";
}

async function charts(data, stores, period) {
  const kind = ["city", "brand"].find((name) => state.get(name));
  // a brand's page has no cities' hours
  const heatOf = kind && !summary.brand ? [kind, state.get(kind)] : ["all", null];
  const whole = summary.brand ?? countryName(summary.country);
  byId("heat-of").textContent = `All stores of ${heatOf[1] ?? whole}, 30 days, ${summary.zone}`;
  byId("distribution-of").textContent = `Stores by availability, ${PERIOD_NAMES[period]}`;
  byId("timeline-of").textContent = `48 hours, ${summary.zone}; dashed: the objective; ${summary.brand ? "" : "thin: a week before, of the whole country; "}grey: few stores should be open`;
  runLibrary();
  await drawTimeline(data, timeline(data, stores), summary, clock);
  await painted();
  await drawDistribution(distribution(data, stores, period));
  await drawHeat(data, summary.objective, ...heatOf);
}

let level = "";
let moment = "now";

const chosenIn = (data, status) => chosenStores(data, state.get("city"), state.get("brand"), state.get("search"), status);

/** What the first screen shows: it can be read before what lies below is made. */
function showFirst(data) {
  const stores = chosenIn(data, state.get("status"));
  byId("chosen").textContent = `${count(stores.length)} of ${count(data.ids.length)} stores`;
  scopeText(stores.length, data.ids.length);
  byId("nothing").textContent = nothingText(data, stores);
  byId("nothing").hidden = !byId("nothing").textContent;
  tiles(data, chosenIn(data, ""));
  drillDown(data);
  down(data, stores);
  // on a large screen they are in sight; those of a choice are added up of dates that may still be on their way
  if (isWhole(data) || !isFiltered()) cards(data, stores);
  greyWhenOld(document.body, level, moment);
}

async function showBelow(data) {
  await painted();
  if (!isWhole(data)) {
    await addBelow(data);
    drillDown(data);
  }
  const stores = chosenIn(data, state.get("status"));
  const period = state.get("period") || "24h";
  cards(data, stores);
  lists(data, stores, period);
  greyWhenOld(document.body, level, moment);
  await painted();
  await charts(data, stores, period);
  document.body.dataset.ready = String(Number(document.body.dataset.ready ?? 0) + 1);
}

function headline() {
  byId("title").textContent = [countryName(summary.country), summary.brand].filter(Boolean).join(" / ");
  byId("suspect").hidden = !summary.suspect;
  byId("suspect").textContent = summary.suspect ? `The newest window is suspect: ${summary.suspect}` : "";
  byId("confirmation").hidden = !summary.confirmation;
  byId("confirmation").textContent = `Missing stores: ${summary.confirmation}.`;
  const besideCauses = new Set((summary.causes ?? []).flatMap((cause) => cause.held));
  const others = summary.held_back.filter((each) => !besideCauses.has(each));
  byId("held").hidden = !others.length;
  byId("held").append(...others.map((each) => element("li", {}, `Alerts ${each} (${summary.zone})`)));
  watchFreshness(summary, (text, newLevel, newMoment) => {
    [level, moment] = [newLevel, newMoment];
    byId("freshness").textContent = text;
    byId("freshness").className = `badge ${level}`;
    greyWhenOld(document.body, level, moment);
  });
}

async function start() {
  themeButton();
  headline();
  restoreTables();
  const data = await firstData();
  // a store's dates are on its first screen
  if (state.get("store")) await addBelow(data);
  filters(data);
  showFirst(data);
  let pending = showBelow(data);
  state.listeners.push(() => {
    showFirst(data);
    pending = pending.then(() => showBelow(data));
  });
  // the next page may be whole where this one's end was lost on its way
  pending.finally(() => keepTrue(Date.parse(summary.next_at), summary.brand ? "../../alive.js" : "alive.js"));
}

start();
