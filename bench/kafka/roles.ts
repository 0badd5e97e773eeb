import { basename, join } from "node:path";
import type { Role } from "../../cli/cluster/role-names.ts";
import { deploy, type KafkaEnvironment } from "../../examples/demo/kafka-services.ts";
import { freePort, TidemarkProcess } from "../../examples/demo/tidemark-process.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";

/** Roles of apps in processes of their own, on one Kafka and Redis. They end with the lifecycle, if not before. */
export class Roles {
  /** Rejects when one ends that should not. */
  readonly failed: Promise<never>;
  readonly #folder: string;
  readonly #environment: KafkaEnvironment;
  readonly #lifecycle: Lifecycle;
  #fail: (error: unknown) => void = () => {};

  constructor(folder: string, environment: KafkaEnvironment, lifecycle: Lifecycle) {
    this.#lifecycle = lifecycle;
    this.#folder = folder;
    this.#environment = environment;
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
  }

  /** Makes the topics of the app at this path. */
  async deploy(app: string): Promise<void> {
    await deploy(app, this.#data(app), this.#environment);
  }

  /** Resolves when it is ready. */
  async start(app: string, role: Role): Promise<TidemarkProcess> {
    const environment = this.#environment;
    const started = await TidemarkProcess.start(app, this.#data(app), await freePort(), {
      role,
      environment,
    });
    started.failed.catch(this.#fail);
    return this.#lifecycle.use(started);
  }

  #data(app: string): string {
    return join(this.#folder, basename(app, ".ts"));
  }
}
