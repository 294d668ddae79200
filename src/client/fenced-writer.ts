/**
 * One writer of a partition at a time: whoever opens the writer last, for one transactional id, fences all earlier ones.
 *
 * No transactions are used. The id only hands out a producer id whose epoch grows; a partition refuses batches of an older epoch once it has one of a
 * newer epoch. Sequence numbers keep an attempt whose answer was lost from being stored twice.
 */
import { pause, type System } from '../base.ts'
import { ClientError } from '../channel.ts'
import { apis, buildBatch } from '../protocol.ts'
import type { FencedWriter, FencedWriterOptions } from './coordination.ts'
import { identifyProducer } from './producing.ts'
import { type Ask, refuse } from './requests.ts'

const transactionTimeoutMs = 60_000
const produceTimeoutMs = 15_000
const attempts = 5
const pauseMs = 500
/** Later versions name topics by id. */
const newestWithNames = 12

export async function openFencedWriter(ask: Ask, system: System, options: FencedWriterOptions): Promise<FencedWriter> {
  const { transactionalId, topic, partition } = options
  const { producerId, producerEpoch } = await ask(requests => identifyProducer(requests, transactionalId, transactionTimeoutMs))
  let sequence = 0
  const produce = (batch: Buffer): Promise<bigint> =>
    ask(async requests => {
      const topicData = [{ name: topic, partitionData: [{ index: partition, records: batch }] }]
      const request = { acks: -1, timeoutMs: produceTimeoutMs, topicData }
      const { responses } = await requests.ask(apis.produce, request, { leaderOf: topic, partition }, newestWithNames)
      const { errorCode, errorMessage, baseOffset } = responses[0]!.partitionResponses[0]!
      refuse(errorCode, errorMessage)
      return BigInt(baseOffset)
    })
  return {
    async append(records) {
      const timestamp = system.clock.now()
      const batch = buildBatch({ records, timestamp, producerId, producerEpoch, baseSequence: sequence })
      sequence += records.length
      for (let attempt = 1; ; attempt++)
        try {
          return await produce(batch)
        } catch (error) {
          const mayHelp =
            error instanceof ClientError && ['UNREACHABLE', 'TIMEOUT', 'REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS'].includes(error.code)
          if (!mayHelp || attempt === attempts) throw error
          await pause(system, pauseMs)
        }
    },
  }
}
