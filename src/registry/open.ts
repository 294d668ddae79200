/** Opens the registry: its table, then its routes. */
import { ClientError } from '../client.ts'
import { type ErrorBody, HttpError, listen, openHttpApp } from '../http.ts'
import type { Service, ServiceContext } from '../service.ts'
import { Unauthorized } from '../sessions.ts'
import { openTopicTable } from '../topic-table.ts'
import { subjectRoutes } from './routes/subjects.ts'
import { Subjects } from './subjects.ts'

const topic = '_schemas'
const mediaType = 'application/vnd.schemaregistry.v1+json'
const jsonTypes = [mediaType, 'application/vnd.schemaregistry+json', 'application/octet-stream']

export async function openRegistry({ settings, sessions, own, system, logger }: ServiceContext): Promise<Service> {
  const { host, ports, allowedHosts, corsOrigins, mostBodyBytes } = settings
  const subjects = new Subjects()
  const table = await openTopicTable({ client: own, topic, logger, system, apply: record => subjects.apply(record) })
  const app = await openHttpApp({
    name: 'registry',
    logger,
    allowedHosts,
    corsOrigins,
    mostBodyBytes,
    tls: null,
    jsonTypes,
    errorBody,
  })
  app.addHook('onRequest', async request => {
    try {
      await sessions.identify(request.headers.authorization)
    } catch (error) {
      throw refusal(error)
    }
  })
  subjectRoutes(app, subjects)
  const port = await listen(app, { host, port: ports.registry })
  return {
    port,
    async close() {
      await app.close()
      await table.close()
    },
  }
}

/** Confluent's form. */
const errorBody: ErrorBody = ({ code, message }) => ({ contentType: mediaType, body: { error_code: code, message } })

function refusal(error: unknown): unknown {
  if (error instanceof Unauthorized)
    return new HttpError(401, 401, error.message, { headers: { 'www-authenticate': 'Basic realm="Kafka"' }, cause: error })
  if (error instanceof ClientError)
    return new HttpError(500, 50_003, `The Kafka cluster does not answer: ${error.message}`, { cause: error })
  return error
}
