import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dataFolder } from "../../cli/data-folder.ts";
import { loadApp } from "../../cli/load-app.ts";
import { recordDeclarations } from "../../infra/declarations/declarations.ts";
import { tidemarkHere } from "./here.ts";

const app = fileURLToPath(new URL("../integration/erasure-app.ts", import.meta.url));
const cluster = { KAFKA_BROKERS: "127.0.0.1:1" };
let data: string;

/** As `tidemark topics apply` leaves it to the nodes of a cluster: no log is in it. */
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-shared-"));
  await recordDeclarations(dataFolder(data).declarations, await loadApp(app), {});
});
afterAll(() => rm(data, { recursive: true, force: true }));

const erase = (environment: Readonly<Record<string, string>>, ...key: readonly string[]) =>
  tidemarkHere(["erase", ...key, "--app", app, "--data", data], environment);

test("the folder of a cluster is not erased at rest, nor is what is pending there, and nothing is asked for", async () => {
  for (const key of [["C-1"], []]) {
    const { code, out, err } = await erase(cluster, ...key);
    expect([code, out, err]).toEqual([
      ...[1, "", expect.stringMatching(/^TIDEMARK_ERASURE_REFUSED: .*a cluster, .* with --url/)],
    ]);
  }
  expect(await readdir(data)).not.toContain("erasures");
});

test("without KAFKA_BROKERS the folder is none, and it is said that they may be missing", async () => {
  const { code, err } = await erase({}, "C-1");
  expect([code, err]).toEqual([
    1,
    expect.stringMatching(/^TIDEMARK_CONFIG: .*no data folder.*KAFKA_BROKERS/),
  ]);
});
