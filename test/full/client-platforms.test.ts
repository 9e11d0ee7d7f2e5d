import t, { type Test } from 'tap'
import { bundleSuites } from '../client-platforms/bundle'
import { Host } from '../client-platforms/host'
import { runTests, type Report } from '../client-platforms/runner'
import { LIMIT, runInRuntime } from '../client-platforms/runtime'
import { findChromium, launchChromium } from '../helpers/chromium'
import { findFirefox, Firefox } from '../helpers/firefox'
import { inTime } from '../helpers/recorder'

/*
 * The contract of channels, for the built client in a page and in Node. `.ci/other-nodes` and `.ci/other-runtimes` run it in other
 * versions of Node, in Deno and in Bun.
 */

const chromium = findChromium()
const firefox = findFirefox()

/** Opens `url` in a browser, which stays open until the end of `t`. */
type Visit = (t: Test, url: string) => Promise<void>

async function visitInChromium (t: Test, url: string): Promise<void> {
  const browser = await launchChromium(chromium!)
  t.teardown(() => browser.close())
  await (await browser.newPage()).goto(url)
}

async function visitInFirefox (t: Test, url: string): Promise<void> {
  const browser = await Firefox.launch(t, firefox!)
  await browser.goto(url)
}

async function runInPage (t: Test, visit: Visit): Promise<Report> {
  const host = await Host.start(await bundleSuites())
  t.teardown(() => host.close())
  await visit(t, host.url)
  return await inTime(host.report, () => 'the page has not reported', LIMIT)
}

const PLATFORMS: { name: string, skip: string | false, run: (t: Test) => Promise<Report> }[] = [
  { name: 'a page in Chromium', skip: chromium === undefined && 'there is no Chromium', run: (t) => runInPage(t, visitInChromium) },
  { name: 'a page in Firefox', skip: firefox === undefined && 'there is no Firefox', run: (t) => runInPage(t, visitInFirefox) },
  { name: `Node ${process.versions.node}`, skip: false, run: () => runInRuntime([process.execPath, ...'WebSocket' in globalThis ? [] : ['--experimental-websocket']]) }
]

for (const { name, skip, run } of PLATFORMS) {
  t.test(`the contract of channels in ${name}`, { skip }, async (t) => {
    const { passed, failures, exceptions } = await run(t)
    t.comment(`${name}: ${passed} assertions passed; exceptions: ${exceptions.join(', ') || 'none'}`)
    t.ok(passed > 0)
    t.same(failures, [])
  })
}

t.test('a run reports every assertion that fails', async (t) => {
  const { passed, failures } = await runTests((t) => {
    t.test('one', async (t) => {
      t.ok(1)
      t.ok(0, 'zero')
      t.equal({}, {})
      t.same([{ a: [1] }], [{ a: [1] }])
      t.same([{ a: [1] }], [{ a: [2] }])
      t.same({ a: 1, b: undefined }, { a: 1 })
      t.match({ a: 1, b: 2 }, { a: 1 })
      t.match({ a: 1 }, { a: 2 })
      t.match({ a: 'text' }, { a: /ex/ })
    })
    t.test('two', async (t) => {
      await t.rejects(Promise.reject(new Error('no')), { name: 'Error', message: 'no' })
      await t.rejects(Promise.reject(new Error('no')), { name: 'TypeError' })
      await t.rejects(async () => {}, { name: 'Error' }, 'three')
      t.fail('four')
      throw new Error('five')
    })
  })
  t.equal(passed, 5)
  t.strictSame(failures, [
    'one: zero: 0 is not truthy',
    'one: : {} is not {}',
    'one: : [{"a":[1]}] is not the same as [{"a":[2]}]',
    'one: : {"a":1} is not the same as {"a":1}',
    'one: : {"a":1} does not match {"a":2}',
    'two: : Error: no {} does not match {"name":"TypeError"}',
    'two: three: does not reject',
    'two: four',
    'two: ends with Error: five {}'
  ])
})

t.test('a run counts the tests that have to fail, and reports those that pass', async (t) => {
  const { passed, failures, exceptions } = await runTests((t) => {
    t.test('fails', async (t) => { t.fail('no') })
    t.test('passes', async (t) => { t.ok(true) })
    t.test('counts', async (t) => { t.ok(true) })
  }, ['fails', 'passes'])
  t.equal(passed, 1)
  t.strictSame(failures, ['passes: passes, although it is an exception'])
  t.strictSame(exceptions, ['fails'])
})
