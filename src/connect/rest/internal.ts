/** What workers ask of each other. Whoever has not the key of the group is refused. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { badRequest } from '../herder/errors.ts'
import { algorithmHeader, refusal, signatureHeader } from '../herder/signatures.ts'
import { type Api, here, params, textsOf } from './api.ts'

/** The signature is of the bytes of the body, so it is taken as it comes. */
export async function internalRoutes(api: Api): Promise<void> {
  const { app, herder, worker } = api
  const sessioned = worker.values['connect.protocol'].toLowerCase() === 'sessioned'
  const demand = (request: FastifyRequest) => {
    const { [signatureHeader]: signature, [algorithmHeader]: algorithm } = request.headers
    const given = { signature: first(signature), algorithm: first(algorithm), body: (request.body as string | undefined) ?? '' }
    const refused = sessioned ? refusal(given, api.sessionKey(), worker.values['inter.worker.verification.algorithms']) : null
    if (refused !== null) throw refused
  }

  await app.register(async (scope: FastifyInstance) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))

    scope.post('/connectors/:connector/tasks', { schema: { params: params.connector } }, (request, reply) => {
      demand(request)
      const { connector } = request.params as { connector: string }
      const configs = taskConfigs((request.body as string | undefined) ?? '')
      return here(api, request, reply, async () => {
        await herder.putTasks(connector, configs)
        return reply.code(204).send()
      })
    })

    scope.put('/connectors/:connector/fence', { schema: { params: params.connector } }, (request, reply) => {
      demand(request)
      const { connector } = request.params as { connector: string }
      return here(api, request, reply, async () => {
        await herder.fence(connector)
        return reply.code(204).send()
      })
    })
  })
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

/** Throws HttpError 400. */
function taskConfigs(text: string): Record<string, string | null>[] {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    throw badRequest(`The body is not valid JSON: ${(error as Error).message}`)
  }
  if (!Array.isArray(body)) throw badRequest('The body is not an array of configurations')
  return body.map(each => {
    if (typeof each !== 'object' || each === null || Array.isArray(each)) throw badRequest('A configuration of a task is not an object')
    return textsOf(each)
  })
}
