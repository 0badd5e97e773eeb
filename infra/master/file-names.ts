import { type Offset, offset } from "../../views/cut.ts";

/** What stands beside the files of records: values of younger fields, and checksums. */
export type FileKind = "records" | "early" | "checksum";

export interface FileName {
  readonly kind: FileKind;
  readonly from: Offset;
  readonly next: Offset;
  /** SHA-256 in hexadecimal; of a checksum alone. */
  readonly sha256?: string;
}

const pattern = /^(\d{16})-(\d{16})\.(?:(parquet)|early-\d+\.parquet|([0-9a-f]{64})\.sha256)$/;

/** Undefined for what is no file of the master dataset. */
export function parseFileName(name: string): FileName | undefined {
  const match = pattern.exec(name);
  if (match === null) return undefined;
  const [, from, next, records, sha256] = match;
  const range = { from: offset(Number(from)), next: offset(Number(next)) };
  if (sha256 !== undefined) return { kind: "checksum", ...range, sha256 };
  return { kind: records === undefined ? "early" : "records", ...range };
}

/** `<from>-<next>.parquet`, offsets of 16 digits. */
export function recordsFileName(from: Offset, next: Offset): string {
  const digits = (value: Offset) => String(value).padStart(16, "0");
  return `${digits(from)}-${digits(next)}.parquet`;
}

/** Beside a file of records: values of the fields that the schema of this number brought, from 2 on. */
export function earlyPath(recordsPath: string, schema: number): string {
  return recordsPath.replace(/\.parquet$/, `.early-${schema}.parquet`);
}

/** Beside a file of records. */
export function checksumPath(recordsPath: string, sha256: string): string {
  return recordsPath.replace(/\.parquet$/, `.${sha256}.sha256`);
}
