import t from 'tap'
import { groups } from '../conformance/cases'
import { Runner } from '../conformance/run'
import { TRANSPORTS } from '../conformance/transport'

/** The number of Autobahn's cases in each group; 517 in all. */
const AUTOBAHN: Record<string, number> = { 1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126 }

t.test('the table has every case of Autobahn once', async (t) => {
  for (const [group, count] of Object.entries(AUTOBAHN)) {
    const ids = groups.find(({ id }) => id === group)!.cases.map(({ id }) => id).filter((id) => !id.includes('+'))
    t.equal(new Set(ids).size, count, `group ${group}`)
  }
  const ids = groups.flatMap(({ cases }) => cases).map(({ id }) => id)
  t.equal(new Set(ids).size, ids.length, 'each id is unique')
})

for (const transport of TRANSPORTS) {
  const runner = new Runner(transport)
  t.teardown(() => runner.close())

  for (const { id, title, cases } of groups) {
    t.test(`${id} ${title}, over ${transport.name}`, async (t) => {
      for (const test of cases) {
        const { verdict, detail } = await runner.run(test)
        t.not(verdict, 'failed', `${test.id} ${test.title}`, { verdict, detail })
      }
    })
  }
}
