/** Opens the console: its API, then the application for all other paths. */
import { closeHttpApp, listen, openHttpApp } from '../http.ts'
import type { Service, ServiceContext } from '../service.ts'
import { routes } from './api.ts'
import { serveApplication } from './assets.ts'
import { Door } from './door.ts'
import { oidcPages } from './oidc.ts'
import { problemBody } from './problem.ts'
import { registerRoutes } from './route.ts'

export async function openConsole(context: ServiceContext): Promise<Service> {
  const { settings, system, logger } = context
  const { host, ports } = settings
  const app = await openHttpApp({ name: 'console', settings, system, logger, jsonTypes: [], errorBody: problemBody })
  const door = new Door(context)
  await door.open(app)
  oidcPages(app, door, logger)
  const shared = registerRoutes(app, routes, context, door)
  serveApplication(app, system)
  const port = await listen(app, { host, port: ports.console })
  return {
    port,
    async close() {
      await Promise.all([closeHttpApp(app, system.timers), shared.close()])
    },
  }
}
