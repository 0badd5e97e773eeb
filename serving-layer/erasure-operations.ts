import type { Operations } from "../infra/openapi/operation.ts";
import type { App } from "../views/app.ts";
import { Type } from "../views/typebox.ts";
import { answered, nullable, oneOf, wholeNumber } from "./schemas.ts";

const time = Type.String({ format: "date-time" });
const erasure = Type.Object({
  id: Type.String(),
  state: Type.Union([Type.Literal("pending"), Type.Literal("done")]),
  type: nullable(Type.String()),
  before: nullable(time),
  askedAt: time,
  doneAt: nullable(time),
  records: nullable(Type.Record(Type.String(), Type.Integer())),
  deadLetters: nullable(Type.Integer()),
  files: nullable(Type.Integer()),
  generations: nullable(Type.Record(Type.String(), Type.String())),
  compactedAt: nullable(time),
});

/** What the routes of erasures take and answer. */
export function erasureOperations({ events }: App): Operations {
  return {
    "DELETE /v1/subjects/:key": {
      summary: "Asks for the erasure of all facts under a partition key",
      description:
        "Of those that the log has by now. It is kept, and done by a batch run that starts at once.",
      query: [{ name: "type", schema: oneOf(events.map(({ name }) => name)) }],
      responses: {
        202: { description: "The erasure, and the run that does it", schema: erasure },
      },
    },
    "GET /v1/erasures": {
      ...answered("Erasures, newest first", Type.Object({ erasures: Type.Array(erasure) })),
      query: [{ name: "limit", schema: wholeNumber(10_000) }],
    },
    "GET /v1/erasures/:id": answered("One erasure", erasure),
  };
}
