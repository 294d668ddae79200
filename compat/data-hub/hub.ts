/**
 * Processes of Millrace that make up the hub: a broker with its data on disk, and two that run connectors and triggers. Each may be killed; another one with the
 * same name takes its place.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lines, type Properties } from '../support/brokers.ts'
import { repository } from '../support/cache.ts'
import { accepts, freePorts, start, until } from '../support/run.ts'

/** Offsets are committed each two seconds, and what a dead worker ran is given to others after some seconds instead of minutes. */
const workerProperties: Properties = {
  'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  'offset.flush.interval.ms': '2000',
  'session.timeout.ms': '6000',
  'heartbeat.interval.ms': '1000',
  'scheduled.rebalance.max.delay.ms': '1000',
  'exactly.once.source.support': 'enabled',
}

export class Workers {
  readonly #bootstrap: string
  readonly directory = mkdtempSync(join(tmpdir(), 'millrace-data-hub-'))
  readonly #all: { readonly connect: number; readonly triggers: number; child: ChildProcess }[] = []

  static async start(bootstrap: string, count: number): Promise<Workers> {
    const workers = new Workers(bootstrap)
    writeFileSync(join(workers.directory, 'worker.properties'), lines(workerProperties))
    for (let number = 0; number < count; number++) {
      const connect = await freePorts(2)
      const ports = { connect, triggers: connect + 1 }
      workers.#all.push({ ...ports, child: workers.#spawn(number, ports) })
      await workers.#answering(number)
    }
    return workers
  }

  private constructor(bootstrap: string) {
    this.#bootstrap = bootstrap
  }

  get count(): number {
    return this.#all.length
  }

  async kill(number: number): Promise<void> {
    void this.pid(number)
    await end(this.#all[number]!.child, 'SIGKILL')
  }

  /** Resolves when it answers. */
  async restart(number: number): Promise<void> {
    const worker = this.#all[number]!
    worker.child = this.#spawn(number, worker)
    await this.#answering(number)
  }

  /** Throws when it has ended by itself. */
  pid(number: number): number {
    const { pid, exitCode, signalCode } = this.#all[number]!.child
    if (exitCode !== null || signalCode !== null)
      throw new Error(`worker ${number} has ended by itself, with ${exitCode ?? signalCode}: ${this.log(number).slice(-4_000)}`)
    return pid!
  }

  /** An answer of the first worker that has one; while they share out their work, they are asked again. */
  async ask(service: 'connect' | 'triggers', method: string, path: string, body?: object): Promise<unknown> {
    let told = ''
    for (let attempt = 0; attempt < 60; attempt++) {
      const url = `http://127.0.0.1:${this.#all[attempt % this.count]![service]}${path}`
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }).catch(
        error => error as Error,
      )
      if (response instanceof Error) told = response.message
      else {
        const text = await response.text()
        if (response.ok) return text === '' ? undefined : JSON.parse(text)
        told = `${response.status} ${text}`
        if (response.status !== 409 && response.status < 500) break
      }
      await new Promise(resolve => setTimeout(resolve, 500))
    }
    throw new Error(`${method} ${path}: ${told.slice(0, 400)}`)
  }

  log(number: number): string {
    return readFileSync(this.#logFile(number), 'utf8')
  }

  /** `keepsLogs`: what they have said stays in `directory`. */
  async close(keepsLogs: boolean): Promise<void> {
    await Promise.all(this.#all.map(({ child }) => end(child, 'SIGTERM')))
    if (!keepsLogs) rmSync(this.directory, { recursive: true, force: true })
  }

  #logFile(number: number): string {
    return join(this.directory, `worker-${number}.log`)
  }

  #spawn(number: number, { connect, triggers }: { readonly connect: number; readonly triggers: number }): ChildProcess {
    const keys = {
      services: 'connect,triggers',
      'connect.port': connect,
      'triggers.port': triggers,
      'connect.worker.config': join(this.directory, 'worker.properties'),
    }
    const set = Object.entries(keys).flatMap(([key, value]) => ['--set', `${key}=${value}`])
    const args = [join(repository, 'dist/cli.js'), 'services', '--bootstrap', this.#bootstrap, ...set]
    return start(process.execPath, args, this.#logFile(number))
  }

  async #answering(number: number): Promise<void> {
    const { connect, triggers } = this.#all[number]!
    await until(async () => {
      void this.pid(number)
      return (await accepts(connect)) && (await accepts(triggers))
    }, `worker ${number}`)
    // Somebody else may listen there by now.
    void this.pid(number)
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), 30_000)
  await ended
  clearTimeout(late)
}
