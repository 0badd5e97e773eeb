/** Resources register their end where they are opened; ends run in reverse, each one even if another fails. */
export class Lifecycle implements AsyncDisposable {
  readonly #ends: (() => Promise<void> | void)[] = [];

  use<R extends AsyncDisposable | Disposable>(resource: R): R {
    this.defer(async () => {
      if (Symbol.asyncDispose in resource) await resource[Symbol.asyncDispose]();
      else resource[Symbol.dispose]();
    });
    return resource;
  }

  defer(end: () => Promise<void> | void): void {
    this.#ends.push(end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
      try {
        await end();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "closing failed");
  }
}
