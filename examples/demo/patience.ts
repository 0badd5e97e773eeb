/** The longest that an answer may wait for events that are taken and not folded yet: on a slow machine that takes more than the default. */
export const patience = "30s";
