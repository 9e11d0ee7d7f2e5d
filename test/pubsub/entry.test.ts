import t from 'tap'
import { Entry } from '../../lib/pubsub/entry'
import { createOrigin, markOf, sealKept, unsealKept, seal } from '../../lib/pubsub/envelope'
import { messagesIn } from '../helpers/frames'
import type { Draft } from '../../lib/pubsub/entry'

const POSITION = { place: '7', mark: 'mark' }
const origin = createOrigin()

const drafts: [Draft, unknown, unknown][] = [
  [{ kind: 'text', payload: 'a "text" é', sender: 3 }, 'a "text" é', { data: 'a "text" é' }],
  [{ kind: 'json', payload: '{"a":["é"]}', sender: 0 }, { a: ['é'] }, { data: { a: ['é'] } }],
  [{ kind: 'bytes', payload: Buffer.from([0, 255]), sender: 0xffffffff }, Buffer.from([0, 255]), { data: 'AP8=', encoding: 'base64' }],
  [{ kind: 'bytes', payload: new Uint8Array([9, 1, 2, 9]).subarray(1, 3), sender: 1 }, Buffer.from([1, 2]), { data: 'AQI=', encoding: 'base64' }]
]

t.test('an entry is sent as it was published, or as JSON with its position', async (t) => {
  for (const [draft, , data] of drafts) {
    const entry = new Entry(POSITION, draft)
    const [plain] = messagesIn(entry.prepare().bytes)
    t.same(plain, draft.kind === 'bytes' ? Buffer.from(draft.payload as Uint8Array) : draft.payload)
    const message = entry.preparePositioned('room "1"', POSITION)
    t.strictSame(JSON.parse(messagesIn(message.bytes)[0] as string), { topic: 'room "1"', position: '7~mark', ...data as object })
    t.equal(message.before, POSITION)
    t.equal(message.first, message)
  }
})

t.test('who changes the bytes of an entry changes a copy', (t) => {
  const entry = new Entry(POSITION, { kind: 'bytes', payload: Buffer.from('bytes'), sender: 0 });
  (entry.data as Buffer).fill(0)
  t.same(entry.data, Buffer.from('bytes'))
  t.end()
})

t.test('an envelope keeps kind, content, mark, and the sender for its own app', async (t) => {
  for (const [draft, data] of drafts) {
    const envelope = sealKept(draft, origin, 2 ** 32 + 5)
    const letter = unsealKept(envelope, origin)!
    t.equal(letter.mark, markOf(envelope))
    t.equal(letter.sender, draft.sender)
    t.equal(unsealKept(envelope, createOrigin())!.sender, 0)
    const read = new Entry({ place: '1', mark: letter.mark }, letter).data
    t.same(read, data)
    envelope.fill(0)
    t.same(new Entry({ place: '1', mark: letter.mark }, letter).data, data, 'in memory of its own')
  }
})

t.test('two messages of an app have two marks, and so have two apps', async (t) => {
  const marks = [sealKept(drafts[0][0], origin, 1), sealKept(drafts[0][0], origin, 2), sealKept(drafts[0][0], createOrigin(), 1)].map(markOf)
  t.equal(new Set(marks).size, 3)
  for (const mark of marks) t.match(mark, /^[\w-]{16}$/)
})

t.test('bytes that are no envelope of a topic with history', async (t) => {
  const envelope = sealKept(drafts[0][0], origin, 1)
  for (const bytes of [Buffer.alloc(0), Buffer.from('{"json":true}'), seal('text', origin), envelope.subarray(0, 17), Buffer.concat([envelope, Buffer.from([0xff])]), Buffer.concat([Buffer.from([0xf5, 9]), envelope.subarray(2)])]) {
    t.equal(unsealKept(bytes, origin), null)
  }
})
