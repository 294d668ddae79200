/** Shared by the cases of Node clients. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Secured } from './secured.ts'

export type Cases = Record<string, () => Promise<void>>

const caseSeconds = 45

/** A name that no other run has. */
export const unique = (kind: string) => `compat-${kind}-${randomBytes(5).toString('hex')}`

/** An hour ago: old enough to tell from now, young enough for any retention. */
export const hourAgo = Date.now() - 3_600_000

export async function until(what: () => string, condition: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`never: ${what()}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** Why a case does not run. */
export class Skip extends Error {}

export type SecuredBroker = Omit<Secured, 'broker' | 'describedIn' | 'close'>

/** The same cases, skipped when there is no secured broker. */
export function withSecured(body: (broker: SecuredBroker) => Cases): Cases {
  const path = process.env['COMPAT_SECURED']
  if (path !== undefined) return body(JSON.parse(readFileSync(path, 'utf8')) as SecuredBroker)
  const skip = async () => {
    throw new Skip('it needs a broker that the harness started')
  }
  const nowhere = { bootstraps: {}, files: {}, user: {}, admin: {} } as unknown as SecuredBroker
  return Object.fromEntries(Object.keys(body(nowhere)).map(name => [name, skip]))
}

/** That it fails soon, with these words somewhere in the error. */
export async function refused(what: string, work: () => Promise<unknown>, words: RegExp): Promise<void> {
  const began = performance.now()
  const error = await work().then(
    () => null,
    (reason: unknown) => reason,
  )
  assert(error !== null, `${what}: it worked`)
  const told = flat(error).join(' ')
  assert(words.test(told), `${what}: ${told}`)
  assert(performance.now() - began < 20_000, `${what}: refused only after ${Math.round(performance.now() - began)} ms`)
}

/** The messages and codes of an error and all those inside it. */
export function flat(error: unknown): unknown[] {
  if (error === null || error === undefined) return []
  const { name, message, type, apiId, code, errors = [], cause } = error as Record<string, unknown> & { errors?: unknown[] }
  return [name, message, type, apiId, code, ...errors.flatMap(flat), ...flat(cause)].filter(each => each !== undefined)
}

/** Runs them one after another, a line for each, and ends the process: clients like to leave timers behind. */
export async function runCases(cases: Cases, seconds = caseSeconds): Promise<never> {
  process.on('unhandledRejection', error => console.error('unhandled rejection:', error))
  for (const [name, body] of Object.entries(cases)) {
    const began = performance.now()
    try {
      await within(seconds, body())
      console.log(`ok ${name} (${Math.round(performance.now() - began)} ms)`)
    } catch (error) {
      if (error instanceof Skip) console.log(`skip ${name}: ${error.message}`)
      else console.log(`FAIL ${name}: ${reason(error).replace(/\s+/g, ' ').slice(0, 400)}`)
    }
  }
  process.exit(0)
}

function reason(error: unknown): string {
  if (error instanceof AggregateError) return `${error.message} ${error.errors.map(reason).join('; ')}`
  if (!(error instanceof Error)) return String(error)
  // That a fetch failed says nothing.
  return error.cause instanceof Error && !error.message.includes(error.cause.message)
    ? `${error.message}: ${reason(error.cause)}`
    : error.message
}

export async function within<T>(seconds: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`still running after ${seconds} s`)), seconds * 1000)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
