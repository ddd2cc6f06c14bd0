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

/** Whether the server answers: a script that the page's policy knows by its hash, and which does nothing, is loaded. */
const answers = (place) =>
  new Promise((resolve) => {
    const say = (does) => () => {
      probe.remove();
      resolve(does);
    };
    const probe = element("script", { src: `${place}?${Date.now()}`, integrity: ALIVE, onload: say(true), onerror: say(false) });
    document.head.append(probe);
  });

/**
 * Load the page again when the next window is due; place, choice and how far it was scrolled stay.
 * Over HTTP the server is asked first, so that one which does not answer leaves the last figures where they are. Where it cannot
 * be asked (a folder, a proxy that hands out pages alone), the page is loaded as it is.
 * due: milliseconds; place: of alive.js.
 */
async function keepTrue(due, place) {
  const before = history.state ?? {};
  if (before.scroll) requestAnimationFrame(() => scrollTo(0, before.scroll));
  if (isOff()) return;
  let tries = before.due === due ? before.tries : 0;
  let canAsk = false;
  const again = () => setTimeout(look, waitFor(due, Date.now(), tries));
  const look = async () => {
    tries++;
    if (canAsk && !(await answers(place))) return again();
    history.replaceState({ due, tries, scroll: scrollY, tables: [...tableStates] }, "");
    location.reload();
  };
  again();
  canAsk = location.protocol.startsWith("http") && (await answers(place));
}
