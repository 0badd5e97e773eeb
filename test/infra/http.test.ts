import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { createServer } from "../../infra/http.ts";

test("answers to requests that have come together go out once all of them are read", async () => {
  await using server = createServer({});
  const replies: { raw: { writableEnded: boolean } }[] = [];
  const sent: number[] = [];
  server.get("/", (_request, reply) => {
    sent.push(replies.filter(({ raw }) => raw.writableEnded).length);
    replies.push(reply);
    return reply.send("answered");
  });
  const url = await server.listen({ port: 0, host: "127.0.0.1" });
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  const request = "GET / HTTP/1.1\r\nhost: here\r\n\r\n";
  const last = "GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
  let answered = "";
  socket.on("data", (data) => {
    answered += data;
  });
  socket.write(request + request + last);
  await once(socket, "close");
  expect(answered.match(/HTTP\/1.1 200/g)).toHaveLength(3);
  expect(sent).toEqual([0, 0, 0]);
});

test("a request's query string is its own to read, and what it fails by is logged under its id", async () => {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  await using server = createServer({ logger: { level: "error", stream } });
  server.get("/", ({ query }) => {
    throw new Error(`broken: ${JSON.stringify(query)}`);
  });
  const { statusCode, headers, payload } = await server.inject({
    url: "/?a=1",
    headers: { "x-request-id": "abc-1" },
  });
  expect(statusCode).toBe(500);
  expect(payload).not.toContain("broken");
  expect(headers["x-request-id"]).toBe("abc-1");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { reqId: "abc-1", err: { message: "broken: {}" }, msg: "internal" },
  ]);
});
