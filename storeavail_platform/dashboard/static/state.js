// What the reader has chosen. It lives in the address, so that a reload or a sent link shows the same.

const state = {
  values: new URLSearchParams(location.hash.slice(1)),
  listeners: [],
  get(name) {
    return this.values.get(name) ?? "";
  },
  /** Set values by name; an empty one is taken away. */
  set(changes) {
    for (const [name, value] of Object.entries(changes)) {
      if (value) this.values.set(name, value);
      else this.values.delete(name);
    }
    history.replaceState(history.state, "", `#${this.values}`);
    this.tell();
  },
  tell() {
    for (const listener of this.listeners) listener();
  },
};

addEventListener("hashchange", () => {
  state.values = new URLSearchParams(location.hash.slice(1));
  state.tell();
});

/** Dark or light: what was chosen, else what the system says. */
const isDark = () => (state.get("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
}
