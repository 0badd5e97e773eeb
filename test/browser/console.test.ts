import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, inject, test } from "vitest";
// For what it provides.
import type {} from "../services/setup.ts";
import { ConsoleStage, key } from "./console-stage.ts";
import { faintTexts, namelessControls } from "./legibility.ts";

let stage: ConsoleStage;
let page: Page;

beforeAll(async () => {
  stage = await ConsoleStage.open(inject("chromium"));
  page = await stage.page();
}, 120_000);

afterAll(() => stage?.[Symbol.asyncDispose]());

afterEach(() => {
  expect(stage.complaints.splice(0)).toEqual([]);
});

async function open(name: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name }).click();
  await page.getByRole("heading", { name, level: 1 }).waitFor();
}

const region = (name: string) => page.getByRole("region", { name });

test("who has no key is asked for one, and told if it is nobody's", async () => {
  const other = await stage.page({}, false);
  await other.getByLabel(/API key/).fill("not-a-key-0123456789");
  await other.getByRole("button", { name: "Go on" }).click();
  await other.getByText("That key is not known here.").waitFor();
  await other.getByLabel(/API key/).fill(key);
  await other.getByRole("button", { name: "Go on" }).click();
  await other.getByText("forgetful-flights").waitFor();
  await other.context().close();
  const refusals = stage.complaints.splice(0);
  expect(refusals.length).toBeGreaterThan(0);
  for (const complaint of refusals) expect(complaint).toMatch(/status of 401/);
});

test("what flows through the pipeline is seen to flow", async () => {
  const rate = page.locator("[data-flow=folded]");
  await stage.sendDuring(rate.filter({ hasText: /^[1-9][\d,.K]*\/s$/ }).waitFor());
  const folded = page.getByRole("img", { name: /records in the log/ });
  await folded.and(page.getByRole("img", { name: /, 0 not yet folded/ })).waitFor();
  expect(await page.locator(".stream.moving").count()).toBeGreaterThan(0);
});

test("a run is started, watched and seen to succeed, and the cut moves", async () => {
  await open("Batch runs");
  await page.getByRole("button", { name: "Start a run" }).click();
  await page.getByRole("progressbar").waitFor();
  await page.locator("[data-state=succeeded]").waitFor();
  await page.locator("main").getByText("serves", { exact: true }).first().waitFor();
  await open("Pipeline");
  await page.locator(".cut summary .share-batch").first().waitFor();
});

test("an answer shows of each row how much is batch and how much speed, and what it rests on", async () => {
  await stage.answered("airport-hours", await stage.send(3_000));
  await open("Explore");
  await page.getByRole("combobox", { name: "View" }).selectOption("airport-hours");
  await page.getByRole("button", { name: "origin", exact: true }).click();
  await page.getByRole("button", { name: "hour", exact: true }).click();
  await region("Rows")
    .getByRole("button", { name: /flights/ })
    .click();
  const row = region("Rows").locator("tbody tr").first();
  await row.locator(".share-batch + .share-speed").waitFor();
  const rests = page.locator(".rests-on summary");
  expect(await rests.innerText()).toMatch(
    /Batch generation g-\S+ with \[0, cut\) = [\d,]+ records \+ [\d,]+ records of tail, complete/,
  );
  const [origin, flights] = await row.locator("td").allInnerTexts();
  const url = await page.locator(".copy code").first().innerText();
  const { rows } = await stage.get<{ rows: readonly { origin: string; flights: number }[] }>(
    url.slice(stage.url.length),
  );
  expect([rows[0]?.origin, rows[0]?.flights.toLocaleString("en")]).toEqual([origin, flights]);
});

test("a filter and a stretch of the chart are in the address, and narrow the answer", async () => {
  await page.goto(`${stage.url}/#/explore/airport-hours?groupBy=hour&measures=flights`);
  await page.getByLabel("Add a filter").selectOption("origin");
  await page.getByLabel("origin is", { exact: true }).fill("ORD");
  await page.getByLabel("origin is", { exact: true }).press("Enter");
  await expect.poll(() => page.url()).toContain("origin=ORD");
  await page.locator(".copy code", { hasText: "origin=ORD" }).first().waitFor();
  const chart = page.locator(".chart .u-over");
  await chart.dragTo(chart, { sourcePosition: { x: 100, y: 50 }, targetPosition: { x: 960, y: 50 } });
  await expect.poll(() => page.url()).toMatch(/from=2001-.*to=2001-/);
  await region("Rows").locator("tbody td.time").nth(1).waitFor();
});

test("the drift of a fold that forgets is found, and shown key by key", async () => {
  await open("Comparison");
  await page.getByRole("heading", { name: /^forgetful(?!@)/ }).waitFor();
  expect(await page.locator(".verdict", { hasText: "airport-hours" }).innerText()).toContain("no drift");
  const row = region("Differing rows").locator("tbody tr").first();
  await row.waitFor();
  const cells = await row.locator("td").allInnerTexts();
  const [, measure, batch = "", served = "", , difference = ""] = cells;
  expect(measure).toBe("flights");
  expect(Number(batch) - Number(served)).toBe(Number(difference));
  expect(Number(difference)).toBeGreaterThan(0);
});

test("a check of this moment is asked for, and what it found is marked", async () => {
  await open("Comparison");
  await page.getByRole("button", { name: "Check now" }).click();
  await page.getByRole("link", { name: /^airport-hours, .*, a check: no drift$/ }).waitFor();
  await page.getByRole("link", { name: /^forgetful, .*, a check: \d+ keys differ$/ }).waitFor();
});

test("another generation is served, and the one before again", async () => {
  await open("Batch runs");
  await page.getByRole("button", { name: "Start a run" }).click();
  await page.locator("[data-state=succeeded]").nth(2).waitFor();
  const rows = page.locator("section", { hasText: "airport-hours" }).locator("tbody tr");
  await rows.nth(1).getByRole("button", { name: "Serve this" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Serve it" }).click();
  await rows.nth(1).getByText("serves", { exact: true }).waitFor();
  await rows.first().getByRole("button", { name: "Serve this" }).click();
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
  await rows.nth(1).getByText("serves", { exact: true }).waitFor();
});

test("another version is flipped to by keys, once it was seen what differs, and rolled back from", async () => {
  await open("Batch runs");
  const versions = region("Versions of forgetful");
  await versions.getByText("not flipped to by policy: ").waitFor();
  const flip = versions.getByRole("button", { name: "Flip to version 2" });
  await flip.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Let forgetful mean version 2?" });
  await dialog.getByText("rows changed").waitFor();
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await page.evaluate(faintTexts)).toEqual([]);
  }
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await versions.getByText(/^flipped .*, by hand$/).waitFor();
  const active = versions.locator("tbody tr", { hasText: "active" });
  expect(await active.innerText()).toContain("forgetful@2");
  await versions.getByRole("button", { name: "Roll back to version 1" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Let it mean version 1" }).click();
  await active.getByText("forgetful@1").waitFor();
});

test("a dead letter is read and replayed", async () => {
  await open("Dead letters");
  await page.locator("tbody tr").getByRole("link").click();
  const letter = region("Dead letter");
  expect(await letter.locator("pre").innerText()).toContain('"type": "aviation.flight.landed"');
  await letter.getByRole("button", { name: "Replay it" }).click();
  await letter.getByText("Accepted at").waitFor();
  await letter.getByText("replayed", { exact: true }).waitFor();
});

test("a statement is run, and says what it rests on", async () => {
  await open("SQL");
  const sql =
    'SELECT origin, sum(flights) AS flights FROM "airport-hours" GROUP BY origin ORDER BY flights DESC LIMIT 3';
  await page.getByLabel("Statement").fill(sql);
  await page.keyboard.press("Control+Enter");
  const row = region("Result").locator("tbody tr").first();
  await row.waitFor();
  const cells = await row.locator("td").allInnerTexts();
  const asked = new URLSearchParams({
    groupBy: "origin",
    measures: "flights",
    orderBy: "-flights",
    limit: "1",
  });
  const { rows } = await stage.get<{ rows: readonly { origin: string; flights: number }[] }>(
    `/v1/views/airport-hours/rows?${asked}`,
  );
  expect(cells).toEqual([rows[0]?.origin, rows[0]?.flights.toLocaleString("en")]);
  expect(await page.locator(".rests-on").innerText()).toMatch(/^airport-hours: Batch generation/);
  await page.getByLabel("Statement").fill("DELETE FROM forgetful");
  await page.keyboard.press("Control+Enter");
  await page.getByRole("alert").getByText("TIDEMARK_SQL_STATEMENT").waitFor();
  const [refusal] = stage.complaints.splice(0);
  expect(refusal).toMatch(/status of 400/);
});

test("keys lead everywhere", async () => {
  await page.getByLabel("Statement").press("Escape");
  await page.keyboard.press("1");
  await expect.poll(() => page.url()).toContain("#/pipeline");
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  await page.getByRole("combobox", { name: "View" }).waitFor();
  await page.keyboard.press("/");
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("SELECT");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("t");
  await page.keyboard.press("t");
  expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe("dark");
  await page.keyboard.press("t");
});

test.each([
  [1600, "light"],
  [1600, "dark"],
  [390, "light"],
  [390, "dark"],
] as const)(
  "at %i pixels, %s: nothing is wider than the page, faint or without a name",
  async (width, colorScheme) => {
    const other = await stage.page({ viewport: { width, height: 844 }, colorScheme });
    for (const name of ["Pipeline", "Explore", "Batch runs", "Comparison", "Dead letters", "SQL"]) {
      await other.getByRole("navigation").getByRole("link", { name }).click();
      await other.locator("h1", { hasText: name }).waitFor();
      await other.locator(".diagram, .grid, textarea").first().waitFor();
      const room = await other.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect({ name, room }).toEqual({ name, room: 0 });
      expect(await other.evaluate(faintTexts)).toEqual([]);
      expect(await other.evaluate(namelessControls)).toEqual([]);
    }
    await other.context().close();
  },
);
