import { groups } from './cases'
import { Runner, type Verdict } from './run'
import { TRANSPORTS, type Transport } from './transport'

/* `npm run conformance`: runs all cases over each transport and prints the results by group. Exits with 1 if a case has failed. */

type Count = Record<Verdict, number>

const COLUMNS = [49, 7, 8, 12, 8, 9]

/** What was remarkable, and the transports over which it was. */
const remarks: Record<Verdict, Map<string, string[]>> = { passed: new Map(), 'non-strict': new Map(), failed: new Map() }

function row (...cells: unknown[]): string {
  return cells.map((cell, n) => n === 0 ? String(cell).padEnd(COLUMNS[n]) : String(cell).padStart(COLUMNS[n])).join('')
}

function result (title: string, { passed, 'non-strict': nonStrict, failed }: Count, since: number): string {
  const time = `${((performance.now() - since) / 1000).toFixed(1)} s`
  return row(title, passed + nonStrict + failed, passed, nonStrict, failed, time)
}

const none = (): Count => ({ passed: 0, 'non-strict': 0, failed: 0 })

function remark (verdict: Verdict, text: string, transport: string): void {
  const transports = remarks[verdict].get(text) ?? []
  remarks[verdict].set(text, [...transports, transport])
}

function print (title: string, verdict: Verdict): void {
  if (remarks[verdict].size === 0) return
  console.log(`${title}\n`)
  for (const [text, transports] of remarks[verdict]) {
    console.log(transports.length === TRANSPORTS.length ? text : `${text}\n           only over ${transports.join(' and ')}`)
  }
  console.log()
}

/** Prints a table of the results over `transport`. */
async function table (transport: Transport): Promise<void> {
  const runner = new Runner(transport)
  const total = none()
  const started = performance.now()

  console.log(row(`RFC 6455 and RFC 7692, over ${transport.name}`, 'cases', 'passed', 'non-strict', 'failed', 'time'))
  for (const { id, title, cases } of groups) {
    const count = none()
    const begun = performance.now()
    for (const test of cases) {
      const { verdict, detail } = await runner.run(test)
      count[verdict]++
      total[verdict]++
      remark(verdict, `${test.id.padEnd(10)} ${test.title}\n           ${detail}`, transport.name)
    }
    console.log(result(`${id.padEnd(4)}${title}`, count, begun))
  }
  console.log(`${result('', total, started)}\n`)
  await runner.close()
}

async function report (): Promise<void> {
  for (const transport of TRANSPORTS) await table(transport)
  print('Non-strict: allowed, but not the preferred outcome', 'non-strict')
  print('Failed', 'failed')
  process.exitCode = remarks.failed.size === 0 ? 0 : 1
}

report()
