import { type Offset, offset } from "../../views/cut.ts";
import type { Log, LogRecord } from "../log/log.ts";
import { readMark, readMoved, readPlace } from "./letter-record.ts";

/** What stands at an offset: one byte for each. */
const [nothing, letter, replayed] = [0, 1, 2] as const;

/**
 * What is known of a topic of dead letters: which of its records are letters, and which of those were replayed. Read from
 * its beginning once, then from where it ended: a mark comes after its letter, and so does the same record put again.
 */
export class LetterTopic {
  readonly name: string;
  /** Of what event type the letters are; null: not known. */
  readonly type: string | null;
  readonly #log: Log;
  /** Letters from here on are kept by the log. */
  start = 0;
  next = 0;
  count = 0;
  #states = new Uint8Array(1024);
  /** Of which offset the first state is. */
  #base = 0;
  readonly #reached = new Map<number, number>();
  #refreshed: Promise<void> = Promise.resolve();

  constructor(log: Log, name: string, type: string | null) {
    this.#log = log;
    this.name = name;
    this.type = type;
  }

  /** Looks at what was written since. Calls wait for each other. */
  refresh(): Promise<void> {
    const refreshed = this.#refreshed.then(() => this.#refresh());
    this.#refreshed = refreshed.catch(() => undefined);
    return refreshed;
  }

  holds(at: number): boolean {
    return at >= this.start && this.#state(at) !== nothing;
  }

  isReplayed(at: number): boolean {
    return this.#state(at) === replayed;
  }

  async #refresh(): Promise<void> {
    const [start = 0] = await this.#log.starts(this.name);
    const [next = 0] = await this.#log.nexts(this.name);
    this.#forget(start);
    this.next = Math.max(this.next, start);
    if (this.next >= next) return;
    for await (const batch of this.#log.read(this.name, 0, offset(this.next), offset(next))) {
      for (const record of batch.records) this.#note(record);
      this.next = batch.next;
    }
  }

  #note(record: LogRecord): void {
    const marked = readMark(record);
    if (marked !== undefined) {
      if (this.holds(marked)) this.#set(marked, replayed);
      return;
    }
    const moved = readMoved(record);
    const place = readPlace(record);
    if (place !== undefined) {
      const reached = this.#reached.get(place.partition) ?? -1;
      if (moved === undefined && place.offset <= reached) return;
      this.#reached.set(place.partition, Math.max(reached, place.offset));
    }
    if (moved !== undefined && this.holds(moved.from)) {
      this.#set(moved.from, nothing);
      this.count--;
    }
    this.#set(record.offset, moved?.isReplayed === true ? replayed : letter);
    this.count++;
  }

  #state(at: number): number {
    return at < this.#base ? nothing : (this.#states[at - this.#base] ?? nothing);
  }

  #set(at: Offset | number, state: number): void {
    const index = at - this.#base;
    if (index >= this.#states.length) {
      const grown = new Uint8Array(Math.max(index + 1, this.#states.length * 2));
      grown.set(this.#states);
      this.#states = grown;
    }
    this.#states[index] = state;
  }

  /** The log has let go of what is before. */
  #forget(start: number): void {
    if (start === this.start) return;
    for (let at = this.start; at < Math.min(start, this.next); at++) {
      if (this.#state(at) !== nothing) this.count--;
    }
    this.#states = this.#states.slice(start - this.#base);
    this.#base = start;
    this.start = start;
  }
}
