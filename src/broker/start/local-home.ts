/** The home of a broker that keeps its data in a directory, alone or as one of several processes of this machine. */
import type { System } from '../../base.ts'
import { type Log, openLog } from '../../log.ts'
import { type RecordConverter, randomUuid } from '../../protocol.ts'
import { dataDirectory, logSettings } from '../config.ts'
import type { Broker } from '../dispatch/context.ts'
import type { Mover } from '../moves/mover.ts'
import type { Peering } from '../peers.ts'
import { type Identity, openDataDirectory } from './data-directory.ts'
import type { Home, Opened } from './home.ts'
import { openOwnMetadata } from './open-metadata.ts'
import type { Closers, StartOptions } from './options.ts'

/** Takes the directory, which is released when the closers are called. */
export async function openLocalHome(options: StartOptions, opened: Closers): Promise<Home> {
  const { config } = options
  const directory = dataDirectory(config)
  const nodeId = config.get('node.id')
  const taken = await openDataDirectory({ ...options, directory, nodeId })
  opened.push(taken.close)
  return new LocalHome({ ...options, system: taken.system }, opened, directory, taken.identity)
}

class LocalHome implements Home {
  readonly location: string
  readonly #options: StartOptions
  readonly #opened: Closers
  readonly #identity: Identity
  #log: Log | null = null
  #mover: Home['mover'] = () => null

  constructor(options: StartOptions, opened: Closers, directory: string, identity: Identity) {
    this.#options = options
    this.#opened = opened
    this.location = directory
    this.#identity = identity
  }

  get system(): System {
    return this.#options.system
  }

  async open(converter: RecordConverter): Promise<Opened> {
    const { system, config, logger, onFatal, onThisMachine = true } = this.#options
    const directory = this.location
    const log = await openLog({
      system,
      directory,
      findRecord: search => converter.find(search),
      settings: logSettings(config),
      onFatal,
      onThisMachine,
      report: (what, error) => logger.warn({ err: error }, what),
    })
    this.#log = log
    this.#opened.push(() => log.close())
    const { clusterId } = this.#identity
    const { metadata, processMoves } = await openOwnMetadata(this.#options, log, { directory, clusterId }, this.#opened)
    this.#mover = peers => processMoves.mover(log, metadata, peers)
    return { identity: this.#identity, log, metadata, cluster: null }
  }

  async join(): Promise<void> {}

  /** One of several processes: from now on, all of them send clients here. */
  async listening({ metadata, self, config, system }: Broker): Promise<void> {
    if (this.#options.processes === undefined) return
    const endpoints = new Map(config.listeners.map(({ name }) => [name, self.advertised(name)]))
    await metadata.registerBroker({ id: self.id, incarnation: randomUuid(system.random), rack: self.rack, fenced: false, endpoints })
  }

  notReady(): string | null {
    return this.#log?.space.shortage ?? null
  }

  mover(peers: Peering | null): Mover | null {
    return this.#mover(peers)
  }

  async leave({ logger, metadata, moves, self }: Broker, signal: AbortSignal): Promise<void> {
    if (!(await moves.drain(signal))) return
    try {
      // Clients need not find out by themselves.
      await metadata.fenceBroker(self.id, true)
    } catch (error) {
      logger.warn({ err: error }, 'the other brokers do not know yet that this one stops')
    }
  }
}
