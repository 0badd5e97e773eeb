import { errorCodes } from "kafkajs/src/protocol/error.js";
import { TidemarkError } from "../../views/errors.ts";

export const outOfRange = 1;
export const unknownTopic = 3;
export const noLeader = 5;

/** An error code of Kafka's protocol. */
export class KafkaError extends Error {
  override readonly name = "KafkaError";
  readonly type: string;
  readonly canRetry: boolean;

  constructor(code: number) {
    const known = errorCodes.find((each) => each.code === code);
    super(`${known?.type ?? `error ${code}`}: ${known?.message ?? "unknown to this client"}`);
    this.type = known?.type ?? String(code);
    // kafkajs does not know the codes beyond 88, and takes a broker's own trouble (-1) for final.
    this.canRetry = code === -1 || known === undefined || known.retriable;
  }
}

/** A connection is gone, and with it the answers that were waited for. */
export class ConnectionClosed extends Error {
  override readonly name = "ConnectionClosed";
}

/** Throws what the code says, if it is not 0. */
export function requireSuccess(code: number): void {
  if (code !== 0) throw new KafkaError(code);
}

/** Whether the same request, after a pause, at the leader of then, may succeed. */
export function isPassing(error: unknown): boolean {
  if (error instanceof TidemarkError || error instanceof KafkaError) return error.canRetry;
  if (error instanceof ConnectionClosed) return true;
  const { name = "", retriable } = error as { readonly name?: string; readonly retriable?: boolean };
  return name.startsWith("KafkaJS") && retriable !== false;
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
