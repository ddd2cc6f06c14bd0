// The page of all countries, from each one's summary.

const summaries = JSON.parse(byId("summary").textContent);

function card(code, summary) {
  if (summary === null) return element("article", { class: "card bad", id: `country-${code}` }, element("h2", {}, code), element("p", {}, "no figures: this country's page is missing"));
  const { now, "24h": day } = summary.periods;
  const value = now.availability;
  const level = value === null ? "" : value >= summary.objective ? "good" : "bad";
  const badge = element("p", { class: "badge" });
  watchFreshness(summary, (text, freshness) => {
    badge.textContent = text;
    badge.className = `badge ${freshness}`;
  });
  const link = element("a", { href: `${code}/index.html` }, code);
  return element(
    "article",
    { class: `card ${level}`, id: `country-${code}` },
    element("h2", {}, link),
    element("p", { class: "figure" }, percent(value, 2)),
    element("p", {}, value === null ? "nothing known" : `${level === "good" ? "meets" : "below"} the objective of ${percent(summary.objective)}`),
    element("p", { class: "note" }, `24 hours ${percent(day.availability, 2)} (${points(day.availability, day.before.availability)}) · coverage ${percent(day.coverage, 2)}`),
    element("p", { class: "note" }, `${count(summary.stores.missing)} missing, ${count(summary.stores.rogue)} rogue, ${count(summary.outages)} outages going on`),
    badge,
    ...(summary.suspect ? [element("p", { class: "warning" }, `suspect: ${summary.suspect}`)] : []),
    ...(summary.waiting.length || summary.gaps.length ? [element("p", { class: "note" }, `${summary.waiting.length} windows waiting, ${summary.gaps.length} not observed`)] : []),
  );
}

themeButton();
byId("cards").replaceChildren(...Object.entries(summaries).map(([code, summary]) => card(code, summary)));
document.body.dataset.ready = "1";
