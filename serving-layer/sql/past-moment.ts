import type { Generations, Manifest } from "../../infra/generations/generations.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import { unlessAborted } from "../../infra/unless-aborted.ts";
import type { App } from "../../views/app.ts";
import { type Cut, cutsEqual, formatCut } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { EventType } from "../../views/event.ts";
import { isRecomputed } from "../../views/layers.ts";
import { cutOf } from "../../views/mapping.ts";
import type { View } from "../../views/view.ts";
import { type AsOf, readAsOf } from "../as-of/as-of.ts";
import { describeKept, requireReached, wasPublishedBy } from "../as-of/find-past.ts";
import { offersRun } from "../as-of/offer.ts";
import type { Pasts } from "../as-of/pasts.ts";
import { readLayer } from "../layer.ts";
import type { KnownBound } from "../log-bound.ts";
import { parameterError } from "../parameter-text.ts";
import type { Versions } from "../versions.ts";
import type { SqlMoment, ViewThen } from "./moment.ts";
import type { Named } from "./table-names.ts";

export interface PastMomentParts {
  readonly app: App;
  /** Those that answers of the past can go on from. */
  readonly kept: Pick<Generations, "list">;
  readonly pasts: Pasts;
  readonly versions: Versions;
}

/**
 * The moment that `text` asks for: of every table of the statement the records before one cut, each view as `rows` has it as
 * of that cut. What it keeps open is the lifecycle's to close. Throws what `rows` throws, and the signal's reason.
 */
export async function pastMoment(
  parts: PastMomentParts,
  used: readonly Named[],
  text: string,
  end: KnownBound,
  signal: AbortSignal,
  ends: Lifecycle,
): Promise<SqlMoment> {
  const { app, pasts } = parts;
  const types = typesOf(used);
  const asked = readAsOf({ name: "the statement's tables", types }, text, app.events);
  const found = asked.kind === "position" ? undefined : await findGeneration(parts, used, types, asked);
  const cut = asked.kind === "position" ? asked.position : (found?.cut ?? {});
  requireReached(cut, end.cut);
  const views = new Map<View, ViewThen>();
  const all = viewsOf(used);
  const whole = { kind: "position", text, position: cut } as const;
  for (const view of all) {
    const asOf: AsOf = found?.of.has(view.name)
      ? { kind: "generation", text, id: found.id }
      : { kind: "position", text, position: cutOf(view, cut) };
    const layer = readLayer(view);
    const opening = pasts.open(view, layer, asOf, end.cut).catch(offersRun(parts.versions, all, whole));
    const past = ends.use(await unlessAborted(opening, signal));
    // What one layer alone computes is as of its last generation.
    views.set(view, layer === "batch" ? { ...past, position: past.snapshot.cut } : past);
  }
  return {
    view: (view) => {
      const then = views.get(view);
      if (then === undefined) throw new Error(`view "${view.name}" is not of the statement`);
      return then;
    },
    nexts: ({ name }) => cut[name] ?? [],
    end: { cut, isCurrent: true },
    asOf: text,
  };
}

function viewsOf(used: readonly Named[]): readonly View[] {
  return used.flatMap((named) => (named.kind === "view" ? [named.view] : []));
}

function typesOf(used: readonly Named[]): readonly EventType[] {
  const types = used.flatMap((named) =>
    named.kind === "events" ? [named.event] : named.view.mappings.map(({ event }) => event),
  );
  return [...new Set(types)];
}

interface FoundGeneration {
  readonly id: string;
  /** The views that have it: a replay may have kept several under one name. */
  readonly of: ReadonlySet<string>;
  /** Of its run. */
  readonly cut: Cut;
}

/**
 * A generation is of its view's topics alone, so the moment that it stands for is the cut of its run, in which all of the
 * app's views were computed. Generations are those of the statement's views, or of any where it names events alone.
 */
async function findGeneration(
  { app, kept }: PastMomentParts,
  used: readonly Named[],
  types: readonly EventType[],
  asked: Exclude<AsOf, { kind: "position" }>,
): Promise<FoundGeneration> {
  const all = new Map<View, readonly Manifest[]>();
  for (const view of app.views.filter(isRecomputed)) {
    const listed = await kept.list(view.name);
    all.set(
      view,
      listed.filter(({ fingerprint }) => fingerprint === view.fingerprint),
    );
  }
  const named = viewsOf(used);
  const usable = (named.length === 0 ? [...all.keys()] : named).flatMap((view) => all.get(view) ?? []);
  const found = usable.filter((each) =>
    asked.kind === "generation" ? each.id === asked.id : wasPublishedBy(each, asked.ms),
  );
  const [newest] = found.sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
  if (newest === undefined) throw unknown(asked, usable);
  const ofRun = [...all.values()].flat().filter(({ run }) => run === newest.run);
  const cut: Cut = Object.assign({}, ...ofRun.map((each) => each.cut), newest.cut);
  const missing = types.filter(({ name }) => cut[name] === undefined);
  if (missing.length === 0) {
    const ofTypes = Object.fromEntries(types.map(({ name }) => [name, cut[name] ?? []]));
    const same = ofRun.filter((each) => each.id === newest.id && isWithin(cut, each.cut));
    return { id: newest.id, of: new Set(same.map(({ view }) => view)), cut: ofTypes };
  }
  throw parameterError(
    `asOf: the run that made generation "${newest.id}" computed no view of ${missing.map(({ name }) => name).join(", ")}, so that it has no cut there: give a position, such as ${formatCut(cut)};TOPIC@PARTITION:OFFSET,…`,
  );
}

/** Whether the part's topics stand in the whole just so. */
function isWithin(whole: Cut, part: Cut): boolean {
  return cutsEqual(part, Object.fromEntries(Object.keys(part).map((topic) => [topic, whole[topic] ?? []])));
}

function unknown(asked: Exclude<AsOf, { kind: "position" }>, usable: readonly Manifest[]): TidemarkError {
  const reason =
    asked.kind === "generation"
      ? `generation "${asked.id}" of the statement's views is not kept, or was made from another declaration`
      : `no generation of the statement's views that is kept was published by ${asked.text}`;
  return new TidemarkError(
    "TIDEMARK_GENERATION_UNKNOWN",
    `${reason}; there ${usable.length === 1 ? "is" : "are"} ${describeKept(usable)}`,
  );
}
