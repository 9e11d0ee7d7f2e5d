import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { runScript } from '../helpers/script'

// Tests `npm run peers` with small repositories in place of the real ones.

const run = (t: Test, ...args: string[]): Promise<{ code: number | null, output: string }> => runScript(t, 'test/suites/run.js', ...args)

t.test('without a folder, the command says how to make one', async (t) => {
  const { code, output } = await run(t)
  t.equal(code, 1)
  for (const repository of ['fastify/fastify-websocket', 'websockets/ws', 'enisdenjo/graphql-ws']) t.match(output, `git clone --depth 1 https://github.com/${repository}`)
})

t.test('the command says what the folder lacks', async (t) => {
  const folder = t.testdir({ ws: {}, 'graphql-ws': {}, node_modules: { vitest: {}, jsdom: {} } })
  const { code, output } = await run(t, folder)
  t.equal(code, 1)
  t.match(output, `${folder} has no fastify-websocket, node_modules/graphql\n`)
})

t.test('cases run with this package in place of the tested one', async (t) => {
  const { code, output } = await run(t, repositories(t, {
    'fastify-websocket/test/base.test.js': `
      require('node:test').test('registers', async (t) => {
        const app = require('fastify')()
        await app.register(require('..'))
        t.assert.ok(app.websockets)
        app.get('/', { websocket: true }, (socket) => socket.close(4001))
        await app.ready()
        const socket = await app.injectWS('/')
        await new Promise((resolve) => socket.once('close', resolve))
        await app.close()
      })`,
    'ws/test/websocket.test.js': `
      const assert = require('assert')
      const WebSocket = require('..')
      const { NOOP } = require('../lib/constants')
      describe('WebSocket', () => {
        it('echoes', (done) => {
          assert.equal(typeof NOOP, 'function')
          const wss = new WebSocket.Server({ port: 0 }, () => {
            const ws = new WebSocket('ws://localhost:' + wss.address().port)
            ws.on('open', () => ws.send('hello'))
            ws.on('message', () => ws.close())
            ws.on('close', () => wss.close(done))
          })
          wss.on('connection', (ws) => {
            assert.equal(ws.constructor.name, 'SessionWebSocket')
            ws.on('message', (data) => ws.send(data))
          })
        })
      })`
  }))
  t.equal(code, 0, output)
  t.match(output, '| @fastify/websocket | 1 | 1 | 0 | 0 |')
  t.match(output, /^\| ws, .* \| 3 \| 3 \| 0 \| 0 \|$/m)
  t.match(output, /^\| graphql-ws, .* \| 1 \| 1 \| 0 \| 0 \|$/m, 'without the cases for other servers')
})

t.test('a case that fails or a file that does not end fails the run, unless suites.js has a reason for it', async (t) => {
  const { code, output } = await run(t, repositories(t, {
    'fastify-websocket/test/base.test.js': `
      const { test } = require('node:test')
      test('fails', () => { throw new Error('for no reason') })
      test('Should return 404 on http request', () => { throw new Error('it is 426') })
      test('Should throw on invalid wsHandler', () => {})`,
    'ws/test/websocket.test.js': 'process.exit(1)'
  }))
  t.equal(code, 1)
  t.match(output, '| @fastify/websocket | 3 | 1 | 1 | 1 |')
  t.match(output, 'FAILED: fails\n    Error: for no reason')
  t.match(output, 'differs here: a plain GET of a WebSocket route gets a 426\n    Should return 404 on http request')
  t.match(output, 'passes, although suites.js has a reason why not: Should throw on invalid wsHandler')
  t.match(output, 'FAILED: test/websocket.test.js\n    did not end')
})

/** Creates a folder with the repositories and `files`. */
function repositories (t: Test, files: Record<string, string>): string {
  const folder = t.testdir({ node_modules: { graphql: {}, jsdom: {} }, 'graphql-ws': {} })
  const passing = "require('node:test').test('passes', () => {})"
  const result = { message: '', assertionResults: ['ws', 'crossws'].map((server) => ({ ancestorTitles: [server], title: 'passes', status: 'passed', failureMessages: [] })) }
  const all = {
    'fastify-websocket/test/base.test.js': passing,
    'ws/test/websocket.test.js': passing,
    'ws/test/websocket-server.test.js': passing,
    'ws/test/create-websocket-stream.test.js': passing,
    'node_modules/vitest/vitest.mjs': `console.log('${JSON.stringify({ numTotalTests: 2, testResults: [result] })}')`,
    ...files
  }
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}
