import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { tidemarkHere } from "../cli/here.ts";
import { flightLines } from "./flights-in-order.ts";
import { Platform } from "./platform.ts";

const app = fileURLToPath(new URL("./every-aggregate-app.ts", import.meta.url));

interface Flight {
  readonly id: string;
  readonly time: string;
  readonly data: {
    readonly origin: string;
    readonly destination: string;
    readonly delay: number;
    readonly distance: number;
  };
}

/** Rows by origin alone, from plain arrays. */
function answers(flights: readonly Flight[]) {
  const byOrigin = new Map<string, Flight[]>();
  for (const each of flights) {
    const ofOrigin = byOrigin.get(each.data.origin) ?? [];
    byOrigin.set(each.data.origin, ofOrigin);
    ofOrigin.push(each);
  }
  return [...byOrigin]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([origin, of]) => {
      const destinations = new Set(of.map(({ data }) => data.destination)).size;
      const times = of.map(({ time }) => Date.parse(time));
      const at = (time: number) =>
        new Set(of.filter((_, i) => times[i] === time).map(({ data }) => data.destination));
      return {
        origin,
        distance: of.reduce((total, { data }) => total + data.distance, 0),
        furthest: of
          .map(({ data }) => data.destination)
          .sort()
          .at(-1),
        destinations,
        delays: of.map(({ data }) => data.delay).sort((a, b) => a - b),
        // Of flights of one minute the place in the log decides, which a reader of the file doesn't know.
        lastTo: at(times.reduce((a, b) => Math.max(a, b))),
        firstTo: at(times.reduce((a, b) => Math.min(a, b))),
      };
    });
}

function nearestRank(sorted: readonly number[], share: number): number {
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN;
}

test("every aggregate answers exactly, or within its error, across the cut, a kill and a reconciled run", async () => {
  const lines = await flightLines(30_000);
  const expected = answers(lines.map((line) => JSON.parse(line) as Flight));
  const data = await mkdtemp(join(tmpdir(), "tidemark-aggregates-"));
  let platform = await Platform.start(data, app);
  try {
    await platform.ingest(`${lines.slice(0, 20_000).join("\n")}\n`);
    await platform.runIsDone(await platform.startRun());
    const { position } = await platform.ingest(`${lines.slice(20_000).join("\n")}\n`);
    const ask = { groupBy: "origin", after: position, timeout: "30s" };
    const before = (await platform.rows("airport-days", ask)).rows;
    expect(before.map(({ origin }) => origin)).toEqual(expected.map(({ origin }) => origin));
    for (const [i, row] of before.entries()) {
      const right = expected[i];
      if (right === undefined) continue;
      const { distance, furthest, destinations, delays } = right;
      expect(row).toMatchObject({ distance, furthest, exactDestinations: destinations });
      expect(row.perFlight).toBe(distance / delays.length);
      expect(row.fewDestinations).toBe(destinations > 2 ? null : destinations);
      expect(Math.abs(Number(row.destinations) - destinations)).toBeLessThanOrEqual(0.04 * destinations);
      expect(right.lastTo).toContain(row.lastTo);
      expect(right.firstTo).toContain(row.firstTo);
      const median = nearestRank(delays, 0.5);
      expect(Math.abs(Number(row.medianDelay) - median)).toBeLessThanOrEqual(Math.abs(median) * 0.01);
      const late = delays.filter((delay) => delay > 0);
      if (late.length === 0) expect(row.lateDelay).toBe(null);
      else {
        const right = nearestRank(late, 0.9);
        expect(Math.abs(Number(row.lateDelay) - right)).toBeLessThanOrEqual(right * 0.01);
      }
      const mean = delays.reduce((a, b) => a + b, 0) / delays.length;
      const variance = delays.reduce((a, b) => a + (b - mean) ** 2, 0) / delays.length;
      expect(Number(row.delayVariance)).toBeCloseTo(variance, 6);
    }

    await platform.kill();
    platform = await Platform.start(data, app);
    expect((await platform.rows("airport-days", ask)).rows).toEqual(before);

    await platform.runIsDone(await platform.startRun());
    const { reconciliations } = await platform.get<{ reconciliations: { reconciliation: object }[] }>(
      "/v1/reconciliations",
    );
    expect(reconciliations[0]?.reconciliation).toMatchObject({ kind: "compared", differing: 0 });
    const batch = await platform.rows("airport-days", { groupBy: "origin", layer: "batch" });
    expect(batch.rows).toEqual(before);
    expect(batch.provenance).toMatchObject({
      approximate: {
        destinations: "distinct count: standard error 0.81 %",
        medianDelay: "quantile: off by at most 0.781 % of itself",
      },
    });
    expect(await platform.stop()).toBe(0);
    const { out } = await tidemarkHere(["verify", "--app", app, "--data", data, "--json"]);
    expect(JSON.parse(out)).toMatchObject({ clean: true });
  } finally {
    await platform.kill();
    await rm(data, { recursive: true, force: true });
  }
});
