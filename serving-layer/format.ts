/** How rows are sent. In `csv` a text that a spreadsheet would compute is kept from it; in `csv-plain` texts are as they are. */
export const formats = ["json", "ndjson", "csv", "csv-plain"] as const;
export type Format = (typeof formats)[number];

export function isCsv(format: Format): boolean {
  return format === "csv" || format === "csv-plain";
}
