import { resolve } from 'node:path'
import type { Test } from 'tap'
import { connect, type Client } from '../../lib/client/client'
import { Example, examples } from '../helpers/example'
import type { FastifyInstance } from 'fastify'

/** A server that the chats share. A test can stop it and start it again. */
export interface Engine {
  env: Record<string, string>
  kill (): Promise<void>
  start (): Promise<void>
}

const LIMIT = 10_000

/** An app of the chat, with the broker up. */
async function build (t: Test, { env }: Engine): Promise<FastifyInstance> {
  const app = await require(resolve(examples, 'chat/server.js')).build({}, env)
  t.teardown(() => app.close())
  await app.ready()
  t.equal(app.websockets.brokerState, 'up')
  return app
}

async function join (app: FastifyInstance, name: string, room = 'lobby'): Promise<Client> {
  return await (app as any).injectWebSocket(`/chat/${room}`, { query: { name }, valueType: 'json', receiveTimeout: LIMIT })
}

/** Resolves with the next message of a type, and skips the messages before it. */
async function next (client: Client, type: string): Promise<any> {
  for (;;) {
    const message = await client.receive()
    if (message.type === type) return message
  }
}

/** Resolves with the welcome. A message that was under way when the client joined may come before it. */
async function welcome (client: Client): Promise<any> {
  return await next(client, 'welcome')
}

/** Resolves with the next message that lists exactly these people. */
async function nextPeople (client: Client, ...names: string[]): Promise<any> {
  for (;;) {
    const message = await client.receive()
    if (message.people !== undefined && String(message.people.toSorted()) === String(names)) return message
  }
}

/** Resolves with the next message that has exactly this history: the welcome or, if another process was slow, a later resync. */
async function nextHistory (client: Client, ...history: string[]): Promise<string[]> {
  for (;;) {
    const message = await client.receive()
    if (message.history !== undefined && String(texts(message)) === String(history)) return texts(message)
  }
}

function texts ({ history }: any): string[] {
  return history.map(({ text }: any) => text)
}

/** Tests the chat example in several processes, as its users see it. */
export function chatContract (t: Test, createEngine: (t: Test) => Promise<Engine>): void {
  t.test('two processes are one chat', async (t) => {
    const engine = await createEngine(t)
    const [one, two] = [await build(t, engine), await build(t, engine)]

    const ada = await join(one, 'ada')
    t.same(await welcome(ada), { type: 'welcome', people: ['ada'], history: [] })
    const hello = await ada.pair({ type: 'message', text: 'hello' })

    const grace = await join(two, 'grace')
    t.same(await welcome(grace), { type: 'welcome', people: ['grace', 'ada'], history: [hello] }, 'a client that joins in another process gets people and history')
    t.same(await ada.receive(), { type: 'joined', name: 'grace', people: ['ada', 'grace'] })

    await grace.send({ type: 'typing', typing: true })
    t.same(await ada.receive(), { type: 'typing', name: 'grace', typing: true })
    const answer = await grace.pair({ type: 'message', text: 'hello ada' })
    t.same(await ada.receive(), answer)

    await ada.close()
    t.same(await grace.receive(), { type: 'left', name: 'ada', people: ['grace'] })
  })

  t.test('a name with pages in two processes counts as one person', async (t) => {
    const engine = await createEngine(t)
    const [one, two] = [await build(t, engine), await build(t, engine)]
    const grace = await join(one, 'grace')
    const first = await join(one, 'ada')
    await nextPeople(grace, 'ada', 'grace')
    const second = await join(two, 'ada')
    t.same((await welcome(second)).people.sort(), ['ada', 'grace'])
    await welcome(await join(one, 'linus')) // from here on, this process knows what the other process told before
    await nextPeople(grace, 'ada', 'grace', 'linus')

    await first.close()
    await second.send({ type: 'message', text: 'still here' })
    t.equal((await grace.receive()).text, 'still here', 'nobody has joined or left')
    await second.close()
    t.same(await grace.receive(), { type: 'left', name: 'ada', people: ['grace', 'linus'] })
  })

  t.test('a message that is sent again, to another process, counts once', async (t) => {
    const engine = await createEngine(t)
    const [one, two] = [await build(t, engine), await build(t, engine)]
    const ada = await join(one, 'ada')
    await welcome(ada)
    await ada.pair({ type: 'message', id: 'one', text: 'hello' })

    const again = await join(two, 'ada')
    await welcome(again)
    await again.send({ type: 'message', id: 'one', text: 'hello' })
    await again.send({ type: 'message', id: 'two', text: 'hello' })
    t.equal((await ada.receive()).id, 'two')
  })

  t.test('a client that joins while others talk misses no message', async (t) => {
    const engine = await createEngine(t)
    const [one, two] = [await build(t, engine), await build(t, engine)]
    const ada = await join(one, 'ada')
    await welcome(ada)
    let said = 0
    for (let visitor = 0; visitor < 20; visitor++) {
      const visit = join(two, `visitor ${visitor}`)
      const until = said + 20
      const talk = (async () => {
        while (said < until) {
          await ada.send({ type: 'message', text: String(said++) })
          await next(ada, 'message')
        }
      })()
      const client = await visit
      const seen = new Set<string>()
      let isWelcome = false
      while (!isWelcome || !seen.has(String(until - 1))) {
        const { type, text, history = [] } = await client.receive()
        for (const one of [...history.map(({ text }: any) => text), text]) seen.add(one)
        isWelcome ||= type === 'welcome'
      }
      const first = Math.max(0, until - 40)
      const missing = Array.from({ length: until - first }, (_, i) => String(first + i)).filter((text) => !seen.has(text))
      t.strictSame(missing, [], `visitor ${visitor}`)
      await talk
      await client.close()
    }
  })

  t.test('a process that starts later learns the history, and keeps it when the others have gone', async (t) => {
    const engine = await createEngine(t)
    const one = await build(t, engine)
    const ada = await join(one, 'ada')
    await welcome(ada)
    await ada.pair({ type: 'message', text: 'hello' })
    const two = await build(t, engine)
    const grace = await join(two, 'grace')
    t.strictSame(await nextHistory(grace, 'hello'), ['hello'])

    await one.close()

    t.same(await nextPeople(grace, 'grace'), { type: 'left', name: 'ada', people: ['grace'] })
    t.strictSame(texts(await welcome(await join(two, 'linus'))), ['hello'])
  })

  t.test('while the server is down, each process goes on by itself; when the server is back, all processes know the same', async (t) => {
    const engine = await createEngine(t)
    const [one, two] = [await build(t, engine), await build(t, engine)]
    const ada = await join(one, 'ada')
    await welcome(ada)
    const grace = await join(two, 'grace')
    await nextPeople(grace, 'ada', 'grace')
    await nextPeople(ada, 'ada', 'grace')

    await engine.kill()
    t.equal((await ada.pair({ type: 'message', text: 'is anybody here?' })).text, 'is anybody here?')
    t.equal((await grace.pair({ type: 'message', text: 'am I alone?' })).text, 'am I alone?')
    await engine.start()

    const both = ['is anybody here?', 'am I alone?']
    for (const client of [ada, grace]) {
      const seen = new Set<string>()
      while (both.some((text) => !seen.has(text))) for (const text of texts(await next(client, 'resync'))) seen.add(text)
      t.pass('it has been brought up to date')
    }
    const { history } = await welcome(await join(one, 'linus'))
    t.strictSame(texts({ history }).sort(), both.sort())
    t.strictSame((await welcome(await join(two, 'barbara'))).history, history)
  })

  t.test('when one process was cut off, the pages of all processes get what they may have missed', async (t) => {
    const engine = await createEngine(t)
    const [one, two] = [await build(t, engine), await build(t, engine)]
    const ada = await join(one, 'ada')
    await welcome(ada)
    const hello = await ada.pair({ type: 'message', text: 'hello' })
    const grace = await join(two, 'grace')
    await welcome(grace)

    one.websockets.emit('resync', { topics: ['room:lobby'] })

    for (const client of [ada, grace]) t.strictSame((await next(client, 'resync')).history, [hello])
  })

  t.test('the people of a process that has died are gone after some seconds, and come back with the process', async (t) => {
    const engine = await createEngine(t)
    const app = await build(t, engine)
    const grace = await join(app, 'grace')
    const ada = await visit(t, engine, 'ada')
    await nextPeople(grace, 'ada', 'grace')
    t.same((await welcome(ada.client)).people.sort(), ['ada', 'grace'])

    ada.example.kill()
    await ada.example.ended

    t.same(await grace.receive(), { type: 'left', name: 'ada', people: ['grace'] })
    const again = await visit(t, engine, 'ada')
    t.same(await grace.receive(), { type: 'joined', name: 'ada', people: ['grace', 'ada'] })
    again.client.terminate()
  })
}

/** A client in a process of its own. */
async function visit (t: Test, { env }: Engine, name: string): Promise<{ example: Example, client: Client }> {
  const example = new Example('chat/server.js', [], env)
  t.teardown(() => example.kill())
  const [url] = await example.ready()
  const client = await connect(`${url}chat/lobby?name=${name}`, { valueType: 'json', receiveTimeout: LIMIT })
  return { example, client }
}
