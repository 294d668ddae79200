/** The thread of one task: opens what it needs, runs the task, and tells the worker how it is. */
import { parentPort, workerData } from 'node:worker_threads'
import { hidingOf, realSystem } from '../../base.ts'
import { openClient } from '../../client.ts'
import { withoutLogin } from '../../sessions.ts'
import { Plugins } from '../plugins.ts'
import { resolveProviders } from '../providers.ts'
import { clientProperties, withPrefix } from '../worker-config.ts'
import { traceOf } from './errors.ts'
import type { FromTask, TaskOrder, ToTask } from './messages.ts'
import { Control, type TaskRun } from './run.ts'
import { runSink } from './sink.ts'
import { runSource } from './source.ts'
import { TaskLog, TaskMetrics } from './task-log.ts'

const metricsMs = 2_000
const requestTimeoutMs = 75_000
const order = workerData as TaskOrder
const port = parentPort!
const system = realSystem()
const control = new Control(order.paused)
const tell = (message: FromTask) => port.postMessage(message)
const log = new TaskLog(order.level, tell)
const metrics = new TaskMetrics()
let { token } = order
const asked = new Map<number, { resolve(text: string): void; reject(error: Error): void }>()

port.on('message', (message: ToTask) => {
  switch (message.kind) {
    case 'pause':
    case 'resume':
      control.set(message.kind === 'pause')
      break
    case 'stop':
      control.stop()
      system.timers.after(order.worker.values['task.shutdown.graceful.timeout.ms'] * 0.6, () => control.giveUp())
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
      else waiting?.reject(new Error(message.error))
    }
  }
})

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

async function main(): Promise<void> {
  tellMetrics()
  const config = await resolveProviders(order.config, system, order.worker.properties)
  log.hiding = hidingOf(order.config, config, {})
  const { connector, task, worker, reached, kind } = order
  const overrides = withPrefix(config, kind === 'sink' ? 'consumer.override.' : 'producer.override.')
  const inherited = clientProperties(withPrefix(worker.properties, kind === 'sink' ? 'consumer.' : 'producer.'))
  // Whoever acts as somebody else does not log in as the worker's clients do.
  const own = token === null ? inherited : withoutLogin(inherited)
  await using client = openClient({
    bootstrap: overrides['bootstrap.servers'] ?? reached.bootstrap,
    properties: { ...reached.properties, ...own, ...clientProperties(overrides) },
    clientId: `connector-${kind === 'sink' ? 'consumer' : 'producer'}-${connector}-${task}`,
    timeoutMs: requestTimeoutMs,
    ...(token === null ? {} : { delegationToken: () => token! }),
  })
  const plugins = await Plugins.open(worker.values['plugin.path'], system.files)
  const definition = await plugins.find(config['connector.class'] ?? '').load()
  log.hiding = hidingOf(order.config, config, definition.config)
  const context = { connector, task, system, log, signal: control.giveUpSignal, count: metrics.count, gauge: metrics.gauge }
  const run: TaskRun = { order, config, client, system, log, metrics, control, context, tell, ask }
  if (definition.kind === 'sink') await runSink(run, definition)
  else await runSource(run, definition)
}

main().then(
  () => end({ kind: 'ended' }),
  error => {
    // What is cut short because the task ends is no failure.
    if (control.stopping) log.warn({ err: error }, 'a task has ended with an error')
    end(control.stopping ? { kind: 'ended' } : { kind: 'failed', trace: traceOf(log.hiding.error(error)) })
  },
)

function end(message: FromTask): void {
  metrics.tell(tell)
  tell(message)
  port.close()
}
