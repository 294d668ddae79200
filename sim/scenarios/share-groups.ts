/**
 * A share group (KIP-932) against a whole broker that crashes, loses power, pauses and has a bad network: members come and go, accept,
 * release, reject and ignore records. Then the faults stop, the group must finish all of its input, and a checker that knows only what the
 * clients saw judges it: no record is lost, none comes back after a confirmed acknowledgement, and no two members hold the same record.
 */
import { apis } from '../../src/protocol.ts'
import type { SeededRandom } from '../world/random.ts'
import { NoAnswer, type Wire } from '../world/wire.ts'
import { persist } from './exactly-once-clients.ts'
import { inputTopic, nameOf, type Stage } from './exactly-once-stage.ts'
import { type Cast, type Play, type PlayOptions, type PlayResult, play, type Setting } from './play.ts'
import { checkShares, emptyShareHistory, type ShareFound, type ShareHistory } from './share-history.ts'
import { ShareMember } from './share-member.ts'

export interface ShareGroupResult extends PlayResult {
  deliveries: number
  acknowledged: number
}

const groupId = 's'
/** By then all brokers of a cluster know of a change, although their database may not answer at once. */
const heardOfMs = 5_000
const rules = { lockMs: 1500, deliveryLimit: 10 }
export const shareSetting: Setting = {
  config: {
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
  },
  assignment: 'assigned',
  inputs: 80,
  losses: [
    [0, 0],
    [0.003, 0.003],
    [0.01, 0.01],
  ],
}

/** Throws a Finding when a promise was broken. */
export async function shareGroups(options: PlayOptions): Promise<ShareGroupResult> {
  let members = 0
  const settingOf = (random: SeededRandom) => {
    members = 2 + random.below(2)
    return shareSetting
  }
  const { result, cast } = await play(options, settingOf, run => new ShareGroup(run, members))
  return { ...result, ...cast.counts() }
}

export class ShareGroup implements Cast {
  readonly history: ShareHistory = emptyShareHistory()
  readonly #run: Play
  readonly #stage: Stage
  readonly #members: (ShareMember | null)[]

  constructor(run: Play, members: number) {
    this.#run = run
    this.#stage = run.stage
    this.#members = Array.from({ length: members }, () => null)
  }

  counts(): { deliveries: number; acknowledged: number } {
    const { deliveries, acknowledgements } = this.history
    return { deliveries: deliveries.length, acknowledged: acknowledgements.filter(({ outcome }) => outcome === 'ok').length }
  }

  async begin(): Promise<Promise<void>[]> {
    const { random } = this.#run
    this.#stage.world.note(`${this.#members.length} members, ${this.#stage.partitions} partitions`)
    this.#run.background(this.#noteCrashes())
    await this.#beginAtTheStart(random.fork())
    const working = this.#members.map((_, slot) => this.#run.background(this.#staff(slot, random.fork())))
    return [...working, this.#run.background(this.#watchStart(random.fork()))]
  }

  async #noteCrashes(): Promise<void> {
    const stage = this.#stage
    const observer = stage.process()
    while (!stage.over) {
      const { down } = this.#run.hardware
      await down
      this.releaseAll()
      while (this.#run.hardware.down === down && !stage.over) await observer.sleep(1)
    }
  }

  /** Locks are in memory: somebody who had some is gone. */
  releaseAll(): void {
    this.history.releases.push({ member: null, at: this.#stage.instant() })
  }

  async #beginAtTheStart(random: SeededRandom): Promise<void> {
    const stage = this.#stage
    const process = stage.process()
    const wire = stage.wire(process, random)
    await persist(stage, process, async () => {
      const configs = [{ name: 'share.auto.offset.reset', configOperation: 0, value: 'earliest' }]
      const resources = [{ resourceType: 32, resourceName: groupId, configs }]
      const { responses } = await wire.call(apis.incrementalAlterConfigs, 1, { resources, validateOnly: false })
      return stage.told('IncrementalAlterConfigs', responses[0]!.errorCode) === 'NONE' ? true : null
    })
    wire.close()
    // Whoever does not know of it yet would begin at the end.
    if (stage.brokers > 1) await process.sleep(heardOfMs)
  }

  /** One life after the other. */
  async #staff(slot: number, random: SeededRandom): Promise<void> {
    const stage = this.#stage
    const { history } = this
    const supervisor = stage.process()
    for (let life = 0; !stage.over; life++) {
      const member = new ShareMember({ stage, history, random: random.fork(), groupId, name: `m${slot}.${life}` })
      this.#members[slot] = member
      this.#run.background(member.run())
      while (!stage.over && !member.process.dead) await supervisor.sleep(50)
      await supervisor.sleep(random.fraction() * 500)
    }
  }

  disturb(random: SeededRandom): void {
    const slot = random.below(this.#members.length)
    const member = this.#members[slot]
    const kill = random.chance(0.5)
    this.#stage.world.note(`${kill ? 'kill' : 'pause'} member ${slot}`)
    if (kill) member?.kill()
    else member?.process.pause(500 + random.fraction() * 3000)
  }

  said(message: string): void {
    if (message.includes('reloading share partition') || message === 'partitions were taken over') this.releaseAll()
  }

  /** Where the group stands, again and again. */
  async #watchStart(random: SeededRandom): Promise<void> {
    const stage = this.#stage
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
    const stage = this.#stage
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
      this.history.startOffsets.push({ partition, askedAt, at: stage.instant(), offset: Number(startOffset) })
    }
    return found
  }

  /** Partitions in which the group stands before the end. */
  async unfinished(wire: Wire, ends: ReadonlyMap<string, number>): Promise<readonly unknown[]> {
    const starts = await this.#startOffsets(wire)
    return [...ends]
      .filter(([partition, end]) => partition.startsWith(inputTopic) && end > (starts.get(partition) ?? -1))
      .map(([partition, end]) => ({ partition, start: starts.get(partition), end }))
  }

  anomalies(): readonly ShareFound[] {
    return checkShares(this.history, this.#stage.history.sends, rules)
  }

  seen(): unknown {
    return [this.#stage.history.sends, this.history]
  }
}
