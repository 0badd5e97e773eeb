import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** Hands posted lines on to a server, and keeps its answers to itself. */
export class SilentProxy implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(target: string): Promise<SilentProxy> {
    const server = createServer(async (request) => {
      const headers = { "content-type": request.headers["content-type"] ?? "" };
      await fetch(new URL(request.url ?? "", target), { method: "POST", headers, body: await text(request) });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new SilentProxy(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
