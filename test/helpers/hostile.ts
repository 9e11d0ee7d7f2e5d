/* Values that throw when they are used. */

/** A revoked proxy, which throws at every use. */
export function revoked (): any {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** A proxy whose traps all throw. */
export function throwing (target: object = {}): any {
  const trap = (): never => { throw new Error('from the trap') }
  return new Proxy(target, Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((name) => [name, trap])))
}

/** An object with a getter for each name. The getters throw. */
export function unreadable (...names: string[]): any {
  const get = (): never => { throw new Error('from the getter') }
  return Object.defineProperties({}, Object.fromEntries(names.map((name) => [name, { get, enumerable: true }])))
}

/** Transfers the memory of a view or buffer away. Returns the view or buffer, which is then detached. */
export function detached<T extends ArrayBufferView | ArrayBuffer> (value: T): T {
  structuredClone(null, { transfer: [ArrayBuffer.isView(value) ? value.buffer as ArrayBuffer : value] })
  return value
}
