import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import t from 'tap'

const root = join(__dirname, '..')

// The folders of lib, lowest first. A file imports only from its own folder and from lower folders. Every file may import
// from types.
const FOLDERS = ['base', 'observe', 'codec', 'protocol', 'connection', 'handshake', 'pubsub', 'session', 'client', 'plugin', 'asyncapi']

// The client for browsers and what it shares: none of their files imports anything of Node's, apart from those that have a sibling
// with the name *.browser.ts, which takes their place in a browser.
const SHARED = ['base', 'codec', 'connection', 'browser']

// The folders that each folder may import from. `brokers` imports from `base` alone, because an app loads a broker without
// the rest of lib.
const ALLOWED: Record<string, string[]> = { brokers: ['base', 'brokers'], '.': ['.', ...FOLDERS] }
for (const [place, folder] of FOLDERS.entries()) ALLOWED[folder] = FOLDERS.slice(0, place + 1)
ALLOWED.browser = SHARED

/** The files of `folder`: paths from the root, without extension. */
function filesOf (folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: folder !== 'lib', encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.ts')).map((name) => posix.join(folder, name.slice(0, -3)))
}

/** The folder of lib that has the file; `.` for a file directly in lib. */
function folderOf (file: string): string {
  const [, folder, name] = file.split('/')
  return name === undefined ? '.' : folder
}

/** The files of this repository that `file` imports. With `types: false`, only the imports that exist at run time. */
function importsOf (file: string, types = true): string[] {
  const source = readFileSync(join(root, `${file}.ts`), 'utf8')
  const statement = types ? /(?:from|import|require\() *'(\.{1,2}\/[^']+)'/g : /^(?:import|export) (?!type )[^;]*? from '(\.{1,2}\/[^']+)'/gm
  return [...source.matchAll(statement)].map((match) => posix.join(posix.dirname(file), match[1]))
}

t.test('the order of folders has every folder of lib', async (t) => {
  const folders = readdirSync(join(root, 'lib'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  t.strictSame([...folders.map(({ name }) => name), '.'].sort(), Object.keys(ALLOWED).sort())
})

for (const [folder, allowed] of Object.entries(ALLOWED)) {
  t.test(`lib/${folder} imports only from itself and lower folders`, async (t) => {
    for (const file of filesOf(posix.join('lib', folder))) {
      for (const imported of importsOf(file)) {
        if (imported.startsWith('types/')) continue
        t.ok(allowed.includes(folderOf(imported)), `${file} imports ${imported}`)
      }
    }
  })
}

t.test('imports in lib have no cycle, apart from types', async (t) => {
  const done = new Set<string>()
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) t.fail(`a cycle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`)
    if (done.has(file) || path.includes(file)) return
    for (const imported of importsOf(file, false)) visit(imported, [...path, file])
    done.add(file)
  }
  const files = Object.keys(ALLOWED).flatMap((folder) => filesOf(posix.join('lib', folder)))
  for (const file of files) visit(file, [])
  t.ok(files.every((file) => done.has(file)), 'the test has visited all files')
})

t.test('types import nothing from lib', async (t) => {
  for (const file of filesOf('types')) t.same(importsOf(file).filter((imported) => !imported.startsWith('types/')), [], file)
})

t.test('the client for browsers imports nothing of Node\'s, and no package', async (t) => {
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    t.same(packagesOf(file), [], file)
    for (const imported of importsOf(file, false)) visit(forBrowsers(imported))
  }
  visit('lib/browser/connect')
  visit('lib/browser/reconnect')
  t.ok(seen.has('lib/connection/channel') && seen.has('lib/connection/receive-queue'), 'the client shares the channel and the receive queue')
})

/** The file that stands for `file` in a browser. */
function forBrowsers (file: string): string {
  return existsSync(join(root, `${file}.browser.ts`)) ? `${file}.browser` : file
}

/** The packages and the modules of Node that `file` imports at run time. */
function packagesOf (file: string): string[] {
  const source = readFileSync(join(root, `${file}.ts`), 'utf8')
  return [...source.matchAll(/^(?:import|export) (?!type )[^;]*? from '([^.'][^']*)'/gm)].map((match) => match[1])
}
