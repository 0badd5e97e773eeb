import { expect, test } from "vitest";
import { meantBy } from "../../infra/versions/meant-by.ts";
import { count, defineApp, defineEvent, defineView, sum, Type } from "../../views/index.ts";
import { exactName, familiesOf, namesOf, needsGeneration, viewNamePattern } from "../../views/version.ts";

const landed = defineEvent({
  name: "test.flight.landed",
  schema: Type.Object({ origin: Type.String(), delay: Type.Integer() }),
  partitions: 1,
});

const delays = (version?: number) =>
  defineView({
    name: "delays",
    ...(version === undefined ? {} : { version }),
    from: landed,
    by: (f) => ({ origin: f.origin }),
    measures: (f) => ({ flights: count(), delay: sum(f.delay) }),
  });
const others = defineView({
  name: "others",
  from: landed,
  by: () => ({}),
  measures: () => ({ flights: count() }),
});

test("version 1 is called as it was before there were versions, and a later one says which it is", () => {
  expect(delays()).toMatchObject({ name: "delays", family: "delays", version: 1 });
  expect(delays(1)).toMatchObject({ name: "delays", family: "delays", version: 1 });
  expect(delays(2)).toMatchObject({ name: "delays@2", family: "delays", version: 2 });
  expect([delays(), delays(12)].map(exactName)).toEqual(["delays@1", "delays@12"]);
  expect([delays(), delays(2)].map(needsGeneration)).toEqual([false, true]);
});

test("the number of a version changes nothing of what its states mean", () => {
  expect(delays(2).fingerprint).toBe(delays().fingerprint);
});

test.each([0, -1, 1.5, 10_000, Number.NaN, "2"])("version %s is refused", (version) => {
  expect(() => delays(version as number)).toThrow(
    expect.objectContaining({
      code: "TIDEMARK_DECLARATION_VIEW",
      message: expect.stringContaining(`view "delays": its version must be a whole number from 1 to 9999`),
    }),
  );
});

test("an app with two equal versions is refused by their number", () => {
  expect(() => defineApp({ name: "flights", views: [delays(), delays(2), delays(2)] })).toThrow(
    expect.objectContaining({
      code: "TIDEMARK_DECLARATION_APP",
      message: expect.stringContaining(`view "delays" has two declarations of version 2`),
    }),
  );
  expect(() => defineApp({ name: "flights", views: [delays(), delays(1)] })).toThrow(
    /two views are named "delays".*version: 2/,
  );
});

test("names lead to versions of which there are several, and nobody names version 1 of what has one", () => {
  const { views } = defineApp({ name: "flights", views: [delays(3), others, delays()] });
  expect(
    [...familiesOf(views)].map(([family, versions]) => [family, versions.map((v) => v.version)]),
  ).toEqual([
    ["delays", [1, 3]],
    ["others", [1]],
  ]);
  expect(namesOf(views)).toEqual(["delays", "delays@1", "delays@3", "others"]);
  expect(namesOf([delays(2)])).toEqual(["delays", "delays@2"]);
});

test("stores know views by their name, with a version from 2 on", () => {
  const known = ["delays", "delays@2", "a@9999", "delays@10"];
  const refused = [
    "delays@1",
    "delays@0",
    "delays@02",
    "delays@10000",
    "delays@",
    "@2",
    "de@lays",
    "../x",
    "Delays",
  ];
  expect(known.filter((name) => !viewNamePattern.test(name))).toEqual([]);
  expect(refused.filter((name) => viewNamePattern.test(name))).toEqual([]);
});

test("a name means what its pointer says, or the version before if that is gone, or else the lowest", () => {
  const versions = [delays(1), delays(2), delays(3)];
  const meant = (pointer: { active: number; former: number | null } | undefined, of = versions) =>
    meantBy(of, pointer)?.version;
  expect(meant(undefined)).toBe(1);
  expect(meant({ active: 3, former: 1 })).toBe(3);
  expect(meant({ active: 7, former: 2 })).toBe(2);
  expect(meant({ active: 7, former: null })).toBe(1);
  expect(meant({ active: 7, former: 8 }, versions.slice(1))).toBe(2);
  expect(meantBy([], undefined)).toBeUndefined();
});
