import { createStore, useStore } from "./store.ts";

export const pages = ["pipeline", "explore", "runs", "drift", "letters", "sql"] as const;
export type PageName = (typeof pages)[number];

/** Where in the console one is, all of it in the address: `#/explore/airport-hours?groupBy=origin`. */
export interface Route {
  readonly page: PageName;
  /** What of the page's kind is looked at: a view, a run, a letter. */
  readonly subject: string | undefined;
  readonly query: URLSearchParams;
}

const route = createStore(parseRoute(location.hash));
addEventListener("hashchange", () => route.set(parseRoute(location.hash)));

export function useRoute(): Route {
  return useStore(route);
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, subject] = path.split("/");
  return {
    page: pages.find((page) => page === name) ?? "pipeline",
    subject: subject === undefined || subject === "" ? undefined : decodeURIComponent(subject),
    query: new URLSearchParams(query),
  };
}

export function hrefOf(page: PageName, subject?: string, query?: URLSearchParams | string): string {
  const path = subject === undefined ? `#/${page}` : `#/${page}/${encodeURIComponent(subject)}`;
  const text = query?.toString() ?? "";
  return text === "" ? path : `${path}?${text}`;
}

/** With "replace" one does not come back here by going back. */
export function go(href: string, how: "push" | "replace" = "push"): void {
  if (href === location.hash) return;
  history[how === "push" ? "pushState" : "replaceState"](null, "", href);
  route.set(parseRoute(location.hash));
}
