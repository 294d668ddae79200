/** `millrace cluster check`: whether the database and the object store of a cluster can be reached, and keep what they confirm. */
import { MessageChannel } from 'node:worker_threads'
import { realSystem } from '../base.ts'
import {
  type Database,
  DatabaseRefused,
  DatabaseUnavailable,
  ObjectError,
  type ObjectStore,
  openDatabase,
  openObjectStore,
  postgres,
} from '../store.ts'
import { CommandFailed, UsageError, write } from './output.ts'

export interface ClusterCheckFlags {
  cluster: string
  objects: string
  json?: boolean
}

interface Checked {
  what: string
  ms: number
}

/** For each request to the object store, with its repetitions. */
const patienceMs = 10_000

export async function checkCluster({ cluster, objects, json }: ClusterCheckFlags): Promise<void> {
  const system = realSystem()
  const environment = process.env
  const warn = (what: string) => void process.stderr.write(`millrace: warning: ${what}\n`)
  const connect = usable(() => postgres({ system, url: cluster, environment, graceMs: 0, warn }))
  const store = usable(() => openObjectStore({ system, url: objects, environment, timeoutMs: patienceMs }))
  // Without repetitions: who asks can ask again.
  const database = openDatabase({ system, connect, timeoutMs: 0 })
  const checked = await keepingAlive(async () => [await checkDatabase(database), ...(await checkObjects(store))])
  if (json) await write(`${JSON.stringify(checked)}\n`)
  else for (const { what, ms } of checked) await write(`${what}: ${ms.toFixed(1)} ms\n`)
}

/** Changes nothing: a cluster need not have been made. */
async function checkDatabase(database: Database): Promise<Checked> {
  try {
    return await timed('database', () => database.check())
  } catch (error) {
    if (error instanceof DatabaseRefused || error instanceof DatabaseUnavailable) throw new CommandFailed(`the database: ${error.message}`)
    throw error
  } finally {
    await database.close()
  }
}

/** Writes, reads, lists and deletes one small object. */
async function checkObjects(store: ObjectStore): Promise<Checked[]> {
  try {
    return await checkObject(store)
  } catch (error) {
    if (error instanceof ObjectError) throw new CommandFailed(`the object store: ${error.message}`)
    throw error
  } finally {
    store.close()
  }
}

async function checkObject(store: ObjectStore): Promise<Checked[]> {
  const content = Buffer.alloc(16)
  realSystem().random.fill(content)
  const name = `check/${content.toString('hex')}`
  const checked = [await timed('put', () => store.put(name, [content]))]
  try {
    checked.push(
      await timed('get', async () => {
        const found = await store.get(name, 4, 8)
        if (!found.equals(content.subarray(4, 12))) throw new CommandFailed(`the object store: ${name} holds other bytes than were written`)
      }),
      await timed('list', () => store.list('check/')),
    )
  } finally {
    checked.push(await timed('delete', () => store.delete([name])))
  }
  return checked
}

/** The System's timers do not keep a process alive, and between two attempts no socket is open. */
async function keepingAlive<T>(work: () => Promise<T>): Promise<T> {
  const { port1 } = new MessageChannel()
  port1.ref()
  try {
    return await work()
  } finally {
    port1.close()
  }
}

function usable<T>(open: () => T): T {
  try {
    return open()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

async function timed(what: string, work: () => Promise<unknown>): Promise<Checked> {
  const { clock } = realSystem()
  const begunMs = clock.monotonic()
  await work()
  return { what, ms: clock.monotonic() - begunMs }
}
