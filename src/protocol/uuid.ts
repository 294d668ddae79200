/** Kafka's UUIDs: 128 bits, kept as Kafka prints them (base64url, 22 characters), so that they can be keys of a Map. */
import type { Random } from '../base.ts'

declare const brand: unique symbol
export type Uuid = string & { readonly [brand]: 'Uuid' }

/** Stands for "none". */
export const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA' as Uuid
/** Kafka keeps this one for the metadata topic, and it is never handed out. */
export const metadataTopicUuid = 'AAAAAAAAAAAAAAAAAAAAAQ' as Uuid

/** Kafka's own rule: version 4, never a reserved one, never starting with a dash (command lines would take it for a flag). */
export function randomUuid(random: Random): Uuid {
  const bytes = Buffer.alloc(16)
  for (;;) {
    random.fill(bytes)
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    const text = bytes.toString('base64url')
    if (!text.startsWith('-')) return text as Uuid
  }
}

export function uuidFromBytes(bytes: Uint8Array): Uuid {
  if (bytes.length !== 16) throw new RangeError(`a UUID has 16 bytes, not ${bytes.length}`)
  return Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString('base64url') as Uuid
}

export function uuidToBytes(uuid: Uuid): Buffer {
  return Buffer.from(uuid, 'base64url')
}

/** The text as a UUID, or null when it is none. */
export function parseUuid(text: string): Uuid | null {
  return /^[A-Za-z0-9_-]{21}[AQgw]$/.test(text) ? (text as Uuid) : null
}
