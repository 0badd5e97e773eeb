import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../serving-layer/clock.ts";
import type { Cut } from "../../views/cut.ts";
import { onlyMapping } from "../../views/mapping.ts";
import type { Cell } from "../../views/state.ts";
import { type Serving, settled, startServing } from "./serving.ts";
import { bySite, type Change, changeState, type Fact, factState, files, sites } from "./star.ts";

const facts: readonly Fact[] = Array.from({ length: 400 }, (_, i) => ({
  ...{ site: `site ${i % 200}`, unit: i % 2 === 0 ? 1 : 3, hour: 0, value: i },
}));
const first: readonly Change[] = Array.from({ length: 200 }, (_, i) => ({
  ...{ site: `site ${i}`, time: 1, region: "north", size: 1, isOpen: true, isGone: false },
}));
const moved = (site: string): Change => ({
  ...{ site, time: 2, region: "south", size: 1, isOpen: true, isGone: false },
});

/** A clock by which every look is due to give up the thread, and that then does what is in `meanwhile`. */
class Interrupting implements Clock {
  meanwhile: () => Promise<unknown> = async () => undefined;
  #now = 0;

  now(): number {
    this.#now += 1_000;
    return this.#now;
  }

  after(ms: number, callback: () => void): Disposable {
    return systemClock.after(ms, callback);
  }

  async nextTurn(): Promise<void> {
    await this.meanwhile();
    await systemClock.nextTurn();
  }
}

let serving: Serving;
let clock: Interrupting;
beforeEach(async () => {
  clock = new Interrupting();
  serving = startServing([bySite], clock, files);
  const factTopic = onlyMapping(bySite).event.name;
  serving.generations.add(bySite, "g-1", { [factTopic]: [200, 200] } as unknown as Cut, facts.map(factState));
  serving.tail.put(
    bySite,
    [0, 1].map((partition) => ({ partition, from: 200, next: 200, rows: [] })),
  );
  await serving.generations.point(bySite.name, "g-1");
  await putChanges(first, "g-1", 100);
});
afterEach(() => serving[Symbol.asyncDispose]());

/** A generation of the table over all of these, and an empty tail behind it. */
async function putChanges(changes: readonly Change[], id: string, perPartition: number): Promise<void> {
  const cut = { [onlyMapping(sites.view).event.name]: [perPartition, perPartition] } as unknown as Cut;
  serving.generations.add(sites.view, id, cut, changes.map(changeState));
  serving.tail.put(
    sites.view,
    [0, 1].map((partition) => ({ partition, from: perPartition, next: perPartition, rows: [] })),
  );
  await serving.generations.point(sites.view.name, id);
  await settled();
}

const regions = "/v1/views/by-site/rows?groupBy=site.region&measures=records";

describe("an answer by attributes", () => {
  test("rests on the tables as they were when it began, whatever comes meanwhile", async () => {
    let interruptions = 0;
    clock.meanwhile = async () => {
      if (interruptions++ > 0) return;
      // A change of every site in the tail, and another generation in the place of the one that is being read.
      const changes = first.map(({ site }, i) => changeState(moved(site), 200 + i));
      serving.tail.put(sites.view, [
        { partition: 0, from: 100, next: 200, rows: changes.filter((_, i) => i % 2 === 0) },
        { partition: 1, from: 100, next: 200, rows: changes.filter((_, i) => i % 2 === 1) },
      ]);
      await putChanges([...first, ...first.map(({ site }) => moved(site))], "g-2", 200);
    };
    const { body } = await serving.get(regions);
    expect(interruptions).toBeGreaterThan(0);
    expect(body.rows).toEqual([{ "site.region": "north", records: 400 }]);
    expect(body.provenance.dimensions.sites).toMatchObject({ generation: "g-1" });
    expect((await serving.get(regions)).body).toMatchObject({
      rows: [{ "site.region": "south", records: 400 }],
      provenance: { dimensions: { sites: { generation: "g-2" } } },
    });
    const readers = serving.generations.readers.filter(({ manifest }) => manifest.view === "sites");
    expect(readers.map(({ manifest: { id }, isClosed }) => [id, isClosed])).toEqual([
      ["g-1", true],
      ["g-2", false],
    ]);
  });

  test("rests on the tail's states as they were, though they change in place", async () => {
    const changes = first.map(({ site }, i) => changeState(moved(site), 2 * i));
    serving.tail.put(sites.view, [{ partition: 0, from: 100, next: 300, rows: changes }]);
    const { cut } = (await serving.generations.current(sites.view)) ?? {};
    const segments = serving.tail.segments(sites.view, cut ?? {}) ?? [];
    const entries = segments.flatMap((segment) => [...segment.entriesIn(0)]);
    let changed = 0;
    clock.meanwhile = async () => {
      for (const { cells } of entries) (cells as Cell[]).splice(0, 4, 9, 0, 300, "4:west1:14:true");
      changed = entries.length;
    };
    const { body } = await serving.get(regions);
    expect(changed).toBe(200);
    expect(body.rows).toEqual([{ "site.region": "south", records: 400 }]);
  });

  test("says which state of each table it used, and nothing of tables that it did not", async () => {
    const { body } = await serving.get("/v1/views/by-site/rows?groupBy=site.size,unit.kind&layer=batch");
    expect(body.provenance.dimensions).toEqual({
      sites: {
        view: "sites",
        fingerprint: sites.view.fingerprint,
        layer: "batch",
        generation: "g-1",
        cut: "test.site.changed@0:100,1:100",
        position: "test.site.changed@0:100,1:100",
        lag: 0,
        complete: true,
      },
      units: { file: "/units.csv", sha256: "abc", rows: 3 },
    });
    const plain = await serving.get("/v1/views/by-site/rows?groupBy=unit");
    expect(plain.body.provenance).not.toHaveProperty("dimensions");
  });

  test("waits for changes of the table as for facts", async () => {
    const after = encodeURIComponent("test.site.changed@0:101");
    const early = await serving.get(`${regions}&after=${after}&timeout=1ms`);
    expect(early.body).toMatchObject({ status: 504, code: "TIDEMARK_QUERY_AFTER" });
    // The facts alone do not rest on it.
    const facts = await serving.get(`/v1/views/by-site/rows?groupBy=unit&after=${after}&timeout=1ms`);
    expect(facts.status).toBe(200);
    const waiting = serving.get(`${regions}&after=${after}`);
    const change = changeState(moved("site 0"), 200);
    serving.tail.put(sites.view, [{ partition: 0, from: 100, next: 101, rows: [change] }]);
    expect((await waiting).body.rows).toEqual([
      { "site.region": "north", records: 398 },
      { "site.region": "south", records: 2 },
    ]);
  });

  test.each([
    [
      "rows?groupBy=site.colour",
      "ATTRIBUTE_UNKNOWN",
      `has no attribute "colour"; it has region, size, isOpen`,
    ],
    ["rows?unit.colour=red", "ATTRIBUTE_UNKNOWN", `dimension "units", which "unit" refers to, has no`],
    ["rows?town.name=x", "PARAMETER_UNKNOWN", "as filters: site, unit, site.region, site.size"],
    ["rows?groupBy=town", "DIMENSION_UNKNOWN", "it has site, unit, hour, site.region"],
    ["rows?orderBy=site.region", "PARAMETER", `no column "site.region"; they can be ordered by site`],
    ["rows?site.size=big", "PARAMETER", "give a whole number, or null"],
    ["rows?site.isOpen=perhaps", "PARAMETER", "give true or false, or null"],
    ["compare?groupBy=site.colour", "ATTRIBUTE_UNKNOWN", "it has region, size, isOpen"],
  ])("that can't be given is refused by name: %s", async (query, code, words) => {
    const { status, body } = await serving.get(`/v1/views/by-site/${query}`);
    expect([status, body.code]).toEqual([400, `TIDEMARK_QUERY_${code}`]);
    expect(body.detail).toContain(words);
  });

  test("by an attribute of a dimension that refers to no table is refused", async () => {
    const { body } = await serving.get("/v1/views/sites/rows?groupBy=key.region");
    expect(body).toMatchObject({ status: 400, code: "TIDEMARK_QUERY_ATTRIBUTE_UNKNOWN" });
    expect(body.detail).toContain("refers to no table");
  });

  test("is announced with the view: tables and attributes to ask for", async () => {
    const { body } = await serving.get("/v1/views");
    expect(body.views.map(({ name }: { name: string }) => name)).toEqual(["by-site", "sites"]);
    expect(body.views[0].dimensions[1].refersTo).toEqual({
      dimension: "units",
      attributes: [
        { name: "unit", type: "integer" },
        { name: "kind", type: "string" },
      ],
    });
  });
});
