// Tables: sorted by a click on a heading, the rest of a long one behind a button, CSV of what is shown.
//
// A column is {title, value(row) -> what sorts and CSV gets, shown(row) -> text or element, isNumber,
// unit: stands in CSV's heading, inFile: CSV alone, isSide: left out where the panel is narrow}.

const SHOWN_ROWS = 10;
/** How each table is sorted, and whether it is shown whole, by its name: kept while the page is redrawn. */
const tableStates = new Map();

function compared(a, b) {
  const [first, second] = [a, b].map((value) => (value === null || value === undefined || value === "" ? null : value));
  if (first === null || second === null) return (first === null) - (second === null);
  return typeof first === "number" && typeof second === "number" ? first - second : String(first).localeCompare(String(second), "en", { numeric: true });
}

function sorted(rows, column, isDown) {
  // what has no value stays last, whichever way
  const [known, unknown] = [rows.filter((row) => (column.value(row) ?? "") !== ""), rows.filter((row) => (column.value(row) ?? "") === "")];
  known.sort((a, b) => (isDown ? -1 : 1) * compared(column.value(a), column.value(b)));
  return [...known, ...unknown];
}

const cellText = (column, row) => (column.shown ?? ((r) => String(column.value(r) ?? MISSING)))(row);
const cellClass = (column) => [column.isNumber ? "number" : "", column.isSide ? "side" : ""].join(" ").trim();

function tableRow(columns, row, tag = "td") {
  return element("tr", { ...(row.id && { id: row.id }), ...(row.isOld?.() && { class: "old" }) }, ...columns.map((column) => element(tag, { class: cellClass(column) }, cellText(column, row))));
}

/** The heading of a column: a click sorts by it, a second one the other way. */
function heading(column, place, chosen, draw) {
  const direction = chosen.column === place ? (chosen.isDown ? "descending" : "ascending") : "none";
  const button = linkButton(column.title, () => {
    // numbers begin with the largest
    const isDown = chosen.column === place ? !chosen.isDown : Boolean(column.isNumber);
    Object.assign(chosen, { column: place, isDown });
    draw().querySelectorAll("th button")[place].focus();
  });
  return element("th", { scope: "col", class: cellClass(column), "aria-sort": direction }, button);
}

/** A panel with a table: title, note, CSV button, rows; `foot` is a row below them. */
function tablePanel(title, columns, rows, { nothing = "None.", name = "table", note = "", foot = null } = {}) {
  const shown = columns.filter((column) => !column.inFile);
  if (!tableStates.has(name)) tableStates.set(name, { column: -1, isDown: false, isWhole: false });
  const chosen = tableStates.get(name);
  const panel = element("section", { class: "panel" });
  const ordered = () => (chosen.column < 0 ? rows : sorted(rows, shown[chosen.column], chosen.isDown));
  const save = element("button", { type: "button", class: "small", ariaLabel: `${title}: save as CSV` }, "CSV");
  save.addEventListener("click", () => saveCsv(name, columns, ordered()));
  const draw = () => {
    panel.replaceChildren(element("header", {}, element("h2", {}, title), ...(rows.length ? [save] : [])));
    if (note) panel.append(element("p", { class: "note" }, note));
    if (!rows.length) panel.append(element("p", {}, nothing));
    else panel.append(...wholeTable(title, shown, ordered(), chosen, draw, foot));
    return panel;
  };
  return draw();
}

function wholeTable(title, columns, rows, chosen, draw, foot) {
  const listed = chosen.isWhole ? rows : rows.slice(0, SHOWN_ROWS);
  const head = element("tr", {}, ...columns.map((column, place) => heading(column, place, chosen, draw)));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...listed.map((row) => tableRow(columns, row))));
  if (foot) table.append(element("tfoot", {}, tableRow(columns, foot)));
  const made = [element("div", { class: chosen.isWhole ? "scroll whole" : "scroll", tabIndex: 0, role: "region", "aria-label": title }, table)];
  if (listed.length < rows.length) {
    const more = element("button", { type: "button", class: "small" }, `Show all ${count(rows.length)}`);
    more.addEventListener("click", () => {
      chosen.isWhole = true;
      draw();
    });
    made.push(more);
  }
  return made;
}

/** What ends a cell, and the decimal sign, where the reader's language has a comma in numbers. */
function csvSigns(language) {
  const hasComma = (1.5).toLocaleString(language).includes(",");
  return hasComma ? { separator: ";", decimal: "," } : { separator: ",", decimal: "." };
}

function csvText(columns, rows, { separator, decimal } = csvSigns(navigator.language)) {
  const cell = (value) => csvCell(typeof value === "number" && decimal !== "." && !Number.isInteger(value) ? String(value).replace(".", decimal) : value);
  const heads = columns.map((column) => cell(column.unit ? `${column.title} (${column.unit})` : column.title));
  return [heads, ...rows.map((row) => columns.map((column) => cell((column.file ?? column.value)(row))))].map((line) => `${line.join(separator)}\r\n`).join("");
}

/** A file's name from words of which some are names from outside. */
const fileName = (...parts) => parts.filter(Boolean).join("-").replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 120);

function saveCsv(name, columns, rows) {
  const address = URL.createObjectURL(new Blob(["\ufeff", csvText(columns, rows)], { type: "text/csv" }));
  const link = element("a", { href: address, download: `${fileName(name, ...fileWords())}.csv` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** What a file's name says beside the table: the choice that its rows are of. A page may say more. */
let fileWords = () => [];
