import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { freePort } from '../../test/support/free-port.ts'
import { type Client, openClient } from '../client.ts'

const program = fileURLToPath(new URL('../cli.ts', import.meta.url))
const limit = { timeout: 120_000 }

interface Line {
  broker?: number
  msg: string
  reason?: string
  listening?: string[]
  metrics?: string
}

interface Started {
  supervisor: ChildProcess
  data: string
  ports: number[]
  http: string
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  stderr(): string
}

/** What still runs at the end of a test. */
const running = new Set<Started>()

function dataDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-processes-'))
  t.after(async () => {
    for (const { supervisor } of running) supervisor.kill()
    for (const { ended } of running) await ended
    running.clear()
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

/** Resolves when all processes are ready. */
async function start(data: string, processes: number, port = 0, env: Record<string, string> = {}): Promise<Started> {
  const flags = ['--processes', String(processes), '--port', String(port), '--http', '127.0.0.1:0', '--set', 'services=', '--data', data]
  const supervisor = spawn(process.execPath, [program, 'start', ...flags], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<Awaited<Started['ended']>>(resolve => supervisor.once('close', (code, signal) => resolve({ code, signal })))
  let log = ''
  const ready = await new Promise<Line>((resolve, reject) => {
    supervisor.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text
      const line = linesOf(log).find(({ broker, msg }) => broker === undefined && /ready$/.test(msg))
      if (line !== undefined) resolve(line)
    })
    void ended.then(() => reject(new Error(log)))
  })
  const ports = ready.listening!.map(text => Number(/:(\d+) /.exec(text)![1]))
  const started = { supervisor, data, ports, http: ready.metrics!.replace('/metrics', ''), ended, stderr: () => log }
  running.add(started)
  return started
}

/** Each whole line must be JSON. */
function linesOf(log: string): Line[] {
  return log
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as Line)
}

/** The process that uses this directory. */
function pidIn(directory: string): number {
  return (JSON.parse(readFileSync(join(directory, '.lock-holder'), 'utf8')) as { pid: number }).pid
}

const pidsOf = (data: string) => [pidIn(data), pidIn(join(data, '.process1'))] as const

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // One that ended, but that nobody has waited for.
    return !/\) Z /.test(existsSync('/proc/self/stat') ? readFileSync(`/proc/${pid}/stat`, 'latin1') : '')
  } catch {
    return false
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 600; turn++) {
    if (await condition()) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  assert.fail(`gave up waiting: ${condition}`)
}

async function readiness(http: string): Promise<{ status: number; reason?: string }> {
  const response = await fetch(`${http}/health/ready`)
  return { status: response.status, ...((await response.json()) as { reason?: string }) }
}

async function topicsAt(port: number): Promise<string[]> {
  await using client = openClient({ bootstrap: `127.0.0.1:${port}` })
  return [...(await client.topicNames())]
}

/** Those that clients are sent to. The same client is asked again and again. */
async function brokersOf(client: Client): Promise<number[]> {
  return (await client.cluster()).brokers.map(({ id }) => id).sort()
}

async function createTopicAt(port: number, name: string): Promise<void> {
  await using client = openClient({ bootstrap: `127.0.0.1:${port}` })
  await client.createTopic({ name, configs: new Map() })
}

async function isListening(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  const isOpen = await new Promise<boolean>(resolve => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)))
  socket.destroy()
  return isOpen
}

test('two brokers have consecutive ids and ports, one log, one page of metrics, and one end', limit, async t => {
  const port = await freePort(2)
  const { supervisor, data, ports, http, ended, stderr } = await start(dataDirectory(t), 2, port)
  assert.deepEqual(ports, [port, port + 1])
  assert.ok(existsSync(join(data, 'meta.properties')))
  const idsOf = (directory: string) => /cluster\.id=(.*)\nnode\.id=(\d+)/.exec(readFileSync(join(directory, 'meta.properties'), 'utf8'))!
  const [, cluster, first] = idsOf(data)
  assert.deepEqual([first, ...idsOf(join(data, '.process1')).slice(1)], ['1', cluster, '2'])

  // A process that gets no core for a second does not answer for that long.
  await until(async () => (await readiness(http)).status === 200)
  assert.equal((await fetch(`${http}/health/live`)).status, 200)
  const page = await (await fetch(`${http}/metrics`)).text()
  const lines = page.trimEnd().split('\n')
  assert.deepEqual(
    lines.filter(line => !line.startsWith('#') && !/\{broker="[12]"[,}]/.test(line)),
    [],
    'each sample says which broker',
  )
  const heads = lines.filter(line => line.startsWith('#'))
  assert.equal(new Set(heads).size, heads.length, 'each family has its help and type once')
  for (const [index, id] of ['1', '2'].entries()) {
    assert.ok(lines.includes(`millrace_process_up{broker="${id}"} 1`))
    assert.ok(lines.includes(`kafka_broker_info{broker="${id}",id="${id}",address="127.0.0.1:${port + index}"} 1`))
    assert.ok(lines.some(line => line.startsWith(`process_cpu_seconds_total{broker="${id}"} `)))
  }

  supervisor.kill('SIGTERM')
  assert.deepEqual(await ended, { code: 0, signal: null })
  assert.deepEqual([await isListening(port), await isListening(port + 1)], [false, false])
  const log = linesOf(stderr())
  for (const msg of ['the broker is starting', 'the broker is ready', 'shutting down'])
    assert.deepEqual(
      new Set(log.filter(line => line.msg === msg).map(({ broker }) => broker)),
      new Set(msg === 'shutting down' ? [undefined, 1, 2] : [1, 2]),
    )
  assert.deepEqual([existsSync(join(data, '.lock-holder')), existsSync(join(data, '.process1/.lock-holder'))], [false, false])
})

test('a broker that is killed comes back, and until then only it is missing', limit, async t => {
  const { data, ports, http, stderr } = await start(dataDirectory(t), 2)
  await createTopicAt(ports[0]!, 'orders')
  const [first, second] = pidsOf(data)
  process.kill(second, 'SIGKILL')
  assert.deepEqual(await topicsAt(ports[0]!), ['orders'])
  const restarts = '0\nmillrace_process_restarts_total{broker="2"} 1\n'
  await until(async () =>
    (await (await fetch(`${http}/metrics`)).text()).includes(`millrace_process_restarts_total{broker="1"} ${restarts}`),
  )
  await until(async () => (await readiness(http)).status === 200)
  assert.match(await (await fetch(`${http}/metrics`)).text(), /^millrace_process_up\{broker="2"\} 1$/m)
  assert.equal(linesOf(stderr()).filter(({ broker, msg }) => broker === 2 && msg === 'the broker is ready').length, 2)
  const [sameFirst, newSecond] = pidsOf(data)
  assert.equal(sameFirst, first)
  assert.notEqual(newSecond, second)
})

test('a broker that cannot start again is tried again, and the others go on', limit, async t => {
  const { data, ports, http, stderr } = await start(dataDirectory(t), 2)
  const file = join(data, '.process1/meta.properties')
  const content = readFileSync(file, 'utf8')
  writeFileSync(file, content.replace('node.id=2', 'node.id=9'))
  process.kill(pidsOf(data)[1], 'SIGKILL')
  const refusals = () => linesOf(stderr()).filter(({ broker, reason }) => broker === 2 && /belongs to node 9/.test(reason ?? ''))
  await until(() => refusals().length === 2)
  assert.equal((await readiness(http)).status, 503)
  assert.deepEqual(await topicsAt(ports[0]!), [])
  await using client = openClient({ bootstrap: `127.0.0.1:${ports[0]}` })
  await until(async () => (await brokersOf(client)).join() === '1')
  writeFileSync(file, content)
  await until(async () => (await readiness(http)).status === 200)
  assert.deepEqual(await brokersOf(client), [1, 2])
})

test('partitions, transactions and groups are spread over the processes, also after each was killed', limit, async t => {
  const port = await freePort(2)
  const { data, http } = await start(dataDirectory(t), 2, port, { MILLRACE_GROUP_INITIAL_REBALANCE_DELAY_MS: '0' })
  const kafka = new Kafka({ brokers: [`127.0.0.1:${port + 1}`, `127.0.0.1:${port}`], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 4 }], waitForLeaders: true })
  const { topics } = await admin.fetchTopicMetadata({ topics: ['orders'] })
  assert.deepEqual(new Set(topics[0]!.partitions.map(({ leader }) => leader)), new Set([1, 2]))
  const partitions = [0, 1, 2, 3]
  // Their hashes name neighboring partitions of the internal topics, which different processes lead.
  const ids = ['a', 'b']
  for (const id of ids) {
    const producer = kafka.producer({ transactionalId: id, maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic: 'orders', messages: partitions.map(partition => ({ partition, value: `${id}${partition}` })) })
    await transaction.commit()
    await producer.disconnect()
  }
  for (const pid of pidsOf(data)) {
    process.kill(pid, 'SIGKILL')
    await until(async () => !isAlive(pid) && (await readiness(http)).status === 200)
  }
  for (const groupId of ids) {
    const consumer = kafka.consumer({ groupId })
    await consumer.subscribe({ topic: 'orders', fromBeginning: true })
    const seen: string[] = []
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(String(message.value)) })
    await until(() => seen.length >= 8)
    await consumer.disconnect()
    assert.deepEqual(
      seen.sort(),
      ids.flatMap(id => partitions.map(partition => `${id}${partition}`)),
    )
  }
  await admin.disconnect()
})

test('a broker that does not answer is left out of the metrics and named by the health check', limit, async t => {
  const { data, http } = await start(dataDirectory(t), 2)
  const [, second] = pidsOf(data)
  process.kill(second, 'SIGSTOP')
  const [page] = await Promise.all([
    fetch(`${http}/metrics`).then(response => response.text()),
    until(async () => (await readiness(http)).reason === 'broker 2: it does not answer'),
  ])
  process.kill(second, 'SIGCONT')
  assert.match(page, /^millrace_process_up\{broker="1"\} 1\nmillrace_process_up\{broker="2"\} 0$/m)
  assert.match(page, /^kafka_brokers\{broker="1"\} 2$/m)
  assert.doesNotMatch(page, /^kafka_brokers\{broker="2"\}/m)
})

test('when the supervisor is killed, its brokers stop cleanly', limit, async t => {
  const { supervisor, data, ports, ended } = await start(dataDirectory(t), 2)
  const pids = pidsOf(data)
  supervisor.kill('SIGKILL')
  await ended
  await until(() => !pids.some(isAlive))
  assert.deepEqual(await Promise.all(ports.map(isListening)), [false, false])
  // The lock is given back in a clean stop only.
  assert.deepEqual([existsSync(join(data, '.lock-holder')), existsSync(join(data, '.process1/.lock-holder'))], [false, false])
})

test('a second signal ends all processes at once', limit, async t => {
  const { supervisor, data, ended } = await start(dataDirectory(t), 2)
  const pids = pidsOf(data)
  // It cannot stop.
  process.kill(pids[1], 'SIGSTOP')
  supervisor.kill('SIGINT')
  await until(() => !isAlive(pids[0]))
  const again = setInterval(() => supervisor.kill('SIGINT'), 100)
  assert.deepEqual(await ended, { code: null, signal: 'SIGINT' })
  clearInterval(again)
  t.after(() => isAlive(pids[1]) && process.kill(pids[1], 'SIGKILL'))
  await until(() => !isAlive(pids[1]))
})

test('if one broker cannot start, none runs, and the error is that of a single broker', limit, async t => {
  const port = await freePort(2)
  const second = net.createServer().listen(port + 1, '127.0.0.1')
  t.after(() => second.close())
  await once(second, 'listening')
  const run = (...flags: string[]) =>
    spawnSync(process.execPath, [program, 'start', '--log-level', 'error', '--http', 'none', '--data', dataDirectory(t), ...flags], {
      encoding: 'utf8',
      timeout: 60_000,
    })
  const taken = run('--processes', '2', '--port', String(port))
  const address = `127.0.0.1:${port + 1} (listeners)`
  assert.equal(
    taken.stderr,
    `millrace: cannot start: cannot listen on ${address}: another process uses this address; --port chooses another port\n`,
  )
  assert.equal(taken.status, 1)
  assert.equal(await isListening(port), false)

  const noKey = ['--set', 'listeners=SSL://127.0.0.1:0']
  const [one, two] = [run(...noKey), run(...noKey, '--processes', '2')]
  assert.equal(one.status, 2)
  assert.deepEqual([two.status, two.stderr], [one.status, one.stderr])

  const overlapping = run('--processes', '2', '--set', 'listeners=PLAINTEXT://127.0.0.1:22210,SSL://127.0.0.1:22211')
  assert.equal(overlapping.status, 2)
  assert.match(overlapping.stderr, /^millrace: processes=2: the listener PLAINTEXT .* overlap/)
})

async function valuesAt(port: number, topic: string, count: number): Promise<string[]> {
  const kafka = new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: `g${port}` })
  await consumer.subscribe({ topic, fromBeginning: true })
  const seen: string[] = []
  await consumer.run({ eachMessage: async ({ message }) => void seen.push(String(message.value)) })
  await until(() => seen.length >= count)
  await consumer.disconnect()
  return seen.sort()
}

async function leadersAt(port: number, topic: string): Promise<number[]> {
  await using client = openClient({ bootstrap: `127.0.0.1:${port}` })
  const [info] = await client.topics([topic])
  return info!.partitions.map(({ leader }) => leader)
}

test('the data of one process is spread over more, and taken back by fewer', limit, async t => {
  const data = dataDirectory(t)
  const env = { MILLRACE_GROUP_INITIAL_REBALANCE_DELAY_MS: '0', MILLRACE_OFFSETS_TOPIC_NUM_PARTITIONS: '3' }
  const run = async (processes: number, use: (ports: readonly number[]) => Promise<void>) => {
    const { supervisor, ports, ended, stderr } = await start(data, processes, 0, env)
    await use(ports)
    supervisor.kill()
    assert.deepEqual(await ended, { code: 0, signal: null }, stderr())
  }
  const values: string[] = []
  const send = async (ports: readonly number[], name: string) => {
    const kafka = new Kafka({ brokers: ports.map(port => `127.0.0.1:${port}`), logLevel: logLevel.NOTHING })
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    for (let partition = 0; partition < 6; partition++) {
      await producer.send({ topic: 'orders', messages: [{ partition, value: `${name}${partition}` }] })
      values.push(`${name}${partition}`)
    }
    await producer.disconnect()
  }
  await run(1, async ports => {
    const admin = new Kafka({ brokers: [`127.0.0.1:${ports[0]}`], logLevel: logLevel.NOTHING }).admin()
    await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 6 }] })
    await admin.disconnect()
    await send(ports, 'one')
  })
  const spread = (count: number) => async (ports: readonly number[]) => {
    await until(async () => new Set(await leadersAt(ports[0]!, 'orders')).size === count)
    await send(ports, `of ${count} `)
    assert.deepEqual(await valuesAt(ports[0]!, 'orders', values.length), values.toSorted())
  }
  await run(3, spread(3))
  await run(2, spread(2))
  await run(1, spread(1))
  assert.deepEqual(
    readdirSync(data).filter(name => name.startsWith('.process')),
    [],
  )
})

test('a broker that is stopped gives its partitions away first, and gets its share when it is back', limit, async t => {
  const { data, ports } = await start(dataDirectory(t), 2)
  const admin = new Kafka({ brokers: [`127.0.0.1:${ports[0]}`], logLevel: logLevel.NOTHING }).admin()
  await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 4 }] })
  const kafka = new Kafka({ brokers: ports.map(port => `127.0.0.1:${port}`), logLevel: logLevel.NOTHING })
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, retry: { initialRetryTime: 20, retries: 30 } })
  await producer.connect()
  const sent: string[] = []
  let isOver = false
  const sending = (async () => {
    for (let number = 0; !isOver; number++) {
      const value = String(number)
      await producer.send({ topic: 'orders', messages: [{ partition: number % 4, value }] })
      sent.push(value)
    }
  })()
  const [, second] = pidsOf(data)
  process.kill(second, 'SIGTERM')
  await until(() => !isAlive(second))
  // What it led is served while it is away.
  const before = sent.length
  await until(() => sent.length > before + 8)
  await until(async () => (await leadersAt(ports[0]!, 'orders')).filter(leader => leader === 2).length === 2)
  isOver = true
  await sending
  await Promise.all([producer.disconnect(), admin.disconnect()])
  assert.deepEqual(await valuesAt(ports[0]!, 'orders', sent.length), sent.sort())
})

test('a single broker loads nothing of the supervisor', limit, async t => {
  const directory = dataDirectory(t)
  const hook = join(directory, 'hook.mjs')
  const list = join(directory, 'loaded')
  writeFileSync(
    hook,
    `import { appendFileSync } from 'node:fs'
     import { registerHooks } from 'node:module'
     registerHooks({ load: (url, context, next) => (appendFileSync('${list}', url + '\\n'), next(url, context)) })`,
  )
  await start(join(directory, 'data'), 1, 0, { NODE_OPTIONS: `--import=${hook}` })
  const loaded = readFileSync(list, 'utf8').split('\n')
  assert.ok(loaded.some(url => url.endsWith('/src/cli/start.ts')))
  assert.deepEqual(
    loaded.filter(url => url.includes('/src/cli/processes')),
    [],
  )
})
