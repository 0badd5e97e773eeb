import type { Operations } from "../infra/openapi/operation.ts";
import { Type } from "../views/typebox.ts";
import { greatestVersion } from "../views/version.ts";
import { answered, nullable, wholeNumber } from "./schemas.ts";

const versionBody = Type.Object(
  { version: Type.Integer({ minimum: 1, maximum: greatestVersion }) },
  { additionalProperties: false },
);
const flipped = Type.Object({
  view: Type.String(),
  was: Type.Integer(),
  active: Type.Integer(),
  former: nullable(Type.Integer()),
});
const diffSide = Type.Object({
  version: Type.Integer(),
  view: Type.String(),
  generation: Type.String(),
  rows: Type.Integer(),
});
const diff = Type.Object({
  view: Type.String(),
  from: diffSide,
  to: diffSide,
  cut: Type.String(),
  rows: Type.Object({
    added: Type.Integer(),
    gone: Type.Integer(),
    changed: Type.Integer(),
    equal: Type.Integer(),
  }),
  measures: Type.Array(Type.Object({ name: Type.String(), differing: Type.Integer() })),
  onlyFrom: Type.Array(Type.String()),
  onlyTo: Type.Array(Type.String()),
  differing: Type.Array(Type.Object({ kind: Type.String(), key: Type.Object({}) })),
  held: nullable(Type.String()),
});

/** What the routes of versions take and answer. */
export const versionOperations: Operations = {
  "POST /v1/views/:view/active": {
    summary: "Lets the view's name mean another of its versions",
    body: {
      required: true,
      content: { "application/json": { schema: versionBody, example: { version: 2 } } },
    },
    responses: { 200: { description: "What was active, and what is", schema: flipped } },
  },
  "POST /v1/views/:view/rollback": answered("Lets the view's name mean the version before", flipped),
  "GET /v1/views/:view/diff": {
    ...answered("What two versions of a view differ in, row by row at one cut", diff),
    query: [
      ...["from", "to"].map((name) => ({ name, schema: wholeNumber(greatestVersion) })),
      { name: "limit", schema: wholeNumber(10_000) },
    ],
  },
};
