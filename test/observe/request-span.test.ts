import t from 'tap'
import { endRequestSpan } from '../../lib/observe/request-span'

t.test('the span of a request ends with the status, and cannot be found any more', async (t) => {
  const calls: unknown[] = []
  const key = Symbol('the request span of somebody')
  const span = { setAttribute: (...args: unknown[]) => calls.push(args), end: () => calls.push('end') }
  const request: any = { [key]: span, [Symbol('other')]: 1, opentelemetry () { return { span: this[key] } } }
  endRequestSpan(request, 200)
  endRequestSpan(request, 101)
  t.same(calls, [['http.response.status_code', 200], 'end'])
  t.equal(request[key], null)
})

t.test('a request without such a span is left as it is', async (t) => {
  for (const request of [{}, { opentelemetry: 'mine' }, { opentelemetry: () => ({}) }, { opentelemetry: () => ({ span: {} }) }]) {
    t.doesNotThrow(() => endRequestSpan(request as any, 101))
  }
})
