/** Opens the proxy: one HTTP server with the routes of v2 and v3. */
import type { FastifyError, FastifyInstance } from 'fastify'
import { stringifyLossless } from '../base.ts'
import { closeHttpApp, type ErrorBody, type HttpApp, HttpError, listen, openHttpApp } from '../http.ts'
import type { Service, ServiceContext } from '../service.ts'
import { invalidPayload, toHttpError } from './errors.ts'
import { baseUrl } from './links.ts'
import { ApiDocument } from './openapi.ts'
import { Rest } from './rest.ts'
import { consumerRoutes } from './v2/consumers.ts'
import type { Instances } from './v2/instances.ts'
import { chooseType, formatOf, formatTypes, plainTypes } from './v2/media.ts'
import { produceRoutes } from './v2/produce.ts'
import { topicRoutes as plainRoutes } from './v2/topics.ts'
import { aclRoutes } from './v3/acls.ts'
import { batchRoutes } from './v3/batch.ts'
import { brokerRoutes } from './v3/brokers.ts'
import { clusterRoutes } from './v3/clusters.ts'
import { configRoutes } from './v3/configs.ts'
import { consumeRoute } from './v3/consume.ts'
import { groupRoutes } from './v3/groups.ts'
import { partitionRoutes } from './v3/partitions.ts'
import { recordRoutes } from './v3/records.ts'
import { topicRoutes } from './v3/topics.ts'

export async function openRest({ settings, sessions, registryFor, system, logger }: ServiceContext): Promise<Service> {
  const { host, ports, mostBodyBytes } = settings
  const app = await openHttpApp({
    ...{ name: 'rest', settings, system, logger, errorBody },
    // A producer may send records for as long as it likes.
    streamsIn: true,
    // Later than the end of a stream without records, which is reported.
    unreadMs: 2 * settings.rest.streamIdleMs,
    jsonTypes: [...formatTypes, ...plainTypes.filter(each => each !== 'application/json'), 'application/octet-stream'],
  })
  let rest: Rest
  let instances: Instances
  await app.register(async (scope: FastifyInstance) => {
    rest = new Rest({ app: scope as unknown as HttpApp, sessions, registryFor, system, logger, settings: settings.rest, mostBodyBytes })
    prepare(rest)
    instances = await routes(rest)
  })
  const port = await listen(app, { host, port: ports.rest })
  return {
    port,
    async close() {
      rest.stop()
      await Promise.all([closeHttpApp(app, system.timers), instances.close()])
    },
  }
}

function prepare(rest: Rest): void {
  const { app } = rest
  // null: there is no body.
  app.setSerializerCompiler(() => value => (value === null ? '' : stringifyLossless(value)))
  app.addHook('onRequest', (request, _reply, done) => {
    const identified = rest.identify(request, request.headers.authorization, request.ip)
    if (identified instanceof Promise) identified.then(() => done(), done)
    else done()
  })
  limitAnswers(rest)
  // v2 asks for committed offsets with a body.
  app.addHttpMethod('GET', { hasBody: true, overrideExisting: true })
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') done(null, undefined)
    else done(new HttpError(415, 415, 'HTTP 415 Unsupported Media Type'))
  })
  app.addHook('preHandler', async (request, reply) => {
    const { accept } = request.headers
    if (!isV2(request.url)) {
      chooseType(accept, ['application/json', 'text/event-stream'])
      return
    }
    const type = chooseType(accept, [...plainTypes, ...formatTypes])
    // Only records have a format; who accepts nothing else gets the type without one.
    reply.header('content-type', formatOf(type) === undefined ? type : plainTypes[0])
  })
  // Confluent's media types have no parameters.
  app.addHook('onSend', async (_request, reply) => {
    const type = reply.getHeader('content-type')
    if (typeof type === 'string' && type.endsWith(charset)) reply.header('content-type', type.slice(0, -charset.length))
  })
  // What is thrown goes on to the handler of the whole server.
  app.setErrorHandler((error: FastifyError, request) => {
    if (error.validationContext === 'body' && request.body == null) throw invalidPayload('Request body is empty. Data is required.')
    throw toHttpError(error)
  })
}

/** Long enough that many of them unread would take much memory. */
const longAnswer = 16_384

/** Answers that are not read: they are bounded, and a reader who takes nothing of one is cut off. */
function limitAnswers(rest: Rest): void {
  const { app, unread } = rest
  app.addHook('onRequest', (request, _reply, done) => {
    unread.admit(rest.identity(request).principal)
    done()
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const identity = typeof payload === 'string' && payload.length >= longAnswer ? rest.knownIdentity(request) : undefined
    if (identity !== undefined) reply.raw.once('close', unread.add(identity.principal, (payload as string).length))
    done()
  })
}

const charset = '; charset=utf-8'

function isV2(url: string): boolean {
  return !url.startsWith('/v3/') && !url.startsWith('/openapi')
}

async function routes(rest: Rest): Promise<Instances> {
  const document = new ApiDocument()
  rest.app.addHook('onRoute', route => document.add(route))
  rest.app.get('/openapi.json', (request, reply) => {
    reply
      .serializer(String)
      .header('content-type', 'application/json')
      .send(document.text(baseUrl(request)))
  })
  clusterRoutes(rest)
  brokerRoutes(rest)
  configRoutes(rest)
  topicRoutes(rest)
  partitionRoutes(rest)
  aclRoutes(rest)
  groupRoutes(rest)
  await recordRoutes(rest)
  await batchRoutes(rest)
  consumeRoute(rest)
  plainRoutes(rest)
  await produceRoutes(rest)
  return consumerRoutes(rest)
}

/** Confluent's form. */
const errorBody: ErrorBody = ({ code, message }) => ({ contentType: 'application/json', body: { error_code: code, message } })
