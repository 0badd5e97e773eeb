import { existsSync } from "node:fs";
import { join } from "node:path";
import type { App } from "../../views/app.ts";
import { type Cut, offsetAt } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { mergeSorted } from "../../views/sorted-rows.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import {
  decodeHeader,
  type Headers,
  isOfView,
  openHeaders,
  openRoot,
  openSlot,
  type Root,
  readRows,
  type Slot,
} from "./checkpoint-layout.ts";
import type { SealedTail } from "./tail.ts";

interface SealedSlot {
  readonly slot: number;
  readonly database: Slot;
}

/** Reads the sealed segments of a checkpoint that another process writes. */
export class SealedTailReader implements SealedTail, AsyncDisposable {
  readonly #path: string;
  readonly #app: App;
  #root: Root | undefined;
  #headers: Headers | undefined;
  readonly #databases = new Map<number, Slot>();

  constructor(options: { readonly path: string; readonly app: App }) {
    this.#path = options.path;
    this.#app = options.app;
  }

  rows(view: View, from: Cut, to: Cut): Iterable<StateRow> | undefined {
    const root = this.#open();
    if (root === undefined) return undefined;
    root.resetReadTxn();
    const slots = this.#slotsBetween(view, from, to);
    if (slots === undefined) return undefined;
    return this.#read(root, view, from, to, this.#openSlots(root, slots));
  }

  /** Undefined while there is no checkpoint yet. */
  #open(): Root | undefined {
    if (this.#root === undefined && existsSync(join(this.#path, "data.mdb"))) {
      const root = openRoot(this.#path, this.#app, true);
      this.#root = root;
    }
    if (this.#root !== undefined) this.#headers ??= openHeaders(this.#root);
    return this.#headers === undefined ? undefined : this.#root;
  }

  /** Opened before any transaction is held: lmdb ends the current read transaction when it opens a database. */
  #openSlots(root: Root, slots: readonly number[]): readonly SealedSlot[] {
    return slots.map((slot) => {
      const database = this.#databases.get(slot) ?? openSlot(root, slot);
      if (database === undefined) {
        throw new TidemarkError(
          "TIDEMARK_STORE_CORRUPT",
          `${this.#path}: slot ${slot} has a header but no rows`,
        );
      }
      this.#databases.set(slot, database);
      return { slot, database };
    });
  }

  /** Reads in one transaction, which it holds until the last row or until the reader stops. */
  *#read(
    root: Root,
    view: View,
    from: Cut,
    to: Cut,
    sealed: readonly SealedSlot[],
  ): Generator<StateRow, void, undefined> {
    root.resetReadTxn();
    const transaction = root.useReadTransaction();
    // Lets go of it as the shared one, which the next `openDB` would end.
    root.resetReadTxn();
    try {
      const now = this.#slotsBetween(view, from, to, transaction);
      if (now === undefined || now.join() !== sealed.map(({ slot }) => slot).join()) {
        throw new TidemarkError(
          "TIDEMARK_STORE_GAP",
          `the sealed segments of view "${view.name}" were dropped before they were read`,
        );
      }
      yield* mergeSorted(
        view,
        sealed.map(({ database }) => readRows(database, view.columns, transaction)),
      );
    } finally {
      transaction.done();
    }
  }

  /** Slots of the sealed segments that lead from `from` to `to` in every partition. */
  #slotsBetween(
    view: View,
    from: Cut,
    to: Cut,
    transaction?: ReturnType<Root["useReadTransaction"]>,
  ): readonly number[] | undefined {
    const headers = [...(this.#headers?.getRange(transaction === undefined ? {} : { transaction }) ?? [])]
      .map(({ key, value }) => ({ slot: key, ...decodeHeader(value) }))
      .filter((header) => header.isSealed && isOfView(header, view));
    const slots: number[] = [];
    for (let partition = 0; partition < view.from.partitions; partition++) {
      const next = offsetAt(to, view.from.name, partition);
      let at = offsetAt(from, view.from.name, partition);
      while (at < next) {
        const header = headers.find((each) => each.partition === partition && each.from === at);
        if (header === undefined) return undefined;
        slots.push(header.slot);
        at = header.next;
      }
      if (at !== next) return undefined;
    }
    return slots;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#root?.close();
  }
}
