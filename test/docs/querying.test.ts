import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readDimensionFiles } from "../../infra/dimensions/dimension-file.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { bestPath } from "../../serving-layer/access-path.ts";
import type { App } from "../../views/app.ts";
import type { Cut } from "../../views/cut.ts";
import { errorCodes } from "../../views/errors.ts";
import { recordsOf, ServedCut } from "../serving/random/served-cut.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const markdown = await readFile(join(repository, "docs/querying.md"), "utf8");
/** In order of the page: what stands behind the fence, and the lines. */
const blocks = [...markdown.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map(([, kind = "", body = ""]) => ({
  kind,
  body,
}));
const bodyOf = (kind: string) => blocks.find((block) => block.kind === kind)?.body ?? "";
const examples = blocks.flatMap(({ kind, body }, i) =>
  kind.startsWith("http") ? [{ url: body.replace("GET ", "").trim(), kind, answer: blocks[i + 1] }] : [],
);

let folder: string;
let duckdb: Duckdb;
let served: ServedCut;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-querying-"));
  await mkdir(join(folder, "node_modules"));
  await symlink(repository, join(folder, "node_modules/tidemark"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await writeFile(join(folder, "shop.ts"), bodyOf("ts"));
  await writeFile(join(folder, "shops.csv"), bodyOf("csv shops.csv"));
  const module: { default: App } = await import(pathToFileURL(join(folder, "shop.ts")).href);
  const app = module.default;
  const envelopes: readonly object[] = JSON.parse(bodyOf("json events"));
  const lines = envelopes.map((event) =>
    JSON.stringify({ source: "/docs", type: "shop.order.placed", ...event }),
  );
  duckdb = await Duckdb.open({ memoryLimit: "256MB", threads: 1, temporaryFolder: folder });
  served = await ServedCut.open({
    ...{ app, folder, planner: bestPath, records: recordsOf(app.events, lines) },
    files: await readDimensionFiles(app, folder),
    connection: await duckdb.connect(),
  });
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await duckdb[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const cutAt = (next: number) => ({ "shop.order.placed": [next, next] }) as unknown as Cut;

test("every question on the page is answered as the page says, wherever its records are cut", async () => {
  for (const cut of [0, 2, 4]) {
    await served.serve(cutAt(cut), cutAt(Math.max(cut, 3)));
    for (const { url, kind, answer } of examples) {
      const { statusCode, payload } = await served.server.inject(encodeURI(url));
      const what = `${url}, the batch layer up to ${cut}`;
      if (kind !== "http") {
        const code = kind.replace("http refused ", "");
        expect({ code: JSON.parse(payload).code }, what).toEqual({ code });
        continue;
      }
      expect(statusCode, `${what}: ${payload}`).toBe(200);
      const said = answer?.body ?? "";
      switch (answer?.kind) {
        case "json rows":
          expect(JSON.parse(payload).rows, what).toEqual(JSON.parse(said));
          break;
        case "json answer":
          // What the page shows of provenance is of no cut in particular.
          expect(JSON.parse(payload), what).toMatchObject(JSON.parse(said));
          break;
        case "json explained":
          expect(JSON.parse(payload).explain, what).toMatchObject(JSON.parse(said));
          break;
        case "ndjson":
          expect(payload.split("\n").slice(0, -2), what).toEqual(said.trimEnd().split("\n").slice(0, -1));
          expect(Object.keys(JSON.parse(payload.trimEnd().split("\n").at(-1) ?? "")), what).toEqual([
            "cursor",
            "provenance",
          ]);
          break;
        case "csv":
          expect(payload.replaceAll("\r\n", "\n"), what).toBe(said);
          break;
        default:
          expect.fail(`${url} has no answer behind it, but a block of "${answer?.kind}"`);
      }
    }
  }
});

test("the page has an example of every parameter, and names every error of queries", () => {
  const asked = examples.flatMap(({ url }) => [...new URL(url, "http://x").searchParams.keys()]);
  for (const name of [
    ...["from", "to", "granularity", "tz", "groupBy", "measures", "orderBy", "limit", "after", "timeout"],
    ...["fill", "totals", "explain", "format", "asOf", "item:not", "item:prefix", "item:from", "item:to"],
  ]) {
    expect(asked).toContain(name);
  }
  const codes = Object.keys(errorCodes).filter((code) => /^TIDEMARK_(QUERY|ASOF)_/.test(code));
  expect(codes.filter((code) => !markdown.includes(`| \`${code}\` |`))).toEqual([]);
});
