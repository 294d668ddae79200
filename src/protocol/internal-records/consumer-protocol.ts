/** The messages that members of classic consumer groups exchange inside JoinGroup and SyncGroup. */
import { array, bytes, defineMessage, int32, string, struct } from '../define.ts'

export const consumerProtocol = {
  subscription: defineMessage({
    name: 'ConsumerProtocolSubscription',
    versions: '0-3',
    fields: {
      topics: array(string()),
      userData: bytes({ nullable: '0+', default: null }),
      ownedPartitions: array(
        struct({
          topic: string(),
          partitions: array(int32()),
        }),
        { versions: '1+', ignorable: true },
      ),
      generationId: int32({ versions: '2+', default: -1, ignorable: true }),
      rackId: string({ versions: '3+', nullable: '3+', default: null, ignorable: true }),
    },
  }),

  assignment: defineMessage({
    name: 'ConsumerProtocolAssignment',
    versions: '0-3',
    fields: {
      assignedPartitions: array(
        struct({
          topic: string(),
          partitions: array(int32()),
        }),
      ),
      userData: bytes({ nullable: '0+', default: null }),
    },
  }),
}
