/** A cluster in a world of faults: its brokers die, pause, stop and come back; its stores go away, lose answers and are late. */
import { apis } from '../../src/protocol.ts'
import { type Frame, frameKind } from '../../src/store.ts'
import { CrossCheck } from '../world/cross-check.ts'
import { Member } from '../world/member.ts'
import { type CallFate, SimulatedPostgres } from '../world/postgres.ts'
import type { Process } from '../world/process.ts'
import type { SeededRandom } from '../world/random.ts'
import { type RequestFate, SimulatedS3 } from '../world/s3.ts'
import { firstPort, NoAnswer, Wire } from '../world/wire.ts'
import { type ClusterPlant, connectWith } from './cluster-plants.ts'
import { Finding } from './finding.ts'
import type { HardwareOptions } from './play.ts'
import { type AtRest, storesAtRest } from './stores-at-rest.ts'
import type { Hardware } from './trouble.ts'

const fates: readonly CallFate[] = ['lost-before', 'lost-after', 'late']
const requestFates: readonly RequestFate[] = ['lost-before', 'lost-after', 'late', 'slow-down', 'internal-error', 'broken-off']
/** How often a call of a store goes wrong, and a transaction stands still; one of them is drawn. */
const chances = [
  { lost: 0, failed: 0, stalled: 0 },
  { lost: 0.005, failed: 0.02, stalled: 0.001 },
  { lost: 0.03, failed: 0.08, stalled: 0.006 },
] as const
/** Shorter than a lease, about as long as others wait for one, and longer than anybody waits for an answer. */
const stallsMs = [1_000, 4_500, 9_000]
const graceMs = 20_000
/** Long enough for everything that ended sessions left behind to be swept twice, and for garbage to go. */
const restMs = 110_000

export interface ClusterSetup {
  brokers: number
  plant: ClusterPlant
  /** Topics whose partitions are moved about. */
  moved: readonly string[]
  /** A broker died. */
  onCrash?: () => void
  /** What happens instead of faults, with stores that do nothing wrong by themselves. */
  story?: ((trouble: ClusterTrouble, demon: Process, random: SeededRandom) => Promise<void>) | undefined
}

export class ClusterTrouble implements Hardware {
  readonly #options: HardwareOptions
  readonly #moved: readonly string[]
  readonly #story: ClusterSetup['story']
  readonly #members: readonly Member[]
  readonly #postgres: SimulatedPostgres
  readonly #s3: SimulatedS3
  /** They cannot reach one of the stores. */
  readonly #cutOff = new Set<Process>()
  readonly #closed = new Set<Member>()
  readonly #takePlantOut: () => void
  starts = 0
  /** After the shutdown. */
  atRest: AtRest | null = null

  constructor(options: HardwareOptions, { brokers, plant, moved, story, onCrash = () => {} }: ClusterSetup) {
    this.#options = options
    this.#moved = moved
    this.#story = story
    this.#takePlantOut = plant.program?.() ?? (() => {})
    const { stage, random, settings, logger } = options
    const { world, network } = stage
    const own = random.fork()
    const { lost, failed, stalled } = story === undefined ? own.pick(chances) : chances[0]
    const listingDelayMs = own.pick([0, 3_000])
    const bad = (chance: number) => !stage.healed && own.chance(chance)
    const common = { ...world.system, random: random.fork() }
    this.#postgres = new SimulatedPostgres({
      ...common,
      graceMs: plant.graceMs ?? graceMs,
      fate: () => (bad(lost) ? own.pick(fates) : 'well'),
      stallMs: () => (bad(stalled) ? own.pick(stallsMs) * (0.5 + own.fraction() / 2) : 0),
      ...(plant.postgres === undefined ? {} : { plant: plant.postgres }),
    })
    this.#s3 = new SimulatedS3({
      ...common,
      bucket: 'sim',
      fate: () => (bad(failed) ? own.pick(requestFates) : 'well'),
      listingDelayMs: () => own.fraction() * listingDelayMs,
    })
    this.#checkAlways()
    const connect = (process: Process) => connectWith(plant, this.#postgres, process)
    const transport = (process: Process) => (plant.transport ?? (each => each))(this.#s3.transport(process))
    const shared = { world, network, connect, transport, logger, numbers: plant.settings ?? {}, onCrash }
    this.#members = Array.from({ length: brokers }, (_, id) => {
      const rack = `rack-${id % 2}`
      return new Member({ ...shared, id, random: random.fork(), settings: { ...settings, 'broker.rack': rack } })
    })
  }

  #checkAlways(): void {
    const { stage } = this.#options
    const check = new CrossCheck({
      ...stage.world.system,
      graceMs,
      isThere: object => this.#s3.objects.has(`sim/${object}`),
      broken: what => stage.fail(new Finding(`the stores: ${what}`)),
    })
    this.#postgres.watch((key, before, after) => check.changed(key, before, after))
    this.#s3.onDelete = key => check.deleted(key.slice(key.indexOf('/') + 1))
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
    while (!stage.healed && this.#moved.length > 0) {
      await demon.sleep(own.fraction() * 1_500)
      await this.#move(own)
    }
  }

  async #keepUp(member: Member, id: number): Promise<void> {
    const { stage, random } = this.#options
    const operator = stage.process()
    const own = random.fork()
    while (!this.#closed.has(member)) {
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
    await (this.#story === undefined ? this.#spoil(demon, random) : this.#story(this, demon, random))
    stage.healed = true
    stage.onEnd = null
    for (const member of this.#members) member.calm()
    this.#postgres.start()
    this.#s3.start()
    for (const process of this.#cutOff) this.#reconnect(process)
  }

  async #spoil(demon: Process, random: SeededRandom): Promise<void> {
    const { stage } = this.#options
    const untilMs = stage.nowMs + 10_000 + random.fraction() * 20_000
    while (stage.nowMs < untilMs) {
      await demon.sleep(200 + random.fraction() * 2_500)
      await this.#fault(random, demon)
    }
  }

  /** PostgreSQL fails over to a standby that has nothing of the last `lagMs`. Answers how many brokers have a session that lost something. */
  failOver(lagMs: number): number {
    const before = this.#heads()
    this.#postgres.failOver(lagMs)
    const after = this.#heads()
    return [...before].filter(([session, seq]) => seq > (after.get(session) ?? -1)).length
  }

  /** Of the sessions that go on. */
  #heads(): Map<number, number> {
    const heads = new Map<number, number>()
    for (const { session, seq, kind } of this.#postgres.rows<Frame>('frame/')) {
      if (kind === frameKind.fence) heads.delete(session)
      else heads.set(session, seq)
    }
    return heads
  }

  async #fault(random: SeededRandom, demon: Process): Promise<void> {
    const { stage, disturb } = this.#options
    const member = random.pick(this.#members)
    const fault = random.below(27)
    if (fault < 3) this.#crashAtEnd(member)
    else if (fault < 6) member.crashAfter(1 + random.below(200))
    else if (fault < 10) member.pause(random.pick([200, 1_500, 3_000, 8_000]) * (0.5 + random.fraction()))
    else if (fault < 12) void member.shutDown()
    else if (fault < 14) this.#postgres.breakOne()
    else if (fault < 16) stage.network.breakOne()
    else if (fault < 17) await this.#away(this.#postgres, 'PostgreSQL', random.pick([300, 4_000]) * (0.5 + random.fraction()), demon)
    else if (fault < 18) await this.#away(this.#s3, 'S3', random.pick([300, 6_000]) * (0.5 + random.fraction()), demon)
    else if (fault < 21) void this.#cut(member, random.pick([1, 1, 2, 3]), random.pick([1_000, 5_000]) * (0.5 + random.fraction()))
    else if (fault < 22) for (const each of this.#members) each.crash()
    else if (fault < 24) await this.#replaceOne(random)
    else disturb(random)
  }

  /**
   * A broker that serves cannot reach PostgreSQL, but clients reach it. Until the end of that no other fault begins, so that others take its place and
   * are written to meanwhile.
   */
  async #replaceOne(random: SeededRandom): Promise<void> {
    const serving = this.#members.filter(({ broker, process }) => broker !== null && !this.#cutOff.has(process!))
    if (serving.length > 0) await this.#cut(random.pick(serving), 1, 6_000 + random.fraction() * 4_000)
  }

  /** One broker cannot reach PostgreSQL (1), S3 (2), or both (3); the others can. */
  async #cut(member: Member, stores: number, ms: number): Promise<void> {
    const { process, id } = member
    if (process === null || process.dead || this.#cutOff.has(process)) return
    const { stage } = this.#options
    stage.world.note(`cut ${id} off from ${['PostgreSQL', 'S3', 'both'][stores - 1]} for ${ms.toFixed(0)}`)
    this.#cutOff.add(process)
    if ((stores & 1) !== 0) this.#postgres.cutOff(process)
    if ((stores & 2) !== 0) this.#s3.cutOff(process)
    await stage.process().sleep(ms)
    this.#reconnect(process)
  }

  #reconnect(process: Process): void {
    this.#cutOff.delete(process)
    this.#postgres.reconnect(process)
    this.#s3.reconnect(process)
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
    const topic = random.pick(this.#moved)
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
    const process = this.#options.stage.process()
    // The first one takes over what the others had, and then removes what nobody needs.
    const [first, ...others] = this.#members
    for (const other of others) await this.#close(other)
    await process.sleep(restMs)
    await this.#close(first!)
    this.atRest = storesAtRest(this.#postgres, this.#s3)
  }

  async #close(member: Member): Promise<void> {
    this.#closed.add(member)
    await member.shutDown()
  }

  uproot(): void {
    this.#takePlantOut()
  }
}
