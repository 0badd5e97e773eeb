import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import fc from "fast-check";
import Schema from "typebox/schema";
import { afterAll, beforeAll, expect, test } from "vitest";
import { errorCodes } from "../../views/errors.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { PlatformHere } from "./platform-here.ts";

// biome-ignore lint/suspicious/noExplicitAny: a document is looked at member by member
type Document = any;

let data: string;
let platform: PlatformHere;
let document: Document;
let event: string;
/** What exists, by the name of the path's parameter. */
let known: Readonly<Record<string, string>>;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-contract-"));
  platform = await PlatformHere.start(data);
  const lines = await flightLines(300);
  event = lines[0] ?? "";
  await platform.ingest(`${lines.join("\n")}\nno event\n`);
  const run = await platform.startRun();
  await platform.runIsDone(run);
  document = await (await fetch(`${platform.url}/openapi.json`)).json();
  known = { view: "airport-hours", id: run };
});
afterAll(async () => {
  await platform.stop();
  await rm(data, { recursive: true, force: true });
});

test("the document of a whole platform is valid OpenAPI 3.1 and has every layer's paths", async () => {
  expect(await new Validator().validate(structuredClone(document))).toMatchObject({ valid: true });
  const paths = ["/v1/events", "/v1/views/airport-hours/rows", "/v1/sql", "/v1/batch/runs", "/metrics"];
  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(paths));
});

test("every example is what its schema says", () => {
  const examples = Object.entries<Document>(document.paths).flatMap(([path, methods]) =>
    Object.values<Document>(methods).flatMap(({ requestBody, responses }) =>
      [requestBody, ...Object.values<Document>(responses)].flatMap((each) =>
        Object.values<Document>(each?.content ?? {}).flatMap(({ schema, example }) =>
          example === undefined ? [] : [{ path, schema, example }],
        ),
      ),
    ),
  );
  for (const { path, schema, example } of examples) {
    expect(Schema.Check(schema, example), `${path}: ${JSON.stringify(example)}`).toBe(true);
  }
  expect(examples.map(({ path }) => path)).toEqual(
    expect.arrayContaining(["/v1/events", "/v1/views/airport-hours/rows", "/v1/sql", "/v1/batch/runs"]),
  );
});

const texts = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("", "0", "-1", "true", "g-1"),
);

/** A value that the schema of a parameter allows, or any. */
function textOf({ schema, example }: Document): fc.Arbitrary<string> {
  const allowed = [...(schema.enum ?? []), ...(example === undefined ? [] : [example])].map(String);
  if (schema.type === "integer") allowed.push("1", "10");
  return allowed.length === 0
    ? texts
    : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...allowed) }, texts);
}

const bodies = [
  ...["", "{}", '{"ifBusy":"wait"}', '{"view":"airport-hours"}', '{"view":7}', "[", "null", '"x"'],
  '{"asOf":"aviation.flight.landed@0:1,1:1,2:1,3:1","views":["airport-hours"]}',
  '{"sql":"SELECT count(*) FROM airport_hours","asOf":"aviation.flight.landed@0:1,1:1,2:1,3:1"}',
];

/** An example of the document, an event, some other JSON, or none; under one of the types that are taken, or another. */
function bodyOf({ requestBody }: Document): fc.Arbitrary<Document> {
  if (requestBody === undefined) return fc.constant({});
  const content = Object.entries<Document>(requestBody.content);
  const examples = content.flatMap(([, { example }]) =>
    example === undefined ? [] : [JSON.stringify(example)],
  );
  return fc.record({
    payload: fc.oneof(fc.constantFrom(...examples, event), fc.constantFrom(...bodies), fc.json()),
    type: fc.constantFrom(...content.map(([type]) => type), "text/plain"),
  });
}

/** One request to a path of the document: some of its parameters, and now and then one that it does not have. */
function requestOf(path: string, method: string, operation: Document): fc.Arbitrary<Document> {
  const parameters: Document[] = operation.parameters ?? [];
  const query = parameters.filter((one) => one.in === "query" && one.name !== "live");
  const inPath = parameters.filter((one) => one.in === "path");
  return fc.record({
    method: fc.constant(method.toUpperCase()),
    path: fc
      .tuple(...inPath.map(({ name }) => fc.oneof(fc.constant(known[name] ?? "g-1"), texts)))
      .map((values) =>
        inPath.reduce(
          (text, { name }, i) => text.replace(`{${name}}`, () => encodeURIComponent(values[i] ?? "")),
          path,
        ),
      ),
    // Often none: of routes that take none any other request is refused.
    query: fc.oneof(
      fc.constant([]),
      fc.array(
        fc.oneof(
          ...[...query, { name: "nothing", schema: {} }].map((one) =>
            textOf(one).map((value) => [one.name, value]),
          ),
        ),
        { maxLength: 4 },
      ),
    ),
    body: bodyOf(operation),
  });
}

test("whatever is asked, answers are as the document says, and refusals problem documents with a known code", async () => {
  const requests = Object.entries<Document>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Document>(methods).flatMap(([method, operation]) =>
      // It goes on until the run has ended.
      path.endsWith("/events") && method === "get"
        ? []
        : [requestOf(path, method, operation).map((request) => ({ path, request, operation }))],
    ),
  );
  const seen = new Map<string, Set<number>>();
  await fc.assert(
    fc.asyncProperty(fc.oneof(...requests), async ({ path, request, operation }) => {
      const { method, query, body } = request;
      const response = await fetch(`${platform.url}${request.path}?${new URLSearchParams(query)}`, {
        method,
        ...(body.payload !== undefined && {
          body: body.payload,
          headers: { "content-type": body.type },
        }),
      });
      const { status, headers } = response;
      const payload = await response.text();
      seen.set(`${method} ${path}`, (seen.get(`${method} ${path}`) ?? new Set()).add(status));
      const type = headers.get("content-type") ?? "";
      if (status >= 400) {
        expect(status, payload).toBeLessThan(500);
        expect(type).toMatch(/^application\/problem\+json/);
        const problem = JSON.parse(payload);
        expect(problem.status).toBe(status);
        expect(Object.keys(errorCodes)).toContain(problem.code);
      } else if (type.startsWith("application/json")) {
        const { schema } = operation.responses[status]?.content?.["application/json"] ?? {};
        if (schema !== undefined) expect(Schema.Check(schema, JSON.parse(payload)), payload).toBe(true);
      }
    }),
    { numRuns: 1_500 },
  );
  expect(seen.size).toBe(requests.length);
  const answered = [...seen].filter(([, statuses]) => [...statuses].some((status) => status < 300));
  expect(answered.map(([what]) => what)).toEqual(
    expect.arrayContaining([
      "POST /v1/events",
      "POST /v1/sql",
      "GET /metrics",
      "GET /v1/views/airport-hours/rows",
    ]),
  );
});
