/** What a test needs is part of HTTP/1.1 only. */
export class Http1Only extends Error {
  override readonly name = 'Http1Only'
}
