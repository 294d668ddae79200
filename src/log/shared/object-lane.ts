/**
 * Large appends on their way into objects: they gather, the object is written, and then the frame of the next group refers to it.
 *
 * Objects become ready in the order in which they were begun, however long each takes, so that the shares of a partition stay in order. An
 * object that cannot be written is tried until it can be: its offsets are given out. Hides the gathering, the times, and the repetition.
 */
import type { System, Timer } from '../../base.ts'
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
    if (group.inlineBytes >= settings.objectBytes) this.seal()
    return group
  }

  /** Writes what has gathered, now. */
  seal(): void {
    this.#timer?.cancel()
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
    this.#timer?.cancel()
    const groups = this.#sealed.splice(0).map(({ group }) => group)
    if (this.#gathering !== null) groups.push(this.#gathering)
    this.#gathering = null
    return groups
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
        await new Promise<void>(resolve => system.timers.after(pauseMs, resolve))
      }
    }
    this.#writing--
    if (this.#ended) return
    this.written++
    this.bytes += group.inlineBytes
    sealed.state = 'ready'
    this.#pump()
    this.#sealDue()
  }
}
