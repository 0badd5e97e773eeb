import { Validator } from "@seriousme/openapi-schema-validator";
import fc from "fast-check";
import Schema from "typebox/schema";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventSchemas, ingestionOperations } from "../../ingestion/operations.ts";
import type { Cut } from "../../views/cut.ts";
import { errorCodes } from "../../views/errors.ts";
import { onlyMapping } from "../../views/mapping.ts";
import { byMachine, stateOf } from "./measured.ts";
import { type Serving, settled, startServing } from "./serving.ts";

// biome-ignore lint/suspicious/noExplicitAny: a document is looked at member by member
type Document = any;

const { event } = onlyMapping(byMachine);
const row = stateOf({ site: "a", unit: 1, label: null, isOn: true, hour: 0, value: 3 });

let serving: Serving;
let document: Document;

beforeEach(async () => {
  serving = startServing([byMachine]);
  serving.tail.put(byMachine, [
    { partition: 0, from: 0, next: 1, rows: [row] },
    { partition: 0, from: 1, next: 2, rows: [row] },
  ]);
  const cut = { [event.name]: [1, 0] } as unknown as Cut;
  serving.generations.add(byMachine, "g-1", cut, [row]);
  await serving.generations.point(byMachine.name, "g-1");
  await serving.jobs.submit({ requestedBy: "test", ifBusy: "wait" });
  await settled();
  document = (await serving.get("/openapi.json")).body;
});
afterEach(() => serving[Symbol.asyncDispose]());

test("the document is valid OpenAPI 3.1, with the operations of ingestion too", async () => {
  const { openApi } = serving.server;
  openApi.add("POST", "/v1/events");
  openApi.describe(ingestionOperations([event]), eventSchemas([event]));
  const result = await new Validator().validate(JSON.parse(JSON.stringify(openApi.document())));
  expect(result).toMatchObject({ valid: true });
});

test("every route of the server is in it, and says what it answers", () => {
  for (const { method, path } of serving.server.openApi.routes) {
    const template = path.replace(/:(\w+)/g, "{$1}").replace("{view}/rows", "by-machine/rows");
    const operation = document.paths[template.replace("{view}/compare", "by-machine/compare")];
    expect(operation?.[method.toLowerCase()], `${method} ${path}`).toBeDefined();
  }
  const columns = document.paths["/v1/views/by-machine/rows"].get.responses[200].content["application/json"];
  expect(Object.keys(columns.schema.properties.rows.items.properties)).toContain("average");
});

/** What exists, by the name of the path's parameter. */
const known: Readonly<Record<string, string>> = { view: "by-machine", id: "run-1" };
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

/** One request to a path of the document: some of its parameters, and now and then one that it does not have. */
function requestOf(path: string, method: string, operation: Document): fc.Arbitrary<Document> {
  const parameters: Document[] = operation.parameters ?? [];
  const query = parameters.filter((one) => one.in === "query" && one.name !== "live");
  const inPath = parameters.filter((one) => one.in === "path");
  const bodies = [
    undefined,
    "{}",
    '{"ifBusy":"wait"}',
    '{"view":"by-machine"}',
    '{"view":7}',
    "[",
    "null",
    '"x"',
  ];
  return fc.record({
    method: fc.constant(method.toUpperCase()),
    path: fc
      .tuple(...inPath.map(({ name }) => fc.oneof(fc.constant(known[name] ?? "g-1"), texts)))
      .map((values) =>
        inPath.reduce(
          (text, { name }, i) => text.replace(`{${name}}`, encodeURIComponent(values[i] ?? "")),
          path,
        ),
      ),
    query: fc.array(
      fc.oneof(
        ...[...query, { name: "nothing", schema: {} }].map((one) =>
          textOf(one).map((value) => [one.name, value]),
        ),
      ),
      { maxLength: 4 },
    ),
    body: method === "post" ? fc.constantFrom(...bodies) : fc.constant(undefined),
  });
}

test("whatever is asked, answers are as the document says, and refusals problem documents with a known code", async () => {
  const requests = Object.entries<Document>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Document>(methods).flatMap(([method, operation]) =>
      // It goes on until the run has ended.
      path.endsWith("/events")
        ? []
        : [requestOf(path, method, operation).map((request) => ({ request, operation }))],
    ),
  );
  const seen = new Set<number>();
  await fc.assert(
    fc.asyncProperty(fc.oneof(...requests), async ({ request, operation }) => {
      const { statusCode, headers, payload } = await serving.server.inject({
        method: request.method,
        url: `${request.path}?${new URLSearchParams(request.query)}`,
        ...(request.body === undefined
          ? {}
          : { payload: request.body, headers: { "content-type": "application/json" } }),
      });
      seen.add(statusCode);
      if (statusCode >= 400) {
        expect(statusCode, payload).toBeLessThan(500);
        expect(headers["content-type"]).toMatch(/^application\/problem\+json/);
        const { code, status } = JSON.parse(payload);
        expect(status).toBe(statusCode);
        expect(Object.keys(errorCodes)).toContain(code);
      } else if (String(headers["content-type"]).startsWith("application/json")) {
        const { schema } = operation.responses[statusCode]?.content?.["application/json"] ?? {};
        if (schema !== undefined) expect(Schema.Check(schema, JSON.parse(payload)), payload).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
  expect([...seen]).toEqual(expect.arrayContaining([200, 202, 400, 404]));
});
