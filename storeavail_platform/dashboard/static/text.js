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

/** Minutes for people: 45 min, 3 h 05 min, 12 h, 2 d 4 h. */
function duration(minutes) {
  const whole = Math.round(minutes);
  if (whole < 60) return `${whole} min`;
  const hours = Math.floor(whole / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return whole % 60 ? `${hours} h ${String(whole % 60).padStart(2, "0")} min` : `${hours} h`;
}

const count = (number) => number.toLocaleString("en");

/** A formatter of moments (milliseconds) on a country's clock. */
function clockOf(timezone) {
  const options = { timeZone: timezone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const time = new Intl.DateTimeFormat("en-GB", options);
  const full = new Intl.DateTimeFormat("en-GB", { ...options, weekday: "short", day: "numeric", month: "short" });
  return { time: (moment) => time.format(moment), full: (moment) => full.format(moment) };
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
