import { cp } from "node:fs/promises";
import { join } from "node:path";
import { listValue } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Erasing, type OtherStores } from "../../batch-layer/erasing.ts";
import { performRun } from "../../batch-layer/run.ts";
import { openErasures } from "../../cli/erasures.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import { Eraser } from "../../infra/master/eraser.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { RecordTable } from "../../infra/master/record-table.ts";
import { offset } from "../../views/cut.ts";
import { count, defineApp, defineEvent, defineView, sum, Type, tumbling } from "../../views/index.ts";
import { DuckdbHere } from "../duckdb-here.ts";

const dayMs = 86_400_000;
const now = Date.UTC(2026, 2, 1, 3);

const schema = Type.Object({ cents: Type.Integer() });
const bought = defineEvent({
  name: "test.thing.bought",
  schema,
  partitions: 2,
  keep: "30d",
  duplicatesWithin: 3,
});
const given = defineEvent({ name: "test.thing.given", schema, partitions: 1 });
const view = (name: string, from: typeof bought) =>
  defineView({
    name,
    from,
    by: () => ({ day: tumbling("1d") }),
    measures: (f) => ({ n: count(), cents: sum(f.cents) }),
  });
const [purchases, gifts] = [view("purchases", bought), view("gifts", given)];
const app = defineApp({ name: "kept", views: [purchases, gifts], batch: { schedule: null } });

let here: DuckdbHere;

beforeAll(async () => {
  here = await DuckdbHere.open();
});
afterAll(() => here[Symbol.asyncDispose]());

const { signal } = new AbortController();
const died = "the process died here";
/** The steps by which a run changes something that is seen. */
const steps = ["ask", "found", "takeOut", "point", "forget", "keepOnly", "removeFormer", "done"];
let folders = 0;
let runs = 0;

/** Facts of 40, 20 and 0 days ago in each partition, a file each, and runs over them. */
class Platform {
  readonly #root = join(here.root, `p-${++folders}`);
  readonly #topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
  nowMs = now;
  forgetsOld = true;

  async copy(): Promise<Platform> {
    const copy = new Platform();
    await cp(this.#root, copy.#root, { recursive: true });
    copy.nowMs = this.nowMs;
    return copy;
  }

  async add(daysAgo: number, each: number): Promise<void> {
    const master = await this.master();
    const connection = await here.duckdb.connect();
    for (const type of app.events) {
      for (let partition = 0; partition < type.partitions; partition++) {
        const from = (await master.cut())[type.name]?.[partition] ?? offset(0);
        const table = await RecordTable.create(connection, type);
        for (let i = 0; i < each; i++) {
          const id = `${partition}-${from + i}`;
          const event = {
            id,
            source: "s",
            type: type.name,
            time: now - daysAgo * dayMs,
            key: "",
            data: { cents: daysAgo },
          };
          table.append({ partition, offset: offset(from + i), event, isDuplicate: false, rest: null });
        }
        const range = { topic: type.name, partition, from, next: offset(from + each) };
        await master.add(range, (path) => table.writeParquet(path));
      }
    }
    here.duckdb.disconnect(connection);
  }

  master() {
    return MasterFolder.own(join(this.#root, "master"), this.#topics);
  }

  generations() {
    return GenerationsFolder.own({ root: join(this.#root, "generations"), onWatchError: () => undefined });
  }

  /** `stepsLeft`: how many steps it takes before it dies. */
  async run(full: boolean, stepsLeft = Number.POSITIVE_INFINITY) {
    const dying = <T extends object>(of: T): T =>
      new Proxy(of, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => {
            if (steps.includes(String(name)) && --stepsLeft < 0) return Promise.reject(new Error(died));
            return value.apply(target, args);
          };
        },
      });
    const master = await this.master();
    const generations = dying(await this.generations());
    const others: OtherStores = {
      countLetters: async (leaving) => leaving.map(() => 0),
      eraseLetters: async () => undefined,
      destroyKeys: async () => 0,
      forget: async () => undefined,
    };
    const erasing = new Erasing({
      ...{
        app,
        generations,
        forgetsOld: this.forgetsOld,
        pasts: { keepOnly: async () => undefined },
        leavesPages: true,
      },
      erasures: dying(this.erasures()),
      eraser: dying(new Eraser({ app, master, duckdb: here.duckdb, timers: globalThis })),
      others: dying(others),
      alone: (work) => work(),
    });
    const parts = {
      ...{
        app,
        master,
        generations,
        duckdb: here.duckdb,
        erasing,
        timers: globalThis,
        clock: () => (this.nowMs += 1_000),
      },
      archive: () => master.cut(),
      fullWithinMs: dayMs,
      seal: { seal: async () => undefined },
      sealedTail: { rows: () => undefined },
    };
    return performRun(parts, { id: `r-${++runs}`, kind: "batch", view: null, full }, () => undefined, signal);
  }

  erasures() {
    return openErasures(join(this.#root, "erasures"));
  }

  /** How many facts stand in the master dataset and in the generation that serves, of a view by days ago. */
  async held() {
    const connection = await here.duckdb.connect();
    const generations = await this.generations();
    const held: Record<string, readonly [inMaster: number, inGeneration: Record<number, number>]> = {};
    for (const of of app.views) {
      const [type] = of.mappings;
      const paths = (await (await this.master()).files(type?.event.name ?? "")).map(({ path }) => path);
      const read = await connection.runAndReadAll("SELECT CAST(count(*) AS DOUBLE) FROM read_parquet($1)", [
        listValue(paths),
      ]);
      await using reader = await generations.open(of, (await generations.current(of))?.id ?? "");
      const rows = [...reader.scan([], undefined, undefined)].map(({ pane, cells }) => [
        Math.floor((now - pane) / dayMs),
        Number(cells[0]),
      ]);
      held[of.name] = [Number(read.getRows()[0]?.[0]), Object.fromEntries(rows)];
    }
    here.duckdb.disconnect(connection);
    return held;
  }
}

const whole = { purchases: [12, { 40: 4, 20: 4, 0: 4 }], gifts: [6, { 40: 2, 20: 2, 0: 2 }] };
const left = { ...whole, purchases: [8, { 20: 4, 0: 4 }] };
const expired = [{ type: bought.name, before: "2026-01-30T00:00:00.000Z", records: 4, deadLetters: 0 }];

async function filled(): Promise<Platform> {
  const platform = new Platform();
  for (const daysAgo of [40, 20, 0]) await platform.add(daysAgo, 2);
  const first = await platform.run(false);
  expect([first.expired, await platform.held()]).toEqual([undefined, whole]);
  return platform;
}

test("old facts leave with runs in full alone, and with that of a missed one, at most once a day", async () => {
  const platform = await filled();
  expect([(await platform.run(false)).expired, await platform.held()]).toEqual([undefined, whole]);
  platform.nowMs += dayMs + 1;
  // No full run came within the day.
  const { expired: gone, generations, reconciliations } = await platform.run(false);
  expect(gone).toEqual([{ ...expired[0], before: "2026-01-31T00:00:00.000Z" }]);
  expect(generations.map(({ base }) => base)).toEqual([null, null]);
  expect(reconciliations.map(({ reconciliation }) => reconciliation)).toMatchObject(
    [
      { kind: "compared", differing: 0 },
      { kind: "not-compared", reason: expect.stringContaining(`${bought.name} from before 2026-01-31`) },
    ].reverse(),
  );
  expect(await platform.held()).toEqual(left);
  const store = await platform.generations();
  expect((await store.list("purchases")).length).toBe(1);
  expect((await store.list("gifts")).length).toBe(3);
  // Late ones are counted until the next run in full.
  await platform.add(40, 1);
  const next = await platform.run(false);
  expect([next.expired, next.generations.every(({ base }) => base !== null)]).toEqual([undefined, true]);
  expect(await platform.held()).toMatchObject({ purchases: [10, { 40: 2, 20: 4, 0: 4 }] });
  const last = await platform.run(true);
  expect(last.expired).toMatchObject([{ records: 2 }]);
  expect(await platform.held()).toMatchObject({ purchases: left.purchases });
  const none = await platform.run(true);
  expect(none.expired).toBeUndefined();
  expect(none.reconciliations.map(({ reconciliation }) => reconciliation.kind)).toEqual([
    "compared",
    "compared",
  ]);
  expect((await platform.erasures().list()).map(({ type, records }) => [type, records])).toEqual([
    [bought.name, { [bought.name]: 2 }],
  ]);
});

test("died at any step, the next run does it to its end with the same figures", async () => {
  const sound = await filled();
  const moments: number[] = [];
  for (let stepsLeft = 0; ; stepsLeft++) {
    const platform = await sound.copy();
    const outcome = await platform.run(true, stepsLeft).catch((error: Error) => error.message);
    if (outcome !== died) {
      expect(outcome).toMatchObject({ expired });
      break;
    }
    moments.push(stepsLeft);
    const pending = (await platform.erasures().pending()).length;
    // Before it was asked for nothing has happened yet.
    const again = await platform.run(pending === 0);
    expect([stepsLeft, again.expired, await platform.held()]).toEqual([stepsLeft, expired, left]);
    expect((await (await platform.generations()).list("purchases")).length).toBe(1);
    expect(await platform.erasures().list()).toMatchObject([
      { state: "done", before: expired[0]?.before, records: { [bought.name]: 4 }, files: 2 },
    ]);
    const master = await platform.master();
    expect([await master.replaced(bought.name, 0), await master.replaced(bought.name, 1)]).toEqual([[], []]);
  }
  expect(moments.length).toBeGreaterThan(8);
});

test("where the tail can't be folded anew, what a later record may be a duplicate of stays", async () => {
  const platform = await filled();
  platform.forgetsOld = false;
  // Three offsets before the cut of each partition: of the facts of 20 days ago the second, and all later ones.
  const { expired: gone } = await platform.run(true);
  expect(gone).toEqual(expired);
  platform.nowMs += 15 * dayMs;
  const { expired: more } = await platform.run(true);
  expect(more).toMatchObject([{ records: 2 }]);
  expect(await platform.held()).toMatchObject({ purchases: [6, { 20: 2, 0: 4 }] });
});
