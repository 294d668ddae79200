/**
 * A machine that runs one broker of a cluster. It keeps nothing: when it boots again, all that it knows is in the stores.
 *
 * Its calls to the stores and to other brokers pass through the simulated PostgreSQL, S3 and network.
 */
import { memoryFileSystem } from '../../src/base.ts'
import { loadBrokerConfig, type RunningBroker, startBroker } from '../../src/broker.ts'
import type { SharedSettings } from '../../src/log.ts'
import type { Logger } from '../../src/logger.ts'
import type { Backend, Transport } from '../../src/store.ts'
import type { Network } from './network.ts'
import { simulatedLink } from './peer-link.ts'
import { Process } from './process.ts'
import type { SeededRandom } from './random.ts'
import { firstPort } from './wire.ts'
import type { World } from './world.ts'

export interface MemberOptions {
  id: number
  world: World
  network: Network
  /** To the stores, for a broker in this process. */
  connect(process: Process): () => Promise<Backend>
  transport(process: Process): Transport
  /** Instead of those that are so small that all happens within a run. */
  numbers: Partial<SharedSettings>
  onCrash(): void
  random: SeededRandom
  settings: Readonly<Record<string, string>>
  logger: Logger
}

/** So small that every lane, flush, trim, merge and sweep happens within a run. */
const sizes: Partial<SharedSettings> = {
  inlineBytes: 150,
  carryBytes: 400,
  objectBytes: 1_000,
  flushBytes: 4_000,
  flushMs: 1_500,
  blockBytes: 512,
  cacheBytes: 8_192,
  collectMs: 1_500,
  sweepMs: [8_000, 60_000],
}

export class Member {
  crashes = 0
  readonly #options: MemberOptions
  #process: Process | null = null
  #broker: RunningBroker | null = null
  #left: number | null = null
  #died: () => void = () => {}
  /** Resolves when the process that runs now, or is starting, is dead. */
  down: Promise<void> = Promise.resolve()

  constructor(options: MemberOptions) {
    this.#options = options
  }

  get id(): number {
    return this.#options.id
  }

  /** The one that runs now, or ran last. */
  get process(): Process | null {
    return this.#process
  }

  get broker(): RunningBroker | null {
    return this.#broker
  }

  /** Resolves when clients can connect, or the boot itself was crashed. */
  async boot(): Promise<void> {
    const { id, world, network, connect, transport, numbers, random, settings, logger } = this.#options
    const process = new Process(world.system.timers)
    this.#process = process
    process.onEvent = () => this.#tick()
    const config = loadBrokerConfig({
      set: {
        listeners: `PLAINTEXT://127.0.0.1:${firstPort + id}`,
        'http.listen': 'none',
        'node.id': String(id),
        cluster: 'postgres://sim@127.0.0.1/sim',
        objects: `s3://sim/sim?endpoint=http://127.0.0.1:1&region=sim`,
        ...settings,
      },
    })
    this.down = new Promise(resolve => {
      this.#died = resolve
    })
    const starting = startBroker({
      system: { clock: world.system.clock, timers: process, random: random.fork(), files: memoryFileSystem() },
      config,
      logger,
      onThisMachine: false,
      createServer: network.serverFor(process),
      stores: { connect: connect(process), transport: transport(process), settings: { ...sizes, ...numbers } },
      environment: { AWS_ACCESS_KEY_ID: 'sim', AWS_SECRET_ACCESS_KEY: 'sim' },
      openLink: simulatedLink(process, network),
      // A turn of a simulated event loop takes no time.
      watchTurns: () => ({ cancel() {} }),
      onFatal: error => {
        world.note(`broker ${id} fatal: ${error.message}`)
        logger.error({ err: error }, 'a broker of a cluster has nothing on disk that could fail')
      },
    })
    const running = await Promise.race([starting, this.down])
    if (running && !process.dead) this.#broker = running
  }

  /** At the so-manieth event from now. */
  crashAfter(events: number): void {
    this.#left = events
  }

  calm(): void {
    this.#left = null
  }

  crash(): void {
    const { id, world, network, onCrash } = this.#options
    if (this.#process === null || this.#process.dead) return
    this.crashes++
    onCrash()
    world.note(`crash ${id}`)
    this.#left = null
    this.#process.kill()
    this.#broker = null
    network.cut(this.#process)
    this.#died()
  }

  pause(ms: number): void {
    this.#options.world.note(`pause ${this.#options.id} ${ms.toFixed(0)}`)
    this.#process?.pause(ms)
  }

  /** As an operator stops it. */
  async shutDown(): Promise<void> {
    const running = this.#broker
    if (running === null) return
    this.#left = null
    await running.close()
    this.crash()
  }

  #tick(): void {
    if (this.#left === null || --this.#left > 0) return
    this.crash()
  }
}
