/**
 * TxnOffsetCommit, v0–6: offsets of a group that are committed with the producer's transaction. v3 identifies the member (KIP-447), v4
 * supports TRANSACTION_ABORTABLE, v5 implicitly adds the group's partition of `__consumer_offsets` to the transaction (KIP-890), v6 has
 * topic ids. Older clients must have added it with AddOffsetsToTxn, which is checked.
 */
import { runInSlices } from '../../../base.ts'
import { type CommitTopic, type OffsetCommit, offsetsTopicName, type TopicResult } from '../../../coordinator.ts'
import { apis, type InputOf, KafkaError, type MessageOf } from '../../../protocol.ts'
import { manyThings, promptly } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { commitTopics, distinctOffsets, refusedTopics } from '../groups/commit-topics.ts'
import { memberAccess, requireGroup } from '../groups/group-caller.ts'
import { entryError, producerAccess, requireTransactionalId } from './transaction-caller.ts'

type Request = MessageOf<typeof apis.txnOffsetCommit.request>
type Response = InputOf<typeof apis.txnOffsetCommit.response>

const loadingFrom = 2
const abortableFrom = 4
const entersFrom = 5
const topicIdsFrom = 6

export const txnOffsetCommit = defineHandler<typeof apis.txnOffsetCommit>({
  api: apis.txnOffsetCommit,
  versions: [0, 6],
  access: [...producerAccess, ...memberAccess, ['TOPIC', 'READ']],
  cost: promptly(manyThings(distinctOffsets)),
  async handle(request, context): Promise<Response> {
    requireTransactionalId(context, request.transactionalId)
    requireGroup(context, 'READ', request.groupId)
    const { groups } = context.broker
    const asked = await runInSlices(context.broker.turns, topicsOf(request))
    const commit = async (accepted: CommitTopic[]) => {
      const offsets = {
        groupId: request.groupId,
        memberId: request.memberId,
        groupInstanceId: request.groupInstanceId,
        generationId: request.generationIdOrMemberEpoch,
        retentionTimeMs: -1,
        topics: accepted,
      }
      if (context.broker.peers?.entries.isElsewhere(request.transactionalId)) return commitAsked(request, offsets, context)
      await enter(request, context)
      return groups.commitTransactionalOffsets(request, offsets)
    }
    const told = (error: KafkaError) => toldTo(error, context.version)
    return { throttleTimeMs: 0, topics: await commitTopics(asked, context.version >= topicIdsFrom, context, commit, told) }
  },
  *fail(request, error, version) {
    return { throttleTimeMs: 0, topics: yield* refusedTopics(yield* topicsOf(request), toldTo(error, version)) }
  },
})

function topicsOf({ topics }: Request) {
  return nestedResultsOf(
    topics,
    ({ partitions }) => partitions,
    partition => ({ ...partition, commitTimestamp: -1 }),
    (topic, partitions) => ({ ...topic, partitions }),
  )
}

/** The group's partition has to be in the transaction before the offsets are written, or no marker would ever end it there. */
async function enter(request: Request, { broker, version }: RequestContext): Promise<void> {
  const { groups, transactions, config } = broker
  const partition = groups.partitionFor(request.groupId)
  if (version >= entersFrom) await transactions.addOffsets(request, partition, 2)
  else if (config.get('transaction.partition.verification.enable')) transactions.verify(request, offsetsTopicName, partition)
}

/** The same, if another broker coordinates the transaction: its answer counts until a marker of the producer is written here. */
async function commitAsked(request: Request, offsets: OffsetCommit, { broker, version }: RequestContext): Promise<TopicResult[]> {
  const { groups, transactions, peers, config } = broker
  const watch = transactions.watchMarkers(request.producerId)
  try {
    const verifyOnly = version < entersFrom
    if (!verifyOnly || config.get('transaction.partition.verification.enable')) {
      const partition = groups.partitionFor(request.groupId)
      const results = await peers!.entries.enter(request, new Map([[offsetsTopicName, new Set([partition])]]), verifyOnly)
      const refused = results.get(offsetsTopicName)?.get(partition)
      if (refused !== null) throw refused ?? new KafkaError('COORDINATOR_LOAD_IN_PROGRESS')
    }
    return await groups.commitTransactionalOffsets(request, offsets, () => {
      if (watch.ended) throw new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', 'The transaction has changed meanwhile')
    })
  } finally {
    watch.stop()
  }
}

/** Clients of v0 and v1 do not expect a coordinator that is loading, and those before v5 none that is busy. */
function toldTo(cause: KafkaError, version: number): KafkaError {
  const error = entryError(cause, version >= abortableFrom)
  const busy = error.name === 'CONCURRENT_TRANSACTIONS' && version < entersFrom
  const name = busy ? 'COORDINATOR_LOAD_IN_PROGRESS' : error.name
  if (name === 'COORDINATOR_LOAD_IN_PROGRESS' && version < loadingFrom) return new KafkaError('COORDINATOR_NOT_AVAILABLE', error.message)
  return busy ? new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', error.message) : error
}
