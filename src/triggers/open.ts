/** Opens the service: the store, the worker, and the API. */
import type { FastifyError } from 'fastify'
import { stringifyLossless } from '../base.ts'
import { closeHttpApp, listen, openHttpApp } from '../http.ts'
import type { Service, ServiceContext } from '../service.ts'
import { problemBody, toHttpError } from './api/problems.ts'
import { triggerRoutes } from './api/routes.ts'
import { TriggerLogs } from './logs.ts'
import { TriggerMetrics } from './metrics.ts'
import { RunnerPool } from './runner/pool.ts'
import { TriggerStore } from './store.ts'
import { FunctionTests } from './try.ts'
import { FetchedBytes } from './worker/fetched.ts'
import { Worker, type WorkerContext } from './worker/worker.ts'

export async function openTriggers({ settings, sessions, own, acting, system, logger }: ServiceContext): Promise<Service> {
  const { host, ports, bootstrap } = settings
  const pool = new RunnerPool({ system, most: settings.triggers.mostRunners })
  const logs = new TriggerLogs({ client: own, system, logger })
  const metrics = new TriggerMetrics()
  await logs.open()
  const { id: clusterId } = await own.cluster()
  const fetched = new FetchedBytes()
  const context: WorkerContext = { client: own, acting, pool, fetched, logs, metrics, system, logger, bootstrap, clusterId }
  const store = new TriggerStore(system)
  const worker = new Worker(store, context)
  await store.open(own, logger, name => worker.changed(name))
  worker.start()
  const app = await openHttpApp({ name: 'triggers', settings, system, logger, jsonTypes: [], errorBody: problemBody })
  app.setReplySerializer(value => stringifyLossless(value))
  await app.register(async scope => {
    // What is thrown goes on to the handler of the whole server.
    scope.setErrorHandler((error: FastifyError) => {
      throw toHttpError(error)
    })
    triggerRoutes({ app: scope as unknown as typeof app, sessions, store, worker, context, tests: new FunctionTests(pool, system) })
  })
  const port = await listen(app, { host, port: ports.triggers })
  return {
    port,
    async close() {
      await closeHttpApp(app, system.timers)
      await worker.close()
      pool.close()
      await store.close()
      await logs.flush()
    },
  }
}
