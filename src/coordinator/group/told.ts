/**
 * What the members of a group tell of themselves. It is kept, and all of it is looked at for each new assignment. So it has a bound
 * (`group.max.metadata.bytes`), as that of classic groups has: a thousand members with a megabyte of names each would fill the memory, and
 * hold up everybody each time that one of them changes. Kafka has no bound.
 */
import { KafkaError } from '../../protocol.ts'

/** A text costs something however short it is. */
const leastBytes = 64

export function bytesOf(texts: Iterable<string>): number {
  let bytes = 0
  for (const text of texts) bytes += Math.max(text.length, leastBytes)
  return bytes
}

/** `all`: of the whole group, with what the member told `before`. Throws GROUP_MAX_SIZE_REACHED when it tells more now than there is room for. */
export function checkTold(all: number, before: number, after: number, most: number): void {
  if (after <= before || all - before + after <= most) return
  throw new KafkaError('GROUP_MAX_SIZE_REACHED', `The metadata of the group's members would exceed group.max.metadata.bytes=${most}.`)
}
