import { createRequire } from "node:module";
import type * as typebox from "typebox";
import type * as compile from "typebox/compile";
import type * as value from "typebox/value";

/**
 * TypeBox is some 700 modules. Required, they load in a third of the time that they take when each is imported by way of
 * the loader that reads our TypeScript: a second less to wait for every command.
 */
const require = createRequire(import.meta.url);

export const Type: typeof typebox.Type = require("typebox").Type;
export const Compile: typeof compile.Compile = require("typebox/compile").Compile;
export const Create: typeof value.Create = require("typebox/value").Create;
