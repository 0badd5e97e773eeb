import { afterEach, describe, expect, test } from "vitest";
import type { Append, Log } from "../../infra/log/log.ts";
import type { Timer } from "../../ingestion/timer.ts";
import { TidemarkError } from "../../views/errors.ts";
import {
  type FixtureParts,
  GatewayFixture,
  ndjson,
  noon,
  order,
  orderText,
  places,
} from "./gateway-fixture.ts";

const json = { "content-type": "application/json" };

/** A timer whose time passes when the test says so. */
class ManualTimer {
  readonly #pending = new Set<{ readonly afterMs: number; readonly run: () => void }>();

  readonly start: Timer = (afterMs, run) => {
    const entry = { afterMs, run };
    this.#pending.add(entry);
    return { [Symbol.dispose]: () => this.#pending.delete(entry) };
  };

  elapse(afterMs: number): void {
    for (const entry of [...this.#pending].filter((pending) => pending.afterMs === afterMs)) {
      this.#pending.delete(entry);
      entry.run();
    }
  }
}

/** A log before the real one, whose appends wait, or fail, as the test says. */
class GatedLog {
  waiting: (() => void)[] = [];
  isOpen = true;
  failure: TidemarkError | undefined;
  appended = 0;

  before(log: Log): Log {
    return {
      topics: log.topics,
      append: async (records: readonly Append[]) => {
        if (!this.isOpen) await new Promise<void>((resolve) => this.waiting.push(resolve));
        if (this.failure !== undefined) throw this.failure;
        this.appended += records.length;
        return log.append(records);
      },
      starts: (topic) => log.starts(topic),
      nexts: (topic) => log.nexts(topic),
      read: (...range) => log.read(...range),
      consume: (consumption) => log.consume(consumption),
      trim: (...before) => log.trim(...before),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  release(): void {
    this.isOpen = true;
    for (const resume of this.waiting.splice(0)) resume();
  }
}

describe.each(places)("POST /v1/events under pressure, %s", (place) => {
  let gateway: GatewayFixture;
  const open = async (parts: FixtureParts = {}, gate?: GatedLog) => {
    gateway = await GatewayFixture.open(
      { place, ...parts },
      gate === undefined ? undefined : (log) => gate.before(log),
    );
    return gateway;
  };
  afterEach(() => gateway.close());

  /** Resolves once what was asked holds; looks again after each turn of the event loop. */
  async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await holds())) await new Promise(setImmediate);
  }

  const stored = async () => (await gateway.log.nexts(order.name)).reduce((a, b) => a + b, 0);

  test("a JSON body over the limit is refused while it is still coming", async () => {
    await open({ limits: { bodyBytes: 10_000 } });
    async function* endless() {
      yield "[";
      for (;;) yield `${orderText("1")},`;
    }
    expect(await gateway.post(endless(), json)).toMatchObject({
      status: 413,
      body: {
        code: "TIDEMARK_INGEST_BODY_TOO_LARGE",
        detail: expect.stringMatching(/10000 bytes.*application\/x-ndjson/),
      },
    });
  });

  test("a line over the limit is rejected and never held; the lines around it are accepted", async () => {
    await open({ limits: { eventBytes: 200_000 } });
    async function* lines() {
      yield `${orderText("1")}\n{"id":"`;
      for (let i = 0; i < 100; i++) yield "x".repeat(10_000);
      yield `"}\n${orderText("2")}\n`;
    }
    const answer = await gateway.post(lines(), ndjson);
    expect(answer).toMatchObject({
      status: 202,
      body: {
        accepted: 2,
        rejected: [
          {
            index: 1,
            code: "TIDEMARK_EVENT_TOO_LARGE",
            message: "the event is of 1000009 bytes; an event may be of 200000 at most",
          },
        ],
      },
    });
    const [letter] = (await gateway.deadLetters.list({ limit: 1 })).letters;
    expect(letter).toMatchObject({ bytes: 1_000_009 });
    expect(Buffer.from(letter?.raw ?? []).toString()).toBe(`{"id":"${"x".repeat(65_529)}`);
  });

  test("a line of exactly the limit is taken, however it arrives", async () => {
    const text = orderText("1");
    await open({ limits: { eventBytes: text.length } });
    async function* halves() {
      yield text.slice(0, 20);
      await new Promise(setImmediate);
      yield `${text.slice(20)}\r\n`;
    }
    expect(await gateway.post(halves(), ndjson)).toMatchObject({ status: 202, body: { accepted: 1 } });
    expect(await gateway.post(`${text} \n${text}`, ndjson)).toMatchObject({
      status: 202,
      body: { accepted: 1, rejectedCount: 1 },
    });
  });

  test("a line that never ends ends the request; what came before it is kept and counted", async () => {
    await open({ limits: { eventBytes: 1000 } });
    async function* endless() {
      yield `${orderText("1")}\n`;
      for (;;) yield "x".repeat(1000);
    }
    expect(await gateway.post(endless(), ndjson)).toMatchObject({
      status: 413,
      body: {
        code: "TIDEMARK_INGEST_BODY_TOO_LARGE",
        accepted: 1,
        detail: expect.stringContaining("line 1 goes on beyond 64000 bytes"),
      },
    });
    expect(await stored()).toBe(1);
  });

  test("a line that is far too long is refused as well where the body ends with it, or goes on with other lines", async () => {
    await open({ limits: { eventBytes: 1000 } });
    const head = Buffer.from(`${orderText("1")}\n${"x".repeat(70_000)}`);
    const refused = { status: 413, body: { code: "TIDEMARK_INGEST_BODY_TOO_LARGE", accepted: 1 } };
    expect(await gateway.post(head, ndjson)).toMatchObject(refused);
    const more = Array.from({ length: 3 }, () => Buffer.from(`\n${orderText("2")}\n`));
    expect(await gateway.post(Buffer.concat([head, ...more]), ndjson)).toMatchObject(refused);
    expect(await stored()).toBe(2);
  });

  test.each([
    ["ndjson", ndjson, 1],
    ["json", json, 0],
  ] as const)(
    "a %s body that stalls is ended, saying how many events were accepted",
    async (_form, headers, accepted) => {
      const timer = new ManualTimer();
      await open({ timer: timer.start, limits: { stallMs: 7 } });
      const { outgoing, answer } = gateway.begin(headers);
      outgoing.write(`${orderText("1")}\n{"id":`);
      if (accepted > 0) await until(async () => (await stored()) === accepted);
      let isAnswered = false;
      void answer.then(() => {
        isAnswered = true;
      });
      await until(() => {
        timer.elapse(7);
        return isAnswered;
      });
      expect(await answer).toMatchObject({
        status: 408,
        headers: { "retry-after": "1" },
        body: {
          code: "TIDEMARK_INGEST_STALLED",
          accepted,
          detail: expect.stringContaining("paused for 7 ms"),
        },
      });
      outgoing.destroy();
    },
  );

  test("the connection of a body that goes on after the answer is closed in the end", async () => {
    const timer = new ManualTimer();
    await open({ timer: timer.start, limits: { eventBytes: 10, lingerMs: 11 } });
    const { outgoing, answer } = gateway.begin(ndjson);
    const closed = new Promise((resolve) => outgoing.once("close", resolve));
    outgoing.on("error", () => undefined);
    outgoing.write("x".repeat(700));
    expect((await answer).status).toBe(413);
    let isClosed = false;
    void closed.then(() => {
      isClosed = true;
    });
    await until(() => {
      timer.elapse(11);
      return isClosed;
    });
  });

  test("a client that goes away in mid-stream leaves what was appended, and the gateway goes on", async () => {
    await open();
    const { outgoing, answer } = gateway.begin(ndjson);
    const gone = expect(answer).rejects.toThrow();
    outgoing.write(`${orderText("1")}\n${orderText("2")}\n{"id"`);
    await until(async () => (await stored()) === 2);
    outgoing.destroy();
    await gone;
    expect((await gateway.post(orderText("3"))).status).toBe(202);
    expect(await stored()).toBe(3);
    expect(await gateway.deadLetters.count()).toBe(0);
  });

  test("while too much waits for the log, a request is told to come again; later it is taken", async () => {
    const gate = new GatedLog();
    await open({ limits: { pendingBytes: 1000 } }, gate);
    gate.isOpen = false;
    const first = gateway.post(Array.from({ length: 20 }, (_, i) => orderText(`${i}`)).join("\n"), ndjson);
    await until(() => gate.waiting.length > 0);
    expect(await gateway.post(orderText("x"))).toMatchObject({
      status: 429,
      headers: { "retry-after": "1" },
      body: {
        code: "TIDEMARK_INGEST_BUSY",
        detail: expect.stringContaining("more than the 1000"),
      },
    });
    gate.release();
    expect((await first).body.accepted).toBe(20);
    expect((await gateway.post(orderText("x"))).status).toBe(202);
  });

  test("bodies being read count as well", async () => {
    await open({ limits: { pendingBytes: 1000 } });
    expect(
      (await gateway.post(orderText("1", { data: { shop: "a", amount: 1, note: "x".repeat(2000) } }))).status,
    ).toBe(429);
    expect((await gateway.post(orderText("1"))).status).toBe(202);
  });

  test("while the log is slow nothing more is read from the socket", async () => {
    const gate = new GatedLog();
    await open({}, gate);
    gate.isOpen = false;
    const line = `${orderText("1", { data: { shop: "a", amount: 1, note: "x".repeat(2000) } })}\n`;
    const { outgoing, answer } = gateway.begin(ndjson);
    let written = 0;
    while (written < 64 * 1024 * 1024 && outgoing.write(line.repeat(400))) written += line.length * 400;
    // The socket's buffers are full: the gateway has stopped.
    let blocked = 0;
    const isDrained = () => !outgoing.writableNeedDrain;
    for (let turns = 0; turns < 3000 && written < 64 * 1024 * 1024; turns++) {
      if (isDrained()) {
        outgoing.write(line.repeat(400));
        written += line.length * 400;
        blocked = 0;
      } else blocked++;
      await new Promise(setImmediate);
    }
    expect(blocked).toBeGreaterThan(100);
    expect(written).toBeLessThan(32 * 1024 * 1024);
    gate.release();
    outgoing.end();
    expect((await answer).body).toMatchObject({ accepted: gate.appended, rejectedCount: 0 });
  });

  test("a disk that is nearly full takes no events; it is asked once a second", async () => {
    let now = noon;
    let freeBytes = 100;
    let asked = 0;
    await open({
      clock: () => now,
      limits: { freeBytes: 1000 },
      disk: {
        freeBytes: () => {
          asked++;
          return freeBytes;
        },
      },
    });
    for (let i = 0; i < 3; i++) {
      expect(await gateway.post(orderText("1"))).toMatchObject({
        status: 503,
        headers: { "retry-after": "1" },
        body: { code: "TIDEMARK_INGEST_DISK", detail: expect.stringContaining("has 100 bytes left") },
      });
    }
    expect(asked).toBe(1);
    freeBytes = 1000;
    now += 1000;
    expect((await gateway.post(orderText("1"))).status).toBe(202);
    expect(asked).toBe(2);
  });

  test("a log that can't be written is a 503, with what was accepted before", async () => {
    const gate = new GatedLog();
    await open({}, gate);
    const { outgoing, answer } = gateway.begin(ndjson);
    outgoing.write(`${orderText("1")}\n`);
    await until(async () => (await stored()) === 1);
    gate.failure = new TidemarkError("TIDEMARK_INGEST_DISK", "the log could not be written");
    outgoing.end(`${orderText("2")}\n`);
    expect(await answer).toMatchObject({
      status: 503,
      headers: { "retry-after": "1" },
      body: { code: "TIDEMARK_INGEST_DISK", accepted: 1, position: expect.stringContaining(order.name) },
    });
  });

  test("a stream of 200 MB is taken in bounded memory", async () => {
    await open();
    const block = Array.from({ length: 500 }, (_, i) =>
      orderText(`${i}`, { data: { shop: `shop-${i % 7}`, amount: i, note: "n".repeat(1800) } }),
    );
    const piece = Buffer.from(`${block.join("\n")}\n`);
    const pieces = Math.ceil((200 * 1024 * 1024) / piece.length);
    let most = 0;
    const before = process.memoryUsage();
    async function* stream() {
      for (let i = 0; i < pieces; i++) {
        yield piece;
        if (i % 20 === 0) {
          const { heapUsed, external } = process.memoryUsage();
          most = Math.max(most, heapUsed + external - before.heapUsed - before.external);
        }
      }
    }
    const answer = await gateway.post(stream(), ndjson);
    expect(answer.body).toMatchObject({ accepted: pieces * 500, rejectedCount: 0 });
    // What is in flight, and garbage not yet collected.
    expect(most).toBeLessThan(350 * 1024 * 1024);
  });
});
