import { Peer } from "../../infra/peer.ts";
import { channelToParent } from "../../infra/process-channel.ts";
import { TidemarkError } from "../../views/errors.ts";

const peer: Peer = new Peer(channelToParent(), {
  async count(payload, report) {
    for (let i = 1; i <= (payload as number); i++) report(i);
    return `counted ${payload}`;
  },
  "ask-back": (payload) => peer.call("double", payload),
  async fail() {
    throw new TidemarkError("TIDEMARK_RUN_BUSY", "busy");
  },
  "until-aborted": (_payload, report, signal) =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve("aborted"));
      report("started");
    }),
});
