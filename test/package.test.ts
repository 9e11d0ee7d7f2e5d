import { execFileSync } from 'node:child_process'
import t from 'tap'
import { linksOf, pages, readPage, root } from './helpers/docs'

interface Packed {
  size: number
  files: { path: string }[]
}

const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
const [packed] = JSON.parse(output) as Packed[]
const files = new Set(packed.files.map(({ path }) => path))

t.test('every link of the pages in the package leads to a file in the package', async (t) => {
  const shipped = [...pages, 'example/README.md'].filter((page) => files.has(page))
  for (const page of ['README.md', 'CHANGELOG.md', 'docs/README.md', 'docs/api.md', 'example/README.md']) t.ok(shipped.includes(page), page)
  for (const page of shipped) t.same(linksOf(page).map(({ target }) => target).filter((target) => !files.has(target)), [], page)
})

t.test('the README has the size of the package', async (t) => {
  const [, told] = /about (\d+) kB packed/.exec(readPage('README.md'))!
  t.ok(Math.abs(packed.size / 1000 - Number(told)) < 0.1 * Number(told), `${packed.size} bytes`)
})
