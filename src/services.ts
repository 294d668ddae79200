/**
 * services: the process beside the broker that serves HTTP: the schema registry, the REST proxy, the console, connectors, triggers, and whatever else `services`
 * names.
 *
 * Every service is an ordinary Kafka client. Hides how they are opened and closed, and that a service that cannot start does not keep the others from
 * starting. A service that is not named costs nothing: its code is not loaded.
 */
import type { System } from './base.ts'
import { openClient } from './client.ts'
import type { Logger } from './logger.ts'
import type { RegistryReached, Service, ServiceContext, ServiceName, ServicesSettings } from './service.ts'
import { openSessions } from './sessions.ts'

export type { TlsFiles } from './http.ts'
export type { ConnectSettings, ServiceName, ServicesSettings } from './service.ts'
export type { LoginWays, OidcSettings } from './sessions.ts'

export interface RunningServices {
  /** Of those that run. */
  readonly ports: ReadonlyMap<ServiceName, number>
  close(): Promise<void>
}

const openers: Readonly<Record<ServiceName, (context: ServiceContext) => Promise<Service>>> = {
  connect: async context => (await import('./connect.ts')).openConnect(context),
  console: async context => (await import('./console.ts')).openConsole(context),
  registry: async context => (await import('./registry.ts')).openRegistry(context),
  rest: async context => (await import('./rest.ts')).openRest(context),
  triggers: async context => (await import('./triggers.ts')).openTriggers(context),
}

export async function startServices(settings: ServicesSettings, system: System, logger: Logger): Promise<RunningServices> {
  const { bootstrap, properties, ownProperties, login, services } = settings
  const own = openClient({ bootstrap, properties: ownProperties, clientId: 'millrace-services' })
  const sessions = openSessions({ bootstrap, properties, ways: login, system })
  const running = new Map<ServiceName, Service>()
  const registryFor = (authorization: string | undefined) => reachRegistry(settings, running.get('registry')?.port, authorization)
  const context: ServiceContext = { settings, sessions, own, registryFor, system, logger }
  const open = async (name: ServiceName) => {
    try {
      running.set(name, await openers[name](context))
    } catch (error) {
      logger.error({ service: name, ...whyNot(error, name, settings) }, 'a service cannot start; the others continue')
    }
  }
  await Promise.all(services.map(open))
  return {
    ports: new Map(Array.from(running, ([name, { port }]) => [name, port])),
    async close() {
      await Promise.all(Array.from(running.values(), each => each.close()))
      await Promise.all([sessions.close(), own.close()])
    },
  }
}

function reachRegistry(
  { registry: { url, userInfo }, host, tls }: ServicesSettings,
  port: number | undefined,
  authorization: string | undefined,
): RegistryReached | null {
  if (url !== null)
    return { url, authorization: userInfo === null ? undefined : `Basic ${Buffer.from(userInfo).toString('base64')}`, isOwn: false }
  if (port === undefined) return null
  const address = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return { url: `${tls === null ? 'http' : 'https'}://${address}:${port}`, authorization, isOwn: true }
}

function whyNot(error: unknown, name: ServiceName, { host, ports }: ServicesSettings): object {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return { reason: `port ${ports[name]} of ${host} is in use; ${name}.port chooses another` }
  if (code === 'EACCES') return { reason: `this user must not listen on port ${ports[name]}; ${name}.port chooses another` }
  return { reason: message, err: error }
}
