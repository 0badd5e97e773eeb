import { basename, join } from "node:path";
import type { Role } from "../../cli/cluster/role-names.ts";
import { deploy, type KafkaEnvironment } from "../../examples/demo/kafka-services.ts";
import { freePort, TidemarkProcess } from "../../examples/demo/tidemark-process.ts";

/** Roles of apps in processes of their own, on one Kafka and Redis. */
export class Roles {
  /** Rejects when one ends that should not. */
  readonly failed: Promise<never>;
  readonly #folder: string;
  readonly #environment: KafkaEnvironment;
  #fail: (error: unknown) => void = () => {};

  constructor(folder: string, environment: KafkaEnvironment) {
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
    return started;
  }

  #data(app: string): string {
    return join(this.#folder, basename(app, ".ts"));
  }
}
