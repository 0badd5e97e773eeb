import { defineOperator, type Operator } from "../expression.ts";
import { lowerText } from "./letter-case.ts";

/**
 * Of an absolute URL `scheme://[user@]host[:port][/path][?query][#fragment]` (RFC 3986, 3): regular expressions that
 * JavaScript and DuckDB's RE2 read alike. Nothing is decoded or resolved; a text that is no such URL has neither part.
 */
const scheme = "^[A-Za-z][A-Za-z0-9+.-]*://";
const hostGrammar = `${scheme}(?:[^/?#@]*@)?(\\[[0-9A-Fa-f:.]+\\]|[^:/?#@\\[\\]]+)(?::[0-9]*)?(?:[/?#]|$)`;
const pathGrammar = `${scheme}[^/?#]*(/[^?#]*|)(?:[?#]|$)`;
const hostPattern = new RegExp(hostGrammar);
const pathPattern = new RegExp(pathGrammar);

export function hostOf(url: string): string | null {
  const host = hostPattern.exec(url)?.[1];
  return host === undefined ? null : lowerText(host);
}

export function pathOf(url: string): string | null {
  const path = pathPattern.exec(url)?.[1];
  return path === undefined ? null : path === "" ? "/" : path;
}

/** In lower case, since hosts do not tell case apart; no port, no user. */
export const host: Operator = defineOperator({
  name: "host",
  result: "string",
  nulls: "propagate",
  nullable: () => true,
  js: ([a], scope) => `${scope.constant(hostOf)}(${a})`,
  sql: ([a]) => `lower(regexp_extract_all(${a}, '${hostGrammar}', 1)[1])`,
});

/** As it stands; "/" where the URL ends with its host. */
export const path: Operator = defineOperator({
  name: "path",
  result: "string",
  nulls: "propagate",
  nullable: () => true,
  js: ([a], scope) => `${scope.constant(pathOf)}(${a})`,
  sql: ([a]) => `regexp_replace(regexp_extract_all(${a}, '${pathGrammar}', 1)[1], '^$', '/')`,
});
