import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BrokerConnection } from "../../infra/kafka/broker-connection.ts";
import { KafkaConnections } from "../../infra/kafka/connections.ts";
import { isPassing } from "../../infra/kafka/kafka-error.ts";
import { metadataRequest } from "../../infra/kafka/metadata.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";

/** What a broker does with a request. */
type Temper = () => "answer" | "end" | "reset";

let temper: Temper;
let server: Server;
let port: number;

beforeEach(async () => {
  const sockets = new Set<Socket>();
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    serve(socket, () => temper());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as { readonly port: number }).port;
});

afterEach(async () => {
  server.close();
  await once(server, "close");
});

test("of requests side by side over connections that break, each is answered or refused with an error that passes", async () => {
  const random = pseudoRandom(1);
  temper = () => {
    const drawn = random();
    return drawn < 0.1 ? "end" : drawn < 0.2 ? "reset" : "answer";
  };
  const settings = settingsOf(port);
  let connection = new BrokerConnection({ host: "127.0.0.1", port }, settings);
  let answered = 0;
  const refusals: unknown[] = [];
  const ask = async () => {
    const mine = connection;
    try {
      await mine.send(metadataRequest(["t"]));
      answered++;
    } catch (error) {
      refusals.push(error);
      if (connection === mine) connection = new BrokerConnection({ host: "127.0.0.1", port }, settings);
      await mine.close();
    }
  };
  for (let round = 0; round < 300; round++) {
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        for (let turns = i * Math.floor(6 * random()); turns > 0; turns--) await null;
        await ask();
      }),
    );
  }
  await connection.close();
  expect(answered).toBeGreaterThan(100);
  expect(refusals.length).toBeGreaterThan(100);
  expect(refusals.filter((error) => !isPassing(error))).toEqual([]);
});

test("metadata asked for twice at once, by the same address, is there twice", async () => {
  temper = () => "answer";
  const connections = new KafkaConnections(settingsOf(port));
  await Promise.all([connections.refresh(["a"]), connections.refresh(["b"])]);
  await connections[Symbol.asyncDispose]();
});

function settingsOf(at: number) {
  return { ...kafkaSettings({ KAFKA_BROKERS: `127.0.0.1:${at}` }), requestTimeoutMs: 5_000 };
}

const apiVersions = 18;

/** A broker without topics that knows version 5 of Metadata, but breaks connections when its temper says so. */
function serve(socket: Socket, next: Temper): void {
  let kept = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    kept = Buffer.concat([kept, bytes]);
    while (kept.length >= 4 && kept.length >= 4 + kept.readInt32BE(0)) {
      const request = kept.subarray(4, 4 + kept.readInt32BE(0));
      kept = kept.subarray(4 + request.length);
      const does = next();
      if (does === "end") return void socket.end();
      if (does === "reset") return void socket.resetAndDestroy();
      const body = request.readInt16BE(0) === apiVersions ? versionsAnswer() : Buffer.alloc(18);
      const head = Buffer.alloc(8);
      head.writeInt32BE(4 + body.length, 0);
      head.writeInt32BE(request.readInt32BE(4), 4);
      setTimeout(() => !socket.destroyed && socket.write(Buffer.concat([head, body])), 1);
    }
  });
}

/** Error code 0, of one API: 3, Metadata, versions 0 to 9; no throttling. */
function versionsAnswer(): Buffer {
  const body = Buffer.alloc(16);
  body.writeInt32BE(1, 2);
  body.writeInt16BE(3, 6);
  body.writeInt16BE(9, 10);
  return body;
}

function pseudoRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
