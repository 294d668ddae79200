/**
 * Three of our workers, whose leader is killed with kill -9 and ended with SIGTERM while four clients make, change, restart and look at connectors:
 * `node compat/connect/leader.ts HOST:PORT`. No request hangs, none to a worker that lives is answered with 5xx but one to make a
 * connector, which the leader may or may not have made before it ended, and what was answered with 2xx is there afterwards.
 * `COMPAT_LEADER_SECONDS` is how long (60).
 */
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cases, runCases, unique, until } from '../support/kit.ts'
import { distributed, fileSource, Worker } from './worker.ts'

const [bootstrap] = process.argv.slice(2) as [string]
const seconds = Number(process.env['COMPAT_LEADER_SECONDS'] ?? 60)
const directory = mkdtempSync(join(tmpdir(), 'millrace-leader-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const clients = 4
const connectors = 30
/** Longer than a worker asks another one (relay.ts). */
const hangsMs = 100_000
const cluster = unique('leader')
const file = join(directory, 'in')

type Config = Readonly<Record<string, string>>

function configOf(name: string, mark: string): Config {
  return { ...fileSource(name, file, `${cluster}-${name}`), mark }
}

/** Of one connector: each mark that it may have, because nobody said whether it was taken. */
const wanted = new Map<string, Set<string>>()
const counts = new Map<string, number>()
const surprises: string[] = []

function count(what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

interface Asked {
  readonly method: string
  readonly path: string
  readonly body?: object
}

/** null: there was no answer. */
async function ask(worker: Worker, { method, path, body }: Asked): Promise<number | null> {
  const pid = worker.pid
  const began = performance.now()
  const what = `${method} ${path.replace(/[\w-]*\d/, 'X')}`
  try {
    const response = await fetch(`http://${worker.id}${path}`, {
      method,
      signal: AbortSignal.timeout(hangsMs),
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const text = await response.text()
    count(`${what} ${response.status}`)
    // A leader that was asked to make one has ended: nobody knows whether it has, and only who asks can find out.
    const isOpen = what === 'POST /connectors' && response.status === 500 && text.includes('IO Error')
    if (response.status >= 500 && !isOpen)
      surprises.push(`${what}: ${response.status} after ${Math.round(performance.now() - began)} ms ${text.slice(0, 300)}`)
    return response.status
  } catch (error) {
    count(`${what} no answer`)
    // One that was ended answers nothing.
    const wasEnded = !living.has(worker) || worker.pid !== pid
    if (!wasEnded) surprises.push(`${what}: no answer after ${Math.round(performance.now() - began)} ms (${(error as Error).message})`)
    return null
  }
}

const living = new Set<Worker>()

async function client(number: number, end: number): Promise<void> {
  const own = Array.from(wanted.keys()).filter((_, at) => at % clients === number)
  for (let turn = 0; performance.now() < end; turn++) {
    const worker = [...living][(turn + number) % living.size]!
    const name = own[turn % own.length]!
    const path = `/connectors/${name}`
    const mark = `${number} ${turn}`
    const kind = turn % 4
    if (kind === 0) {
      const made = `more-${number}-${turn}`
      const status = await ask(worker, { method: 'POST', path: '/connectors', body: { name: made, config: configOf(made, mark) } })
      if (status === 201) wanted.set(made, new Set([mark]))
    } else if (kind === 1) {
      const status = await ask(worker, { method: 'PUT', path: `${path}/config`, body: configOf(name, mark) })
      if (status === 200 || status === 201) wanted.set(name, new Set([mark]))
      else wanted.get(name)!.add(mark)
    } else if (kind === 2) await ask(worker, { method: 'POST', path: `${path}/restart?includeTasks=true` })
    else await ask(worker, { method: 'GET', path: `${path}/status` })
    await sleep(100)
  }
}

/** Whoever says last that it leads. */
function leader(): Worker {
  const generations = [...living].map(worker => {
    const found = [...worker.log().matchAll(/"generation":(\d+),"leads":true/g)].at(-1)
    return [worker, Number(found?.[1] ?? -1)] as const
  })
  return generations.reduce((a, b) => (b[1] > a[1] ? b : a))[0]
}

async function breakLeader(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const worker = leader()
  living.delete(worker)
  await worker.stop(signal)
  count(signal)
  await sleep(5_000)
  await worker.restart()
  living.add(worker)
}

const cases: Cases = {
  async 'leader-ends-under-requests'() {
    appendFileSync(file, 'one\ntwo\n')
    const config = distributed(cluster, { 'bootstrap.servers': bootstrap })
    const workers = await Promise.all(['one', 'two', 'three'].map(name => Worker.startMillrace(directory, name, config)))
    for (const worker of workers) living.add(worker)
    for (let at = 0; at < connectors; at++) {
      const name = `c-${at}`
      await workers[0]!.rest('PUT', `/connectors/${name}/config`, configOf(name, ''))
      wanted.set(name, new Set(['']))
    }
    const end = performance.now() + seconds * 1_000
    const asking = Promise.all(Array.from({ length: clients }, (_, number) => client(number, end)))
    for (let at = 0; performance.now() < end - 10_000; at++) {
      await sleep(8_000)
      await breakLeader(at % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
    }
    await asking
    console.log(
      Array.from(counts, ([what, times]) => `${what}: ${times}`)
        .sort()
        .join('\n'),
    )
    for (const each of surprises) console.log(each)
    await verdict(workers[0]!)
    await Promise.all(workers.map(worker => worker.stop()))
    assert.deepEqual(surprises, [])
  },
}

async function verdict(worker: Worker): Promise<void> {
  for (const [name, marks] of wanted) {
    const { config } = await worker.rest<{ config: Config }>('GET', `/connectors/${name}`)
    assert.ok(marks.has(config['mark']!), `${name} is ${config['mark']}, and not ${[...marks].join(' or ')}`)
  }
  let odd = ''
  await until(
    () => `all connectors and tasks run: ${odd}`,
    async () => {
      const bad = (await worker.statuses()).filter(
        ({ connector, tasks }) => connector.state !== 'RUNNING' || tasks.length !== 1 || tasks[0]!.state !== 'RUNNING',
      )
      odd = bad.map(({ name, connector, tasks }) => `${name} ${connector.state}/${tasks.map(each => each.state).join()}`).join(', ')
      return bad.length === 0
    },
    120,
  )
}

await runCases(cases, seconds + 500)
