import type { TUnsafe } from "typebox";
import { Type as TypeBox } from "./typebox.ts";

/** The mark in a schema that tells a time from other texts. */
export const timeMark = "tidemark";

/** The keyword that names the columns which a row of a table always has, though the change that deletes it does not. */
export const requiredColumns = "requiredColumns";

/** A text that is a time, in the forms that an event's own time can have. */
function Time(): TUnsafe<Date> {
  return TypeBox.Unsafe<Date>({ type: "string", [timeMark]: "time" });
}

/** What schemas are made of: TypeBox's, and `Time`. */
export const Type: typeof TypeBox & { readonly Time: typeof Time } = Object.freeze({ ...TypeBox, Time });
