/** Something that was sent and not accepted, with why. */
export interface DeadLetter {
  /** Rises by one per letter. */
  readonly id: number;
  /** RFC 3339. */
  readonly receivedAt: string;
  readonly code: string;
  readonly message: string;
  /** What was sent, whole up to the store's bound. */
  readonly raw: Uint8Array;
  /** Its length before it was cut to the bound. */
  readonly bytes: number;
}

/** Where rejected events are kept: nothing is dropped in silence. */
export interface DeadLetters extends AsyncDisposable {
  /** Resolves once durable. Raw bytes beyond 64 KiB each are cut off. */
  put(letters: readonly Omit<DeadLetter, "id">[]): Promise<void>;
  /** Newest first; `before` is an id. */
  list(query: { readonly before?: number; readonly limit: number }): Promise<readonly DeadLetter[]>;
  count(): Promise<number>;
}
