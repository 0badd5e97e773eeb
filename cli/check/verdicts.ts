import { type Declarations, type RecordedView, refusalOf } from "../../infra/declarations/declarations.ts";
import { meantBy } from "../../infra/versions/meant-by.ts";
import type { VersionPointer } from "../../infra/versions/version-pointer.ts";
import type { App } from "../../views/app.ts";
import { changesTopic } from "../../views/changes-topic.ts";
import type { EventType } from "../../views/event.ts";
import { isRecomputed, type Layers } from "../../views/layers.ts";
import type { RecordedType } from "../../views/recorded-type.ts";
import { parseKeep } from "../../views/retention.ts";
import { compareTypes } from "../../views/schema-change.ts";
import { familiesOf, familyOf, needsGeneration, viewName } from "../../views/version.ts";
import type { View } from "../../views/view.ts";
import { plural } from "../quantity.ts";

/** What a change of the app means for one event type or view of a data folder. */
export interface Verdict {
  readonly kind: "event type" | "view";
  readonly name: string;
  readonly verdict: "unchanged" | "changed" | "needs recompute" | "new" | "gone" | "refused";
  /** In words, one line each. */
  readonly meaning: readonly string[];
}

const fromGeneration = "it is not answered until the next batch run has built it";
const fromLog = "until the next batch run the speed layer answers it from the whole log";
const folded = "it is not answered until the speed layer has folded all records";

/**
 * Event types by name, then views: the app's in its order, then those that it does not have any more. `pointers` says
 * which version each family's name means now.
 */
export function verdictsOf(
  app: App,
  { types, views }: Declarations,
  pointers: ReadonlyMap<string, VersionPointer>,
): readonly Verdict[] {
  const eventTypes = app.events.map((type) => ofType(type, types));
  const refused = new Set(eventTypes.filter(({ verdict }) => verdict === "refused").map(({ name }) => name));
  return [
    ...eventTypes,
    ...gone(types.keys(), app.events).map(
      (name): Verdict => ({
        kind: "event type",
        name,
        verdict: "gone",
        meaning: ["no more of it are taken; its records are kept"],
      }),
    ),
    ...app.views.map((view) => ofView(view, app, views, refused, pointers.get(view.family))),
    ...gone(views.keys(), app.views).map(
      (name): Verdict => ({
        kind: "view",
        name,
        verdict: "gone",
        meaning: [
          "it is not answered any more; its generations are kept",
          ...inItsPlace(name, app, pointers.get(familyOf(name))),
        ],
      }),
    ),
  ];
}

function ofType(type: EventType, types: Declarations["types"]): Verdict {
  const of = (verdict: Verdict["verdict"], ...meaning: readonly string[]): Verdict => {
    return { kind: "event type", name: type.name, verdict, meaning };
  };
  const recorded = types.get(type.name);
  if (recorded === undefined) return of("new", "nothing of it has been taken yet");
  const { refusals, widenings, restatements } = compareTypes(recorded, type);
  if (refusals.length > 0) return of("refused", refusalOf(type, refusals));
  const changes = [...widenings, ...restatements, ...keepChange(recorded, type)];
  return changes.length > 0 ? of("changed", ...changes) : of("unchanged");
}

function keepChange(recorded: RecordedType, { keep: is }: EventType): readonly string[] {
  const was = recorded.keep ?? null;
  if (was === is) return [];
  const [now, before] = [is, was].map((keep) => (keep === null ? "for ever" : `for ${keep}`));
  const isShorter = is !== null && (was === null || (parseKeep(is) ?? 0) < (parseKeep(was) ?? 0));
  const meaning = isShorter
    ? `facts whose event time is longer than ${is} ago leave with the next batch run in full, for good`
    : "what has left already does not come back";
  return [`facts are kept ${now}, were kept ${before}: ${meaning}`];
}

/** Who answers for an active version that is gone. */
function inItsPlace(name: string, app: App, pointer: VersionPointer | undefined): readonly string[] {
  const family = familyOf(name);
  const meant = meantBy(familiesOf(app.views).get(family) ?? [], pointer);
  if (meant === undefined || pointer === undefined || viewName(family, pointer.active) !== name) return [];
  return [`"${family}" means it now: version ${meant.version} will answer in its place`];
}

function ofView(
  view: View,
  app: App,
  views: Declarations["views"],
  refused: ReadonlySet<string>,
  pointer: VersionPointer | undefined,
): Verdict {
  const of = (verdict: Verdict["verdict"], ...meaning: readonly string[]): Verdict => {
    return { kind: "view", name: view.name, verdict, meaning };
  };
  const [type] = view.mappings.filter(({ event }) => refused.has(event.name));
  if (type !== undefined) return of("refused", `its event type ${type.event.name} is`);
  const recorded = views.get(view.name);
  const meanwhile = meanwhileOf(view, pointer);
  if (recorded === undefined) return of("new", ...meanwhile, ...byPolicy(view, pointer));
  const changes = [...layersChange(recorded, view), ...publishChange(recorded, view, app)];
  if (recorded.fingerprint !== view.fingerprint) return of("needs recompute", ...meanwhile, ...changes);
  return changes.length > 0 ? of("changed", ...changes) : of("unchanged");
}

const ofLayers: Readonly<Record<Layers, string>> = {
  both: "both layers go on from what there is of it",
  batch: "no tail of it is kept, and answers are what the last batch run covered",
  speed: `no more generations of it are made, and ${folded}`,
};

function layersChange({ layers: was }: RecordedView, { layers: is }: View): readonly string[] {
  return was === undefined || was === is ? [] : [`layers is "${is}", was "${was}": ${ofLayers[is]}`];
}

function publishChange({ publish: was }: RecordedView, view: View, app: App): readonly string[] {
  if (was === undefined || was === view.publish) return [];
  const topic = `"${changesTopic(app.name, view)}"`;
  return view.publish
    ? [`its rows are told as they change, in a cluster, to the topic ${topic}`]
    : [`no more changes of its rows are told; the topic ${topic} stays as it is`];
}

function meanwhileOf(view: View, pointer: VersionPointer | undefined): readonly string[] {
  if (!isRecomputed(view)) return [folded, ...nobody(view, pointer)];
  return needsGeneration(view) ? [fromGeneration, ...nobody(view, pointer)] : [fromLog];
}

/** What it will do on its own. */
function byPolicy({ family, version, flip }: View, pointer: VersionPointer | undefined): readonly string[] {
  if (flip === "manual" || version <= (pointer?.newest ?? 1)) return [];
  const { cleanRuns } = flip.when;
  return [`by its policy "${family}" will mean it after ${plural(cleanRuns, "run")} without drift`];
}

function nobody({ family, version }: View, pointer: VersionPointer | undefined): readonly string[] {
  return pointer?.active === version ? [`"${family}" means it: until then nobody answers that name`] : [];
}

function gone(recorded: Iterable<string>, present: readonly { readonly name: string }[]): readonly string[] {
  const names = new Set(present.map(({ name }) => name));
  return [...recorded].filter((name) => !names.has(name)).sort();
}
