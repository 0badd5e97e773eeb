/** The layers, each of which can be a process of its own. */
export const roleNames = ["ingestion", "speed", "batch", "serving"] as const;

export type Role = (typeof roleNames)[number];
