import { afterEach, beforeEach, expect, test } from "vitest";
import type { FoldRange } from "../../serving-layer/as-of/fold-past.ts";
import { systemClock } from "../../serving-layer/clock.ts";
import { offset } from "../../views/cut.ts";
import { count, defineView, sum, tumbling } from "../../views/index.ts";
import type { Layers } from "../../views/layers.ts";
import type { StateRow } from "../../views/state.ts";
import { hour, measured } from "./measured.ts";
import { PlainTail, plainSegment } from "./plain-stores.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const ofLayers = (layers: Layers) =>
  defineView({
    ...{ name: `of-${layers}`, layers, from: measured },
    by: (f) => ({ site: f.site, hour: tumbling("1h") }),
    measures: (f) => ({ records: count(), total: sum(f.value) }),
  });
const [both, recomputed, folded] = [ofLayers("both"), ofLayers("batch"), ofLayers("speed")];
const row = (site: string, total: number): StateRow => ({
  dimensions: [site],
  pane: hour,
  cells: [1, total],
});
const at = (first: number, second: number) => `${measured.name}@0:${first},1:${second}`;
const after = (first: number) => `&timeout=50ms&after=${encodeURIComponent(`${measured.name}@0:${first}`)}`;

let serving: Serving;
beforeEach(async () => {
  serving = startServing([both, recomputed, folded]);
  serving.log.advanceTo(measured.name, [5, 1]);
  for (const view of [both, folded]) {
    serving.tail.put(view, [
      { partition: 0, from: 0, next: 3, rows: [row("a", 1)] },
      { partition: 0, from: 3, next: 5, rows: [row("a", 10)] },
      { partition: 1, from: 0, next: 1, rows: [row("b", 100)] },
    ]);
  }
  await settled();
});
afterEach(() => serving[Symbol.asyncDispose]());

/** As a batch run does. */
async function build(): Promise<void> {
  const cut = { [measured.name]: [3, 0].map(offset) };
  for (const view of [both, recomputed]) {
    serving.generations.add(view, "g-1", cut, [row("a", 1)]);
    await serving.generations.point(view.name, "g-1");
  }
  await settled();
}
const rows = (view: string, search = "") =>
  serving.get(`/v1/views/${view}/rows?groupBy=site&measures=total${search}`);

test("of a view that batch runs alone compute an answer is the generation, and says how far that goes", async () => {
  await build();
  for (const search of ["", "&layer=merged", "&layer=batch"]) {
    expect((await rows("of-batch", search)).body).toMatchObject({
      rows: [{ site: "a", total: 1 }],
      provenance: {
        ...{ layer: "batch", layers: "batch", generation: "g-1" },
        ...{ cut: at(3, 0), position: at(3, 0), lag: 3, complete: false },
      },
    });
  }
  expect(await rows("of-batch", "&layer=speed")).toMatchObject({
    status: 400,
    body: { code: "TIDEMARK_VIEW_LAYER", detail: expect.stringContaining("ask without layer=speed") },
  });
});

test("it is not answered before its first generation, which keeps nobody from being ready", async () => {
  expect(await rows("of-batch")).toMatchObject({
    status: 503,
    body: { code: "TIDEMARK_VIEW_BUILDING", detail: expect.stringContaining("batch runs alone compute") },
  });
  expect((await rows("of-batch", after(1).replace("50ms", "30s"))).body.code).toBe("TIDEMARK_VIEW_BUILDING");
  expect(await serving.get("/readyz")).toEqual({ status: 200, body: { status: "ready" } });
  const { payload } = await serving.server.inject({ url: "/metrics" });
  expect(payload).toContain('tidemark_view_ready{view="of-both"} 1');
  expect(payload).not.toContain('tidemark_view_ready{view="of-batch"}');
});

test("a position beyond its cut is waited for as long as one asks, and a position before is there", async () => {
  await build();
  expect((await rows("of-batch", after(3))).status).toBe(200);
  expect(await rows("of-batch", after(4))).toMatchObject({
    status: 504,
    body: { code: "TIDEMARK_QUERY_AFTER", detail: expect.stringContaining(`is at ${at(3, 0)}`) },
  });
});

test("of a view that the speed layer alone computes an answer is the tail of all records, whatever generations lie there", async () => {
  serving.generations.add(folded, "g-old", { [measured.name]: [3, 0].map(offset) }, [row("a", 1_000)]);
  await serving.generations.point(folded.name, "g-old");
  await settled();
  for (const search of ["", "&layer=merged", "&layer=speed", after(5)]) {
    expect((await rows("of-speed", search)).body).toMatchObject({
      rows: [
        { site: "a", total: 11 },
        { site: "b", total: 100 },
      ],
      provenance: {
        ...{ layer: "speed", layers: "speed", generation: null },
        ...{ cut: at(0, 0), position: at(5, 1), lag: 0, complete: true },
      },
    });
  }
});

test("as of the past all of it is folded, whatever generations lie there", async () => {
  await serving[Symbol.asyncDispose]();
  const ranges: unknown[] = [];
  const fold: FoldRange = async ({ view, from }) => {
    ranges.push(from);
    return [plainSegment(view, { partition: 0, from: 0, next: 4, rows: [row("a", 7)] })];
  };
  serving = startServing([folded], systemClock, new Map(), {}, { past: { fold } });
  serving.log.advanceTo(measured.name, [5, 1]);
  serving.generations.add(folded, "g-old", { [measured.name]: [3, 0].map(offset) }, [row("a", 1_000)]);
  await settled();
  expect((await rows("of-speed", `&asOf=${encodeURIComponent(at(4, 0))}`)).body).toMatchObject({
    rows: [{ site: "a", total: 7 }],
    provenance: { layer: "speed", generation: null, cut: at(0, 0), position: at(4, 0) },
  });
  expect(ranges).toEqual([{}]);
});

test("what needs a generation of it is refused by name", async () => {
  for (const answer of [
    await rows("of-speed", "&layer=batch"),
    await serving.get("/v1/views/of-speed/compare"),
    await serving.server
      .inject({ method: "POST", url: "/v1/reconciliations", payload: { view: "of-speed" } })
      .then((response) => ({ status: response.statusCode, body: response.json() })),
  ]) {
    expect(answer).toMatchObject({ status: 400, body: { code: "TIDEMARK_VIEW_LAYER" } });
  }
  const { statusCode, body } = await serving.server.inject({
    ...{ method: "POST", url: "/v1/views/of-speed/generations/g-1/activate" },
  });
  expect([statusCode, JSON.parse(body).code]).toEqual([400, "TIDEMARK_VIEW_LAYER"]);
});

test("answers of a view of both layers say nothing of layers", async () => {
  await build();
  const { body } = await rows("of-both");
  expect(body.provenance).not.toHaveProperty("layers");
  expect(body).toMatchObject({ rows: [{ total: 11 }, { total: 100 }], provenance: { layer: "merged" } });
});

test("a comparison of a view of batch runs alone has nothing on the other side", async () => {
  await build();
  expect((await serving.get("/v1/views/of-batch/compare?groupBy=site&measures=total")).body).toMatchObject({
    rows: [{ site: "a", batch: { total: 1 }, merged: { total: 1 } }],
    provenance: { layer: "batch", position: at(3, 0) },
  });
});

test("status and description say which layers compute a view, and how far", async () => {
  await build();
  const { views } = (await serving.get("/v1/status")).body;
  expect(views["of-batch"]).toMatchObject({
    ...{ layers: "batch", position: at(3, 0), lag: 3, unready: null, gap: null },
    tail: { segments: 0, entries: 0 },
  });
  expect(views["of-speed"]).toMatchObject({ layers: "speed", position: at(5, 1), lag: 0, generation: null });
  expect(views["of-both"]).toMatchObject({ layers: "both", lag: 0 });
  expect((await serving.get("/v1/views/of-speed")).body).toMatchObject({ layers: "speed" });
  const { payload } = await serving.server.inject({ url: "/metrics" });
  expect(payload).toContain(
    `tidemark_view_lag_records{view="of-batch",topic="${measured.name}",partition="0"} 2`,
  );
});

test("a log that has let go of records says nothing against a view without a tail", async () => {
  await build();
  serving.log.begins.set(measured.name, [4, 1].map(offset));
  expect((await serving.get("/readyz")).body).not.toHaveProperty("degraded");
});

test("one that is still being folded for the first time keeps nobody from being ready", async () => {
  await serving[Symbol.asyncDispose]();
  const tail = new PlainTail();
  tail.put(both, [{ partition: 0, from: 0, next: 5, rows: [row("a", 1)] }]);
  tail.put(folded, [{ partition: 0, from: 3, next: 5, rows: [row("a", 10)] }]);
  serving = startServing([both, folded], systemClock, new Map(), {}, { tail });
  await settled();
  expect((await rows("of-speed")).body).toMatchObject({
    code: "TIDEMARK_NOT_READY",
    detail: expect.stringContaining("folding the records that came first"),
  });
  expect((await serving.get("/readyz")).status).toBe(200);
  expect((await serving.get("/v1/status")).body.views["of-speed"].isBuilding).toBe(true);
  serving.tail.put(folded, [{ partition: 0, from: 0, next: 3, rows: [row("a", 1)] }]);
  expect((await rows("of-speed")).body.rows).toEqual([{ site: "a", total: 11 }]);
  // Once it was answered, that it can't be is for all to hear.
  serving.tail.drop(folded);
  serving.tail.put(folded, [{ partition: 0, from: 3, next: 5, rows: [row("a", 10)] }]);
  expect((await serving.get("/readyz")).status).toBe(503);
});

test("a position is not covered while what came first is still to be folded, wherever the tail has come to", async () => {
  serving.tail.drop(folded);
  serving.tail.put(folded, [
    { partition: 0, from: 3, next: 5, rows: [row("a", 10)] },
    { partition: 1, from: 0, next: 1, rows: [row("b", 100)] },
  ]);
  expect((await rows("of-speed")).body.code).toBe("TIDEMARK_NOT_READY");
  const waiting = rows("of-speed", after(5).replace("50ms", "20s"));
  // One that came later is answered: it waits.
  await rows("of-both");
  serving.tail.put(folded, [{ partition: 0, from: 0, next: 3, rows: [row("a", 1)] }]);
  expect((await waiting).body).toMatchObject({ rows: [{ site: "a", total: 11 }, { site: "b" }] });
});
