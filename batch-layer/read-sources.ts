import type { Duckdb } from "../infra/duckdb.ts";
import { earlyValues } from "../infra/master/early-values.ts";
import type { Master, MasterFile } from "../infra/master/master.ts";
import { type Cut, offsetAt } from "../views/cut.ts";
import type { EventType } from "../views/event.ts";
import type { View } from "../views/view.ts";
import { type Source, sourceOf } from "./source.ts";

export interface Sources {
  readonly view: View;
  readonly cut: Cut;
  readonly master: Pick<Master, "files">;
  readonly duckdb: Duckdb;
  readonly signal: AbortSignal;
}

/** What a run computes is of the files that it finds first. */
export function listedOnce(master: Pick<Master, "files">): Pick<Master, "files"> {
  const listed = new Map<string, Promise<readonly MasterFile[]>>();
  return {
    files: (topic) => {
      const files = listed.get(topic) ?? master.files(topic);
      listed.set(topic, files);
      return files;
    },
  };
}

/** By the view's mappings, the records of `[since, cut)`. */
export async function readSources(sources: Sources, since: Cut): Promise<readonly Source[]> {
  const read: Source[] = [];
  for (const { event } of sources.view.mappings) read.push(await readSource(sources, event, since));
  return read;
}

/** Values of fields that are younger than their records are put beside the master's files, where they are not yet. */
async function readSource(
  { master, duckdb, cut, signal }: Sources,
  type: EventType,
  since: Cut,
): Promise<Source> {
  const files = await master.files(type.name);
  const source = sourceOf(type, files, cut, since);
  if (type.former.length === 0) return source;
  const read = files.filter(({ partition, next }) => next > offsetAt(since, type.name, partition));
  const [connection, reader] = [await duckdb.connect(), await duckdb.connect()];
  try {
    return { ...source, early: await earlyValues({ connection, reader, signal }, type, read) };
  } finally {
    for (const used of [connection, reader]) duckdb.disconnect(used);
  }
}
