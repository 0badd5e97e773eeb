import type { ChildProcess } from "node:child_process";
import { TidemarkError } from "../views/errors.ts";
import type { Channel } from "./peer.ts";

/** The channel to a child that was started by `fork`. It closes when the child ends. */
export function channelToChild(child: ChildProcess): Channel {
  return {
    send: (message) => {
      if (child.connected) child.send(message as object, () => undefined);
    },
    onMessage: (listener) => child.on("message", listener),
    onClose: (listener) => child.on("exit", listener),
  };
}

/** The channel of a forked process to the one that started it. It closes when the parent ends. */
export function channelToParent(): Channel {
  if (process.send === undefined) {
    throw new TidemarkError("TIDEMARK_CONFIG", "this program is started by `tidemark up`, not by hand");
  }
  return {
    send: (message) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
    },
    onMessage: (listener) => process.on("message", listener),
    onClose: (listener) => process.on("disconnect", listener),
  };
}
