import { homedir } from "node:os";
import { join } from "node:path";

/** Where what was downloaded is kept: TIDEMARK_CACHE, else `tidemark` in the user's folder for caches. */
export function cacheFolder(): string {
  const { TIDEMARK_CACHE, XDG_CACHE_HOME } = process.env;
  return TIDEMARK_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "tidemark");
}
