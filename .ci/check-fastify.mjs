// The package with other versions of Fastify than the installed one, the oldest and the newest that it takes unless others
// are named; and with one that is too old.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'fastify-async-websocket-'))
const TOO_OLD = '5.2.2'

function run (command, args, cwd) {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

/** A folder with the package and `version` of Fastify. */
function install (tarball, version, ...options) {
  const place = join(folder, version)
  mkdirSync(place)
  writeFileSync(join(place, 'package.json'), '{ "private": true }')
  run('npm', ['install', '--no-audit', '--no-fund', ...options, tarball, `fastify@${version}`], place)
  return place
}

try {
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], root))
  const tarball = join(folder, filename)
  for (const version of process.argv.length > 2 ? process.argv.slice(2) : ['5.3.0', 'latest']) {
    const place = install(tarball, version)
    copyFileSync(join(root, '.ci', 'package', 'smoke.mjs'), join(place, 'smoke.mjs'))
    console.log(run(process.execPath, ['smoke.mjs'], place))
  }
  // npm refuses this pair, too.
  const place = install(tarball, TOO_OLD, '--legacy-peer-deps')
  const refusal = run(process.execPath, ['-e', "require('fastify')().register(require('fastify-async-websocket')).then(null, (error) => console.log(error.message))"], place)
  if (!/fastify-async-websocket.*'>=5\.3\.0 <6'.*'5\.2\.2'/.test(refusal)) throw new Error(`Fastify ${TOO_OLD} is not refused as it should be: ${refusal}`)
  console.log(`refused: ${refusal}`)
} finally {
  rmSync(folder, { recursive: true })
}
