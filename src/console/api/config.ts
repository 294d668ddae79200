/** Configurations of topics, brokers and groups, and what clients are to measure, with the words of the broker: the forms of the application derive from them. */
import { Type } from 'typebox'
import type { ConfigResource } from '../../client.ts'
import { Confirmed, requireConfirmed } from '../confirmed.ts'
import { MaybeText, route } from '../route.ts'

/** `default`: of all brokers. */
const kinds = { topics: 'TOPIC', brokers: 'BROKER', groups: 'GROUP', 'client-metrics': 'CLIENT_METRICS' } as const
const OfResource = Type.Object({
  kind: Type.Union([Type.Literal('topics'), Type.Literal('brokers'), Type.Literal('groups'), Type.Literal('client-metrics')]),
  name: Type.String({ minLength: 1, maxLength: 1_000 }),
})

function resourceOf({ kind, name }: { kind: keyof typeof kinds; name: string }): ConfigResource {
  return { type: kinds[kind], name: kind === 'brokers' && name === 'default' ? '' : name }
}

const read = route({
  method: 'GET',
  path: '/config/:kind/:name',
  params: OfResource,
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
        /** What it would be without the first of them, and so on. */
        synonyms: Type.Array(Type.Object({ name: Type.String(), value: MaybeText, source: Type.String() })),
      }),
    ),
  }),
  async handle({ params, client }) {
    return { entries: await client.configs(resourceOf(params)) }
  },
})

const change = route({
  method: 'PATCH',
  path: '/config/:kind/:name',
  changes: [],
  params: OfResource,
  /** null: back to the default. */
  body: Type.Object({ changes: Type.Record(Type.String(), MaybeText) }),
  response: Type.Object({}),
  // A value may be a secret.
  audit: ({ body: { changes } }) => ({ keys: Object.keys(changes) }),
  async handle({ params, body: { changes }, client }) {
    await client.alterConfigs(resourceOf(params), new Map(Object.entries(changes)))
    return {}
  },
})

const subscriptions = route({
  method: 'GET',
  path: '/client-metrics',
  response: Type.Object({
    subscriptions: Type.Array(
      Type.Object({ name: Type.String(), metrics: Type.String(), intervalMs: Type.String(), match: Type.String() }),
    ),
  }),
  async handle({ client }) {
    const names = (await client.configResources('CLIENT_METRICS')).sort()
    return {
      subscriptions: await Promise.all(
        names.map(async name => {
          const configs = await client.configs({ type: 'CLIENT_METRICS', name })
          const value = (key: string) => configs.find(each => each.name === key)?.value ?? ''
          return { name, metrics: value('metrics'), intervalMs: value('interval.ms'), match: value('match') }
        }),
      ),
    }
  },
})

const unsubscribe = route({
  method: 'DELETE',
  path: '/client-metrics/:name',
  changes: [],
  params: Type.Object({ name: OfResource.properties.name }),
  query: Confirmed,
  response: Type.Object({}),
  async handle({ params: { name }, query: { confirm }, client }) {
    requireConfirmed(confirm, name)
    // A subscription without any key is gone.
    const configs = await client.configs({ type: 'CLIENT_METRICS', name })
    await client.alterConfigs({ type: 'CLIENT_METRICS', name }, new Map(configs.map(each => [each.name, null])))
    return {}
  },
})

export const configRoutes = [read, change, subscriptions, unsubscribe] as const
