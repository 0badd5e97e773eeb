import { types } from "pg";

/**
 * Types by their OIDs, which are the same everywhere
 * (https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat).
 */
const oids = { bytea: 17, int8: 20, json: 114, date: 1082, timestamp: 1114, timestamptz: 1184, jsonb: 3802 };

const dayMs = 86_400_000;

/** From texts of a session whose DateStyle is ISO and whose TimeZone is UTC to JSON as Debezium writes it. */
const readers: Readonly<Record<keyof typeof oids, (text: string) => string | number>> = {
  bytea: (text) => Buffer.from(text.slice(2), "hex").toString("base64"),
  int8: Number,
  json: (text) => text,
  date: (text) => Date.parse(`${text}T00:00:00Z`) / dayMs,
  timestamp: (text) => {
    const [whole = "", digits = ""] = text.split(".");
    return Date.parse(`${whole.replace(" ", "T")}Z`) * 1000 + Number(digits.padEnd(6, "0"));
  },
  timestamptz: (text) => text.replace(" ", "T").replace(/\+00$/, "Z"),
  jsonb: (text) => text,
};

/** Has the client read columns so, whether a statement or the replication gives them. */
export function readColumnsAsDebeziumDoes(): void {
  for (const [name, read] of Object.entries(readers)) {
    types.setTypeParser(oids[name as keyof typeof oids], read);
  }
}

/** Of every session: the texts that are read have one form. */
export const sessionOptions = "-c TimeZone=UTC -c DateStyle=ISO";
