/**
 * ListPartitionReassignments, v0 (KIP-455): the reassignments that are under way, which is until a new replica leads. Topics without any are
 * omitted, as in Kafka.
 */
import { inSlices } from '../../../base.ts'
import { apis, type InputOf } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

type Topics = InputOf<typeof apis.listPartitionReassignments.response>['topics'][number][]

export const listPartitionReassignments = defineHandler<typeof apis.listPartitionReassignments>({
  api: apis.listPartitionReassignments,
  versions: [0, 0],
  access: [['CLUSTER', 'DESCRIBE']],
  onNewestMetadata: true,
  cost: manyThings(null),
  async handle(request, context) {
    requireCluster(context, 'DESCRIBE')
    const { metadata, turns } = context.broker
    const asked = request.topics === null ? null : new Map(request.topics.map(each => [each.name, new Set(each.partitionIndexes)]))
    const topics: Topics = []
    await inSlices(turns, metadata.topics(), ({ name, partitions }) => {
      const wanted = asked?.get(name)
      if (asked !== null && wanted === undefined) return
      const underWay = partitions.filter(
        ({ index, adding, removing }) => adding.length + removing.length > 0 && (wanted?.has(index) ?? true),
      )
      if (underWay.length === 0) return
      topics.push({
        name,
        partitions: underWay.map(({ index, replicas, adding, removing }) => ({
          partitionIndex: index,
          replicas: [...replicas],
          addingReplicas: [...adding],
          removingReplicas: [...removing],
        })),
      })
    })
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, topics }
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message, topics: [] }),
})
