import type { FastifyInstance } from "fastify";
import { errorCodes } from "../../views/errors.ts";
import type { Operation, Operations, Schema } from "./operation.ts";

declare module "fastify" {
  interface FastifyInstance {
    readonly openApi: OpenApi;
  }
}

interface Route {
  readonly method: string;
  /** As Fastify writes it: `/v1/views/:view`. */
  readonly path: string;
}

/** What a server answers, as OpenAPI 3.1: every route that it has, by what its layer says of it. */
export class OpenApi {
  readonly #routes: Route[] = [];
  readonly #operations = new Map<string, readonly Operation[]>();
  readonly #schemas = new Map<string, Schema>();

  /** The routes, in the order in which they were registered. */
  get routes(): readonly Route[] {
    return this.#routes;
  }

  add(method: string, path: string): void {
    if (["HEAD", "OPTIONS"].includes(method) || path.includes("*")) return;
    this.#routes.push({ method, path });
  }

  /** Operations by `METHOD /path`, where the path is Fastify's; and schemas that they refer to by name. */
  describe(operations: Operations, schemas: Readonly<Record<string, Schema>> = {}): void {
    for (const [key, said] of Object.entries(operations)) {
      this.#operations.set(key, Array.isArray(said) ? said : [said as Operation]);
    }
    for (const [name, schema] of Object.entries(schemas)) this.#schemas.set(name, schema);
  }

  document(): Readonly<Record<string, unknown>> {
    const paths: Record<string, Record<string, unknown>> = {};
    for (const { method, path } of this.#routes) {
      for (const operation of this.#operations.get(`${method} ${path}`) ?? [
        { summary: `${method} ${path}` },
      ]) {
        const template = pathOf(path, operation);
        paths[template] = {
          ...paths[template],
          [method.toLowerCase()]: operationOf(method, template, operation),
        };
      }
    }
    return {
      openapi: "3.1.0",
      info: {
        title: "Tidemark",
        version: "1",
        description: "Facts in, exact answers of batch and speed merged, and what they rest on.",
      },
      servers: [{ url: "/" }],
      security: [{}, { bearer: [] }],
      paths,
      components: {
        schemas: { Problem: problemSchema, ...Object.fromEntries(this.#schemas) },
        securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
      },
    };
  }
}

/** Collects routes from now on, and answers `/openapi.json`. */
export function registerOpenApi(server: FastifyInstance): void {
  const openApi = new OpenApi();
  server.decorate("openApi", openApi);
  server.addHook("onRoute", ({ method, url }) => {
    for (const each of [method].flat()) openApi.add(each, url);
  });
  openApi.describe({
    "GET /openapi.json": {
      summary: "This document",
      responses: { 200: { description: "OpenAPI 3.1", schema: { type: "object" } } },
    },
  });
  let text: string | undefined;
  server.get("/openapi.json", (_request, reply) => {
    text ??= JSON.stringify(openApi.document());
    return reply.type("application/json; charset=utf-8").send(text);
  });
}

/** `/v1/views/{view}`, or, of an operation of one view, with its name in place. */
function pathOf(path: string, { fixed = {} }: Operation): string {
  return path.replace(/:(\w+)/g, (_, name: string) => fixed[name] ?? `{${name}}`);
}

function operationOf(method: string, template: string, operation: Operation) {
  const { summary, description, query = [], body, responses = {} } = operation;
  const named = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    ...{ name, in: "path", required: true, schema: { type: "string" } },
  }));
  const parameters = [...named, ...query.map((one) => ({ in: "query", ...one }))];
  return {
    operationId: `${method.toLowerCase()}${template.replace(/[^A-Za-z0-9]+/g, "_").replace(/_$/, "")}`,
    summary,
    ...(description && { description }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: body.required ?? false, content: body.content } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(responses).map(([status, { description: what, schema, type, example }]) => [
          status,
          {
            description: what,
            ...(schema && {
              content: {
                [type ?? "application/json"]: { schema, ...(example !== undefined && { example }) },
              },
            }),
          },
        ]),
      ),
      ...(Object.keys(responses).length === 0 && { 200: { description: "As the documentation says." } }),
      default: {
        description: "A problem document with a stable code",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

const problemSchema: Schema = {
  type: "object",
  required: ["type", "title", "status", "code", "detail"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    code: { enum: Object.keys(errorCodes) },
    detail: { type: "string" },
    offer: {
      type: "object",
      description: "A request that brings about what was refused",
      required: ["method", "path", "body"],
      properties: { method: { const: "POST" }, path: { type: "string" }, body: { type: "object" } },
    },
  },
};
