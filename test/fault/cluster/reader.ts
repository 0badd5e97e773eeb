import type { Answer } from "../client.ts";
import type { ClusterPlatform } from "./cluster-platform.ts";

const pauseMs = 20;

/**
 * A client that asks the serving nodes in turn, each time with `after=` the position of its last answer: it must never see
 * time run backwards. A node that can't answer, or not in time, is passed over.
 */
export class Reader {
  /** How many answers it had, and from how many nodes after another one. */
  answers = 0;
  changes = 0;
  readonly #platform: ClusterPlatform;
  #isReading = true;
  readonly #reading: Promise<void>;

  constructor(platform: ClusterPlatform) {
    this.#platform = platform;
    this.#reading = this.#read();
    this.#reading.catch(() => {});
  }

  /** Throws if time ran backwards. */
  async end(): Promise<void> {
    this.#isReading = false;
    await this.#reading;
  }

  async #read(): Promise<void> {
    let [flights, position, url] = [0, "", ""];
    for (let turn = 0; this.#isReading; turn++) {
      const nodes = this.#platform.serving;
      const node = nodes[turn % nodes.length];
      const after: Readonly<Record<string, string>> = position === "" ? {} : { after: position };
      const query = { groupBy: "", measures: "flights", timeout: "500ms", ...after };
      const answer = await node?.rows("totals-by-hour", query).catch(() => undefined);
      if (node !== undefined && answer !== undefined) {
        const now = Number(answer.rows[0]?.flights ?? 0);
        if (now < flights) {
          throw new Error(
            `${flights} flights at ${position} from ${url}, and after that ${now} from ${node.url}: ${provenance(answer)}`,
          );
        }
        this.answers++;
        if (url !== "" && url !== node.url) this.changes++;
        ({ position } = answer.provenance);
        [flights, url] = [now, node.url];
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

function provenance({ provenance: of }: Answer): string {
  return JSON.stringify(of);
}
