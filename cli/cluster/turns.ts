/** Starts something whenever it is this process's turn, and ends it when the turn is over, one after the other. */
export class Turns implements AsyncDisposable {
  readonly #start: () => Promise<AsyncDisposable>;
  readonly #fail: (error: unknown) => void;
  #isOurs = false;
  #running: AsyncDisposable | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(start: () => Promise<AsyncDisposable>, fail: (error: unknown) => void) {
    this.#start = start;
    this.#fail = fail;
  }

  set(isOurs: boolean): void {
    this.#isOurs = isOurs;
    this.#last = this.#last.then(() => this.#follow()).catch(this.#fail);
  }

  async #follow(): Promise<void> {
    if (this.#isOurs === (this.#running !== undefined)) return;
    if (this.#isOurs) {
      this.#running = await this.#start();
      return;
    }
    const running = this.#running;
    this.#running = undefined;
    await running?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.set(false);
    await this.#last;
  }
}
