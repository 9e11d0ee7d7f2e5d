import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import t from 'tap'

const root = join(__dirname, '..')

// From the bottom up: a file imports only from its own folder and from those before it. All may import from types.
const FOLDERS = ['base', 'codec', 'protocol', 'connection', 'handshake', 'pubsub', 'session', 'client', 'plugin']

// A broker is loaded by those alone who import it from the package.
const ALLOWED: Record<string, string[]> = { brokers: ['base', 'brokers'], '.': ['.', ...FOLDERS] }
for (const [place, folder] of FOLDERS.entries()) ALLOWED[folder] = FOLDERS.slice(0, place + 1)

/** The files of `folder`, as paths from the root without their extension. */
function filesOf (folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: folder !== 'lib', encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.ts')).map((name) => posix.join(folder, name.slice(0, -3)))
}

/** The folder of lib that a file is in: `.` where it is in none. */
function folderOf (file: string): string {
  const [, folder, name] = file.split('/')
  return name === undefined ? '.' : folder
}

/** What `file` imports from this repository; only what is left of it at run time where `types` is false. */
function importsOf (file: string, types = true): string[] {
  const source = readFileSync(join(root, `${file}.ts`), 'utf8')
  const statement = types ? /(?:from|import|require\() *'(\.{1,2}\/[^']+)'/g : /^(?:import|export) (?!type )[^;]*? from '(\.{1,2}\/[^']+)'/gm
  return [...source.matchAll(statement)].map((match) => posix.join(posix.dirname(file), match[1]))
}

t.test('the order names every folder of lib', async (t) => {
  const folders = readdirSync(join(root, 'lib'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  t.strictSame([...folders.map(({ name }) => name), '.'].sort(), Object.keys(ALLOWED).sort())
})

for (const [folder, allowed] of Object.entries(ALLOWED)) {
  t.test(`lib/${folder} imports only from its own folder and from those below it`, async (t) => {
    for (const file of filesOf(posix.join('lib', folder))) {
      for (const imported of importsOf(file)) {
        if (imported.startsWith('types/')) continue
        t.ok(allowed.includes(folderOf(imported)), `${file} imports ${imported}`)
      }
    }
  })
}

t.test('no file of lib imports itself by way of others, types aside', async (t) => {
  const done = new Set<string>()
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) t.fail(`a circle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`)
    if (done.has(file) || path.includes(file)) return
    for (const imported of importsOf(file, false)) visit(imported, [...path, file])
    done.add(file)
  }
  const files = Object.keys(ALLOWED).flatMap((folder) => filesOf(posix.join('lib', folder)))
  for (const file of files) visit(file, [])
  t.ok(files.every((file) => done.has(file)), 'looked at all files')
})

t.test('types import nothing from lib', async (t) => {
  for (const file of filesOf('types')) t.same(importsOf(file).filter((imported) => !imported.startsWith('types/')), [], file)
})
