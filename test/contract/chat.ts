import { resolve } from 'node:path'
import type { Test } from 'tap'
import { connect } from '../../lib/client/client'
import { Example, examples } from '../helpers/example'
import { until } from '../helpers/until'
import { Visitor } from '../helpers/visitor'
import type { FastifyInstance } from 'fastify'

/** A server that the chats share. A test can stop it and start it again. */
export interface Engine {
  env: Record<string, string>
  kill (): Promise<void>
  start (): Promise<void>
}

/** An app of the chat, with the broker up. */
async function build (t: Test, { env }: Engine): Promise<FastifyInstance> {
  const app = await require(resolve(examples, 'chat/server.js')).build({}, env)
  t.teardown(() => app.close())
  await app.ready()
  t.equal(app.websockets.brokerState, 'up')
  return app
}

async function join (app: FastifyInstance, name: string): Promise<Visitor> {
  return await Visitor.join(app, 'lobby', name)
}

/** Resolves when the visitor has been told exactly these people. */
async function knows (visitor: Visitor, ...names: string[]): Promise<any> {
  let message: any = { people: visitor.people }
  while (String(message.people?.toSorted()) !== String(names)) message = await visitor.receive()
  return message
}

/** Tests the chat example in several processes, as its users see it. */
export function chatContract (t: Test, createEngine: (t: Test) => Promise<Engine>): void {
  t.test('two processes are one chat', async (t) => {
    const engine = await createEngine(t)
    const [one, two] = [await build(t, engine), await build(t, engine)]

    const ada = await join(one, 'ada')
    t.match(ada, { people: ['ada'], said: [] })
    const hello = await ada.pair({ type: 'message', text: 'hello' })

    const grace = await join(two, 'grace')
    t.same(grace.said, [hello], 'a user that joins in another process gets the messages')
    await knows(grace, 'ada', 'grace')
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
    await knows(grace, 'ada', 'grace')
    const second = await join(two, 'ada')
    await knows(second, 'ada', 'grace')
    const linus = await join(two, 'linus') // from here on, each process knows what the other has told before
    await knows(linus, 'ada', 'grace', 'linus')
    await knows(grace, 'ada', 'grace', 'linus')

    await first.close()
    await second.send({ type: 'message', text: 'still here' })
    t.equal((await grace.receive()).text, 'still here', 'nobody has joined or left')
    await second.close()
    t.same(await grace.receive(), { type: 'left', name: 'ada', people: ['grace', 'linus'] })
  })

  t.test('a user who comes back to another process gets what was said meanwhile', async (t) => {
    const engine = await createEngine(t)
    const [one, two] = [await build(t, engine), await build(t, engine)]
    const grace = await join(one, 'grace')
    const ada = await join(one, 'ada')
    await grace.send({ type: 'message', text: 'one' })
    await ada.hear('one')
    await ada.close()
    await grace.send({ type: 'message', text: 'two' })
    await grace.hear('two')

    const again = await Visitor.join(two, 'lobby', 'ada', ada.position)
    t.match(again, { texts: ['two'], afresh: 0 })
  })

  t.test('a user who joins while others talk gets each message once, in the order that all have', async (t) => {
    const engine = await createEngine(t)
    const [one, two] = [await build(t, engine), await build(t, engine)]
    const ada = await join(one, 'ada')
    let said = 0
    for (let n = 0; n < 20; n++) {
      const end = said + 20
      const talk = (async () => {
        while (said < end) {
          await ada.send({ type: 'message', text: String(said++) })
          await ada.next(undefined)
        }
      })()
      const visitor = await join(two, `visitor ${n}`)
      await visitor.hear(String(end - 1))
      await talk
      t.strictSame(visitor.texts, ada.texts.slice(-visitor.texts.length), `visitor ${n}`)
      t.ok(visitor.texts.length >= Math.min(end, 50), `${visitor.texts.length} messages`)
      await visitor.close()
    }
  })

  t.test('the messages of a room outlive the processes', async (t) => {
    const engine = await createEngine(t)
    const one = await build(t, engine)
    const ada = await join(one, 'ada')
    await ada.pair({ type: 'message', text: 'hello' })
    await one.close()

    const grace = await join(await build(t, engine), 'grace')

    t.strictSame(grace.texts, ['hello'])
    t.same(grace.people, ['grace'])
  })

  t.test('while the server is down, nobody gets a message; when the server is back, the pages send again what nobody has got', async (t) => {
    const engine = await createEngine(t)
    const [one, two] = [await build(t, engine), await build(t, engine)]
    const ada = await join(one, 'ada')
    const grace = await join(two, 'grace')
    await ada.pair({ type: 'message', text: 'before' })
    await Promise.all([ada, grace].map((visitor) => visitor.hear('before')))

    await engine.kill()
    for (const app of [one, two]) await until(() => app.websockets.brokerState === 'down')
    await ada.send({ type: 'message', text: 'is anybody here?' })
    await t.rejects(join(one, 'linus'), { name: 'WebSocketUpgradeError', statusCode: 503 } as any, 'nobody can join')
    await engine.start()

    for (const visitor of [ada, grace]) await visitor.next('welcome')
    t.notOk(ada.texts.includes('is anybody here?'))
    await ada.send({ type: 'message', text: 'is anybody here?' })
    await grace.hear('is anybody here?')
    await ada.hear('is anybody here?')
    const linus = await join(one, 'linus')
    for (const visitor of [ada, grace]) t.strictSame(visitor.texts, linus.texts, 'all have the same messages')
  })

  t.test('when the topic of a room has missed messages, its pages get the newest ones afresh', async (t) => {
    const engine = await createEngine(t)
    const app = await build(t, engine)
    const ada = await join(app, 'ada')
    await ada.pair({ type: 'message', text: 'hello' })
    const before = ada.afresh

    app.websockets.emit('resync', { topics: ['room:lobby'], recovered: [], missed: ['room:lobby'] })

    await ada.next('welcome')
    t.match(ada, { texts: ['hello'], afresh: before + 1 })
  })

  t.test('the people of a process that has died are gone after some seconds, and come back with the process', async (t) => {
    const engine = await createEngine(t)
    const app = await build(t, engine)
    const grace = await join(app, 'grace')
    const ada = await visit(t, engine, 'ada')
    await knows(grace, 'ada', 'grace')
    await knows(ada.visitor, 'ada', 'grace')

    ada.example.kill()
    await ada.example.ended

    t.same(await grace.receive(), { type: 'left', name: 'ada', people: ['grace'] })
    const again = await visit(t, engine, 'ada')
    t.same(await grace.receive(), { type: 'joined', name: 'ada', people: ['grace', 'ada'] })
    again.visitor.client.terminate()
  })
}

/** A visitor of a process of its own. */
async function visit (t: Test, { env }: Engine, name: string): Promise<{ example: Example, visitor: Visitor }> {
  const example = new Example('chat/server.js', [], env)
  t.teardown(() => example.kill())
  const [url] = await example.ready()
  const visitor = new Visitor(await connect(`${url}chat/lobby?name=${name}`, { valueType: 'json', receiveTimeout: 10_000 }))
  await visitor.next('welcome')
  return { example, visitor }
}
