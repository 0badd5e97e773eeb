import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { legible } from "../../cli/erasures.ts";
import { overRecords, readDeclarations, recordDeclarations } from "../../infra/declarations/declarations.ts";
import { type App, defineApp } from "../../views/app.ts";
import { offset } from "../../views/cut.ts";
import { defineEvent, type EventType } from "../../views/event.ts";
import { count, defineView, Type } from "../../views/index.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-declarations-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const name = "shop.order.placed";

function appOf(properties: Parameters<typeof Type.Object>[0], partitions = 2): App {
  const type = defineEvent({ name, partitions, schema: Type.Object(properties) }) as EventType;
  const orders = defineView({
    name: "orders",
    from: type,
    by: () => ({}),
    measures: () => ({ orders: count() }),
  });
  return defineApp({ name: "shop", views: [orders] });
}

const first = { city: Type.String() };
const second = { ...first, rate: Type.Optional(Type.Integer({ default: 1 })) };
const third = { ...first, rate: Type.Optional(Type.Number({ default: 2 })) };
const end = (...nexts: readonly number[]) => ({ [name]: nexts.map(offset) });
const formerNexts = async () =>
  (await readDeclarations(folder)).types.get(name)?.former.map(({ next }) => next);

test("each wider schema leaves the one before it for the records before the log's end", async () => {
  await recordDeclarations(folder, appOf(first), end(0, 0));
  await recordDeclarations(folder, appOf(second), end(5, 3));
  await recordDeclarations(folder, appOf(third), end(9, 3));
  expect(await formerNexts()).toEqual([
    [5, 3],
    [9, 3],
  ]);
  const app = overRecords(appOf(third), await readDeclarations(folder));
  expect(app.events[0]?.former.map(({ fields }) => fields.map(({ name }) => name))).toEqual([
    ["city"],
    ["city", "rate"],
  ]);
  expect(app.views[0]?.mappings[0]?.event).toBe(app.events[0]);
  expect(app.views[0]?.fingerprint).toBe(appOf(first).views[0]?.fingerprint);
});

test("starting again writes nothing, and another default is no other schema", async () => {
  await recordDeclarations(folder, appOf(second), end(0, 0));
  const before = await stat(join(folder, `${name}.json`));
  await recordDeclarations(folder, appOf(second), end(7, 7));
  expect((await stat(join(folder, `${name}.json`))).ino).toBe(before.ino);
  await recordDeclarations(
    folder,
    appOf({ ...first, rate: Type.Optional(Type.Integer({ default: 3 })) }),
    end(8, 8),
  );
  expect(await formerNexts()).toEqual([]);
  expect(
    JSON.parse(await readFile(join(folder, `${name}.json`), "utf8")).schema.properties.rate.default,
  ).toBe(3);
});

test("what can't follow is refused before anything is written", async () => {
  await recordDeclarations(folder, appOf(second), end(0, 0));
  await expect(recordDeclarations(folder, appOf(first, 3), end(1, 1))).rejects.toThrow(
    expect.objectContaining({
      code: "TIDEMARK_SCHEMA_REFUSED",
      message: expect.stringMatching(
        /partitions is 3, was 2.*field "rate" is gone.*"shop\.order\.placed-v2"/,
      ),
    }),
  );
  expect(overRecords(appOf(second), await readDeclarations(folder)).events[0]?.former).toEqual([]);
});

test("a type may be encrypted from an offset on, and stays so; the log lets go of what lies before it", async () => {
  const typeOf = (encrypted: boolean, properties: Parameters<typeof Type.Object>[0] = first) => {
    const schema = Type.Object({ ...properties, city: Type.String() });
    const type = defineEvent({ name, schema, key: (f) => f.city, partitions: 2, encrypted }) as EventType;
    const orders = { name: "orders", from: type, by: () => ({}), measures: () => ({ orders: count() }) };
    return defineApp({ name: "shop", views: [defineView(orders)] });
  };
  const encryptedFrom = async () => (await readDeclarations(folder)).types.get(name)?.encryptedFrom;
  await recordDeclarations(folder, typeOf(false), end(0, 0));
  expect(await encryptedFrom()).toBeUndefined();
  const plain = await readDeclarations(folder);
  expect(() => overRecords(typeOf(true), plain)).toThrow(/encrypted from now on/);
  expect(legible(end(9, 1), plain)).toEqual(end(9, 1));
  await recordDeclarations(folder, typeOf(true), end(5, 3));
  await recordDeclarations(folder, typeOf(true, second), end(7, 7));
  expect(await encryptedFrom()).toEqual([5, 3]);
  expect(await formerNexts()).toEqual([[7, 7]]);
  await expect(recordDeclarations(folder, typeOf(false, second), end(8, 8))).rejects.toMatchObject({
    code: "TIDEMARK_SCHEMA_REFUSED",
    message: expect.stringContaining("encrypted: true"),
  });
  expect(legible(end(9, 1), await readDeclarations(folder))).toEqual(end(5, 1));
  const unkeyed = { name, schema: Type.Object(first), encrypted: true };
  expect(() => defineEvent(unkeyed)).toThrow(expect.objectContaining({ code: "TIDEMARK_DECLARATION_FIELD" }));
});

test("an app that is not the one that began on the folder is refused, since records would be read by its schema", async () => {
  await recordDeclarations(folder, appOf(first), end(0, 0));
  const declarations = await readDeclarations(folder);
  expect(() => overRecords(appOf(second), declarations)).toThrow(
    expect.objectContaining({ code: "TIDEMARK_CONFIG", message: expect.stringContaining('adds "rate"') }),
  );
});

test("what a crash left half written is passed over and cleared away", async () => {
  await recordDeclarations(folder, appOf(first), end(0, 0));
  const aside = `.aside-1-1-${name}.json`;
  await writeFile(join(folder, aside), '{ "name": ');
  expect((await readDeclarations(folder)).types.size).toBe(1);
  await recordDeclarations(folder, appOf(second), end(1, 0));
  expect(await readdir(folder)).toEqual([`${name}.json`, "views.json"]);
  expect(await formerNexts()).toEqual([[1, 0]]);
});

test("a record that can't be read is named", async () => {
  await writeFile(join(folder, `${name}.json`), "{}");
  await expect(readDeclarations(folder)).rejects.toThrow(
    expect.objectContaining({
      code: "TIDEMARK_STORE_CORRUPT",
      message: expect.stringContaining(`${name}.json`),
    }),
  );
});
