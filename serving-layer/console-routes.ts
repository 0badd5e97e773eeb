import type { FastifyInstance, FastifyRequest } from "fastify";
import { TidemarkError } from "../views/errors.ts";
import { type ConsoleFiles, readConsole } from "./console-files.ts";

/** Nothing from elsewhere, nothing inline, in nobody's frame. */
const pageHeaders = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
  vary: "accept",
};

/** The console at `/` for browsers; whoever asks for JSON there gets `addresses`. It holds nothing that a key guards. */
export function registerConsole(server: FastifyInstance, addresses: object): void {
  let files: Promise<ConsoleFiles> | undefined;
  const console = () => {
    files ??= readConsole().catch((error) => {
      files = undefined;
      throw error;
    });
    return files;
  };

  server.get("/", { config: { isOpen: isBrowser } }, async (request, reply) => {
    if (!isBrowser(request)) return reply.header("vary", "accept").send(addresses);
    const { page } = await console();
    return reply.headers(pageHeaders).type("text/html; charset=utf-8").send(page);
  });

  server.get<{ readonly Params: { readonly name: string } }>(
    "/console/:name",
    { config: { isOpen: () => true } },
    async ({ params: { name } }, reply) => {
      const asset = (await console()).assets.get(name);
      if (asset === undefined) {
        throw new TidemarkError("TIDEMARK_ROUTE_UNKNOWN", `there is no /console/${name.slice(0, 100)}`);
      }
      return reply
        .headers({
          "cache-control": "public, max-age=31536000, immutable",
          "x-content-type-options": "nosniff",
        })
        .type(asset.type)
        .send(asset.bytes);
    },
  );
}

function isBrowser({ headers: { accept = "" } }: FastifyRequest): boolean {
  return accept.includes("text/html");
}
