import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readServerSentEvents } from "../../infra/server-sent-events.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { Platform } from "../fault/platform.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const anywhere = "http://127.0.0.1:4100";

let folder: string;
let platform: Platform;
let lines: readonly string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-docs-"));
  lines = await flightLines(3_000);
  platform = await Platform.start(join(folder, "data"));
  await platform.ingest(`${lines.slice(0, 1_000).join("\n")}\n`);
});
afterAll(async () => {
  await platform.kill();
  await rm(folder, { recursive: true, force: true });
});

async function blockOf(page: string, kind: string): Promise<string> {
  const markdown = await readFile(join(repository, "docs", page), "utf8");
  const [, body] = new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\`$`, "ms").exec(markdown) ?? [];
  if (body === undefined || !body.includes(anywhere)) throw new Error(`${page} asks no server`);
  return body.replace(anywhere, platform.url);
}

test("the client's page runs as it stands: rows, SQL, and rows that change", async () => {
  await mkdir(join(folder, "node_modules"));
  await symlink(repository, join(folder, "node_modules/tidemark"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await writeFile(join(folder, "example.ts"), await blockOf("client.md", "ts"));
  const tsx = join(repository, "node_modules/tsx/dist/loader.mjs");
  const child = spawn(process.execPath, ["--import", tsx, "example.ts"], { cwd: folder });
  let said = "";
  let from = 1_000;
  child.stdout.on("data", (chunk) => {
    said += chunk;
    // It follows the rows by now: something is to change.
    if (!said.includes("\nrows ") || from > 1_000) return;
    from = lines.length;
    void platform.ingest(`${lines.slice(1_000).join("\n")}\n`);
  });
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const [code] = await once(child, "close");
  expect(code, said).toBe(0);
  expect(said).toMatch(/origin: '\w{3}', flights: \d+/);
  expect(said).toMatch(/\[ \{ delay: -?\d/);
  expect(said).toMatch(/\nchange \d+\n$/);
});

test("the page of live rows asks for a stream whose events are those that it tells of", async () => {
  const [, url = ""] = /'(.*)'/.exec(await blockOf("live.md", "")) ?? [];
  const markdown = await readFile(join(repository, "docs/live.md"), "utf8");
  const told = Object.fromEntries(
    [...markdown.matchAll(/^\| `(\w+)` \| `\{(.*?)\}` \|/gm)].map(([, kind = "", data = ""]) => [
      kind,
      [...data.matchAll(/"(\w+)": [[{]/g)].map(([, name]) => name),
    ]),
  );
  const { body } = await fetch(url);
  if (body === null) throw new Error("an answer without a body");
  let isAsked = false;
  for await (const { event, data } of readServerSentEvents(body)) {
    expect(Object.keys(JSON.parse(data))).toEqual(told[event]);
    if (event === "change") break;
    if (!isAsked) {
      isAsked = true;
      const again = lines.map((line) => JSON.stringify({ ...JSON.parse(line), source: "/again" }));
      await platform.ingest(`${again.join("\n")}\n`);
    }
  }
  expect(Object.keys(told)).toEqual(["rows", "change"]);
});
