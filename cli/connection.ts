import {
  Agent as HttpAgent,
  type IncomingMessage,
  type RequestOptions,
  request as sendHttp,
} from "node:http";
import { Agent as HttpsAgent, request as sendHttps } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ErrorCode, errorCodes, TidemarkError } from "../views/errors.ts";

/** Query parameters; one that is undefined is left out, an array repeats. */
export type QueryParameters = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface Exchange {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly parameters?: QueryParameters;
  readonly contentType?: string;
  readonly accept?: string;
  readonly body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | string;
}

/** Requests to one server, over connections that are kept. They throw TIDEMARK_CLIENT_UNREACHABLE, or the signal's reason. */
export class Connection implements Disposable {
  readonly url: string;
  readonly #signal: AbortSignal | undefined;
  readonly #key: string | undefined;
  readonly #agent: HttpAgent;

  /** Throws TIDEMARK_CLIENT_URL. The signal, if any, ends whatever is under way; the key, if any, is sent with every request. */
  constructor(url: string, signal?: AbortSignal, key?: string) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new TidemarkError(
        "TIDEMARK_CLIENT_URL",
        `"${url}" is no address of a server: give one such as http://127.0.0.1:4100`,
      );
    }
    this.url = url.replace(/\/+$/, "");
    this.#signal = signal;
    this.#key = key;
    this.#agent = url.startsWith("https:")
      ? new HttpsAgent({ keepAlive: true })
      : new HttpAgent({ keepAlive: true });
  }

  /** Resolves with the head of the answer, which may come before all of the body was taken. */
  async send({ method, path, parameters, contentType, accept, body }: Exchange): Promise<IncomingMessage> {
    const url = new URL(this.url + path);
    for (const [name, value] of Object.entries(parameters ?? {})) {
      for (const one of value === undefined ? [] : [value].flat()) url.searchParams.append(name, one);
    }
    const options: RequestOptions = {
      method,
      agent: this.#agent,
      headers: {
        ...(contentType === undefined ? {} : { "content-type": contentType }),
        ...(accept === undefined ? {} : { accept }),
        ...(this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` }),
      },
      ...(this.#signal && { signal: this.#signal }),
    };
    const send = url.protocol === "https:" ? sendHttps : sendHttp;
    return new Promise((resolve, reject) => {
      const request = send(url, options);
      const fail = (cause: unknown) =>
        reject(this.#signal?.aborted ? this.#signal.reason : this.#lost(cause));
      request.on("response", resolve);
      request.on("error", fail);
      if (body === undefined || typeof body === "string") request.end(body);
      else pipeline(Readable.from(body, { objectMode: false }), request).catch(fail);
    });
  }

  #lost(cause: unknown): unknown {
    if (cause instanceof TidemarkError) return cause;
    const code = (cause as { code?: unknown }).code;
    const reason =
      code === "ECONNREFUSED" ? "nobody answers there" : String((cause as Error).message || code);
    return new TidemarkError(
      "TIDEMARK_CLIENT_UNREACHABLE",
      `${this.url}: ${reason}; start a server with "tidemark up", or say where it is with --url or TIDEMARK_URL`,
      { cause },
    );
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** Throws TIDEMARK_CLIENT_ANSWER for what no Tidemark server says. */
export async function readJson(response: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response) chunks.push(chunk as Uint8Array);
  const text = Buffer.concat(chunks).toString();
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new TidemarkError(
      "TIDEMARK_CLIENT_ANSWER",
      `status ${response.statusCode} with what is no JSON: ${JSON.stringify(text.slice(0, 80))}; is that a Tidemark server?`,
      { cause },
    );
  }
}

/** The answer as JSON; throws what the problem document of a refusal names. */
export async function requireSuccess<Answer>(response: IncomingMessage): Promise<Answer> {
  const answer = await readJson(response);
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return answer as Answer;
  throw problemError(answer, response);
}

export function problemError(
  problem: Readonly<Record<string, unknown>>,
  response: IncomingMessage,
): TidemarkError {
  const { code, detail } = problem;
  if (typeof code === "string" && Object.hasOwn(errorCodes, code)) {
    return new TidemarkError(code as ErrorCode, String(detail));
  }
  return new TidemarkError(
    "TIDEMARK_CLIENT_ANSWER",
    `status ${response.statusCode} ${String(code ?? "")}: ${String(detail ?? response.statusMessage)}`,
  );
}
