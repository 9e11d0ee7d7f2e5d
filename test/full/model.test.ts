import fc from 'fast-check'
import t from 'tap'
import { check } from '../helpers/fuzz'
import { assertNoConnections } from '../helpers/tcp'
import { unhandledRejections } from '../helpers/unhandled'
import type { Model } from '../model/model'
import { races, RaceTrack } from '../model/race'
import { steps } from '../model/steps'
import { Server, World, type Setting } from '../model/world'

/* Random steps of a session and its client. */

const mostly = fc.constantFrom(true, true, true, false)

const settings = fc.record<Setting>({
  transport: fc.constantFrom('tcp', 'injected'),
  catchDisconnect: fc.boolean(),
  acceptsAtOnce: mostly,
  answersClose: mostly,
  refusal: fc.constantFrom('http', 'close'),
  hasSessionHandlers: fc.boolean(),
  asksEarly: fc.boolean(),
  leaves: fc.constantFrom('end', 'reset')
})

t.test('a session behaves as its model does', async (t) => {
  const server = await Server.start(t)
  const values = fc.tuple(settings, steps)
  async function run ([setting, steps]: [Setting, Iterable<fc.AsyncCommand<Model, World>>]): Promise<void> {
    const world = await World.connect(server, setting)
    try {
      await fc.asyncModelRun(() => ({ model: world.model, real: world }), steps)
      await world.finish()
    } finally {
      world.abandon()
    }
  }
  t.same(await unhandledRejections(() => check(t, values, run, { standard: 1_500, limit: 5_000 })), [])
  await assertNoConnections(t, server.app)
})

t.test('whatever both sides do at the same time, no message is lost, duplicated or reordered, and every session ends', async (t) => {
  const track = await RaceTrack.open(t)
  t.same(await unhandledRejections(() => check(t, races, (race) => track.run(race), { standard: 1_000, limit: 3_500 })), [])
  await assertNoConnections(t, track.app)
})
