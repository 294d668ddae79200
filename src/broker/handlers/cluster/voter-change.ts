/**
 * Shared by AddRaftVoter and RemoveRaftVoter (KIP-853): Kafka's checks, in Kafka's order, up to the one that always fails here.
 * The metadata has no quorum with voters that could change, which in Kafka is kraft.version 0.
 */
import { KafkaError, type Uuid, zeroUuid } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

interface VoterChange {
  what: 'adding' | 'removing'
  clusterId: string | null
  voterId: number
  voterDirectoryId: Uuid
}

export function refuseVoterChange({ what, clusterId, voterId, voterDirectoryId }: VoterChange, context: RequestContext): never {
  requireCluster(context, 'ALTER')
  const { self } = context.broker
  if (clusterId !== null && clusterId !== self.clusterId) {
    throw new KafkaError('INCONSISTENT_CLUSTER_ID', `The given id "${clusterId}" doesn't match the cluster id "${self.clusterId}"`)
  }
  if (voterId < 0 || voterDirectoryId === zeroUuid) {
    throw new KafkaError('INVALID_REQUEST', `${what === 'adding' ? 'Add' : 'Remove'} voter request didn't include a valid voter`)
  }
  throw new KafkaError('UNSUPPORTED_VERSION', `Cluster doesn't support ${what} voter because the kraft.version feature is 0`)
}
