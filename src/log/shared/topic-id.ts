/** Topic ids in both forms: as Kafka prints them (base64url), and as the database does (8-4-4-4-12 hexadecimal digits). */
import { type Uuid, uuidFromBytes, uuidToBytes } from '../../protocol.ts'
import type { TopicId } from '../../store.ts'

export function topicIdOf(uuid: Uuid): TopicId {
  const hex = uuidToBytes(uuid).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

export function uuidOf(topicId: TopicId): Uuid {
  return uuidFromBytes(Buffer.from(topicId.replaceAll('-', ''), 'hex'))
}
