import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import { onlyFile } from "../../infra/generations/state-parts.ts";
import { createServer } from "../../infra/http.ts";
import { registerServing } from "../../serving-layer/routes.ts";
import { defineApp } from "../../views/app.ts";
import type { Cut } from "../../views/cut.ts";
import { onlyMapping } from "../../views/mapping.ts";
import { byMachine, hour, stateOf } from "./measured.ts";
import { PlainJobs } from "./plain-jobs.ts";
import { PlainDeadLetters, PlainGenerations, PlainLog, PlainTail, rollUp } from "./plain-stores.ts";
import { startServing } from "./serving.ts";

const topic = onlyMapping(byMachine).event.name;
const cut = { [topic]: [100, 0] } as unknown as Cut;
const states = Array.from({ length: 3_000 }, (_, i) =>
  stateOf({
    site: `site ${i % 7}`,
    unit: i % 5 === 0 ? null : i % 3,
    label: i % 11 === 0 ? null : "label",
    isOn: i % 2 === 0,
    hour: ((i * 37) % 500) * hour,
    value: i % 13 === 0 ? null : i,
  }),
);
const since = states.slice(0, 200);

/** Waits as any client does: until it is ready. */
async function ready(ask: () => Promise<number>): Promise<void> {
  while ((await ask()) !== 200) await new Promise((resolve) => setImmediate(resolve));
}

test("answers from generations on disk, run after run, are those from plain arrays", async () => {
  const root = await mkdtemp(join(tmpdir(), "tidemark-serving-"));
  const generations = await GenerationsFolder.own({
    root,
    pollMs: 1,
    onWatchError: (error) => expect.fail(String(error)),
  });
  const plain = new PlainGenerations().add(byMachine, "g-1", cut, states);
  const draft = await generations.draft(byMachine, "g-1");
  for (const row of rollUp(byMachine, states)) await draft.add(row);
  await writeFile(draft.pathOf(onlyFile), "");
  await draft.publish(plain);
  await generations.point(byMachine.name, "g-1");

  const onArrays = startServing([byMachine]);
  onArrays.generations.add(byMachine, "g-1", cut, states);
  await onArrays.generations.point(byMachine.name, "g-1");

  const tail = new PlainTail();
  const server = createServer({});
  const serving = registerServing(server, {
    ...{ generations, tail, profile: "embedded", app: defineApp({ name: "test", views: [byMachine] }) },
    ...{ log: new PlainLog([byMachine]), jobs: new PlainJobs(), deadLetters: new PlainDeadLetters() },
  });
  for (const one of [tail, onArrays.tail]) {
    one.put(byMachine, [{ partition: 0, from: 100, next: 300, rows: since }]);
  }
  try {
    await ready(async () =>
      (await server.inject("/v1/views/by-machine?")).json().generations[0]?.isServing === true ? 200 : 0,
    );
    for (const query of [
      "rows?limit=100000",
      "rows?limit=50&site=site 3",
      "rows?site=site 1&unit=null&label=label&isOn=true",
      "rows?groupBy=hour&granularity=1d&from=1970-01-03&to=1970-01-09",
      "rows?groupBy=unit&orderBy=-total",
      "rows?groupBy=&site=site 2&site=site 5&layer=batch",
      "compare?groupBy=site,hour&granularity=1d&limit=40",
    ]) {
      const url = encodeURI(`/v1/views/by-machine/${query}`);
      const { payload } = await server.inject(url);
      const { body } = await onArrays.get(url);
      expect(body.rows.length).toBeGreaterThan(0);
      expect(JSON.parse(payload)).toEqual(body);
    }
  } finally {
    await server.close();
    await serving[Symbol.asyncDispose]();
    await onArrays[Symbol.asyncDispose]();
    await rm(root, { recursive: true, force: true });
  }
});

test.each(["rows?layer=batch&limit=1", "compare?limit=1"])(
  "who has waited for the first run may ask at once, before the pointers are looked at again: %s",
  async (question) => {
    const root = await mkdtemp(join(tmpdir(), "tidemark-serving-"));
    const generations = await GenerationsFolder.own({
      root,
      pollMs: 3_600_000,
      onWatchError: (error) => expect.fail(String(error)),
    });
    const server = createServer({});
    const tail = new PlainTail();
    const serving = registerServing(server, {
      ...{ generations, tail, profile: "embedded", app: defineApp({ name: "test", views: [byMachine] }) },
      ...{ log: new PlainLog([byMachine]), jobs: new PlainJobs(), deadLetters: new PlainDeadLetters() },
    });
    try {
      const status = async (path: string) =>
        (await server.inject({ method: "GET", url: `/v1/views/by-machine/${path}` })).statusCode;
      await ready(() => status("rows"));
      expect(await status(question)).toBe(409);
      const plain = new PlainGenerations().add(byMachine, "g-1", cut, states);
      const draft = await generations.draft(byMachine, "g-1");
      for (const row of rollUp(byMachine, states)) await draft.add(row);
      await writeFile(draft.pathOf(onlyFile), "");
      await draft.publish(plain);
      await generations.point(byMachine.name, "g-1");
      tail.put(byMachine, [{ partition: 0, from: 100, next: 300, rows: since }]);
      expect(await status(question)).toBe(200);
      expect(await status(question)).toBe(200);
    } finally {
      await server.close();
      await serving[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    }
  },
);
