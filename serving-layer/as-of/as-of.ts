import { type Cut, cutAt, type Position, parsePosition } from "../../views/cut.ts";
import type { TidemarkError } from "../../views/errors.ts";
import type { EventType } from "../../views/event.ts";
import type { View } from "../../views/view.ts";
import { parameterError } from "../parameter-text.ts";
import { readPosition } from "../position-parameter.ts";
import { readTime } from "../range.ts";

/** What an answer is asked for as of; `text` is how it was asked. */
export type AsOf =
  /** Every partition of the view's topics, and nothing else. */
  | { readonly kind: "position"; readonly text: string; readonly position: Cut }
  /** The cut of the generation. */
  | { readonly kind: "generation"; readonly text: string; readonly id: string }
  /** The cut of the newest generation that was published by then. */
  | { readonly kind: "time"; readonly text: string; readonly ms: number };

/** What is to be answered as of the past. */
export interface PastOf {
  /** As errors call it: `view "shop-hours"`. */
  readonly name: string;
  readonly types: readonly EventType[];
}

export function pastOf({ name, mappings }: View): PastOf {
  return { name: `view "${name}"`, types: mappings.map(({ event }) => event) };
}

const generationPattern = /^g-[A-Za-z0-9._-]{1,198}$/;

/** Throws TIDEMARK_QUERY_PARAMETER, saying what can be asked for. */
export function readAsOf(of: PastOf, text: string, events: readonly EventType[]): AsOf {
  if (generationPattern.test(text)) return { kind: "generation", text, id: text };
  const ms = readTime(text);
  if (!Number.isNaN(ms)) return { kind: "time", text, ms };
  if (!isPosition(text)) throw notAsOf(text);
  const topics = new Set(of.types.map(({ name }) => name));
  return { kind: "position", text, position: requireWhole(of, readPosition("asOf", text, topics, events)) };
}

function isPosition(text: string): boolean {
  try {
    parsePosition(text);
    return true;
  } catch {
    return false;
  }
}

/** What is not named has no meaning: nothing of the partition, or all that it has? */
function requireWhole({ name, types }: PastOf, position: Position): Cut {
  const missing = types.flatMap((type) =>
    partitionsWithout(position, type).map((partition) => `${type.name}@${partition}`),
  );
  if (missing.length > 0) {
    const listed = missing.slice(0, 10).join(", ");
    throw parameterError(
      `asOf says nothing of ${listed}${missing.length > 10 ? ", …" : ""}: name every partition of the topics of ${name}, as the position of an answer does`,
    );
  }
  return cutAt(position, types);
}

/** Those of the type's partitions that the position says nothing of. */
export function partitionsWithout(position: Position, { name, partitions }: EventType): readonly number[] {
  const named = position.get(name);
  return Array.from({ length: partitions }, (_, partition) => partition).filter((p) => !named?.has(p));
}

function notAsOf(text: string): TidemarkError {
  const plus = text.includes(" ") ? '; in a URL "+" is written %2B' : "";
  return parameterError(
    `asOf="${text.slice(0, 100)}" is no point in the past: give the position of an answer (TOPIC@PARTITION:OFFSET,…), the id of a generation (g-…), or a time (2001-01-31T06:00:00Z, 2001-01-31 or milliseconds since 1970)${plus}`,
  );
}
