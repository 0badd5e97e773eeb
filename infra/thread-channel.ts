import type { MessagePort, Worker } from "node:worker_threads";
import type { Channel } from "./peer.ts";

/** The channel to a thread that this one started, or to the one that started this. It closes when the other ends. */
export function channelToThread(thread: Worker | MessagePort): Channel {
  return {
    send: (message, moved = []) => thread.postMessage(message, moved),
    onMessage: (listener) => thread.on("message", listener),
    onClose: (listener) => thread.on("terminate" in thread ? "exit" : "close", listener),
  };
}
