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

/** When the page has come as a whole: also what stands below the script that asks. */
const loaded = () => new Promise((resolve) => (document.readyState === "loading" ? addEventListener("DOMContentLoaded", resolve) : resolve()));

/** When what stands on the page is painted; of a page that nobody looks at nothing is, and nothing is waited for. */
const painted = () => new Promise((resolve) => (document.hidden ? resolve() : requestAnimationFrame(() => setTimeout(resolve))));

/** A button that looks like a link. */
function linkButton(text, act, properties = {}) {
  const button = element("button", { type: "button", class: "link", ...properties }, text);
  button.addEventListener("click", act);
  return button;
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
