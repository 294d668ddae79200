/** Reading as a member of a group. */
import type { Consumer, Message } from '@platformatic/kafka'
import { settled } from '../channel.ts'
import type { ReceivedRecord, SubscribeOptions, Subscription } from './types.ts'

export async function subscribe(consumer: Consumer, bootstrap: string, options: SubscribeOptions): Promise<Subscription> {
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
  let closing = false
  return {
    async *[Symbol.asyncIterator]() {
      const messages = stream[Symbol.asyncIterator]()
      for (;;) {
        const next = await settled(bootstrap, messages.next())
        if (next.done || closing) return
        yield toRecord(next.value)
      }
    },
    commit: offsets => settled(bootstrap, consumer.commit({ offsets: offsets.map(offset => ({ ...offset, leaderEpoch: -1 })) })),
    async close() {
      closing = true
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
