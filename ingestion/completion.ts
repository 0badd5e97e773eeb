import type { Envelope } from "../views/decoder.ts";
import { TidemarkError } from "../views/errors.ts";
import { formatTime } from "../views/time.ts";

/** What the gateway fills in where an event lacks it. */
export interface Completion {
  /** A CloudEvent must be whole but for its time, which the specification makes optional. */
  readonly kind: "plain" | "cloudevent";
  readonly source: string;
  readonly type: string | undefined;
  readonly clock: () => number;
  readonly newId: () => string;
  /** Names the request, where it is traced; goes with each of its records. */
  readonly traceparent?: string | undefined;
}

type Attributes = Readonly<Record<string, string>>;

/** The attributes to add; undefined if nothing is missing. Throws TIDEMARK_EVENT_ENVELOPE for a CloudEvent that is none. */
export function missingAttributes(envelope: Envelope, completion: Completion): Attributes | undefined {
  const { id, source, type, time } = envelope;
  if (completion.kind === "cloudevent") {
    if (envelope.specversion === undefined) {
      throw new TidemarkError(
        "TIDEMARK_EVENT_ENVELOPE",
        `"specversion" is missing: a CloudEvent has "specversion": "1.0"`,
      );
    }
    return time === undefined ? { time: formatTime(completion.clock()) } : undefined;
  }
  if (id !== undefined && source !== undefined && type !== undefined && time !== undefined) return undefined;
  return {
    ...(id === undefined && { id: completion.newId() }),
    ...(source === undefined && { source: completion.source }),
    ...(type === undefined && completion.type !== undefined && { type: completion.type }),
    ...(time === undefined && { time: formatTime(completion.clock()) }),
  };
}
