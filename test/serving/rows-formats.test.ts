import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../serving-layer/clock.ts";
import type { Cut } from "../../views/cut.ts";
import { onlyMapping } from "../../views/mapping.ts";
import { byMachine, hour, type Measured, stateOf } from "./measured.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const topic = onlyMapping(byMachine).event.name;
const one: Measured = { site: "a", unit: 1, label: null, isOn: true, hour: 0, value: 3 };
const labels = [null, "", "plain", 'say "x", y', "=1+1", "-2", "two\r\nlines", "@me", "ü"];
const measured: readonly Measured[] = labels.map((label, i) => ({ ...one, label, hour: i * hour }));

/** How many pieces were made, and the end of the patience with who has taken the last. */
const patience = { pieces: 0, isOver: () => {} };
const clock: Clock = {
  ...systemClock,
  after(ms, callback) {
    if (ms !== 60_000) return systemClock.after(ms, callback);
    patience.pieces++;
    patience.isOver = callback;
    return { [Symbol.dispose]: () => undefined };
  },
};

let serving: Serving;
beforeEach(async () => {
  patience.pieces = 0;
  serving = startServing([byMachine], clock);
  serving.tail.put(byMachine, [{ partition: 0, from: 4, next: 9, rows: measured.slice(4).map(stateOf) }]);
  const cut = { [topic]: [4, 0] } as unknown as Cut;
  serving.generations.add(byMachine, "g-1", cut, measured.slice(0, 4).map(stateOf));
  await serving.generations.point(byMachine.name, "g-1");
  await settled();
});
afterEach(() => serving[Symbol.asyncDispose]());

const rows = "/v1/views/by-machine/rows";
const ask = (query: string, headers: Record<string, string> = {}) =>
  serving.server.inject({ method: "GET", url: `${rows}?${query}`, headers });

describe("the format", () => {
  test.each([
    ["", "application/json"],
    ["*/*", "application/json"],
    ["application/json", "application/json"],
    ["text/html,application/xhtml+xml,*/*;q=0.8", "application/json"],
    ["application/x-ndjson", "application/x-ndjson"],
    ["application/ndjson", "application/x-ndjson"],
    ["text/csv", "text/csv"],
    ["text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"],
    ["text/*", "text/csv"],
  ])("of who accepts %j is %s", async (accept, type) => {
    const { statusCode, headers } = await ask("limit=2", accept === "" ? {} : { accept });
    expect([statusCode, String(headers["content-type"]).split(";")[0]]).toEqual([200, type]);
    expect(headers.vary).toContain("accept");
  });

  test("that is named by the query counts for more, and one that there is not is refused", async () => {
    const named = await ask("format=csv", { accept: "application/json, text/html" });
    expect(named.headers["content-type"]).toContain("text/csv");
    expect((await ask("format=xml")).json()).toMatchObject({
      code: "TIDEMARK_QUERY_PARAMETER",
      detail: 'format="xml": give one of json, ndjson, csv, csv-plain',
    });
    const accepted = await ask("", { accept: "image/png" });
    expect(accepted.json()).toMatchObject({ status: 406, code: "TIDEMARK_QUERY_NOT_ACCEPTABLE" });
    expect(accepted.json().detail).toContain("application/json, application/x-ndjson");
  });
});

describe("NDJSON", () => {
  test("has the rows that JSON has, a line each, and what they rest on as its last line", async () => {
    const json = (await ask("limit=3&totals=true")).json();
    const { payload } = await ask("limit=3&totals=true&format=ndjson");
    const lines = payload
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.slice(0, -1)).toEqual(json.rows);
    const { rows: _, ...ending } = json;
    const { cursor, ...others } = lines.at(-1);
    expect(others).toEqual({ totals: ending.totals, provenance: ending.provenance });
    const next = await ask(`limit=3&totals=true&format=ndjson&cursor=${cursor}`);
    const whole = (await ask("limit=6")).json().rows;
    expect(
      next.payload
        .split("\n")
        .slice(0, 3)
        .map((line) => JSON.parse(line)),
    ).toEqual(whole.slice(3));
  });

  test("is made as the client takes it; who takes nothing for a minute is dropped, and holds up nobody meanwhile", async () => {
    const long = Array.from({ length: 40 }, (_, i) =>
      stateOf({ ...one, site: `${i}${"s".repeat(500_000)}` }),
    );
    serving.tail.put(byMachine, [{ partition: 1, from: 0, next: 40, rows: long }]);
    const address = await serving.server.listen({ port: 0, host: "127.0.0.1" });
    const socket = connect(Number(new URL(address).port), "127.0.0.1");
    socket.write(`GET ${rows}?format=ndjson HTTP/1.1\r\nhost: x\r\n\r\n`);
    await once(socket, "readable");
    expect((await ask("limit=1")).statusCode).toBe(200);
    // Each row is a piece; what the system holds between the two is some of them.
    expect(patience.pieces).toBeGreaterThan(0);
    expect(patience.pieces).toBeLessThan(40);
    patience.isOver();
    socket.resume();
    await once(socket, "close");
    const all = await fetch(`${address}${rows}?format=ndjson`);
    expect((await all.text()).trimEnd().split("\n")).toHaveLength(50);
    expect(patience.pieces).toBeGreaterThan(40);
  });
});

describe("CSV", () => {
  test("is RFC 4180, with texts that spreadsheets compute kept from it", async () => {
    const { payload, headers } = await ask("groupBy=label&measures=records,average&format=csv");
    expect(payload.split("\r\n")).toEqual([
      "label,records,average",
      ",1,3",
      '"",1,3',
      "'-2,1,3",
      "'=1+1,1,3",
      "'@me,1,3",
      "plain,1,3",
      '"say ""x"", y",1,3',
      '"two',
      'lines",1,3',
      "ü,1,3",
      "",
    ]);
    expect(JSON.parse(String(headers["tidemark-provenance"]))).toMatchObject({ generation: "g-1", lag: 0 });
    expect(headers["tidemark-cursor"]).toBeUndefined();
  });

  test("as csv-plain has every text as it is", async () => {
    const { payload } = await ask("groupBy=label&measures=records&format=csv-plain&label=%22-2%22");
    expect(payload).toBe("label,records\r\n-2,1\r\n");
  });

  test("goes on with the cursor in its header", async () => {
    const first = await ask("format=csv&limit=4");
    const cursor = first.headers["tidemark-cursor"];
    const second = await ask(`format=csv&limit=100&cursor=${cursor}`);
    const [header, ...rest] = second.payload.split("\r\n");
    expect(first.payload + rest.join("\r\n")).toBe((await ask("format=csv")).payload);
    expect(first.payload.startsWith(`${header}\r\n`)).toBe(true);
  });

  test("has no place for totals and explanations", async () => {
    for (const name of ["totals", "explain"]) {
      expect((await ask(`format=csv&${name}=true`)).json().detail).toContain(
        `${name}=true has no place in CSV`,
      );
    }
  });
});

describe("the tag of an answer", () => {
  const point = "site=a&unit=1&label=null&isOn=true";
  const tagOf = async (query: string) => String((await ask(query)).headers.etag);

  test.each([point, "groupBy=site", "groupBy=site&format=csv", "groupBy=hour&fill=zero", "totals=true"])(
    "is sent back for nothing as long as nothing changed: %s",
    async (query) => {
      const { headers } = await ask(query);
      expect(headers["cache-control"]).toBe("private, no-cache");
      const etag = String(headers.etag);
      expect(etag).toMatch(/^W\/"[\w-]+"$/);
      for (const known of [etag, etag.slice(2), `"other", ${etag}`, "*"]) {
        const again = await ask(query, { "if-none-match": known });
        expect([again.statusCode, again.payload, again.headers.etag]).toEqual([304, "", etag]);
      }
      expect((await ask(query, { "if-none-match": 'W/"other"' })).statusCode).toBe(200);

      serving.tail.put(byMachine, [{ partition: 1, from: 0, next: 1, rows: [stateOf(one)] }]);
      const changed = await ask(query, { "if-none-match": etag });
      expect(changed.statusCode).toBe(200);
      expect(changed.headers.etag).not.toBe(etag);
    },
  );

  test("is another one for another question, format, layer or generation", async () => {
    const tags = [await tagOf(point), await tagOf("groupBy=site"), await tagOf("groupBy=site&format=csv")];
    tags.push(await tagOf("groupBy=site&layer=batch"));
    serving.generations.add(
      byMachine,
      "g-2",
      { [topic]: [4, 0] } as unknown as Cut,
      measured.slice(0, 4).map(stateOf),
    );
    await serving.generations.point(byMachine.name, "g-2");
    await settled();
    tags.push(await tagOf("groupBy=site"));
    expect(new Set(tags).size).toBe(tags.length);
  });

  test("changes when the log has more than the answer covers: an answer says so", async () => {
    const etag = await tagOf(point);
    serving.log.advanceTo(topic, [12, 0]);
    expect((await ask(point, { "if-none-match": etag })).json().provenance).toMatchObject({
      complete: false,
    });
  });

  test("is not there for an explanation, which is never the same", async () => {
    const { headers } = await ask("explain=true");
    expect([headers.etag, headers["cache-control"]]).toEqual([undefined, "no-store"]);
  });
});
