import type { Offset } from "./cut.ts";
import { Decoder, type Envelope, parseEnvelope } from "./decoder.ts";
import { TidemarkError } from "./errors.ts";
import type { Event, EventType } from "./event.ts";
import type { FormerSchema } from "./recorded-type.ts";

/** The part of a partition that was written under one former schema. */
interface FormerPart {
  readonly next: number;
  readonly decoder: Decoder;
  /** Of each field that was declared later, by name, a decoder of it alone as it was declared at first. */
  readonly later: readonly (readonly [string, Decoder])[];
}

/**
 * The decoder of one partition's records. A record is judged by the schema that was in force when it was written, and by
 * no other: what was an event stays one, and what was none stays none. A field that was declared later is read from it
 * if its value is one that the field took when it was declared, and is missing otherwise.
 */
export class RecordDecoder {
  readonly #present: Decoder;
  readonly #former: readonly FormerPart[];
  /** The first offset that the present schema judges. */
  readonly #presentFrom: number;

  constructor(type: EventType, partition: number) {
    this.#present = new Decoder([type]);
    this.#former = type.former.map((former, i) => ({
      next: former.next[partition] ?? 0,
      decoder: new Decoder([asDeclared(type, former)]),
      later: fieldsAfter(type, i).map(({ name, from }) => [
        name,
        new Decoder([fieldAlone(type, from, name)]),
      ]),
    }));
    this.#presentFrom = Math.max(0, ...this.#former.map(({ next }) => next));
  }

  /** Throws what `Decoder.decode` throws. */
  decode(text: string, at: Offset): Event {
    return this.event(parseEnvelope(text), text, at);
  }

  /** The same of text that was parsed already. */
  event(envelope: Envelope, text: string, at: Offset): Event {
    const part = at >= this.#presentFrom ? undefined : this.#former.find(({ next }) => at < next);
    if (part === undefined) return this.#present.event(envelope, text);
    const event = part.decoder.event(envelope, text);
    const strangers = part.later.filter(
      ([name, decoder]) => Object.hasOwn(event.data, name) && !takes(decoder, name, event, envelope, text),
    );
    if (strangers.length === 0) return event;
    const data = { ...event.data };
    for (const [name] of strangers) delete data[name];
    return { ...event, data };
  }

  /** Whether the record holds anything that the typed columns of the master dataset do not. */
  hasRest(envelope: Envelope, event: Event): boolean {
    return event.data !== envelope.data || this.#present.hasRest(envelope);
  }
}

/** The fields that were declared after the former schema `index`, each with the schema that declared it first. */
export function fieldsAfter(
  type: EventType,
  index: number,
): readonly { readonly name: string; readonly from: Pick<FormerSchema, "schema" | "fields"> }[] {
  const versions = [...type.former, type];
  const known = new Set(versions[index]?.fields.map(({ name }) => name));
  return versions.slice(index + 1).flatMap((from) =>
    from.fields.flatMap(({ name }) => {
      if (known.has(name)) return [];
      known.add(name);
      return [{ name, from }];
    }),
  );
}

function asDeclared(type: EventType, { schema, fields }: Pick<FormerSchema, "schema" | "fields">): EventType {
  return { ...type, schema, fields, former: [] };
}

function fieldAlone(
  type: EventType,
  { schema, fields }: Pick<FormerSchema, "schema" | "fields">,
  name: string,
) {
  const property = schema.properties[name];
  const alone = { type: "object", properties: { [name]: property } } as unknown as EventType["schema"];
  const own = fields.filter((field) => field.name === name);
  return { ...asDeclared(type, { schema: alone, fields: own }), keyField: undefined };
}

function takes(decoder: Decoder, name: string, event: Event, envelope: Envelope, text: string): boolean {
  try {
    decoder.event({ ...envelope, data: { [name]: event.data[name] } }, text);
    return true;
  } catch (error) {
    if (error instanceof TidemarkError) return false;
    throw error;
  }
}
