/**
 * Large appends on their way into objects: they gather, the object is written, and then the frame of the next group refers to it.
 *
 * They gather for a while, because requests are what object stores bill. But producers have only so many requests in flight: when all of these are
 * here, nothing more comes before the object is written, and to wait any longer only makes producers slow. So the lane notices that nothing
 * comes any more. What comes while an object is written gathers until then, so that there are no more requests than the object store can answer
 * one after the other, and a small object is not worth a request of its own.
 *
 * Objects become ready in the order in which they were begun, however long each takes, so that the shares of a partition stay in order. An
 * object that cannot be written is tried until it can be: its offsets are given out. Hides the gathering, the times, and the repetition.
 */
import { pause, type System, type Timer } from '../../base.ts'
import type { ObjectStore } from '../../store.ts'
import type { AppendedShare, JournalMember } from './journal.ts'
import type { Group } from './outgoing.ts'
import type { SharedSettings } from './settings.ts'

export interface ObjectLaneOptions {
  system: System
  objects: ObjectStore
  settings: SharedSettings
  nameObject(): string
  newGroup(): Group
  report(what: string, error: unknown): void
  /** The group is in the object. In order. */
  onReady(group: Group, object: string): void
}

/** A group that takes no more. */
interface Sealed {
  readonly group: Group
  readonly object: string
  state: 'waiting' | 'writing' | 'ready'
}

/** After an attempt that had all the time the object store gives. */
const pauseMs = 500

export class ObjectLane {
  /** Written, and their bytes. */
  written = 0
  bytes = 0
  readonly #options: ObjectLaneOptions
  #gathering: Group | null = null
  #timer: Timer | null = null
  /** Looks whether it is quiet. */
  #quiet: Timer | null = null
  #addedMs = 0
  /** Its time has come. It goes on gathering while as many are written as may be. */
  #isDue = false
  readonly #sealed: Sealed[] = []
  #writing = 0
  #ended = false

  constructor(options: ObjectLaneOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#gathering === null && this.#sealed.length === 0
  }

  /** Takes more. */
  isGathering(group: Group): boolean {
    return this.#gathering === group
  }

  /** Answers the group, which is settled with the frame that refers to its object. */
  add(member: JournalMember, share: AppendedShare, batches: readonly Buffer[]): Group {
    const { system, settings } = this.#options
    if (this.#gathering === null) {
      this.#gathering = this.#options.newGroup()
      this.#timer = system.timers.after(settings.objectMs, () => {
        this.#isDue = true
        this.#sealDue()
      })
    }
    const group = this.#gathering
    group.add(member, share, batches)
    this.#addedMs = system.clock.monotonic()
    if (group.inlineBytes >= settings.objectBytes) this.seal()
    else this.#sealQuiet()
    return group
  }

  /** Writes what has gathered, now. */
  seal(): void {
    this.#cancelTimers()
    this.#isDue = false
    if (this.#gathering === null) return
    const group = this.#gathering
    this.#gathering = null
    this.#sealed.push({ group, object: this.#options.nameObject(), state: 'waiting' })
    this.#pump()
  }

  /** Answers the groups that will never be ready. */
  end(): Group[] {
    this.#ended = true
    this.#cancelTimers()
    const groups = this.#sealed.splice(0).map(({ group }) => group)
    if (this.#gathering !== null) groups.push(this.#gathering)
    this.#gathering = null
    return groups
  }

  #cancelTimers(): void {
    this.#timer?.cancel()
    this.#quiet?.cancel()
    this.#quiet = null
  }

  /** Seals what gathers, now or when nothing was added for a while. */
  #sealQuiet(): void {
    const { system, settings } = this.#options
    if (this.#gathering === null || this.#quiet !== null || this.#writing > 0) return
    if (this.#gathering.inlineBytes <= settings.inlineBytes) return
    const leftMs = this.#addedMs + settings.objectQuietMs - system.clock.monotonic()
    if (leftMs <= 0) this.seal()
    else
      this.#quiet = system.timers.after(leftMs, () => {
        this.#quiet = null
        this.#sealQuiet()
      })
  }

  #sealDue(): void {
    if (this.#isDue && this.#writing < this.#options.settings.objectPuts) this.seal()
  }

  #pump(): void {
    for (const sealed of this.#sealed) {
      if (this.#writing >= this.#options.settings.objectPuts) break
      if (sealed.state === 'waiting') void this.#write(sealed)
    }
    while (this.#sealed[0]?.state === 'ready') {
      const { group, object } = this.#sealed.shift()!
      this.#options.onReady(group, object)
    }
  }

  /** Never rejects. */
  async #write(sealed: Sealed): Promise<void> {
    const { system, objects, report } = this.#options
    const { group, object } = sealed
    sealed.state = 'writing'
    this.#writing++
    while (!this.#ended) {
      try {
        await objects.put(object, group.inline)
        break
      } catch (error) {
        if (!this.#ended) report(`the object ${object} could not be written; it is tried again`, error)
        await pause(system, pauseMs)
      }
    }
    this.#writing--
    if (this.#ended) return
    this.written++
    this.bytes += group.inlineBytes
    sealed.state = 'ready'
    this.#pump()
    this.#sealDue()
    this.#sealQuiet()
  }
}
