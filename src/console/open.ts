/** Opens the console: its API, then the application for all other paths. */
import { type HttpApp, HttpError, listen, openHttpApp } from '../http.ts'
import type { Service, ServiceContext } from '../service.ts'
import { routes } from './api.ts'
import { serveApplication } from './assets.ts'
import { problemBody } from './problem.ts'
import { registerRoutes } from './route.ts'

export async function openConsole(context: ServiceContext): Promise<Service> {
  const { settings, system, logger } = context
  const { host, ports, allowedHosts, corsOrigins, mostBodyBytes } = settings
  const app = await openHttpApp({
    name: 'console',
    logger,
    allowedHosts,
    corsOrigins,
    mostBodyBytes,
    tls: null,
    jsonTypes: [],
    errorBody: problemBody,
  })
  refuseForeignChanges(app)
  const streams = registerRoutes(app, routes, context)
  serveApplication(app, system)
  const port = await listen(app, { host, port: ports.console })
  return {
    port,
    async close() {
      const closing = app.close()
      await streams.close()
      await closing
    },
  }
}

/** A page of another origin must not change anything in the name of who looks at it. Browsers say where a request comes from. */
function refuseForeignChanges(app: HttpApp): void {
  app.addHook('onRequest', async ({ method, headers }) => {
    if (method === 'GET' || method === 'HEAD') return
    const { origin, host } = headers
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`)
      throw new HttpError(403, 403, `A page of ${origin} must not change anything here`)
  })
}
