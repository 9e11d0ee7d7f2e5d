/** Resolves in another task. */
export function afterTurn (): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}

/** Milliseconds since a fixed moment. */
export const now: () => number = () => performance.now()
