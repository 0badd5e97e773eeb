import { flight } from "../examples/flights/app.ts";
import { defineApp } from "../views/index.ts";

/** Flights are taken in and kept, and nothing is computed from them: what the gateway and the log cost by themselves. */
export default defineApp({ name: "gateway-only", views: [], events: [flight], batch: { schedule: null } });
