/** RFC 6455, section 5.5: a control frame carries at most 125 bytes, two of which are the code. */
export const MAX_REASON_BYTES = 123

/** Cuts `reason` between two characters so that it fits a close frame: at most 123 bytes of UTF-8. */
export function cutReason (reason: string): string {
  return reason.slice(0, new TextEncoder().encodeInto(reason, new Uint8Array(MAX_REASON_BYTES)).read)
}
