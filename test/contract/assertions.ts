/*
 * The part of tap's `t` that the contract of channels uses. The contract also runs where tap does not: in pages, and in other
 * runtimes than Node (test/client-platforms/runner.ts).
 */

export interface Tests {
  /** Adds a test. The tests run one after the other. */
  test (name: string, run: (t: Assertions) => Promise<void>): unknown
}

type Message = [] | [string]
type ErrorPattern = { name: string } & Record<string, unknown>

export interface Assertions {
  /** Runs `call` at the end of the test. */
  teardown (call: () => unknown): void
  ok (value: unknown, ...message: Message): unknown
  fail (...message: [string]): unknown
  equal (value: unknown, expected: unknown, ...message: Message): unknown
  /** Plain values, objects and arrays are equal with all that they have. */
  same (value: unknown, expected: unknown, ...message: Message): unknown
  /** `value` has all that `pattern` has. A regular expression stands for the texts that it matches. */
  match (value: unknown, pattern: object, ...message: Message): unknown
  /** `promise` rejects, with an error that matches `pattern`. */
  rejects (promise: Promise<unknown> | (() => Promise<unknown>), ...pattern: [ErrorPattern] | [ErrorPattern, string]): Promise<unknown>
}
