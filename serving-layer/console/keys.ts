import { useEffect } from "preact/hooks";
import { go, hrefOf, type PageName, pages } from "./route.ts";
import { nextTheme } from "./theme.ts";

const letters: Readonly<Record<string, PageName>> = {
  p: "pipeline",
  e: "explore",
  r: "runs",
  c: "drift",
  d: "letters",
  s: "sql",
};

/** What there is to press, for whoever asks with "?". */
export const shortcuts: readonly (readonly [string, string])[] = [
  ["1 … 6", "the pages, in order"],
  ["g then p e r c d s", "pipeline, explore, runs, comparison, dead letters, SQL"],
  ["/", "to the view, the filter or the statement of this page"],
  ["t", "colours: as the system has them, light, dark"],
  ["?", "these"],
  ["Esc", "close, or leave a field"],
];

/** Keys that work where nothing is being written. */
export function useShortcuts(showHelp: () => void): void {
  useEffect(() => {
    let isGoing = false;
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const isWriting = target.matches("input, textarea, select, dialog, dialog *");
      if (event.key === "Escape" && isWriting) target.blur();
      if (isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
      const page = isGoing ? letters[event.key] : pages[Number(event.key) - 1];
      isGoing = event.key === "g";
      if (page !== undefined) go(hrefOf(page));
      else if (event.key === "/") focusFirst(event);
      else if (event.key === "t") nextTheme();
      else if (event.key === "?") showHelp();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [showHelp]);
}

function focusFirst(event: KeyboardEvent): void {
  const field = document.querySelector<HTMLElement>("[data-first]");
  if (field === null) return;
  event.preventDefault();
  field.focus();
}
