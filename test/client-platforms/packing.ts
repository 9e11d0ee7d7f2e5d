/* Calls and their results pass between the platform and the host as JSON, in which an object with a text stands for bytes. */

export function pack (value: unknown): string {
  return JSON.stringify(value, function (this: any, key) {
    const member = this[key] // not yet what its `toJSON` returns
    return member instanceof Uint8Array ? { base64: btoa(Array.from(member, (byte) => String.fromCharCode(byte)).join('')) } : member
  })
}

export function unpack (text: string): any {
  return JSON.parse(text, (_key, value) => {
    return typeof value?.base64 === 'string' ? Uint8Array.from(atob(value.base64), (character) => character.charCodeAt(0)) : value
  })
}
