import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { beforeAll, expect, test } from "vitest";
import { createProgram } from "../../cli/program.ts";
import type { Terminal } from "../../cli/terminal.ts";

const repository = new URL("../../", import.meta.url);
const flag = /(?<![\w-])--[a-z][a-z-]*/g;

const options = new Map<string, ReadonlySet<string>>();

beforeAll(async () => {
  const terminal = { out: process.stdout, err: process.stderr, isInteractive: false, environment: {} };
  const collect = (command: Command, name: string) => {
    if (command.commands.length === 0)
      options.set(name, new Set(command.options.map(({ long }) => long ?? "")));
    for (const each of command.commands) collect(each, `${name} ${each.name()}`.trim());
  };
  collect(await createProgram(terminal as unknown as Terminal), "");
});

/** The longest name of a command that a line begins with. */
function commandOf(line: string): string | undefined {
  const words = line.split(/\s+/);
  return [2, 1].map((count) => words.slice(0, count).join(" ")).find((name) => options.has(name));
}

test("the page of the command line has every command with its options, and no others", async () => {
  const page = await readFile(new URL("docs/command-line.md", repository), "utf8");
  const described = new Map<string, readonly string[]>();
  for (const section of page.split(/^## /m).slice(1)) {
    const [head = "", ...rows] = section.split(/^\| `/m);
    const common = head.match(flag) ?? [];
    for (const row of rows) {
      const own = row.slice(row.lastIndexOf("| ", row.lastIndexOf("|") - 1)).match(flag) ?? [];
      described.set(commandOf(row.replaceAll("`", " ")) ?? row, [...common, ...own].sort());
    }
  }
  expect(Object.fromEntries(described)).toEqual(
    Object.fromEntries([...options].map(([name, flags]) => [name, [...flags].sort()])),
  );
});

test("no page gives a command an option that it does not have", async () => {
  const folder = new URL("docs/", repository);
  const pages = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".md"));
  const unknown: string[] = [];
  let found = 0;
  for (const page of [...pages.map((name) => new URL(name, folder)), new URL("README.md", repository)]) {
    for (const line of (await readFile(page, "utf8")).split("\n")) {
      for (const [, given = ""] of line.matchAll(/tidemark(?:\.mjs)? ([a-z-]+(?: [^`#|&]*)?)/g)) {
        const command = commandOf(given);
        for (const each of command === undefined ? [] : (given.match(flag) ?? [])) {
          found++;
          if (!options.get(command ?? "")?.has(each)) unknown.push(`${fileURLToPath(page)}: ${line}`);
        }
      }
    }
  }
  expect(unknown).toEqual([]);
  expect(found).toBeGreaterThan(100);
});
