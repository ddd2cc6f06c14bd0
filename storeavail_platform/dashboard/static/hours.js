// When a store opens: today's and tomorrow's hours, on the country's clock.

/** Intervals [opens, closes] in minutes after today's midnight of a store; day: 0 today, 1 tomorrow; null: not known. */
function hoursOf(data, store, day) {
  const found = data.hours[data.store_hours[store]][day];
  return found && found.map(([opens, closes]) => [opens + day * 1440, closes + day * 1440]);
}

/** The country's last midnight before the newest window, in milliseconds. */
function midnight(data) {
  const [start, offset] = data.windows[WINDOWS - 1];
  return (start - ((start / 60 + offset) % 1440) * 60) * 1000;
}

/** When a store opens next, today or tomorrow, in milliseconds; null: not known. */
function opensAt(data, store) {
  const now = (Date.parse(summary.window_end) - midnight(data)) / 60_000;
  const next = [0, 1].flatMap((day) => hoursOf(data, store, day) ?? []).map(([opens]) => opens).filter((opens) => opens >= now);
  return next.length ? midnight(data) + Math.min(...next) * 60_000 : null;
}

const clockText = (minutes) => `${String(Math.floor(minutes / 60) % 24).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

/** Hours in words: "10:00–22:00", "closed", "not known". */
function hoursText(data, store, day) {
  const hours = hoursOf(data, store, day);
  if (hours === null) return "not known";
  const text = ([opens, closes]) => (closes - opens === 1440 ? "24 hours" : `${clockText(opens)}–${clockText(closes)}`);
  return hours.map(text).join(", ") || "closed";
}
