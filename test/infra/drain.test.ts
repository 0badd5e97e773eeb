import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { drain, drainTimes } from "../../infra/drain.ts";
import { createServer } from "../../infra/http.ts";

async function serve() {
  const server = createServer({});
  let answer: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    server.get("/slow", () => {
      resolve();
      return new Promise((settle) => {
        answer = () => settle({ is: "answered" });
      });
    });
  });
  server.get("/readyz", () => ({ status: "ready" }));
  server.get("/quick", () => ({ is: "answered" }));
  const url = await server.listen({ port: 0, host: "127.0.0.1" });
  return { server, url, begun, answer: () => answer() };
}

const status = async (url: string) => (await fetch(url, { headers: { connection: "close" } })).status;

test("a server that ends says so at /readyz, answers all else for a while and what is in hand, and then is gone", async () => {
  const { server, url, begun, answer } = await serve();
  expect(await status(`${url}/readyz`)).toBe(200);
  const slow = fetch(`${url}/slow`);
  await begun;
  const ended = drain(server, { noticeMs: 300, withinMs: 10_000 });
  const refused = await fetch(`${url}/readyz`, { headers: { connection: "close" } });
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ code: "TIDEMARK_NOT_READY" });
  expect(await status(`${url}/quick`)).toBe(200);
  answer();
  expect(await (await slow).json()).toEqual({ is: "answered" });
  await ended;
  await expect(fetch(`${url}/quick`)).rejects.toThrow();
});

test("a request that takes too long is cut off, so that the server ends", async () => {
  const { server, url, begun } = await serve();
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write("GET /slow HTTP/1.1\r\nhost: here\r\n\r\n");
  await begun;
  const closed = once(socket, "close");
  await drain(server, { noticeMs: 0, withinMs: 50 });
  await closed;
});

test("how long it says so is read from the environment, within bounds", () => {
  expect(drainTimes({})).toMatchObject({ noticeMs: 0 });
  expect(drainTimes({ TIDEMARK_DRAIN_NOTICE_MS: "5000" })).toMatchObject({ noticeMs: 5_000 });
  for (const text of ["-1", "5s", "60001", ""]) {
    expect(() => drainTimes({ TIDEMARK_DRAIN_NOTICE_MS: text })).toThrow("must be whole milliseconds");
  }
});
