/** What one check found. Problems are for the person who reads them; only the first few are kept, all are counted. */
export class Check {
  readonly name: string;
  readonly problems: string[] = [];
  /** What it looked at, in words: "3,000,000 records". */
  covered = "";
  #count = 0;

  constructor(name: string) {
    this.name = name;
  }

  get problemCount(): number {
    return this.#count;
  }

  problem(text: string): void {
    this.#count++;
    if (this.problems.length < 5) this.problems.push(text);
  }
}
