// Charts, by Vega-Lite. Expressions are interpreted, so that the page needs no right to evaluate text.

/** Run the library that draws, once: until then it is text, so that the first screen does not wait for it. */
function runLibrary() {
  const text = byId("library");
  if (!text) return;
  document.head.append(element("script", {}, text.textContent));
  text.remove();
}

const COLORS = {
  light: { text: "#1b1f24", grid: "#d8dee4", line: "#0b5cad", soft: "#6e7781", suspect: "#9a6700", gap: "#6e7781", incident: "#b42318", heat: ["#b42318", "#f4c7a1", "#0a7a4b"] },
  dark: { text: "#e6edf3", grid: "#30363d", line: "#6cb6ff", soft: "#8b949e", suspect: "#e3b341", gap: "#8b949e", incident: "#ff7b72", heat: ["#ff7b72", "#8a6d4f", "#3fb950"] },
};

const colors = () => COLORS[isDark() ? "dark" : "light"];
/** Pixels of the page's type, which grows with the screen, and charts with it. */
const typeSize = () => parseFloat(getComputedStyle(document.body).fontSize);

function config() {
  const { text, grid } = colors();
  const size = Math.round(typeSize() * 0.8);
  const axis = { labelColor: text, titleColor: text, gridColor: grid, domainColor: grid, tickColor: grid, labelFontSize: size, titleFontSize: size };
  const legend = { labelColor: text, titleColor: text, labelFontSize: size };
  return { background: null, view: { stroke: null }, axis, legend, text: { color: text, fontSize: size }, font: "system-ui, sans-serif" };
}

/** Draw a specification into an element, and say what it shows. */
async function draw(id, spec, description) {
  const place = byId(id);
  // Vega makes the description the chart's label
  const full = { width: "container", height: Math.round(typeSize() * 12), config: config(), description, ...spec };
  await vegaEmbed(place, full, { mode: "vega-lite", ast: true, actions: false, renderer: "canvas", defaultStyle: false, tooltip: { disableDefaultStyle: true } });
}

/** The windows as points of the timeline: what is shown of each. */
function timelinePoints(data, windows, clock) {
  const most = Math.max(1, ...windows.map((minutes) => minutes.expected));
  return windows.map((minutes, number) => {
    const [start, , kind, reason] = data.windows[number];
    const before = data.week_before[number];
    // the country's clock, whatever the reader's is
    // of a window without rows nobody knows how many stores should have been open
    const night = minutes.expected || ["complete", "suspect"].includes(kind) ? 1 - minutes.expected / most : 0;
    return { at: number, end: number + 1, label: clock.full(start * 1000), value: availability(minutes), before, kind, reason: reason ?? kind, night };
  });
}

/** Incidents in the 48 hours: where each begins and ends, with its name. */
const incidentMarks = (data) => data.incidents.map(([first, end, name], place) => ({ at: Math.max(0, first), end: end ?? WINDOWS, name, below: typeSize() * (0.6 + place) }));

/** Availability by quarter hour, with the objective, last week, nights, incidents, suspect windows and gaps. */
function drawTimeline(data, windows, summary, clock) {
  const points = timelinePoints(data, windows, clock);
  const marked = points.filter((point) => ["suspect", "gap", "waiting"].includes(point.kind));
  const incidents = incidentMarks(data);
  const { line, soft, suspect, gap, grid, incident } = colors();
  const low = Math.min(summary.objective, ...points.flatMap((point) => [point.value ?? 1, point.before ?? 1]));
  const scale = { zero: false, domain: [Math.max(0, Math.floor(low * 20 - 0.5) / 20), 1] };
  const every = points.filter((point) => (data.windows[point.at][0] / 60 + data.windows[point.at][1]) % 360 === 0).map((point) => point.at);
  const x = { field: "at", type: "quantitative", title: null, scale: { domain: [0, WINDOWS] }, axis: { values: every, labelExpr: labels(points, every), grid: false, labelOverlap: true } };
  const share = (field) => ({ field, type: "quantitative", title: null, axis: { format: "%" }, scale });
  const step = { type: "line", interpolate: "step-after", invalid: "break-paths-show-path-domains" };
  const kind = { field: "kind", type: "nominal", title: null, scale: { domain: ["suspect", "gap", "waiting"], range: [suspect, gap, grid] } };
  const layer = [
    { data: { values: points }, mark: { type: "rect", color: soft }, encoding: { x, x2: { field: "end" }, opacity: { field: "night", type: "quantitative", legend: null, scale: { domain: [0, 1], range: [0, 0.22] } } } },
    { data: { values: marked }, mark: { type: "rule", strokeWidth: 3, opacity: 0.7 }, encoding: { x, color: kind, tooltip: [{ field: "label", title: "window" }, { field: "reason" }] } },
    { data: { values: [{}] }, mark: { type: "rule", strokeDash: [4, 4], color: gap }, encoding: { y: { datum: summary.objective, type: "quantitative", scale } } },
    { data: { values: points }, mark: { ...step, color: soft, strokeWidth: 1 }, encoding: { x, y: share("before") } },
    { data: { values: points }, mark: { ...step, color: line }, encoding: { x, y: share("value"), tooltip: [{ field: "label", title: "window" }, { field: "value", format: ".2%", title: "availability" }, { field: "before", format: ".2%", title: "a week before" }, { field: "kind" }] } },
    { data: { values: incidents }, mark: { type: "rect", color: incident, opacity: 0.15 }, encoding: { x, x2: { field: "end" }, tooltip: { field: "name" } } },
    { data: { values: incidents }, mark: { type: "text", align: "right", dx: -4, color: incident }, encoding: { x: { ...x, field: "end" }, y: { field: "below", type: "quantitative", scale: null, axis: null }, text: { field: "name" } } },
  ];
  const description = `Availability by quarter hour over 48 hours; ${marked.length} windows are suspect, gaps or waiting; incidents: ${incidents.map((each) => each.name).join(", ") || "none"}`;
  return draw("timeline", { layer }, description);
}

/** A label for each tick, without the hour's date except at midnight. */
function labels(points, every) {
  const texts = Object.fromEntries(every.map((at) => [at, points[at].label.replace(/^(\S+) .*, /, "$1 ")]));
  return `${JSON.stringify(texts)}[datum.value]`;
}

function drawDistribution(counts) {
  const values = counts.map((stores, bin) => ({ availability: BIN_NAMES[bin], stores }));
  return draw(
    "distribution",
    { data: { values }, mark: { type: "bar", color: colors().line }, encoding: { y: { field: "availability", type: "nominal", sort: null, title: null }, x: { field: "stores", type: "quantitative", title: "stores" }, tooltip: [{ field: "availability" }, { field: "stores" }] } },
    `Stores by availability: ${values.map((value) => `${value.stores} ${value.availability}`).join(", ")}`,
  );
}

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** Availability by hour and weekday of the country, or of the city or brand that is chosen; the objective is the middle of the colours. */
function drawHeat(data, objective, kind, name) {
  const place = data.heat.findIndex(([k, n]) => k === kind && (kind === "all" || n === name));
  const values = [];
  for (let hour = 0; place >= 0 && hour < 168; hour++) {
    const at = place * 168 + hour;
    // what is unknown is left out already
    const minutes = { available: data.heat_available[at], expected: data.heat_known[at], unknown: 0 };
    values.push({ day: WEEKDAYS[Math.floor(hour / 24)], hour: hour % 24, value: availability(minutes) });
  }
  // as far below the objective as above it, at least
  const low = Math.min(2 * objective - 1, ...values.map((each) => each.value ?? 1));
  const color = { field: "value", type: "quantitative", title: null, legend: { format: ".0%" }, scale: { domain: [Math.max(0, low), objective, 1], range: colors().heat, clamp: true } };
  const x = { field: "hour", type: "ordinal", title: "hour", scale: { domain: [...Array(24).keys()] }, axis: { labelAngle: 0, labelOverlap: true } };
  const tooltip = [{ field: "day" }, { field: "hour" }, { field: "value", format: ".2%", title: "availability" }];
  return draw("heat", { data: { values }, mark: "rect", encoding: { x, y: { field: "day", type: "ordinal", sort: WEEKDAYS, title: null }, color, tooltip } }, "Availability by hour and weekday over 30 days");
}
