import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import type { View } from "../../views/view.ts";
import { answerOf, recordsOf } from "./answer.ts";
import { type Examples, examplesOf } from "./examples.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);

let folder: string;
let markdown: string;
let page: Examples;
/** What the page's sources export, by source. */
const exported = new Map<string, readonly unknown[]>();

/** The page's blocks as an app beside an installed package. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-docs-"));
  markdown = await readFile(join(repository, "docs/views.md"), "utf8");
  page = examplesOf(markdown);
  await mkdir(join(folder, "node_modules"));
  await symlink(repository, join(folder, "node_modules/tidemark"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  for (const [name, source] of page.sources) await writeFile(join(folder, name), source);
  for (const name of page.sources.keys()) {
    const module: Readonly<Record<string, unknown>> = await import(pathToFileURL(join(folder, name)).href);
    exported.set(name, Object.values(module));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("what the page shows compiles, and what it says does not compile does not", async () => {
  const config = {
    extends: join(repository, "tsconfig.json"),
    compilerOptions: { typeRoots: [join(repository, "node_modules/@types")] },
    include: [join(folder, "*.ts")],
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(repository, "node_modules/typescript/bin/tsc");
  const outcome = await run(process.execPath, [tsc, "-p", folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(outcome.stdout).toBe("");
}, 180_000);

test("what the page says is refused is refused when it is declared", () => {
  const refused = [...exported.values()].flat().filter((value) => typeof value === "function");
  expect(refused).not.toEqual([]);
  for (const declare of refused) {
    expect(declare).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^TIDEMARK_DECLARATION_/) }),
    );
  }
});

test("every view on the page answers what the page says, wherever its records are cut", async () => {
  await using duckdb = await Duckdb.open({
    memoryLimit: "512MB",
    threads: 1,
    temporaryFolder: join(folder, "spill"),
  });
  const connection = await duckdb.connect();
  for (const [name, view] of viewsOnPage()) {
    const records = recordsOf(view, page.events, "shop.order.placed");
    for (let cut = 0; cut <= records.length; cut++) {
      const rows = await answerOf(connection, folder, view, records, cut);
      expect(rows, `${name}, the batch layer up to ${cut}`).toEqual(page.rows.get(name));
    }
  }
});

test("no view on the page is without rows, and no rows are without a view", () => {
  expect([...page.rows.keys()]).toEqual(viewsOnPage().map(([name]) => name));
});

test("every aggregate there is stands in the table of aggregates, and in a view on the page", async () => {
  const files = await readdir(join(repository, "views/aggregates"));
  const aggregates = files.map((file) =>
    file.replace(".ts", "").replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
  );
  const kinds = viewsOnPage().flatMap(([, { measures, sessions }]) =>
    (sessions?.measures ?? measures).map(({ aggregate }) => aggregate.kind),
  );
  const table = markdown
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .join("\n");
  expect(aggregates.filter((aggregate) => !table.includes(`${aggregate}(`))).toEqual([]);
  expect(new Set(kinds)).toEqual(new Set([...aggregates, "derived"]));
});

/** With their sources' names, in the order of the page. */
function viewsOnPage(): readonly (readonly [string, View])[] {
  return [...exported].flatMap(([name, values]) =>
    values.filter(isView).map((view) => [name, view] as const),
  );
}

function isView(value: unknown): value is View {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "view";
}
