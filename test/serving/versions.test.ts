import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readApiKeys } from "../../infra/access/api-keys.ts";
import type { ServerOptions } from "../../infra/http.ts";
import { VersionPointers } from "../../infra/versions/version-pointers.ts";
import { systemClock } from "../../serving-layer/clock.ts";
import type { Cut } from "../../views/cut.ts";
import { count, defineView, sum, tumbling } from "../../views/index.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { Follower } from "./live-server.ts";
import { hour, measured } from "./measured.ts";
import { type Serving, settled, startServing } from "./serving.ts";

/** Version 1 counts hundreds, version 2 ones, of the same records. */
const version = (number: number) =>
  defineView({
    ...{ name: "totals", version: number, from: measured },
    by: (f) => ({ site: f.site, hour: tumbling("1h") }),
    measures: (f) => ({ records: count(), total: number === 1 ? sum(f.value) : sum(f.value.times(number)) }),
  });
const [first, second] = [version(1), version(2)];
const alone = defineView({
  ...{ name: "alone", from: measured, by: () => ({}) },
  measures: () => ({ records: count() }),
});
const cut = { [measured.name]: [1, 0] } as unknown as Cut;
const row = (site: string, pane: number, total: number): StateRow => ({
  dimensions: [site],
  pane,
  cells: [1, total],
});

let root: string;
let pointers: VersionPointers;
let serving: Serving;

async function start(views: readonly View[], options: ServerOptions = {}): Promise<void> {
  pointers = await VersionPointers.open({
    ...{ root, families: ["totals", "alone"], watched: ["totals"], isAlone: true, pollMs: 1 },
    onWatchError: (error) => {
      throw error;
    },
  });
  serving = startServing(views, systemClock, new Map(), options, { pointers });
  serving.tail.put(first, [
    { partition: 0, from: 0, next: 1, rows: [row("a", 0, 1)] },
    { partition: 0, from: 1, next: 3, rows: [row("a", 0, 1)] },
  ]);
  serving.tail.put(alone, [{ partition: 0, from: 0, next: 3, rows: [] }]);
  await settled();
}

/** As a batch run does. */
async function build(view: View, id: string, rows: readonly StateRow[]): Promise<void> {
  if (view === second) serving.tail.put(view, [{ partition: 0, from: 1, next: 3, rows: [row("a", 0, 100)] }]);
  serving.generations.add(view, id, cut, rows);
  await serving.generations.point(view.name, id);
  await settled();
}

async function stop(): Promise<void> {
  await serving[Symbol.asyncDispose]();
  pointers[Symbol.dispose]();
}

const post = (path: string, payload?: object, secret?: string) =>
  serving.server
    .inject({
      ...{ method: "POST", url: `/v1/views/${path}`, ...(payload && { payload }) },
      headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` },
    })
    .then((response) => ({ status: response.statusCode, body: response.json() }));
const flip = (to: unknown, name = "totals") => post(`${name}/active`, { version: to });
const rows = (name: string, search = "groupBy=&measures=total") =>
  serving.get(`/v1/views/${name}/rows?${search}`);
/** What the name answers: the version that it says it is of, and the total. */
async function answered(name: string): Promise<readonly [version: number, total: number]> {
  const { body } = await rows(name);
  return [body.provenance.version, body.rows[0].total];
}

beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), "tidemark-versions-")), "versions");
  await start([first, alone, second]);
});
afterEach(async () => {
  await stop();
  await rm(join(root, ".."), { recursive: true, force: true });
});

describe("a version that has no generation", () => {
  test("is not answered, whichever layer is asked, and says what it waits for", async () => {
    for (const search of ["", "layer=batch", "layer=speed", "limit=1"]) {
      expect(await rows("totals@2", search)).toMatchObject({
        status: 503,
        body: {
          code: "TIDEMARK_VIEW_BUILDING",
          detail: expect.stringMatching(
            /version 2 of view "totals" is not built yet: .*batch run.*; none is going on$/,
          ),
        },
      });
    }
    expect((await serving.get("/v1/views/totals@2/compare")).body.code).toBe("TIDEMARK_VIEW_BUILDING");
    expect(await answered("totals")).toEqual([1, 2]);
  });

  test("says how far the run is that builds it", async () => {
    const { id } = await serving.jobs.submit({ requestedBy: "test", ifBusy: "wait" });
    serving.jobs.change(id, {
      state: "running",
      progress: { step: "compute", view: "totals@2", fraction: 0.456 },
    });
    expect((await rows("totals@2")).body.detail).toContain(
      `; run ${id} is at compute totals@2, 45 % of it all`,
    );
    expect((await flip(2)).body.detail).toContain("is at compute totals@2, 45 %");
  });

  test("can't be flipped to, and nobody waits for it", async () => {
    expect(await flip(2)).toMatchObject({ status: 503, body: { code: "TIDEMARK_VIEW_BUILDING" } });
    expect(pointers.known("totals")).toBeUndefined();
    expect(await serving.get("/readyz")).toMatchObject({ status: 200, body: { status: "ready" } });
    expect((await serving.get("/v1/status")).body.views["totals@2"]).toMatchObject({
      ...{ isActive: false, isBuilding: true, generation: null },
    });
    expect((await serving.get("/v1/views/totals@2")).body).toMatchObject({
      versions: [
        { version: 1, view: "totals@1", isActive: true, isBuilding: false },
        { version: 2, view: "totals@2", isActive: false, isBuilding: true },
      ],
    });
  });

  test("is answered and flipped to once there is one", async () => {
    await build(second, "g-2", [row("a", 0, 100)]);
    expect(await answered("totals@2")).toEqual([2, 200]);
    expect((await flip(2)).status).toBe(200);
  });

  test("keeps a node out of service where it is the active one", async () => {
    await build(second, "g-2", [row("a", 0, 100)]);
    await flip(2);
    await stop();
    await start([first, alone, second]);
    expect(await rows("totals")).toMatchObject({ status: 503, body: { code: "TIDEMARK_VIEW_BUILDING" } });
    expect(await serving.get("/readyz")).toMatchObject({ status: 503, body: { code: "TIDEMARK_NOT_READY" } });
    expect(await answered("totals@1")).toEqual([1, 2]);
  });
});

describe("a flip", () => {
  beforeEach(() => build(second, "g-2", [row("a", 0, 100)]));

  test("lets the name mean the other version at once, and exact names mean what they did", async () => {
    expect([await answered("totals"), await answered("totals@1"), await answered("totals@2")]).toEqual([
      [1, 2],
      [1, 2],
      [2, 200],
    ]);
    expect(await flip(2)).toEqual({ status: 200, body: { view: "totals", was: 1, active: 2, former: 1 } });
    expect([await answered("totals"), await answered("totals@1"), await answered("totals@2")]).toEqual([
      [2, 200],
      [1, 2],
      [2, 200],
    ]);
  });

  test("is kept over a restart, before the first answer", async () => {
    await flip(2);
    await stop();
    await start([first, alone, second]);
    expect((await rows("totals")).body.code).toBe("TIDEMARK_VIEW_BUILDING");
    await build(second, "g-2", [row("a", 0, 100)]);
    expect(await answered("totals")).toEqual([2, 200]);
  });

  test("again changes nothing, and a rollback leads back and forth", async () => {
    expect((await flip(1)).body).toEqual({ view: "totals", was: 1, active: 1, former: null });
    await flip(2);
    expect((await flip(2)).body).toEqual({ view: "totals", was: 2, active: 2, former: 1 });
    expect((await post("totals/rollback")).body).toEqual({ view: "totals", was: 2, active: 1, former: 2 });
    expect(await answered("totals")).toEqual([1, 2]);
    expect((await post("totals/rollback")).body).toMatchObject({ was: 1, active: 2 });
    expect(await answered("totals")).toEqual([2, 200]);
  });

  test("needs a version that there is, and a rollback one that was", async () => {
    expect(await flip(3)).toMatchObject({
      status: 404,
      body: {
        code: "TIDEMARK_VERSION_UNKNOWN",
        detail: `view "totals" has no version 3; the app declares 1, 2`,
      },
    });
    expect(await post("totals/rollback")).toMatchObject({
      status: 409,
      body: { code: "TIDEMARK_VERSION_NONE_BEFORE" },
    });
    expect((await flip(1, "nothing")).body.code).toBe("TIDEMARK_QUERY_VIEW_UNKNOWN");
    for (const body of [{}, { version: "2" }, { version: 2, more: 1 }, { version: 1.5 }, [2]]) {
      expect(await post("totals/active", body)).toMatchObject({
        status: 400,
        body: { code: "TIDEMARK_REQUEST", detail: expect.stringContaining(`{"version": 2}`) },
      });
    }
    expect((await post("totals/rollback", { version: 1 })).body.code).toBe("TIDEMARK_REQUEST");
  });

  test("is refused while the version could not answer here at once", async () => {
    serving.tail.drop(second);
    expect(await flip(2)).toMatchObject({ status: 503, body: { code: "TIDEMARK_NOT_READY" } });
    expect(await answered("totals")).toEqual([1, 2]);
  });

  test("by another process is followed", async () => {
    const other = await VersionPointers.open({
      ...{ root, families: ["totals"], watched: [], isAlone: false, onWatchError: () => undefined },
    });
    const heard = new Promise<void>((resolve) => pointers.onMove(() => resolve()));
    await other.move("totals", () => ({ active: 2, former: 1 }));
    await heard;
    expect(await answered("totals")).toEqual([2, 200]);
  });

  test("shows in the description of the views", async () => {
    await flip(2);
    const { body } = await serving.get("/v1/views");
    expect(
      body.views.map(({ name, family, version, isActive, rows }: Record<string, unknown>) => [
        ...[name, family, version, isActive, rows],
      ]),
    ).toEqual([
      ["totals", "totals", 1, false, "/v1/views/totals@1/rows"],
      ["alone", "alone", 1, true, "/v1/views/alone/rows"],
      ["totals@2", "totals", 2, true, "/v1/views/totals@2/rows"],
    ]);
    expect((await serving.get("/v1/views/totals")).body).toMatchObject({
      ...{ name: "totals@2", version: 2, isActive: true, former: 1 },
      generations: [{ id: "g-2", isServing: true }],
    });
    const metrics = (await serving.server.inject("/metrics")).payload;
    expect(metrics).toContain('tidemark_view_active_version{view="totals"} 2');
    expect(metrics).not.toContain('tidemark_view_active_version{view="alone"}');
  });

  test("is told in provenance only where there are several versions", async () => {
    expect((await rows("totals")).body.provenance).toMatchObject({ view: "totals", version: 1 });
    expect((await rows("alone", "")).body.provenance).not.toHaveProperty("version");
  });

  test("takes no answer of the version before for its own: neither a tag nor a cursor", async () => {
    await build(first, "g-1", [row("a", 0, 1), row("b", hour, 1)]);
    const before = await serving.server.inject("/v1/views/totals/rows?measures=records");
    const page = await rows("totals", "limit=1");
    await flip(2);
    const after = await serving.server.inject({
      url: "/v1/views/totals/rows?measures=records",
      headers: { "if-none-match": String(before.headers.etag) },
    });
    expect([after.statusCode, after.json().provenance.version]).toEqual([200, 2]);
    expect((await rows("totals", `limit=1&cursor=${page.body.cursor}`)).body.code).toBe(
      "TIDEMARK_QUERY_CURSOR",
    );
  });

  test("leads reconciliations, checks and generations by name to the version that it means", async () => {
    await build(first, "g-1", [row("a", 0, 1)]);
    await flip(2);
    const found = async (name: string) =>
      (await serving.get(`/v1/reconciliations?view=${name}`)).body.reconciliations.map(
        ({ generation }: { generation: string }) => generation,
      );
    expect([await found("totals"), await found("totals@1")]).toEqual([["g-2"], ["g-1"]]);
    const check = await serving.server.inject({
      ...{ method: "POST", url: "/v1/reconciliations", payload: { view: "totals" } },
    });
    expect(check.json()).toMatchObject({ kind: "check", view: "totals@2" });
    expect((await post("totals/generations/g-1/activate")).body.code).toBe("TIDEMARK_GENERATION_UNKNOWN");
    expect((await post("totals@1/generations/g-1/activate")).body).toMatchObject({
      view: "totals",
      id: "g-1",
    });
  });
});

test("a version that is active and declared no more is answered for by the one before, and that is said", async () => {
  await build(second, "g-2", [row("a", 0, 100)]);
  await flip(2);
  await stop();
  const said: string[] = [];
  const stream = { write: (line: string) => void said.push(line) };
  await start([first, alone], { logger: { level: "error", stream } });
  expect((await rows("totals")).body.rows[0].total).toBe(2);
  expect(said.join("")).toContain(
    `view \\"totals\\" was flipped to version 2, which this app does not declare: version 1 answers in its place`,
  );
  const degraded = [expect.stringMatching(/^view "totals" was flipped to version 2/)];
  expect((await serving.get("/readyz")).body).toEqual({ status: "ready", degraded });
  expect((await rows("totals@2")).body).toMatchObject({
    code: "TIDEMARK_QUERY_VIEW_UNKNOWN",
    detail: `there is no view "totals@2"; there are totals, alone`,
  });
  expect(await flip(1)).toMatchObject({ status: 200, body: { was: 1, active: 1, former: null } });
  expect(pointers.known("totals")).toMatchObject({ active: 1, former: null, newest: 2 });
  expect((await serving.get("/readyz")).body).toEqual({ status: "ready" });
});

describe("live rows", () => {
  let url: string;
  beforeEach(async () => {
    await build(second, "g-2", [row("a", 0, 100)]);
    await serving.server.listen({ host: "127.0.0.1", port: 0 });
    url = `http://127.0.0.1:${(serving.server.server.address() as AddressInfo).port}/v1/views`;
  });
  const total = (follower: Follower) => [...follower.rows.values()].map((each) => each.total);

  test("of a name end when it is flipped, so that who connects again gets the other version", async () => {
    const search = "rows?groupBy=&measures=total&live=true";
    using byName = new Follower(`${url}/totals/${search}`);
    using exact = new Follower(`${url}/totals@1/${search}`);
    await byName.until(() => byName.rows.size > 0);
    await exact.until(() => exact.rows.size > 0);
    expect([total(byName), byName.provenance.version]).toEqual([[2], 1]);
    await flip(2);
    await byName.until(() => byName.ending !== undefined);
    expect(byName.ending).toMatchObject({
      code: "TIDEMARK_LIVE_CLOSED",
      detail: `view "totals" was flipped to version 2: connect again`,
    });
    using again = new Follower(`${url}/totals/${search}`);
    await again.until(() => again.rows.size > 0);
    expect([total(again), again.provenance.version]).toEqual([[200], 2]);
    expect([exact.ending, total(exact)]).toEqual([undefined, [2]]);
  });
});

test("who may see a view sees all versions of it, and who may see one version sees that alone", async () => {
  await build(second, "g-2", [row("a", 0, 100)]);
  await stop();
  const keys = readApiKeys(
    "all:query:all-0123456789abcdef,one:query:one-0123456789abcdef,none:query:none-0123456789abcde,ops:operate+query:ops-0123456789abcdef",
    "KEYS",
  );
  const policy = {
    keys: { all: { views: ["totals"] }, one: { views: ["totals@1"] }, none: { views: ["alone"] } },
  };
  await start([first, alone, second], { keys, policy });
  await build(second, "g-2", [row("a", 0, 100)]);
  const seen = async (secret: string) =>
    Promise.all(
      ["totals", "totals@1", "totals@2"].map(
        async (name) => (await serving.get(`/v1/views/${name}`, secret)).status,
      ),
    );
  expect(await seen("all-0123456789abcdef")).toEqual([200, 200, 200]);
  expect(await seen("one-0123456789abcdef")).toEqual([200, 200, 404]);
  expect(await seen("none-0123456789abcde")).toEqual([404, 404, 404]);
  expect((await post("totals/active", { version: 2 }, "all-0123456789abcdef")).body.code).toBe(
    "TIDEMARK_AUTH_FORBIDDEN",
  );
  expect((await post("totals/active", { version: 2 }, "ops-0123456789abcdef")).status).toBe(200);
  expect(await seen("one-0123456789abcdef")).toEqual([404, 200, 404]);
});
