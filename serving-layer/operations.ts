import type { Operation, Operations, QueryParameter, Schema } from "../infra/openapi/operation.ts";
import type { App } from "../views/app.ts";
import { viewPartition } from "../views/mapping.ts";
import { Type } from "../views/typebox.ts";
import { namesOf } from "../views/version.ts";
import { shownView, type View } from "../views/view.ts";
import { attributesOf } from "./columns.ts";
import { erasureOperations } from "./erasure-operations.ts";
import { answered, nullable, oneOf, wholeNumber } from "./schemas.ts";
import { versionOperations } from "./version-operations.ts";
import type { Versions } from "./versions.ts";

/** What the routes of the serving layer take and answer; rows of each view have its own columns. */
export function servingOperations(app: App, versions: Versions): Operations {
  const names = namesOf(app.views);
  // By the name of a family as the version that it means when the server starts.
  const named = names.flatMap((name) => {
    const view = versions.find(name);
    return view === undefined ? [] : [{ name, view }];
  });
  return {
    "GET /v1/views": answered("The views of the app", Type.Object({ views: Type.Array(viewAnswer) })),
    "GET /v1/views/:view": answered("One view and its generations", viewAnswer),
    "GET /v1/views/:view/rows": named.map(({ name, view }) => rowsOperation(name, view)),
    "GET /v1/views/:view/compare": named.map(({ name, view }) => compareOperation(name, view)),
    ...versionOperations,
    ...erasureOperations(app),
    "POST /v1/views/:view/generations/:id/activate": answered(
      "Lets a view be served from another of its generations",
      Type.Object({ view: Type.String(), id: Type.String() }),
    ),
    "GET /v1/reconciliations": {
      ...answered(
        "What came of holding batch against speed, newest first",
        Type.Object({ reconciliations: Type.Array(reconciled), cursor: nullable(Type.String()) }),
      ),
      query: [
        { name: "view", schema: oneOf(names) },
        { name: "generation", schema: Type.String() },
        { name: "kind", schema: oneOf(["batch", "check"]) },
        { name: "drifting", schema: oneOf(["true", "false"]) },
        { name: "limit", schema: wholeNumber(10_000) },
        { name: "cursor", schema: Type.String() },
      ],
    },
    "POST /v1/reconciliations": {
      summary: "Checks now: computes everything up to this moment and holds it against what is served",
      body: runBody({ view: oneOf(names) }),
      responses: { 202: { description: "The run that was asked for", schema: run } },
    },
    "POST /v1/sql": {
      summary: "A SELECT over views and events",
      description:
        "Each view is a table of its rows, each event type one of its facts; all as of one moment, now or in the past.",
      body: {
        required: true,
        content: {
          "application/json": {
            schema: statement,
            example: { sql: `SELECT count(*) AS rows FROM "${app.views[0]?.name}"`, parameters: [] },
          },
        },
      },
      responses: {
        200: { description: "Its rows, and what they rest on", schema: table, example: exampleTable },
      },
    },
    "POST /v1/batch/runs": {
      summary: "Asks for a batch run",
      description:
        "Views go on from the generation that serves where their states merge exactly; with `full` every view is computed from all records. With `asOf` views are computed as of a past position, and kept beside what serves: queries as of that position are then answered at once.",
      body: runBody({
        full: { type: "boolean" },
        asOf: { type: "string", description: "A position, as TIDEMARK_ASOF_COSTLY offers it" },
        views: { type: "array", minItems: 1, items: oneOf(names), description: "With asOf: which" },
      }),
      responses: { 202: { description: "The run that was asked for", schema: run, example: exampleRun } },
    },
    "GET /v1/batch/runs": {
      ...answered("Batch runs and checks, newest first", Type.Object({ runs: Type.Array(run) })),
      query: [{ name: "limit", schema: wholeNumber(1_000) }],
    },
    "GET /v1/batch/runs/:id": answered("One run", run, exampleRun),
    "DELETE /v1/batch/runs/:id": answered("Asks a run to stop", run),
    "GET /v1/batch/runs/:id/events": {
      summary: "The run as it goes on: events `progress`, then `end`",
      responses: {
        200: { description: "Server-sent events", type: "text/event-stream", schema: Type.String() },
      },
    },
    "GET /v1/status": answered(
      "How the platform is",
      Type.Object({ app: Type.String(), profile: Type.String(), uptimeMs: Type.Number() }),
    ),
    "GET /healthz": answered("The process is there", Type.Object({ status: Type.String() })),
    "GET /readyz": answered("Every view can be answered", Type.Object({ status: Type.String() })),
    "GET /v1/dead-letters": {
      ...answered(
        "What was no event, newest first",
        Type.Object({ deadLetters: Type.Array(deadLetter), before: nullable(Type.String()) }),
      ),
      query: [
        { name: "limit", schema: wholeNumber(1_000) },
        ...["before", "topic", "code"].map((name) => ({ name, schema: Type.String() })),
      ],
    },
    "GET /v1/dead-letters/:id": answered("One dead letter, whole", deadLetter),
  };
}

function rowsOperation(name: string, view: View): Operation {
  const answer = Type.Object({
    rows: Type.Array(rowOf(view)),
    cursor: nullable(Type.String()),
    provenance,
  });
  return {
    summary: `Rows of ${name}`,
    description:
      "With live=true they are server-sent events: `rows` with all of them, then `change` with those that changed.",
    fixed: { view: name },
    query: [
      ...sharedParameters(view),
      { name: "layer", schema: oneOf(["merged", "batch", "speed"]) },
      { name: "fill", schema: oneOf(["zero", "null", "previous"]) },
      ...["totals", "explain", "live"].map((name) => ({ name, schema: oneOf(["true", "false"]) })),
      { name: "every", schema: duration, description: "With live=true: the least time between two changes" },
      { name: "format", schema: oneOf(["json", "ndjson", "csv", "csv-plain"]) },
    ],
    responses: {
      200: { description: "The answer, and what it rests on", schema: answer, example: exampleAnswer(view) },
    },
  };
}

/** One row, and what it might rest on. */
function exampleAnswer(view: View) {
  const { dimensions, window, measures } = shownView(view);
  const row = {
    ...Object.fromEntries(dimensions.map(({ name, type }) => [name, exampleValues[type]])),
    ...(window && { [window.name]: "2026-01-01T00:00:00.000Z" }),
    ...Object.fromEntries(measures.map(({ name, aggregate }) => [name, exampleValues[aggregate.value.type]])),
  };
  const { topic, partition } = viewPartition(view, 0);
  const provenance = {
    ...{ view: view.name, fingerprint: view.fingerprint, layer: "merged" },
    ...{ generation: "g-20260101000000-a1b2c3", cut: `${topic}@${partition}:1000` },
    ...{ position: `${topic}@${partition}:1200`, lag: 0, complete: true },
  };
  return { rows: [row], cursor: null, provenance };
}

const exampleValues: Readonly<Record<string, unknown>> = {
  ...{ string: "a text", integer: 12, number: 1.5, boolean: true, time: "2026-01-01T00:00:00.000Z" },
  histogram: [{ from: 0, to: 10, count: 12 }],
};

function compareOperation(name: string, view: View): Operation {
  const side = nullable(Type.Object({}));
  const row = Type.Object({ batch: side, speed: side, merged: side, difference: side });
  return {
    summary: `Rows of ${name}: batch, speed and both together`,
    fixed: { view: name },
    query: [...sharedParameters(view), { name: "differing", schema: oneOf(["true", "false"]) }],
    responses: {
      200: {
        description: "By row, the batch answer, what was served at the same cut, and what is served now",
        schema: Type.Object({ rows: Type.Array(row), cursor: nullable(Type.String()), provenance }),
      },
    },
  };
}

function sharedParameters(view: View): readonly QueryParameter[] {
  const shown = shownView(view);
  const columns = [...shown.dimensions, ...attributesOf(shown)];
  const measure = shown.measures[0]?.name ?? "";
  return [
    { name: "from", schema: Type.String(), description: "First instant" },
    { name: "to", schema: Type.String(), description: "Where the range ends, itself not included" },
    { name: "granularity", schema: Type.String(), example: "1d" },
    { name: "tz", schema: Type.String(), example: "Europe/Berlin" },
    { name: "groupBy", schema: Type.String(), example: columns[0]?.name ?? "" },
    { name: "measures", schema: Type.String(), example: measure },
    { name: "orderBy", schema: Type.String(), example: `-${measure}` },
    { name: "limit", schema: wholeNumber(100_000) },
    { name: "cursor", schema: Type.String() },
    { name: "after", schema: Type.String(), description: "A position that has to be covered first" },
    {
      name: "asOf",
      schema: Type.String(),
      description: asOfText,
    },
    { name: "timeout", schema: duration },
    ...columns.map(({ name, type }) => ({
      ...{ name, schema: { type }, description: `Only rows with this ${name}; repeat it for any of several` },
    })),
  ];
}

const asOfText =
  "As of a past cut: a position, the id of a kept generation, or the time by which one was published";

/** Any of the view's columns, as an answer has it. */
function rowOf(view: View): Schema {
  const { dimensions, window, measures } = shownView(view);
  const shown = attributesOf(shownView(view));
  const nullOr = (type: string) => ({ type: [type, "null"] });
  return {
    type: "object",
    properties: {
      ...Object.fromEntries(dimensions.map(({ name, type }) => [name, nullOr(type)])),
      ...Object.fromEntries(shown.map(({ name, type }) => [name, nullOr(type)])),
      ...(window && { [window.name]: { type: "string", format: "date-time" } }),
      ...Object.fromEntries(measures.map(({ name, aggregate }) => [name, valueSchema(aggregate.value)])),
    },
    additionalProperties: false,
  };
}

/** A whole number beyond 2^53 − 1 is its decimal text; a number that JSON has none for is, too. */
function valueSchema({ type }: View["measures"][number]["aggregate"]["value"]): Schema {
  if (type === "histogram") return { type: ["array", "null"] };
  return { type: type === "integer" || type === "number" ? [type, "string", "null"] : [type, "null"] };
}

function runBody(more: Readonly<Record<string, Schema>>) {
  const schema = { type: "object", properties: { ifBusy: oneOf(["wait", "refuse"]), ...more } };
  return { content: { "application/json": { schema, example: { ifBusy: "wait" } } } };
}

const scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]);
const duration: Schema = { type: "string", pattern: "^[1-9][0-9]{0,8}(ms|s|m|h|d)$" };
const provenance = Type.Object({
  view: Type.String(),
  fingerprint: Type.String(),
  version: Type.Optional(Type.Integer()),
  layer: Type.String(),
  layers: Type.Optional(Type.String()),
  generation: Type.Union([Type.String(), Type.Null()]),
  cut: Type.String(),
  position: Type.String(),
  lag: Type.Integer(),
  complete: Type.Boolean(),
  asOf: Type.Optional(Type.String()),
});
const viewAnswer = Type.Object({
  name: Type.String(),
  family: Type.String(),
  version: Type.Integer(),
  isActive: Type.Boolean(),
  fingerprint: Type.String(),
  rows: Type.String(),
});
const run = Type.Object({
  ...{ id: Type.String(), state: Type.String(), kind: Type.String() },
  full: Type.Boolean(),
  past: nullable(Type.Object({ position: Type.String(), views: Type.Array(Type.String()) })),
});
const exampleRun = {
  id: "run-20260101000000-a1b2c3",
  kind: "batch",
  full: false,
  past: null,
  state: "running",
};
const reconciled = Type.Object({
  view: Type.String(),
  run: Type.String(),
  kind: Type.String(),
  createdAt: Type.String(),
  cut: Type.String(),
  reconciliation: Type.Object({ kind: Type.String() }),
});
const statement = Type.Object(
  {
    sql: Type.String(),
    /** By place or by name. */
    parameters: Type.Optional(Type.Union([Type.Array(scalar), Type.Record(Type.String(), scalar)])),
    /** A position that names every partition of the tables' topics, the id of a kept generation, or a time. */
    asOf: Type.Optional(Type.String({ description: asOfText })),
  },
  { additionalProperties: false },
);
const table = Type.Object({
  columns: Type.Array(Type.Object({ name: Type.String(), type: Type.String() })),
  rows: Type.Array(Type.Object({})),
  rowCount: Type.Integer(),
  provenance: Type.Object({}),
});
const exampleTable = {
  columns: [{ name: "rows", type: "BIGINT" }],
  rows: [{ rows: 12 }],
  rowCount: 1,
  provenance: { views: {}, events: {} },
};
const deadLetter = Type.Object({ id: Type.String(), code: Type.String(), message: Type.String() });
