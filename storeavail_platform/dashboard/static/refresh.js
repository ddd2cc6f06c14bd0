// A page that stays true: it says how old it is, its figures turn grey when they are, and it loads itself again when the next
// window is due.

const LOOKED = 5_000;
/** Milliseconds after a window's page is due until it is asked for, and until it is asked for again: twice as long each time. */
const WRITTEN_AFTER = 60_000;
const LONGEST_WAIT = 16 * 60_000;

/** How old a country's newest observation is, and what that is called: fresh, late or stale. */
function ageOf(summary) {
  if (!summary.observed_at) return { level: "stale" };
  const observed = Date.parse(summary.observed_at);
  const seconds = (Date.now() - observed) / 1000;
  return { observed, seconds, level: seconds > summary.fail_seconds ? "stale" : seconds > summary.warn_seconds ? "late" : "fresh" };
}

function ageText(summary, clock) {
  const { observed, seconds, level } = ageOf(summary);
  if (observed === undefined) return "never observed";
  const zone = summary.zone ? ` (${summary.zone})` : "";
  const said = `observed ${seconds > 86_400 ? clock.full(observed) : clock.time(observed)}${zone}`;
  if (level === "fresh") return `${said}, next about ${clock.time(Date.parse(summary.next_at))}`;
  return `${said}: ${duration(seconds / 60)} ago, newer figures are late`;
}

/** The age of a country's figures, again and again: `show` gets the text, the level, and "now" or the time they are of. */
function watchFreshness(summary, show) {
  const clock = clockOf(summary.timezone);
  const look = () => {
    const { observed, level } = ageOf(summary);
    show(ageText(summary, clock), level, level === "fresh" || observed === undefined ? "now" : `at ${clock.time(observed)}`);
  };
  look();
  setInterval(look, LOOKED);
}

/** Figures of this moment turn grey and lose the word "now" when they are not of it any more. */
function greyWhenOld(root, level, moment) {
  root.classList.toggle("old", level === "stale");
  for (const said of root.querySelectorAll("[data-now]")) said.textContent = moment;
}

/** How the tables were, before the page was loaded again. */
function restoreTables() {
  for (const [name, chosen] of history.state?.tables ?? []) tableStates.set(name, chosen);
}

const isOff = () => new URLSearchParams(location.search).get("refresh") === "off";

/** Milliseconds until the page is loaded again, having been loaded `tries` times since its figures were due. */
function waitFor(due, now, tries) {
  const first = due + WRITTEN_AFTER - now;
  return first > 0 ? first : Math.min(LONGEST_WAIT, WRITTEN_AFTER * 2 ** tries);
}

/**
 * Load the page again when the next window is due; place, choice and how far it was scrolled stay.
 * A page from a folder is loaded as it is. Over HTTP the page is asked for first, so that a server which does not answer leaves
 * the last figures where they are.
 * due: milliseconds; mark: what tells these figures from newer ones.
 */
function keepTrue(due, mark) {
  const before = history.state ?? {};
  if (before.scroll) requestAnimationFrame(() => scrollTo(0, before.scroll));
  if (isOff()) return;
  let tries = before.mark === mark ? before.tries : 0;
  let canAsk = location.protocol.startsWith("http");
  // a stricter policy of whoever serves the page
  addEventListener("securitypolicyviolation", () => {
    canAsk = false;
  });
  const again = () => setTimeout(look, waitFor(due, Date.now(), tries));
  const load = () => {
    history.replaceState({ mark, tries, scroll: scrollY, tables: [...tableStates] }, "");
    location.reload();
  };
  const look = async () => {
    tries++;
    if (!canAsk) return load();
    const text = await fetch(location.pathname, { cache: "no-cache", credentials: "same-origin" }).then((answer) => (answer.ok ? answer.text() : ""), () => "");
    if (text && !text.includes(mark)) return load();
    again();
  };
  again();
}
