import { flight } from "../../../examples/flights/app.ts";
import { KafkaLog } from "../../../infra/kafka/kafka-log.ts";
import type { KafkaSettings } from "../../../infra/kafka/settings.ts";
import { Lifecycle } from "../../../infra/lifecycle.ts";
import type { LogBatch } from "../../../infra/log/log.ts";
import { type Offset, offset } from "../../../views/cut.ts";
import { oracleLines } from "../oracle.ts";

/** Reads the flights' topic from its beginning as it grows, and keeps all of it: what Kafka lets go of is still known here. */
export class Witness implements AsyncDisposable {
  readonly #lines: { readonly from: Offset; readonly next: Offset; readonly lines: string }[][];
  readonly #lifecycle = new Lifecycle();
  #heard: () => void = () => {};

  static async begin(settings: KafkaSettings): Promise<Witness> {
    const topics = [{ name: flight.name, partitions: flight.partitions }];
    return new Witness(await KafkaLog.open({ settings, topics }));
  }

  private constructor(log: KafkaLog) {
    this.#lines = Array.from({ length: flight.partitions }, () => []);
    this.#lifecycle.use(log);
    const consumer = log.consume({
      topic: flight.name,
      position: (partition) => this.#next(partition),
      handle: (batch) => this.#keep(batch),
    });
    consumer.done.catch(() => this.#heard());
  }

  /** The records before these offsets, once it has them. */
  async *before(nexts: readonly number[]): AsyncGenerator<string> {
    while (nexts.some((next, partition) => this.#next(partition) < next)) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
    for (const [partition, next] of nexts.entries()) {
      for (const kept of this.#lines[partition] ?? []) {
        if (kept.next <= next) yield kept.lines;
        else if (kept.from < next) yield linesBefore(kept.lines, next);
      }
    }
  }

  #keep(batch: LogBatch): void {
    const { partition, from, next } = batch;
    this.#lines[partition]?.push({ from, next, lines: oracleLines(batch) });
    this.#heard();
  }

  #next(partition: number): Offset {
    return this.#lines[partition]?.at(-1)?.next ?? offset(0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lifecycle[Symbol.asyncDispose]();
  }
}

function linesBefore(lines: string, next: number): string {
  const kept = lines
    .split("\n")
    .filter((line) => line !== "" && (JSON.parse(line) as { o: number }).o < next);
  return kept.map((line) => `${line}\n`).join("");
}
