/**
 * The clock and the timers of Node, as they are when this module is loaded. The fake ones that a test puts in their place
 * stand still until it moves them: that suits the delays that users set, but not what brings bytes from one end to the other,
 * nor what finds out whether the other end is still there.
 */
export const { setImmediate: nextTurn, setTimeout: startTimer, clearTimeout: stopTimer } = globalThis

/** Milliseconds since some moment. */
export const now: () => number = performance.now.bind(performance)
