import t from 'tap'
import { parse } from 'yaml'
import { installed } from '../../lib/asyncapi/installed'
import { toYaml } from '../../lib/asyncapi/yaml'

const shared = { type: 'string' }
const document = { asyncapi: '3.0.0', text: 'a: b # c\n', list: [shared, shared], yes: 'no' }

t.test('a document is YAML that reads as the same document, without anchors', async (t) => {
  const text = toYaml(document)
  t.match(text, /^asyncapi: 3\.0\.0\n/)
  t.notMatch(text, /[&*]a1/)
  t.strictSame(parse(text), document)
})

t.test('without the package yaml, the text is JSON, which is YAML as well', async (t) => {
  t.equal(installed('not-installed-anywhere'), null)
  const text = toYaml(document, null)
  t.equal(text, `${JSON.stringify(document, null, 2)}\n`)
  t.strictSame(parse(text), document)
})

t.test('a package that is installed and broken is an error', async (t) => {
  const folder = t.testdir({ 'broken.js': 'throw new Error("broken")' })
  t.throws(() => installed(`${folder}/broken.js`), { message: 'broken' })
})
