import t from 'tap'
import { broker, subscribe } from '../../lib/observe/channels'
import { createApp } from '../helpers/app'
import { brief, listen } from '../helpers/events'
import { ScriptedBroker } from '../helpers/scripted-broker'
import type { BrokerEvent } from '../../types/observe'

t.test('the broker is told when it is up and when it is down', async (t) => {
  const told = listen(t, ['broker'])
  const scripted = new ScriptedBroker()
  const app = await createApp(t, { broker: scripted })
  await app.ready()
  scripted.listener.onUp()
  const reason = new Error('lost')
  scripted.listener.onDown(reason)
  scripted.listener.onUp()
  await app.close()
  t.same(brief(told, 'state', 'reason'), [['broker', null, 'up', null], ['broker', null, 'down', reason], ['broker', null, 'up', null]], 'an app that closes is no outage')
})

t.test('a listener gets events until it ends', async (t) => {
  const events: BrokerEvent[] = []
  const event: BrokerEvent = { session: null, request: null, route: null, state: 'up', reason: null }
  const end = subscribe(broker, (event) => { events.push(event) })
  t.ok(broker.hasSubscribers)
  broker.publish(event)
  end()
  t.notOk(broker.hasSubscribers)
  broker.publish(event)
  t.same(events, [event])
})
