import { type Offset, offset } from "../../views/cut.ts";
import type { Erased, MasterFile } from "./master.ts";

/** What stands beside the files of records: values of younger fields, and checksums. */
export type FileKind = "records" | "early" | "checksum";

/** What the name of each file says of the file of records that it is, or belongs to. */
export type FileRange = Pick<MasterFile, "from" | "next" | "erased">;

export interface FileName extends FileRange {
  readonly kind: FileKind;
  /** SHA-256 in hexadecimal; of a checksum alone. */
  readonly sha256?: string;
}

const pattern =
  /^(\d{16})-(\d{16})(?:\.erased-(\d+)-(\d+))?\.(?:(parquet)|early-\d+\.parquet|([0-9a-f]{64})\.sha256)$/;

/** Undefined for what is no file of the master dataset. */
export function parseFileName(name: string): FileName | undefined {
  const match = pattern.exec(name);
  if (match === null) return undefined;
  const [, from, next, times, erased, records, sha256] = match;
  const range = {
    from: offset(Number(from)),
    next: offset(Number(next)),
    ...(times !== undefined && { erased: { times: Number(times), records: Number(erased) } }),
  };
  if (sha256 !== undefined) return { kind: "checksum", ...range, sha256 };
  return { kind: records === undefined ? "early" : "records", ...range };
}

/** `<from>-<next>.parquet`, offsets of 16 digits; with `.erased-<times>-<records>` before the ending where anything was erased. */
export function recordsFileName(from: Offset, next: Offset, erased: Erased = nothingErased): string {
  const digits = (value: Offset) => String(value).padStart(16, "0");
  const mark = erased.times === 0 ? "" : `.erased-${erased.times}-${erased.records}`;
  return `${digits(from)}-${digits(next)}${mark}.parquet`;
}

export const nothingErased: Erased = { times: 0, records: 0 };

/** Whether the names are of one file of records, or of what stands beside it. */
export function isSameRange(a: FileRange, b: FileRange): boolean {
  const [before, after] = [a.erased ?? nothingErased, b.erased ?? nothingErased];
  return (
    a.from === b.from && a.next === b.next && before.times === after.times && before.records === after.records
  );
}

/** Beside a file of records: values of the fields that the schema of this number brought, from 2 on. */
export function earlyPath(recordsPath: string, schema: number): string {
  return recordsPath.replace(/\.parquet$/, `.early-${schema}.parquet`);
}

/** Beside a file of records. */
export function checksumPath(recordsPath: string, sha256: string): string {
  return recordsPath.replace(/\.parquet$/, `.${sha256}.sha256`);
}
