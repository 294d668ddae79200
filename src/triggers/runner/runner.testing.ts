/** Calls of functions in processes of their own. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { realSystem } from '../../base.ts'
import { RunnerPool } from './pool.ts'
import { FunctionError } from './process.ts'
import type { CallContext, LoadOrder } from './program.ts'

export const system = realSystem()
const pool = new RunnerPool({ system, most: 4 })
after(() => pool.close())
let ids = 0

interface Wishes {
  language?: LoadOrder['language']
  handler?: string
  environment?: Record<string, string>
  memoryMb?: number
  network?: boolean
  timeoutMs?: number
  event?: unknown
  onOutput?(line: string): void
}

export async function run(
  code: string,
  { language = 'javascript', handler = 'main_handler', environment = {}, memoryMb = 64, network = true, ...wishes }: Wishes = {},
) {
  const { timeoutMs = 5_000, event = { n: 1 }, onOutput = () => {} } = wishes
  let output = ''
  const file = { id: String(++ids), order: { code, language, handler, environment }, kind: { memoryMb, network } }
  const runner = await pool.acquire(file, (_, line) => {
    output += `${line}\n`
    onOutput(line)
  })
  const context: CallContext = { requestId: 'r-1', functionName: 'f', functionVersion: '1', timeoutMs, memoryMb, attempt: 1 }
  try {
    return { result: await runner.process.call(context, JSON.stringify(event)), output: () => output, runner }
  } finally {
    pool.release(runner)
  }
}

/** Of the error with which a call ends. */
export async function kindOf(code: string, wishes: Wishes = {}): Promise<string> {
  try {
    await run(code, wishes)
  } catch (error) {
    assert.ok(error instanceof FunctionError, String(error))
    return error.kind
  }
  return 'none'
}
