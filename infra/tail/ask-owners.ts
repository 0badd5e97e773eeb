import type { Offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { Lifecycle } from "../lifecycle.ts";
import type { Log, LogRecord, Topic } from "../log/log.ts";
import { type TailRecord, tailAppend, tailTopic } from "./tail-record.ts";

export interface Asking<Answer> {
  /** Has the tail topics. */
  readonly log: Log;
  /** Of the events. */
  readonly topics: readonly Topic[];
  readonly request: TailRecord;
  /**
   * Hears a partition's tail topic from its beginning on, record by record, until it gives the answer. Called again where
   * what was being read was trimmed: all that matters is then told again.
   */
  readonly listen: (topic: string, partition: number) => (record: LogRecord) => Answer | undefined;
  readonly signal: AbortSignal;
}

export interface Answered<Answer> {
  readonly topic: string;
  readonly partition: number;
  readonly answer: Answer;
}

/**
 * Asks whoever owns the partitions, through the tail topics, and reads there what they answer. Where the signal aborts
 * before all have, rejects with TIDEMARK_NOT_READY, which says who has not.
 */
export async function askOwners<Answer>(asking: Asking<Answer>): Promise<readonly Answered<Answer>[]> {
  const { log, topics, request, signal } = asking;
  const lifecycle = new Lifecycle();
  const silent = new Set<string>();
  const places = topics.flatMap(({ name, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
  );
  const abort = new Promise<never>((_resolve, reject) => {
    const stop = () => {
      const message = `nobody who folds ${[...silent].join(", ")} has answered`;
      reject(new TidemarkError("TIDEMARK_NOT_READY", message, { cause: signal.reason }));
    };
    signal.addEventListener("abort", stop, { once: true });
    lifecycle.defer(() => signal.removeEventListener("abort", stop));
  });
  abort.catch(() => {});
  try {
    const starts = new Map<string, readonly Offset[]>();
    for (const { name } of topics) starts.set(name, await log.starts(tailTopic(name)));
    const answers = places.map(async ({ topic, partition }): Promise<Answered<Answer>> => {
      const from = starts.get(topic)?.[partition] ?? (0 as Offset);
      silent.add(`${topic}/${partition}`);
      const answer = await heard(asking, topic, partition, from, lifecycle);
      silent.delete(`${topic}/${partition}`);
      return { topic, partition, answer };
    });
    for (const each of answers) each.catch(() => {});
    await log.append(places.map(({ topic, partition }) => tailAppend(topic, partition, request)));
    return await Promise.race([abort, Promise.all(answers)]);
  } finally {
    await lifecycle[Symbol.asyncDispose]();
  }
}

async function heard<Answer>(
  asking: Asking<Answer>,
  topic: string,
  partition: number,
  from: Offset,
  lifecycle: Lifecycle,
): Promise<Answer> {
  const { log, listen } = asking;
  let next = from;
  let hear = listen(topic, partition);
  let isAnswered = false;
  let answer: (given: Answer) => void = () => {};
  const answered = new Promise<Answer>((resolve) => {
    answer = resolve;
  });
  for (;;) {
    const consumer = lifecycle.use(
      log.consume({
        topic: tailTopic(topic),
        partitions: [partition],
        position: () => next,
        handle: (batch) => {
          for (const record of batch.records) {
            if (isAnswered) break;
            const given = hear(record);
            if (given === undefined) continue;
            isAnswered = true;
            answer(given);
          }
          next = batch.next;
        },
      }),
    );
    try {
      return await Promise.race([answered, consumer.done.then(() => answered)]);
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== "TIDEMARK_STORE_OUT_OF_RANGE") throw error;
      const start = (await log.starts(tailTopic(topic)))[partition] ?? next;
      if (next >= start) throw error;
      next = start;
      hear = listen(topic, partition);
    }
  }
}
