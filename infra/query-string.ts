import { type ParsedUrlQuery, parse } from "node:querystring";
import type { FastifyRequest } from "fastify";

/** A request's query string as it was sent, without "?". */
export function searchOf({ raw: { url = "" } }: Pick<FastifyRequest, "raw">): string {
  const at = url.indexOf("?");
  return at === -1 ? "" : url.slice(at + 1);
}

/** Its parameters by name, each a text, or several where it is given more than once. Fastify's own `query` has none. */
export function queryOf(request: Pick<FastifyRequest, "raw">): ParsedUrlQuery {
  return parse(searchOf(request));
}
