/* What platforms do otherwise than the contract says, where the client cannot hide it. docs/client.md tells users. */

interface Exception {
  /** The name of the test that fails. */
  test: string
  /** Matches `navigator.userAgent` of the platforms on which the test fails. */
  platforms: RegExp
}

const EXCEPTIONS: Exception[] = [
  // Firefox drops such a connection when the server answers the handshake.
  { test: 'the connection of a handshake that connect gives up is dropped at once', platforms: /Firefox/ },
  // Deno tells of a close frame when it has written its answer. A server that does not read holds that up.
  { test: 'in order: a pending send resolves when the connection ends while messages wait', platforms: /Deno/ }
]

/** The names of the tests that fail on the platform of `userAgent`. */
export function exceptionsOf (userAgent: string): string[] {
  return EXCEPTIONS.filter(({ platforms }) => platforms.test(userAgent)).map(({ test }) => test)
}
