/**
 * All triggers with their versions, in a compacted topic: one record for each version. The highest version is the trigger; one without a definition is none.
 * Versions are of code and settings: a trigger that is paused or resumed stays the same version.
 *
 * Every process that reads the topic sees the same. A change says after which one it was made: of two that were made after the same one, each process takes the
 * first, whichever wrote it. Who made the other one is told so, and writes again what it has covered: a process that starts later takes the last one of each version.
 */
import { isDeepStrictEqual } from 'node:util'
import { Value } from 'typebox/value'
import { parseLossless, type System, stringifyLossless } from '../base.ts'
import type { Client } from '../client.ts'
import type { Logger } from '../logger.ts'
import { openTopicTable, type TopicTable } from '../topic-table.ts'
import { Definition } from './definition.ts'

export interface Version {
  readonly v: 1
  readonly name: string
  readonly version: number
  /** null: the trigger is deleted. */
  readonly definition: Definition | null
  /** Who made it, as a Kafka principal. */
  readonly by: string
  readonly at: string
  /** The version that it brings back; null: none. */
  readonly restores: number | null
  /** Of the change, so that two at the same time can be told apart. */
  readonly id: string
  /** `id` of the trigger's first version: version numbers begin again for a name that was deleted. Empty if it was made before there were origins. */
  readonly origin: string
  /** `id` of what it was made after; empty: nothing was there. null, or missing in what was written before: it is taken in any case. */
  readonly after: string | null
}

export type Trigger = Pick<Version, 'name' | 'version' | 'id' | 'origin'> & { readonly definition: Definition }

/** Another change was faster. */
export class ChangedMeanwhile extends Error {}

/** Everybody who may CREATE it may change triggers. */
export const triggersTopic = '__millrace_triggers'
/** Of one trigger; older ones are forgotten. */
const mostVersions = 20

export class TriggerStore {
  readonly #byName = new Map<string, Map<number, Version>>()
  readonly #system: System
  #table: TopicTable | null = null
  /** Changes of this process follow each other. */
  #tail: Promise<unknown> = Promise.resolve()
  #onChange: (name: string) => void = () => {}
  /** Changes that are being written here, by `id`: whether they were taken. */
  readonly #taken = new Map<string, boolean>()

  constructor(system: System) {
    this.#system = system
  }

  /** `onChange` is called with the name of a trigger whose newest version is another one, also for those that are there already. */
  async open(client: Client, logger: Logger, onChange: (name: string) => void): Promise<void> {
    this.#onChange = onChange
    this.#table = await openTopicTable({
      client,
      topic: triggersTopic,
      logger,
      system: this.#system,
      apply: ({ key, value }) => void (key !== null && this.#apply(key, value)),
    })
  }

  close(): Promise<void> {
    return this.#table?.close() ?? Promise.resolve()
  }

  names(): string[] {
    return [...this.#byName.keys()].filter(name => this.get(name) !== null).sort()
  }

  /** null: there is none. */
  get(name: string): Trigger | null {
    const newest = this.newest(name)
    if (newest?.definition == null) return null
    const { version, id, origin, definition } = newest
    return { name, version, id, origin, definition }
  }

  newest(name: string): Version | null {
    const versions = this.#byName.get(name)
    return versions === undefined ? null : versions.get(Math.max(...versions.keys()))!
  }

  /** The newest first. */
  versions(name: string): Version[] {
    return [...(this.#byName.get(name)?.values() ?? [])].sort((a, b) => b.version - a.version)
  }

  /**
   * A new version, or the same one if only `enabled` is another and nothing is restored. `after`: the newest one of which it was made; undefined: whatever is
   * there. Throws ChangedMeanwhile.
   */
  put(name: string, definition: Definition | null, by: string, restores: number | null = null, after?: Version | null): Promise<Version> {
    const done = this.#tail.then(() => {
      if (after !== undefined && this.newest(name)?.id !== after?.id) throw changedMeanwhile(name)
      return this.#put(name, definition, by, restores)
    })
    this.#tail = done.catch(() => {})
    return done
  }

  async #put(name: string, definition: Definition | null, by: string, restores: number | null): Promise<Version> {
    const before = this.newest(name)
    const random = Buffer.alloc(9)
    this.#system.random.fill(random)
    const id = random.toString('base64url')
    const after = before?.id ?? ''
    if (before?.definition != null && definition !== null && restores === null && isSameVersion(before.definition, definition))
      return this.#write({ ...before, definition, id, after })
    const version = (before?.version ?? 0) + 1
    const origin = before?.definition == null ? id : before.origin
    const at = new Date(this.#system.clock.now()).toISOString()
    const made = await this.#write({ v: 1, name, version, definition, by, at, restores, id, origin, after })
    for (const old of this.versions(name).slice(mostVersions)) await this.#forget(old)
    return made
  }

  /** Throws ChangedMeanwhile. */
  async #write(made: Version): Promise<Version> {
    const { name, version, id } = made
    this.#taken.set(id, false)
    try {
      await this.#table!.write(keyOf(name, version), bytesOf(made))
      if (this.#taken.get(id) === true) return made
    } finally {
      this.#taken.delete(id)
    }
    const there = this.#byName.get(name)?.get(version)
    await this.#table!.write(keyOf(name, version), there === undefined ? null : bytesOf({ ...there, after: null }))
    throw changedMeanwhile(name)
  }

  /** First it is said that it is deleted, so that whoever ends in between leaves none of the earlier versions behind as the trigger. */
  async delete(name: string, by: string): Promise<void> {
    const { version } = await this.put(name, null, by)
    // Not one that was made since.
    for (const each of this.versions(name).reverse()) if (each.version <= version) await this.#forget(each)
  }

  async #forget({ name, version }: Version): Promise<void> {
    await this.#table!.write(keyOf(name, version), null)
  }

  #apply(key: Buffer, value: Buffer | null): void {
    const { name, version } = parseLossless(key.toString()) as { name: unknown; version: unknown }
    if (typeof name !== 'string' || typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1)
      throw new TypeError('not the key of a version of a trigger')
    const before = this.newest(name)
    const versions = this.#byName.get(name) ?? new Map<number, Version>()
    if (value === null) versions.delete(version)
    else {
      const read = parseLossless(value.toString()) as Version
      if (read.v !== 1) throw new Error(`version ${String(read.v)} of the format is not known; a newer Millrace has written it`)
      // What was written before a setting was known has its default.
      const definition = read.definition === null ? null : Value.Default(Definition, read.definition)
      if (definition !== null && !Value.Check(Definition, definition))
        throw new TypeError(`${name} has a definition that is not understood`)
      if (!this.#takes(read, before, versions.get(version))) return
      if (this.#taken.has(read.id)) this.#taken.set(read.id, true)
      versions.set(version, { ...read, origin: read.origin ?? '', after: read.after ?? null, definition })
    }
    if (versions.size === 0) this.#byName.delete(name)
    else this.#byName.set(name, versions)
    if (this.newest(name)?.id !== before?.id) this.#onChange(name)
  }

  /** What was there before this process opened the topic may have lost what it was made after: the topic is compacted. */
  #takes({ after, id }: Version, newest: Version | null, there: Version | undefined): boolean {
    return this.#table === null || after == null || after === (newest?.id ?? '') || there?.id === id
  }
}

/** They differ in nothing, or in `enabled`. */
function isSameVersion(one: Definition, other: Definition): boolean {
  const settings = (definition: Definition) => parseLossless(stringifyLossless({ ...definition, enabled: true }))
  return isDeepStrictEqual(settings(one), settings(other))
}

function bytesOf(version: Version): Buffer {
  return Buffer.from(stringifyLossless(version))
}

function changedMeanwhile(name: string): ChangedMeanwhile {
  return new ChangedMeanwhile(`${name} was changed by somebody else at the same time`)
}

function keyOf(name: string, version: number): Buffer {
  return Buffer.from(JSON.stringify({ name, version }))
}
