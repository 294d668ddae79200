/** AddRaftVoter, v0–1 (KIP-853): makes a node a voter of the metadata quorum. There is no quorum; see `voter-change.ts`. */
import { apis } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { refuseVoterChange } from './voter-change.ts'

export const addRaftVoter = defineHandler<typeof apis.addRaftVoter>({
  api: apis.addRaftVoter,
  versions: [0, 1],
  access: [['CLUSTER', 'ALTER']],
  cost: oneThing,
  handle: ({ clusterId, voterId, voterDirectoryId }, context) =>
    refuseVoterChange({ what: 'adding', clusterId, voterId, voterDirectoryId }, context),
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message }),
})
