/** Opens the registry: its state, its routes, and its place among other registries of the topic. */
import { hostname } from 'node:os'
import type { FastifyRequest } from 'fastify'
import { type MaybePromise, Turns } from '../base.ts'
import { ClientError } from '../client.ts'
import { closeHttpApp, type ErrorBody, type HttpApp, HttpError, listen, openHttpApp, unauthorized } from '../http.ts'
import type { Service, ServiceContext } from '../service.ts'
import { type Identity as Caller, Unauthorized } from '../sessions.ts'
import { openTopicTable } from '../topic-table.ts'
import { Access } from './access.ts'
import { Identities } from './judge/identities.ts'
import { Judge } from './judge/judge.ts'
import { identityIn, Leadership } from './leader.ts'
import { mostBodyBytes, parseBody } from './routes/bodies.ts'
import { keepIdentity, prefixes, type Registry } from './routes/common.ts'
import { compatibilityRoutes } from './routes/compatibility.ts'
import { contextRoutes } from './routes/contexts.ts'
import { Prepared } from './routes/prepared.ts'
import { schemaRoutes } from './routes/schemas.ts'
import { configRoutes, modeRoutes } from './routes/settings.ts'
import { subjectRoutes } from './routes/subjects.ts'
import { versionRoutes } from './routes/versions.ts'
import { State } from './state.ts'

const topic = '_schemas'
const mediaType = 'application/vnd.schemaregistry.v1+json'
const otherTypes = ['application/vnd.schemaregistry+json', 'application/json']
const jsonTypes = [mediaType, 'application/vnd.schemaregistry+json', 'application/octet-stream']

export async function openRegistry({ settings, sessions, own, system, logger }: ServiceContext): Promise<Service> {
  const { host, ports, tls, advertisedRegistry } = settings
  const advertised = advertisedRegistry === null ? null : identityIn(advertisedRegistry)
  const reachedAs = advertised?.host ?? (isEveryAddress(host) ? hostname() : host)
  const state = new State()
  const table = await openTopicTable({
    client: own,
    topic,
    logger,
    system,
    apply: ({ key, value, timestampMs }) => void (key !== null && state.apply(key, value, Number(timestampMs))),
  })
  const leadership = new Leadership({ client: own, table, topic, system, logger })
  const turns = new Turns(system)
  const judge = new Judge({ timers: system.timers })
  const registry: Registry = {
    state,
    judge,
    identities: new Identities(),
    prepared: new Prepared(),
    leadership,
    access: new Access(own, sessions, system.clock, turns),
    sessions,
    system,
    turns,
    clusterId: async () => (await own.cluster()).id,
  }
  const app = await openHttpApp({
    ...{ name: 'registry', system, logger, jsonTypes, parseBody, errorBody },
    settings: {
      ...settings,
      allowedHosts: [...settings.allowedHosts, reachedAs],
      mostBodyBytes: Math.min(settings.mostBodyBytes, mostBodyBytes),
    },
  })
  identify(app, registry)
  for (const prefix of prefixes) {
    const routes = { app, registry, prefix }
    subjectRoutes(routes)
    versionRoutes(routes)
    schemaRoutes(routes)
    compatibilityRoutes(routes)
    configRoutes(routes)
    modeRoutes(routes)
  }
  contextRoutes({ app, registry })
  const port = await listen(app, { host, port: ports.registry }).catch(async error => {
    await table.close()
    throw error
  })
  leadership.start(advertised ?? { host: reachedAs, port, scheme: tls === null ? 'http' : 'https' })
  return {
    port,
    async close() {
      await closeHttpApp(app, system.timers)
      await Promise.all([leadership.close(), judge.close(), table.close()])
    },
  }
}

function isEveryAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Who asks, and in which of Confluent's media types the answer goes. */
function identify(app: HttpApp, { sessions }: Registry): void {
  app.decorateRequest('identity', null)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('content-type', typeFor(request))
    const goOn = (caller: Caller) => {
      keepIdentity(request, caller)
      done()
    }
    let identified: MaybePromise<Caller>
    try {
      identified = sessions.identify(request.headers.authorization, request.ip)
    } catch (error) {
      throw refusal(error)
    }
    if (identified instanceof Promise) identified.then(goOn, (error: unknown) => done(refusal(error) as Error))
    else goOn(identified)
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    const type = reply.getHeader('content-type') ?? mediaType
    if (type !== mediaType) reply.header('content-type', withoutCharset(type))
    done(null, payload)
  })
}

/** Confluent's answers say nothing of the charset, and the framework would. */
function withoutCharset(value: unknown): string {
  return String(value).replace(/; charset=utf-8$/, '')
}

/** The first of ours that `Accept` names. */
function typeFor({ headers: { accept } }: FastifyRequest): string {
  if (accept === undefined || accept === '*/*') return mediaType
  const accepted = accept.split(',').map(each => each.split(';', 1)[0]!.trim())
  return accepted.find(each => each === mediaType || otherTypes.includes(each)) ?? mediaType
}

/** Confluent's form. */
const errorBody: ErrorBody = ({ code, message }) => ({ contentType: mediaType, body: { error_code: code, message } })

function refusal(error: unknown): unknown {
  if (error instanceof Unauthorized) return unauthorized(error, 40_101)
  if (error instanceof ClientError)
    return new HttpError(500, 50_001, `The Kafka cluster does not answer: ${error.message}`, { cause: error })
  return error
}
