// Elements of the page. Text goes in as text only, so that no name can become anything else.

const byId = (id) => document.getElementById(id);

/** An element with properties and children (elements or text). */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key in made && key !== "role") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const SHOWN_ROWS = 15;

/**
 * A table with a caption, a CSV button and, where it is long, a button for the rest.
 * columns: {title, value(row) -> what CSV gets, shown(row) -> text or element, isNumber}
 */
function tablePanel(title, columns, rows, { nothing = "None.", name = "table", note = "" } = {}) {
  const panel = element("section", { class: "panel" });
  const save = element("button", { type: "button", class: "small", ariaLabel: `${title}: save as CSV` }, "CSV");
  save.addEventListener("click", () => saveCsv(name, columns, rows));
  panel.append(element("header", {}, element("h2", {}, title), save));
  if (note) panel.append(element("p", { class: "note" }, note));
  if (!rows.length) {
    panel.append(element("p", {}, nothing));
    return panel;
  }
  const body = element("tbody");
  const add = (some) =>
    body.append(
      ...some.map((row) =>
        element(
          "tr",
          {},
          ...columns.map((column) =>
            element("td", column.isNumber ? { class: "number" } : {}, (column.shown ?? ((r) => String(column.value(r) ?? MISSING)))(row)),
          ),
        ),
      ),
    );
  add(rows.slice(0, SHOWN_ROWS));
  const head = element("tr", {}, ...columns.map((c) => element("th", { scope: "col", class: c.isNumber ? "number" : "" }, c.title)));
  panel.append(element("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": title }, element("table", {}, element("thead", {}, head), body)));
  if (rows.length > SHOWN_ROWS) {
    const more = element("button", { type: "button", class: "small" }, `Show all ${count(rows.length)}`);
    more.addEventListener("click", () => {
      add(rows.slice(SHOWN_ROWS));
      more.remove();
    });
    panel.append(more);
  }
  return panel;
}

function csvText(columns, rows) {
  const lines = [columns.map((column) => csvCell(column.title)), ...rows.map((row) => columns.map((column) => csvCell(column.value(row))))];
  return lines.map((line) => `${line.join(",")}\r\n`).join("");
}

function saveCsv(name, columns, rows) {
  const address = URL.createObjectURL(new Blob(["\ufeff", csvText(columns, rows)], { type: "text/csv" }));
  const link = element("a", { href: address, download: `${name}.csv` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** "observed 10:07, next about 10:22", turning stale by itself. `show` gets the text and fresh, late or stale. */
function watchFreshness(summary, show) {
  const clock = clockOf(summary.timezone);
  const next = Date.parse(summary.next_at);
  const look = () => {
    if (!summary.observed_at) {
      show("never observed", "stale");
      return;
    }
    const observed = Date.parse(summary.observed_at);
    const age = (Date.now() - observed) / 1000;
    const level = age > summary.fail_seconds ? "stale" : age > summary.warn_seconds ? "late" : "fresh";
    const said = `observed ${age > 86_400 ? clock.full(observed) : clock.time(observed)}`;
    show(level === "fresh" ? `${said}, next about ${clock.time(next)}` : `${said}: ${duration(age / 60)} ago, newer figures are late`, level);
  };
  look();
  setInterval(look, 5_000);
}

function themeButton() {
  const button = byId("theme");
  const label = () => {
    button.textContent = isDark() ? "Light" : "Dark";
  };
  button.addEventListener("click", () => state.set({ theme: isDark() ? "light" : "dark" }));
  state.listeners.push(applyTheme, label);
  applyTheme();
  label();
}
