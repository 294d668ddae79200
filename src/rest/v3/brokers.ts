/** `/v3/clusters/{cluster_id}/brokers`: brokers, and the replicas that they have. */
import { Type } from 'typebox'
import type { BrokerInfo } from '../../client.ts'
import { notFound } from '../errors.ts'
import type { Links } from '../links.ts'
import type { Asking, Rest } from '../rest.ts'
import { sendLong } from './long-lists.ts'
import { ReplicaData, replicaData } from './partitions.ts'
import { errors, InCluster, idIn, List, Nullable, Relationship, Resource } from './schemas.ts'

const BrokerData = Resource({
  cluster_id: Type.String(),
  broker_id: Type.Integer(),
  host: Nullable(Type.String()),
  port: Nullable(Type.Integer()),
  rack: Nullable(Type.String()),
  configs: Relationship,
  partition_replicas: Relationship,
})
const InBroker = Type.Object({ cluster_id: Type.String(), broker_id: Type.String() })

export function brokerRoutes(rest: Rest): void {
  rest.app.get(
    '/v3/clusters/:cluster_id/brokers',
    { schema: { params: InCluster, response: { 200: List(BrokerData), ...errors } } },
    async request => {
      const { cluster, links } = await rest.cluster(request, request.params.cluster_id)
      const brokers = cluster.brokers.sort((a, b) => a.id - b.id)
      return links.list(
        'KafkaBroker',
        ['brokers'],
        brokers.map(each => brokerData(each, cluster.id, links)),
      )
    },
  )
  rest.app.get(
    '/v3/clusters/:cluster_id/brokers/:broker_id',
    { schema: { params: InBroker, response: { 200: BrokerData, ...errors } } },
    async request => {
      const { broker, links } = await requireBroker(rest, request, request.params)
      return brokerData(broker, request.params.cluster_id, links)
    },
  )
  rest.app.get(
    '/v3/clusters/:cluster_id/brokers/:broker_id/partition-replicas',
    { schema: { params: InBroker, response: { 200: List(ReplicaData), ...errors } } },
    async (request, reply) => {
      const { broker, links } = await requireBroker(rest, request, request.params)
      const topics = await rest.client(request).topics('all')
      const data = function* () {
        for (const { name, partitions } of topics)
          for (const each of partitions)
            if (each.replicas.includes(broker.id)) yield replicaData(request.params.cluster_id, name, each, broker.id, links)
      }
      return sendLong(rest.turns, reply, links.list('KafkaReplica', ['brokers', broker.id, 'partition-replicas'], []), data())
    },
  )
}

export async function requireBroker(
  rest: Rest,
  request: Asking,
  params: { cluster_id: string; broker_id: string },
): Promise<{ broker: BrokerInfo; links: Links }> {
  const { cluster, links } = await rest.cluster(request, params.cluster_id)
  const id = idIn(params.broker_id)
  const broker = cluster.brokers.find(each => each.id === id)
  if (broker === undefined) throw notFound(`Broker ${id} cannot be found.`)
  return { broker, links }
}

function brokerData({ id, host, port, rack }: BrokerInfo, clusterId: string, links: Links) {
  return {
    kind: 'KafkaBroker',
    metadata: links.metadata(['brokers', id], [`broker=${id}`]),
    cluster_id: clusterId,
    broker_id: id,
    ...{ host, port, rack },
    configs: links.to('brokers', id, 'configs'),
    partition_replicas: links.to('brokers', id, 'partition-replicas'),
  }
}
