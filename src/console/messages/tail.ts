/**
 * What is appended to partitions from now on. It asks for their ends, and reads up to them: no fetch waits at the broker, because everybody who uses the
 * console without a login shares one connection, on which what comes behind a fetch waits as well. It goes on when brokers that went away are back.
 */
import { pause, type System } from '../../base.ts'
import { type Client, ClientError, type FetchedBatches, mayPass } from '../../client.ts'

const pauseMs = 300
const longerPauseMs = 2_000

interface TailOptions {
  readonly client: Pick<Client, 'offsets' | 'readBatches'>
  readonly topic: string
  readonly from: ReadonlyMap<number, bigint>
  readonly timers: System['timers']
  readonly signal: AbortSignal
}

export async function* tail({ client, topic, from, timers, signal }: TailOptions): AsyncGenerator<FetchedBatches, void> {
  const positions = new Map(from)
  const partitions = [...positions.keys()]
  while (!signal.aborted) {
    let waitMs = pauseMs
    try {
      const ends = await client.offsets(topic, partitions, 'latest')
      // The topic has been made anew, or its newest records were lost.
      for (const [partition, end] of ends) if (end < positions.get(partition)!) positions.set(partition, end)
      const until = new Map([...ends].filter(([partition, end]) => end > positions.get(partition)!))
      const starts = new Map([...until.keys()].map(partition => [partition, positions.get(partition)!]))
      if (until.size > 0)
        for await (const fetched of client.readBatches({ topic, from: starts, until, signal })) {
          positions.set(fetched.partition, fetched.next)
          yield fetched
        }
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      if (error.code === 'OFFSET_OUT_OF_RANGE') await within(client, topic, positions)
      else if (mayPass(error)) waitMs = longerPauseMs
      else throw error
    }
    await pause({ timers }, waitMs, signal)
  }
}

/** Records were deleted before they were read. */
async function within(client: Pick<Client, 'offsets'>, topic: string, positions: Map<number, bigint>): Promise<void> {
  for (const [partition, start] of await client.offsets(topic, [...positions.keys()], 'earliest'))
    if (positions.get(partition)! < start) positions.set(partition, start)
}
