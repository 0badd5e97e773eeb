import { changeAttributes, changedTable } from "../views/change.ts";
import type { Decoder, Envelope } from "../views/decoder.ts";
import type { RecordEnvelope } from "../views/record-envelope.ts";
import { type Completion, missingAttributes } from "./completion.ts";

/**
 * The envelope of a change that was sent as Debezium writes it, with none of ours around: of the type that the request names,
 * or else of its table's. Undefined for what is no bare change.
 */
export function bareChange(
  value: Envelope,
  completion: Completion,
  decoder: Pick<Decoder, "changesOf">,
): RecordEnvelope | undefined {
  if (completion.kind !== "plain" || isEnvelope(value)) return undefined;
  const type = completion.type ?? changedTable(value);
  if (type === undefined) return undefined;
  const changes = decoder.changesOf(type);
  // What is no change is refused by its type; what is one, of a table that is not declared, by the name of that.
  if (changes === undefined && completion.type !== undefined) return undefined;
  const said = { type, ...(changes === undefined ? {} : changeAttributes(changes, value)) };
  const added = { ...said, ...missingAttributes(said, completion) };
  return { envelope: { ...added, data: value }, isData: true, added };
}

/** Of Debezium's no member is so named but `source`, which is an object there. */
function isEnvelope({ specversion, type, data }: Envelope): boolean {
  return specversion !== undefined || type !== undefined || data !== undefined;
}
