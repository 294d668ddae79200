/** The services beside a broker: what they will need is known, and checked, before the broker starts; they start when it serves clients. */
import type { System } from '../../base.ts'
import type { BrokerConfig, ServicesLogin } from '../../broker.ts'
import type { Logger } from '../../logger.ts'
import type { ServiceName, ServicesSettings } from '../../services.ts'
import { bracketed, UsageError } from '../output.ts'
import type { LogLevel } from '../processes/messages.ts'
import type { Stoppable } from '../start.ts'
import type { BesideOptions } from './beside.ts'
import { type ServicesCounts, servicesMetrics } from './counts.ts'
import { loginToMake, ownBroker } from './own-broker.ts'
import { servicesSettings } from './settings.ts'

export interface ServicesPlan {
  /** The user that the broker has to make first; null: none. */
  readonly login: ServicesLogin | null
  /** Of the services process, for the broker's page. */
  metrics(): string
  /** `ports`: of the broker, by listener name; `httpPort`: of its metrics. Resolves when the process has been launched. */
  start(
    ports: ReadonlyMap<string, number>,
    httpPort: number | null,
    options: Omit<BesideOptions, 'order' | 'counts'> & { level: LogLevel },
  ): Promise<Stoppable>
}

/** null: they cannot work. Throws UsageError; but a broker whose configuration does not speak of services starts without them if they cannot work. */
export function planIfWanted(config: BrokerConfig, system: System, logger: Pick<Logger, 'warn'>): ServicesPlan | null {
  try {
    return planServices(config, system)
  } catch (error) {
    if (!(error instanceof UsageError) || speaksOfServices(config)) throw error
    logger.warn(
      { reason: error.message },
      'the broker starts without console, registry and REST proxy; an empty `services` says that none are wanted',
    )
    return null
  }
}

const ofServices = /^(?:services$|(?:services|console|registry|rest|connect|triggers|schema\.registry)\.)/

function speaksOfServices(config: BrokerConfig): boolean {
  return config.names().some(name => ofServices.test(name) && !['DEFAULT_CONFIG', undefined].includes(config.layers(name)[0]?.source))
}

/** Throws UsageError. */
export function planServices(config: BrokerConfig, system: System): ServicesPlan {
  const login = loginToMake(config, system)
  const settingsFor = (ports: ReadonlyMap<string, number>, httpPort: number | null) =>
    servicesSettings(config, ownBroker(config, ports, httpPort, login, system))
  settingsFor(new Map(), null)
  const counts: ServicesCounts = { restarts: 0, unhandled: 0 }
  return {
    login,
    metrics: () => servicesMetrics(counts),
    async start(ports, httpPort, { level, ...options }) {
      const settings = settingsFor(ports, httpPort)
      const { ServicesProcess } = await import('./beside.ts')
      const services = new ServicesProcess({ ...options, counts, order: { settings, level: config.get('services.log.level') ?? level } })
      void services.start().then(running => {
        if (process.stdout.isTTY) process.stdout.write(banner(running, settings))
      })
      return services
    },
  }
}

/** Where the services are, for a terminal. */
function banner(running: ReadonlyMap<ServiceName, number>, settings: ServicesSettings): string {
  const lines = Array.from(running, ([name, port]) => `  ${titles[name].padEnd(18)} ${urlOf(settings, port)}\n`)
  return lines.length === 0 ? '' : `${lines.join('')}\n`
}

const titles: Record<ServiceName, string> = {
  connect: 'Kafka Connect',
  console: 'web console',
  registry: 'schema registry',
  rest: 'REST proxy',
  triggers: 'triggers',
}

function urlOf({ host, tls }: ServicesSettings, port: number): string {
  return `${tls === null ? 'http' : 'https'}://${bracketed(host)}:${port}`
}
