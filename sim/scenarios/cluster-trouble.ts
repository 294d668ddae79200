/** A cluster in a world of faults: its brokers die, pause, stop and come back; its stores go away, lose answers and are late. */
import { apis } from '../../src/protocol.ts'
import { openDatabase } from '../../src/store.ts'
import { Member } from '../world/member.ts'
import { type CallFate, SimulatedPostgres } from '../world/postgres.ts'
import { Process } from '../world/process.ts'
import type { SeededRandom } from '../world/random.ts'
import { type RequestFate, SimulatedS3 } from '../world/s3.ts'
import { firstPort, NoAnswer, Wire } from '../world/wire.ts'
import { type ClusterPlant, connectWith } from './cluster-plants.ts'
import { inputTopic, outputTopic } from './exactly-once-stage.ts'
import type { HardwareOptions } from './play.ts'
import { type AtRest, storesAtRest } from './stores-at-rest.ts'
import type { Hardware } from './trouble.ts'

const fates: readonly CallFate[] = ['lost-before', 'lost-after', 'late']
const requestFates: readonly RequestFate[] = ['lost-before', 'lost-after', 'late', 'slow-down', 'internal-error', 'broken-off']
const graceMs = 20_000

export class ClusterTrouble implements Hardware {
  readonly #options: HardwareOptions
  readonly #members: readonly Member[]
  readonly #postgres: SimulatedPostgres
  readonly #s3: SimulatedS3
  #closing = false
  starts = 0
  /** After the shutdown. */
  atRest: AtRest | null = null

  constructor(options: HardwareOptions, brokers: number, plant: ClusterPlant) {
    this.#options = options
    const { stage, random, settings, logger } = options
    const { world, network } = stage
    const own = random.fork()
    const [lost, failed] = own.pick([
      [0, 0],
      [0.005, 0.02],
      [0.03, 0.08],
    ] as const)
    const bad = (chance: number) => !stage.healed && own.chance(chance)
    const common = { ...world.system, random: random.fork() }
    this.#postgres = new SimulatedPostgres({
      ...common,
      graceMs,
      fate: () => (bad(lost) ? own.pick(fates) : 'well'),
      ...(plant.postgres === undefined ? {} : { plant: plant.postgres }),
    })
    this.#s3 = new SimulatedS3({
      ...common,
      bucket: 'sim',
      fate: () => (bad(failed) ? own.pick(requestFates) : 'well'),
      listingDelayMs: () => own.fraction() * 3_000,
    })
    const connect = (process: Process) => connectWith(plant, this.#postgres, process)
    const shared = { world, network, connect, s3: this.#s3, logger }
    this.#members = Array.from({ length: brokers }, (_, id) => {
      const rack = `rack-${id % 2}`
      return new Member({ ...shared, id, random: random.fork(), settings: { ...settings, 'broker.rack': rack } })
    })
  }

  get crashes(): number {
    return this.#members.reduce((sum, { crashes }) => sum + crashes, 0)
  }

  /** Of the first. */
  get down(): Promise<void> {
    return this.#members[0]!.down
  }

  async keepUp(): Promise<void> {
    await Promise.all([this.#keepMoving(), ...this.#members.map((member, id) => this.#keepUp(member, id))])
  }

  /** Partitions move all the time, until the faults are over; now and then whoever gave or got one dies right after. */
  async #keepMoving(): Promise<void> {
    const { stage, random } = this.#options
    const own = random.fork()
    const demon = stage.process()
    while (!stage.healed) {
      await demon.sleep(own.fraction() * 1_500)
      await this.#move(own)
    }
  }

  async #keepUp(member: Member, id: number): Promise<void> {
    const { stage, random } = this.#options
    const operator = stage.process()
    const own = random.fork()
    while (!this.#closing) {
      await member.boot()
      if (member.broker !== null) {
        stage.world.note(`up ${id}`)
        this.starts++
      }
      await member.down
      await operator.sleep(own.fraction() * (stage.healed ? 500 : own.pick([300, 6_000])))
    }
  }

  async spoil(random: SeededRandom): Promise<void> {
    const { stage } = this.#options
    const demon = stage.process()
    const untilMs = stage.nowMs + 10_000 + random.fraction() * 20_000
    while (stage.nowMs < untilMs) {
      await demon.sleep(200 + random.fraction() * 2_500)
      await this.#fault(random, demon)
    }
    stage.healed = true
    stage.onEnd = null
    for (const member of this.#members) member.calm()
    this.#postgres.start()
    this.#s3.start()
  }

  async #fault(random: SeededRandom, demon: Process): Promise<void> {
    const { stage, disturb } = this.#options
    const member = random.pick(this.#members)
    const fault = random.below(21)
    if (fault < 3) this.#crashAtEnd(member)
    else if (fault < 6) member.crashAfter(1 + random.below(200))
    else if (fault < 10) member.pause(random.pick([200, 1_500, 3_000, 8_000]) * (0.5 + random.fraction()))
    else if (fault < 12) void member.shutDown()
    else if (fault < 14) this.#postgres.breakOne()
    else if (fault < 16) stage.network.breakOne()
    else if (fault < 17) await this.#away(this.#postgres, 'PostgreSQL', random.pick([300, 4_000]) * (0.5 + random.fraction()), demon)
    else if (fault < 18) await this.#away(this.#s3, 'S3', random.pick([300, 6_000]) * (0.5 + random.fraction()), demon)
    else disturb(random)
  }

  async #away(store: { stop(): void; start(): void }, name: string, ms: number, demon: Process): Promise<void> {
    this.#options.stage.world.note(`${name} away for ${ms.toFixed(0)}`)
    store.stop()
    await demon.sleep(ms)
    store.start()
  }

  /** The broker dies just when a client was told something that must last. */
  #crashAtEnd(member: Member): void {
    const { stage } = this.#options
    stage.onEnd = () => {
      stage.onEnd = null
      member.crash()
    }
  }

  /** A partition gets other replicas, and their first becomes its leader. */
  async #move(random: SeededRandom): Promise<void> {
    const { stage } = this.#options
    const ids = this.#members.map((_, id) => id)
    const asked = random.pick(ids)
    const wire = new Wire({ process: stage.process(), network: stage.network, lingering: true, port: firstPort + asked })
    const topic = random.pick([inputTopic, outputTopic, 'noise', '__consumer_offsets', '__transaction_state'])
    const partition = random.below(2)
    const first = random.pick(ids)
    const second = random.pick(ids.filter(id => id !== first))
    try {
      const partitions = [{ partitionIndex: partition, replicas: [first, second] }]
      const change = { timeoutMs: 1_000, topics: [{ name: topic, partitions }] }
      const reassigned = await wire.call(apis.alterPartitionReassignments, 0, change)
      stage.told('AlterPartitionReassignments', reassigned.errorCode)
      const elect = { electionType: 0, topicPartitions: [{ topic, partitions: [partition] }], timeoutMs: 1_000 }
      const victim = random.chance(0.25) ? this.#members[random.pick([first, asked])]! : null
      victim?.crashAfter(1 + random.below(30))
      stage.told('ElectLeaders', (await wire.call(apis.electLeaders, 2, elect)).errorCode)
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
    } finally {
      wire.close()
    }
  }

  async shutDown(): Promise<void> {
    this.#closing = true
    for (const member of this.#members) await member.shutDown()
    const { world } = this.#options.stage
    const process = new Process(world.system.timers)
    const database = openDatabase({ system: world.system, connect: this.#postgres.connect(process) })
    this.atRest = await storesAtRest(database, this.#s3)
    await database.close()
  }

  uproot(): void {}
}
