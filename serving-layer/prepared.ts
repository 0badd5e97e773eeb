import type { GenerationReader } from "../infra/generations/generations.ts";
import { type AccessPath, pathsOf } from "./access-path.ts";
import type { Answer } from "./answer.ts";
import type { Moment } from "./grounds.ts";
import { KeptGroup } from "./kept-group.ts";
import type { Query } from "./parameters.ts";
import { type Plan, planOf } from "./plan.ts";
import { compileRowJson, type RowJson } from "./present.ts";
import { approximationsOf } from "./provenance.ts";
import type { Rollup } from "./rollup.ts";
import { type RowGroup, rowRollup } from "./rows.ts";

/** A query made ready, kept for when the same text comes again. */
export class Prepared {
  readonly plan: Plan;
  readonly rowJson: RowJson;
  readonly rollup: Rollup<RowGroup>;
  readonly approximate: string;
  readonly group: KeptGroup;
  /** The last answer that may be given again, and when it held. */
  answer: { readonly moment: Moment; readonly answer: Answer } | undefined;
  /** Tells the answers to different texts apart. */
  readonly #tag: string;
  #paths: { readonly reader: GenerationReader | undefined; readonly all: readonly AccessPath[] } | undefined;

  constructor(query: Query, tag: string) {
    this.plan = planOf(query);
    this.rowJson = compileRowJson(query);
    this.rollup = rowRollup(query.view);
    this.approximate = JSON.stringify(approximationsOf(query));
    this.group = new KeptGroup(query.view);
    this.#tag = tag;
  }

  /** By which a generation can be read; those of the last one are remembered. */
  paths(reader: GenerationReader | undefined, hasColumns: boolean): readonly AccessPath[] {
    if (this.#paths === undefined || this.#paths.reader !== reader)
      this.#paths = { reader, all: pathsOf(this.plan, reader, hasColumns) };
    return this.#paths.all;
  }

  /** Weak: where states were added up in another order, the last digits of sums of floats may differ. */
  etag(ground: string): string {
    return `W/"${ground}-${this.#tag}"`;
  }
}
