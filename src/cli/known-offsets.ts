/** Offsets of partitions, some of which may be offline: these must not hide the others, or make the user wait. */
import { type Client, ClientError, type OffsetQuery, type TopicInfo } from '../client.ts'

/** By partition of the topic: the offset, or why there is none. */
export async function knownOffsets(
  client: Client,
  { name, partitions }: TopicInfo,
  wanted: ReadonlySet<number> | 'all',
  query: OffsetQuery,
): Promise<Map<number, bigint | string>> {
  const known = new Map<number, bigint | string>()
  const led: number[] = []
  for (const { partition, leader } of partitions) {
    if (wanted !== 'all' && !wanted.has(partition)) continue
    // Otherwise the client would wait for a leader.
    if (leader < 0) known.set(partition, `LEADER_NOT_AVAILABLE: ${name}-${partition} has no leader`)
    else led.push(partition)
  }
  for (const [partition, offset] of await ask(client, name, led, query)) known.set(partition, offset)
  return known
}

async function ask(
  client: Client,
  topic: string,
  partitions: readonly number[],
  query: OffsetQuery,
): Promise<ReadonlyMap<number, bigint | string>> {
  if (partitions.length === 0) return new Map()
  try {
    return await client.offsets(topic, partitions, query)
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    if (partitions.length === 1) return new Map([[partitions[0]!, `${error.code}: ${error.message}`]])
    const found = new Map<number, bigint | string>()
    for (const half of [partitions.slice(0, partitions.length / 2), partitions.slice(partitions.length / 2)]) {
      for (const [partition, offset] of await ask(client, topic, half, query)) found.set(partition, offset)
    }
    return found
  }
}
