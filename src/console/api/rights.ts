/** What the caller may do, as Kafka answers it: the application hides what would be refused. Whatever it shows, Kafka decides again. */
import { Type } from 'typebox'
import type { Client, TopicRights } from '../../client.ts'
import { route, TopicName } from '../route.ts'

/** Kafka's operations; null: not asked for, or the cluster does not say. */
const Operations = Type.Union([Type.Array(Type.String()), Type.Null()])

const mine = route({
  method: 'GET',
  path: '/rights',
  query: Type.Object({
    topic: Type.Optional(TopicName),
    group: Type.Optional(Type.String({ minLength: 1, maxLength: 32_767 })),
  }),
  response: Type.Object({ cluster: Operations, topic: Operations, group: Operations }),
  async handle({ query: { topic, group }, client }) {
    const [cluster, onTopic, onGroup] = await Promise.all([
      client.clusterRights(),
      topic === undefined ? null : operationsOnTopic(client, topic),
      group === undefined ? null : client.groupRights(group),
    ])
    return { cluster: [...cluster], topic: onTopic, group: operationsOf(onGroup ?? undefined) }
  },
})

/** Of the caller, on a topic. */
export async function operationsOnTopic(client: Client, topic: string): Promise<string[] | null> {
  return operationsOf((await client.topicRights([topic])).get(topic))
}

/** Who sees a resource may at least describe it: where nothing is allowed, the cluster does not say. */
function operationsOf(rights: TopicRights | undefined): string[] | null {
  if (rights === 'denied') return []
  return rights === undefined || rights === 'unknown' || rights.size === 0 ? null : [...rights]
}

export const rightsRoutes = [mine] as const
