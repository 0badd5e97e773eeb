import { fileURLToPath } from "node:url";
import { Client } from "./client.ts";
import { UpProcess } from "./up-process.ts";

const flights = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));

/** A running `tidemark up` of the flights app on a folder: all layers at one address. */
export class Platform extends Client {
  readonly #process: UpProcess;

  private constructor(process: UpProcess) {
    super(process.url);
    this.#process = process;
  }

  static async start(data: string, app = flights): Promise<Platform> {
    const args = ["--app", app, "--data", data, "--port", "0", "--schedule", "none"];
    return new Platform(await UpProcess.start(args));
  }

  /** SIGKILL to every process of the tree at once. */
  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** SIGTERM, and the exit code that it ends with. */
  stop(): Promise<number | null> {
    return this.#process.stop();
  }
}
