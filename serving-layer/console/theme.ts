import { createStore } from "./store.ts";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const item = "tidemark.theme";
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

export const theme = createStore<Theme>(readTheme());
/** Rises whenever colours change, for what is drawn by hand. */
export const colours = createStore(0);

apply();
systemIsDark.addEventListener("change", () => colours.set(colours.get() + 1));

export function nextTheme(): void {
  const at = themes.indexOf(theme.get());
  theme.set(themes[(at + 1) % themes.length] ?? "system");
  localStorage.setItem(item, theme.get());
  apply();
  colours.set(colours.get() + 1);
}

/** A custom property of the stylesheet as a colour that a canvas understands. */
export function colourOf(property: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${property})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function apply(): void {
  document.documentElement.dataset.theme = theme.get();
}

function readTheme(): Theme {
  const stored = localStorage.getItem(item);
  return themes.find((name) => name === stored) ?? "system";
}
