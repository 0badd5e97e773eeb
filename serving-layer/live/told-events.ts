import { randomUUID } from "node:crypto";
import { eventText } from "../event-stream.ts";
import type { Subscriber } from "./subscriber.ts";
import { ToldRows } from "./told-rows.ts";

/** What those who follow a live query are told: to each an event that leads from what it knows to what is so now. */
export class ToldEvents {
  /** Ids are of this object's changes: another one, here or elsewhere, knows nothing of them. */
  readonly #id = randomUUID().slice(0, 8);
  readonly #rows: ToldRows;
  readonly #key: readonly string[];
  #provenance = "{}";
  /** Events of the last change by the change that the client knows. */
  readonly #events = new Map<number, Uint8Array>();

  /** `key`: names of the columns that tell rows apart. Remembers the keys of so many rows that are gone. */
  constructor(mostGone: number, key: readonly string[]) {
    this.#rows = new ToldRows(mostGone);
    this.#key = key;
  }

  /** What the answer is now. */
  replace(page: ReadonlyMap<string, string>, provenance: string): void {
    this.#rows.replace(page);
    this.#provenance = provenance;
    this.letGo();
  }

  /** What can be made again is let go. */
  letGo(): void {
    this.#events.clear();
  }

  /** The change that a client knows by the id of the last event that it has; 0 if that says nothing here. */
  changeOf(lastId: string | undefined): number {
    const [, id, change] = /^(\w+)\.(\d{1,15})$/.exec(lastId ?? "") ?? [];
    return id === this.#id ? Number(change) : 0;
  }

  tell(subscriber: Subscriber): void {
    const { change } = this.#rows;
    if (subscriber.told === change || subscriber.isBlocked || change === 0) return;
    let event = this.#events.get(subscriber.told);
    if (event === undefined) {
      event = Buffer.from(this.#eventSince(subscriber.told));
      this.#events.set(subscriber.told, event);
    }
    subscriber.tell(event, change);
  }

  /** Everything for who knows nothing, or what can't be told from. */
  #eventSince(known: number): string {
    const id = `${this.#id}.${this.#rows.change}`;
    const difference = this.#rows.since(known);
    const provenance = `"provenance":${this.#provenance}`;
    if (difference === undefined) {
      const key = JSON.stringify(this.#key);
      return eventText("rows", `{"rows":[${this.#rows.all.join(",")}],"key":${key},${provenance}}`, id);
    }
    const { rows, gone } = difference;
    return eventText("change", `{"rows":[${rows.join(",")}],"gone":[${gone.join(",")}],${provenance}}`, id);
  }
}
