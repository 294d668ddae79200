/** What the form of a connector needs: which connectors there are, what their keys mean, and what is wrong with a configuration. All of it is the worker's word. */
import { Type } from 'typebox'
import { HttpError } from '../../http.ts'
import { toSample } from '../../samples.ts'
import { ifMissing, listOf, pathOf, recordOf, required, textOf, textsOf } from '../connectors/worker.ts'
import { newestOf } from '../newest.ts'
import { MaybeText, route, TopicName } from '../route.ts'
import { OfConnector } from './connectors.ts'

/** A worker refuses longer ones itself; here is what a person may have to wait for. */
export const Config = Type.Record(Type.String({ maxLength: 1_000 }), Type.String({ maxLength: 262_144 }))
const ClassName = Type.String({ minLength: 1, maxLength: 1_000 })

const plugins = route({
  method: 'GET',
  path: '/connector-plugins',
  response: Type.Object({
    connectors: Type.Array(Type.Object({ class: Type.String(), kind: Type.String(), version: MaybeText })),
    /** Classes. */
    transforms: Type.Array(Type.String()),
    predicates: Type.Array(Type.String()),
  }),
  async handle({ worker }) {
    const all = listOf(await required(worker).ask('GET', '/connector-plugins?connectorsOnly=false')).map(each => {
      const { class: name, type, version } = recordOf(each)
      return { class: String(name), kind: String(type), version: textOf(version) }
    })
    const ofKind = (kind: string) => all.filter(each => each.kind === kind).map(each => each.class)
    const found = all.filter(({ kind }) => kind === 'sink' || kind === 'source')
    // Millrace has names of its own, beside those of the Java classes for which they stand.
    const own = found.filter(each => !each.class.includes('.'))
    const connectors = (own.length > 0 ? own : found).sort((a, b) => (a.class < b.class ? -1 : 1))
    return { connectors, transforms: ofKind('transformation'), predicates: ofKind('predicate') }
  },
})

const Texts = Type.Record(Type.String(), Type.String())

const plugin = route({
  method: 'GET',
  path: '/connector-plugins/:class',
  params: Type.Object({ class: ClassName }),
  response: Type.Object({
    summary: MaybeText,
    example: Texts,
    /** Converters to begin with; null: it says nothing of them. */
    formats: Type.Union([Texts, Type.Null()]),
  }),
  async handle({ params, worker }) {
    // A worker of Java has no such thing.
    const found = recordOf(
      await required(worker)
        .ask('GET', `/connector-plugins/${encodeURIComponent(params.class)}`)
        .catch(ifMissing),
    )
    const { summary, example, formats } = found
    return { summary: textOf(summary), example: textsOf(example), formats: recordOf(formats) === formats ? textsOf(formats) : null }
  },
})

const check = route({
  method: 'POST',
  path: '/connector-plugins/:class/check',
  changes: [],
  params: Type.Object({ class: ClassName }),
  body: Type.Object({ config: Config }),
  response: Type.Object({
    errors: Type.Integer(),
    /** Of the keys that every connector has, in their order; the connector's own have none. */
    groups: Type.Array(Type.String()),
    keys: Type.Array(
      Type.Object({
        name: Type.String(),
        /** Kafka's names of types. null: no connector has such a key. */
        type: MaybeText,
        group: MaybeText,
        required: Type.Boolean(),
        default: MaybeText,
        importance: Type.String(),
        doc: Type.String(),
        /** That fit. */
        recommended: Type.Array(Type.String()),
        errors: Type.Array(Type.String()),
      }),
    ),
  }),
  // Nothing is changed.
  audit: () => null,
  async handle({ params, body: { config }, worker }) {
    const path = `/connector-plugins/${encodeURIComponent(params.class)}/config/validate`
    const answer = recordOf(await required(worker).ask('PUT', path, config))
    const keys = listOf(answer['configs']).map(each => {
      const { definition, value } = recordOf(each)
      const [declared, { name, recommended_values: recommended, errors }] = [recordOf(definition), recordOf(value)]
      return {
        name: String(name),
        ...{ type: textOf(declared['type']), group: textOf(declared['group']), default: textOf(declared['default_value']) },
        ...{ required: declared['required'] === true, importance: textOf(declared['importance']) ?? 'LOW' },
        ...{
          doc: textOf(declared['documentation']) ?? '',
          recommended: listOf(recommended).map(String),
          errors: listOf(errors).map(String),
        },
      }
    })
    return { errors: Number(answer['error_count']), groups: listOf(answer['groups']).map(String), keys }
  },
})

const mostSampled = 20

const preview = route({
  method: 'POST',
  path: '/connector-plugins/:class/preview',
  changes: [],
  params: Type.Object({ class: ClassName }),
  body: Type.Object({ config: Config, topic: TopicName, records: Type.Integer({ minimum: 1, maximum: mostSampled }) }),
  response: Type.Object({
    records: Type.Array(
      Type.Object({
        partition: Type.Integer(),
        offset: Type.String(),
        /** JSON of what the converters have read; null: they could not. */
        before: MaybeText,
        /** JSON of what the connector gets; null: nothing. */
        after: MaybeText,
        /** Where and why it has failed; null: it has not. */
        problem: MaybeText,
      }),
    ),
  }),
  // Nothing is changed.
  audit: () => null,
  /** The records are read with the rights of the caller; the worker reads none. */
  async handle({ params, body: { config, topic, records: most }, client, worker, shared }) {
    const peer = required(worker)
    const found = await newestOf(client, topic, most, shared.context.system)
    if (found.length === 0) return { records: [] }
    const path = `/connector-plugins/${encodeURIComponent(params.class)}/preview`
    const answer = recordOf(await peer.ask('POST', path, { config, records: found.map(toSample) }).catch(noPreview))
    const results = listOf(answer['results']).map(recordOf)
    return {
      records: found.map(({ partition, offset }, at) => {
        const { before, kind, json, stage, message } = results[at] ?? {}
        const problem = kind === 'failed' ? `${String(stage)}: ${String(message)}` : null
        return { partition, offset: String(offset), before: textOf(before), after: textOf(json), problem }
      }),
    }
  },
})

/** A worker of Java has no such path. */
function noPreview(error: unknown): never {
  if (error instanceof HttpError && (error.status === 404 || error.status === 405))
    throw new HttpError(501, 501, 'This worker has no preview; Millrace’s own has one')
  throw error
}

const create = route({
  method: 'POST',
  path: '/connectors',
  changes: ['connectors'],
  body: Type.Object({ name: Type.String({ minLength: 1, maxLength: 1_000 }), config: Config }),
  response: Type.Object({}),
  audit: ({ body: { name, config } }) => ({ connector: name, class: config['connector.class'] ?? null }),
  async handle({ body: { name, config }, worker }) {
    await required(worker).ask('POST', '/connectors', { name, config })
    return {}
  },
})

const change = route({
  method: 'PUT',
  path: '/connectors/:connector/config',
  changes: ['connectors'],
  params: OfConnector,
  body: Type.Object({ config: Config }),
  response: Type.Object({}),
  audit: ({ body: { config } }) => ({ keys: Object.keys(config) }),
  async handle({ params: { connector }, body: { config }, worker }) {
    await required(worker).ask('PUT', pathOf(connector, '/config'), config)
    return {}
  },
})

export const connectorFormRoutes = [plugins, plugin, check, preview, create, change] as const
