import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { guard, logSafely, readable, type Logging } from '../../lib/base/user-code'
import { Deferred } from '../../lib/base/deferred'
import { unhandledRejections } from '../helpers/unhandled'

const failure = new Error('thrown')

/** A logger, and the lines that it has logged. `fails` returns whether the logger throws for an error. */
function logging (fails: (err: unknown) => boolean = () => false): { logging: Logging, lines: unknown[] } {
  const lines: unknown[] = []
  const log = (level: string) => ({ err }: { err: unknown }, message: string): void => {
    if (fails(err)) throw new Error('from the logger')
    lines.push([level, message, err])
  }
  return { logging: { log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') } as never }, lines }
}

function revoked (): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

t.test('guard reports any thrown value', async (t) => {
  for (const thrown of [failure, undefined, null, 'text']) {
    const reports: unknown[] = []
    guard(() => { throw thrown }, (error) => reports.push(error))
    t.strictSame(reports, [thrown])
  }
})

t.test('guard reports the rejection of a promise', async (t) => {
  const reports: unknown[] = []
  const result = new Deferred<void>()
  guard(() => result.promise, (error) => reports.push(error))
  await setImmediate()
  t.same(reports, [])
  t.same(await unhandledRejections(() => result.reject(failure)), [])
  t.strictSame(reports, [failure])
})

t.test('guard reports nothing without an error, whatever is returned', async (t) => {
  for (const returned of [undefined, null, 5, failure, Promise.resolve(failure), { then () { t.fail('it is called') } }]) {
    guard(() => returned, () => { t.fail('it is called') })
    await setImmediate()
  }
})

t.test('a line is logged at its level, with the thrown value', async (t) => {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    const { logging: logs, lines } = logging()
    logSafely(logs, level, 'a message', failure)
    t.strictSame(lines, [[level, 'a message', failure]])
  }
})

t.test('if the logger cannot log the thrown value, the line has its details', async (t) => {
  const { logging: logs, lines } = logging((err) => typeof err !== 'string')
  logSafely(logs, 'error', 'a message', Object.freeze(failure))
  logSafely(logs, 'error', 'a message', revoked())
  t.match(lines, [['error', 'a message', /^Error: thrown\n {4}at /], ['error', 'a message', '<Revoked Proxy>']])
})

t.test('if the thrown value cannot be shown either, the line says so', async (t) => {
  const { logging: logs, lines } = logging((err) => typeof err !== 'string')
  logSafely(logs, 'error', 'a message', { [Symbol.for('nodejs.util.inspect.custom')] () { throw new Error('from inspect') } })
  t.strictSame(lines, [['error', 'a message', 'a value of type object that cannot be shown']])
})

t.test('a logger that always throws causes no error', async () => {
  const { logging: logs } = logging(() => true)
  logSafely(logs, 'error', 'a message', failure)
  logSafely({ get log (): never { throw new Error('from the logger') } }, 'error', 'a message', failure)
  logSafely(logs, 'error', 'a message', { [Symbol.for('nodejs.util.inspect.custom')] () { throw new Error('from inspect') } })
})

t.test('a readable value stays unchanged', async (t) => {
  for (const thrown of [failure, undefined, null, 'text', 5, Symbol('s'), Object.freeze({ closeCode: 4000 }), new Proxy(failure, {}), Object.create(null)]) {
    t.equal(readable(thrown), thrown)
  }
})

t.test('an unreadable value becomes an error that says so', async (t) => {
  const trap = new Proxy({}, { get () { throw new Error('from the trap') } })
  const getter = (name: string): unknown => Object.defineProperty({}, name, { get () { throw new Error('from the getter') } })
  const uninspectable = Object.assign(getter('message') as object, { [Symbol.for('nodejs.util.inspect.custom')] () { throw new Error('from inspect') } })
  for (const thrown of [trap, revoked(), uninspectable, getter('name'), getter('message'), getter('cause'), getter('closeCode')]) {
    t.match(readable(thrown), { name: 'Error', message: /^what was thrown cannot be read: / })
  }
})
