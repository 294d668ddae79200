/** `/v3/clusters`: the one cluster that this proxy knows. */
import { Type } from 'typebox'
import type { Cluster } from '../../client.ts'
import type { Links } from '../links.ts'
import type { Rest } from '../rest.ts'
import { errors, InCluster, List, Relationship, Resource } from './schemas.ts'

const ClusterData = Resource({
  cluster_id: Type.String(),
  controller: Type.Optional(Relationship),
  acls: Relationship,
  brokers: Relationship,
  broker_configs: Relationship,
  consumer_groups: Relationship,
  topics: Relationship,
  partition_reassignments: Relationship,
})

export function clusterRoutes(rest: Rest): void {
  rest.app.get('/v3/clusters', { schema: { response: { 200: List(ClusterData), ...errors } } }, async request => {
    const { cluster, links } = await rest.cluster(request)
    return { kind: 'KafkaClusterList', metadata: { self: links.clusters, next: null }, data: [data(cluster, links)] }
  })
  rest.app.get('/v3/clusters/:cluster_id', { schema: { params: InCluster, response: { 200: ClusterData, ...errors } } }, async request => {
    const { cluster, links } = await rest.cluster(request, request.params.cluster_id)
    return data(cluster, links)
  })
}

function data({ id, controllerId }: Cluster, links: Links) {
  return {
    kind: 'KafkaCluster',
    metadata: links.metadata([], []),
    cluster_id: id,
    ...(controllerId < 0 ? {} : { controller: links.to('brokers', controllerId) }),
    acls: links.to('acls'),
    brokers: links.to('brokers'),
    broker_configs: links.to('broker-configs'),
    consumer_groups: links.to('consumer-groups'),
    topics: links.to('topics'),
    partition_reassignments: links.to('topics', '-', 'partitions', '-', 'reassignment'),
  }
}
