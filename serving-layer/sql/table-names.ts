import type { App } from "../../views/app.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { EventType } from "../../views/event.ts";
import { namesOf } from "../../views/version.ts";
import type { View } from "../../views/view.ts";
import type { Versions } from "../versions.ts";

/** What can stand behind FROM. */
export type Named =
  | { readonly kind: "view"; readonly view: View }
  | { readonly kind: "events"; readonly event: EventType };

/**
 * The tables of an app by their names in lower case: views and event types as they are called, and with "_" in place of
 * "-", "." and "@", so that they need no quotes; unless two would then be called the same. The name of a family of versions is
 * the table of the active one.
 */
export class TableNames {
  readonly #versions: Versions;
  readonly #views: ReadonlyMap<View, Named>;
  /** A text stands for a view that is called so, whichever that is. */
  readonly #named = new Map<string, Named | string>();
  readonly #names: readonly string[];

  constructor({ views, events }: App, versions: Versions) {
    this.#versions = versions;
    this.#views = new Map(views.map((view) => [view, { kind: "view", view }]));
    const all: (readonly [string, Named | string])[] = [
      ...namesOf(views).map((name) => [name, name] as const),
      ...events.map((event) => [event.name, { kind: "events", event }] as const),
    ];
    this.#names = all.map(([name]) => name);
    const spellings = all.map(([name, named]) => [withoutQuotes(name), named] as const);
    for (const [spelling, named] of spellings) {
      if (spellings.filter(([other]) => other === spelling).length === 1) this.#named.set(spelling, named);
    }
    for (const [name, named] of all) this.#named.set(name, named);
  }

  /** Throws TIDEMARK_SQL_TABLE_UNKNOWN naming those that there are. */
  find(name: string): Named {
    const named = this.#named.get(name.toLowerCase());
    const view = typeof named === "string" ? this.#versions.find(named) : undefined;
    const found = view === undefined ? named : this.#views.get(view);
    if (found !== undefined && typeof found !== "string") return found;
    throw new TidemarkError(
      "TIDEMARK_SQL_TABLE_UNKNOWN",
      `there is no table "${name.slice(0, 100)}"; there are ${this.#names.map((each) => `"${each}"`).join(", ")}`,
    );
  }
}

function withoutQuotes(name: string): string {
  return name.replace(/[-.@]/g, "_");
}
