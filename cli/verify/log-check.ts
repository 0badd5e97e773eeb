import type { Log, LogRecord } from "../../infra/log/log.ts";
import { RecordReader } from "../../infra/log/record-reader.ts";
import type { App } from "../../views/app.ts";
import type { Cut } from "../../views/cut.ts";
import type { Event } from "../../views/event.ts";
import { partitionOf } from "../../views/partition.ts";
import type { Check } from "./check.ts";

/**
 * Offsets without a gap but for records whose key was destroyed, each record an event of its topic, in the partition of its
 * key. Of a log that is open to all none of that is promised: it can be read up to its end, and what is no event is counted.
 */
export async function checkLog(
  check: Check,
  app: App,
  log: Log,
  end: Cut,
  isOpenToAll: boolean,
): Promise<void> {
  let records = 0;
  let strangers = 0;
  let forgotten = 0;
  for (const type of app.events) {
    const starts = await log.starts(type.name);
    for (const [partition, next] of (end[type.name] ?? []).entries()) {
      const reader = new RecordReader(type, partition);
      let at = starts[partition] ?? next;
      for await (const batch of log.read(type.name, partition, at, next)) {
        const gone = new Set(batch.forgotten);
        forgotten += gone.size;
        const passForgotten = () => {
          while (gone.has(at)) at = (at + 1) as typeof at;
        };
        for (const record of batch.records) {
          passForgotten();
          const where = `${type.name}/${partition} at ${record.offset}`;
          if (record.offset < at) check.problem(`${where}: comes after offset ${at - 1}`);
          if (record.offset > at && !isOpenToAll) check.problem(`${where}: offset ${at} is missing`);
          at = (record.offset + 1) as typeof at;
          records++;
          if (reader.saysNothing(record)) continue;
          const event = eventOf(reader, record);
          if (typeof event === "string") {
            strangers++;
            if (!isOpenToAll) check.problem(`${where}: ${event}`);
          } else if (!isOpenToAll && partitionOf(event.key, type.partitions) !== partition) {
            check.problem(
              `${where}: key "${event.key}" belongs to partition ${partitionOf(event.key, type.partitions)}`,
            );
          }
        }
        passForgotten();
        if (isOpenToAll) at = batch.next;
      }
      if (at !== next) check.problem(`${type.name}/${partition}: ends at ${at}, not at ${next}`);
    }
  }
  const noEvents = strangers === 0 ? "" : `, ${strangers.toLocaleString("en")} of them no events`;
  const unread = forgotten === 0 ? "" : `; ${forgotten.toLocaleString("en")} more are forgotten`;
  check.covered = `${records.toLocaleString("en")} records${noEvents}${unread}`;
}

/** The event, or why there is none. */
function eventOf(reader: RecordReader, record: LogRecord): Event | string {
  try {
    return reader.event(record);
  } catch (error) {
    return (error as Error).message;
  }
}
