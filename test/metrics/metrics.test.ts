import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { flightLines } from "../fault/flights-in-order.ts";
import { Platform } from "../fault/platform.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
let data: string;
let platform: Platform;
let text: string;

/** Its samples, by name and labels as they stand. */
const samples = () =>
  new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))] as const;
      }),
  );

/** Of all metrics that there are, whether they have a sample or not. */
const names = () =>
  [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name = "", type = ""]) => ({ name, type }));

/** What queries ask for: a histogram is its buckets, their sum and their count. */
const asked = () =>
  new Set(
    names().flatMap(({ name, type }) =>
      type === "histogram" ? ["_bucket", "_sum", "_count"].map((part) => name + part) : [name],
    ),
  );

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-metrics-"));
  platform = await Platform.start(data);
  const lines = await flightLines(1_000);
  await platform.ingest(`${lines.slice(0, 600).join("\n")}\n{"no": "event"}\n`);
  await platform.runIsDone(await platform.startRun());
  const { position } = await platform.ingest(`${lines.slice(500).join("\n")}\n`);
  const served = async () =>
    (await platform.rows("totals-by-hour", { after: position })).provenance.generation;
  while ((await served()) === null);
  text = await (await fetch(`${platform.url}/metrics`)).text();
}, 180_000);

afterAll(async () => {
  await platform.kill();
  await rm(data, { recursive: true, force: true });
});

test("promtool finds nothing to say", () => {
  const { status, stdout, stderr } = spawnSync(inject("promtool"), ["check", "metrics"], {
    input: text,
    encoding: "utf8",
  });
  expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: "" });
});

test("what was sent, refused, folded and computed is counted", () => {
  const found = samples();
  const sum = (name: string) =>
    [...found].filter(([key]) => key.startsWith(name)).reduce((total, [, value]) => total + value, 0);
  expect(found.get("tidemark_ingest_events_total")).toBe(1_100);
  expect(sum("tidemark_ingest_rejected_events_total")).toBe(1);
  expect(found.get("tidemark_dead_letters")).toBe(1);
  expect(sum("tidemark_log_next_offset")).toBe(1_100);
  expect(found.get('tidemark_speed_skipped_records_total{reason="duplicate"}')).toBe(100);
  expect(sum('tidemark_view_lag_records{view="totals-by-hour"')).toBe(0);
  expect(found.get('tidemark_tail_records{view="totals-by-hour"}')).toBe(500);
  expect(found.get('tidemark_generation_records{view="totals-by-hour"}')).toBe(600);
  expect(found.get('tidemark_drift_keys{view="totals-by-hour"}')).toBe(0);
  expect(sum("tidemark_master_next_offset")).toBe(600);
  expect(found.get('tidemark_run_duration_seconds_count{outcome="succeeded"}')).toBe(1);
  expect(
    found.get('tidemark_http_request_duration_seconds_count{method="POST",route="/v1/events",status="202"}'),
  ).toBe(2);
  expect(found.get("nodejs_eventloop_lag_p99_seconds")).toBeGreaterThan(0);
});

test("the dashboard asks for nothing that is not there, and for every metric of ours", () => {
  const dashboard = JSON.parse(readFileSync(join(root, "infra/monitoring/grafana/tidemark.json"), "utf8"));
  const exprs: string[] = dashboard.panels.flatMap(({ targets }: { targets: { expr: string }[] }) =>
    targets.map(({ expr }) => expr),
  );
  const named = new Set(exprs.flatMap((expr) => expr.match(/\b(?:tidemark|nodejs|process)_\w+/g) ?? []));
  const there = asked();
  expect([...named].filter((name) => !there.has(name))).toEqual([]);
  const unshown = names().filter(
    ({ name }) => name.startsWith("tidemark_") && !exprs.some((expr) => expr.includes(name)),
  );
  expect(unshown).toEqual([]);
});

test("the documentation lists every metric of ours, with its type, and no other", () => {
  const page = readFileSync(join(root, "docs/operations.md"), "utf8");
  const listed = [...page.matchAll(/^\| `(tidemark_\w+)` \| (\w+) \|/gm)].map(([, name, type]) => ({
    name,
    type,
  }));
  const byName = (a: { name?: string | undefined }, b: typeof a) =>
    (a.name ?? "") < (b.name ?? "") ? -1 : 1;
  expect(listed.sort(byName)).toEqual(
    names()
      .filter(({ name }) => name.startsWith("tidemark_"))
      .sort(byName),
  );
});
