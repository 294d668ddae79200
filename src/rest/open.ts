/** Opens the proxy: one HTTP server with the routes of v2 and v3. */
import type { FastifyError, FastifyInstance } from 'fastify'
import { stringifyLossless } from '../base.ts'
import { type ErrorBody, type HttpApp, listen, openHttpApp } from '../http.ts'
import type { Service, ServiceContext } from '../service.ts'
import { invalidPayload, toHttpError } from './errors.ts'
import { Rest } from './rest.ts'
import { aclRoutes } from './v3/acls.ts'
import { batchRoutes } from './v3/batch.ts'
import { brokerRoutes } from './v3/brokers.ts'
import { clusterRoutes } from './v3/clusters.ts'
import { configRoutes } from './v3/configs.ts'
import { groupRoutes } from './v3/groups.ts'
import { partitionRoutes } from './v3/partitions.ts'
import { recordRoutes } from './v3/records.ts'
import { topicRoutes } from './v3/topics.ts'

export async function openRest({ settings, sessions, system, logger }: ServiceContext): Promise<Service> {
  const { host, ports, allowedHosts, corsOrigins, mostBodyBytes } = settings
  const app = await openHttpApp({
    ...{ name: 'rest', logger, allowedHosts, corsOrigins, mostBodyBytes, tls: null, errorBody },
    // A producer may send records for as long as it likes.
    requestTimeoutMs: 0,
    jsonTypes: [],
  })
  let rest: Rest
  await app.register(async (scope: FastifyInstance) => {
    rest = new Rest({ app: scope as unknown as HttpApp, sessions, system, logger, settings: settings.rest, mostBodyBytes })
    prepare(rest)
    await routes(rest)
  })
  const port = await listen(app, { host, port: ports.rest })
  return {
    port,
    async close() {
      rest.stop()
      await app.close()
    },
  }
}

function prepare(rest: Rest): void {
  const { app } = rest
  // null: there is no body.
  app.setSerializerCompiler(() => value => (value === null ? '' : stringifyLossless(value)))
  app.addHook('onRequest', request => rest.identify(request, request.headers.authorization))
  // What is thrown goes on to the handler of the whole server.
  app.setErrorHandler((error: FastifyError, request) => {
    if (error.validationContext === 'body' && request.body == null) throw invalidPayload('Request body is empty. Data is required.')
    throw toHttpError(error)
  })
}

async function routes(rest: Rest): Promise<void> {
  clusterRoutes(rest)
  brokerRoutes(rest)
  configRoutes(rest)
  topicRoutes(rest)
  partitionRoutes(rest)
  aclRoutes(rest)
  groupRoutes(rest)
  await recordRoutes(rest)
  await batchRoutes(rest)
}

/** Confluent's form. */
const errorBody: ErrorBody = ({ code, message }) => ({ contentType: 'application/json', body: { error_code: code, message } })
