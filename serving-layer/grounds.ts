import { createHash } from "node:crypto";
import type { Tail } from "../infra/tail/tail.ts";
import type { Cut } from "../views/cut.ts";
import type { View } from "../views/view.ts";
import type { Past } from "./as-of/pasts.ts";
import type { Join } from "./join.ts";
import type { Layer } from "./layer.ts";
import type { KnownBound } from "./log-bound.ts";
import type { Query } from "./parameters.ts";
import { type Provenance, provenanceOf } from "./provenance.ts";
import type { Snapshot } from "./snapshot.ts";

/** All that an answer depends on besides its query: equal moments give equal answers. */
export interface Moment {
  readonly snapshot: Snapshot;
  /** Of the tail. */
  readonly version: number;
  readonly logEnd: KnownBound;
  /** Set if it is a moment of the past, of which the version says nothing. */
  readonly past: Past | undefined;
}

export function isSameMoment(a: Moment, b: Moment): boolean {
  const isSamePast = a.past === undefined && b.past === undefined;
  const isSameSnapshot = a.snapshot.reader === b.snapshot.reader;
  return isSamePast && isSameSnapshot && a.version === b.version && a.logEnd === b.logEnd;
}

/** What an answer rests on, as JSON, and a tag that is the same for the same. */
export interface Ground {
  readonly provenance: string;
  readonly tag: string;
}

/** Tells what answers rest on; made once per view, layer and moment. */
export class Grounds {
  readonly #tail: Tail;
  readonly #recent = new Map<
    string,
    { readonly moment: Moment; readonly text: string; readonly tag: string }
  >();

  constructor(tail: Tail) {
    this.#tail = tail;
  }

  /** `approximate` is the part that queries choose, as JSON. */
  of({ stored: view, layer }: Query, approximate: string, moment: Moment, join?: Join): Ground {
    const key = `${view.name} ${layer}`;
    let known = this.#recent.get(key);
    if (known === undefined || !isSameMoment(known.moment, moment)) {
      const text = JSON.stringify(this.provenance(view, layer, moment)).slice(0, -1);
      known = { moment, text, tag: tagOf(text) };
      if (moment.past === undefined) this.#recent.set(key, known);
    }
    const { text, tag } = known;
    const tables = join === undefined ? "" : JSON.stringify(tablesOf(join, moment.logEnd)).slice(1, -1);
    const provenance = `${text},"approximate":${approximate}${tables === "" ? "" : `,${tables}`}}`;
    return { provenance, tag: tables === "" ? tag : tagOf(text + tables) };
  }

  /** Of the past, what was there is what lay before the position: an answer of it stays what it is. */
  provenance(view: View, layer: Layer, { snapshot, logEnd, past }: Moment): Provenance {
    const position = (of: Cut) => (layer === "batch" ? snapshot.cut : of);
    if (past === undefined) {
      return provenanceOf(layer, snapshot, position(this.#tail.position(view)), logEnd);
    }
    const end = { cut: past.position, isCurrent: true };
    return provenanceOf(layer, snapshot, position(past.position), end, past.asOf);
  }
}

/** By table the state that was used; nothing for a query without attributes. */
export function tablesOf({ states }: Join, logEnd: KnownBound) {
  if (states.length === 0) return {};
  return {
    dimensions: Object.fromEntries(states.map((state) => [state.table.name, state.provenance(logEnd)])),
  };
}

/** A short text that is the same for the same. */
export function tagOf(text: string): string {
  return createHash("sha1").update(text).digest("base64url").slice(0, 16);
}
