/**
 * A machine that runs one broker: it boots from its disk, crashes at any of its events or disk calls, and boots again.
 *
 * `kill -9` keeps the page cache, a power cut only synced data and a selection of the rest. What the dead process would have done next
 * never happens: its timers and disk calls never come back, and its connections break.
 */
import { DiskError } from '../../src/base.ts'
import { loadBrokerConfig, type RunningBroker, startBroker } from '../../src/broker.ts'
import type { Logger } from '../../src/logger.ts'
import { type Disk, type Image, simulatedDisk } from './disk.ts'
import type { Network } from './network.ts'
import type { Cut } from './power-cut.ts'
import { Process } from './process.ts'
import type { SeededRandom } from './random.ts'
import type { World } from './world.ts'

export interface MachineOptions {
  world: World
  network: Network
  random: SeededRandom
  settings: Record<string, string>
  logger: Logger
}

export class Machine {
  crashes = 0
  #options: MachineOptions
  #image: Image | undefined = undefined
  #disk: Disk | null = null
  #process: Process | null = null
  #broker: RunningBroker | null = null
  #planned: { left: number; cut: Cut } | null = null
  #died: () => void = () => {}
  /** Resolves when the process that runs now, or is starting, is dead. */
  down: Promise<void> = Promise.resolve()

  constructor(options: MachineOptions) {
    this.#options = options
  }

  get up(): boolean {
    return this.#broker !== null
  }

  get broker(): RunningBroker | null {
    return this.#broker
  }

  get disk(): Disk | null {
    return this.#disk
  }

  /** Resolves when clients can connect, or the boot itself was crashed; rejects when the broker cannot start. */
  async boot(): Promise<void> {
    const { world, network, random, settings, logger } = this.#options
    const process = new Process(world.system.timers)
    const diskRandom = random.fork()
    const disk = simulatedDisk({ image: this.#image, random: diskRandom, delay: () => process.sleep(0.1 + diskRandom.fraction() * 2) })
    this.#process = process
    this.#disk = disk
    process.onEvent = () => this.#tick()
    disk.onSync = () => this.#tick()
    const config = loadBrokerConfig({ set: { listeners: 'PLAINTEXT://127.0.0.1:9092', 'http.listen': 'none', ...settings } })
    this.down = new Promise(resolve => {
      this.#died = resolve
    })
    const starting = startBroker({
      system: { clock: world.system.clock, timers: process, random: random.fork(), files: disk.files },
      config,
      logger,
      onThisMachine: false,
      createServer: network.serverFor(process),
      // A turn of a simulated event loop takes no time.
      watchTurns: () => ({ cancel() {} }),
      onFatal: error => {
        world.note(`fatal: ${error.message}`)
        this.crash(random.pick(['process', 'synced', 'torn'] as const))
      },
    })
    const refused = (error: unknown) => {
      if (!(error instanceof DiskError) || !error.isFailedSync) throw error
      // As after a failed sync later on: it stops, and is started again.
      world.note(`no start: ${error.message}`)
      this.crash(random.pick(['process', 'synced', 'torn'] as const))
    }
    const running = await Promise.race([starting.catch(refused), this.down])
    if (running && !process.dead) this.#broker = running
  }

  /** At the so-manieth event or disk call from now. */
  crashAfter(events: number, cut: Cut): void {
    this.#planned = { left: events, cut }
  }

  /** Whatever was planned does not happen. */
  calm(): void {
    this.#planned = null
    this.#disk?.faults.forget()
  }

  crash(cut: Cut): void {
    const { world, network, random } = this.#options
    if (this.#process === null || this.#process.dead) return
    this.crashes++
    world.note(`crash ${cut}`)
    this.#planned = null
    this.#image = this.#disk!.image(cut, random.fork())
    this.#process.kill()
    this.#broker = null
    network.cut(this.#process)
    this.#died()
  }

  pause(ms: number): void {
    this.#options.world.note(`pause ${ms.toFixed(0)}`)
    this.#process?.pause(ms)
  }

  /** As an operator stops it. */
  async shutDown(): Promise<void> {
    const running = this.#broker
    if (running === null) return
    this.#planned = null
    await running.close()
    this.crash('process')
  }

  #tick(): void {
    if (this.#planned === null || --this.#planned.left > 0) return
    this.crash(this.#planned.cut)
  }
}
