import type { FastifyRequest } from "fastify";

/** A request's query string as it was sent, without "?". */
export function searchOf({ raw: { url = "" } }: FastifyRequest): string {
  const at = url.indexOf("?");
  return at === -1 ? "" : url.slice(at + 1);
}
