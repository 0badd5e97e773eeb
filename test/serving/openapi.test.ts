import { Validator } from "@seriousme/openapi-schema-validator";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventSchemas, ingestionOperations } from "../../ingestion/operations.ts";
import type { Cut } from "../../views/cut.ts";
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
