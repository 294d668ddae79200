/**
 * A share group (KIP-932) against a whole broker that crashes, loses power, stands still and has a bad network: members come and go, accept,
 * release, reject and forget records. Then the faults stop, the group must finish all of its input, and a checker that saw only what the
 * clients saw judges it: nothing is lost, nothing comes back that was confirmed, and nobody has what another has.
 */
import { createHash } from 'node:crypto'
import type { Logger } from '../../src/broker.ts'
import { apis } from '../../src/protocol.ts'
import { Machine } from '../world/machine.ts'
import { Network } from '../world/network.ts'
import type { SeededRandom } from '../world/random.ts'
import { NoAnswer, type Wire } from '../world/wire.ts'
import { simulatedWorld, type World } from '../world/world.ts'
import { logEnds, persist, produceInput, setUp } from './exactly-once-clients.ts'
import type { Plant } from './exactly-once-plants.ts'
import { inputTopic, longestDelayMs, nameOf, Stage } from './exactly-once-stage.ts'
import { Finding } from './finding.ts'
import { checkShares, emptyShareHistory, type ShareFound } from './share-history.ts'
import { ShareMember } from './share-member.ts'
import { Trouble } from './trouble.ts'

export interface ShareGroupOptions {
  seed: number
  /** Records of input. */
  inputs?: number
  /** A bug on purpose. */
  plant?: Plant
  /** What happened, when it ended badly. */
  log?: (line: string) => void
}

export interface ShareGroupResult {
  /** Of all that happened: two runs of a seed must agree. */
  trace: string
  history: readonly string[]
  crashes: number
  deliveries: number
  acknowledged: number
}

const groupId = 's'
const rules = { lockMs: 1500, deliveryLimit: 10 }
const settings = {
  'offsets.topic.num.partitions': '2',
  'share.coordinator.state.topic.num.partitions': '2',
  'share.coordinator.snapshot.update.records.per.snapshot': '5',
  'group.share.min.heartbeat.interval.ms': '100',
  'group.share.heartbeat.interval.ms': '300',
  'group.share.min.session.timeout.ms': '1000',
  'group.share.session.timeout.ms': '1500',
  'group.share.assignment.interval.ms': '50',
  'group.share.min.record.lock.duration.ms': '1000',
  'group.share.record.lock.duration.ms': String(rules.lockMs),
  'group.share.delivery.count.limit': String(rules.deliveryLimit),
  'journal.file.bytes': '1048576',
  'journal.files': '2',
  'tail.bytes': '4194304',
  'log.free.bytes.floor': '0',
} as const

/** Throws a Finding when a promise was broken. */
export async function shareGroups(options: ShareGroupOptions): Promise<ShareGroupResult> {
  const world = simulatedWorld({ seed: options.seed })
  const run = new Run(world, options)
  try {
    await world.run(Promise.race([run.play(), run.stage.failure]))
  } catch (error) {
    for (const line of world.history) options.log?.(line)
    throw error
  } finally {
    run.uproot()
  }
  return run.result()
}

class Run {
  readonly stage: Stage
  readonly #world: World
  readonly #random: SeededRandom
  readonly #machine: Machine
  readonly #options: ShareGroupOptions
  readonly #trouble: Trouble
  readonly #history = emptyShareHistory()
  readonly #members: (ShareMember | null)[]

  constructor(world: World, options: ShareGroupOptions) {
    const { random } = world
    this.#world = world
    this.#random = random
    this.#options = options
    this.#members = Array.from({ length: 2 + random.below(2) }, () => null)
    const networkRandom = random.fork()
    const loss = random.pick([0, 0.003, 0.01])
    const network = new Network({
      clock: world.system.clock,
      timers: world.system.timers,
      random: networkRandom,
      latency: () => 0.1 + networkRandom.fraction() * (networkRandom.chance(0.02) ? 80 : 1.5),
      breaks: () => !this.stage.healed && networkRandom.chance(loss),
    })
    this.stage = new Stage(world, network, { partitions: 2 + random.below(2), assignment: 'assigned' })
    this.#machine = new Machine({ world, network, random: random.fork(), settings, logger: this.#logger() })
    const disturb = (chance: SeededRandom) => this.#disturbMember(chance)
    this.#trouble = new Trouble({ stage: this.stage, machine: this.#machine, random, plant: options.plant, disturb })
  }

  async play(): Promise<void> {
    const { stage } = this
    const random = this.#random
    stage.world.note(`${this.#members.length} members, ${stage.partitions} partitions`)
    this.#background(this.#trouble.keepUp())
    this.#background(this.#noteCrashes())
    await setUp(stage, random.fork())
    await this.#beginAtTheStart(random.fork())
    const working = this.#members.map((_, slot) => this.#background(this.#staff(slot, random.fork())))
    working.push(this.#background(this.#watchStart(random.fork())))
    const inputs = this.#options.inputs ?? 80
    const producing = [0, 1].map(index => this.#background(produceInput(stage, random.fork(), `p${index}`, inputs >> 1)))
    await this.#trouble.spoil(random.fork())
    await Promise.all(producing)
    await stage.process().sleep(longestDelayMs)
    await this.#workDone(random.fork())
    stage.over = true
    await Promise.all(working)
    await this.#trouble.shutDown()
    const found = checkShares(this.#history, stage.history.sends, rules)
    if (found.length > 0) throw new Finding(summary(found))
  }

  result(): ShareGroupResult {
    const hash = createHash('sha256')
    for (const line of this.#world.history) hash.update(`${line}\n`)
    hash.update(JSON.stringify([this.stage.history.sends, this.#history]))
    return {
      trace: hash.digest('hex'),
      history: this.#world.history,
      crashes: this.#machine.crashes,
      deliveries: this.#history.deliveries.length,
      acknowledged: this.#history.acknowledgements.filter(({ outcome }) => outcome === 'ok').length,
    }
  }

  uproot(): void {
    this.#trouble.uproot()
  }

  #background(work: Promise<void>): Promise<void> {
    work.catch(error => this.stage.fail(error))
    return work
  }

  #logger(): Logger {
    const quiet = () => {}
    return {
      level: 'debug',
      debug: quiet,
      info: quiet,
      warn: (details, message) => {
        this.#world.note(`warn ${message} ${String((details as { err?: Error }).err?.message)}`)
        if (message.includes('reloading share partition')) this.#history.releases.push({ member: null, at: this.stage.instant() })
      },
      error: (details, message) => {
        const { err } = details as { err?: Error }
        this.stage.fail(new Finding(`the broker logged an error: ${message}: ${err?.stack ?? JSON.stringify(details)}`))
      },
    }
  }

  /** Locks are in memory only. */
  async #noteCrashes(): Promise<void> {
    const { stage } = this
    const observer = stage.process()
    while (!stage.over) {
      const { down } = this.#machine
      await down
      this.#history.releases.push({ member: null, at: stage.instant() })
      while (this.#machine.down === down && !stage.over) await observer.sleep(1)
    }
  }

  // ---- the group

  async #beginAtTheStart(random: SeededRandom): Promise<void> {
    const { stage } = this
    const process = stage.process()
    const wire = stage.wire(process, random)
    await persist(stage, process, async () => {
      const configs = [{ name: 'share.auto.offset.reset', configOperation: 0, value: 'earliest' }]
      const resources = [{ resourceType: 32, resourceName: groupId, configs }]
      const { responses } = await wire.call(apis.incrementalAlterConfigs, 1, { resources, validateOnly: false })
      return stage.told('IncrementalAlterConfigs', responses[0]!.errorCode) === 'NONE' ? true : null
    })
    wire.close()
  }

  /** One life after the other. */
  async #staff(slot: number, random: SeededRandom): Promise<void> {
    const { stage } = this
    const supervisor = stage.process()
    for (let life = 0; !stage.over; life++) {
      const member = new ShareMember({ stage, history: this.#history, random: random.fork(), groupId, name: `m${slot}.${life}` })
      this.#members[slot] = member
      this.#background(member.run())
      while (!stage.over && !member.process.dead) await supervisor.sleep(50)
      await supervisor.sleep(random.fraction() * 500)
    }
  }

  #disturbMember(random: SeededRandom): void {
    const slot = random.below(this.#members.length)
    const member = this.#members[slot]
    const kill = random.chance(0.5)
    this.#world.note(`${kill ? 'kill' : 'pause'} member ${slot}`)
    if (kill) member?.kill()
    else member?.process.pause(500 + random.fraction() * 3000)
  }

  /** Where the group stands, again and again. */
  async #watchStart(random: SeededRandom): Promise<void> {
    const { stage } = this
    const process = stage.process()
    const wire = stage.wire(process, random)
    while (!stage.over) {
      try {
        await this.#startOffsets(wire)
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
      }
      await process.sleep(random.fraction() * 150)
    }
    wire.close()
  }

  async #startOffsets(wire: Wire): Promise<Map<string, number>> {
    const { stage } = this
    const askedAt = stage.instant()
    const partitions = Array.from({ length: stage.partitions }, (_, partition) => partition)
    const request = { groups: [{ groupId, topics: [{ topicName: inputTopic, partitions }] }] }
    const { groups } = await wire.call(apis.describeShareGroupOffsets, 0, request)
    const found = new Map<string, number>()
    if (stage.told('DescribeShareGroupOffsets', groups[0]!.errorCode) !== 'NONE') return found
    for (const { partitionIndex, startOffset, errorCode } of groups[0]!.topics[0]!.partitions) {
      if (stage.told('DescribeShareGroupOffsets', errorCode) !== 'NONE' || startOffset === -1) continue
      const partition = nameOf(inputTopic, partitionIndex)
      found.set(partition, Number(startOffset))
      this.#history.startOffsets.push({ partition, askedAt, at: stage.instant(), offset: Number(startOffset) })
    }
    return found
  }

  /** The group has finished all of the input. */
  async #workDone(random: SeededRandom): Promise<void> {
    const { stage } = this
    const process = stage.process()
    const wire = stage.wire(process, random)
    const ends = await logEnds(stage, process, wire, 0)
    const limit = stage.nowMs + 60_000
    await persist(
      stage,
      process,
      async () => {
        const starts = await this.#startOffsets(wire)
        const missing = [...ends].filter(([partition, end]) => partition.startsWith(inputTopic) && end > (starts.get(partition) ?? -1))
        if (stage.nowMs > limit)
          stage.never(`the group does not come to its end: ${JSON.stringify([...starts])} of ${JSON.stringify(missing)}`)
        return missing.length === 0 ? true : null
      },
      5000,
    )
    wire.close()
  }
}

function summary(found: readonly ShareFound[]): string {
  const lines = found.slice(0, 8).map(({ anomaly, witness }) => `${anomaly}: ${witness}`)
  if (found.length > lines.length) lines.push(`… ${found.length} in all`)
  return lines.join('\n  ')
}
