import { isUtf8 } from "node:buffer";
import type { FastifyInstance } from "fastify";
import { TidemarkError } from "../../views/errors.ts";
import { readListQuery } from "../list-query.ts";
import { measureDeadLetters } from "./dead-letter-metrics.ts";
import type { DeadLetter, DeadLetters } from "./dead-letters.ts";

/** As much of each letter's raw bytes as a list has. */
const listedBytes = 1024;

/** To look at dead letters: for every server that reads them, of whichever layer. */
export function registerDeadLetters(server: FastifyInstance, deadLetters: DeadLetters): void {
  measureDeadLetters(server.metrics, deadLetters);

  server.get("/v1/dead-letters", async (request) => {
    const names = ["limit", "before", "topic", "code"] as const;
    const page = await deadLetters.list(readListQuery(request, names, { limit: 100, maxLimit: 1_000 }));
    return { deadLetters: page.letters.map(listedLetter), before: page.before };
  });

  server.get<{ readonly Params: { readonly id: string } }>("/v1/dead-letters/:id", async ({ params }) => {
    const { raw, ...letter } = await requireLetter(deadLetters, params.id);
    const bytes = asBuffer(raw);
    return { ...letter, text: isUtf8(bytes) ? bytes.toString() : null, base64: bytes.toString("base64") };
  });
}

/** Throws TIDEMARK_DEAD_LETTER_UNKNOWN. */
export async function requireLetter(deadLetters: DeadLetters, id: string): Promise<DeadLetter> {
  const letter = await deadLetters.get(id);
  if (letter !== undefined) return letter;
  throw new TidemarkError(
    "TIDEMARK_DEAD_LETTER_UNKNOWN",
    `there is no dead letter "${id.slice(0, 300)}"; GET /v1/dead-letters lists those that are kept`,
  );
}

/** The beginning of the raw bytes as the text that they are, or in base64. */
function listedLetter({ raw, ...letter }: DeadLetter) {
  const bytes = asBuffer(raw);
  const beginning = bytes.subarray(0, listedBytes);
  // A character may have been cut in two.
  return isUtf8(bytes)
    ? { ...letter, raw: beginning.toString().replace(/\ufffd$/, ""), encoding: "utf-8" }
    : { ...letter, raw: beginning.toString("base64"), encoding: "base64" };
}

function asBuffer(raw: Uint8Array): Buffer {
  return Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
}
