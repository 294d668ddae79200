/** The thread of one task: opens what it needs, runs the task, and tells the worker how it is. */
import { getHeapStatistics } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { hidingOf, realSystem, settledWithin } from '../../base.ts'
import { ClientError, openClient } from '../../client.ts'
import { ignoredKeys } from '../known-keys.ts'
import { definitionOf } from '../plugins/packages.ts'
import { Plugins } from '../plugins.ts'
import { resolveProviders } from '../providers.ts'
import { clientProperties, withPrefix } from '../worker-config.ts'
import { isOfBrokers, traceOf } from './errors.ts'
import { Guard, tooManyBuffers } from './guard.ts'
import type { FromTask, TaskOrder, ToTask } from './messages.ts'
import { Control, type TaskRun } from './run.ts'
import { TaskLog, TaskMetrics } from './task-log.ts'

const metricsMs = 2_000
const beatMs = 250
const farewellMs = 2_000
const requestTimeoutMs = 75_000
const order = workerData as TaskOrder
const port = parentPort!
const system = realSystem()
const control = new Control(order.paused)
const tell = (message: FromTask) => port.postMessage(message)
const log = new TaskLog(order.level, tell, system)
const metrics = new TaskMetrics()
const guard = new Guard(system, order.worker.values['task.call.timeout.ms'])
const farewells = new Set<() => Promise<void>>()
let { token } = order
const asked = new Map<number, { resolve(text: string): void; reject(error: Error): void }>()

port.on('message', (message: ToTask) => {
  switch (message.kind) {
    case 'pause':
    case 'resume':
      control.set(message.kind === 'pause')
      break
    case 'stop':
      stop(order.worker.values['task.shutdown.graceful.timeout.ms'])
      break
    case 'token':
      token = message.token
      break
    case 'level':
      log.level = message.level
      break
    case 'answer': {
      const waiting = asked.get(message.id)
      asked.delete(message.id)
      if (message.error === null) waiting?.resolve(message.text)
      else waiting?.reject(errorOf(message.error))
    }
  }
})

/** Within this time, also if the connector does not return: what is to be told to others is told. */
function stop(graceMs: number): void {
  control.stop()
  system.timers.after(graceMs * 0.6, () => control.giveUp())
  system.timers.after(graceMs * 0.8, () => guard.hurry(graceMs * 0.1))
}

let isOver = false
let nextId = 1
function ask(what: 'find' | 'store', text: string): Promise<string> {
  const id = nextId++
  return new Promise((resolve, reject) => {
    asked.set(id, { resolve, reject })
    tell({ kind: 'ask', id, what, text })
  })
}

function tellMetrics(): void {
  metrics.tell(tell)
  system.timers.after(metricsMs, tellMetrics)
}

let isOverLimit = false
function beat(): void {
  Atomics.add(order.beats, 0, 1)
  const wasOverLimit = isOverLimit
  const most = order.worker.values['task.buffers.mb']
  isOverLimit = getHeapStatistics().external_memory > most * 2 ** 20
  // What was garbage is gone by the second time.
  if (wasOverLimit && isOverLimit) void fail(new Error(tooManyBuffers(most)))
  system.timers.after(beatMs, beat)
}

/** What nobody waits for, such as a rejection that is not handled: nobody knows in which state it has left the task. */
process.on('uncaughtException', error => void fail(error))
for (const stream of [process.stdout, process.stderr])
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    log.wrote(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'))
    const written = rest.at(-1)
    if (typeof written === 'function') written()
    return true
  }

async function main(): Promise<void> {
  tellMetrics()
  beat()
  const config = await resolveProviders(order.config, system, order.worker.properties)
  log.hiding = hidingOf(order.config, config, {})
  const { connector, task, worker, reached, kind } = order
  const overrides = withPrefix(config, kind === 'sink' ? 'consumer.override.' : 'producer.override.')
  const inherited = clientProperties(withPrefix(worker.properties, kind === 'sink' ? 'consumer.' : 'producer.'))
  // Whoever acts as somebody else does not log in as the worker's clients do.
  const own = token === null ? inherited : (await import('../../sessions.ts')).withoutLogin(inherited)
  await using client = openClient({
    bootstrap: overrides['bootstrap.servers'] ?? reached.bootstrap,
    properties: { ...reached.properties, ...own, ...clientProperties(overrides) },
    clientId: `connector-${kind === 'sink' ? 'consumer' : 'producer'}-${connector}-${task}`,
    timeoutMs: requestTimeoutMs,
    ...(token === null ? {} : { delegationToken: () => token! }),
  })
  const { plugin } = order
  const loading =
    plugin === null
      ? Plugins.own()
          .find(config['connector.class'] ?? '')
          .load()
      : definitionOf(plugin)
  const definition = await loading
  log.hiding = hidingOf(order.config, config, definition.config)
  const ignored = ignoredKeys(definition, config)
  if (ignored.length > 0) log.warn({ keys: ignored.join(', ') }, 'keys that the connector does not know are ignored')
  const context = { connector, task, system, log, signal: control.giveUpSignal, count: metrics.count, gauge: metrics.gauge }
  const run: TaskRun = { order, config, client, system, log, metrics, control, context, guard, farewells, tell, ask }
  // The other one would be loaded for nothing, in each thread.
  if (definition.kind === 'sink') await (await import('./sink.ts')).runSink(run, definition)
  else await (await import('./source.ts')).runSource(run, definition)
}

main().then(() => end({ kind: 'ended' }), endWith)

function errorOf({ message, code }: { message: string; code: string | null }): Error {
  return code === null ? new Error(message) : new ClientError(code, message)
}

async function fail(error: unknown): Promise<void> {
  if (isOver) return
  await settledWithin(
    system.timers,
    farewellMs,
    Array.from(farewells, say => say()),
  )
  endWith(error)
}

function endWith(error: unknown): void {
  // What is cut short because the task ends is no failure.
  if (control.stopping) log.warn({ err: error }, 'a task has ended with an error')
  end(control.stopping ? { kind: 'ended' } : { kind: 'failed', trace: traceOf(log.hiding.error(error)), ofBrokers: isOfBrokers(error) })
}

function end(message: FromTask): void {
  if (isOver) return
  isOver = true
  metrics.tell(tell)
  tell(message)
  port.close()
}
