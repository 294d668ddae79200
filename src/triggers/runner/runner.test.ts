/** Functions in processes of their own: what they may do, and that whatever they do ends with an answer. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { realSystem } from '../../base.ts'
import { RunnerPool } from './pool.ts'
import { FunctionError } from './process.ts'
import type { CallContext, LoadOrder } from './program.ts'

const system = realSystem()
const pool = new RunnerPool({ system, most: 4 })
after(() => pool.close())
let ids = 0

interface Wishes {
  language?: LoadOrder['language']
  handler?: string
  environment?: Record<string, string>
  memoryMb?: number
  timeoutMs?: number
  event?: unknown
}

async function run(
  code: string,
  { language = 'javascript', handler = 'main_handler', environment = {}, memoryMb = 64, timeoutMs = 5_000, event = { n: 1 } }: Wishes = {},
) {
  let output = ''
  const file = { id: String(++ids), order: { code, language, handler, environment }, memoryMb }
  const runner = await pool.acquire(file, (_, chunk) => void (output += chunk.toString()))
  const context: CallContext = { requestId: 'r-1', functionName: 'f', functionVersion: '1', timeoutMs, memoryMb, attempt: 1 }
  try {
    return { result: await runner.process.call(context, JSON.stringify(event)), output: () => output, runner }
  } finally {
    pool.release(runner)
  }
}

/** Of the error with which a call ends. */
async function kindOf(code: string, wishes: Wishes = {}): Promise<string> {
  try {
    await run(code, wishes)
  } catch (error) {
    assert.ok(error instanceof FunctionError, String(error))
    return error.kind
  }
  return 'none'
}

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
  for (let tries = 0; tries < 500 && output().length < 20; tries++) await setTimeout(10)
  assert.match(output(), /hello r-1/)
  assert.match(output(), /trouble/)
})

test('no files, no processes, no workers, no signals', async () => {
  const denied = async (expression: string) => {
    const code = `export async function main_handler() { try { ${expression}; return 'allowed' } catch (error) { return error.code ?? error.message } }`
    return (await run(code)).result
  }
  for (const expression of [
    `(await import('node:fs')).readFileSync('/etc/hostname')`,
    `(await import('node:fs')).writeFileSync('/tmp/millrace-escape', 'x')`,
    `(await import('node:child_process')).execSync('true')`,
    `new (await import('node:worker_threads')).Worker('1', { eval: true })`,
  ])
    assert.equal(await denied(expression), 'ERR_ACCESS_DENIED', expression)
  assert.match(String(await denied('process.kill(process.ppid, 9)')), /cannot send signals/)
})

test('what a function does to itself ends its call, and nothing else', async () => {
  assert.equal(await kindOf('export const main_handler = () => { throw new Error("no") }'), 'error')
  assert.equal(await kindOf('export const main_handler = () => { for (;;); }', { timeoutMs: 300 }), 'timeout')
  assert.equal(await kindOf('export const main_handler = () => new Promise(() => {})', { timeoutMs: 300 }), 'timeout')
  assert.equal(await kindOf('export const main_handler = () => process.exit(3)'), 'crash')
  assert.equal(await kindOf('export const main_handler = () => process.abort()'), 'crash')
  assert.equal(await kindOf('export const main_handler = () => "x".repeat(8_000_000)'), 'output')
  assert.equal(
    await kindOf('export const main_handler = () => { const all = []; for (;;) all.push(new Array(1000).fill({})) }', {
      timeoutMs: 60_000,
    }),
    'crash',
    'its heap is full',
  )
  assert.equal(await kindOf('export const main_handler = () => 1n'), 'error', 'no JSON')
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
  await assert.rejects(run('export const other = 1'), /the file exports no function main_handler/)
  await assert.rejects(run('throw new Error("at the start")'), /at the start/)
  await assert.rejects(run('import "./other.js"\nexport const main_handler = 1'), { kind: 'error' })
})

test('a runner is kept for its function, waits for nobody else, and the number of runners is limited', async () => {
  const small = new RunnerPool({ system, most: 1 })
  try {
    const file = (id: string) => ({
      id,
      order: {
        code: 'let n = 0; export const main_handler = () => ++n',
        language: 'javascript' as const,
        handler: 'main_handler',
        environment: {},
      },
      memoryMb: 64,
    })
    const context: CallContext = { requestId: 'r', functionName: 'f', functionVersion: '1', timeoutMs: 5_000, memoryMb: 64, attempt: 1 }
    const first = await small.acquire(file('a'), () => {})
    assert.equal(await first.process.call(context, '{}'), 1)
    assert.equal(small.isFull, true)
    const second = small.acquire(file('a'), () => {})
    const third = small.acquire(file('b'), () => {})
    small.release(first)
    const again = await second
    assert.deepEqual([again.process === first.process, again.isNew, await again.process.call(context, '{}')], [true, false, 2])
    small.release(again)
    const other = await third
    assert.deepEqual([other.isNew, await other.process.call(context, '{}'), first.process.isUsable], [true, 1, false])
    small.release(other)
  } finally {
    small.close()
  }
  await assert.rejects(
    small.acquire({ id: 'a', order: { code: '', language: 'javascript', handler: 'x', environment: {} }, memoryMb: 64 }, () => {}),
    /not called here any more/,
  )
})
