/** What the cases of Node's clients share. */
import { randomBytes } from 'node:crypto'

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

/** Runs them one after another, a line for each, and ends the process: clients like to leave timers behind. */
export async function runCases(cases: Cases): Promise<never> {
  process.on('unhandledRejection', error => console.error('unhandled rejection:', error))
  for (const [name, body] of Object.entries(cases)) {
    const began = performance.now()
    try {
      await within(caseSeconds, body())
      console.log(`ok ${name} (${Math.round(performance.now() - began)} ms)`)
    } catch (error) {
      console.log(`FAIL ${name}: ${reason(error).replace(/\s+/g, ' ').slice(0, 400)}`)
    }
  }
  process.exit(0)
}

function reason(error: unknown): string {
  if (error instanceof AggregateError) return `${error.message} ${error.errors.map(reason).join('; ')}`
  return error instanceof Error ? error.message : String(error)
}

async function within<T>(seconds: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`still running after ${seconds} s`)), seconds * 1000)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
