// Numbers and times as text. Nothing here touches the page.
const MISSING = "–";

/** A share 0..1 as a percentage; a dash where there is none. */
function percent(share, digits = 1) {
  return share === null || share === undefined || Number.isNaN(share) ? MISSING : `${(share * 100).toFixed(digits)} %`;
}

/** The difference of two shares in percentage points, with its sign. */
function points(share, before) {
  if (share === null || before === null || share === undefined || before === undefined) return "no period before";
  const difference = (share - before) * 100;
  if (Math.abs(difference) < 0.05) return "±0.0 points";
  return `${difference < 0 ? "−" : "+"}${Math.abs(difference).toFixed(1)} points`;
}

/** Minutes of one store for people: 45 min, 3 h 05 min, 12 h. */
function duration(minutes) {
  const whole = Math.round(minutes);
  if (whole < 60) return `${whole} min`;
  const hours = count(Math.floor(whole / 60));
  return whole % 60 ? `${hours} h ${String(whole % 60).padStart(2, "0")} min` : `${hours} h`;
}

/** Minutes of many stores added up, in hours: 25,966; 7.5. */
const inStoreHours = (minutes) => (minutes > 0 && minutes < 600 ? (minutes / 60).toFixed(1) : count(Math.round(minutes / 60)));
const storeHours = (minutes) => `${inStoreHours(minutes)} store-hours`;

const count = (number) => number.toLocaleString("en");

/** A code such as outside_hours in words. */
const words = (code) => (code ?? "").replaceAll("_", " ");

/** A country's name, or its code where that is nobody's. */
function countryName(code) {
  if (!/^[A-Z]{2}$/.test(code)) return code;
  return new Intl.DisplayNames("en", { type: "region", fallback: "code" }).of(code);
}

/** Formatters of moments (milliseconds) on a country's clock: 15:22; Mon 23 Nov, 15:22; 2026-11-23 15:22. */
function clockOf(timezone) {
  if (!clocks.has(timezone)) clocks.set(timezone, newClock(timezone));
  return clocks.get(timezone);
}

const clocks = new Map();

function newClock(timezone) {
  const options = { timeZone: timezone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const day = { weekday: "short", day: "numeric", month: "short" };
  const date = { year: "numeric", month: "2-digit", day: "2-digit" };
  return { time: formatter("en-GB", options), full: formatter("en-GB", { ...options, ...day }), whole: formatter("sv-SE", { ...options, ...date }) };
}

/** A function that formats; what it takes long to make is made when it is first asked. */
function formatter(language, options) {
  let made = null;
  return (moment) => (made ??= new Intl.DateTimeFormat(language, options)).format(moment);
}

/** A cell of a CSV file. The rule is Python's: reading/formats/csv_cells.py. */
function csvCell(value) {
  let text = value === null || value === undefined ? "" : String(value);
  if (typeof value !== "number") {
    text = text.replace(new RegExp(CSV_RULE.inside, "g"), "$&'");
    if (new RegExp(CSV_RULE.starts).test(text)) text = `'${text}`;
  }
  return new RegExp(CSV_RULE.quoted).test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
