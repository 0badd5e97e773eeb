import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { Client } from "../../cli/client.ts";
import { dataFolder } from "../../cli/data-folder.ts";
import { LmdbDeadLetters } from "../../infra/dead-letters/lmdb-dead-letters.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { UpProcess } from "../fault/up-process.ts";

const app = fileURLToPath(new URL("./forgetful-app.ts", import.meta.url));
export const key = "browser-0123456789abcdef";

/** What Chromium asks the network for of its own accord is turned off. */
const browserArguments = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A real `tidemark up` behind a key, with flights to send, and a real browser that looks at it. */
export class ConsoleStage {
  readonly url: string;
  /** What browsers complained of since this was emptied. */
  readonly complaints: string[] = [];
  readonly #client: Client;
  readonly #browser: Browser;
  readonly #lines: readonly string[];
  readonly #lifecycle: Lifecycle;
  #sent = 0;

  private constructor(up: UpProcess, browser: Browser, lines: readonly string[], lifecycle: Lifecycle) {
    this.url = up.url;
    this.#client = new Client(up.url, undefined, key);
    this.#browser = browser;
    this.#lines = lines;
    this.#lifecycle = lifecycle;
  }

  static async open(executablePath: string): Promise<ConsoleStage> {
    const lifecycle = new Lifecycle();
    const data = await mkdtemp(join(tmpdir(), "tidemark-console-"));
    lifecycle.defer(() => rm(data, { recursive: true, force: true }));
    const [first = "", ...lines] = await flightLines(40_000);
    await keepLetter(dataFolder(data).deadLetters, first);
    const up = await UpProcess.start(["--app", app, "--data", data, "--port", "0", "--schedule", "none"], {
      TIDEMARK_API_KEYS: `browser:ingest+query+operate:${key}`,
    });
    lifecycle.defer(() => up.kill());
    const browser = await chromium.launch({ executablePath, args: browserArguments });
    lifecycle.defer(() => browser.close());
    return new ConsoleStage(up, browser, lines, lifecycle);
  }

  /** A page of its own, with the key unless told otherwise. */
  async page(options: BrowserContextOptions = {}, hasKey = true): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1600, height: 1000 }, ...options });
    if (hasKey) await context.addInitScript((secret) => sessionStorage.setItem("tidemark.key", secret), key);
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    await page.goto(this.url);
    return page;
  }

  async get<T>(path: string): Promise<T> {
    const answer = await fetch(this.url + path, { headers: { authorization: `Bearer ${key}` } });
    return (await answer.json()) as T;
  }

  /** Sends flights; the position behind them once they are acknowledged. */
  async send(count: number): Promise<string> {
    const lines = this.#lines.slice(this.#sent, this.#sent + count);
    this.#sent += lines.length;
    const { position } = await this.#client.ingest({
      body: [Buffer.from(`${lines.join("\n")}\n`)],
      contentType: "application/x-ndjson",
    });
    return position;
  }

  /** Waits until answers contain what came before a position. */
  async answered(view: string, after: string): Promise<void> {
    await this.#client.rows(view, { after, timeout: "30s", limit: "1" });
  }

  /** Sends some flights after others, at about a thousand a second, for as long as it takes. */
  async sendDuring<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      await this.send(100);
      await Promise.race([done, pause(100)]);
    }
    return done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lifecycle[Symbol.asyncDispose]();
  }
}

/** A flight that was refused by a version of the app that did not know of flights yet. */
async function keepLetter(path: string, line: string): Promise<void> {
  await using letters = await LmdbDeadLetters.open({ path });
  const raw = Buffer.from(line);
  await letters.put([
    {
      receivedAt: "2001-01-01T12:00:00.000Z",
      code: "TIDEMARK_EVENT_TYPE_UNKNOWN",
      message: "event type is unknown",
      raw,
      bytes: raw.length,
      topic: null,
      record: null,
    },
  ]);
}
