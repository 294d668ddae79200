/** Reading as a member of a group. */
import type { Consumer, Message } from '@platformatic/kafka'
import { pause, type System } from '../base.ts'
import { ClientError, mayPass, settled } from '../channel.ts'
import { OwnPartitions } from './membership.ts'
import type { Ask } from './requests.ts'
import type { ReceivedRecord, SubscribeOptions, Subscription } from './types.ts'

const commitWithinMs = 60_000
const againMs = 250

interface SubscribeContext {
  readonly system: Pick<System, 'clock' | 'timers'>
  readonly ask: Ask
  readonly bootstrap: string
}

export async function subscribe(
  consumer: Consumer,
  options: SubscribeOptions,
  { system, ask, bootstrap }: SubscribeContext,
): Promise<Subscription> {
  const own = new OwnPartitions(consumer, options.group, ask)
  const stream = await consumer.consume({
    topics: options.topics,
    mode: 'committed',
    fallbackMode: options.otherwise,
    autocommit: false,
    isolationLevel: options.committedOnly === true ? 1 : 0,
    maxWaitTime: 500,
  })
  // It could not join again after a rebalance, and will not try any more.
  consumer.on('error', (error: Error) => stream.destroy(error))
  const closing = new AbortController()
  const isOver = () => closing.signal.aborted || stream.destroyed
  return {
    async *[Symbol.asyncIterator]() {
      const messages = stream[Symbol.asyncIterator]()
      for (;;) {
        const next = await settled(bootstrap, messages.next())
        if (next.done || closing.signal.aborted) return
        yield toRecord(next.value)
      }
    },
    async commit(offsets) {
      const endMs = system.clock.monotonic() + commitWithinMs
      for (;;) {
        try {
          // As by Kafka's consumer: whatever is its own now.
          own.look()
          return await own.commit(offsets)
        } catch (error) {
          if (!(error instanceof ClientError) || !(error.code === 'REBALANCE_IN_PROGRESS' || mayPass(error))) throw error
          if (isOver() || system.clock.monotonic() >= endMs) throw error
        }
        await pause(system, againMs, closing.signal)
      }
    },
    async close() {
      closing.abort()
      await settled(bootstrap, stream.close())
      // Leaves the group, so that other members take over at once.
      await settled(bootstrap, consumer.close(true))
    },
  }
}

function toRecord(message: Message): ReceivedRecord {
  return {
    topic: message.topic,
    partition: message.partition,
    offset: message.offset,
    timestampMs: message.timestamp,
    key: message.key ?? null,
    value: message.value ?? null,
    headers: message.headerEntries.map(([key, value]) => ({ key, value: value ?? null })),
  }
}
