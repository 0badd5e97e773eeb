import { type ChangeForm, changeAttributes } from "./change.ts";
import type { Offset } from "./cut.ts";
import type { Envelope } from "./decoder.ts";
import { withAttributes } from "./envelope-text.ts";
import { TidemarkError } from "./errors.ts";
import { formatTime, maxTime } from "./time.ts";

/** Of each header its text, or its bytes where they are no UTF-8. */
export type HeaderTexts = Readonly<Record<string, string | { readonly base64: string }>>;

/** What a record's envelope rests on besides its value, and nothing else does. */
export interface RecordContext {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
  /** Undefined where there are none. */
  readonly headers: HeaderTexts | undefined;
  /** When the record was made, by what the log says; undefined if it does not know. */
  readonly timestampMs: number | undefined;
  /** Whether the topic's type has a field `data`, so that an object with one may be bare. */
  readonly declaresData: boolean;
  /** Set if the topic's records are changes, which say themselves what their envelope is. */
  readonly changes?: ChangeForm | undefined;
}

export interface RecordEnvelope {
  readonly envelope: Envelope;
  /** Whether the record's value is the event's data; else it is the envelope, but for what was added. */
  readonly isData: boolean;
  /** What stands in the envelope and not in the record's value. */
  readonly added: Readonly<Record<string, unknown>>;
}

const nothing = Object.freeze({});

/**
 * The envelope of a record that anyone put into a topic; `value` is what its value was parsed to. It has one of three forms:
 *
 * - structured: the value is the envelope. So says the header `content-type: application/cloudevents+json`; without a
 *   header `ce_…` also the value: it has a `specversion`, or the topic's name as `type`, or `data` that is no field of its type.
 * - binary: the value is the data, each header `ce_…` an attribute, `ce_specversion` among them
 *   (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md).
 * - bare: the value is the data, whatever else it says.
 *
 * What is missing of type, id, source and time is the topic, what a change says, the record's place and its
 * timestamp. Headers without a meaning here become `_headers`, which is no name of an attribute. Throws
 * TIDEMARK_EVENT_ENVELOPE, _TIME, _NOT_UTF8 and _TYPE_UNKNOWN.
 */
export function recordEnvelope(value: Envelope, context: RecordContext): RecordEnvelope {
  const { headers } = context;
  if (headers === undefined) {
    if (isEnvelope(value, context)) return completed(value, false, nothing, context);
    const added = placed(value, context);
    return { envelope: { ...added, data: value }, isData: true, added };
  }
  const contentType = headerText(headers, "content-type");
  if (contentType !== undefined && isCloudEvents(contentType)) {
    return completed(value, false, otherHeaders(headers, ["content-type"]), context);
  }
  const attributes = attributesIn(headers);
  const type = contentType === undefined ? nothing : { datacontenttype: contentType };
  const taken = ["content-type", ...Object.keys(attributes).map((name) => attributePrefix + name)];
  if (taken.length === 1 && isEnvelope(value, context)) {
    return completed(value, false, otherHeaders(headers, isJson(contentType) ? taken : []), context);
  }
  const added = { ...attributes, ...type, ...otherHeaders(headers, taken) };
  return completed({ data: value }, true, added, context);
}

/** Whether a value is the whole of a structured event of the topic, as all that came through a gateway are. */
export function isWhole({ id, source, type, time }: Envelope, topic: string): boolean {
  return type === topic && id !== undefined && source !== undefined && time !== undefined;
}

/** The text of the envelope; `text` is that of the record's value, which stands in it as it was sent. */
export function envelopeText({ isData, added }: RecordEnvelope, text: string): string {
  return withAttributes(isData ? `{"data":${text}}` : text, added);
}

const attributePrefix = "ce_";

function isEnvelope(value: Envelope, { topic, declaresData, changes }: RecordContext): boolean {
  const isNoField = changes !== undefined || !declaresData;
  return value.specversion !== undefined || value.type === topic || (value.data !== undefined && isNoField);
}

function completed(
  value: Envelope,
  isData: boolean,
  known: Readonly<Record<string, unknown>>,
  context: RecordContext,
): RecordEnvelope {
  const { topic } = context;
  // Where an attribute is given twice, the value of a structured event has the last word, as in its text.
  const given = (name: string) => value[name] ?? known[name];
  const type = given("type");
  if (typeof type === "string" && type !== topic) {
    throw new TidemarkError(
      "TIDEMARK_EVENT_TYPE_UNKNOWN",
      `the event is of type "${type.slice(0, 80)}", and topic ${topic} holds only events of its own type`,
    );
  }
  const said = saidBy(value.data, context);
  const added: Record<string, unknown> = { ...known };
  if (type === undefined) added.type = topic;
  if (given("id") === undefined) added.id = said.id ?? idOf(context);
  if (given("source") === undefined) added.source = said.source ?? sourceOf(context);
  if (given("time") === undefined) added.time = said.time ?? timeOf(context);
  return { envelope: { ...added, ...value }, isData, added };
}

/** What is known of bare data: what a change says of itself, and for the rest what the log says. */
function placed(data: unknown, context: RecordContext) {
  const said = saidBy(data, context);
  return {
    type: context.topic,
    id: said.id ?? idOf(context),
    source: said.source ?? sourceOf(context),
    time: said.time ?? timeOf(context),
  };
}

function saidBy(data: unknown, { changes }: RecordContext) {
  return changes === undefined ? {} : changeAttributes(changes, data);
}

function idOf({ topic, partition, offset }: RecordContext): string {
  return `${topic}@${partition}:${offset}`;
}

function sourceOf({ topic }: RecordContext): string {
  return `tidemark:log/${topic}`;
}

function timeOf({ timestampMs }: RecordContext): string {
  // Kafka's records of old formats have -1.
  if (timestampMs !== undefined && timestampMs >= 0 && timestampMs <= maxTime) return formatTime(timestampMs);
  throw new TidemarkError(
    "TIDEMARK_EVENT_TIME",
    `"time" is missing, and the record has no timestamp that could stand for it`,
  );
}

function isCloudEvents(contentType: string): boolean {
  if (!/^application\/cloudevents/i.test(contentType)) return false;
  if (/^application\/cloudevents\+json\s*(;\s*charset="?(utf-?8|us-ascii)"?\s*)?$/i.test(contentType))
    return true;
  throw new TidemarkError(
    "TIDEMARK_EVENT_ENVELOPE",
    `content-type ${contentType.slice(0, 80)} is not taken: a record is one event in JSON, "application/cloudevents+json"`,
  );
}

function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json$/i.test(contentType);
}

/** Attributes of the binary form; none where there is no header of one. */
function attributesIn(headers: HeaderTexts): Readonly<Record<string, string>> {
  const attributes: Record<string, string> = {};
  for (const header of Object.keys(headers)) {
    if (!header.startsWith(attributePrefix)) continue;
    const name = header.slice(attributePrefix.length);
    if (!/^[a-z0-9]+$/.test(name) || name === "data" || name === "datacontenttype") {
      throw new TidemarkError(
        "TIDEMARK_EVENT_ENVELOPE",
        `header "${header.slice(0, 80)}" can't name an attribute: names are lower-case letters and digits, and the content type is the header "content-type"`,
      );
    }
    attributes[name] = headerText(headers, header) ?? "";
  }
  if (Object.keys(attributes).length > 0 && attributes.specversion === undefined) {
    throw new TidemarkError(
      "TIDEMARK_EVENT_ENVELOPE",
      `header "ce_specversion" is missing: a CloudEvent in binary mode has "ce_specversion: 1.0"`,
    );
  }
  return attributes;
}

function headerText(headers: HeaderTexts, name: string): string | undefined {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  if (value === undefined || typeof value === "string") return value;
  throw new TidemarkError(
    "TIDEMARK_EVENT_NOT_UTF8",
    `header "${name.slice(0, 80)}" holds bytes that are not UTF-8`,
  );
}

function otherHeaders(headers: HeaderTexts, taken: readonly string[]): Readonly<Record<string, unknown>> {
  const others = Object.entries(headers).filter(([name]) => !taken.includes(name));
  return others.length === 0 ? nothing : { _headers: Object.fromEntries(others) };
}
