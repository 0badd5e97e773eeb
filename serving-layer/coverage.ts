import type { Tail } from "../infra/tail/tail.ts";
import type { App } from "../views/app.ts";
import { type Cut, formatPosition, positionCovered } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { isFolded, isRecomputed } from "../views/layers.ts";
import type { View } from "../views/view.ts";
import type { Clock } from "./clock.ts";
import type { Layer } from "./layer.ts";
import type { Query } from "./parameters.ts";
import { formatOwn } from "./provenance.ts";
import type { Snapshots } from "./snapshot.ts";
import { viewOf } from "./table-state.ts";

export interface CoverageParts {
  readonly app: App;
  readonly snapshots: Snapshots;
  readonly tail: Tail;
  readonly clock: Clock;
}

/** Whether what a query asks to be there is there: the position of `after`, and generations for `layer=batch`. */
export class Coverage {
  readonly #parts: CoverageParts;

  constructor(parts: CoverageParts) {
    this.#parts = parts;
  }

  /** False may mean that it has to be looked for. */
  isReached(query: Query): boolean {
    return this.#isCovered(query) && this.#ungenerated(query).length === 0;
  }

  /** Waits for it; TIDEMARK_QUERY_AFTER if it is not there in time. */
  async reached(query: Query): Promise<void> {
    for (const view of this.#ungenerated(query)) await this.#parts.snapshots.look(view);
    await this.#covered(query);
  }

  #position(view: View, layer: Layer): Cut {
    const { tail, snapshots } = this.#parts;
    return layer === "batch" ? (snapshots.batch(view)?.cut ?? {}) : tail.position(view);
  }

  /** The view, and those that its tables' attributes are from. */
  #viewsOf({ stored, attributes }: Query): readonly View[] {
    const tables = attributes.flatMap(({ table }) =>
      table.kind === "events" ? [viewOf(this.#parts.app, table)] : [],
    );
    return [stored, ...tables];
  }

  /** What a query of the batch layer needs a generation of and is not known to have one. */
  #ungenerated(query: Query): readonly View[] {
    if (query.layer !== "batch") return [];
    return this.#viewsOf(query).filter((view) => this.#parts.snapshots.batch(view) === undefined);
  }

  #isCovered(query: Query): boolean {
    const { after, layer } = query;
    if (after === undefined) return true;
    const { snapshots } = this.#parts;
    return this.#viewsOf(query).every((one) => {
      // Without a first generation it is refused, which need not wait.
      if (!isFolded(one) && snapshots.isBuilding(one)) return true;
      // Its tail may be at the log's end before what came first is folded.
      if (!isRecomputed(one) && snapshots.unready(one) !== undefined) return false;
      const own = new Map(
        [...after].filter(([topic]) => one.mappings.some(({ event }) => event.name === topic)),
      );
      return positionCovered(this.#position(one, layer), own);
    });
  }

  async #covered(query: Query): Promise<void> {
    const { after, timeoutMs, stored: view, layer } = query;
    if (after === undefined || this.#isCovered(query)) return;
    const { snapshots, clock } = this.#parts;
    const { promise, resolve } = withResolvers();
    const ends = [
      snapshots.onChange(() => this.#isCovered(query) && resolve(true)),
      clock.after(timeoutMs, () => resolve(false)),
    ];
    const isCovered = await promise;
    for (const end of ends) end[Symbol.dispose]();
    if (isCovered) return;
    throw new TidemarkError(
      "TIDEMARK_QUERY_AFTER",
      `${formatPosition(after)} was not covered within ${timeoutMs} ms; view "${view.name}" is at ${formatOwn(view, this.#position(view, layer))}: ask again, or give a longer timeout`,
    );
  }
}

function withResolvers(): { promise: Promise<boolean>; resolve: (value: boolean) => void } {
  let resolve: (value: boolean) => void = () => undefined;
  const promise = new Promise<boolean>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
