import type { Sketch } from "./state.ts";
import { compareText } from "./text-order.ts";

/** The different values there are, up to a number; beyond that only that there are more. */
export class ValueSet implements Sketch {
  readonly #upTo: number;
  #values: Set<string | number> | undefined = new Set();

  constructor(upTo: number) {
    this.#upTo = upTo;
  }

  /** Undefined: more than it holds. */
  get size(): number | undefined {
    return this.#values?.size;
  }

  add(value: string | number): void {
    if (this.#values === undefined) return;
    this.#values.add(value);
    if (this.#values.size > this.#upTo) this.#values = undefined;
  }

  copy(): ValueSet {
    const copy = new ValueSet(this.#upTo);
    copy.#values = this.#values === undefined ? undefined : new Set(this.#values);
    return copy;
  }

  merge(other: ValueSet): void {
    if (other.#values === undefined) this.#values = undefined;
    else for (const value of other.#values) this.add(value);
  }

  /** A JSON array in order of value, or `more`. */
  encode(): string {
    if (this.#values === undefined) return more;
    return JSON.stringify(
      [...this.#values].sort((a, b) =>
        typeof a === "string" ? compareText(a, b as string) : a - (b as number),
      ),
    );
  }

  static decode(upTo: number, text: string): ValueSet {
    const set = new ValueSet(upTo);
    if (text === more) set.#values = undefined;
    else for (const value of JSON.parse(text) as (string | number)[]) set.add(value);
    return set;
  }
}

export const more = "more";
