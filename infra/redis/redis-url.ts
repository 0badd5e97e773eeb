import type { RedisOptions } from "ioredis";
import { TidemarkError } from "../../views/errors.ts";

export interface RedisAddress {
  /** As it may be shown: without user name and password. */
  readonly shown: string;
  readonly options: Pick<RedisOptions, "host" | "port" | "db" | "username" | "password" | "tls">;
}

const right = `give redis://host:port, redis://user:password@host:port/database, or rediss:// for TLS`;

/** Where Redis is. Throws TIDEMARK_CONFIG naming the variable that the text is from, without showing what may hold a password. */
export function parseRedisUrl(text: string, variable: string): RedisAddress {
  const fail = (reason: string): never => {
    throw new TidemarkError("TIDEMARK_CONFIG", `${variable} ${reason}; ${right}`);
  };
  const url = URL.canParse(text) ? new URL(text) : fail("is no URL");
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") fail(`begins with ${url.protocol}//`);
  if (url.hostname === "") fail("names no host");
  if (url.search !== "" || url.hash !== "") fail("has something after the database's number");
  const database = /^\/?(\d{0,5})$/.exec(url.pathname)?.[1] ?? fail("names a database that is no number");
  const port = url.port === "" ? 6379 : Number(url.port);
  // An IPv6 address stands in brackets in a URL, and without in a socket's options.
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const isTls = url.protocol === "rediss:";
  return {
    shown: `${url.protocol}//${url.hostname}:${port}${database === "" ? "" : `/${database}`}`,
    options: {
      host,
      port,
      db: database === "" ? 0 : Number(database),
      ...(url.username === "" ? {} : { username: decoded(url.username, fail) }),
      ...(url.password === "" ? {} : { password: decoded(url.password, fail) }),
      ...(isTls ? { tls: { servername: host } } : {}),
    },
  };
}

function decoded(text: string, fail: (reason: string) => never): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return fail(`has a "%" in its user or password that is not followed by two hexadecimal digits`);
  }
}
