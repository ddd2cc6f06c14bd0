// Charts, by Vega-Lite. Expressions are interpreted, so that the page needs no right to evaluate text.

const COLORS = {
  light: { text: "#1b1f24", grid: "#d8dee4", line: "#0b5cad", fill: "#0b5cad", suspect: "#9a6700", gap: "#6e7781", heat: ["#b42318", "#f4c7a1", "#0a7a4b"] },
  dark: { text: "#e6edf3", grid: "#30363d", line: "#6cb6ff", fill: "#6cb6ff", suspect: "#e3b341", gap: "#8b949e", heat: ["#ff7b72", "#8a6d4f", "#3fb950"] },
};

const colors = () => COLORS[isDark() ? "dark" : "light"];

function config() {
  const { text, grid } = colors();
  const axis = { labelColor: text, titleColor: text, gridColor: grid, domainColor: grid, tickColor: grid, labelFontSize: 12, titleFontSize: 12 };
  return { background: null, view: { stroke: null }, axis, legend: { labelColor: text, titleColor: text }, font: "system-ui, sans-serif" };
}

/** Draw a specification into an element, and say what it shows. */
async function draw(id, spec, description) {
  const place = byId(id);
  // Vega makes the description the chart's label
  const full = { width: "container", height: 180, config: config(), description, ...spec };
  await vegaEmbed(place, full, { mode: "vega-lite", ast: true, actions: false, renderer: "canvas", defaultStyle: false, tooltip: { disableDefaultStyle: true } });
}

/** Availability by quarter hour, with the objective, suspect windows and gaps. */
function drawTimeline(data, windows, objective, clock) {
  const points = windows.map((minutes, number) => {
    const [start, , kind, reason] = data.windows[number];
    const value = availability(minutes);
    // the country's clock, whatever the reader's is
    return { at: number, label: clock.full(start * 1000), value, kind, reason: reason ?? kind };
  });
  const marked = points.filter((point) => ["suspect", "gap", "waiting"].includes(point.kind));
  const { line, suspect, gap, grid } = colors();
  const low = Math.min(objective, ...points.map((point) => point.value ?? 1));
  const scale = { zero: false, domain: [Math.max(0, Math.floor(low * 20 - 0.5) / 20), 1] };
  const every = points.filter((point) => data.windows[point.at][0] % 21_600 === 0).map((point) => point.at);
  const x = { field: "at", type: "quantitative", title: null, scale: { domain: [0, WINDOWS - 1] }, axis: { values: every, labelExpr: labels(points, every), grid: false } };
  return draw(
    "timeline",
    {
      layer: [
        { data: { values: marked }, mark: { type: "rule", strokeWidth: 3, opacity: 0.7 }, encoding: { x, color: { field: "kind", type: "nominal", title: null, scale: { domain: ["suspect", "gap", "waiting"], range: [suspect, gap, grid] } }, tooltip: [{ field: "label", title: "window" }, { field: "reason" }] } },
        { data: { values: [{ objective }] }, mark: { type: "rule", strokeDash: [4, 4], color: gap }, encoding: { y: { datum: objective, type: "quantitative", scale } } },
        { data: { values: points }, mark: { type: "line", color: line, interpolate: "step-after", invalid: "break-paths-show-path-domains" }, encoding: { x, y: { field: "value", type: "quantitative", title: null, axis: { format: "%" }, scale }, tooltip: [{ field: "label", title: "window" }, { field: "value", format: ".2%", title: "availability" }, { field: "kind" }] } },
      ],
    },
    `Availability by quarter hour over 48 hours; ${marked.length} windows are suspect, gaps or waiting`,
  );
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
    { data: { values }, mark: { type: "bar", color: colors().fill }, encoding: { y: { field: "availability", type: "nominal", sort: null, title: null }, x: { field: "stores", type: "quantitative", title: "stores" }, tooltip: [{ field: "availability" }, { field: "stores" }] } },
    `Stores by availability: ${values.map((value) => `${value.stores} ${value.availability}`).join(", ")}`,
  );
}

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** Availability by hour and weekday of the country, or of the city or brand that is chosen. */
function drawHeat(data, kind, name) {
  const place = data.heat.findIndex(([k, n]) => k === kind && (kind === "all" || n === name));
  const values = [];
  for (let hour = 0; place >= 0 && hour < 168; hour++) {
    const at = place * 168 + hour;
    // what is unknown is left out already
    const minutes = { available: data.heat_available[at], expected: data.heat_known[at], unknown: 0 };
    values.push({ day: WEEKDAYS[Math.floor(hour / 24)], hour: hour % 24, value: availability(minutes) });
  }
  return draw(
    "heat",
    { data: { values }, mark: "rect", encoding: { x: { field: "hour", type: "ordinal", title: "hour", scale: { domain: [...Array(24).keys()] }, axis: { labelAngle: 0, labelOverlap: true } }, y: { field: "day", type: "ordinal", sort: WEEKDAYS, title: null }, color: { field: "value", type: "quantitative", title: null, legend: { format: "%" }, scale: { domain: [0.8, 0.95, 1], range: colors().heat, clamp: true } }, tooltip: [{ field: "day" }, { field: "hour" }, { field: "value", format: ".2%", title: "availability" }] } },
    "Availability by hour and weekday over 30 days",
  );
}
