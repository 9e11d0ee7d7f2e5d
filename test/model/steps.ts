import fc from 'fast-check'
import { BINARY, clientFrame, CLOSE, closePayload, CONTINUATION, PING, PONG, TEXT } from '../helpers/frames'
import { MAX_PAYLOAD, type Call, type Message, type Model, type Type } from './model'
import { closeFrame, type World } from './world'

/* The steps that a test can take on either side of a connection. */

/** A step, which acts on the model and on the real connection. */
class Step implements fc.AsyncCommand<Model, World> {
  constructor (
    readonly name: string,
    readonly side: 'server' | 'client',
    readonly isPossible: (model: Model) => boolean,
    readonly act: (model: Model, world: World) => void | Promise<void>
  ) {}

  check (model: Readonly<Model>): boolean {
    return this.isPossible(model as Model)
  }

  async run (model: Model, world: World): Promise<void> {
    await world.turn(this.side)
    if (this.isPossible(model)) await this.act(model, world)
  }

  toString (): string {
    return this.name
  }
}

/** Waits for microtasks. No data arrives meanwhile. */
async function microtasks (): Promise<void> {
  for (let n = 0; n < 50; n++) await null
}

const always = (): boolean => true

// The session's verbs

type Verb = (model: Model, world: World, call: Call) => void | Promise<void>

function verb (name: string, act: Verb, isPossible: (model: Model) => boolean = always): Step {
  return new Step(name, 'server', isPossible, async (model, world) => await act(model, world, model.call(name)))
}

/** A verb whose outcome depends on data under way, so the step lets that data arrive first. */
function calmVerb (name: string, act: Verb, isPossible: (model: Model) => boolean = always): Step {
  return new Step(name, 'server', isPossible, async (model, world) => {
    await world.settle()
    await act(model, world, model.call(name))
  })
}

/** A verb that answers the handshake, if the handshake has no answer yet. A connection that is breaking may answer it first. */
function answer (name: string, act: Verb): Step {
  return new Step(name, 'server', always, async (model, world) => {
    if (!model.accepted && model.isMoving) await world.settle()
    await act(model, world, model.call(name))
  })
}

const types = fc.constantFrom<Type>('any', 'any', 'any', 'text', 'bytes', 'json', 'integer', 'boolean')
const codes = fc.constantFrom(1000, 1001, 1011, 3000, 4001, 1005, 2999)
const reasons = fc.constantFrom('', 'bye', 'grüße')
/** Reasons. A close frame has room for 123 bytes of a reason. */
const reasonsOfSession = fc.oneof(reasons, fc.constant('ü'.repeat(62)))
const statuses = fc.constantFrom(403, 404, 503)
const values = fc.constantFrom<[value: unknown, message: Message | null]>(
  ['text', 'text'], ['', ''], [Buffer.from('bytes'), Buffer.from('bytes')], [7, '7'], [false, 'false'], [{ a: 1 }, '{"a":1}'], [undefined, null], [NaN, null])
const wanted = fc.constantFrom<[value: unknown, type: Type]>(['a', 'text'], ['1', 'text'], [{ a: 1 }, 'json'], [Buffer.from('b'), 'bytes'], [true, 'boolean'])

const handshake = [
  fc.boolean().map((asEvent) => answer(asEvent ? 'sendEvent accept' : 'accept', (model, world, call) => {
    model.accept(call, true)
    if (asEvent && call.expected === 'session') call.expected = 'nothing'
    world.track(call, asEvent ? world.ws.sendEvent({ type: 'websocket.accept' }) : world.ws.accept())
  })),
  fc.constant(answer('accept, with a subprotocol that was not offered', (model, world, call) => {
    model.accept(call, false)
    world.track(call, world.ws.accept({ subprotocol: 'none' }))
  }))
]

const refusing = [
  statuses.map((status) => answer(`deny(${status})`, (model, world, call) => {
    model.deny(call, status)
    world.track(call, world.ws.deny(status))
  }))
]

const ending = [
  fc.tuple(codes, reasonsOfSession, fc.boolean()).map(([code, reason, asEvent]) => answer(`close(${code}, '${reason}')`, (model, world, call) => {
    model.close(call, code, reason)
    world.track(call, asEvent ? world.ws.sendEvent({ type: 'websocket.close', code, reason }) : world.ws.close(code, reason))
  })),
  fc.constant(new Step('terminate()', 'server', always, async (model, world) => {
    if (model.isMoving && !model.accepted) await world.settle()
    model.terminate()
    world.ws.terminate()
  })),
  fc.constant(new Step('return', 'server', (model) => !model.handlerEnded, async (model, world) => {
    // Session handlers go on with the messages that have arrived, so all data under way arrives first.
    if (model.isMoving && (!model.accepted || world.setting.hasSessionHandlers)) await world.settle()
    model.return()
    world.handler.resolve()
    await microtasks()
  })),
  fc.constantFrom<[error: any, code: number, status: number]>(
    [new Error('thrown'), 1011, 500],
    [Object.assign(new Error('thrown'), { closeCode: 4123, statusCode: 418 }), 4123, 418],
    [Object.assign(new Error('thrown'), { closeCode: 1005, statusCode: 200 }), 1011, 500],
    ['thrown', 1011, 500]
  ).map(([error, code, status]) => new Step(`throw ${error} ${error.closeCode}`, 'server', (model) => !model.handlerEnded, async (model, world) => {
    if (!model.accepted && model.isMoving) await world.settle()
    model.throw('', code, status, error.message ?? error)
    world.handler.reject(error)
    await microtasks()
  })),
  fc.constant(new Step('throw what a call rejected with', 'server', (model) => !model.handlerEnded, async (model, world) => {
    await world.settle()
    const error: any = [...world.reasons.values()].at(-1)
    if (error === undefined) return
    model.throw(error.name, closeCodeOf(error), error.statusCode ?? 500, error.message ?? error)
    world.handler.reject(error)
    await microtasks()
  }))
]

const handling = [
  fc.constant(new Step('onMessage returns', 'server', (model) => model.isHandling, async (model, world) => {
    model.returnMessage()
    world.message!.resolve()
    await microtasks()
  })),
  fc.constant(new Step('onMessage throws', 'server', (model) => model.isHandling, async (model, world) => {
    model.throwMessage('', 1011)
    world.message!.reject(new Error('thrown'))
    await microtasks()
  })),
  fc.constant(new Step('onMessage throws what a call rejected with', 'server', (model) => model.isHandling, async (model, world) => {
    await world.settle()
    const error: any = [...world.reasons.values()].at(-1)
    if (error === undefined) return
    model.throwMessage(error.name, closeCodeOf(error))
    world.message!.reject(error)
    await microtasks()
  }))
]

/** Returns the code with which the connection closes when the error of a verb leaves a handler. */
function closeCodeOf ({ closeCode }: any): number {
  return [1003, 1008].includes(closeCode) ? closeCode : 1011
}

const sending = [
  values.map(([value, message]) => verb(`send(${String(value)})`, (model, world, call) => {
    model.send(call, message)
    world.track(call, world.ws.send(value))
  })),
  fc.constant(verb('sendEvent send', (model, world, call) => {
    model.send(call, 'event')
    world.track(call, world.ws.sendEvent({ type: 'websocket.send', text: 'event' }))
  })),
  fc.constant(verb('ping()', (model, world, call) => {
    model.ping(call)
    world.track(call, world.ws.ping(), () => 'ms')
  }))
]

const receiving = [
  types.map((type) => verb(`receive('${type}')`, (model, world, call) => {
    model.receive(call, type)
    world.track(call, world.ws.receive(type))
  })),
  types.map((type) => verb(`receive('${type}'), with a long timeout`, (model, world, call) => {
    model.receive(call, type)
    world.track(call, world.ws.receive({ type, timeout: 60_000 }))
  })),
  fc.tuple(types, fc.integer({ min: 0, max: 2 })).map(([type, timeout]) => calmVerb(`receive('${type}', ${timeout} ms)`, async (model, world, call) => {
    model.receiveInTime(call, type)
    world.track(call, world.ws.receive({ type, timeout }))
    await world.settle()
  })),
  types.map((type) => verb(`receive('${type}'), with a signal`, (model, world, call) => {
    const controller = new AbortController()
    model.receive(call, type)
    world.aborts.push([call, controller])
    world.track(call, world.ws.receive({ type, signal: controller.signal }))
  })),
  types.map((type) => verb(`receive('${type}'), with a signal that is aborted`, (model, world, call) => {
    if (model.accepted) call.expected = 'abort'
    else model.receive(call, type)
    world.track(call, world.ws.receive({ type, signal: AbortSignal.abort('abort') }))
  })),
  fc.nat(3).map((n) => new Step(`abort ${n}`, 'server', always, (model, world) => {
    const [call, controller] = world.aborts.splice(n % Math.max(world.aborts.length, 1), 1)[0] ?? []
    if (call?.waits === true) model.giveUp(call, 'abort')
    controller?.abort('abort')
  })),
  wanted.map(([value, type]) => verb(`expect(${JSON.stringify(value)})`, (model, world, call) => {
    model.expect(call, value, type)
    world.track(call, world.ws.expect(value))
  })),
  fc.tuple(values, types).map(([[value, message], type]) => verb(`pair(${String(value)}, '${type}')`, async (model, world, call) => {
    if (message === null) model.send(call, null)
    else model.pair(call, message, type)
    world.track(call, world.ws.pair(value, { type }))
    await microtasks()
  })),
  types.map((type) => calmVerb(`pair('text', '${type}'), receiveFirst`, async (model, world, call) => {
    model.pairReceiveFirst(call, 'text', type)
    world.track(call, world.ws.pair('text', { type, receiveFirst: true }))
    await microtasks()
  })),
  types.map((type) => verb(`next() of messages('${type}')`, (model, world, call) => {
    model.next(call, type)
    const iterator = world.iterators.get(type) ?? world.ws.messages(type)
    world.iterators.set(type, iterator)
    world.track(call, iterator.next())
  })),
  fc.constant(verb('receiveEvent()', (model, world, call) => {
    model.receiveEvent(call)
    world.track(call, world.ws.receiveEvent())
  }))
]

// Steps of the client

const isSpeaking = (model: Model): boolean => model.isServerThere && model.isClientThere && !model.clientClosed && model.unfinished !== 'frame'
const isBetweenMessages = (model: Model): boolean => isSpeaking(model) && model.unfinished === null
const isWithinMessage = (model: Model): boolean => isSpeaking(model) && model.unfinished === 'message'
const isThere = (model: Model): boolean => model.isServerThere && model.isClientThere

const messages = fc.constantFrom<Message>('a', '1', '0', 'true', '{"a":1}', '', 'grüße', Buffer.from('b'), Buffer.from('{"a":1}'), Buffer.from(''), Buffer.from([0xff, 0]))

const opcode = (message: Message): number => typeof message === 'string' ? TEXT : BINARY

/** Sends a message of the client. If a call waits for it, the call is over before the next step. */
async function sayMessage (world: World, message: Message, bytes: Buffer): Promise<void> {
  world.say({ message }, bytes)
  if (world.model.waits) await world.settle()
}

/** Protocol violations: each with its close code, its bytes, and when the client can send it. */
const wrong: [name: string, code: number, bytes: Buffer, isPossible: (model: Model) => boolean][] = [
  ['a frame that is not masked', 1002, Buffer.from([0x81, 1, 97]), isSpeaking],
  ['a reserved bit', 1002, Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), isSpeaking],
  ['an unknown opcode', 1002, Buffer.from([0x83, 0x80, 0, 0, 0, 0]), isSpeaking],
  ['a ping in fragments', 1002, clientFrame(PING, '', false), isSpeaking],
  ['a long ping', 1002, clientFrame(PING, Buffer.alloc(126)), isSpeaking],
  ['close code 1005', 1002, clientFrame(CLOSE, closePayload(1005)), isSpeaking],
  ['half a close code', 1002, clientFrame(CLOSE, Buffer.alloc(1)), isSpeaking],
  ['a close reason that is not UTF-8', 1007, clientFrame(CLOSE, Buffer.from([3, 232, 255])), isSpeaking],
  ['a continuation of nothing', 1002, clientFrame(CONTINUATION, 'a'), isBetweenMessages],
  ['a text that is not UTF-8', 1007, clientFrame(TEXT, Buffer.from([255])), isBetweenMessages],
  ['a message over maxPayload', 1009, clientFrame(TEXT, Buffer.alloc(MAX_PAYLOAD + 1, 'a')), isBetweenMessages],
  ['a message within a message', 1002, clientFrame(TEXT, 'a'), isWithinMessage]
]

const message = messages.map((message) => new Step(`client: ${JSON.stringify(message)}`, 'client', isBetweenMessages, (_, world) =>
  sayMessage(world, message, clientFrame(opcode(message), message))))

const talking = [
  messages.map((message) => new Step(`client: the beginning of ${JSON.stringify(message)}`, 'client', isBetweenMessages, (model, world) => {
    model.unfinished = 'message'
    model.unfinishedMessage = message
    world.peer.write(clientFrame(opcode(message), message, false))
  })),
  fc.boolean().map((isLast) => new Step(`client: ${isLast ? 'the end' : 'the middle'} of it`, 'client', isWithinMessage, async (model, world) => {
    const frame = clientFrame(CONTINUATION, isLast ? '' : '1', isLast)
    if (isLast) {
      model.unfinished = null
      await sayMessage(world, model.unfinishedMessage, frame)
    } else {
      const { unfinishedMessage: begun } = model
      model.unfinishedMessage = typeof begun === 'string' ? `${begun}1` : Buffer.concat([begun, Buffer.from('1')])
      world.peer.write(frame)
    }
  })),
  fc.tuple(messages, fc.double({ min: 0, max: 1, noNaN: true })).map(([message, part]) => new Step(`client: a part of the frame of ${JSON.stringify(message)}`, 'client', isBetweenMessages, (model, world) => {
    const frame = clientFrame(opcode(message), message)
    const length = 1 + Math.floor(part * (frame.length - 2))
    model.unfinished = 'frame'
    model.unfinishedMessage = message
    world.rest = frame.subarray(length)
    world.peer.write(frame.subarray(0, length))
  })),
  fc.constant(new Step('client: the rest of it', 'client', (model) => isThere(model) && model.unfinished === 'frame', async (model, world) => {
    const { rest } = world
    model.unfinished = null
    world.rest = Buffer.alloc(0)
    await sayMessage(world, model.unfinishedMessage, rest)
  })),
  fc.constantFrom('', 'ping').map((ping) => new Step(`client: ping '${ping}'`, 'client', isSpeaking, (_, world) => world.say({ ping }, clientFrame(PING, ping)))),
  fc.constantFrom('', 'pong', '0', '99').map((pong) => new Step(`client: pong '${pong}'`, 'client', isSpeaking, (_, world) => world.say({ pong: 'none' }, clientFrame(PONG, pong)))),
  fc.constantFrom(true, true, false).map((reads) => new Step(`client: ${reads ? 'reads' : 'does not read'}`, 'client', (model) => isThere(model) && model.clientReads !== reads, (model, { peer }) => {
    model.clientReads = reads
    if (reads) peer.resume()
    else peer.pause()
  }))
]

const leaving = [
  fc.tuple(fc.constantFrom(1000, 1001, 1005, 1011, 4001), reasons).map(([close, reason]) => new Step(`client: close ${close}`, 'client', isSpeaking, (_, world) => {
    const said = { close, reason: close === 1005 ? '' : reason }
    world.say(said, closeFrame(said.close, said.reason))
  })),
  fc.constant(new Step('client: end', 'client', isThere, (_, world) => world.say({ end: true }))),
  fc.constant(new Step('client: reset', 'client', isThere, async (_, world) => {
    await world.settle() // a reset loses the data that was not read
    if (isThere(world.model)) world.say({ reset: true })
  })),
  fc.constantFrom(...wrong).map(([name, code, bytes, isPossible]) => new Step(`client: ${name}`, 'client', isPossible, (_, world) => world.say({ wrong: code }, bytes)))
]

const settle = fc.constant(new Step('settle', 'server', always, (_, world) => world.settle()))

/** Steps after which the connection goes on, and steps that end it. */
const goingOn = [settle, ...handshake, ...handling, ...sending, ...receiving, ...talking, message, message, message, message]
const goingAway = [...refusing, ...ending, ...leaving]

/** Steps in any order. After most of them, the connection goes on. */
export const steps = fc.commands([...Array.from({ length: 8 }, () => goingOn).flat(), ...goingAway], { maxCommands: 80, size: 'max' })
