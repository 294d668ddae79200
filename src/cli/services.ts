/** `millrace services`: the services alone, for any Kafka. Runs in the foreground until it is asked to stop. */
import { realSystem } from '../base.ts'
import { type RunningServices, startServices } from '../services.ts'
import { reach } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, UsageError } from './output.ts'
import { processLogger } from './process-logger.ts'
import { otherBroker } from './services/own-broker.ts'
import { servicesSettings } from './services/settings.ts'
import { configFrom } from './start.ts'
import { followLauncher, onStopRequest } from './stop.ts'

export interface ServicesFlags extends ClientFlags {
  config?: string
  set?: Record<string, string>
}

export async function services(flags: ServicesFlags): Promise<void> {
  const system = realSystem()
  followLauncher(system)
  const { config: file, set } = flags
  const config = configFrom({ ...(file === undefined ? {} : { config: file }), ...(set === undefined ? {} : { set }) }, system)
  const settings = servicesSettings(config, otherBroker(config, await reach(flags)))
  if (settings.services.length === 0) throw new UsageError('no services are named: --set services=registry')
  const logger = processLogger({ level: config.get('services.log.level') ?? 'info', afterRejection: 'go on' })
  let running: RunningServices | null = null
  onStopRequest(system, reason => {
    logger.info({ reason }, 'shutting down')
    if (running === null) process.exit(0)
    running.close().finally(() => process.exit(0))
  })
  running = await startServices(settings, system, logger)
  if (running.ports.size === 0) throw new CommandFailed('no service could start')
  logger.info({ bootstrap: settings.bootstrap, ports: Object.fromEntries(running.ports) }, 'the services are ready')
}
