import { fork } from "node:child_process";
import { expect, test } from "vitest";
import { Peer } from "../../infra/peer.ts";
import { channelToChild } from "../../infra/process-channel.ts";

function startChild() {
  const child = fork(new URL("./peer-child.ts", import.meta.url), { execArgv: ["--import", "tsx/esm"] });
  return { child, peer: new Peer(channelToChild(child), { double: async (n) => (n as number) * 2 }) };
}

test("a call is answered by the other process, after its progress", async () => {
  const { child, peer } = startChild();
  const progress: unknown[] = [];
  expect(await peer.call("count", 3, { report: (p) => progress.push(p) })).toBe("counted 3");
  expect(progress).toEqual([1, 2, 3]);
  expect(await peer.call("ask-back", 21)).toBe(42);
  child.kill("SIGKILL");
});

test("an error keeps its code and its words", async () => {
  const { child, peer } = startChild();
  await expect(peer.call("fail", null)).rejects.toMatchObject({ code: "TIDEMARK_RUN_BUSY", message: "busy" });
  await expect(peer.call("unheard-of", null)).rejects.toThrow('nobody answers "unheard-of"');
  child.kill("SIGKILL");
});

test("an abort reaches the handler", async () => {
  const { child, peer } = startChild();
  const controller = new AbortController();
  const call = peer.call("until-aborted", null, {
    signal: controller.signal,
    report: () => controller.abort(),
  });
  expect(await call).toBe("aborted");
  child.kill("SIGKILL");
});

test("a call fails when the other process dies", async () => {
  const { child, peer } = startChild();
  const call = peer.call("until-aborted", null, { report: () => child.kill("SIGKILL") });
  await expect(call).rejects.toMatchObject({ code: "TIDEMARK_PROCESS_GONE", canRetry: true });
  await expect(peer.call("count", 1)).rejects.toMatchObject({ code: "TIDEMARK_PROCESS_GONE" });
});
