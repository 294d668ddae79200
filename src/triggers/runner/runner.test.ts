/** Functions in processes of their own: what they may do, and that whatever they do ends with an answer. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { type Runner, RunnerPool, TooManyWait } from './pool.ts'
import type { FunctionError } from './process.ts'
import type { CallContext } from './program.ts'
import { kindOf, run, system } from './runner.testing.ts'

test('JavaScript as a module and with exports, TypeScript, and handlers by path', async () => {
  assert.equal((await run('export async function main_handler(event) { return event.n + 1 }')).result, 2)
  assert.equal((await run('exports.main_handler = async event => event.n + 2')).result, 3)
  assert.equal((await run('export const handler = (event: { n: number }): number => event.n + 3', { language: 'typescript' })).result, 4)
  assert.equal((await run('export default event => event.n + 4')).result, 5)
  assert.equal((await run('exports.a = { b: () => "deep" }', { handler: 'a.b' })).result, 'deep')
  assert.equal(
    (
      await run(
        'import { createHash } from "node:crypto"\nexport const main_handler = () => createHash("md5").update("x").digest("hex").length',
      )
    ).result,
    32,
  )
  assert.equal((await run('export const main_handler = () => undefined')).result, null)
})

test('the context, the environment, and what is written', async () => {
  const code = `export async function main_handler(event, context) {
    console.log('hello', context.requestId)
    console.error('trouble')
    return { left: context.getRemainingTimeInMillis() > 0, name: context.functionName, variables: Object.keys(process.env), own: process.env.OWN }
  }`
  const { result, output } = await run(code, { environment: { OWN: 'x' } })
  assert.deepEqual(result, { left: true, name: 'f', variables: ['OWN'], own: 'x' })
  for (let tries = 0; tries < 500 && output().length < 18; tries++) await setTimeout(10)
  assert.match(output(), /hello r-1/)
  assert.match(output(), /trouble/)
})

test('what a function does to itself ends its call, and nothing else', async () => {
  assert.equal(await kindOf('export const main_handler = () => { throw new Error("no") }'), 'error')
  assert.equal(await kindOf('export const main_handler = () => { for (;;); }', { timeoutMs: 300 }), 'timeout')
  assert.equal(await kindOf('export const main_handler = () => new Promise(() => {})', { timeoutMs: 300 }), 'timeout')
  assert.equal(await kindOf('export const main_handler = () => process.exit(3)'), 'crash')
  assert.equal(await kindOf('export const main_handler = () => process.abort()'), 'crash')
  const closes =
    'const { closeSync } = process.getBuiltinModule("node:fs")\nexport const main_handler = () => closeSync(3) ?? new Promise(() => {})'
  assert.equal(await kindOf(closes, { timeoutMs: 20_000 }), 'crash', 'the channel is closed')
  assert.equal(await kindOf('export const main_handler = () => "x".repeat(8_000_000)'), 'output')
  assert.equal(
    await kindOf('export const main_handler = () => { const all = []; for (;;) all.push(new Array(1000).fill({})) }', {
      timeoutMs: 60_000,
    }),
    'crash',
    'its heap is full',
  )
  assert.equal(
    await kindOf('export const main_handler = () => setTimeout(() => { throw new Error("later") }, 1) && new Promise(() => {})'),
    'crash',
  )
  assert.equal((await run('export const main_handler = () => "still here"')).result, 'still here')
})

test('memory outside of the heap is limited, too', { skip: process.platform !== 'linux' }, async () => {
  const code = `export async function main_handler() {
    const all = []
    for (;;) { all.push(Buffer.alloc(16_000_000, 1)); await new Promise(resolve => setTimeout(resolve, 1)) }
  }`
  assert.equal(await kindOf(code, { timeoutMs: 30_000 }), 'memory')
})

test('a file that cannot be loaded', async () => {
  await assert.rejects(run('export const main_handler = ('), { name: 'FunctionError', kind: 'error', type: 'SyntaxError' })
  for (const language of ['javascript', 'typescript'] as const)
    await assert.rejects(run('export const one = 1\nexport const main_handler = (', { language }), { trace: /^\/function\.(mjs|ts):2/ })
  await assert.rejects(run('export const other = 1'), /the file exports no function main_handler/)
  await assert.rejects(run('throw new Error("at the start")'), /at the start/)
  await assert.rejects(run('import "./other.js"\nexport const main_handler = 1'), { kind: 'error' })
})

test('a runner is kept for its function, waits for nobody else, and the number of runners is limited', async () => {
  const small = new RunnerPool({ system, most: 1 })
  const code = 'let n = 0; export const main_handler = () => ++n'
  const order = { code, language: 'javascript' as const, handler: 'main_handler', environment: {} }
  const acquire = (id: string) => small.acquire({ id, order, kind: { memoryMb: 64, network: true } }, () => {})
  const context: CallContext = { requestId: 'r', functionName: 'f', functionVersion: '1', timeoutMs: 5_000, memoryMb: 64, attempt: 1 }
  try {
    const first = await acquire('a')
    assert.equal(await first.process.call(context, '{}'), 1)
    assert.equal(small.isFullFor({ id: 'a' }), true)
    const second = acquire('a')
    // Who has none need not wait until who has taken them all gives one back; but there are no more than twice as many.
    const other = await acquire('b')
    const third = acquire('c')
    assert.deepEqual([other.isNew, small.isFullFor({ id: 'c' })], [true, true])
    small.release(first)
    const again = await second
    assert.deepEqual([again.process === first.process, again.isNew, await again.process.call(context, '{}')], [true, false, 2])
    small.release(again)
    small.release(other)
    const last = await third
    assert.deepEqual([last.isNew, await last.process.call(context, '{}'), first.process.isUsable], [true, 1, false])
    small.release(last)
  } finally {
    small.close()
  }
  await assert.rejects(acquire('a'), /not called here any more/)
})

test('tests take half of the runners together, and so many may wait', async () => {
  const small = new RunnerPool({ system, most: 2 })
  const order = { code: 'export const main_handler = () => 1', language: 'javascript' as const, handler: 'main_handler', environment: {} }
  const acquire = (id: string, isTest = true) => small.acquire({ id, order, kind: { memoryMb: 64, network: true }, isTest }, () => {})
  try {
    const first = await acquire('test 1')
    assert.deepEqual([small.isFullFor({ id: 'test 2', isTest: true }), small.isFullFor({ id: 'a' })], [true, false])
    const others = Array.from({ length: 64 }, (_, index) => acquire(`test ${index + 2}`).catch(String))
    await assert.rejects(acquire('test 66'), TooManyWait)
    const call = await acquire('a', false)
    const next = Promise.race(others)
    small.release(first)
    assert.equal(((await next) as Runner).isNew, true, 'never a process of another test')
    small.release(call)
    const ended = Promise.all(others)
    small.close()
    assert.equal((await ended).filter(each => typeof each === 'string').length, 63)
  } finally {
    small.close()
  }
})

test('between calls a function gets no time, and goes on with the next one', async () => {
  const code = 'let n = 0; setInterval(() => n++, 10); export const main_handler = () => n'
  const { runner } = await run(code)
  const context: CallContext = { requestId: 'r', functionName: 'f', functionVersion: '1', timeoutMs: 5_000, memoryMb: 64, attempt: 1 }
  const before = (await runner.process.call(context, '{}')) as number
  runner.process.pause()
  await setTimeout(500)
  const after = (await runner.process.call(context, '{}')) as number
  assert.ok(after - before < 10, `${before} ${after}`)
  await setTimeout(100)
  assert.ok(((await runner.process.call(context, '{}')) as number) > after)
})

test('what a function sends that is no answer ends its process', async () => {
  const forge = (text: string) => `
    import { writeSync } from 'node:fs'
    const frame = text => { const bytes = Buffer.from('....' + text); bytes.writeUInt32BE(bytes.length - 4); writeSync(3, bytes) }
    export const main_handler = event => { ${text}; return 'real' }`
  // It can answer its own call; the second answer is nobody's.
  const early = await run(forge(`frame('{"id":1,"ok":true,"result":"forged"}')`))
  assert.equal(early.result, 'forged')
  for (let tries = 0; tries < 200 && early.runner.process.isUsable; tries++) await setTimeout(10)
  assert.equal(early.runner.process.isUsable, false)
  for (const text of [
    '{"id":7,"ok":true,"result":1}',
    'null',
    '{}',
    '[]',
    '{"id":1,"ok":false}',
    '{"id":"1","ok":true}',
    '{"id":1,"ok":false,"error":null}',
  ])
    assert.equal(await kindOf(forge(`frame('${text}')`)), 'crash', text)
  assert.equal(await kindOf(forge(`frame('{')`)), 'output')
  assert.equal(await kindOf(forge(`frame('['.repeat(10_000))`)), 'output')
  const code = forge(
    `frame(JSON.stringify({ id: 1, ok: false, error: { type: 'x'.repeat(1000), message: 'y'.repeat(50000), stack: 'z' } }))`,
  )
  await assert.rejects(run(code), { kind: 'error', type: 'x'.repeat(200), message: 'y'.repeat(4_000) })
})

test('results: deep ones, large ones, and integers of 64 bits', async () => {
  assert.equal(
    await kindOf('export const main_handler = () => { let deep = 1; for (let n = 0; n < 300; n++) deep = [deep]; return deep }'),
    'output',
  )
  assert.match(
    await kindOf('export const main_handler = () => { let deep = 1; for (let n = 0; n < 300_000; n++) deep = [deep]; return deep }'),
    /output|error/,
  )
  assert.equal(await kindOf('export const main_handler = () => { const a = {}; a.a = a; return a }'), 'error')
  const { result } = await run('export const main_handler = () => Array.from({ length: 300_000 }, (_, n) => ({ n }))')
  assert.equal((result as { n: number }[])[299_999]!.n, 299_999)
  assert.deepEqual((await run('export const main_handler = () => ({ n: 9007199254740993n })')).result, { n: 9007199254740993n })
})

test('who writes without end is not read without end', async () => {
  for (const [written, cost] of [
    ['x'.repeat(99_999), 100_000],
    ['\\n'.repeat(99_999), 66],
  ] as const) {
    const code = `export async function main_handler() { for (;;) await new Promise(resolve => process.stdout.write('${written}\\n', resolve)) }`
    let lines = 0
    await assert.rejects(run(code, { timeoutMs: 1_000, onOutput: () => void lines++ }), { kind: 'timeout' })
    assert.ok(lines * cost > 100_000 && lines * cost < 6_000_000, `${lines} lines`)
  }
})

test('of a process that was ended while nobody read what it wrote, no file stays open', {
  skip: process.platform !== 'linux',
}, async () => {
  const small = new RunnerPool({ system, most: 1 })
  const code = `export async function main_handler() { for (;;) await new Promise(resolve => process.stdout.write('x'.repeat(100_000), resolve)) }`
  const order = { code, language: 'javascript', handler: 'main_handler', environment: {} } as const
  const context: CallContext = { requestId: 'r', functionName: 'f', functionVersion: '1', timeoutMs: 500, memoryMb: 64, attempt: 1 }
  const open = () => readdirSync('/proc/self/fd').length
  const flood = async (id: string) => {
    const runner = await small.acquire({ id, order, kind: { memoryMb: 64, network: true } }, () => {})
    await assert.rejects(runner.process.call(context, '{}'), { kind: 'timeout' })
    small.release(runner)
    await setTimeout(100)
  }
  try {
    await flood('first')
    const before = open()
    for (const id of ['second', 'third']) await flood(id)
    for (let tries = 0; tries < 100 && open() > before; tries++) await setTimeout(20)
    assert.ok(open() <= before, `${open()} and not ${before}`)
  } finally {
    small.close()
  }
})

test('a line is one, in whatever pieces it comes; what has no end is one when the call is over', async () => {
  const code = `export async function main_handler() {
    process.stdout.write('begin, ')
    await new Promise(resolve => setTimeout(resolve, 600))
    console.log('é'.repeat(5_000) + ', end')
    process.stdout.write('no end')
  }`
  const lines: string[] = []
  await run(code, { onOutput: line => void lines.push(line) })
  for (let tries = 0; tries < 500 && lines.length < 2; tries++) await setTimeout(10)
  assert.deepEqual(lines, [`begin, ${'é'.repeat(5_000)}, end`, 'no end'])
})

test('as in SCF and Lambda: a callback, and the names of what a function is told', async () => {
  const later = 'setTimeout(() => callback(null, [event.n, context.request_id, context.awsRequestId, context.memoryLimitInMB]), 1)'
  assert.deepEqual((await run(`exports.main_handler = (event, context, callback) => { ${later} }`)).result, [1, 'r-1', 'r-1', '64'])
  await assert.rejects(run('exports.main_handler = (event, context, callback) => { callback(new TypeError("no")) }'), {
    type: 'TypeError',
    message: 'no',
  })
  assert.equal((await run('exports.main_handler = async (event, context, callback) => "returned"')).result, 'returned')
  assert.equal((await run('exports.main_handler = () => {}')).result, null)
})

test('an error says where in the file it was thrown, and nothing of what is around it', async () => {
  for (const [code, place] of [
    ['export async function main_handler() {\n  await 1\n  throw new TypeError("no") }', '/function.mjs:3:9'],
    ['exports.main_handler = () => {\n  throw new TypeError("no") }', '/function.cjs:2:9'],
  ] as const)
    await assert.rejects(run(code), ({ trace }: FunctionError) => {
      assert.match(trace!, new RegExp(`^TypeError: no\\n    at .*main_handler \\(${place}\\)$`))
      return true
    })
  await assert.rejects(run('exports.main_handler = () => process.exit(1)'), { kind: 'crash', trace: null })
})
