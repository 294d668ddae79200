/** Functions that do what they can to harm others, all at the same time: beside them, a trigger goes on as if they were not there. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { counted, type Stage } from './stage.ts'

const marks = ['millrace-hostile-file', 'millrace-hostile-database', 'millrace-hostile-socket'].map(name => join(tmpdir(), name))
const goodSeconds = 30
const perSecond = 200

/** By the name of the trigger: what the function does, and the kinds of errors with which that ends. */
const hostile: Readonly<Record<string, { body: string; ends: readonly string[]; more?: object; memoryMb?: number; network?: boolean }>> = {
  loop: { body: 'for (;;);', ends: ['timeout'] },
  waits: { body: 'return new Promise(() => {})', ends: ['timeout'] },
  exits: { body: 'process.exit(0)', ends: ['crash'] },
  aborts: { body: 'process.abort()', ends: ['crash'] },
  heap: { body: 'const all = []; for (;;) all.push(new Array(10_000).fill({}))', ends: ['crash', 'memory', 'timeout'], memoryMb: 64 },
  buffers: {
    body: 'const all = []; for (;;) { all.push(Buffer.alloc(50_000_000, 1)); await new Promise(r => setTimeout(r, 1)) }',
    ends: ['memory', 'crash'],
    memoryMb: 64,
  },
  bomb: {
    body: `const { fork, spawn } = await import('node:child_process'); for (const one of [() => fork('/x'), () => spawn('/bin/sh'), () => process.execve('/bin/sh', [])]) try { one(); return 'done' } catch (error) { if (error.code !== 'ERR_ACCESS_DENIED') return 'done' } throw new Error('refused')`,
    ends: ['error'],
  },
  threads: {
    body: `const { Worker } = await import('node:worker_threads'); new Worker('for (;;);', { eval: true }); return 'done'`,
    ends: ['error'],
  },
  passwords: { body: `return (await import('node:fs')).readFileSync('/etc/passwd', 'utf8')`, ends: ['error'] },
  writes: { body: `(await import('node:fs')).writeFileSync('${marks[0]}', 'x'); return 'done'`, ends: ['error'] },
  database: {
    body: `const { DatabaseSync } = await import('node:sqlite'); new DatabaseSync('${marks[1]}').exec('create table t (a)'); return 'done'`,
    ends: ['error'],
  },
  socket: {
    body: `await new Promise((resolve, reject) => process.getBuiltinModule('node:net').createServer().on('error', reject).listen('${marks[2]}', resolve)); return 'done'`,
    ends: ['error'],
  },
  signals: {
    body: `for (const send of [() => process.kill(process.ppid, 9), () => process._kill(process.ppid, 9), () => process._debugProcess(process.ppid), () => process.kill(1, 'SIGUSR1')]) try { send(); return 'done' } catch {} throw new Error('refused')`,
    ends: ['error'],
  },
  writer: {
    body: `for (;;) await new Promise(resolve => process.stdout.write('x'.repeat(100_000) + '\\n', resolve))`,
    ends: ['timeout', 'memory'],
  },
  forger: {
    body: `const bytes = Buffer.from('....{"id":999,"ok":true}'); bytes.writeUInt32BE(bytes.length - 4); (await import('node:fs')).writeSync(3, bytes); return new Promise(() => {})`,
    ends: ['crash'],
  },
  huge: { body: `return 'x'.repeat(20_000_000)`, ends: ['output'] },
  deep: { body: 'let deep = 1; for (let n = 0; n < 1_000; n++) deep = [deep]; return deep', ends: ['output', 'result', 'error'] },
  cyclic: { body: 'const cyclic = {}; cyclic.cyclic = cyclic; return cyclic', ends: ['error'] },
  shape: { body: `return { value: 'x', partition: -1 }`, ends: ['result'] },
  nowhere: { body: `return { value: 'x', partition: 77 }`, ends: ['result'] },
  prototype: {
    body: `return JSON.parse('{"__proto__": {"value": "x"}, "constructor": null, "batchItemFailures": 5}')`,
    ends: ['result', 'none'],
  },
  throws: { body: 'throw null', ends: ['error'] },
  thrower: { body: 'throw { toString() { throw 1 }, get message() { throw 2 } }', ends: ['error', 'crash', 'timeout'] },
  online: { body: 'await fetch(process.env.URL)', ends: ['none'] },
  offline: { body: 'await fetch(process.env.URL)', ends: ['error'], network: false },
}

const atImport = {
  hang: 'for (;;);\nexport const main_handler = 1',
  waitsForEver: 'await new Promise(() => {})\nexport const main_handler = 1',
}

export async function hostileFunctions(stage: Stage): Promise<string> {
  for (const mark of marks) rmSync(mark, { force: true })
  await stage.topics(1, 'good', 'good-copies')
  const copy = 'export const main_handler = ({ Records }) => Records.map(({ Ckafka }) => Ckafka.msgBody)'
  await stage.create('good', { topics: ['good'], function: { code: copy }, output: { topic: 'good-copies' }, maxWaitMs: 0 })
  const { pid } = stage.services
  for (const [name, { body, more = {}, memoryMb = 128, network = true }] of Object.entries(hostile)) {
    await stage.topics(1, `bad-${name}`)
    await stage.topics(1, `bad-${name}-out`)
    await stage.create(`bad-${name}`, {
      topics: [`bad-${name}`],
      function: {
        code: `export async function main_handler() { ${body} }`,
        timeoutMs: 3_000,
        memoryMb,
        network,
        environment: { URL: `${stage.services.urls.triggers}/metrics` },
      },
      output: { topic: `bad-${name}-out` },
      retries: 1,
      maxWaitMs: 0,
      ...more,
    })
    await stage.send(`bad-${name}`, ['x'])
  }
  const sent: string[] = []
  for (let second = 0; second < goodSeconds; second++) {
    const values = Array.from({ length: perSecond }, (_, at) => String(second * perSecond + at))
    await stage.send('good', values)
    sent.push(...values)
    await sleep(1_000)
  }
  const lag = BigInt(sent.length) - ((await stage.kafka.groupOffsets('trigger-good', ''))[0]?.offset ?? 0n)
  await stage.done('good', 'good')
  const { missing, repeated } = counted(await stage.stored('good-copies'), sent)
  if (missing + repeated > 0) throw new Error(`the good trigger: ${missing} missing, ${repeated} repeated`)
  if (lag > 2 * perSecond) throw new Error(`the good trigger was ${lag} records late`)
  for (const [name, { ends }] of Object.entries(hostile)) {
    await stage.done(`bad-${name}`, `bad-${name}`)
    const { errors, givenUp, state } = await stage.status(`bad-${name}`)
    const kinds = Object.keys(errors)
    if (state !== 'RUNNING') throw new Error(`${name} is ${state}`)
    if (kinds.length === 0 && ends.includes('none')) continue
    if (givenUp !== 1 || kinds.length === 0 || !kinds.every(kind => ends.includes(kind)))
      throw new Error(`${name}: ${givenUp} given up, errors ${JSON.stringify(errors)}`)
  }
  const made = marks.filter(existsSync)
  if (made.length > 0) throw new Error(`functions have made ${made}`)
  if (stage.services.pid !== pid || !existsSync(`/proc/${pid}`)) throw new Error('the service has ended')
  if (/[Dd]ebugger listening/.test(stage.services.log())) throw new Error('a function has opened the debugger')
  const megabytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_000
  await refusedAtImport(stage)
  for (const name of Object.keys(hostile)) await stage.ask('DELETE', `/triggers/bad-${name}`)
  return `${Object.keys(hostile).length} hostile functions ended as they should; ${sent.length} records beside them, the newest ${lag} late; the service had at most ${Math.round(megabytes)} MB`
}

/** They are refused when the trigger is made, and hold up nobody meanwhile. */
async function refusedAtImport(stage: Stage): Promise<void> {
  const outcomes = await Promise.allSettled(
    Object.entries(atImport).map(([name, code]) => stage.create(`import-${name}`, { topics: ['good'], function: { code } })),
  )
  for (const outcome of outcomes)
    if (outcome.status === 'fulfilled' || !/has not answered within|exports no function/.test(String(outcome.reason)))
      throw new Error(`a function that hangs at its import: ${JSON.stringify(outcome)}`)
}
