/** The number of slots over which the channels of a cluster are distributed. */
export const SLOTS = 16_384

/** The table of CRC-16/XMODEM: the sum of each single byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 8
  for (let bit = 0; bit < 8; bit++) sum = (sum & 0x8000) === 0 ? sum << 1 : (sum << 1) ^ 0x1021
  return sum
})

/** The slot of a key or of a sharded channel (Redis cluster specification). */
export function slotOf (key: string): number {
  let sum = 0
  for (const byte of Buffer.from(tagOf(key))) sum = ((sum << 8) & 0xffff) ^ TABLE[(sum >> 8) ^ byte]
  return sum % SLOTS
}

/** The part of `key` that is hashed: the text in the first pair of braces, if there is any, otherwise the whole key. */
function tagOf (key: string): string {
  const begin = key.indexOf('{')
  const end = key.indexOf('}', begin)
  return begin !== -1 && end > begin + 1 ? key.slice(begin + 1, end) : key
}
