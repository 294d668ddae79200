/** Configurations of topics, with the words of the broker: the form of the application derives from them. */
import { Type } from 'typebox'
import { route } from '../route.ts'

const MaybeText = Type.Union([Type.String(), Type.Null()])
const OfTopic = Type.Object({ topic: Type.String({ minLength: 1, maxLength: 249 }) })

const read = route({
  method: 'GET',
  path: '/topics/:topic/config',
  params: OfTopic,
  response: Type.Object({
    entries: Type.Array(
      Type.Object({
        name: Type.String(),
        /** null: not set, or secret. */
        value: MaybeText,
        /** Kafka's ConfigSource. */
        source: Type.String(),
        readOnly: Type.Boolean(),
        sensitive: Type.Boolean(),
        /** Kafka's ConfigType. */
        type: Type.String(),
        documentation: MaybeText,
      }),
    ),
  }),
  async handle({ params: { topic }, client }) {
    return { entries: await client.configs({ type: 'TOPIC', name: topic }) }
  },
})

const change = route({
  method: 'PATCH',
  path: '/topics/:topic/config',
  params: OfTopic,
  /** null: back to the default. */
  body: Type.Object({ changes: Type.Record(Type.String(), MaybeText) }),
  response: Type.Object({}),
  async handle({ params: { topic }, body: { changes }, client }) {
    await client.alterConfigs({ type: 'TOPIC', name: topic }, new Map(Object.entries(changes)))
    return {}
  },
})

export const configRoutes = [read, change] as const
