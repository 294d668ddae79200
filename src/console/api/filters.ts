/** Filters of a topic that were saved for all who may read it. */
import { Type } from 'typebox'
import { type Client, ClientError } from '../../client.ts'
import { OfTopic, route, TopicName } from '../route.ts'
import { SavedFilter } from '../saved-filters.ts'
import { operationsOnTopic } from './rights.ts'

const Name = SavedFilter.properties.name

const list = route({
  method: 'GET',
  path: '/topics/:topic/filters',
  params: OfTopic,
  response: Type.Object({ filters: Type.Array(SavedFilter) }),
  async handle({ params: { topic }, client, shared }) {
    await requireRead(client, topic)
    return { filters: await shared.savedFilters.of(topic) }
  },
})

const save = route({
  method: 'POST',
  path: '/topics/:topic/filters',
  changes: [],
  params: OfTopic,
  body: Type.Object({ name: Name, query: SavedFilter.properties.query }),
  response: Type.Object({}),
  audit: ({ body: { name } }) => ({ filter: name }),
  async handle({ params: { topic }, body, client, shared, principal }) {
    await requireRead(client, topic)
    await shared.savedFilters.save(topic, { ...body, by: principal })
    return {}
  },
})

const remove = route({
  method: 'DELETE',
  path: '/topics/:topic/filters/:name',
  changes: [],
  params: Type.Object({ topic: TopicName, name: Name }),
  response: Type.Object({}),
  async handle({ params: { topic, name }, client, shared }) {
    await requireRead(client, topic)
    await shared.savedFilters.remove(topic, name)
    return {}
  },
})

/** The services write the filters by themselves, so that it is here that the right is looked at. */
async function requireRead(client: Client, topic: string): Promise<void> {
  // Throws if there is no such topic.
  await client.topics([topic])
  const allowed = await operationsOnTopic(client, topic)
  if (allowed !== null && !allowed.includes('READ'))
    throw new ClientError('TOPIC_AUTHORIZATION_FAILED', `Filters of ${topic} are for those who may read it: that needs READ on the topic`)
}

export const filterRoutes = [list, save, remove] as const
