import type { Lifecycle } from "../../infra/lifecycle.ts";
import { freePort, TidemarkProcess } from "./tidemark-process.ts";

/** What a demo speaks to. */
export interface Platform {
  /** Takes events. */
  readonly gateway: string;
  /** Answer queries: each of them the same. */
  readonly serving: readonly [string, ...string[]];
  /** What runs, a line each. */
  readonly about: readonly string[];
  /** Rejects when a process ends that should not. */
  readonly failed: Promise<never>;
}

export interface PlatformOptions {
  readonly app: string;
  readonly data: string;
  /** Of what answers queries. */
  readonly port: number | undefined;
}

/** Everything in one `tidemark up`. */
export async function embeddedPlatform(
  { app, data, port }: PlatformOptions,
  lifecycle: Lifecycle,
): Promise<Platform> {
  const server = lifecycle.use(await TidemarkProcess.start(app, data, port ?? (await freePort())));
  const { url, failed } = server;
  return { gateway: url, serving: [url], about: [`server   ${url}`], failed };
}
