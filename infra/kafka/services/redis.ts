import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { TidemarkError } from "../../../views/errors.ts";
import { GuardedProcess } from "./guarded-process.ts";
import { freePorts } from "./ports.ts";
import { canInstall, findProgram, install } from "./programs.ts";
import { untilReady } from "./until-ready.ts";

export interface RedisOptions {
  /** Where to listen, if nobody else does; else, and by default, on a port that is free. */
  readonly port?: number;
  /** Kept if it is named, else a temporary one. */
  readonly folder?: string;
  /** By Redis' names; they come before what is set here. */
  readonly config?: Readonly<Record<string, string>>;
  readonly report?: (what: string) => void;
}

/** Starts a Redis on 127.0.0.1 that evicts nothing and writes what it is told to a file before it answers. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisNode> {
  const program = await obtainRedis(options.report);
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "tidemark-redis-")));
  await mkdir(folder, { recursive: true });
  const [port = 0] = await freePorts(1, options.port === undefined ? [] : [options.port]);
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    dir: folder,
    save: "",
    appendonly: "yes",
    "maxmemory-policy": "noeviction",
    ...options.config,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const redis = new RedisNode(port, { program, args, folder, isTemporary: options.folder === undefined });
  try {
    await redis.start();
  } catch (error) {
    await redis[Symbol.asyncDispose]();
    throw error;
  }
  return redis;
}

interface RedisCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly isTemporary: boolean;
}

/** A real Redis; it ends with this process, and its address stays. Disposing of it kills it. */
export class RedisNode implements AsyncDisposable {
  readonly url: string;
  readonly #command: RedisCommand;
  #process: GuardedProcess | undefined;

  constructor(port: number, command: RedisCommand) {
    this.url = `redis://127.0.0.1:${port}`;
    this.#command = command;
  }

  get pid(): number | undefined {
    return this.#process?.hasEnded === false ? this.#process.pid : undefined;
  }

  /** Comes back once it answers PING, its file being read. */
  async start(): Promise<void> {
    if (this.pid !== undefined) return;
    const { program, args, folder } = this.#command;
    const log = join(folder, "redis.log");
    this.#process = await GuardedProcess.start(program, args, log);
    await untilReady("Redis", this.#process, log, () => answersPing(this.url));
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  pause(): void {
    this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#command.isTemporary) await rm(this.#command.folder, { recursive: true, force: true });
  }
}

async function answersPing(url: string): Promise<boolean> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 2_000 });
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    return (await redis.ping()) === "PONG";
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}

/** Throws TIDEMARK_SERVICE_MISSING, which says how it can be had. */
export async function obtainRedis(report: (what: string) => void = () => undefined): Promise<string> {
  const found = await findProgram("redis-server");
  if (found !== undefined) return found;
  if ((await canInstall()) && (await install(["redis-server"], report))) {
    const installed = await findProgram("redis-server");
    if (installed !== undefined) return installed;
  }
  throw new TidemarkError(
    "TIDEMARK_SERVICE_MISSING",
    "there is no redis-server here. Install it (Debian: apt-get install redis-server; macOS: brew install redis), " +
      "or name a running one: REDIS_URL=redis://host:6379",
  );
}
