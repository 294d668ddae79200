/** What the client of the console does not do, for tests of what it shows: to leave a transaction open, and to be in a share group. */
import { setTimeout as sleep } from 'node:timers/promises'
import { apis, buildBatch, errorName, type Uuid } from '../../src/protocol.ts'
import { connect, coordinates, findCoordinator, produce } from '../support/client.ts'

export interface OpenTransaction {
  /** Another record of it; the name of the error. */
  go(): Promise<string>
  close(): void
}

/** With one record in partition 0 of the topic. */
export async function openTransaction(port: number, transactionalId: string, topic: string): Promise<OpenTransaction> {
  const client = await connect(port)
  await findCoordinator(client, transactionalId, coordinates.transaction)
  const begin = () => client.request(apis.initProducerId, 4, { transactionalId, transactionTimeoutMs: 900_000 })
  let begun = await begin()
  for (; errorName(begun.errorCode) === 'COORDINATOR_LOAD_IN_PROGRESS'; begun = await begin()) await sleep(20)
  const { producerId, producerEpoch } = begun
  await client.request(apis.addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: transactionalId,
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: topic, partitions: [0] }],
  })
  let baseSequence = 0
  const go = async () => {
    const records = [{ key: null, value: Buffer.from('open') }]
    const batch = buildBatch({
      records,
      timestamp: Date.now(),
      producerId,
      producerEpoch,
      baseSequence: baseSequence++,
      isTransactional: true,
    })
    return errorName((await produce(client, topic, batch, { transactionalId })).errorCode)
  }
  const first = await go()
  if (first !== 'NONE') throw new Error(`the record of ${transactionalId} was refused: ${first}`)
  return { go, close: () => client.close() }
}

export interface ShareMember {
  /** Asks for what there is; resolves to how many records it has been given. */
  take(): Promise<number>
  /** One record. */
  accept(offset: number): Promise<void>
  close(): void
}

/** A member of a share group that reads partition 0 of one topic. */
export async function joinShareGroup(port: number, groupId: string, topic: { id: Uuid; name: string }): Promise<ShareMember> {
  const client = await connect(port)
  const memberId = `${groupId}-member`
  await findCoordinator(client, groupId)
  const joining = { groupId, memberId, memberEpoch: 0, rackId: null, subscribedTopicNames: [topic.name] }
  const joined = await client.request(apis.shareGroupHeartbeat, 1, joining)
  if (joined.errorCode !== 0) throw new Error(`${groupId}: ${errorName(joined.errorCode)}`)
  let shareSessionEpoch = 0
  const topicsWith = (acknowledgementBatches: { firstOffset: number; lastOffset: number; acknowledgeTypes: number[] }[]) => [
    { topicId: topic.id, partitions: [{ partitionIndex: 0, acknowledgementBatches }] },
  ]
  return {
    async take() {
      const { responses } = await client.request(apis.shareFetch, 1, {
        ...{ groupId, memberId, shareSessionEpoch: shareSessionEpoch++, maxWaitMs: 0, minBytes: 1, maxRecords: 100, batchSize: 100 },
        ...{ topics: topicsWith([]), forgottenTopicsData: [] },
      })
      const ranges = responses.flatMap(({ partitions }) => partitions.flatMap(each => each.acquiredRecords))
      return ranges.reduce((count, { firstOffset, lastOffset }) => count + Number(lastOffset) - Number(firstOffset) + 1, 0)
    },
    async accept(offset) {
      const accepted = { firstOffset: offset, lastOffset: offset, acknowledgeTypes: [1] }
      const request = { groupId, memberId, shareSessionEpoch: shareSessionEpoch++, topics: topicsWith([accepted]) }
      const { responses } = await client.request(apis.shareAcknowledge, 1, request)
      const { errorCode } = responses[0]!.partitions[0]!
      if (errorCode !== 0) throw new Error(`offset ${offset}: ${errorName(errorCode)}`)
    },
    close: () => client.close(),
  }
}
