import type { Operations, Schema } from "../infra/openapi/operation.ts";
import { operationField } from "../views/change.ts";
import type { EventType } from "../views/event.ts";

/** What the gateway takes: events of the app's types, one or many. */
export function ingestionOperations(events: readonly EventType[]): Operations {
  const event = { anyOf: events.map(({ name }) => ({ $ref: `#/components/schemas/${name}` })) };
  const many = { type: "array", items: event };
  return {
    "POST /v1/events": {
      summary: "Sends events",
      description:
        "Plain JSON, NDJSON, or CloudEvents 1.0 in structured, batch or binary form; changes of tables as Debezium writes them.",
      query: [
        { name: "type", schema: { type: "string" }, description: "Of events that carry none" },
        { name: "source", schema: { type: "string" }, description: "Of events that carry none" },
      ],
      body: {
        required: true,
        content: {
          "application/json": { schema: { anyOf: [event, many] } },
          "application/x-ndjson": { schema: { type: "string" } },
          "application/cloudevents+json": { schema: event },
          "application/cloudevents-batch+json": { schema: many },
        },
      },
      responses: {
        202: {
          description: "They are kept; the position is what `after` takes",
          schema: {
            type: "object",
            required: ["accepted", "rejected", "rejectedCount", "position"],
            properties: {
              accepted: { type: "integer" },
              rejected: { type: "array", items: { type: "object", required: ["index", "code", "message"] } },
              rejectedCount: { type: "integer" },
              position: { type: "string" },
            },
          },
          example: { accepted: 1, rejected: [], rejectedCount: 0, position: `${events[0]?.name}@0:1` },
        },
      },
    },
    "POST /v1/dead-letters/:id/replay": {
      summary: "Hands in a dead letter that is an event by now",
      responses: {
        202: {
          description: "It is kept as an event",
          schema: {
            type: "object",
            required: ["id", "position"],
            properties: { id: { type: "string" }, position: { type: "string" } },
          },
        },
      },
    },
  };
}

/** What is sent of each event type, by its name: the envelope, or a change as Debezium writes it. */
export function eventSchemas(events: readonly EventType[]): Readonly<Record<string, Schema>> {
  return Object.fromEntries(
    events.map(({ name, schema, changes }) => [
      name,
      changes === undefined ? envelopeSchema(name, schema) : changeSchema(schema),
    ]),
  );
}

function changeSchema(schema: EventType["schema"]): Schema {
  const { [operationField]: _, ...columns } = JSON.parse(JSON.stringify(schema.properties));
  const row = { type: "object", properties: columns };
  return {
    type: "object",
    required: ["op"],
    properties: {
      op: { enum: ["c", "u", "d", "r"] },
      before: { anyOf: [{ type: "object" }, { type: "null" }] },
      after: { anyOf: [row, { type: "null" }] },
      source: { type: "object" },
      ts_ms: { type: "integer" },
    },
  };
}

function envelopeSchema(name: string, schema: EventType["schema"]): Schema {
  return {
    type: "object",
    required: ["data"],
    properties: {
      id: { type: "string" },
      source: { type: "string" },
      type: { const: name },
      time: { type: "string", format: "date-time" },
      partitionkey: { type: "string" },
      data: JSON.parse(JSON.stringify(schema)),
    },
  };
}
