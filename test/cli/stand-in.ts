import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { runCommandLine } from "../../cli/program.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly parameters: URLSearchParams;
  readonly contentType: string | undefined;
  readonly body: string;
}

export interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body: unknown;
}

/** A server that speaks the documented HTTP with answers handed in, and remembers what it was asked. */
export interface StandIn extends AsyncDisposable {
  readonly url: string;
  readonly asked: readonly Asked[];
}

export async function standIn(answers: Readonly<Record<string, Answer>>): Promise<StandIn> {
  const asked: Asked[] = [];
  return listen(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://stand-in");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    asked.push({
      method: request.method ?? "",
      path: url.pathname,
      parameters: url.searchParams,
      contentType: request.headers["content-type"],
      body: Buffer.concat(chunks).toString(),
    });
    const answer = answers[`${request.method} ${url.pathname}`] ?? {
      status: 404,
      body: { code: "TIDEMARK_ROUTE_UNKNOWN", detail: `there is no ${request.method} ${url.pathname}` },
    };
    response.writeHead(answer.status ?? 200, { "content-type": answer.type ?? "application/json" });
    response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
  }, asked);
}

export async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => unknown,
  asked: readonly Asked[] = [],
): Promise<StandIn> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Runs a command line as a script would: nobody watches, output is captured. */
export async function tidemark(server: { readonly url: string } | undefined, ...args: string[]) {
  const out = new PassThrough();
  const err = new PassThrough();
  const environment: Record<string, string> = server === undefined ? {} : { TIDEMARK_URL: server.url };
  const code = await runCommandLine({ out, err, isInteractive: false, environment, now: () => 0 }, args);
  return { code, out: String(out.read() ?? ""), err: String(err.read() ?? "") };
}
