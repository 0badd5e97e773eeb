import { expect, test } from "vitest";
import { createClient } from "../../client/client.ts";
import { defineApp } from "../../views/app.ts";
import { Cable } from "../serving/cable.ts";
import { LiveServer } from "../serving/live-server.ts";
import { byMachine, stateOf } from "../serving/measured.ts";

const app = defineApp({ name: "machines", views: [byMachine] });
const record = (site: string, unit: number | null = 1) =>
  stateOf({ site, unit, label: null, isOn: true, hour: 0, value: 1 });

test("rows are asked for by names and values, and come with what they rest on", async () => {
  await using server = await LiveServer.start([byMachine]);
  server.add(0, [record("a"), record("b"), record("b", null)]);
  const client = createClient<typeof app>({ url: server.url });
  const { rows, provenance } = await client.rows("by-machine", {
    groupBy: ["site"],
    measures: ["records"],
    orderBy: ["-records"],
    from: new Date(0),
  });
  expect(rows).toEqual([
    { site: "b", records: 2 },
    { site: "a", records: 1 },
  ]);
  expect(provenance).toMatchObject({ view: "by-machine", layer: "merged" });
  const of = { groupBy: ["site"], measures: ["records"] } as const;
  expect((await client.rows("by-machine", { ...of, where: { site: ["b", "c"], unit: 1 } })).rows).toEqual([
    { site: "b", records: 1 },
  ]);
  expect((await client.rows("by-machine", { ...of, where: { unit: null } })).rows).toEqual([
    { site: "b", records: 1 },
  ]);
});

test("a past that is too costly is thrown with the run that computes it", async () => {
  await using server = await LiveServer.start([byMachine]);
  server.log.advanceTo("test.machine.measured", [1, 0]);
  const client = createClient<typeof app>({ url: server.url });
  const body = { asOf: "test.machine.measured@0:1,1:0", views: ["by-machine"] } as const;
  await expect(client.rows("by-machine", { asOf: body.asOf })).rejects.toMatchObject({
    code: "TIDEMARK_ASOF_COSTLY",
    offer: { method: "POST", path: "/v1/batch/runs", body },
  });
  const past = { position: body.asOf, views: body.views };
  expect(await client.runs.start(body)).toMatchObject({ kind: "past", past, state: "queued" });
});

test("what the server refuses is thrown with its code", async () => {
  await using server = await LiveServer.start([byMachine]);
  const client = createClient({ url: server.url });
  await expect(client.rows("nothing")).rejects.toMatchObject({ code: "TIDEMARK_QUERY_VIEW_UNKNOWN" });
  await expect(client.runs.get("no")).rejects.toMatchObject({ code: "TIDEMARK_RUN_UNKNOWN" });
});

test("live rows go on where they were when the connection breaks", async () => {
  await using server = await LiveServer.start([byMachine]);
  server.add(0, [record("a")]);
  await using cable = await Cable.to(server.url);
  const client = createClient<typeof app>({ url: cable.url });
  const stop = new AbortController();
  const question = { groupBy: ["site"], measures: ["records"] } as const;
  const kinds: string[] = [];
  for await (const { kind, rows } of client.live("by-machine", question, stop.signal)) {
    kinds.push(kind);
    if (kind === "change") {
      expect(rows).toEqual([{ site: "b", records: 1 }]);
      stop.abort();
    } else {
      cable.cut();
      server.add(0, [record("b")]);
    }
  }
  expect(kinds).toEqual(["rows", "change"]);
});
