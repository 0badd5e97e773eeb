import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { listen, standIn } from "./stand-in.ts";

const launcher = fileURLToPath(new URL("../../cli/tidemark.mjs", import.meta.url));

function launch(args: readonly string[]) {
  const child = spawn(process.execPath, [launcher, ...args], { stdio: "pipe" });
  return { child, done: finished(child) };
}

async function finished(child: ChildProcess) {
  const written = { out: "", err: "" };
  child.stdout?.on("data", (chunk) => {
    written.out += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    written.err += chunk;
  });
  const [code, signal] = await once(child, "close");
  return { code, signal, ...written };
}

test("the launcher runs the program from a checkout and hands on its exit code", async () => {
  const version = launch(["--version"]);
  const wrong = launch(["--colour"]);
  expect(await version.done).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  expect(await wrong.done).toMatchObject({
    code: 2,
    err: expect.stringContaining("unknown option '--colour'"),
  });
});

test("standard input is sent as it comes", async () => {
  const answer = { accepted: 2, rejected: [], rejectedCount: 0, position: "t@0:2" };
  const server = await standIn({ "POST /v1/events": { status: 202, body: answer } });
  const { child, done } = launch(["ingest", "-", "--json", "--url", server.url]);
  child.stdin?.end('{"id":"1"}\n{"id":"2"}\n');
  const { code, out } = await done;
  await server[Symbol.asyncDispose]();
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual(answer);
  expect(server.asked[0]?.body).toBe('{"id":"1"}\n{"id":"2"}\n');
});

test("an interrupt ends an ingest cleanly, with 130", async () => {
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const server = await listen((request) => request.on("data", arrive).on("error", () => {}));
  const { child, done } = launch(["ingest", "-", "--url", server.url]);
  child.stdin?.on("error", () => {});
  child.stdin?.write('{"id":"1"}\n');
  await arrived;
  child.kill("SIGINT");
  const { code, err } = await done;
  await server[Symbol.asyncDispose]();
  expect([code, err]).toEqual([130, "interrupted\n"]);
});

test("a reader that has seen enough is no failure", async () => {
  const rows = Array.from({ length: 50_000 }, (_, n) => ({ n, text: "x".repeat(20) }));
  const provenance = { layer: "merged", generation: null, cut: "", position: "", lag: 0, approximate: {} };
  const body = { rows, provenance, cursor: null };
  const server = await standIn({ "GET /v1/views/v/rows": { body } });
  const { child, done } = launch(["query", "v", "--url", server.url, "--json"]);
  child.stdout?.once("data", () => child.stdout?.destroy());
  const { code, err } = await done;
  await server[Symbol.asyncDispose]();
  expect([code, err]).toEqual([0, ""]);
});
