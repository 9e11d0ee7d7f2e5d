/**
 * The clock and the timers of Node, as they are when this module is loaded. A test may replace the global timers by fake ones,
 * which stand still until the test moves them. Fake timers suit the delays that users set. They suit neither the code that
 * moves bytes nor the code that finds out whether the peer is still there.
 */
export const { setImmediate: nextTurn, setTimeout: startTimer, clearTimeout: stopTimer } = globalThis

/** Resolves in the next turn of the event loop, after what can be read and written on sockets. */
export function afterTurn (): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve))
}

/** Milliseconds since a fixed moment. */
export const now: () => number = performance.now.bind(performance)
