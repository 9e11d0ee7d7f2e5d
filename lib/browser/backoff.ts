import type { CloseInfo } from '../../types/message'

/**
 * The close codes of a fault that another attempt does not mend: 1002, 1003, 1007 to 1010, and 4400 to 4499, with which a server of
 * `refusal: 'close'` tells of an error of the client (4000 + the HTTP status). Of these errors, three may pass: 408 Request Timeout,
 * 425 Too Early and 429 Too Many Requests.
 */
const FINAL = /^(100[23789]|1010|44(?!08|25|29)..)$/

/** The close codes by which a server asks for time (1013 Try Again Later). An attempt after them comes no earlier than planned. */
const BUSY = [1013, 4429, 4503]

/** Whether another attempt may succeed after a close with `code`: the `retry` of `reconnect` by default. */
export function mayPass ({ code }: CloseInfo): boolean {
  return !FINAL.test(String(code))
}

/** Whether the server has asked for time. */
export function isBusy ({ code }: CloseInfo): boolean {
  return BUSY.includes(code)
}

/**
 * Milliseconds to wait before the next attempt: a random time from 0 to `baseDelay` × 2ⁿ, at most `maxDelay`, after n waits. The
 * attempts of many clients that have lost their server spread over that time ("full jitter").
 */
export function delayAfter (waits: number, baseDelay: number, maxDelay: number): number {
  return Math.random() * Math.min(maxDelay, baseDelay * 2 ** waits)
}
