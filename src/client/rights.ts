/** What the principal of a connection may do, as the cluster answers it. */
import { ClientError } from '../channel.ts'
import { apis, errorName } from '../protocol.ts'
import { type AclOperation, aclOperations } from './administration.ts'
import type { Rights, TopicRights } from './coordination.ts'
import { type Ask, refuse } from './requests.ts'

/** The first operation that has a bit is ALL, which is never set. */
const firstCode = 2
/** Later versions name topics by id. */
const newestWithNames = 12
/** Later versions have an error instead of rights for groups that are not classic ones. */
const newestForAllGroups = 5

export function rights(ask: Ask): Rights {
  return {
    topicRights: names =>
      ask(async requests => {
        const { topics } = await requests.ask(apis.metadata, {
          topics: names.map(name => ({ name })),
          allowAutoTopicCreation: false,
          includeClusterAuthorizedOperations: false,
          includeTopicAuthorizedOperations: true,
        })
        return new Map(
          topics.map(({ name, errorCode, topicAuthorizedOperations }) => [name!, rightsOf(errorCode, topicAuthorizedOperations)]),
        )
      }),
    groupRights: name =>
      ask(async requests => {
        const request = { groups: [name], includeAuthorizedOperations: true }
        const { groups } = await requests.ask(apis.describeGroups, request, { group: name }, newestForAllGroups)
        for (const { errorCode } of groups) refuse(errorCode)
        return operationsIn(groups[0]!.authorizedOperations)
      }).catch((error: Error) => {
        // Not even its coordinator is told.
        if (error instanceof ClientError && error.code === 'GROUP_AUTHORIZATION_FAILED') return 'denied'
        throw error
      }),
    clusterRights: () =>
      ask(async requests => {
        const answer = await requests.ask(apis.describeCluster, { includeClusterAuthorizedOperations: true, includeFencedBrokers: false })
        refuse(answer.errorCode, answer.errorMessage)
        return operationsIn(answer.clusterAuthorizedOperations)
      }),
    writable: names =>
      ask(async requests => {
        const topicData = names.map(name => ({ name, partitionData: [{ index: unknownPartition, records: null }] }))
        const { responses } = await requests.ask(apis.produce, { acks: 1, timeoutMs: 1_000, topicData }, 'any', newestWithNames)
        return new Set(
          responses
            .filter(({ partitionResponses }) =>
              partitionResponses.every(({ errorCode }) => errorName(errorCode) !== 'TOPIC_AUTHORIZATION_FAILED'),
            )
            .map(({ name }) => name),
        )
      }),
  }
}

/** No topic has it. The right is looked at first, so that only the right is learnt. */
const unknownPartition = 2_147_483_647

function rightsOf(errorCode: number, operations: number): TopicRights {
  const error = errorName(errorCode)
  if (error === 'TOPIC_AUTHORIZATION_FAILED') return 'denied'
  return error === 'UNKNOWN_TOPIC_OR_PARTITION' || error === 'INVALID_TOPIC_EXCEPTION' ? 'unknown' : operationsIn(operations)
}

/** A bit for each operation, by Kafka's code; none where the cluster does not say. */
function operationsIn(bits: number): ReadonlySet<AclOperation> {
  // The smallest int32: the broker has not said.
  return new Set(bits === -(2 ** 31) ? [] : aclOperations.filter((_, index) => ((bits >>> (index + firstCode)) & 1) === 1))
}
