// The documents of asyncapi, by the parser of AsyncAPI: of the examples, and of the app with routes of every form. The parser is
// installed in a folder of its own, since it brings more than a hundred packages along.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const require = createRequire(import.meta.url)
const websocket = require('fastify-async-websocket')
const asyncapi = require('fastify-async-websocket/asyncapi')
const folder = mkdtempSync(join(tmpdir(), 'fastify-async-websocket-'))

/** The severity of an error, as the parser tells it. */
const ERROR = 0

async function chat () {
  const app = require('fastify')({ ajv: { customOptions: { discriminator: true } } })
  await app.register(websocket)
  await app.register(asyncapi, { info: { title: 'Chat', version: '1.0.0' } })
  return app.route(require('../example/chat/chat-route.js')({}))
}

try {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '@asyncapi/parser@3'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  const { Parser } = createRequire(join(folder, 'package.json'))('@asyncapi/parser')
  const apps = {
    'routes of every form': await require('../test/fixtures/described.js').build(websocket, asyncapi),
    'example/described': await require('../example/described/server.js').build(),
    'example/chat': await chat()
  }
  for (const [name, app] of Object.entries(apps)) {
    await app.ready()
    for (const text of [JSON.stringify(app.asyncapi()), app.asyncapi({ yaml: true })]) {
      const { document, diagnostics } = await new Parser().parse(text)
      const errors = diagnostics.filter(({ severity }) => severity === ERROR).map(({ path, message }) => `${path.join('/')}: ${message}`)
      if (document === undefined || errors.length > 0) throw new Error(`${name}:\n${errors.join('\n')}`)
      console.log(`${name}: ${document.channels().length} channels, ${diagnostics.length} hints`)
    }
    await app.close()
  }
} finally {
  rmSync(folder, { recursive: true })
}
