import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { App } from "../../views/app.ts";
import { type Cut, type Offset, offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { EventType } from "../../views/event.ts";
import { overTypes } from "../../views/mapping.ts";
import { type RecordedType, recordType, withFormer } from "../../views/recorded-type.ts";
import { compareTypes, type SchemaChange } from "../../views/schema-change.ts";
import { isSameJson } from "../../views/schema-widening.ts";
import type { View } from "../../views/view.ts";
import { makeFolder, removeAsides, replaceDurably } from "../durable.ts";
import { readIfThere } from "../generations/manifest.ts";

/** What a data folder knows of the app that last ran on it. */
export interface Declarations {
  readonly types: ReadonlyMap<string, RecordedType>;
  readonly views: ReadonlyMap<string, RecordedView>;
}

/** What is known of a view; of one that was recorded before the others were, the fingerprint alone. */
export interface RecordedView extends Partial<Pick<View, "layers" | "publish">> {
  readonly fingerprint: string;
}

const viewsFile = "views.json";
/** Names of event types have dots in them: none is "views". */
const typePattern = /^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+\.json$/;

/** `<folder>/<event type>.json` and `<folder>/views.json`; empty where an app has not run yet. */
export async function readDeclarations(folder: string): Promise<Declarations> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const types = new Map<string, RecordedType>();
  for (const name of names.filter((file) => typePattern.test(file)).sort()) {
    const type = await readJson(join(folder, name), recordedType);
    if (type !== undefined) types.set(type.name, type);
  }
  const views = await readJson(join(folder, viewsFile), (value) =>
    Object.entries(value as object).map(([name, view]) => [name, recordedView(view)] as const),
  );
  return { types, views: new Map(views) };
}

/** Throws TIDEMARK_SCHEMA_REFUSED, which names each type and field and the way out, if the app can't follow what ran before. */
export function requireChangesAllowed(app: App, { types }: Declarations): void {
  const refusals = app.events.flatMap((type) => {
    const recorded = types.get(type.name);
    const reasons = recorded === undefined ? [] : compareTypes(recorded, type).refusals;
    return reasons.length === 0 ? [] : [refusalOf(type, reasons)];
  });
  if (refusals.length > 0) throw new TidemarkError("TIDEMARK_SCHEMA_REFUSED", refusals.join("\n"));
}

export function refusalOf({ name }: EventType, reasons: readonly string[]): string {
  return `event type "${name}": ${reasons.join("; ")}. To change it all the same, declare a new version of the type beside it, "${nextName(name)}"`;
}

/**
 * Writes down what the app declares, before any of its events is taken. A type whose schema has become wider keeps the
 * former one for the records before `end`, where the log ends. Each file is replaced in one step, and doing it again
 * changes nothing. Throws as `requireChangesAllowed` does.
 */
export async function recordDeclarations(folder: string, app: App, end: Cut): Promise<void> {
  await makeFolder(folder);
  await removeAsides(folder);
  const { types, views } = await readDeclarations(folder);
  requireChangesAllowed(app, { types, views });
  for (const type of app.events) {
    const next = Array.from({ length: type.partitions }, (_, p) => end[type.name]?.[p] ?? offset(0));
    const recorded = types.get(type.name);
    const record = recorded === undefined ? first(type, next) : followed(recorded, type, next);
    if (!isSameJson(record, recorded)) await writeJson(join(folder, `${type.name}.json`), record);
  }
  const present = Object.fromEntries(
    app.views.map(({ name, fingerprint, layers, publish }) => [name, { fingerprint, layers, publish }]),
  );
  if (!isSameJson(present, Object.fromEntries(views))) await writeJson(join(folder, viewsFile), present);
}

function first(type: EventType, next: readonly Offset[]): RecordedType {
  return recordType(type, [], type.encrypted ? next : undefined);
}

function followed(recorded: RecordedType, type: EventType, next: readonly Offset[]): RecordedType {
  const { widenings } = compareTypes(recorded, type);
  const { schema, former, encryptedFrom = first(type, next).encryptedFrom } = recorded;
  return recordType(type, widenings.length === 0 ? former : [...former, { schema, next }], encryptedFrom);
}

/**
 * The app over what is recorded: its types know the schemas that their records were written under. Throws TIDEMARK_CONFIG if
 * a type is declared otherwise than it is recorded, since records would be read by a schema that was never in force.
 */
export function overRecords(app: App, { types }: Declarations): App {
  const events = app.events.map((type) => {
    const recorded = types.get(type.name);
    if (recorded === undefined) return type;
    const difference = firstDifference(compareTypes(recorded, type));
    if (difference === undefined) return withFormer(type, recorded);
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `event type "${type.name}" is not declared as it was when "tidemark up" last began on this folder: ${difference}; start "tidemark up" with this declaration first, or use the former one`,
    );
  });
  const byName = new Map(events.map((type) => [type.name, type]));
  const views = app.views.map((view) => overTypes(view, (type) => byName.get(type.name) ?? type));
  return Object.freeze({ ...app, events: Object.freeze(events), views: Object.freeze(views) });
}

function firstDifference({ refusals, widenings, restatements }: SchemaChange): string | undefined {
  return [...refusals, ...widenings, ...restatements][0];
}

/** `shop.order.placed` → `shop.order.placed-v2` → `shop.order.placed-v3`. */
function nextName(name: string): string {
  const [, stem = name, version = "1"] = /^(.*)-v(\d+)$/.exec(name) ?? [];
  return `${stem}-v${Number(version) + 1}`;
}

function recordedType(value: unknown): RecordedType {
  const type = value as RecordedType;
  if (typeof type.name !== "string" || typeof type.schema !== "object") throw new TypeError("no event type");
  for (const { next } of type.former) next.forEach(offset);
  type.encryptedFrom?.forEach(offset);
  return type;
}

function recordedView(value: unknown): RecordedView {
  const view = typeof value === "string" ? { fingerprint: value } : (value as RecordedView);
  if (typeof view.fingerprint !== "string") throw new TypeError("no view");
  return view;
}

async function readJson<T>(path: string, read: (value: unknown) => T): Promise<T | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return read(JSON.parse(text));
  } catch (cause) {
    throw new TidemarkError("TIDEMARK_STORE_CORRUPT", `"${path}" is no record of a declaration`, { cause });
  }
}

function writeJson(path: string, value: unknown): Promise<void> {
  return replaceDurably(path, `${JSON.stringify(value, null, 2)}\n`);
}
