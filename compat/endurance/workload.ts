/**
 * The interface of a workload of the endurance run: its principals with exactly their permissions, the clients it starts, and how it is
 * judged. A new one (an application of Kafka Streams, a Connect cluster) is another `Workload` in workloads.ts.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Properties } from '../support/brokers.ts'
import { writeProperties } from '../support/java-login.ts'
import { must, start } from '../support/run.ts'

/** [user, operation, resource type, pattern type, resource], in the words of Kafka's AclOperation, ResourceType and PatternType. */
export type Grant = readonly [
  user: string,
  operation: string,
  resource: 'TOPIC' | 'GROUP' | 'TRANSACTIONAL_ID' | 'CLUSTER',
  pattern: 'LITERAL' | 'PREFIXED',
  name: string,
]

export interface Topic {
  readonly name: string
  readonly partitions: number
  readonly configs?: Properties
}

export interface Workload {
  /** The case in the report. */
  readonly name: string
  /** Users with a password and perhaps no grant; those with grants need not be named. */
  readonly users?: readonly string[]
  readonly topics: readonly Topic[]
  readonly grants: readonly Grant[]
  readonly groupConfigs?: Readonly<Record<string, Properties>>
  /** Starts its clients. They work until `stop()`, through every crash of the broker. */
  start(place: Place): Promise<Running>
}

export interface Running {
  /** Ends the input, waits until all of it is worked off (with `within`), and ends the clients. Throws when that does not come to be. */
  stop(): Promise<void>
  /** After `stop`: counts everything. Throws a Finding, or says in one line what was counted. */
  judge(): Promise<string>
}

/** Something was lost, duplicated, reordered, or let in. */
export class Finding extends Error {}

export function expectThat(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Finding(what)
}

/** A directory for one workload, and its way to the broker. */
export class Place {
  readonly directory: string
  readonly seed: number
  readonly #login: (user: string, password?: string) => Properties
  readonly #classPath: string

  constructor(directory: string, seed: number, login: (user: string, password?: string) => Properties, classPath: string) {
    this.directory = directory
    this.seed = seed
    this.#login = login
    this.#classPath = classPath
  }

  /** What a Java client needs to log in as this user; with another password it will not get in. */
  login(user: string, password?: string): Properties {
    return this.#login(user, password)
  }

  file(name: string): string {
    return join(this.directory, name)
  }

  /** Tells the programs of src/ that there is no more input. */
  stop(): void {
    writeFileSync(this.file('stop'), '')
  }

  /** The login as a file, for programs that want one; with more properties if need be. */
  propertiesFile(user: string, more: Properties = {}): string {
    return writeProperties(this.file(`${user}.properties`), { ...this.#login(user), ...more })
  }

  /** A JVM that goes on; its output is in the file `output`. `classPath`: instead of that of the harness' own programs. */
  java(main: string, args: readonly string[], classPath = this.#classPath): ChildProcess {
    return start('java', this.#command(main, args, classPath), this.file('output'))
  }

  /** A JVM to its end. */
  async javaMust(main: string, args: readonly string[], seconds: number): Promise<void> {
    await must('java', this.#command(main, args, this.#classPath), { seconds })
  }

  /** All records of a topic as the user `auditor` reads them, in the order of the log. */
  async dump(topic: string, isolation: 'read_committed' | 'read_uncommitted' = 'read_committed'): Promise<LogRecord[]> {
    const file = this.file(`${topic}.dump`)
    await this.javaMust('Dump', [this.propertiesFile('auditor'), topic, isolation, file], 120)
    return lines(file).map(([partition, offset, value]) => ({ partition: Number(partition), offset: Number(offset), value: value! }))
  }

  #command(main: string, args: readonly string[], classPath: string): string[] {
    const system = [`-Dseed=${this.seed}`, `-Djava.io.tmpdir=${this.directory}`]
    return ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...system, '-cp', classPath, main, ...args]
  }
}

export interface LogRecord {
  readonly partition: number
  readonly offset: number
  readonly value: string
}

/** The words of each line. */
export function lines(file: string): string[][] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => line.split(' '))
}

/** Waits for the end of the process at that place; a finding when it does not come, or not well. */
export async function within(seconds: number, what: string, child: ChildProcess, place: Place): Promise<void> {
  const last = () => ['output', 'events'].map(name => readFileSync(place.file(name), 'utf8').trim().slice(-600)).join(' … ')
  if (child.exitCode === null && child.signalCode === null)
    await Promise.race([once(child, 'exit'), sleep(seconds * 1000, undefined, { ref: false })])
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    throw new Finding(`${what} is not done ${seconds} s after the last restart: ${last()}`)
  }
  expectThat(child.exitCode === 0, `${what} ended with ${child.exitCode ?? child.signalCode}: ${last()}`)
}
