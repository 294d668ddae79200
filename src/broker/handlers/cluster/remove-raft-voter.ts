/** RemoveRaftVoter, v0 (KIP-853): takes a voter out of the metadata quorum. There is no quorum; see `voter-change.ts`. */
import { apis } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { refuseVoterChange } from './voter-change.ts'

export const removeRaftVoter = defineHandler<typeof apis.removeRaftVoter>({
  api: apis.removeRaftVoter,
  versions: [0, 0],
  access: [['CLUSTER', 'ALTER']],
  cost: oneThing,
  handle: ({ clusterId, voterId, voterDirectoryId }, context) =>
    refuseVoterChange({ what: 'removing', clusterId, voterId, voterDirectoryId }, context),
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message }),
})
