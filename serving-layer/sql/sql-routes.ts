import type { FastifyInstance, FastifyReply } from "fastify";
import { TidemarkError } from "../../views/errors.ts";
import type { Scalar } from "../../views/expression.ts";
import type { SqlFormat, SqlParameters } from "./engine.ts";
import type { SqlLimits } from "./limits.ts";
import type { SqlAnswer, SqlAnswers, SqlRequest } from "./sql-answers.ts";

const mostParameters = 1_000;
/** Of a request: a statement, as JSON may write it, and its parameters. */
const bodyBytes = 1024 ** 2;

const mediaTypes: Readonly<Record<SqlFormat, string>> = {
  json: "application/json",
  ndjson: "application/x-ndjson",
  csv: "text/csv",
};

/** `POST /v1/sql`. */
export function registerSqlRoutes(server: FastifyInstance, answers: SqlAnswers, limits: SqlLimits): void {
  // A statement changes nothing; it is sent in a body because it may be long.
  server.post(
    "/v1/sql",
    { bodyLimit: bodyBytes, config: { permission: "query" } },
    async (request, reply) => {
      const read = readBody(request.body, limits);
      const gone = new AbortController();
      const leave = () =>
        gone.abort(new TidemarkError("TIDEMARK_REQUEST", "the client went away before the answer"));
      reply.raw.once("close", leave);
      try {
        const format = formatOf(request.headers.accept);
        return send(reply, format, await answers.answer({ ...read, format }, gone.signal));
      } finally {
        reply.raw.off("close", leave);
      }
    },
  );
}

function send(reply: FastifyReply, format: SqlFormat, answer: SqlAnswer): FastifyReply {
  const { columns, rows, text, provenance } = answer;
  reply.type(`${mediaTypes[format]}; charset=utf-8`);
  if (format !== "json") {
    // What rests on what is told in a header, where the rows have no room for it.
    return reply.header("tidemark-provenance", headerText(JSON.stringify(provenance))).send(text.join(""));
  }
  const head = `{"columns":${JSON.stringify(columns)},"rows":[`;
  return reply.send(
    `${head}${text.join("")}],"rowCount":${rows},"provenance":${JSON.stringify(provenance)}}`,
  );
}

/** A header holds ASCII. */
function headerText(json: string): string {
  return json.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The first of the types that is known; JSON for all else. */
function formatOf(accept = ""): SqlFormat {
  const types = accept.split(",").map((part) => part.split(";", 1)[0]?.trim().toLowerCase());
  const formats = Object.entries(mediaTypes) as [SqlFormat, string][];
  for (const type of types) {
    const found = formats.find(([, known]) => known === type);
    if (found !== undefined) return found[0];
  }
  return "json";
}

function readBody(body: unknown, { length }: SqlLimits): Omit<SqlRequest, "format"> {
  const expected = `{"sql": "SELECT …", "parameters": […]}`;
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw bodyError(`give a JSON object such as ${expected}`);
  }
  const { sql, parameters = [], asOf, ...others } = body as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw bodyError(`there is no member "${unknown.slice(0, 100)}"; there are sql, parameters and asOf`);
  }
  if (typeof sql !== "string") {
    throw bodyError(`"sql" must be a text of up to ${length} characters, as in ${expected}`);
  }
  if (asOf !== undefined && typeof asOf !== "string") {
    throw bodyError('"asOf" must be a text: a position, the id of a generation or a time');
  }
  return { sql, parameters: readParameters(parameters), asOf };
}

function readParameters(parameters: unknown): SqlParameters {
  const values = typeof parameters === "object" && parameters !== null ? Object.values(parameters) : [null];
  const isGiven = typeof parameters === "object" && parameters !== null;
  if (!isGiven || values.length > mostParameters || !values.every(isScalar)) {
    throw bodyError(
      `"parameters" must be an array or an object of texts, numbers, true, false and null, at most ${mostParameters}`,
    );
  }
  return parameters as SqlParameters;
}

function isScalar(value: unknown): value is Scalar {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function bodyError(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_SQL_STATEMENT", message);
}
