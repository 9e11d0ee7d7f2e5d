/** The least cost of a message, in bytes: the objects of a message take memory even if its payload is empty. */
export const MIN_COST = 128
