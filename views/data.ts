import { TidemarkError } from "./errors.ts";
import type { ObjectShape, Shape } from "./shape.ts";
import { formatTime, isCanonicalTime, parseTime } from "./time.ts";

/** The data of an event or an object in it; it satisfies its schema. Members that the schema doesn't name are passed over. */
export type Data = Readonly<Record<string, unknown>>;

/** Data in which times are milliseconds. Throws TIDEMARK_EVENT_DATA for what is no time, and for integers that are not safe. */
export function readData(shape: ObjectShape, data: Data, path = "data"): Data {
  let read: Record<string, unknown> | undefined;
  for (const member of shape.members) {
    const value = data[member.name];
    if (value === undefined) continue;
    const result = readValue(member.shape, value, `${path}.${member.name}`);
    if (result === value) continue;
    read ??= { ...data };
    read[member.name] = result;
  }
  return read ?? data;
}

function readValue(shape: Shape, value: unknown, path: string): unknown {
  if (shape.kind === "object") return readData(shape, value as Data, path);
  if (shape.kind === "list") {
    const { element } = shape;
    return (value as readonly unknown[]).map((each, i) => readValue(element, each, `${path}[${i}]`));
  }
  if (shape.type === "integer") requireSafe(value, path);
  return shape.type === "time" ? readTime(value as string, path) : value;
}

export function requireSafe(value: unknown, path: string): void {
  if (Number.isSafeInteger(value)) return;
  throw new TidemarkError(
    "TIDEMARK_EVENT_DATA",
    `${path} is ${String(value)}: integers must lie within ±(2^53 - 1), or JSON can't carry them exactly`,
  );
}

function readTime(text: string, path: string): number {
  const time = parseTime(text);
  if (!Number.isNaN(time)) return time;
  throw new TidemarkError(
    "TIDEMARK_EVENT_DATA",
    `${path} is ${JSON.stringify(text).slice(0, 80)}, which is no time: give RFC 3339 such as "2001-01-31T08:15:00Z"`,
  );
}

/** Data as it may be sent: the other way round, with times as texts. */
export function sentData(shape: ObjectShape, data: Data): Data {
  if (shape.isFlat) return data;
  const sent: Record<string, unknown> = {};
  for (const { name, shape: of } of shape.members) {
    if (data[name] !== undefined) sent[name] = sentValue(of, data[name]);
  }
  return sent;
}

function sentValue(shape: Shape, value: unknown): unknown {
  if (shape.kind === "object") return sentData(shape, value as Data);
  if (shape.kind === "list")
    return (value as readonly unknown[]).map((each) => sentValue(shape.element, each));
  return shape.type === "time" ? formatTime(value as number) : value;
}

/** Every text that the schema names. */
export function* textsIn(shape: Shape, value: unknown): Generator<string, void, undefined> {
  if (typeof value === "string") yield value;
  if (value === undefined || shape.kind === "value") return;
  if (shape.kind === "list") {
    for (const each of value as readonly unknown[]) yield* textsIn(shape.element, each);
    return;
  }
  for (const member of shape.members) yield* textsIn(member.shape, (value as Data)[member.name]);
}

/** Whether data as it was sent holds anything that typed columns do not. */
export function holdsMore(shape: ObjectShape, data: Data): boolean {
  for (const name of Object.keys(data)) if (!shape.names.has(name)) return true;
  if (shape.isFlat) return false;
  return shape.members.some((member) => {
    const value = data[member.name];
    if (value === undefined) return false;
    const isLost = member.optional && member.shape.kind === "object" && isEmpty(value as Data);
    return isLost || valueHoldsMore(member.shape, value);
  });
}

function valueHoldsMore(shape: Shape, value: unknown): boolean {
  if (shape.kind === "object") return holdsMore(shape, value as Data);
  if (shape.kind === "value") return shape.type === "time" && !isCanonicalTime(value as string);
  return (value as readonly unknown[]).some((each) => valueHoldsMore(shape.element, each));
}

/** An optional object that is there though nothing is in it: its columns would say that it is not. */
function isEmpty(value: Data): boolean {
  return Object.keys(value).length === 0;
}
