/** `/`, `/health` and `/metrics`: the worker itself. */
import { unavailable } from '../herder/errors.ts'
import type { Api } from './api.ts'

/** Of Kafka Connect, whose API this is. */
const apiVersion = '4.3.1'

export function serverRoutes({ app, herder, clusterId }: Api): void {
  app.get('/', async () => ({ version: apiVersion, commit: 'millrace', kafka_cluster_id: await clusterId() }))

  app.get('/health', async (_, reply) => {
    if (herder.isReady) return { status: 'healthy', message: 'Worker has completed startup and is ready to handle requests.' }
    return reply.code(503).send({ status: 'starting', message: 'Worker is still starting up.' })
  })

  app.get('/metrics', async (_, reply) => {
    if (!herder.isReady) throw unavailable('Worker is still starting up.')
    return reply.header('content-type', 'text/plain; version=0.0.4').send(herder.runtime.metrics.page())
  })
}
