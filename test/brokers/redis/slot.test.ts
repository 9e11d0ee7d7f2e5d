import t from 'tap'
import { SLOTS, slotOf } from '../../../lib/brokers/redis/slot'
import { RedisServer, skip } from '../../helpers/redis'

t.test('the specification\'s check string has the specified CRC', async (t) => {
  t.equal(slotOf('123456789'), 0x31c3)
})

t.test('if the first braces are not empty, only the text in them counts', async (t) => {
  t.equal(slotOf('{user}.one'), slotOf('{user}.two'))
  t.equal(slotOf('a{user}{b}'), slotOf('user'))
  t.equal(slotOf('foo{{bar}}zap'), slotOf('{bar'))
  for (const whole of ['{}a', 'a{', 'a}', '}{', '}a{b']) t.not(slotOf(whole), slotOf(''), whole)
})

t.test('the slots spread over the whole range', async (t) => {
  const slots = Array.from({ length: 2_000 }, (_, i) => slotOf(`room ${i}`))
  t.ok(slots.every((slot) => slot >= 0 && slot < SLOTS))
  t.ok(new Set(slots).size > 1_800)
})

t.test('a server computes the same slots', { skip }, async (t) => {
  const server = await RedisServer.start(t, { args: ['--cluster-enabled', 'yes'] })
  for (const key of ['a', 'room 1', 'é', '日本', '😀', '{}', '{a}b', 'a{b}c{d}', 'a{}{b}', 'a{{b}}c', 'a{', 'a}', '}a{b}', ' ', 'x'.repeat(1000)]) {
    t.equal(slotOf(key), Number(await server.ask('cluster', 'keyslot', key)), key.slice(0, 20))
  }
})
