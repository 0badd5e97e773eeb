import { freshVisits } from "./visits.ts";

/** The visits of a name that is said from outside, for a node that is a process of its own. */
export default freshVisits({ id: process.env.TEST_APP ?? "unnamed", publish: true }).app;
