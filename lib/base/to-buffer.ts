/** A Buffer on the memory of `bytes`: nothing is copied. */
export function toBuffer ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
