/** Some of the newest records of a topic, as they are stored, for a preview. */
import type { System } from '../base.ts'
import type { Client, ReceivedRecord } from '../client.ts'

/** Of a topic with more, some. */
const mostPartitions = 32
/** Of one record: what is larger says no more. */
const mostBytes = 65_536
const patienceMs = 5_000

/** At most `most`, the oldest of them first. Reads with the rights of whom `client` belongs to. */
export async function newestOf(client: Client, topic: string, most: number, { timers }: Pick<System, 'timers'>): Promise<ReceivedRecord[]> {
  const [info] = await client.topics([topic])
  const all = info!.partitions.map(({ partition }) => partition)
  const [starts, ends] = await Promise.all([client.offsets(topic, all, 'earliest'), client.offsets(topic, all, 'latest')])
  const filled = all.filter(partition => ends.get(partition)! > starts.get(partition)!).slice(0, mostPartitions)
  if (filled.length === 0) return []
  const from = new Map(filled.map(partition => [partition, later(starts.get(partition)!, ends.get(partition)! - BigInt(most))]))
  const until = new Map(filled.map(partition => [partition, ends.get(partition)!]))
  const found: ReceivedRecord[] = []
  // Of a partition that is away nothing comes; the others do.
  const stop = new AbortController()
  const late = timers.after(patienceMs, () => stop.abort())
  try {
    for await (const records of client.read({ topic, from, until, committedOnly: true, signal: stop.signal }))
      for (const each of records) if ((each.key?.length ?? 0) + (each.value?.length ?? 0) <= mostBytes) found.push(each)
  } finally {
    late.cancel()
  }
  return found.sort((a, b) => Number(a.timestampMs - b.timestampMs)).slice(-most)
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
