import { groups } from './cases'
import { Runner, type Verdict } from './run'

/* `npm run conformance`: runs all cases and prints the results by group. Exits with 1 if a case has failed. */

const COLUMNS = [44, 7, 8, 12, 8, 9]

function row (...cells: unknown[]): string {
  return cells.map((cell, n) => n === 0 ? String(cell).padEnd(COLUMNS[n]) : String(cell).padStart(COLUMNS[n])).join('')
}

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

async function report (): Promise<boolean> {
  const runner = new Runner()
  const remarks: Record<Verdict, string[]> = { passed: [], 'non-strict': [], failed: [] }
  const total: Record<Verdict, number> = { passed: 0, 'non-strict': 0, failed: 0 }
  const started = performance.now()

  console.log(row('RFC 6455 and RFC 7692, over TCP', 'cases', 'passed', 'non-strict', 'failed', 'time'))
  for (const { id, title, cases } of groups) {
    const count: Record<Verdict, number> = { passed: 0, 'non-strict': 0, failed: 0 }
    const begun = performance.now()
    for (const test of cases) {
      const { verdict, detail } = await runner.run(test)
      count[verdict]++
      total[verdict]++
      remarks[verdict].push(`${test.id.padEnd(10)} ${test.title}\n           ${detail}`)
    }
    console.log(row(`${id.padEnd(4)}${title}`, cases.length, count.passed, count['non-strict'], count.failed, seconds(begun)))
  }
  console.log(row('', total.passed + total['non-strict'] + total.failed, total.passed, total['non-strict'], total.failed, seconds(started)))
  await runner.close()

  if (total['non-strict'] > 0) console.log(`\nNon-strict: allowed, but not the preferred outcome\n\n${remarks['non-strict'].join('\n')}`)
  if (total.failed > 0) console.log(`\nFailed\n\n${remarks.failed.join('\n')}`)
  return total.failed === 0
}

report().then((isSound) => { process.exitCode = isSound ? 0 : 1 })
