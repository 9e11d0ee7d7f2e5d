import t from 'tap'
import { delayAfter, isBusy, mayPass } from '../../lib/browser/backoff'
import { random } from '../helpers/fuzz'
import { setRandom } from '../helpers/random'
import type { CloseInfo } from '../../types/message'

/** Every close code that a page may see. */
const CODES = [...Array.from({ length: 16 }, (_, n) => 1000 + n), ...Array.from({ length: 2_000 }, (_, n) => 3000 + n)]

const endOf = (code: number): CloseInfo => ({ code, reason: '', wasClean: true })

t.test('by default, another attempt follows all close codes but 1002, 1003, 1007 to 1010, and 4400 to 4499 except 4408, 4425 and 4429', async (t) => {
  const final = CODES.filter((code) => !mayPass(endOf(code)))
  const refusals = Array.from({ length: 100 }, (_, n) => 4400 + n).filter((code) => ![4408, 4425, 4429].includes(code))
  t.strictSame(final, [1002, 1003, 1007, 1008, 1009, 1010, ...refusals])
})

t.test('a server asks for time with 1013, 4429 and 4503', async (t) => {
  t.strictSame(CODES.filter((code) => isBusy(endOf(code))), [1013, 4429, 4503])
})

t.test('the bound of the delay doubles with each wait, up to maxDelay', async (t) => {
  setRandom(t, () => 1)
  t.strictSame([0, 1, 2, 3, 4, 5, 6, 7, 2_000].map((waits) => delayAfter(waits, 500, 30_000)),
    [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
  t.equal(delayAfter(0, 500, 100), 100, 'maxDelay bounds the first delay, too')
})

t.test('the delay is spread evenly from 0 to its bound', async (t) => {
  setRandom(t, random(1))
  for (const waits of [0, 3, 10]) {
    const bound = Math.min(30_000, 500 * 2 ** waits)
    const tenths = new Array<number>(10).fill(0)
    for (let n = 0; n < 10_000; n++) tenths[Math.floor(10 * delayAfter(waits, 500, 30_000) / bound)]++
    t.equal(tenths.length, 10, 'no delay is beyond the bound')
    t.ok(tenths.every((count) => count > 850 && count < 1_150), `${waits} waits: ${String(tenths)}`)
  }
})
