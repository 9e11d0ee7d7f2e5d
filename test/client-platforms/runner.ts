import type { Assertions, Tests } from '../contract/assertions'

/** What a run has shown. */
export interface Report {
  /** How many assertions have passed. */
  passed: number
  /** What has failed: the name of the test, and what was found. */
  failures: string[]
  /** The tests that had to fail, and have failed. */
  exceptions: string[]
}

/** Milliseconds that a test may take. */
const LIMIT = 30_000

type Run = (t: Assertions) => Promise<void>

/** Runs the tests of `contract` one after the other, on any platform. The tests that are named in `exceptions` have to fail. */
export async function runTests (contract: (t: Tests) => void, exceptions: string[] = []): Promise<Report> {
  const tests: [name: string, run: Run][] = []
  contract({ test: (name, run) => tests.push([name, run]) })
  const report: Report = { passed: 0, failures: [], exceptions: [] }
  for (const [name, run] of tests) await (exceptions.includes(name) ? runException : runTest)(name, run, report)
  return report
}

async function runException (name: string, run: Run, report: Report): Promise<void> {
  const own: Report = { passed: 0, failures: [], exceptions: [] }
  await runTest(name, run, own)
  if (own.failures.length > 0) report.exceptions.push(name)
  else report.failures.push(`${name}: passes, although it is an exception`)
}

async function runTest (name: string, run: Run, report: Report): Promise<void> {
  const t = new Test(name, report)
  let timer
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => reject(new Error(`not within ${LIMIT} ms`)), LIMIT) })
  try {
    await Promise.race([run(t), late])
  } catch (error) {
    t.fail(`ends with ${shown(error)}`)
  } finally {
    clearTimeout(timer)
    await t.end()
  }
}

class Test implements Assertions {
  readonly #name: string
  readonly #report: Report
  readonly #teardowns: (() => unknown)[] = []

  constructor (name: string, report: Report) {
    this.#name = name
    this.#report = report
  }

  teardown (call: () => unknown): void {
    this.#teardowns.push(call)
  }

  async end (): Promise<void> {
    for (const call of this.#teardowns.reverse()) await call()
  }

  ok (value: unknown, message = ''): void {
    this.#assert(Boolean(value), `${message}: ${shown(value)} is not truthy`)
  }

  fail (message: string): void {
    this.#assert(false, message)
  }

  equal (value: unknown, expected: unknown, message = ''): void {
    this.#assert(Object.is(value, expected), `${message}: ${shown(value)} is not ${shown(expected)}`)
  }

  same (value: unknown, expected: unknown, message = ''): void {
    this.#assert(isSame(value, expected), `${message}: ${shown(value)} is not the same as ${shown(expected)}`)
  }

  match (value: unknown, pattern: object, message = ''): void {
    this.#assert(isMatch(value, pattern), `${message}: ${shown(value)} does not match ${shown(pattern)}`)
  }

  async rejects (promise: Promise<unknown> | (() => Promise<unknown>), pattern: object, message = ''): Promise<void> {
    try {
      await (typeof promise === 'function' ? promise() : promise)
    } catch (error) {
      this.match(error, pattern, message)
      return
    }
    this.fail(`${message}: does not reject`)
  }

  #assert (isTrue: boolean, failure: string): void {
    if (isTrue) this.#report.passed++
    else this.#report.failures.push(`${this.#name}: ${failure}`)
  }
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isSame (value: unknown, expected: unknown): boolean {
  if (!isObject(value) || !isObject(expected)) return Object.is(value, expected)
  const keys = Object.keys(expected)
  return Array.isArray(value) === Array.isArray(expected) && keys.length === Object.keys(value).length &&
    keys.every((key) => Object.hasOwn(value, key) && isSame(value[key], expected[key]))
}

function isMatch (value: unknown, pattern: unknown): boolean {
  if (pattern instanceof RegExp) return pattern.test(String(value))
  if (!isObject(pattern)) return Object.is(value, pattern)
  return isObject(value) && Object.keys(pattern).every((key) => isMatch(value[key], pattern[key]))
}

/** Shows `value` in a failure: an error with all that it has. */
function shown (value: unknown): string {
  if (value instanceof RegExp) return String(value)
  const text = value instanceof Error ? `${value.name}: ${value.message} ${JSON.stringify(value)}` : JSON.stringify(value) ?? String(value)
  return text.slice(0, 300)
}
