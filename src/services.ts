/**
 * services: the process beside the broker that serves HTTP: the schema registry, the REST proxy, the console, connectors, triggers, and whatever else `services`
 * names.
 *
 * Every service is an ordinary Kafka client. Hides how they are opened and closed, and that a service that cannot start does not keep the others from
 * starting. A service that is not named costs nothing: its code is not loaded.
 */
import { type System, settledWithin } from './base.ts'
import { openClient, untilReached } from './client.ts'
import type { Logger } from './logger.ts'
import type { RegistryReached, Service, ServiceContext, ServiceName, ServicesSettings } from './service.ts'
import { openActing, openSessions } from './sessions.ts'

export type { TlsFiles } from './http.ts'
export type { ConnectSettings, ServiceName, ServicesSettings } from './service.ts'
export type { LoginWays, OidcSettings } from './sessions.ts'

export interface RunningServices {
  /** Of those that run. */
  readonly ports: ReadonlyMap<ServiceName, number>
  /** Those whose ports belong to somebody else. */
  readonly withoutPort: readonly ServiceName[]
  /** Requests under way are answered, if that is possible within seconds. Does not reject. */
  close(): Promise<void>
}

const openers: Readonly<Record<ServiceName, (context: ServiceContext) => Promise<Service>>> = {
  connect: async context => (await import('./connect.ts')).openConnect(context),
  console: async context => (await import('./console.ts')).openConsole(context),
  registry: async context => (await import('./registry.ts')).openRegistry(context),
  rest: async context => (await import('./rest.ts')).openRest(context),
  triggers: async context => (await import('./triggers.ts')).openTriggers(context),
}

/** Answers under way, logins that end, groups that are left: what has not come to an end by then waits for a broker that is away. */
const servicesCloseMs = 3_000
/** Then whoever still waits for a broker is told that there is none. */
const clientsCloseMs = 1_000

export async function startServices(settings: ServicesSettings, system: System, logger: Logger): Promise<RunningServices> {
  const { bootstrap, properties, ownProperties, login, services } = settings
  const own = openClient({ bootstrap, properties: ownProperties, clientId: 'millrace-services' })
  const sessions = openSessions({ bootstrap, properties, ways: login, system })
  const acting = openActing({ bootstrap, ownProperties, own, system, logger })
  const running = new Map<ServiceName, Service>()
  const withoutPort: ServiceName[] = []
  const elsewhere: { readonly [N in ServiceName]?: Elsewhere } = { registry: settings.registry, connect: settings.connect }
  const reach = (name: ServiceName) => (authorization: string | undefined) =>
    reached(settings, elsewhere[name] ?? nowhere, running.get(name)?.port, authorization)
  const context: ServiceContext = {
    ...{ settings, sessions, own, acting, system, logger },
    ...{ registryFor: reach('registry'), connectFor: reach('connect'), triggersFor: reach('triggers') },
  }
  const open = async (name: ServiceName) => {
    try {
      running.set(name, await openers[name](context))
    } catch (error) {
      if (portErrors.has((error as NodeJS.ErrnoException).code)) withoutPort.push(name)
      logger.error({ service: name, ...whyNot(error, name, settings) }, 'a service cannot start; the others continue')
    }
  }
  // What needs a broker says so when it is opened.
  await untilReached(own, system, error =>
    logger.warn({ reason: error.message }, 'no broker answers yet; it is tried again for a minute before the services start'),
  ).catch(() => {})
  await Promise.all(services.map(open))
  return {
    ports: new Map(Array.from(running, ([name, { port }]) => [name, port])),
    withoutPort,
    async close() {
      const closed = (name: string, closing: Promise<void>) =>
        closing.catch((error: unknown) => logger.warn({ part: name, err: error }, 'a part of the services did not close cleanly'))
      await settledWithin(
        system.timers,
        servicesCloseMs,
        Array.from(running, ([name, each]) => closed(name, each.close())),
      )
      acting.close()
      await settledWithin(system.timers, clientsCloseMs, [closed('sessions', sessions.close()), closed('client', own.close())])
    },
  }
}

/** Of a service in another process, as it is configured. */
interface Elsewhere {
  readonly url: string | null
  /** `user:password`. The credentials of a caller never go to another process. */
  readonly userInfo: string | null
}
const nowhere: Elsewhere = { url: null, userInfo: null }

/** `port`: of the one in this process. */
function reached(
  { host, tls }: ServicesSettings,
  { url, userInfo }: Elsewhere,
  port: number | undefined,
  authorization: string | undefined,
): RegistryReached | null {
  if (url !== null)
    return { url, authorization: userInfo === null ? undefined : `Basic ${Buffer.from(userInfo).toString('base64')}`, isOwn: false }
  if (port === undefined) return null
  const address = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return { url: `${tls === null ? 'http' : 'https'}://${address}:${port}`, authorization, isOwn: true }
}

const portErrors: ReadonlySet<string | undefined> = new Set(['EADDRINUSE', 'EACCES'])

function whyNot(error: unknown, name: ServiceName, { host, ports }: ServicesSettings): object {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return { reason: `port ${ports[name]} of ${host} is in use; ${name}.port chooses another` }
  if (code === 'EACCES') return { reason: `this user must not listen on port ${ports[name]}; ${name}.port chooses another` }
  return { reason: message, err: error }
}
