import { describe, expect, test } from "vitest";
import { systemClock } from "../../serving-layer/clock.ts";
import type { Cut } from "../../views/cut.ts";
import { onlyMapping } from "../../views/mapping.ts";
import { byMachine, hour, type Measured, stateOf } from "./measured.ts";
import { settled, startServing } from "./serving.ts";

const topic = onlyMapping(byMachine).event.name;
const cut = (first: number, second: number) => ({ [topic]: [first, second] }) as unknown as Cut;
const one = (value: number): Measured => ({ site: "a", unit: 1, label: null, isOn: true, hour: 0, value });
const states = (...values: number[]) => values.map((value) => stateOf(one(value)));
const key = { site: "a", unit: 1, label: null, isOn: true, hour: "1970-01-01T00:00:00.000Z" };
const total = "/v1/views/by-machine/rows?groupBy=&measures=records,total";

describe("a snapshot", () => {
  test("without a generation is the tail from the start", async () => {
    await serve(async (serving) => {
      serving.tail.put(byMachine, [{ partition: 0, from: 0, next: 2, rows: states(1, 2) }]);
      const { body } = await serving.get(total);
      expect(body.rows).toEqual([{ records: 2, total: 3 }]);
      expect(body.provenance).toMatchObject({
        generation: null,
        cut: `${topic}@0:0,1:0`,
        position: `${topic}@0:2,1:0`,
      });
    });
  });

  test("is not ready while the tail does not reach down to the generation's cut, and says so", async () => {
    await serve(async (serving) => {
      serving.generations.add(byMachine, "g-1", cut(2, 0), states(1, 2));
      await serving.generations.point(byMachine.name, "g-1");
      await settled();
      const { status, body } = await serving.get(total);
      expect({ status, code: body.code }).toEqual({ status: 503, code: "TIDEMARK_NOT_READY" });
      expect((await serving.get("/readyz")).body.detail).toContain(`view "by-machine"`);
      expect((await serving.get(`${total}&layer=batch`)).body.rows).toEqual([{ records: 2, total: 3 }]);
      serving.tail.put(byMachine, [{ partition: 0, from: 2, next: 3, rows: states(4) }]);
      expect((await serving.get(total)).body.rows).toEqual([{ records: 3, total: 7 }]);
      expect((await serving.get("/readyz")).status).toBe(200);
    });
  });

  test("serves until generation and tail of the next one can be switched together, and is then released and closed", async () => {
    await serve(async ({ generations, tail, get }) => {
      await settled();
      tail.put(byMachine, [{ partition: 0, from: 0, next: 2, rows: states(1, 2) }]);
      generations.add(byMachine, "g-1", cut(2, 0), states(1, 2));
      await generations.point(byMachine.name, "g-1");
      await settled();
      expect((await get(total)).body.provenance.generation).toBe("g-1");
      generations.add(byMachine, "g-2", cut(3, 0), states(1, 2, 4));
      await generations.point(byMachine.name, "g-2");
      await settled();
      const before = (await get(total)).body;
      expect(before.rows).toEqual([{ records: 2, total: 3 }]);
      expect(before.provenance.generation).toBe("g-1");
      expect(tail.released).toEqual([{}, cut(2, 0)]);
      tail.put(byMachine, [
        { partition: 0, from: 2, next: 3, rows: states(4) },
        { partition: 0, from: 3, next: 4, rows: states(8) },
      ]);
      const after = (await get(total)).body;
      expect(after.rows).toEqual([{ records: 4, total: 15 }]);
      expect(after.provenance.generation).toBe("g-2");
      expect(tail.released).toEqual([{}, cut(2, 0), cut(3, 0)]);
      expect(generations.readers.map(({ isClosed }) => isClosed)).toEqual([true, false]);
    });
  });

  test("that a query still reads from is not closed under it, and the answer is of the moment it began", async () => {
    let turns = 0;
    let atTurn: () => Promise<void> = async () => undefined;
    const clock = {
      now: () => turns * 1_000 + performance.now(),
      after: () => ({ [Symbol.dispose]: () => undefined }),
      nextTurn: async () => {
        turns++;
        await atTurn();
      },
    };
    await serve(async ({ generations, tail, get }) => {
      await settled();
      const many = Array.from({ length: 500 }, (_, i) => stateOf({ ...one(1), hour: i * hour }));
      tail.put(byMachine, [{ partition: 0, from: 500, next: 501, rows: states(10) }]);
      generations.add(byMachine, "g-1", cut(500, 0), many);
      generations.add(byMachine, "g-2", cut(501, 0), states(77));
      await generations.point(byMachine.name, "g-1");
      await settled();
      const [first] = generations.readers;
      let wasClosed: boolean | undefined;
      clock.now = () => ++turns * 1_000;
      atTurn = async () => {
        atTurn = async () => undefined;
        tail.put(byMachine, [{ partition: 0, from: 501, next: 502, rows: states(1_000) }]);
        await generations.point(byMachine.name, "g-2");
        await settled();
        wasClosed = first?.isClosed;
      };
      const { body } = await get(total);
      expect(body.rows).toEqual([{ records: 501, total: 510 }]);
      expect(body.provenance).toMatchObject({ generation: "g-1", position: `${topic}@0:501,1:0` });
      expect(wasClosed).toBe(false);
      expect(first?.isClosed).toBe(true);
      expect((await get(total)).body.provenance.generation).toBe("g-2");
    }, clock);
  });

  test("and a tail that has moved give another answer to the same question", async () => {
    await serve(async ({ generations, tail, get }) => {
      await settled();
      tail.put(byMachine, [{ partition: 0, from: 0, next: 2, rows: states(1, 2) }]);
      const url = "/v1/views/by-machine/rows?site=a&unit=1&label=null&isOn=true&measures=total";
      const ask = async () => (await get(url)).body;
      expect((await ask()).rows).toEqual([{ ...key, total: 3 }]);
      tail.put(byMachine, [{ partition: 1, from: 0, next: 1, rows: states(4) }]);
      const answer = await ask();
      expect(answer.rows).toEqual([{ ...key, total: 7 }]);
      expect(answer.provenance.position).toBe(`${topic}@0:2,1:1`);
      expect(await ask()).toEqual(answer);
      generations.add(byMachine, "g-1", {}, []);
      await generations.point(byMachine.name, "g-1");
      await settled();
      expect((await ask()).provenance.generation).toBe("g-1");
    });
  });

  test("goes on serving when the next generation can't be opened", async () => {
    await serve(async ({ generations, tail, get }) => {
      tail.put(byMachine, [{ partition: 0, from: 0, next: 1, rows: states(1) }]);
      await settled();
      generations.add(byMachine, "g-1", cut(1, 0), states(1));
      generations.open = () => Promise.reject(new Error("gone"));
      await generations.point(byMachine.name, "g-1");
      await settled();
      expect((await get(total)).body).toMatchObject({
        rows: [{ records: 1, total: 1 }],
        provenance: { generation: null },
      });
    });
  });

  test("says how many records of the log it does not cover yet", async () => {
    await serve(async ({ log, tail, get }) => {
      log.ends.set(topic, [5, 1] as never);
      tail.put(byMachine, [{ partition: 0, from: 0, next: 2, rows: states(1, 2) }]);
      const { provenance } = (await get(total)).body;
      expect(provenance).toMatchObject({ lag: 4, complete: false, fingerprint: byMachine.fingerprint });
    });
  });

  test("never claims to be complete over a record that the log has said it has", async () => {
    // No time goes by in which what is known could grow old.
    const clock = { ...systemClock, now: () => 0 };
    await serve(async ({ log, tail, get }) => {
      log.advanceTo(topic, [1, 0]);
      tail.put(byMachine, [{ partition: 0, from: 0, next: 1, rows: states(1) }]);
      expect((await get(total)).body.provenance).toMatchObject({ lag: 0, complete: true });
      log.advanceTo(topic, [3, 0]);
      expect((await get(total)).body.provenance).toMatchObject({ lag: 2, complete: false });
    }, clock);
  });

  test("never takes for the log's end what was asked before the log advanced", async () => {
    const clock = { ...systemClock, now: () => 0 };
    await serve(async ({ log, tail, get }) => {
      tail.put(byMachine, [{ partition: 0, from: 0, next: 1, rows: states(1) }]);
      await settled();
      const isAnswering: (() => void)[] = [];
      log.nexts = async (name) => {
        const nexts = log.ends.get(name) ?? [];
        await new Promise<void>((resolve) => isAnswering.push(resolve));
        return nexts;
      };
      log.advanceTo(topic, [1, 0]);
      const early = get(total);
      while (isAnswering.length < 1) await settled();
      log.advanceTo(topic, [2, 0]);
      const late = get(total);
      while (isAnswering.length < 2) await settled();
      for (const answer of isAnswering) answer();
      expect((await early).body.provenance).toMatchObject({ lag: 0 });
      expect((await late).body.provenance).toMatchObject({ lag: 1, complete: false });
      log.nexts = async (name) => log.ends.get(name) ?? [];
      expect((await get(total)).body.provenance).toMatchObject({ lag: 1, complete: false });
    }, clock);
  });

  test("of a log that does not answer any more goes on answering, and never claims to be complete", async () => {
    await serve(async ({ log, tail, get }) => {
      tail.put(byMachine, [{ partition: 0, from: 0, next: 1, rows: states(1) }]);
      log.advanceTo(topic, [1, 0]);
      expect((await get(total)).body.provenance).toMatchObject({ lag: 0, complete: true });
      const before = log.nexts;
      log.nexts = () => new Promise(() => undefined);
      log.advanceTo(topic, [2, 0]);
      expect((await get(total)).body.provenance).toMatchObject({ lag: 0, complete: false });
      const silent = expect.stringContaining("the log does not answer");
      expect(await get("/readyz")).toMatchObject({ status: 200, body: { degraded: [silent] } });
      expect((await get("/v1/status")).body).toMatchObject({ logObstacle: silent, deadLetters: null });
      log.nexts = before;
      log.advanceTo(topic, [2, 0]);
      expect((await get(total)).body.provenance).toMatchObject({ lag: 1, complete: false });
      expect((await get("/readyz")).body).toEqual({ status: "ready" });
    });
  });

  test("names the records that the log let go of before the tail had them", async () => {
    await serve(async ({ log, tail, get }) => {
      tail.put(byMachine, [{ partition: 0, from: 0, next: 1, rows: states(1) }]);
      log.begins.set(topic, [3, 0] as never);
      const gap = expect.stringContaining(`the log has let go of records [1, 3) of ${topic}/0`);
      expect((await get("/readyz")).body).toMatchObject({ status: "ready", degraded: [gap] });
      expect((await get("/v1/status")).body).toMatchObject({ views: { "by-machine": { gap } } });
    });
  });
});

describe("after", () => {
  test("answers as soon as the position is covered, whatever else the position speaks of", async () => {
    await serve(async ({ tail, get }) => {
      const answer = get(`${total}&after=${topic}@0:2&timeout=30s`);
      await settled();
      tail.put(byMachine, [{ partition: 0, from: 0, next: 1, rows: states(1) }]);
      await settled();
      tail.put(byMachine, [{ partition: 0, from: 1, next: 2, rows: states(2) }]);
      expect((await answer).body.rows).toEqual([{ records: 2, total: 3 }]);
    });
  });
});

async function serve(
  work: (serving: ReturnType<typeof startServing>) => Promise<void>,
  clock?: Parameters<typeof startServing>[1],
): Promise<void> {
  const serving = startServing([byMachine], clock);
  try {
    await work(serving);
  } finally {
    await serving[Symbol.asyncDispose]();
  }
}
