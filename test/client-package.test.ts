import { join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type BuildOptions, type Metafile } from 'esbuild'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { readPage, root } from './helpers/docs'

/* The client for browsers as pages get it: the built module, bundled by esbuild, and its types. */

const CLIENT = 'dist/lib/client.mjs'

/** Bundles a page for browsers. Resolves with the bundle and the files that it has been made of: paths from the root. */
async function bundle (options: BuildOptions): Promise<{ code: Uint8Array, files: string[] }> {
  const { outputFiles, metafile } = await build({ ...options, bundle: true, format: 'esm', minify: true, write: false, metafile: true, absWorkingDir: root })
  return { code: outputFiles![0].contents, files: Object.keys((metafile as Metafile).inputs) }
}

/** The bytes of a page with this code, minified and gzipped. */
async function size (code: string): Promise<number> {
  const { code: bundled } = await bundle({ stdin: { contents: code, resolveDir: root } })
  return gzipSync(bundled, { level: 9 }).length
}

// The targets are 4 and 6 kB. docs/client.md says what takes how much. Its figures are rounded.
t.test('the client takes at most as much of a page as docs/client.md says', async (t) => {
  const [, one, all] = /`connect` alone adds\s+([\d.]+) kB.*?the whole client\s+([\d.]+) kB/s.exec(readPage('docs/client.md'))!
  const sizes = [
    await size("import { connect } from 'fastify-async-websocket/client'\nconnect('/')"),
    await size("import * as client from 'fastify-async-websocket/client'\nconsole.log(client)")
  ]
  t.ok(sizes[0] < Number(one) * 1_000 + 50, `connect: ${sizes[0]} bytes`)
  t.ok(sizes[1] < Number(all) * 1_000 + 50, `everything: ${sizes[1]} bytes`)
  t.comment(`connect: ${sizes[0]} bytes, everything: ${sizes[1]} bytes`)
})

t.test('the client imports nothing', async (t) => {
  const { files } = await bundle({ entryPoints: [join(root, CLIENT)] })
  t.same(files, [CLIENT])
})

const SERVER = `
  import Fastify from 'fastify'
  import websocket, { defineWebSocket } from 'fastify-async-websocket'
  export const chat = defineWebSocket<{ Receive: { text: string }, Send: { from: string } }>({
    url: '/chat/:room',
    handler: async (ws) => { await ws.accept(); await ws.send({ from: 'a secret of the server' }) }
  })
  const app = Fastify()
  app.register(websocket)
  app.route(chat)
`

const PAGE = `
  import { connect, type CloseInfo, type WebSocketClient } from 'fastify-async-websocket/client'
  import type { chat } from './server.js'
  const ws = await connect<typeof chat>('/chat/lobby', { valueType: 'json' })
  await ws.send({ text: 'hi' })
  for await (const { from } of ws) document.body.append(from)
`

t.test('the bundle of a page that has its types from a route holds nothing of the server', async (t) => {
  const folder = t.testdir({ 'server.ts': SERVER, 'page.ts': PAGE })
  const { code, files } = await bundle({ entryPoints: [join(folder, 'page.ts')] })
  t.same(files.sort(), [CLIENT, relative(root, join(folder, 'page.ts'))].sort())
  t.notMatch(Buffer.from(code).toString(), /secret|defineWebSocket/)
})

/** The compiler's errors in the program of a page, in its own files and in all declarations, and the files that it reads. */
function compile (t: Test, files: Record<string, string>, libraries: string[]): { complaints: string[], files: string[] } {
  const folder = t.testdir(files)
  const program = ts.createProgram([join(folder, 'page.ts')], {
    target: ts.ScriptTarget.ES2022,
    lib: libraries.map((name) => `lib.${name}.d.ts`),
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
    strict: true,
    noEmit: true
  })
  return {
    complaints: ts.getPreEmitDiagnostics(program).map(({ messageText, file }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`),
    files: program.getSourceFiles().map(({ fileName }) => fileName)
  }
}

const ALONE = `
  import { closeCodes, connect, reconnect, WebSocketDisconnect, WebSocketError, type TypedRoute, type WebSocketClient } from 'fastify-async-websocket/client'
  type Chat = TypedRoute<{ text: string }, { from: string }>
  try {
    for await (const ws of reconnect<Chat>('/chat', { valueType: 'json' })) {
      await ws.send({ text: 'hi' })
      for await (const { from } of ws) document.body.append(from)
    }
  } catch (error) {
    if (error instanceof WebSocketDisconnect && error.closeCode === closeCodes.POLICY_VIOLATION) document.body.append(error.reason)
    if (error instanceof WebSocketError) document.body.append([error.code, error.closeCode, error.cause].join())
  }
  const ws: WebSocketClient<string> = await connect('/news')
  const bytes: Uint8Array<ArrayBuffer> = await ws.receiveBytes()
  document.body.append(new Blob([bytes]).type)
`

for (const libraries of [['es2022', 'dom'], ['es2023', 'dom', 'dom.asynciterable', 'esnext.disposable'], ['esnext', 'webworker']]) {
  t.test(`the types of the client need no other types, with ${libraries.join(', ')}`, async (t) => {
    const code = libraries.includes('dom') ? ALONE : ALONE.replaceAll('document.body.append', 'postMessage')
    const { complaints, files } = compile(t, { 'page.ts': code }, libraries)
    t.same(complaints, [])
    t.same(files.filter((file) => /node_modules\/(?!typescript\/)/.test(file)), [])
  })
}

t.test('a page that has its types from a route, and its server, compile', async (t) => {
  t.same(compile(t, { 'page.ts': PAGE, 'server.ts': SERVER }, ['es2023', 'dom']).complaints, [])
})
