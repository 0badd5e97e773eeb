/**
 * How each of our LMDB stores is opened for writing. A commit is durable once it resolves and invisible before
 * (`overlappingSync` is on by default: visible, not yet durable). And lmdb does not make a promise per turn of the event
 * loop that nobody can catch (`eventTurnBatching`): with it, a full disk would end the process.
 */
export const durableCommits = { overlappingSync: false, eventTurnBatching: false } as const;
