import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flight } from "../../examples/flights/app.ts";
import { parsePosition } from "../../views/cut.ts";
import type { Client, Row } from "./client.ts";
import { answersOver, firstDifference, viewNames } from "./oracle.ts";

/** The oracle's lines of the records before these offsets, by partition. */
export type RecordsBefore = (nexts: readonly number[]) => AsyncIterable<string> | Iterable<string>;

/** What is right at a position, by view. */
export type Oracle = (position: string) => Promise<ReadonlyMap<string, readonly Row[]>>;

/** Remembers what it was asked last: several nodes stand at one position. */
export function oracleOf(records: RecordsBefore): Oracle {
  let known: { readonly position: string; readonly answers: ReturnType<Oracle> } | undefined;
  return (position) => {
    if (known?.position !== position) {
      const nexts = [...(parsePosition(position).get(flight.name) ?? [])]
        .sort(([a], [b]) => a - b)
        .map(([, next]) => next);
      const scratch = join(tmpdir(), `tidemark-oracle-${randomUUID()}.ndjson`);
      known = { position, answers: answersOver(records(nexts), scratch) };
    }
    return known.answers;
  };
}

/** Compares every view with the oracle at the position its answer names; gives the number of rows. Nothing is sent meanwhile. */
export async function compareNow(client: Client, oracle: Oracle, when: string): Promise<number> {
  await client.caughtUp();
  const first = await client.rows(viewNames[0] ?? "");
  const { position } = first.provenance;
  const expected = await oracle(position);
  let rows = 0;
  for (const view of viewNames) {
    const answer = await client.rows(view);
    if (answer.provenance.position !== position) {
      throw new Error(`${when}: ${view} stands at another position though nothing was sent`);
    }
    const difference = firstDifference(answer.rows, expected.get(view) ?? []);
    if (difference !== undefined) {
      throw new Error(`${when}: ${view}: ${difference}; provenance ${JSON.stringify(answer.provenance)}`);
    }
    rows += answer.rows.length;
  }
  return rows;
}
