/* Values that fail whoever looks at them. */

export function revoked (): any {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** A proxy each of whose traps throws. */
export function throwing (target: object = {}): any {
  const trap = (): never => { throw new Error('from the trap') }
  return new Proxy(target, Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((name) => [name, trap])))
}

/** An object whose properties of these names throw when they are read. */
export function unreadable (...names: string[]): any {
  const get = (): never => { throw new Error('from the getter') }
  return Object.defineProperties({}, Object.fromEntries(names.map((name) => [name, { get, enumerable: true }])))
}

/** A view, or buffer, whose memory has been transferred. */
export function detached<T extends ArrayBufferView | ArrayBuffer> (value: T): T {
  structuredClone(null, { transfer: [ArrayBuffer.isView(value) ? value.buffer as ArrayBuffer : value] })
  return value
}
