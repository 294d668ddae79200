/**
 * `npm run sim -- worst`: sends each API its worst legal requests, from a client with all permissions and from one with none, while another
 * client produces and fetches. The event loop must never be blocked, every response must be bounded, denials must take one line in the audit
 * log, and memory must return to normal.
 */
import { handlers } from '../src/broker.ts'
import type { Api } from '../src/protocol.ts'
import { type RawClient, requestBytes } from '../test/support/client.ts'
import { Finding } from './scenarios/finding.ts'
import { crowds } from './worst/crowds.ts'
import { decisions } from './worst/decisions.ts'
import { plainRequest, type Shape, shapesOf } from './worst/shapes.ts'
import { specials } from './worst/specials.ts'
import { type Measured, Stage } from './worst/stage.ts'

export interface WorstOptions {
  /** Of the longest list. */
  elements: number
  /** One list of each API, and no special requests. */
  quick?: boolean
  /** Only APIs whose name has this in it. */
  only?: string
  /** Without one only the broker is measured. */
  victim: boolean
  /** Processor time that one turn of the event loop may take. */
  mostTurnMs: number
  log?(line: string): void
}

/** The victim's 99th percentile. */
const mostWaitMs = 50
/** Of fewer waits the 99th percentile is the longest, and tells more of the machine than of the broker: then the request is repeated. */
const leastWaits = 200
const mostTimes = 40
const mostAnswerBytes = 101 * 2 ** 20
const mostGrowthBytes = 64 * 2 ** 20
/** One for each type of resource that a request names, and there are none that name more. */
const mostAuditLines = 3
const answerWithinMs = 60_000

interface Outcome extends Measured {
  what: string
  answerBytes: number
}

/** Throws a {@link Finding} that lists what went wrong. */
export async function worst(options: WorstOptions): Promise<{ requests: number; longestMs: number }> {
  const stage = await Stage.open(options)
  const outcomes: Outcome[] = []
  const problems: string[] = []
  const run = async (what: string, work: () => Promise<number>) => {
    await stage.measured()
    const outcome: Outcome = { what, answerBytes: await work(), ...(await stage.measured()) }
    for (let times = 1; times < mostTimes && isDoubtful(outcome); times++) {
      await work()
      const again = await stage.measured()
      outcome.longestMs = Math.max(outcome.longestMs, again.longestMs)
      outcome.waits = [...outcome.waits!, ...again.waits!]
    }
    options.log?.(lineOf(outcome))
    outcomes.push(outcome)
    problems.push(...problemsOf(outcome, options).map(problem => `${what}: ${problem}`))
  }
  const admin = lasting(() => stage.admin())
  const nobody = lasting(() => stage.nobody())
  const chosen = ({ api }: { api: Api }) => api.name.includes(options.only ?? '')
  try {
    const before = await stage.usedBytes()
    for (const { api, versions } of handlers.filter(chosen)) {
      for (const shape of requestsOf(api, versions[1], options, stage)) {
        // Not while the broker is measured: to encode it takes a core for as long as to work on it.
        const bytes = requestBytes(api, versions[1], shape.request as never)
        await run(`${api.name}: ${shape.name}`, () => ask(admin, api, bytes))
        await run(`${api.name}: ${shape.name}, refused`, () => ask(nobody, api, bytes))
        const { what, auditLines } = outcomes.at(-1)!
        if (auditLines > mostAuditLines) problems.push(`${what}: ${auditLines} lines in the audit log`)
      }
    }
    const growth = (await stage.usedBytes()) - before
    if (growth > mostGrowthBytes) problems.push(`${Math.round(growth / 2 ** 20)} MiB are kept`)
    for (const special of options.quick ? [] : [...specials, ...decisions, ...crowds].filter(chosen)) {
      await special.prepare?.(stage)
      await run(`${special.api.name}: ${special.name}`, () => special.run(stage))
    }
  } finally {
    stage.close()
  }
  if (problems.length > 0) throw new Finding(`worst requests:\n  ${problems.join('\n  ')}`)
  return { requests: outcomes.length, longestMs: Math.max(...outcomes.map(({ longestMs }) => longestMs)) }
}

function requestsOf(api: Api, version: number, { elements, quick }: Pick<WorstOptions, 'elements' | 'quick'>, { stock }: Stage): Shape[] {
  const shapes = shapesOf(api, version, elements, stock)
  if (shapes.length === 0) return [{ name: 'no list', request: plainRequest(api, version, stock) }]
  return quick ? [shapes.at(-2)!] : shapes
}

/** The same connection each time, unless the broker closed it. */
function lasting(open: () => Promise<RawClient>): () => Promise<RawClient> {
  let client: RawClient | null = null
  return async () => {
    if (client === null || client.isClosed) client = await open()
    return client
  }
}

/** Bytes of the answer; 0 when the connection was closed instead. */
async function ask(connected: () => Promise<RawClient>, api: Api, bytes: Buffer): Promise<number> {
  const client = await connected()
  client.send(bytes)
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Finding(`${api.name} was not answered within ${answerWithinMs} ms`)), answerWithinMs)
  const answered = client.nextFrame().then(
    frame => frame.length,
    () => 0,
  )
  try {
    return await Promise.race([answered, late])
  } finally {
    clearTimeout(timer)
  }
}

function problemsOf({ longestMs, waits, answerBytes }: Outcome, { mostTurnMs }: WorstOptions): string[] {
  const problems: string[] = []
  if (longestMs > mostTurnMs) problems.push(`a turn of ${Math.round(longestMs)} ms`)
  if (waits !== null && p99(waits) > mostWaitMs) problems.push(`the victim waited ${Math.round(p99(waits))} ms`)
  if (answerBytes > mostAnswerBytes) problems.push(`an answer of ${answerBytes} bytes`)
  return problems
}

function p99(waits: readonly number[]): number {
  return waits.toSorted((a, b) => a - b)[Math.floor(0.99 * waits.length)] ?? 0
}

function isDoubtful({ waits }: Outcome): boolean {
  return waits !== null && waits.length < leastWaits && p99(waits) > mostWaitMs
}

function lineOf({ what, longestMs, totalMs, waits, answerBytes }: Outcome): string {
  const waited = waits === null ? '' : `, victim p99 ${p99(waits).toFixed(0)} ms of ${waits.length}`
  return `${longestMs.toFixed(0).padStart(5)} ms of ${totalMs.toFixed(0).padStart(5)}${waited}, answer ${answerBytes}: ${what}`
}
