/** `/connector-plugins`: which connectors, converters and transforms there are, their keys, and whether a configuration is right. */
import { Type } from 'typebox'
import type { Declarations } from '../../base.ts'
import type { ConnectorDefinition } from '../../connector.ts'
import { Samples } from '../../samples.ts'
import { converterClasses } from '../converters.ts'
import { badRequest, notFound } from '../herder/errors.ts'
import type { PluginClass } from '../plugin-config.ts'
import { ownVersion } from '../plugins.ts'
import { transformClasses } from '../transforms.ts'
import { keyInfo, keyInfos } from '../validate.ts'
import { type Api, Properties, params, textsOf } from './api.ts'

const Listing = Type.Object({ connectorsOnly: Type.Optional(Type.String()) })

const Preview = Type.Object({ config: Properties, records: Samples })

interface Other {
  readonly class: string
  readonly type: string
  readonly keys: Declarations
}

/** All but connectors, with Kafka Connect's names of their kinds. */
function others(): Other[] {
  const ofKind = (type: string) => (each: PluginClass) => ({
    class: each.name,
    type,
    keys: each.keys,
  })
  const converters = converterClasses()
  return [
    ...converters.map(ofKind('converter')),
    ...converters.filter(each => each.forHeaders).map(ofKind('header_converter')),
    ...transformClasses('transforms').map(ofKind('transformation')),
    ...transformClasses('predicates').map(ofKind('predicate')),
  ]
}

export function pluginRoutes(api: Api): void {
  const { app, plugins } = api

  // By its own name, and by each Java class that it stands for, so that whoever looks for one finds it.
  app.get('/connector-plugins', { schema: { querystring: Listing } }, async ({ query: { connectorsOnly = 'true' } }) => {
    const connectors = plugins.all.flatMap(({ name, classes, kind, version }) =>
      [name, ...classes].map(each => ({ class: each, type: kind, version })),
    )
    if (connectorsOnly.toLowerCase() !== 'false') return connectors
    return [...connectors, ...others().map(each => ({ class: each.class, type: each.type, version: ownVersion }))]
  })

  // Not Kafka Connect's: what a form says of a connector, and begins with.
  app.get('/connector-plugins/:plugin', { schema: { params: params.plugin } }, async ({ params: { plugin } }) => {
    const found = plugins.lookUp(plugin)
    if (found === null) throw notFound(`Unknown plugin ${plugin}.`)
    const definition = await found.load()
    const { name, classes, kind, version, summary, example } = definition
    return { class: name, aliases: classes, type: kind, version, summary, example, formats: formatsOf(definition) }
  })

  app.get('/connector-plugins/:plugin/config', { schema: { params: params.plugin } }, async ({ params: { plugin } }) => {
    const found = plugins.lookUp(plugin)
    if (found !== null) return keyInfos(await found.load())
    const other = others().find(each => each.class === plugin || each.class.endsWith(`.${plugin}`))
    if (other === undefined) throw notFound(`Unknown plugin ${plugin}.`)
    return Object.entries(other.keys).map(([key, declared], at) => keyInfo(key, declared, null, at + 1, declared.required))
  })

  // Not Kafka Connect's: what a configuration makes of records that whoever asks has read.
  app.post('/connector-plugins/:plugin/preview', { schema: { params: params.plugin, body: Preview } }, async request => {
    const { config, records } = request.body
    return { results: await api.herder.preview(textsOf(config), records) }
  })

  app.put(
    '/connector-plugins/:plugin/config/validate',
    { schema: { params: params.plugin, body: Properties } },
    async ({ params: { plugin }, body }) => {
      const config = textsOf(body)
      const included = config['connector.class'] ?? null
      if (included !== null && !isSame(api, included, plugin))
        throw badRequest(`Included connector type ${included} does not match request type ${plugin}`)
      return api.herder.validate(config)
    },
  )
}

/** Kafka Connect compares the ends of the names. */
function isSame({ plugins }: Api, included: string, asked: string): boolean {
  const found = plugins.lookUp(included)
  return shortened(included).endsWith(shortened(asked)) || (found !== null && found === plugins.lookUp(asked))
}

function shortened(name: string): string {
  return name.replace(/(?<=.)Connector$/, '')
}

/** Converters with which a form begins; null: those that suit most. Where the connector has one of its own, none is the best. */
function formatsOf(definition: ConnectorDefinition): Readonly<Record<string, string>> | null {
  if (definition.kind === 'sink') return null
  return definition.formats ?? (definition.converter === undefined ? null : {})
}
