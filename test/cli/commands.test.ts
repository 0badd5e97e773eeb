import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StatusAnswer } from "../../cli/answers.ts";
import { narrowed, sparkline } from "../../cli/sparkline.ts";
import { type Rates, watchStatus } from "../../cli/watch-status.ts";
import { TidemarkError } from "../../views/errors.ts";
import { type Answer, listen, type StandIn, standIn, tidemark } from "./stand-in.ts";

let folder: string;
const servers: StandIn[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-cli-"));
});

afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function serve(answers: Readonly<Record<string, Answer>>): Promise<StandIn> {
  const server = await standIn(answers);
  servers.push(server);
  return server;
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const provenance = {
  view: "airport-hours",
  fingerprint: "0123456789abcdef",
  layer: "merged",
  generation: "g-20010701000000-a1b2c3",
  cut: "aviation.flight.landed@0:600,1:400",
  position: "aviation.flight.landed@0:650,1:475",
  lag: 0,
  complete: true,
  approximate: {},
};

describe("every command", () => {
  const commands = [
    ...["ingest", "query", "batch run", "batch list", "batch rollback", "compare", "status"],
    ...["flip", "rollback", "diff"],
  ];

  test.each(commands)("%s says how it is used, with examples", async (command) => {
    const { code, out } = await tidemark(undefined, ...command.split(" "), "--help");
    expect(code).toBe(0);
    expect(out).toContain(`Usage: tidemark ${command} `);
    expect(out).toContain("--json");
    expect(out).toContain("--url <url>");
    expect(out).toContain(`$ tidemark ${command}`);
  });

  test.each([
    ["an unknown command", ["frobnicate"]],
    ["an unknown option", ["query", "airport-hours", "--colour", "red"]],
    ["a missing argument", ["query"]],
    ["a limit that is no number", ["query", "airport-hours", "--limit", "many"]],
    ["a layer that there is not", ["query", "airport-hours", "--layer", "upper"]],
    ["a condition without a value", ["query", "airport-hours", "--where", "ORD"]],
  ])("ends with 2 on a command line with %s", async (_, args) => {
    const { code, err } = await tidemark(undefined, ...args);
    expect(code).toBe(2);
    expect(err).toContain("error:");
  });

  test("ends with 1 and the code where nobody answers", async () => {
    const gone = await standIn({});
    await gone[Symbol.asyncDispose]();
    const { code, out, err } = await tidemark(gone, "status");
    expect(code).toBe(1);
    expect(out).toBe("");
    expect(err).toMatch(/^TIDEMARK_CLIENT_UNREACHABLE: http:\/\/127\.0\.0\.1:\d+: nobody answers there/);
  });

  test("ends with 1 and the server's code and words", async () => {
    const server = await serve({
      "GET /v1/views/airports/rows": {
        status: 404,
        type: "application/problem+json",
        body: { code: "TIDEMARK_QUERY_VIEW_UNKNOWN", detail: 'there is no view "airports"', status: 404 },
      },
    });
    const { code, err } = await tidemark(server, "query", "airports");
    expect(code).toBe(1);
    expect(err).toBe('TIDEMARK_QUERY_VIEW_UNKNOWN: there is no view "airports"\n');
  });

  test("says so where the server is no Tidemark", async () => {
    const server = await serve({ "GET /v1/status": { type: "text/html", body: "<h1>It works!</h1>" } });
    const { code, err } = await tidemark(server, "status");
    expect(code).toBe(1);
    expect(err).toContain("TIDEMARK_CLIENT_ANSWER: status 200 with what is no JSON");
  });

  test("says so where the address is none", async () => {
    const { code, err } = await tidemark({ url: "localhost:4100" }, "status");
    expect(code).toBe(1);
    expect(err).toContain('TIDEMARK_CLIENT_URL: "localhost:4100" is no address');
  });
});

describe("query", () => {
  const rows = [
    {
      origin: "ATL",
      hour: "2001-06-30T08:00:00.000Z",
      flights: 12,
      distance: "9007199254740993",
      delay: 1.5,
    },
    { origin: "ORD", hour: "2001-06-30T09:00:00.000Z", flights: 1234, distance: 5, delay: null },
  ];

  test("shows what all rows come to, and how they were come by, where that is asked for", async () => {
    const explain = {
      ...{ path: "columns", instead: ["index"], groups: 329, rows: 2, ms: 12.345 },
      generation: { id: "g-1", ranges: 1, rows: 424_259, read: 424_259 },
      tail: { how: "walked", segments: 4, entries: 5_000, matched: 1 },
    };
    const body = { rows, totals: { flights: 1_246 }, provenance, explain, cursor: null };
    const server = await serve({ "GET /v1/views/airport-hours/rows": { body } });
    const { out } = await tidemark(server, "query", "airport-hours", "--totals", "--explain");
    expect(Object.fromEntries(server.asked[0]?.parameters ?? [])).toEqual({
      totals: "true",
      explain: "true",
    });
    expect(out.split("\n").slice(4)).toEqual([
      "",
      "all rows together",
      "flights",
      "───────",
      "  1,246",
      "",
      "2 rows · merged: g-20010701000000-a1b2c3 with 1,000 records, 125 since · complete",
      "path: columns; index would have given the same",
      "generation: g-1, 424,259 of 424,259 rows read",
      "tail: walked, 1 of 5,000 entries in the answer",
      "329 groups in 12.3 ms",
      "",
    ]);
  });

  test("prints CSV as the server gives it", async () => {
    const body = "origin,flights\nATL,12\n";
    const server = await serve({ "GET /v1/views/airport-hours/rows": { type: "text/csv", body } });
    expect((await tidemark(server, "query", "airport-hours", "--csv")).out).toBe(body);
  });

  test("shows the rows as a table and what they rest on", async () => {
    const server = await serve({
      "GET /v1/views/airport-hours/rows": { body: { rows, provenance, cursor: null } },
    });
    const { code, out, err } = await tidemark(server, "query", "airport-hours");
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out).toBe(
      [
        "origin  hour              flights               distance  delay",
        "──────  ────────────────  ───────  ─────────────────────  ─────",
        "ATL     2001-06-30 08:00       12  9,007,199,254,740,993   1.50",
        "ORD     2001-06-30 09:00    1,234                      5      –",
        "",
        "2 rows · merged: g-20010701000000-a1b2c3 with 1,000 records, 125 since · complete",
        "",
      ].join("\n"),
    );
  });

  test("hands every option on as its parameter", async () => {
    const server = await serve({
      "GET /v1/views/airport-hours/rows": { body: { rows: [], provenance, cursor: "abc" } },
    });
    const options = [
      "--from",
      "2001-06-30",
      "--to",
      "2001-07-01",
      "--granularity",
      "1d",
      "--tz",
      "UTC",
      "--layer",
      "batch",
    ];
    const more = ["--where", "origin=ORD", "--where", "origin=a=b", "--where", "late=", "--group-by", ""];
    const rest = [
      "--measures",
      "flights",
      "--order-by",
      "-flights",
      "--limit",
      "5",
      "--cursor",
      "x",
      "--after",
      "t@0:1",
    ];
    const { out, err } = await tidemark(server, "query", "airport-hours", ...options, ...more, ...rest);
    expect([...(server.asked[0]?.parameters ?? [])].sort()).toEqual(
      [
        ["from", "2001-06-30"],
        ["to", "2001-07-01"],
        ["granularity", "1d"],
        ["tz", "UTC"],
        ["layer", "batch"],
        ["origin", "ORD"],
        ["origin", "a=b"],
        ["late", ""],
        ["groupBy", ""],
        ["measures", "flights"],
        ["orderBy", "-flights"],
        ["limit", "5"],
        ["cursor", "x"],
        ["after", "t@0:1"],
      ].sort(),
    );
    expect(out).toContain("no rows\n");
    expect(err).toContain("--cursor abc");
  });

  test("--json prints the answer as it came", async () => {
    const answer = { rows, provenance, cursor: null };
    const server = await serve({ "GET /v1/views/airport-hours/rows": { body: answer } });
    const { out } = await tidemark(server, "query", "airport-hours", "--json");
    expect(JSON.parse(out)).toEqual(answer);
  });
});

describe("ingest", () => {
  const lines = Array.from({ length: 5000 }, (_, i) => `{"id":"${i}","data":{"n":${i}}}\n`).join("");
  const accepted = { accepted: 5000, rejected: [], rejectedCount: 0, position: "t@0:5000" };
  const events = { "POST /v1/events": { status: 202, body: accepted } };

  test("sends NDJSON as it is", async () => {
    const server = await serve(events);
    const { code, out } = await tidemark(server, "ingest", await file("a.ndjson", lines), "--source", "/s");
    expect(code).toBe(0);
    expect(out).toContain("5,000 events accepted");
    expect(out).toContain("position t@0:5000");
    const [asked] = server.asked;
    expect(asked?.contentType).toBe("application/x-ndjson");
    expect(asked?.parameters.get("source")).toBe("/s");
    expect(asked?.body === lines).toBe(true);
  });

  test("unpacks gzip", async () => {
    const server = await serve(events);
    const path = await file("a.ndjson.gz", gzipSync(lines));
    expect((await tidemark(server, "ingest", path)).code).toBe(0);
    expect(server.asked[0]?.body === lines).toBe(true);
  });

  test("sends a .json file as JSON", async () => {
    const server = await serve(events);
    await tidemark(server, "ingest", await file("a.json", '[{"id": "1"}]'));
    expect(server.asked[0]?.contentType).toBe("application/json");
  });

  test.each([
    [202, { accepted: 1, rejectedCount: 6 }, "6 of 7 events were rejected"],
    [400, { code: "TIDEMARK_INGEST_ALL_REJECTED", detail: "all rejected" }, "6 of 6 events were rejected"],
  ])(
    "names the first reasons of rejected events and ends with 1 (status %i)",
    async (status, body, words) => {
      const rejected = [0, 1, 2, 3, 4, 5].map((index) => ({
        index,
        code: "TIDEMARK_EVENT_TIME",
        message: '"time" is missing',
      }));
      const server = await serve({
        "POST /v1/events": { status, body: { position: "t@0:1", ...body, rejected } },
      });
      const { code, out, err } = await tidemark(server, "ingest", await file("b.ndjson", lines));
      expect(code).toBe(1);
      expect(out).toContain('  event 0: TIDEMARK_EVENT_TIME: "time" is missing\n');
      expect(out).toContain("… and 1 more");
      expect(err).toContain(`TIDEMARK_CLIENT_REJECTED: ${words}`);
    },
  );

  test.each([
    ["a file that is not there", () => join(folder, "none.ndjson"), "ENOENT"],
    ["a folder", () => folder, "EISDIR"],
    ["what is no gzip", () => file("c.ndjson.gz", lines), "incorrect header check"],
  ])("says so of %s", async (_, path, words) => {
    const { code, err } = await tidemark(await serve(events), "ingest", await path());
    expect(code).toBe(1);
    expect(err).toMatch(new RegExp(`^TIDEMARK_CLIENT_FILE: can't read ".*": .*${words}`));
  });

  test("gives the server's words where it answers before it has read everything", async () => {
    const server = await listen((_, response) => {
      response.writeHead(413, { "content-type": "application/problem+json" });
      response.end(JSON.stringify({ code: "TIDEMARK_INGEST_BODY_TOO_LARGE", detail: "too much" }));
    });
    servers.push(server);
    const { code, err } = await tidemark(server, "ingest", await file("d.json", "x".repeat(50_000_000)));
    expect(code).toBe(1);
    expect(err).toBe("TIDEMARK_INGEST_BODY_TOO_LARGE: too much\n");
  });
});

describe("batch", () => {
  const queued = {
    id: "r-1",
    state: "queued",
    requestedBy: "http",
    requestedAt: "2001-07-01T00:00:00.000Z",
    startedAt: null,
    finishedAt: null,
    progress: null,
    error: null,
    result: null,
  };
  const running = {
    ...queued,
    state: "running",
    startedAt: "2001-07-01T00:00:01.000Z",
    progress: { step: "compute", view: "airport-hours", fraction: 0.5 },
  };
  const compared = {
    kind: "compared",
    against: "g-0",
    keys: 1200,
    differing: 0,
    largestDrift: 0,
    examples: [],
  };
  const succeeded = {
    ...running,
    state: "succeeded",
    finishedAt: "2001-07-01T00:00:03.500Z",
    result: {
      records: 3000,
      generations: [
        { view: "airport-hours", id: "g-1", rows: 1200, differing: 0, base: "g-0", inFull: null },
        {
          view: "totals-by-hour",
          id: "g-2",
          rows: 24,
          differing: null,
          base: null,
          inFull: "it was asked for",
        },
      ],
      reconciliations: [
        { view: "airport-hours", generation: "g-1", reconciliation: compared },
        {
          view: "totals-by-hour",
          generation: "g-2",
          reconciliation: { kind: "not-compared", reason: "first generation" },
        },
      ],
    },
  };
  const failed = {
    ...running,
    state: "failed",
    error: { code: "TIDEMARK_STORE_GAP", message: "a file is missing" },
  };
  const stream = (...runs: unknown[]) => ({
    type: "text/event-stream",
    body: `: hello\n\n${runs.map((run) => `event: progress\ndata: ${JSON.stringify(run)}\n\n`).join("")}`,
  });
  const submit = { "POST /v1/batch/runs": { status: 202, body: queued } };

  test("run waits, then shows each generation and its drift", async () => {
    const server = await serve({
      ...submit,
      "GET /v1/batch/runs/r-1/events": stream(queued, running, succeeded),
    });
    const { code, out } = await tidemark(server, "batch", "run");
    expect(code).toBe(0);
    expect(out).toBe(
      [
        "run r-1 succeeded in 2.50 s over 3,000 records",
        "",
        "view            generation   rows  computed                   reconciliation",
        "──────────────  ──────────  ─────  ─────────────────────────  ──────────────────────────────",
        "airport-hours   g-1         1,200  from g-0                   zero drift over 1,200 keys",
        "totals-by-hour  g-2            24  in full: it was asked for  not compared: first generation",
        "",
      ].join("\n"),
    );
  });

  test("run asks once more where the stream breaks off", async () => {
    const server = await serve({
      ...submit,
      "GET /v1/batch/runs/r-1/events": stream(running),
      "GET /v1/batch/runs/r-1": { body: failed },
    });
    const { code, err } = await tidemark(server, "batch", "run");
    expect(code).toBe(1);
    expect(err).toBe("TIDEMARK_STORE_GAP: run r-1 failed: a file is missing\n");
  });

  test("run --no-wait only asks for it", async () => {
    const server = await serve(submit);
    const { code, out } = await tidemark(server, "batch", "run", "--no-wait");
    expect([code, out]).toEqual([0, "run r-1 queued\n"]);
    expect(server.asked).toHaveLength(1);
  });

  test("run --full asks for every view over all records", async () => {
    const server = await serve(submit);
    await tidemark(server, "batch", "run", "--full", "--no-wait");
    expect(JSON.parse(server.asked[0]?.body ?? "")).toEqual({ full: true });
  });

  test("list shows the runs", async () => {
    const server = await serve({ "GET /v1/batch/runs": { body: { runs: [succeeded, failed] } } });
    const { out } = await tidemark(server, "batch", "list", "--limit", "2");
    expect(server.asked[0]?.parameters.get("limit")).toBe("2");
    expect(out).toContain("2.50 s");
    expect(out).toContain("incremental, 1 of 2 in full");
    expect(out).toContain("TIDEMARK_STORE_GAP");
  });

  test("rollback moves the pointer", async () => {
    const server = await serve({
      "POST /v1/views/airport-hours/generations/g-0/activate": { body: {} },
    });
    const { code, out } = await tidemark(server, "batch", "rollback", "airport-hours", "g-0");
    expect([code, out]).toEqual([0, "airport-hours is served from g-0\n"]);
  });
});

test("compare shows batch, speed, difference and merged per row and measure", async () => {
  const rows = [
    {
      origin: "ORD",
      batch: { flights: 10, delay: 1.5 },
      speed: { flights: 9, delay: 1.5 },
      merged: { flights: 12, delay: 2 },
      difference: { flights: 1, delay: 0 },
    },
    {
      origin: "ATL",
      batch: { flights: 3, delay: 0 },
      speed: null,
      merged: { flights: 3, delay: 0 },
      difference: null,
    },
  ];
  const compared = { rows, provenance: { ...provenance, reconciliation: { kind: "compared" } } };
  const server = await serve({ "GET /v1/views/airport-hours/compare": { body: compared } });
  const { out } = await tidemark(server, "compare", "airport-hours", "--differing", "--where", "origin=ORD");
  expect(server.asked[0]?.parameters.get("differing")).toBe("true");
  expect(out.split("\n").slice(0, 8)).toEqual([
    "origin  measure  batch  speed  difference  merged now",
    "──────  ───────  ─────  ─────  ──────────  ──────────",
    "ORD     flights     10      9           1          12",
    "        delay      1.5    1.5           0           2",
    "ATL     flights      3      –           –           3",
    "        delay        0      –           –           0",
    "",
    expect.stringContaining("1 row with drift"),
  ]);
});

test("compare says that nothing differs, or why nothing was compared", async () => {
  const comparison = async (reconciliation: object) => {
    const body = { rows: [], provenance: { ...provenance, reconciliation } };
    const server = await serve({ "GET /v1/views/airport-hours/compare": { body } });
    return (await tidemark(server, "compare", "airport-hours", "--differing")).out;
  };
  expect(await comparison({ kind: "compared" })).toContain("0 rows with drift");
  const reason = "the speed layer was down";
  expect(await comparison({ kind: "not-compared", reason })).toContain(`not compared: ${reason}`);
});

test("status shows log, views, runs and dead letters", async () => {
  const server = await serve({
    "GET /v1/status": {
      body: {
        app: "flights",
        profile: "embedded",
        uptimeMs: 65_000,
        log: { "aviation.flight.landed": { nexts: [600, 400] } },
        archived: "aviation.flight.landed@0:500,1:400",
        views: {
          "airport-hours": {
            fingerprint: "f",
            generation: { id: "g-1", createdAt: "2001-07-01T00:00:00Z", rows: 120, records: 900 },
            tail: { segments: 4, entries: 77 },
            position: "aviation.flight.landed@0:600,1:400",
            lag: 0,
            unready: null,
          },
          "routes-by-day": {
            fingerprint: "f",
            generation: null,
            tail: null,
            position: "aviation.flight.landed@0:600,1:397",
            lag: 3,
            unready: "the tail is catching up",
          },
        },
        runs: { running: null, queued: 1, last: null, obstacle: null },
        deadLetters: 2,
      },
    },
  });
  const { code, out } = await tidemark(server, "status");
  expect(code).toBe(0);
  expect(out).toContain("flights, embedded, up for 1 min 05 s");
  expect(out).toMatch(/aviation\.flight\.landed +2 +1,000 +900/);
  expect(out).toMatch(/airport-hours +g-1 +120 +900 +77 +0/);
  expect(out).toMatch(/routes-by-day +– +– +– +– +3/);
  expect(out).toContain("not ready: the tail is catching up");
  expect(out).toContain("1 run waiting");
  expect(out).toContain("2 dead letters");
});

test("query --series shows the course of each group and measure over time, gaps where there is no row", async () => {
  const at = (hour: number) => `2001-06-30T0${hour}:00:00.000Z`;
  const row = (origin: string, hour: number, flights: number, delay: number | null) => {
    return { origin, hour: at(hour), flights, delay };
  };
  const rows = [row("ORD", 0, 1, 0), row("ATL", 1, 5, 2.5), row("ORD", 1, 8, null), row("ORD", 3, 4, -1.5)];
  const server = await serve({
    "GET /v1/views/airport-hours/rows": { body: { rows, provenance, cursor: null } },
    "GET /v1/views/airport-hours": { body: { measures: [{ name: "flights" }, { name: "delay" }] } },
  });
  const { code, out, err } = await tidemark(server, "query", "airport-hours", "--series", "--fill", "null");
  expect([code, err]).toEqual([0, ""]);
  expect(server.asked[0]?.parameters.get("fill")).toBe("null");
  expect(out.split("\n").slice(0, 6)).toEqual([
    "origin  measure  course  first  last  least  most",
    "──────  ───────  ──────  ─────  ────  ─────  ────",
    "ORD     flights  ▁█▄         1     4      1     8",
    "        delay    █ ▁         0  -1.5   -1.5     0",
    "ATL     flights   ▁          5     5      5     5",
    "        delay     ▁        2.5   2.5    2.5   2.5",
  ]);
  const timeless = await serve({
    "GET /v1/views/airport-hours/rows": {
      body: { rows: [{ origin: "ORD", flights: 1 }], provenance, cursor: null },
    },
    "GET /v1/views/airport-hours": { body: { measures: [{ name: "flights" }] } },
  });
  expect((await tidemark(timeless, "query", "airport-hours", "--series")).err).toContain(
    "no time to run along",
  );
});

test("a long course is narrowed by means, and one that never changes is a flat line", () => {
  expect(narrowed([1, 3, undefined, undefined, 5, undefined], 3)).toEqual([2, undefined, 5]);
  expect(narrowed([1, 2], 3)).toEqual([1, 2]);
  expect(sparkline([7, 7, undefined, 7])).toBe("▁▁ ▁");
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe("▁▂▃▄▅▆▇█");
});

describe("status --watch", () => {
  const status = (uptimeMs: number, next: number) => ({
    ...{ app: "flights", profile: "embedded", uptimeMs, logObstacle: null, archived: null, deadLetters: 0 },
    log: { "shop.order": { starts: [0], nexts: [next] } },
    views: {
      sales: {
        generation: null,
        tail: null,
        position: `shop.order@0:${next - 10}`,
        lag: 10,
        unready: null,
        gap: null,
      },
    },
    runs: { running: null, queued: 0, last: null, obstacle: null },
  });

  /** Looks at these one after the other, a second apart; undefined: nobody answers. */
  async function watch(looks: readonly (StatusAnswer | undefined)[], isTty = false) {
    const shown: (Rates | undefined)[] = [];
    const [out, err] = [new PassThrough(), new PassThrough()];
    const end = new AbortController();
    let asked = 0;
    const client = {
      status: async () => {
        const look = looks[asked++];
        if (asked === looks.length) end.abort();
        if (look !== undefined) return look;
        throw new TidemarkError("TIDEMARK_CLIENT_UNREACHABLE", "nobody answers there");
      },
    };
    const terminal = {
      ...{ out: Object.assign(out, { isTTY: isTty }), err, isInteractive: false, environment: {} },
      now: () => asked * 1_000,
    };
    await watchStatus({
      ...{ terminal, client, signal: end.signal, everyMs: 1 },
      show: (_status, rates) => void shown.push(rates),
    });
    return { shown, out: String(out.read() ?? ""), err: String(err.read() ?? "") };
  }

  test("tells what came and what was folded a second since the look before", async () => {
    const looks = [status(1_000, 100), status(2_000, 350), status(3_000, 350), status(50, 500)];
    const { shown, out } = await watch(looks as unknown as StatusAnswer[]);
    const rates = (rate: number) => ({ topics: { "shop.order": rate }, views: { sales: rate } });
    // The last one was started anew.
    expect(shown).toEqual([undefined, rates(250), rates(0), undefined]);
    expect(out).toBe("");
  });

  test("takes the place of the look before on a terminal, and waits for a server that was there", async () => {
    const looks = [status(1_000, 100), undefined, status(3_000, 300)] as unknown as (
      | StatusAnswer
      | undefined
    )[];
    const { shown, out, err } = await watch(looks, true);
    expect(shown).toHaveLength(2);
    expect(shown[1]?.topics["shop.order"]).toBe(100);
    expect(out).toBe("\u001b[H\u001b[J".repeat(2));
    expect(err).toContain("TIDEMARK_CLIENT_UNREACHABLE");
    await expect(watch([undefined, undefined])).rejects.toMatchObject({
      code: "TIDEMARK_CLIENT_UNREACHABLE",
    });
  });

  test.each(["0", "x", "-1"])("ends with 2 for %s seconds", async (text) => {
    const { code, err } = await tidemark(undefined, "status", "--watch", text);
    expect([code, err]).toEqual([2, expect.stringContaining("seconds from 0.1")]);
  });
});
