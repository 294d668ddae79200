/**
 * `millrace doctor`: whether a broker with these options finds what it needs, and whether the one that runs with them, and its cluster, are well.
 *
 * It takes the options of `start`, and writes only one small file or object, which it deletes again. Every finding is told, not only the first.
 * Exit code 1 if something has failed; warnings alone are no failure.
 */
import { resolve } from 'node:path'
import { DiskError, realSystem, type System } from '../base.ts'
import { type BrokerConfig, connectionsThatFit, dataDirectory } from '../broker.ts'
import { NoCluster } from '../store.ts'
import { checkObjects, clusterMetadata, type Stores, timed, toldDatabase, withStores } from './cluster.ts'
import { look } from './cluster-status.ts'
import { askAddress, askBroker, NoAnswer } from './health.ts'
import { bracketed, CommandFailed, plural, show, size } from './output.ts'
import { diskMessage } from './report.ts'
import { configFrom, type StartFlags } from './start.ts'

interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'failed'
  readonly detail: string
}

type Judged = Pick<Finding, 'state' | 'detail'>
type Find = (check: string, judge: () => Judged | Promise<Judged>) => Promise<Finding['state']>

const patience = { objectsMs: 5_000, databaseMs: 0 }
const syncs = 20
/** Above it, `acks=all` is slow for everybody. */
const slowSyncMs = 20
/** Time synchronization keeps them much closer. */
const clocksMayDifferMs = 5_000
/** A healthy database and store in the same region are far below. */
const slowAnswerMs = 500

export async function doctor({ json, ...flags }: StartFlags & { json?: boolean }): Promise<void> {
  const system = realSystem()
  const config = configFrom(flags, system)
  const findings: Finding[] = []
  const find: Find = async (check, judge) => {
    const finding = { check, ...(await judged(judge)) }
    findings.push(finding)
    return finding.state
  }
  await find('configuration', () => configuration(config))
  await find('open files', () => openFiles(config, system))
  await find('broker', () => runningBroker(config))
  const [cluster, objects] = [config.get('cluster'), config.get('objects')]
  if (cluster === null || objects === null) await find('data directory', () => directoryOf(config, system))
  else await withStores({ cluster, objects }, stores => examineCluster(stores, config, find), patience)
  await show(json, findings, () => findings.map(({ check, state, detail }) => `${state.padEnd(7)}  ${check}: ${detail}\n`).join(''))
  if (findings.some(({ state }) => state === 'failed')) process.exitCode = 1
}

/** What a check throws is its finding. */
async function judged(judge: () => Judged | Promise<Judged>): Promise<Judged> {
  try {
    return await judge()
  } catch (error) {
    if (error instanceof DiskError) return failed(diskMessage(error))
    if (error instanceof CommandFailed) return failed(error.message)
    throw error
  }
}

const ok = (detail: string): Judged => ({ state: 'ok', detail })
const warning = (detail: string): Judged => ({ state: 'warning', detail })
const failed = (detail: string): Judged => ({ state: 'failed', detail })
const okUnless = (isOdd: boolean, detail: string): Judged => (isOdd ? warning(detail) : ok(detail))

function configuration(config: BrokerConfig): Judged {
  const { host, port } = config.advertised(config.interBroker.name)
  const notes = [...config.notes]
  if (config.get('cluster') !== null && /^(?:localhost|127\.|::1$|\[::1\])/.test(host))
    notes.push(`other machines cannot reach ${bracketed(host)}:${port}, which is advertised to them; set advertised.listeners`)
  return okUnless(notes.length > 0, notes.join('; ') || 'no warnings')
}

/** Of this shell: a service may have other limits. */
function openFiles(config: BrokerConfig, system: System): Judged {
  const fit = connectionsThatFit(system)
  const wanted = config.get('max.connections')
  return okUnless(fit < wanted, `the limit of open files (ulimit -n) leaves room for ${fit} connections; max.connections=${wanted}`)
}

async function runningBroker(config: BrokerConfig): Promise<Judged> {
  try {
    await askBroker(config)
    return ok('ready')
  } catch (error) {
    if (error instanceof NoAnswer) return ok(`none runs here with these options (${error.message})`)
    throw error
  }
}

async function directoryOf(config: BrokerConfig, { clock, files }: System): Promise<Judged> {
  const directory = resolve(dataDirectory(config))
  if (!files.exists(directory)) return ok(`${directory} does not exist yet; the first start makes it`)
  const path = `${directory}/.doctor`
  const times: number[] = []
  const file = files.open(path, 'rw')
  try {
    for (let sync = 0; sync < syncs; sync++) {
      const beganMs = clock.monotonic()
      file.writeSync([Buffer.alloc(4096)], sync * 4096)
      await file.datasync()
      times.push(clock.monotonic() - beganMs)
    }
  } finally {
    file.close()
    files.remove(path)
  }
  const ms = times.sort((a, b) => a - b)[syncs / 2]!
  const [free, floor] = [files.freeBytes(directory), Number(config.get('log.free.bytes.floor'))]
  const detail = `${directory} has ${size(BigInt(free))} free; a sync takes ${ms.toFixed(1)} ms`
  if (free < floor) return failed(`${detail}; below log.free.bytes.floor=${floor} it takes no records`)
  return okUnless(free < 4 * floor || ms > slowSyncMs, detail)
}

async function examineCluster(stores: Stores, config: BrokerConfig, find: Find): Promise<void> {
  await find('object store', async () => {
    const times = await checkObjects(stores.objects)
    const isSlow = times.some(({ ms }) => ms > slowAnswerMs)
    return okUnless(isSlow, times.map(({ what, ms }) => `${what} ${ms.toFixed(1)} ms`).join(', '))
  })
  const database = await find('database', async () => {
    const { ms } = await timed('database', () => toldDatabase(() => stores.database.check()))
    const troubles = await toldDatabase(() => stores.database.troubles())
    const detail = [`connected and checked in ${ms.toFixed(1)} ms`, ...troubles.map(({ what }) => what)].join('; ')
    if (troubles.some(({ isOutage }) => isOutage)) return failed(detail)
    return okUnless(ms > slowAnswerMs || troubles.length > 0, detail)
  })
  if (database === 'failed') return
  await find('cluster', () => stateOf(stores))
  await find('other brokers', () => reachBrokers(stores, config))
}

/** null: there is no cluster yet. */
function ofCluster<T>(work: () => Promise<T>): Promise<T | null> {
  return toldDatabase(() =>
    work().catch((error: unknown) => {
      if (error instanceof NoCluster) return null
      throw error
    }),
  )
}

async function stateOf(stores: Stores): Promise<Judged> {
  const seen = await ofCluster(() => look(stores))
  if (seen === null) return ok('there is none yet; the first broker makes it')
  const { brokers, moves, problems, clockAheadMs } = seen
  const clockIsWrong = Math.abs(clockAheadMs) > clocksMayDifferMs
  const clocks = clockIsWrong ? [`the clock of this machine is ${clockTold(clockAheadMs)} the database's: correct one of them`] : []
  if (problems.length > 0) return failed([...problems, ...clocks].join('; '))
  if (clockIsWrong) return warning(clocks[0]!)
  return ok(`${plural(brokers.length, 'broker')}, ${plural(moves.length, 'move')} under way`)
}

const clockTold = (aheadMs: number) => `${Math.abs(aheadMs / 1000).toFixed(0)} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`

/** By the listener through which brokers call each other. */
async function reachBrokers(stores: Stores, config: BrokerConfig): Promise<Judged> {
  const { name } = config.interBroker
  const brokers = (await ofCluster(() => clusterMetadata(stores)))?.brokers ?? []
  const problems: string[] = []
  const running = brokers.filter(({ fenced }) => !fenced)
  for (const { id, endpoints } of running) {
    const endpoint = endpoints.get(name)
    if (endpoint === undefined) problems.push(`broker ${id} has no listener ${name}`)
    else
      await askAddress(endpoint).catch(
        (error: Error) => void problems.push(`broker ${id}: ${error.message}; check its advertised.listeners`),
      )
  }
  return problems.length > 0 ? failed(problems.join('; ')) : ok(`${plural(running.length, 'broker')} can be reached from here`)
}
