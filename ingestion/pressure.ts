import { TidemarkError } from "../views/errors.ts";
import type { IngestionLimits } from "./limits.ts";

/** What the disk of the log has left. */
export interface Disk {
  freeBytes(): number;
}

/** What all requests together hold, and whether more can be taken. */
export class Pressure {
  readonly #limits: IngestionLimits;
  readonly #disk: Disk | undefined;
  readonly #clock: () => number;
  #pendingBytes = 0;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #freeBytes = Number.POSITIVE_INFINITY;

  constructor(limits: IngestionLimits, disk: Disk | undefined, clock: () => number) {
    this.#limits = limits;
    this.#disk = disk;
    this.#clock = clock;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  hold(bytes: number): void {
    this.#pendingBytes += bytes;
  }

  release(bytes: number): void {
    this.#pendingBytes -= bytes;
  }

  /** Throws TIDEMARK_INGEST_BUSY. */
  requireRoom(): void {
    if (this.#pendingBytes <= this.#limits.pendingBytes) return;
    throw new TidemarkError(
      "TIDEMARK_INGEST_BUSY",
      `${this.#pendingBytes} bytes wait for the log, more than the ${this.#limits.pendingBytes} this gateway holds: send again a little later`,
    );
  }

  /** Throws TIDEMARK_INGEST_DISK. Asks the disk once a second at most. */
  requireDisk(): void {
    if (this.#disk === undefined) return;
    const now = this.#clock();
    if (!(Math.abs(now - this.#checkedAt) < 1000)) {
      this.#checkedAt = now;
      this.#freeBytes = this.#disk.freeBytes();
    }
    if (this.#freeBytes >= this.#limits.freeBytes) return;
    throw new TidemarkError(
      "TIDEMARK_INGEST_DISK",
      `the disk has ${this.#freeBytes} bytes left and events are taken only while it has ${this.#limits.freeBytes}: make room`,
    );
  }
}
