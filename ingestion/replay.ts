import type { FastifyInstance } from "fastify";
import type { DeadLetter, DeadLetters } from "../infra/dead-letters/dead-letters.ts";
import { requireLetter } from "../infra/dead-letters/routes.ts";
import { recordText } from "../infra/log/record-text.ts";
import { formatPosition } from "../views/cut.ts";
import { Decoder, parseEnvelope } from "../views/decoder.ts";
import { withAttributes } from "../views/envelope-text.ts";
import { TidemarkError } from "../views/errors.ts";
import type { EventType } from "../views/event.ts";
import { envelopeText, recordEnvelope } from "../views/record-envelope.ts";
import { bareChange } from "./bare-change.ts";
import { missingAttributes } from "./completion.ts";
import type { Reception } from "./reception.ts";

export interface ReplayParts {
  readonly events: readonly EventType[];
  readonly deadLetters: DeadLetters;
  readonly reception: Reception;
}

/** Adds `POST /v1/dead-letters/{id}/replay`, which answers once the event is durable. */
export function registerReplay(server: FastifyInstance, parts: ReplayParts): void {
  const { events, deadLetters, reception } = parts;
  const decoder = new Decoder(events);

  server.post<{ readonly Params: { readonly id: string } }>(
    "/v1/dead-letters/:id/replay",
    async ({ params: { id } }, reply) => {
      const letter = await requireLetter(deadLetters, id);
      if (letter.isReplayed) {
        throw new TidemarkError("TIDEMARK_DEAD_LETTER_REPLAYED", `dead letter "${id}" was replayed already`);
      }
      const text = eventText(letter, events, decoder);
      // What is no event still would become another letter.
      decoder.decode(text);
      const request = reception.receive({ kind: "plain", source: "/http", type: undefined });
      await request.takeWhole(Buffer.from(text), "json", {});
      const { rejected, position, failure } = await request.finish(true);
      if (failure !== undefined) throw failure;
      const [first] = rejected;
      if (first !== undefined) throw new TidemarkError(first.code, first.message);
      await deadLetters.markReplayed(id);
      return reply.code(202).send({ id, position: formatPosition(position) });
    },
  );
}

/**
 * The whole envelope of what was sent. What it lacks is made of the letter, so that an event which is replayed twice, since
 * the first time could not be noted, is a duplicate. Throws TIDEMARK_EVENT_* and TIDEMARK_DEAD_LETTER_CUT.
 */
function eventText(letter: DeadLetter, events: readonly EventType[], decoder: Decoder): string {
  const { id, raw, bytes, topic, record, receivedAt } = letter;
  if (raw.length < bytes) {
    throw new TidemarkError(
      "TIDEMARK_DEAD_LETTER_CUT",
      `dead letter "${id}" can't be replayed: of its ${bytes} bytes the first ${raw.length} are kept`,
    );
  }
  const text = recordText(raw);
  const value = parseEnvelope(text);
  if (record !== null && topic !== null) {
    const declaresData = events.some(({ name, shape }) => name === topic && shape.names.has("data"));
    const { headers, timestampMs } = record;
    const changes = decoder.changesOf(topic);
    return envelopeText(
      recordEnvelope(value, { ...record, headers, timestampMs, topic, declaresData, changes }),
      text,
    );
  }
  const completion = {
    kind: "plain",
    source: "/http",
    type: topic ?? undefined,
    clock: () => Date.parse(receivedAt),
    newId: () => `dead-letter-${id}`,
  } as const;
  const change = bareChange(value, completion, decoder);
  if (change !== undefined) return envelopeText(change, text);
  return withAttributes(text, missingAttributes(value, completion) ?? {});
}
