import type { Offset } from "./cut.ts";
import { Decoder, type Envelope, parseEnvelope } from "./decoder.ts";
import { TidemarkError } from "./errors.ts";
import type { Event, EventType } from "./event.ts";
import { readSchema } from "./field.ts";
import type { FormerSchema } from "./recorded-type.ts";

/** The part of a partition that was written under one former schema. */
interface FormerPart {
  readonly next: number;
  readonly names: ReadonlySet<string>;
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
  readonly #names: ReadonlySet<string>;
  readonly #present: Decoder;
  readonly #former: readonly FormerPart[];
  /** The first offset that the present schema judges. */
  readonly #presentFrom: number;

  constructor(type: EventType, partition: number) {
    this.#names = type.shape.names;
    this.#present = new Decoder([type]);
    this.#former = type.former.map((former, i) => ({
      next: former.next[partition] ?? 0,
      names: former.shape.names,
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
    const part = this.#partAt(at);
    if (part === undefined) return this.#present.event(envelope, text);
    const event = part.decoder.event(envelope, text);
    let { data } = event;
    for (const [name, decoder] of part.later) {
      if (!Object.hasOwn(data, name)) continue;
      const value = fieldValue(decoder, name, event, envelope, text);
      if (value === data[name]) continue;
      const { [name]: _, ...others } = data;
      data = value === undefined ? others : { ...others, [name]: value };
    }
    return data === event.data ? event : { ...event, data };
  }

  /** The names of the members that the schema in force declares. */
  namesAt(at: Offset): ReadonlySet<string> {
    return this.#partAt(at)?.names ?? this.#names;
  }

  /** Whether the record holds anything that the typed columns of the master dataset do not. */
  hasRest(envelope: Envelope, event: Event): boolean {
    const isPassedOver = (name: string) => event.data[name] === undefined;
    const hasStranger = () =>
      this.#former.length > 0 && Object.keys(envelope.data as object).some(isPassedOver);
    return this.#present.hasRest(envelope) || hasStranger();
  }

  #partAt(at: Offset): FormerPart | undefined {
    return at >= this.#presentFrom ? undefined : this.#former.find(({ next }) => at < next);
  }
}

/** What was declared after the former schema `index`, by its name in the event's data, with the schema that declared it first. */
export function fieldsAfter(
  type: EventType,
  index: number,
): readonly { readonly name: string; readonly from: Pick<FormerSchema, "schema" | "shape" | "fields"> }[] {
  const versions = [...type.former, type];
  const known = new Set(versions[index]?.shape.names);
  return versions.slice(index + 1).flatMap((from) =>
    [...from.shape.names].flatMap((name) => {
      if (known.has(name)) return [];
      known.add(name);
      return [{ name, from }];
    }),
  );
}

function asDeclared(
  type: EventType,
  { schema, shape, fields }: Pick<FormerSchema, "schema" | "shape" | "fields">,
): EventType {
  return { ...type, schema, shape, fields, former: [] };
}

function fieldAlone(type: EventType, { schema }: Pick<FormerSchema, "schema">, name: string): EventType {
  const property = schema.properties[name];
  const alone = { type: "object", properties: { [name]: property } } as unknown as EventType["schema"];
  const read = readSchema(`former "${type.name}"`, alone);
  return { ...asDeclared(type, { schema: alone, ...read }), keyField: undefined, changes: undefined };
}

/** The value of the field as it was declared at first; undefined if it is none. */
function fieldValue(decoder: Decoder, name: string, event: Event, envelope: Envelope, text: string): unknown {
  try {
    return decoder.event({ ...envelope, data: { [name]: event.data[name] } }, text).data[name];
  } catch (error) {
    if (error instanceof TidemarkError) return undefined;
    throw error;
  }
}
