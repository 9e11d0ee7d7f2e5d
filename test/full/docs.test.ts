import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import { transform } from 'esbuild'
import t from 'tap'
import { closeCodes } from '../../lib/base/close-codes'
import { isSendable } from '../../lib/base/closing'
import * as errors from '../../lib/base/errors'
import { checkPluginOptions, checkRouteOptions, pluginSettings } from '../../lib/plugin/options'
import { blocks, brokenLinks, codeIn, codesIn, DocsProgram, isOfPage, isProgram, pages, readPage, readTable, root, type Block } from '../helpers/docs'
import { runBlock } from '../helpers/run-block'

const where = ({ page, line }: Block): string => `${page}:${line}`

/** The languages of programs, of output, and of configurations, which `proxies.test.ts` runs. */
const LANGUAGES = ['ts', 'js', 'html', 'jsx', 'vue', 'json', 'yaml', 'console', 'text', 'nginx', 'haproxy', 'apache', 'caddyfile', 'lighttpd', 'vcl', 'nghttpx']

t.test('every block of code has one of the known languages', async (t) => {
  for (const block of blocks) t.ok(LANGUAGES.includes(block.language), `${where(block)}: ${block.language}`)
})

t.test('every link within the repository leads somewhere', async (t) => {
  for (const page of [...pages, 'example/README.md']) t.same(brokenLinks(page), [], page)
})

t.test('every page of docs is in its index and in the README', async (t) => {
  for (const page of pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md')) {
    t.match(readPage('docs/README.md'), `](${page.replace('docs/', '')})`, page)
    t.match(readPage('README.md'), `](${page})`, page)
  }
})

t.test('blocks of TypeScript, and the tables of members', async (t) => {
  const [ofPages, ofNode] = [true, false].map((isOf) => blocks.filter((block) => block.language === 'ts' && isOfPage(block) === isOf))
  const program = new DocsProgram(ofNode)
  t.same(program.complaints(null), [], 'the declarations shared by all blocks')

  t.test('every block compiles', async (t) => {
    for (const block of ofNode) t.same(program.complaints(block), [], where(block))
  })

  t.test('every block of a page in a browser compiles', async (t) => {
    const program = new DocsProgram(ofPages, 'page')
    for (const block of ofPages) t.same(program.complaints(block), [], where(block))
  })

  t.test('the reference names every member of a session', async (t) => {
    t.same(named(readTable('docs/api.md', '## Session', 'member'), 'member'), program.membersOf('session').sort())
  })

  t.test('the reference names every member of a client', async (t) => {
    const [rest, ...own] = readTable('docs/api.md', '## Client', 'member').reverse()
    const shared = [...rest[''].matchAll(/`([^`]+)`/g)].map((match) => match[1])
    t.same([...named(own, 'member'), ...shared].sort(), program.membersOf('client').sort())
  })

  t.test('the reference names every member and every option of the client for browsers', async (t) => {
    const heading = '## Client for browsers'
    t.same(codesIn(readTable('docs/api.md', heading, 'members')[0].members).sort(), program.membersOf('pageClient').sort())
    const rows = readTable('docs/api.md', heading, 'option')
    t.same(named(rows.filter((row) => row.of === 'both'), 'option'), program.membersOf('pageConnect').sort())
    t.same(named(rows, 'option'), program.membersOf('pageReconnect').sort())
  })

  t.test('the reference names every member of app.websockets', async (t) => {
    t.same(named(readTable('docs/api.md', '## app.websockets', 'member'), 'member'), program.membersOf('sessions').sort())
  })

  t.test('the table of channels names every field of their events', async (t) => {
    for (const row of readTable('docs/observability.md', '## Channels', 'channel, after `fastify-async-websocket:`')) {
      const [channel, , fields] = Object.values(row)
      const outside = fields.replace(/\([^)]*\)/g, '')
      t.same([...codesIn(outside), 'session', 'request', 'route'].sort(), program.membersOf(codeIn(channel)).sort(), channel)
    }
  })

  t.test('the table of counters names every one', async (t) => {
    t.same(named(readTable('docs/observability.md', '## Counters', 'member'), 'member'), program.membersOf('stats').sort())
  })

  t.test('the reference names every option of a client', async (t) => {
    const rows = readTable('docs/api.md', '## Client', 'option')
    const of = (name: string): string[] => rows.filter((row) => row.of === 'both' || codeIn(row.of) === name).flatMap(({ option }) => codesIn(option)).sort()
    t.same(of('connect'), program.membersOf('connect').sort())
    t.same(of('injectWebSocket'), program.membersOf('inject').sort())
  })

  t.test('the reference names every option of the plugin', async (t) => {
    t.same(named(readTable('docs/api.md', '## Options', 'option'), 'option'), program.membersOf('options').sort())
  })
})

t.test('the reference has the defaults of the code', async (t) => {
  const defaults = pluginSettings({}) as unknown as Record<string, unknown>
  const documented: Record<string, unknown> = {}
  for (const row of readTable('docs/api.md', '## Options', 'option')) {
    if (row.default !== '–') documented[codeIn(row.option)] = structuredClone(runInNewContext(`(${codeIn(row.default)})`))
  }
  t.strictSame(documented, defaults)
})

t.test('the reference says which options a route has', async (t) => {
  for (const { option, route } of readTable('docs/api.md', '## Options', 'option')) {
    const options = { [codeIn(option)]: Symbol('no value that an option can have') }
    t.throws(() => checkPluginOptions(options), { message: /^option / }, option)
    t.throws(() => checkRouteOptions(options), { message: route === 'yes' ? /^option / : /^unknown option / }, option)
  }
})

t.test('the table of errors matches the code', async (t) => {
  const documented = readTable('docs/errors.md', '## Errors', 'class').map((row) => ({
    name: codeIn(row.class),
    code: codeIn(row['`code`']),
    statusCode: Number(row['`statusCode`']) || undefined,
    closeCode: row['`closeCode`'] === "the peer's" ? 4321 : Number(row['`closeCode`']) || undefined,
    typeError: codeIn(row.also) === 'TypeError'
  }))
  const defined = Object.entries(errors).map(([name, Class]) => {
    const error: errors.ErrorShape = name === 'WebSocketDisconnect' ? new errors.WebSocketDisconnect(4321, '', true) : new (Class as typeof errors.WebSocketError)('')
    const { code, statusCode, closeCode } = error
    return { name, code, statusCode, closeCode, typeError: error instanceof TypeError }
  })
  const byName = (a: { name: string }, b: { name: string }): number => a.name < b.name ? -1 : 1
  t.strictSame(documented.sort(byName), defined.sort(byName))
})

t.test('the table of close codes matches the code', async (t) => {
  const documented = readTable('docs/errors.md', '## Close codes', '`closeCodes`').map((row) =>
    [codeIn(row['`closeCodes`']), Number(row.code), row['may be sent'] === 'yes'])
  t.strictSame(documented, Object.entries(closeCodes).map(([name, code]) => [name, code, isSendable(code)]))
})

t.test('the examples that pages show are the files of the examples', async (t) => {
  for (const [page, ...files] of [['docs/brokers.md', 'memory-broker.js'], ['docs/protocols.md', 'calls.js', 'bridge.js']]) {
    const programs = blocks.filter((block) => block.page === page && block.language === 'js').map(({ code }) => code)
    for (const file of files) t.ok(programs.includes(readFileSync(join(root, 'example', file), 'utf8')), `${page}: ${file}`)
  }
})

t.test('code for other compilers parses', async (t) => {
  for (const { language, code, ...place } of blocks) {
    if (language === 'jsx') await t.resolves(transform(code, { loader: 'jsx' }), `${place.page}:${place.line}`)
    if (language === 'json') t.doesNotThrow(() => JSON.parse(code), `${place.page}:${place.line}`)
    if (language === 'vue') await t.resolves(transform(/<script setup>([^]*?)<\/script>/.exec(code)![1]), `${place.page}:${place.line}`)
  }
})

t.test('panels and alerts ask for metrics that the example has', async (t) => {
  const app = await require(join(root, 'example', 'metrics.js')).build()
  t.teardown(() => app.close())
  const { body } = await app.inject('/metrics')
  const asked = blocks.filter(({ page, language }) => page === 'docs/observability.md' && ['json', 'yaml'].includes(language)).flatMap(({ code }) => code.match(/websocket_\w+/g)!)
  t.ok(asked.length >= 10)
  for (const name of asked) t.match(body, `# TYPE ${name} `)
})

t.test('the diagram of states matches the code', async (t) => {
  const diagram = (text: string): string[] => text.split('\n').map((line) => line.replace(/^ \*/, '').trim()).filter((line) => /[─│]/.test(line))
  const documented = blocks.find(({ page, language }) => page === 'docs/life.md' && language === 'text')!
  t.same(diagram(documented.code), diagram(readFileSync(join(root, 'lib', 'base', 'state.ts'), 'utf8')))
})

t.jobs = 2

// A program runs with the built package. A program that listens on port 3000 gets another port. A program that connects to
// port 3000 runs against each of the programs that listen there.
// The programs of docs/client.md have pages (client-pages.test.ts).
const programs = blocks.filter(isProgram).filter(({ page }) => page !== 'docs/client.md')
const isServer = ({ code }: Block): boolean => code.includes('app.listen({ port: 3000 })')
const isClient = ({ code }: Block): boolean => code.includes('//localhost:3000')

for (const block of programs.filter((block) => !isServer(block) && !isClient(block))) {
  t.test(`the program at ${where(block)} runs`, { buffered: true }, async (t) => {
    const { code, stdout, stderr } = await runBlock(block).ended
    t.equal(code, 0, `${stdout}\n${stderr}`)
  })
}

for (const block of programs.filter(isServer)) {
  t.test(`the server at ${where(block)} listens, and the client of its page works with it`, { buffered: true }, async (t) => {
    const { child, ended: server } = runBlock(block)
    t.teardown(() => { child.kill() })
    const line = await Promise.race([once(child.stdout!, 'data'), server.then(({ stderr }) => { throw new Error(stderr) })])
    const { host } = new URL(/http:\S+/.exec(String(line))![0])
    const client = programs.find((program) => program.page === block.page && isClient(program))!
    const { code, stdout, stderr } = await runBlock(client, host).ended
    t.equal(code, 0, stderr)
    t.equal(stdout, 'hello\n')
  })
}

function named (rows: Record<string, string>[], column: string): string[] {
  return rows.map((row) => codeIn(row[column]).replace(/\(.*/, '')).sort()
}
