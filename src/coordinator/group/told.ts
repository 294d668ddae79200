/**
 * The metadata of a group's members. It is stored, and every new assignment reads all of it. So it has a limit
 * (`group.max.metadata.bytes`), like that of classic groups: a thousand members with a megabyte of names each would fill the memory, and
 * block all clients whenever one of them changes. Kafka has no limit.
 */
import { KafkaError } from '../../protocol.ts'

/** The least that a text counts, however short it is. */
const leastBytes = 64

export function bytesOf(texts: Iterable<string>): number {
  let bytes = 0
  for (const text of texts) bytes += Math.max(text.length, leastBytes)
  return bytes
}

/** `all`: the bytes of the whole group, with the member's bytes `before`. Throws GROUP_MAX_SIZE_REACHED if `after` exceeds the limit. */
export function checkTold(all: number, before: number, after: number, most: number): void {
  if (after <= before || all - before + after <= most) return
  throw new KafkaError('GROUP_MAX_SIZE_REACHED', `The metadata of the group's members would exceed group.max.metadata.bytes=${most}.`)
}
