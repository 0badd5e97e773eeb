import { existsSync } from "node:fs";
import { join } from "node:path";
import type { App } from "../../views/app.ts";
import type { Cut } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { offsetIn } from "../../views/mapping.ts";
import { mergeSorted } from "../../views/sorted-rows.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import {
  decodeHeader,
  type Headers,
  openHeaders,
  openRoot,
  openSlot,
  partitionIn,
  type Root,
  readRows,
  type Slot,
} from "./checkpoint-layout.ts";
import type { SealedTail } from "./tail.ts";

/** One opening of the store. Only one read goes on in it at a time. */
interface Opening {
  readonly root: Root;
  readonly headers: Headers;
  readonly databases: Map<number, Slot>;
}

/**
 * Reads the sealed segments of a checkpoint that another process writes.
 *
 * Reads that go on side by side have an opening of the store each: lmdb ends the current read transaction when it opens a
 * database, and the current one may be the very one that an earlier read still holds.
 */
export class SealedTailReader implements SealedTail, AsyncDisposable {
  readonly #path: string;
  readonly #app: App;
  readonly #roots: Root[] = [];
  readonly #idle: Opening[] = [];

  constructor(options: { readonly path: string; readonly app: App }) {
    this.#path = options.path;
    this.#app = options.app;
  }

  /** Reads in one transaction, from the first row asked for to the last. TIDEMARK_STORE_GAP if all was dropped before that. */
  rows(view: View, from: Cut, to: Cut): Iterable<StateRow> | undefined {
    const opening = this.#take();
    if (opening === undefined) return undefined;
    try {
      opening.root.resetReadTxn();
      const slots = slotsBetween(opening.headers, view, from, to);
      return slots === undefined ? undefined : this.#read(view, from, to, slots);
    } finally {
      this.#idle.push(opening);
    }
  }

  *#read(view: View, from: Cut, to: Cut, slots: readonly number[]): Generator<StateRow, void, undefined> {
    const opening = this.#take();
    if (opening === undefined) return;
    const { root, headers } = opening;
    try {
      const databases = slots.map((slot) => this.#database(opening, slot));
      root.resetReadTxn();
      const transaction = root.useReadTransaction();
      try {
        if (slotsBetween(headers, view, from, to, transaction)?.join() !== slots.join()) {
          throw new TidemarkError(
            "TIDEMARK_STORE_GAP",
            `the sealed segments of view "${view.name}" were dropped before they were read`,
          );
        }
        yield* mergeSorted(
          view,
          databases.map((database) => readRows(database, view.columns, transaction)),
        );
      } finally {
        transaction.done();
      }
    } finally {
      this.#idle.push(opening);
    }
  }

  /** Undefined while there is no checkpoint yet. */
  #take(): Opening | undefined {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (!existsSync(join(this.#path, "data.mdb"))) return undefined;
    const root = openRoot(this.#path, this.#app, true);
    const headers = openHeaders(root);
    this.#roots.push(root);
    return headers === undefined ? undefined : { root, headers, databases: new Map<number, Slot>() };
  }

  #database({ root, databases }: Opening, slot: number): Slot {
    const database = databases.get(slot) ?? openSlot(root, slot);
    if (database === undefined) {
      throw new TidemarkError(
        "TIDEMARK_STORE_CORRUPT",
        `${this.#path}: slot ${slot} has a header but no rows`,
      );
    }
    databases.set(slot, database);
    return database;
  }

  /** Only once every read has come to its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const root of this.#roots.splice(0)) await root.close();
  }
}

/** Slots of the sealed segments that lead from `from` to `to` in every partition. */
function slotsBetween(
  headers: Headers,
  view: View,
  from: Cut,
  to: Cut,
  transaction?: ReturnType<Root["useReadTransaction"]>,
): readonly number[] | undefined {
  const sealed = [...headers.getRange(transaction === undefined ? {} : { transaction })]
    .map(({ key, value }) => ({ slot: key, ...decodeHeader(value) }))
    .filter((header) => header.isSealed)
    .map((header) => ({ ...header, partition: partitionIn(view, header) }));
  const slots: number[] = [];
  for (const partition of view.partitions.keys()) {
    const next = offsetIn(to, view, partition);
    let at = offsetIn(from, view, partition);
    while (at < next) {
      const header = sealed.find((each) => each.partition === partition && each.from === at);
      if (header === undefined) return undefined;
      slots.push(header.slot);
      at = header.next;
    }
    if (at !== next) return undefined;
  }
  return slots;
}
