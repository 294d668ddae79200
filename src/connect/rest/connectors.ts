/** `/connectors`: what there is, how it is made, changed and deleted. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { HttpError } from '../../http.ts'
import { badRequest } from '../herder/errors.ts'
import type { Config, TargetState } from '../stores/config-state.ts'
import { type Api, here, Properties, params, textsOf } from './api.ts'

const Creation = Type.Object(
  {
    name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    config: Type.Optional(Type.Union([Properties, Type.Null()])),
    initial_state: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { additionalProperties: false },
)
const Expand = Type.Object({ expand: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])) })

export function connectorRoutes(api: Api): void {
  const { app, herder } = api

  app.get('/connectors', { schema: { querystring: Expand } }, async ({ query: { expand } }) => {
    if (expand === undefined) return herder.connectors()
    const wanted = typeof expand === 'string' ? [expand] : expand
    const found: Record<string, object> = Object.create(null)
    for (const name of herder.connectors()) {
      const parts = await partsOf(api, name, wanted)
      if (parts !== null) found[name] = parts
    }
    return found
  })

  app.post('/connectors', { schema: { body: Creation } }, (request, reply) => {
    const { name: given, config, initial_state: initial } = request.body
    const name = (given ?? '').trim()
    if (config === undefined || config === null) throw badRequest('The request has no config')
    const target = targetOf(initial ?? null)
    const named = withName(name, textsOf(config))
    return here(api, request, reply, async () => {
      const info = await herder.create(name, named, target)
      reply.code(201).header('location', locationOf(request, name))
      return info
    })
  })

  app.get('/connectors/:connector', { schema: { params: params.connector } }, ({ params: { connector } }) => herder.info(connector))

  app.get('/connectors/:connector/config', { schema: { params: params.connector } }, async ({ params: { connector } }) => {
    return (await herder.info(connector)).config
  })

  app.put('/connectors/:connector/config', { schema: { params: params.connector, body: Properties } }, (request, reply) => {
    const { connector } = request.params
    const config = withName(connector, textsOf(request.body))
    return here(api, request, reply, async () => {
      const { created, info } = await herder.put(connector, config)
      if (created) reply.code(201).header('location', locationOf(request, connector))
      return info
    })
  })

  app.patch('/connectors/:connector/config', { schema: { params: params.connector, body: Properties } }, (request, reply) =>
    here(api, request, reply, () => herder.patch(request.params.connector, textsOf(request.body))),
  )

  app.delete('/connectors/:connector', { schema: { params: params.connector } }, (request, reply) =>
    here(api, request, reply, async () => {
      await herder.remove(request.params.connector)
      return reply.code(204).send()
    }),
  )
}

/** null: it was deleted meanwhile. */
async function partsOf({ herder }: Api, name: string, wanted: readonly string[]): Promise<object | null> {
  try {
    const parts: Record<string, unknown> = {}
    if (wanted.includes('status')) parts['status'] = await herder.status(name)
    if (wanted.includes('info')) parts['info'] = await herder.info(name)
    // Not Kafka Connect's, which ignores what it does not know.
    if (wanted.includes('history')) parts['history'] = herder.history(name)
    return parts
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) return null
    throw error
  }
}

const targets: Readonly<Record<string, TargetState>> = { RUNNING: 'STARTED', PAUSED: 'PAUSED', STOPPED: 'STOPPED' }

/** Throws HttpError 400. */
function targetOf(initial: string | null): TargetState | null {
  if (initial === null) return null
  const target = targets[initial.trim().toUpperCase()]
  if (target === undefined) throw badRequest(`Unknown initial state: ${initial}. It must be one of RUNNING, PAUSED, STOPPED`)
  return target
}

/** Throws HttpError 400. */
function withName(name: string, config: Config): Config {
  const included = config['name']
  if (included !== undefined && included !== name)
    throw badRequest(`Connector name configuration (${included}) doesn't match connector name in the URL (${name})`)
  return { ...config, name }
}

function locationOf({ protocol, host }: FastifyRequest, name: string): string {
  return `${protocol}://${host}/connectors/${encodeURIComponent(name)}`
}
