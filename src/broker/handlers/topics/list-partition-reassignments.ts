/** ListPartitionReassignments, v0 (KIP-455): the reassignments in progress. With one broker there are none. */
import { apis } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

export const listPartitionReassignments = defineHandler<typeof apis.listPartitionReassignments>({
  api: apis.listPartitionReassignments,
  versions: [0, 0],
  access: [['CLUSTER', 'DESCRIBE']],
  cost: manyThings(null),
  handle(_, context) {
    requireCluster(context, 'DESCRIBE')
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, topics: [] }
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message, topics: [] }),
})
